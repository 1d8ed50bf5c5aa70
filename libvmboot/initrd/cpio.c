/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "initrd/cpio.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"
#include "base/str.h"

struct vmb_cpio {
	struct archive *archive;
	struct archive_entry *entry; /* used again and again */
	char *what;
	int64_t entries;
};

static int failed(struct vmb_cpio *c)
{
	int err = archive_errno(c->archive);
	const char *words = archive_error_string(c->archive);

	return vmb_error(err > 0 ? err : EIO, "cannot write %s: %s", c->what,
			 words ? words : "libarchive does not say why");
}

int vmb_cpio_open(int fd, const char *what, struct vmb_cpio **ret)
{
	vmb_cleanup(vmb_cpio_closep) struct vmb_cpio *c = calloc(1, sizeof(*c));

	if (!c)
		return vmb_oom();
	c->archive = archive_write_new();
	c->entry = archive_entry_new();
	if (!c->archive || !c->entry)
		return vmb_oom(); /* cppcheck-suppress memleak ; it has a cleanup */
	if (vmb_strdup(what, &c->what) < 0)
		return -ENOMEM;
	if (archive_write_set_format_cpio_newc(c->archive) != ARCHIVE_OK ||
	    archive_write_add_filter_none(c->archive) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(c->archive, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(c->archive, fd) != ARCHIVE_OK)
		return failed(c);
	*ret = TAKE_PTR(c);
	return 0;
}

static int put(struct vmb_cpio *c, const char *name, mode_t mode, dev_t device, const void *data,
	       size_t n)
{
	archive_entry_clear(c->entry);
	archive_entry_set_pathname(c->entry, name);
	archive_entry_set_mode(c->entry, mode);
	archive_entry_set_uid(c->entry, 0);
	archive_entry_set_gid(c->entry, 0);
	archive_entry_set_mtime(c->entry, 0, 0);
	archive_entry_set_ino64(c->entry, ++c->entries);
	archive_entry_set_nlink(c->entry, S_ISDIR(mode) ? 2 : 1);
	archive_entry_set_rdev(c->entry, device);
	archive_entry_set_size(c->entry, (int64_t)n);
	if (archive_write_header(c->archive, c->entry) != ARCHIVE_OK)
		return failed(c);
	if (n > 0 && archive_write_data(c->archive, data, n) != (la_ssize_t)n)
		return failed(c);
	return 0;
}

int vmb_cpio_folder(struct vmb_cpio *c, const char *name)
{
	return put(c, name, S_IFDIR | 0755, 0, NULL, 0);
}

int vmb_cpio_device(struct vmb_cpio *c, const char *name, unsigned major, unsigned minor)
{
	return put(c, name, S_IFCHR | 0600, makedev(major, minor), NULL, 0);
}

int vmb_cpio_file(struct vmb_cpio *c, const char *name, mode_t mode, const void *data, size_t n)
{
	return put(c, name, S_IFREG | mode, 0, data, n);
}

int vmb_cpio_finish(struct vmb_cpio *c)
{
	return archive_write_close(c->archive) == ARCHIVE_OK ? 0 : failed(c);
}

void vmb_cpio_close(struct vmb_cpio *c)
{
	if (c->archive)
		archive_write_free(c->archive);
	if (c->entry)
		archive_entry_free(c->entry);
	free(c->what);
	free(c);
}
