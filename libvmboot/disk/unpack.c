/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <archive_entry.h>

#include "archive/layer.h"
#include "archive/path.h"
#include "base/error.h"
#include "base/file.h"
#include "disk/headers.h"

/*
 * Somebody else's archive, unpacked by root. Every step down a path is taken by itself and never
 * through a link, so nothing lands outside the folder, whatever links the archive makes.
 */

VMB_DEFINE_CLEANUP(read_freep, struct archive *, archive_read_free)

enum {
	CHUNK = 1 << 17,
	ENTRIES_MAX = 1 << 19,
	PROGRESS_EVERY = 512, /* entries */
};

/* A compressed archive can hold anything; headers have 75 MiB. */
static const uint64_t bytes_max = 2ULL << 30;

struct unpack {
	const char *archive;
	int folder;
	struct archive *in;
	struct archive_entry *entry;
	uint64_t entries, bytes;
	const struct vmb_log *log;
};

static int refuse(const struct unpack *u, const char *path, const char *why)
{
	return vmb_error(VMBOOT_EKERNEL, "the kernel headers %s have \"%s\", which %s", u->archive,
			 vmb_show(path).text, why);
}

static int unreadable(const struct unpack *u)
{
	const char *words = archive_error_string(u->in);

	return vmb_error(VMBOOT_EKERNEL, "cannot read the kernel headers %s: %s", u->archive,
			 words ? words : "they are no archive");
}

/* A relative path without "." and "..", which an archive from a friend has, too. */
static int clean(const struct unpack *u, const char *raw, char path[PATH_MAX])
{
	if (raw && raw[0] == '/')
		return refuse(u, raw, "is an absolute path");
	if (vmb_path_clean(raw, path) < 0)
		return vmb_error(VMBOOT_EKERNEL, "the kernel headers %s: %s", u->archive,
				 vmboot_last_error()->message);
	return 0;
}

/* Opens the folder that path is in; ret_name is the last part of path. */
static int enter(const struct unpack *u, const char *path, int *ret_fd, const char **ret_name)
{
	_cleanup_close_ int fd = fcntl(u->folder, F_DUPFD_CLOEXEC, 3);
	char part[NAME_MAX + 1];
	const char *slash;
	int next;

	for (; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		vmb_strlcpy(part, path, (size_t)(slash - path) + 1);
		if (mkdirat(fd, part, 0755) < 0 && errno != EEXIST)
			return vmb_errno(errno, "cannot unpack %s: making %s", u->archive, part);
		next = openat(fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return refuse(u, path, "lies below something that is no folder");
		close(fd);
		fd = next;
	}
	if (fd < 0)
		return vmb_errno(errno, "cannot unpack %s", u->archive);
	*ret_fd = TAKE_FD(fd);
	*ret_name = path;
	return 0;
}

static int write_content(struct unpack *u, int fd)
{
	const void *data;
	int64_t at;
	size_t n;
	int r;

	while ((r = archive_read_data_block(u->in, &data, &n, &at)) == ARCHIVE_OK) {
		u->bytes += n;
		if (at < 0 || u->bytes > bytes_max || (uint64_t)at > bytes_max)
			return vmb_error(VMBOOT_EKERNEL,
					 "the kernel headers %s have more than %llu MiB",
					 u->archive, (unsigned long long)bytes_max >> 20);
		if (lseek(fd, at, SEEK_SET) < 0)
			return vmb_errno(errno, "cannot unpack %s", u->archive);
		r = vmb_write_all(fd, u->archive, data, n);
		if (r < 0)
			return r;
	}
	return r == ARCHIVE_EOF ? 0 : unreadable(u);
}

static int put_file(struct unpack *u, int dir, const char *name)
{
	mode_t mode = archive_entry_mode(u->entry) & 0111 ? 0755 : 0644;
	_cleanup_close_ int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

	if (fd < 0)
		return vmb_errno(errno, "cannot unpack %s: making %s", u->archive, name);
	return write_content(u, fd);
}

static int put_hard_link(struct unpack *u, int dir, const char *name)
{
	const char *raw = archive_entry_hardlink(u->entry), *from_name;
	_cleanup_close_ int from = -1;
	char path[PATH_MAX];
	struct stat st;
	int r = clean(u, raw, path);

	if (r == 0)
		r = enter(u, path, &from, &from_name);
	if (r < 0)
		return r;
	if (fstatat(from, from_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return refuse(u, raw, "is linked to, and is no file");
	if (linkat(from, from_name, dir, name, 0) < 0)
		return vmb_errno(errno, "cannot unpack %s: linking %s", u->archive, name);
	return 0;
}

static int put(struct unpack *u, const char *path, int dir, const char *name)
{
	mode_t type = archive_entry_filetype(u->entry);

	if (type != AE_IFDIR && unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return refuse(u, path, "is there already, as a folder");
	if (archive_entry_hardlink(u->entry))
		return put_hard_link(u, dir, name);
	if (type == AE_IFREG)
		return put_file(u, dir, name);
	if (type == AE_IFLNK && archive_entry_symlink(u->entry)) {
		if (symlinkat(archive_entry_symlink(u->entry), dir, name) < 0)
			return vmb_errno(errno, "cannot unpack %s: making %s", u->archive, name);
		return 0;
	}
	if (type != AE_IFDIR)
		return refuse(u, path, "is neither file, folder nor link");
	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		return vmb_errno(errno, "cannot unpack %s: making %s", u->archive, name);
	return 0;
}

static int put_entry(struct unpack *u)
{
	_cleanup_close_ int dir = -1;
	char path[PATH_MAX];
	const char *name;
	int r = clean(u, archive_entry_pathname(u->entry), path);

	if (r < 0 || !*path) /* the folder itself */
		return r;
	if (u->entries++ == ENTRIES_MAX)
		return vmb_error(VMBOOT_EKERNEL, "the kernel headers %s have more than %d entries",
				 u->archive, ENTRIES_MAX);
	if (u->entries % PROGRESS_EVERY == 0)
		vmb_progress(u->log, "unpacking the kernel headers", u->entries, 0);
	r = enter(u, path, &dir, &name);
	return r < 0 ? r : put(u, path, dir, name);
}

static int unpack(struct unpack *u)
{
	int r, got;

	archive_read_support_filter_all(u->in);
	archive_read_support_format_tar(u->in);
	if (archive_read_open_filename(u->in, u->archive, CHUNK) != ARCHIVE_OK)
		return unreadable(u);
	do {
		got = archive_read_next_header(u->in, &u->entry);
		if (got == ARCHIVE_EOF)
			return 0;
		if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
			return unreadable(u);
		r = put_entry(u);
	} while (r == 0);
	return r;
}

int vmb_headers_unpack(const char *archive, const char *folder, const struct vmb_log *log)
{
	_cleanup_c_locale_ struct vmb_c_locale locale = {0};
	vmb_cleanup(read_freep) struct archive *in = archive_read_new();
	_cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct unpack u = {.archive = archive, .folder = fd, .in = in, .log = log};
	int r;

	if (!in)
		return vmb_oom();
	if (fd < 0)
		return vmb_errno(errno, "cannot unpack to %s", folder);
	r = vmb_c_locale_enter(&locale);
	return r < 0 ? r : unpack(&u);
}
