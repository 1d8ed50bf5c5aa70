/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/flatten.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include "archive/path.h"
#include "archive/spool.h"
#include "archive/squash.h"
#include "base/error.h"
#include "image/tree.h"

#define WHITEOUT ".wh."
#define OPAQUE_NAME WHITEOUT WHITEOUT ".opq"

/* All content together; more is a trap, not an image. */
static const int64_t content_max = 1LL << 40;

enum {
	SPACE_STEP = 4 << 20, /* bytes of content between two looks at the free space */
	FREE_MIN = 16 << 20,  /* bytes that an import leaves free */
};

struct flatten {
	const struct vmb_layers *layers;
	struct vmb_progress_count *import;
	struct vmb_tree *tree;
	struct vmb_squash_root root;
	int64_t content;
	struct vmb_spool spool;
	struct vmb_spool_part *parts; /* of each layer */
	const char *disk;
	uint64_t unchecked;	  /* bytes of content since the free space was looked at */
	struct vmb_squash squash; /* of the second pass; so is the next */
	uint32_t seq;
};

/* What an entry's name makes of it. */
enum meaning {
	PLAIN,
	SKIP, /* aufs' own files */
	GONE_BELOW,
	OPAQUE,
};

/* aufs keeps its own things in .wh..wh.NAME; the one that OCI took over is not among them. */
static bool is_of_aufs(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (vmb_skip_prefix(p, WHITEOUT WHITEOUT) && !vmb_streq(p, OPAQUE_NAME))
			return true;
	}
	return false;
}

/* path becomes what the whiteout is about. */
static int meaning_of(char path[PATH_MAX], enum meaning *ret)
{
	char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	const char *name = vmb_skip_prefix(base, WHITEOUT);

	if (is_of_aufs(path)) {
		*ret = SKIP;
	} else if (!name) {
		*ret = PLAIN;
	} else if (vmb_streq(base, OPAQUE_NAME)) {
		*ret = OPAQUE;
		*(slash ? slash : path) = '\0';
	} else if (!*name || vmb_streq(name, ".") || vmb_streq(name, "..")) {
		return vmb_error(VMBOOT_EIMAGE, "the whiteout %s names nothing",
				 vmb_show(path).text);
	} else {
		*ret = GONE_BELOW;
		memmove(base, name, strlen(name) + 1);
	}
	return 0;
}

static int weigh(struct flatten *f, struct archive_entry *e, const char *path)
{
	int64_t size = archive_entry_size(e);

	if (size < 0 || size > content_max || f->content > content_max - size)
		return vmb_error(VMBOOT_EIMAGE, "with %s there is more than %lld GiB of content",
				 vmb_show(path).text, (long long)(content_max >> 30));
	f->content += size;
	return 0;
}

static int take_in_plain(struct flatten *f, struct archive_entry *e, const char *path)
{
	const char *raw = archive_entry_hardlink(e);
	char target[PATH_MAX];
	unsigned mode = archive_entry_mode(e);
	int r;

	if (raw) {
		r = vmb_path_clean(raw, target);
		return r < 0 ? r : vmb_tree_link(f->tree, path, target);
	}
	if (S_ISREG(mode)) {
		r = weigh(f, e, path);
		if (r < 0)
			return r;
	}
	if (!*path && S_ISDIR(mode))
		f->root = vmb_squash_root_of(mode, archive_entry_uid(e), archive_entry_gid(e),
					     archive_entry_mtime(e));
	return vmb_tree_add(f->tree, path, mode, archive_entry_symlink(e));
}

static int take_in(struct flatten *f, const struct vmb_layer_reader *reader)
{
	enum meaning meaning = PLAIN;
	char path[PATH_MAX];
	int r = vmb_path_clean(archive_entry_pathname(reader->entry), path);

	if (r == 0 && reader->layer->whiteouts)
		r = meaning_of(path, &meaning);
	if (r < 0)
		return r;
	switch (meaning) {
	case SKIP:
		return vmb_tree_skip(f->tree);
	case GONE_BELOW:
		return vmb_tree_whiteout(f->tree, path);
	case OPAQUE:
		return vmb_tree_opaque(f->tree, path);
	default:
		return take_in_plain(f, reader->entry, path);
	}
}

typedef int (*open_fn)(struct vmb_layer_reader *r, const struct vmb_layer *layer,
		       struct vmb_progress_count *import, struct vmb_spool *spool,
		       struct vmb_spool_part *part);

/* Does fn for each entry of layer i. */
static int each_entry(struct flatten *f, size_t i, open_fn open_layer,
		      int (*fn)(struct flatten *, struct vmb_layer_reader *))
{
	_cleanup_layer_ struct vmb_layer_reader reader = {.fd = -1};
	int r = open_layer(&reader, &f->layers->v[i], f->import, &f->spool, &f->parts[i]);

	while (r >= 0 && (r = vmb_layer_next(&reader)) > 0) {
		r = fn(f, &reader);
		if (r < 0)
			return r;
	}
	return r;
}

static int read_names(struct flatten *f, struct vmb_layer_reader *reader)
{
	int r = take_in(f, reader);

	return r < 0 ? vmb_error_prefix("%s", reader->layer->what) : 0;
}

static int first_pass(struct flatten *f)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->layers->n; i++) {
		vmb_tree_layer(f->tree);
		r = each_entry(f, i, vmb_layer_open_spooling, read_names);
		if (r == 0 && vmb_tree_layer_end(f->tree) < 0)
			r = vmb_error_prefix("%s", f->layers->v[i].what);
	}
	return r;
}

/* A store that an image filled up would have no room for the VMs that run in it. */
static int check_space(struct flatten *f, size_t n)
{
	struct statvfs fs;

	f->unchecked += n;
	if (f->unchecked < SPACE_STEP)
		return 0;
	f->unchecked = 0;
	if (statvfs(f->disk, &fs) < 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= FREE_MIN)
		return 0;
	return vmb_error(ENOSPC,
			 "%s does not fit: less than %d MiB would be left of the store's file "
			 "system",
			 f->import->what, FREE_MIN >> 20);
}

static int copy_content(struct flatten *f, struct vmb_layer_reader *reader)
{
	struct vmb_tarout *out = &f->squash.out;
	int64_t size = archive_entry_size(reader->entry), at, end = 0;
	const void *data;
	size_t n;
	int r;

	while ((r = vmb_layer_data(reader, &data, &n, &at)) > 0) {
		if (at < end)
			return vmb_error(VMBOOT_EIMAGE, "%s has a sparse file that overlaps itself",
					 reader->layer->what);
		r = vmb_tarout_data(out, NULL, (uint64_t)(at - end));
		if (r == 0)
			r = vmb_tarout_data(out, data, n);
		if (r == 0)
			r = check_space(f, n);
		if (r < 0)
			return r;
		end = at + (int64_t)n;
	}
	return r < 0 || end >= size ? r : vmb_tarout_data(out, NULL, (uint64_t)(size - end));
}

static int write_content(struct flatten *f, struct vmb_layer_reader *reader)
{
	uint32_t node = vmb_tree_first(f->tree, ++f->seq);
	struct vmb_tarout *out = &f->squash.out;
	char path[PATH_MAX], link[PATH_MAX];
	int r;

	if (!node)
		return 0;
	vmb_tree_path(f->tree, node, path);
	r = vmb_tarout_entry(out, path, reader->entry);
	if (r == -VMBOOT_EIMAGE)
		vmb_error_prefix("%s", reader->layer->what);
	if (r == 0 && S_ISREG(archive_entry_mode(reader->entry)))
		r = copy_content(f, reader);
	while (r == 0 && (node = vmb_tree_next(f->tree, node))) {
		vmb_tree_path(f->tree, node, link);
		r = vmb_tarout_link(out, link, path);
	}
	return r;
}

static int write_implicit(struct flatten *f)
{
	char path[PATH_MAX];
	int r = 0;

	for (uint32_t node = 0; r == 0 && (node = vmb_tree_next_implicit(f->tree, node));) {
		vmb_tree_path(f->tree, node, path);
		r = vmb_tarout_folder(&f->squash.out, path);
	}
	return r;
}

/* An archive that has an image in it, rather than a root file system. */
static int check_not_nested(const struct flatten *f)
{
	struct vmb_tree *t = f->tree;
	const char *path = f->layers->v[0].path, *kind = NULL;

	if (vmb_tree_has(t, "oci-layout") && vmb_tree_has(t, "index.json"))
		kind = "oci-archive";
	else if (vmb_tree_has(t, "manifest.json") &&
		 (vmb_tree_has(t, "repositories") || vmb_tree_has(t, "blobs/sha256")))
		kind = "docker-archive";
	if (!kind)
		return 0;
	return vmb_error(VMBOOT_EIMAGE,
			 "%s holds a saved image, not a root file system; import it as %s:%s", path,
			 kind, path);
}

static int write_disk(struct flatten *f, const char *disk)
{
	int r = vmb_squash_start(&f->squash, disk, &f->root, f->import->log);

	if (r < 0)
		return r;
	r = write_implicit(f);
	for (size_t i = 0; r == 0 && i < f->layers->n; i++)
		r = each_entry(f, i, vmb_layer_open_spooled, write_content);
	return vmb_squash_finish(&f->squash, r);
}

static int flatten(struct flatten *f, const char *disk)
{
	int r = first_pass(f);

	if (r == 0 && f->layers->n == 1 && !f->layers->v[0].whiteouts)
		r = check_not_nested(f);
	if (r == 0 && vmb_tree_is_empty(f->tree))
		r = vmb_error(VMBOOT_EIMAGE, "%s: the image has nothing in it", f->import->what);
	if (r == 0)
		r = vmb_tree_finish(f->tree);
	return r < 0 ? r : write_disk(f, disk);
}

int vmb_flatten(const struct vmb_layers *layers, const char *disk,
		struct vmb_progress_count *import)
{
	_cleanup_c_locale_ struct vmb_c_locale locale = {0};
	_cleanup_tree_ struct vmb_tree *tree = NULL;
	_cleanup_free_ struct vmb_spool_part *parts = calloc(layers->n + 1, sizeof(*parts));
	struct flatten f = {.layers = layers,
			    .import = import,
			    .root = {.mode = 0755},
			    .parts = parts,
			    .disk = disk,
			    .spool = VMB_SPOOL_INIT,
			    .squash = VMB_SQUASH_INIT};
	int r;

	for (size_t i = 0; i < layers->n; i++)
		import->total += 2 * layers->v[i].size;
	r = parts ? vmb_tree_new(&tree) : vmb_oom();
	if (r == 0)
		r = vmb_c_locale_enter(&locale);
	if (r < 0)
		return r;
	f.tree = tree;
	vmb_spool_open(&f.spool, disk);
	r = flatten(&f, disk);
	vmb_squash_done(&f.squash);
	vmb_spool_done(&f.spool);
	return r;
}
