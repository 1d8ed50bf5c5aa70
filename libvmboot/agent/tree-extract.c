/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libarchive extracts below the current folder and refuses absolute names, "..", and whatever would
 * go through a symbolic link. The current folder is a process's; a thread can have its own, and so
 * it is a thread that extracts. What an entry may be is checked here before.
 */
#include <archive.h>
#include <archive_entry.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "agent/tree.h"
#include "base/error.h"
#include "base/file.h"

enum {
	ENTRIES_MAX = 1 << 24,
	FOLDERS_MAX = 1 << 20, /* libarchive keeps each until the end */
	/* of one entry's header: libarchive keeps a map of holes whole, and ten times its bytes */
	HEADER_MAX = 8 << 20,
};

VMB_DEFINE_CLEANUP(read_freep, struct archive *, archive_read_free)
VMB_DEFINE_CLEANUP(write_freep, struct archive *, archive_write_free)

struct extract {
	int folder;
	const char *from, *name;
	vmb_tree_read_fn read;
	void *data;
	struct archive *in, *disk;
	struct vmb_buf old; /* struct old_folder of the folders that were there */
	size_t n_folders;
	size_t header_left; /* bytes that libarchive may still read for a header; or SIZE_MAX */
	bool read_failed;   /* with the error set by read() */
	int result;
	struct vmb_saved_error *error;
};

/* libarchive sets the times of a folder that it made at the end, but of one that was there at once,
 * before it puts files into it. */
struct old_folder {
	struct timespec times[2];
	char path[PATH_MAX];
};

static la_ssize_t read_block(struct archive *a, void *data, const void **ret)
{
	struct extract *x = data;
	ssize_t n = x->read_failed ? -1 : x->read(x->data, ret);

	if (n > 0 && (size_t)n > x->header_left)
		n = vmb_error(VMBOOT_EGUEST, "the guest sends a header of over %d bytes",
			      HEADER_MAX);
	else if (n > 0 && x->header_left != SIZE_MAX)
		x->header_left -= (size_t)n;
	if (n < 0) {
		x->read_failed = true;
		archive_set_error(a, EIO, "not read");
	}
	return n;
}

/* An archive that libarchive does not take is the guest's doing. */
static int bad_archive(const struct extract *x)
{
	const char *words = archive_error_string(x->in);

	if (x->read_failed)
		return vmboot_last_error()->code;
	return vmb_error(VMBOOT_EGUEST, "the guest sends no archive: %s",
			 words ? words : "no reason given");
}

/* So is an entry that is refused for its name; a full disk is the host's. */
static int bad_write(const struct extract *x, const char *path)
{
	const char *words = archive_error_string(x->disk);
	int err = archive_errno(x->disk);

	return vmb_error(err > 0 ? err : VMBOOT_EGUEST, "cannot write %s: %s", path,
			 words ? words : "no reason given");
}

static int refuse(const char *path, const char *why)
{
	return vmb_error(VMBOOT_EGUEST, "the guest sends \"%s\", which %s", path, why);
}

/* Every component a name: not empty, not "." and not "..". */
static bool is_plain(const char *path)
{
	for (size_t n; *path; path += n + (path[n] == '/')) {
		n = strcspn(path, "/");
		if (n == 0 || n > NAME_MAX || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
	}
	return true;
}

/* The entry's name, or a link's, as it is to be here; "": the folder itself. */
static int new_name(const struct extract *x, const char *path, char out[PATH_MAX])
{
	const char *rest = path ? vmb_skip_prefix(path, x->from) : NULL;
	bool root = strcmp(x->name, ".") == 0;
	size_t n;

	if (!rest || (*rest && *rest != '/'))
		return refuse(path ? path : "", "is not what was asked for");
	rest += *rest == '/';
	if (!is_plain(rest))
		return refuse(path, "leads elsewhere");
	n = (size_t)snprintf(out, PATH_MAX, "%s%s%s", root ? "" : x->name,
			     *rest && !root ? "/" : "", rest);
	if (n >= PATH_MAX)
		return refuse(path, "is too long a name");
	while (n && out[n - 1] == '/')
		out[--n] = '\0';
	return 0;
}

static int check_type(struct archive_entry *e, const char *path)
{
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
	case AE_IFDIR:
	case AE_IFLNK:
	case AE_IFIFO:
		return 0;
	case AE_IFCHR:
	case AE_IFBLK:
		return geteuid() == 0 ? 0
				      : vmb_error(EPERM, "%s: only root can make a device", path);
	default:
		return archive_entry_hardlink(e) ? 0 : refuse(path, "is of no type");
	}
}

static int rename_entry(const struct extract *x, struct archive_entry *e, char path[PATH_MAX])
{
	const char *link = archive_entry_hardlink(e);
	char target[PATH_MAX];
	int r;

	r = new_name(x, archive_entry_pathname(e), path);
	if (r == 0 && link)
		r = new_name(x, link, target);
	if (r < 0)
		return r;
	archive_entry_copy_pathname(e, path);
	if (link) {
		if (!*target || strcmp(target, path) == 0)
			return refuse(path, "is a link to itself");
		archive_entry_copy_hardlink(e, target);
		archive_entry_unset_size(e); /* else its bytes would go into what it links to */
	}
	return check_type(e, path);
}

/*
 * A sparse map can place bytes behind the file's end. libarchive 3.6 then takes the negative rest for
 * a size, and writes what lies behind its buffer into the file.
 */
static int copy_content(const struct extract *x, int64_t size, const char *path)
{
	const void *bytes;
	int64_t at;
	size_t n;
	int r;

	while ((r = archive_read_data_block(x->in, &bytes, &n, &at)) == ARCHIVE_OK) {
		if (at < 0 || at > size || n > (uint64_t)(size - at))
			return refuse(path, "has content behind its end");
		if (archive_write_data_block(x->disk, bytes, n, at) < ARCHIVE_OK)
			return bad_write(x, path);
	}
	return r == ARCHIVE_EOF ? 0 : bad_archive(x);
}

/* cp does not put a folder in the place of a file, nor a file in that of a device; no more do we. */
static int check_replaced(struct archive_entry *e, const char *path)
{
	struct stat st;
	bool there = lstat(path, &st) == 0;
	mode_t type = archive_entry_hardlink(e) ? 0 : archive_entry_filetype(e);

	if (there && S_ISDIR(st.st_mode) && type != AE_IFDIR)
		return vmb_error(EISDIR, "%s is a folder, and not replaced by what is none", path);
	if (there && S_ISREG(st.st_mode) && type == AE_IFDIR)
		return vmb_error(ENOTDIR, "%s is a file, and not replaced by a folder", path);
	if (there && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode) && type != (st.st_mode & S_IFMT))
		return vmb_error(EEXIST, "%s is neither a file nor a folder, and not replaced",
				 path);
	return 0;
}

static void note_folder(struct extract *x, struct archive_entry *e, const char *path)
{
	struct old_folder old = {.times = {{.tv_nsec = UTIME_OMIT},
					   {archive_entry_mtime(e), archive_entry_mtime_nsec(e)}}};

	if (archive_entry_filetype(e) != AE_IFDIR || !archive_entry_mtime_is_set(e) ||
	    access(path, F_OK) < 0)
		return;
	vmb_strlcpy(old.path, path, sizeof(old.path));
	vmb_buf_add(&x->old, &old, offsetof(struct old_folder, path) + strlen(path) + 1);
}

/* No folder was replaced meanwhile, see check_replaced(), so that none is a link. */
static int set_old_times(const struct extract *x)
{
	struct old_folder old;
	size_t n;

	if (x->old.failed)
		return vmb_oom();
	for (size_t at = 0; at < x->old.len; at += n) {
		size_t path = at + offsetof(struct old_folder, path);

		n = offsetof(struct old_folder, path) + strlen(x->old.data + path) + 1;
		memcpy(&old, x->old.data + at, n);
		if (utimensat(AT_FDCWD, old.path, old.times, AT_SYMLINK_NOFOLLOW) < 0)
			return vmb_errno(errno, "cannot set the times of %s", old.path);
	}
	return 0;
}

static int extract_entry(struct extract *x, struct archive_entry *e)
{
	char path[PATH_MAX];
	int r;

	r = rename_entry(x, e, path);
	if (r < 0 || !*path) /* the folder itself stays as it is */
		return r;
	r = check_replaced(e, path);
	if (r < 0)
		return r;
	if (archive_entry_filetype(e) == AE_IFDIR && ++x->n_folders > FOLDERS_MAX)
		return refuse(path, "is too many folders");
	note_folder(x, e, path);
	if (archive_write_header(x->disk, e) < ARCHIVE_OK)
		return bad_write(x, path);
	if (archive_entry_size(e) > 0) {
		r = copy_content(x, archive_entry_size(e), path);
		if (r < 0)
			return r;
	}
	return archive_write_finish_entry(x->disk) < ARCHIVE_OK ? bad_write(x, path) : 0;
}

static int next_header(struct extract *x, struct archive_entry **ret)
{
	int r;

	x->header_left = HEADER_MAX;
	r = archive_read_next_header(x->in, ret);
	x->header_left = SIZE_MAX;
	return r;
}

static int extract_all(struct extract *x)
{
	struct archive_entry *e;
	int r = 0, got = ARCHIVE_OK;
	size_t n = 0;

	/* it warns of names that are not UTF-8, and takes their bytes */
	while (r == 0 && ((got = next_header(x, &e)) == ARCHIVE_OK || got == ARCHIVE_WARN))
		r = n++ < ENTRIES_MAX ? extract_entry(x, e) : refuse("", "is too many entries");
	if (r == 0 && got != ARCHIVE_EOF)
		r = bad_archive(x);
	if (r == 0 && n == 0)
		r = vmb_error(VMBOOT_EGUEST, "the guest sends an empty archive");
	/* writes the times of folders, too */
	if (r == 0 && archive_write_close(x->disk) != ARCHIVE_OK)
		r = bad_write(x, x->name);
	return r < 0 ? r : set_old_times(x);
}

static int open_archives(struct extract *x)
{
	int flags = ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
		    ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;

	if (geteuid() == 0)
		flags |= ARCHIVE_EXTRACT_OWNER;
	archive_write_disk_set_options(x->disk, flags);
	archive_read_support_format_tar(x->in);
	if (archive_read_open(x->in, x, NULL, read_block, NULL) != ARCHIVE_OK)
		return bad_archive(x);
	return 0;
}

static int extract(struct extract *x)
{
	vmb_cleanup(read_freep) struct archive *in = archive_read_new();
	vmb_cleanup(write_freep) struct archive *disk = archive_write_disk_new();
	int r;

	if (!in || !disk)
		return vmb_oom();
	x->in = in;
	x->disk = disk;
	if (unshare(CLONE_FS) < 0)
		return vmb_errno(errno, "cannot have a current folder of my own");
	if (fchdir(x->folder) < 0)
		return vmb_errno(errno, "cannot enter the folder to copy to");
	umask(0);
	r = open_archives(x);
	if (r == 0)
		r = extract_all(x);
	vmb_buf_done(&x->old);
	return r;
}

/* Names are bytes, which libarchive leaves alone where the locale's text is UTF-8. */
static int extract_in_utf8(struct extract *x)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before;
	int r;

	if (!utf8)
		return extract(x);
	before = uselocale(utf8);
	r = extract(x);
	uselocale(before);
	freelocale(utf8);
	return r;
}

static void *extract_thread(void *data)
{
	struct extract *x = data;

	x->result = extract_in_utf8(x);
	if (x->result < 0)
		x->error = vmb_error_save();
	return NULL;
}

int vmb_tree_extract(int folder, const char *from, const char *name, vmb_tree_read_fn read,
		     void *data)
{
	struct extract x = {
		.folder = folder,
		.from = from,
		.name = name,
		.read = read,
		.data = data,
		.header_left = SIZE_MAX,
	};
	sigset_t all, before;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, extract_thread, &x);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return vmb_errno(r, "cannot start a thread");
	pthread_join(thread, NULL);
	if (x.error)
		vmb_error_restore(x.error);
	return x.result;
}
