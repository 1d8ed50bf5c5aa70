/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <limits.h>
#include <locale.h>
#include <string.h>

#include "agent/tree.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

enum { BLOCK = 65536 };

VMB_DEFINE_CLEANUP(read_freep, struct archive *, archive_read_free)
VMB_DEFINE_CLEANUP(write_freep, struct archive *, archive_write_free)
VMB_DEFINE_CLEANUP(resolver_freep, struct archive_entry_linkresolver *,
		   archive_entry_linkresolver_free)

struct pack {
	const char *path, *name;
	vmb_tree_write_fn write;
	void *data;
	struct archive *in, *out;
	bool write_failed; /* with the error set by write() */
};

static la_ssize_t write_block(struct archive *a, void *data, const void *bytes, size_t n)
{
	struct pack *p = data;

	if (p->write_failed || p->write(p->data, bytes, n) < 0) {
		p->write_failed = true;
		archive_set_error(a, EIO, "not written");
		return -1;
	}
	return (la_ssize_t)n;
}

static int failed(const struct pack *p, struct archive *a, const char *what)
{
	const char *words = archive_error_string(a);
	int err = archive_errno(a);

	if (p->write_failed)
		return vmboot_last_error()->code;
	return vmb_error(err > 0 ? err : EIO, "cannot %s %s: %s", what, p->path,
			 words ? words : "no reason given");
}

/* ---- the archive ---- */

static int open_out(struct pack *p)
{
	archive_write_set_format_pax(p->out);
	/* names are bytes, whatever locale the caller has */
	archive_write_set_format_option(p->out, "pax", "hdrcharset", "BINARY");
	archive_write_set_bytes_per_block(p->out, BLOCK);
	archive_write_set_bytes_in_last_block(p->out, 1);
	if (archive_write_open(p->out, p, NULL, write_block, NULL) != ARCHIVE_OK)
		return failed(p, p->out, "archive");
	return 0;
}

static int end_out(struct pack *p, int r)
{
	if (r == 0 && archive_write_close(p->out) != ARCHIVE_OK)
		r = failed(p, p->out, "archive");
	if (r < 0) {
		/* half an archive gets no proper end; what is not closed, libarchive does not free */
		p->write_failed = true;
		archive_write_close(p->out);
	}
	return r;
}

/* ---- from the host's files ---- */

/* What lies below path is named below name. */
static int rename_entry(const struct pack *p, struct archive_entry *e)
{
	const char *at = vmb_skip_prefix(archive_entry_pathname(e), p->path);
	char name[2 * PATH_MAX];

	if (!at)
		return vmb_error(EIO, "%s is not below %s", archive_entry_pathname(e), p->path);
	at += strspn(at, "/");
	if (snprintf(name, sizeof(name), "%s%s%s", p->name, *at ? "/" : "", at) >=
	    (int)sizeof(name))
		return vmb_error(ENAMETOOLONG, "%s is too long a name", at);
	archive_entry_copy_pathname(e, name);
	return 0;
}

/* Holes are zeros to libarchive, which leaves them out by the entry's list of extents. */
static int write_zeros(struct pack *p, int64_t n)
{
	static const char zeros[BLOCK];

	while (n > 0) {
		size_t step = n < BLOCK ? (size_t)n : BLOCK;

		if (archive_write_data(p->out, zeros, step) < 0)
			return failed(p, p->out, "archive");
		n -= (int64_t)step;
	}
	return 0;
}

static int write_content(struct pack *p, struct archive_entry *e)
{
	int64_t done = 0, at;
	const void *bytes;
	size_t n;
	int r;

	while ((r = archive_read_data_block(p->in, &bytes, &n, &at)) == ARCHIVE_OK) {
		if (write_zeros(p, at - done) < 0)
			return vmboot_last_error()->code;
		if (n && archive_write_data(p->out, bytes, n) < 0)
			return failed(p, p->out, "archive");
		done = at + (int64_t)n;
	}
	if (r != ARCHIVE_EOF)
		return failed(p, p->in, "read a file in");
	return write_zeros(p, archive_entry_size(e) - done);
}

static int write_entry(struct pack *p, struct archive_entry *e)
{
	int r = archive_write_header(p->out, e);

	if (r < ARCHIVE_WARN)
		return failed(p, p->out, "archive");
	if (archive_entry_size(e) > 0 && !archive_entry_hardlink(e))
		return write_content(p, e);
	return 0;
}

static int pack_entry(struct pack *p, struct archive_entry_linkresolver *links,
		      struct archive_entry *e)
{
	struct archive_entry *spare = NULL;
	int r;

	if (archive_entry_filetype(e) == AE_IFSOCK)
		return 0; /* means nothing without the process that listens */
	r = rename_entry(p, e);
	if (r < 0)
		return r;
	archive_entry_linkify(links, &e, &spare);
	return e ? write_entry(p, e) : 0;
}

static int pack_all(struct pack *p)
{
	vmb_cleanup(resolver_freep) struct archive_entry_linkresolver *links =
		archive_entry_linkresolver_new();
	struct archive_entry *e = archive_entry_new();
	int r = 0, got = ARCHIVE_OK;

	if (!links || !e)
		r = vmb_oom();
	else
		archive_entry_linkresolver_set_strategy(links, ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE);
	while (r == 0 && (got = archive_read_next_header2(p->in, e)) == ARCHIVE_OK) {
		archive_read_disk_descend(p->in);
		r = pack_entry(p, links, e);
		archive_entry_clear(e);
	}
	archive_entry_free(e);
	if (r == 0 && got != ARCHIVE_EOF)
		r = failed(p, p->in, "read");
	return r;
}

int vmb_tree_pack(const char *path, const char *name, vmb_tree_write_fn write, void *data)
{
	vmb_cleanup(read_freep) struct archive *disk = archive_read_disk_new();
	vmb_cleanup(write_freep) struct archive *out = archive_write_new();
	struct pack p = {path, name, write, data, disk, out, false};
	int r;

	if (!disk || !out)
		return vmb_oom();
	archive_read_disk_set_symlink_physical(disk);
	archive_read_disk_set_behavior(disk, ARCHIVE_READDISK_NO_XATTR | ARCHIVE_READDISK_NO_ACL |
						     ARCHIVE_READDISK_NO_FFLAGS);
	r = open_out(&p);
	if (r < 0)
		return r;
	r = archive_read_disk_open(disk, path) == ARCHIVE_OK ? pack_all(&p)
							     : failed(&p, disk, "read");
	return end_out(&p, r);
}

/* ---- from another archive ---- */

/* Without its root, and without what the copy does not keep. */
static int adopt_entry(const struct pack *p, struct archive_entry *e)
{
	const char *theirs = archive_entry_pathname(e), *target = archive_entry_hardlink(e);
	_cleanup_free_ char *name = NULL, *link = NULL;
	int r;

	if (!theirs)
		return vmb_error(EILSEQ, "%s has an entry without a name", p->path);
	theirs += strspn(theirs, "/");
	r = vmb_strdup(*theirs ? theirs : ".", &name);
	if (r == 0 && target)
		r = vmb_strdup(target + strspn(target, "/"), &link);
	if (r < 0)
		return r;
	archive_entry_copy_pathname(e, name);
	if (link)
		archive_entry_copy_hardlink(e, link);
	archive_entry_xattr_clear(e);
	archive_entry_acl_clear(e);
	archive_entry_set_fflags(e, 0, 0);
	return 0;
}

static int repack_all(struct pack *p)
{
	struct archive_entry *e;
	int r = 0, got = ARCHIVE_EOF;

	while (r == 0 && (got = archive_read_next_header(p->in, &e)) >= ARCHIVE_WARN &&
	       got != ARCHIVE_EOF) {
		r = adopt_entry(p, e);
		if (r == 0)
			r = write_entry(p, e);
	}
	return r == 0 && got != ARCHIVE_EOF ? failed(p, p->in, "read") : r;
}

/* What libarchive does itself: it would run a program for any other. */
static int open_in(struct pack *p, int fd)
{
	int (*const supports[])(struct archive * a) = {
		archive_read_support_format_tar,   archive_read_support_filter_gzip,
		archive_read_support_filter_bzip2, archive_read_support_filter_xz,
		archive_read_support_filter_zstd,
	};

	for (size_t i = 0; i < ARRAY_SIZE(supports); i++)
		if (supports[i](p->in) < ARCHIVE_WARN)
			return failed(p, p->in, "read");
	return archive_read_open_fd(p->in, fd, BLOCK) == ARCHIVE_OK ? 0 : failed(p, p->in, "read");
}

static int repack(int fd, vmb_tree_write_fn write, void *data)
{
	vmb_cleanup(read_freep) struct archive *in = archive_read_new();
	vmb_cleanup(write_freep) struct archive *out = archive_write_new();
	struct pack p = {"the tar archive", NULL, write, data, in, out, false};
	int r;

	if (!in || !out)
		return vmb_oom();
	r = open_in(&p, fd);
	if (r == 0)
		r = open_out(&p);
	return r < 0 ? r : end_out(&p, repack_all(&p));
}

/* Names are bytes, which libarchive leaves alone where the locale's text is UTF-8. */
int vmb_tree_repack(int fd, vmb_tree_write_fn write, void *data)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before;
	int r;

	if (utf8 == (locale_t)0)
		return repack(fd, write, data);
	before = uselocale(utf8);
	r = repack(fd, write, data);
	uselocale(before);
	freelocale(utf8);
	return r;
}
