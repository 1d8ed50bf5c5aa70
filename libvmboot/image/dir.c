/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <fts.h>
#include <sys/sysmacros.h>

#include "archive/digest.h"
#include "archive/layer.h"
#include "archive/path.h"
#include "archive/squash.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limit.h"
#include "image/oci-json.h"
#include "image/source.h"

/*
 * dir: a folder, as it is on disk, without what is mounted in it. Its digest is over all that
 * lstat, readlink and the xattrs tell, in the order of names, so telling it reads no content.
 */

VMB_DEFINE_CLEANUP(fts_closep, FTS *, fts_close)
VMB_DEFINE_CLEANUP(archive_freep, struct archive *, archive_read_free)
VMB_DEFINE_CLEANUP(entry_freep, struct archive_entry *, archive_entry_free)
VMB_DEFINE_CLEANUP(resolver_freep, struct archive_entry_linkresolver *,
		   archive_entry_linkresolver_free)

enum { CHUNK = 1 << 18 };

struct walk {
	const char *root;
	const struct vmb_log *log;
	struct archive *disk; /* reads xattrs */
	struct vmb_hash hash;
	uint64_t entries, bytes;

	/* when it is written, too */
	struct vmb_progress_count *import;
	struct vmb_squash squash;
	struct archive_entry_linkresolver *links;
	uint8_t *chunk;
};

/* path: clean, relative to the folder, "" for itself. */
typedef int (*walk_fn)(struct walk *w, const char *path, const struct stat *st,
		       struct archive_entry *entry);

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int read_entry(struct walk *w, const FTSENT *ent, const char *path,
		      struct archive_entry **ret)
{
	vmb_cleanup(entry_freep) struct archive_entry *e = archive_entry_new();

	if (!e)
		return vmb_oom();
	archive_entry_copy_sourcepath(e, ent->fts_path);
	archive_entry_copy_pathname(e, path);
	if (archive_read_disk_entry_from_file(w->disk, e, -1, ent->fts_statp) < ARCHIVE_WARN)
		return vmb_errno(archive_errno(w->disk), "cannot read %s", ent->fts_path);
	*ret = TAKE_PTR(e);
	return 0;
}

static int visit(struct walk *w, const FTSENT *ent, walk_fn fn)
{
	vmb_cleanup(entry_freep) struct archive_entry *e = NULL;
	const char *path = ent->fts_path + strlen(w->root);
	int r = vmb_limit_check();

	if (r < 0)
		return r;
	path += strspn(path, "/");
	if (ent->fts_info == FTS_ERR || ent->fts_info == FTS_DNR || ent->fts_info == FTS_NS)
		return vmb_errno(ent->fts_errno, "cannot read %s", ent->fts_path);
	if (ent->fts_info == FTS_DP)
		return 0;
	if (S_ISSOCK(ent->fts_statp->st_mode)) {
		vmb_log(w->log, VMBOOT_LOG_INFO, "the socket %s is left out",
			vmb_show(ent->fts_path).text);
		return 0;
	}
	r = read_entry(w, ent, path, &e);
	return r < 0 ? r : fn(w, path, ent->fts_statp, e);
}

static int walk(struct walk *w, walk_fn fn)
{
	char *roots[] = {(char *)w->root, NULL};
	vmb_cleanup(archive_freep) struct archive *disk = archive_read_disk_new();
	vmb_cleanup(fts_closep) FTS *fts = NULL;
	FTSENT *ent;
	int r = 0;

	if (!disk)
		return vmb_oom();
	archive_read_disk_set_behavior(disk, ARCHIVE_READDISK_NO_ACL | ARCHIVE_READDISK_NO_FFLAGS |
						     ARCHIVE_READDISK_NO_SPARSE);
	w->disk = disk;
	fts = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, by_name);
	if (!fts)
		return vmb_errno(errno, "cannot read %s", w->root);
	do {
		errno = 0;
		ent = fts_read(fts);
		if (ent)
			r = visit(w, ent, fn);
		else if (errno)
			r = vmb_errno(errno, "cannot read %s", w->root);
	} while (ent && r == 0);
	return r;
}

static void hash_text(struct vmb_hash *h, const char *s)
{
	vmb_hash_str(h, s ? s : "");
}

static int add_to_digest(struct walk *w, const char *path, const struct stat *st,
			 struct archive_entry *e)
{
	const uint64_t facts[] = {
		st->st_mode,
		st->st_uid,
		st->st_gid,
		(uint64_t)st->st_rdev,
		(uint64_t)st->st_ino,
		st->st_nlink,
		(uint64_t)archive_entry_xattr_reset(e),
	};
	const char *name;
	const void *value;
	size_t n;

	hash_text(&w->hash, path);
	vmb_hash_add(&w->hash, facts, sizeof(facts));
	vmb_hash_stat(&w->hash, st);
	hash_text(&w->hash, archive_entry_symlink(e));
	while (archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK) {
		hash_text(&w->hash, name);
		vmb_hash_add(&w->hash, &n, sizeof(n));
		vmb_hash_add(&w->hash, value, n);
	}
	w->entries++;
	if (S_ISREG(st->st_mode))
		w->bytes += (uint64_t)st->st_size;
	return 0;
}

static int digest_of(const char *root, char hex[VMB_SHA256_HEX + 1], uint64_t *ret_bytes)
{
	_cleanup_c_locale_ struct vmb_c_locale locale = {0};
	struct walk w = {.root = root};
	int r;

	vmb_hash_init(&w.hash);
	vmb_hash_str(&w.hash, "vmboot dir 1");
	r = vmb_c_locale_enter(&locale);
	if (r == 0)
		r = walk(&w, add_to_digest);
	if (r < 0)
		return r;
	vmb_hash_hex(&w.hash, hex);
	*ret_bytes = w.bytes;
	return 0;
}

static int resolve(const struct vmb_source *source, const struct vmb_store *store,
		   struct vmb_image *image)
{
	char hex[VMB_SHA256_HEX + 1];
	uint64_t bytes;
	int r = digest_of(source->path, hex, &bytes);

	(void)store;
	if (r == 0)
		r = vmb_asprintf(&image->digest, "sha256:%s", hex);
	return r < 0 ? r : vmb_strdup("squashfs", &image->fstype);
}

static int open_same(const char *path, const struct stat *st, int *ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat now;

	if (fd < 0 || fstat(fd, &now) < 0)
		return vmb_errno(errno, "cannot read %s", path);
	if (now.st_dev != st->st_dev || now.st_ino != st->st_ino || now.st_size != st->st_size)
		return vmb_error(VMBOOT_EIMAGE, "%s changed while it was imported; try again",
				 vmb_show(path).text);
	*ret = TAKE_FD(fd);
	return 0;
}

static int copy_content(struct walk *w, const char *path, const struct stat *st)
{
	uint64_t left = (uint64_t)st->st_size;
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int r = open_same(path, st, &fd);

	while (r == 0 && left > 0) {
		n = read(fd, w->chunk, left < CHUNK ? (size_t)left : CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmb_errno(errno, "cannot read %s", path);
		if (n == 0)
			return vmb_error(VMBOOT_EIMAGE, "%s became shorter while it was imported",
					 vmb_show(path).text);
		left -= (uint64_t)n;
		vmb_progress_add(w->import, (uint64_t)n);
		r = vmb_tarout_data(&w->squash.out, w->chunk, (uint64_t)n);
	}
	return r;
}

/* The name of the file's first hard link that was written, or NULL: this is the first. */
static const char *first_link(struct walk *w, struct archive_entry *e, const struct stat *st,
			      struct archive_entry **keep)
{
	struct archive_entry *spare = NULL;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
		return NULL;
	*keep = archive_entry_clone(e);
	if (!*keep)
		return NULL;
	archive_entry_linkify(w->links, keep, &spare);
	return *keep ? archive_entry_hardlink(*keep) : NULL;
}

static int write_entry(struct walk *w, const char *path, const struct stat *st,
		       struct archive_entry *e)
{
	vmb_cleanup(entry_freep) struct archive_entry *keep = NULL;
	struct vmb_tarout *out = &w->squash.out;
	const char *link;
	int r;

	if (!*path) /* the root is not part of the stream */
		return 0;
	link = first_link(w, e, st, &keep);
	if (link)
		return vmb_tarout_link(out, path, link);
	r = vmb_tarout_entry(out, path, e);
	if (r == 0 && S_ISREG(st->st_mode))
		r = copy_content(w, archive_entry_sourcepath(e), st);
	return r;
}

static int write_disk(struct walk *w, const char *disk)
{
	struct vmb_squash_root root;
	struct stat st;
	int r;

	if (stat(w->root, &st) < 0)
		return vmb_errno(errno, "cannot read %s", w->root);
	root = vmb_squash_root_of(st.st_mode, st.st_uid, st.st_gid, st.st_mtim.tv_sec);
	r = vmb_squash_start(&w->squash, disk, &root, w->log);
	if (r == 0)
		r = vmb_squash_finish(&w->squash, walk(w, write_entry));
	vmb_squash_done(&w->squash);
	return r;
}

static int build(const struct vmb_source *source, const struct vmb_image *image, const char *disk,
		 struct vmb_progress_count *import)
{
	_cleanup_c_locale_ struct vmb_c_locale locale = {0};
	vmb_cleanup(resolver_freep) struct archive_entry_linkresolver *links =
		archive_entry_linkresolver_new();
	_cleanup_free_ uint8_t *chunk = malloc(CHUNK);
	struct walk w = {.root = source->path,
			 .log = import->log,
			 .import = import,
			 .squash = VMB_SQUASH_INIT};
	char hex[VMB_SHA256_HEX + 1];
	uint64_t bytes;
	int r;

	if (!links || !chunk)
		return vmb_oom();
	archive_entry_linkresolver_set_strategy(links, ARCHIVE_FORMAT_TAR_USTAR);
	w.links = links;
	w.chunk = chunk;
	r = digest_of(source->path, hex, &import->total);
	if (r == 0)
		r = vmb_c_locale_enter(&locale);
	if (r == 0)
		r = write_disk(&w, disk);
	if (r == 0)
		r = digest_of(source->path, hex, &bytes);
	if (r == 0 && !vmb_streq(hex, vmb_digest_hex(image->digest)))
		r = vmb_error(VMBOOT_EIMAGE, "dir:%s changed while it was imported; try again",
			      source->path);
	return r;
}

const struct vmb_source_kind vmb_source_dir = {
	.prefix = "dir:",
	.usage = "dir:DIR",
	.type = S_IFDIR,
	.resolve = resolve,
	.build = build,
};
