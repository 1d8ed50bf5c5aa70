/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/kernel-tree.h"

#include <archive_entry.h>
#include <fts.h>

#include "archive/layer.h"
#include "archive/path.h"
#include "archive/progress.h"
#include "archive/squash.h"
#include "base/error.h"
#include "base/file.h"

VMB_DEFINE_CLEANUP(fts_closep, FTS *, fts_close)
VMB_DEFINE_CLEANUP(entry_freep, struct archive_entry *, archive_entry_free)

enum { CHUNK = 1 << 18, ENTRIES_MAX = 1 << 20 };

/* Modules have 90 MiB and headers 75; what is far beyond is somebody's build tree. */
static const uint64_t bytes_max = 4ULL << 30;

/* The two arrangements. */
static const struct layer {
	const char *name, *modules;
} layers[] = {
	{"merged", "usr/lib/modules"},
	{"split", "lib/modules"},
};

/* What distributions put beside the modules and is none; and what is written anew. */
static const char *const boot_files[] = {"vmlinuz", "System.map", NULL};
static const char *const boot_files_and_links[] = {"build", "source", "vmlinuz", "System.map",
						   NULL};

struct tree {
	const struct vmb_kernel *kernel;
	const struct vmb_headers *headers;
	struct vmb_squash squash;
	struct vmb_progress_count progress;
	char **made; /* folders that are written */
	uint8_t *chunk;
	uint64_t entries;
};

struct walk {
	struct tree *tree;
	const char *folder;	    /* what is walked */
	const char *to;		    /* where it goes; NULL: it is only counted */
	const char *first;	    /* where the files are already; NULL: nowhere */
	const char *const *without; /* at the top of the folder */
};

/* ---- entries ---- */

static int new_entry(mode_t mode, int64_t size, struct archive_entry **ret)
{
	struct archive_entry *e = archive_entry_new();

	if (!e)
		return vmb_oom();
	archive_entry_set_mode(e, mode);
	archive_entry_set_size(e, size);
	archive_entry_set_uid(e, 0);
	archive_entry_set_gid(e, 0);
	archive_entry_set_mtime(e, 0, 0);
	*ret = e;
	return 0;
}

static int put_link(struct tree *t, const char *path, const char *target)
{
	vmb_cleanup(entry_freep) struct archive_entry *e = NULL;
	int r = new_entry(S_IFLNK | 0777, 0, &e);

	if (r < 0)
		return r;
	archive_entry_copy_symlink(e, target);
	return vmb_tarout_entry(&t->squash.out, path, e);
}

static int copy_link(struct tree *t, const char *path, const char *from)
{
	char target[PATH_MAX];
	ssize_t n = readlink(from, target, sizeof(target) - 1);

	if (n < 0)
		return vmb_errno(errno, "cannot read %s", from);
	target[n] = '\0';
	return put_link(t, path, target);
}

static int copy_content(struct tree *t, int fd, uint64_t left, const char *from)
{
	ssize_t n;
	int r = 0;

	while (r == 0 && left > 0) {
		n = read(fd, t->chunk, left < CHUNK ? (size_t)left : CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmb_errno(errno, "cannot read %s", from);
		if (n == 0)
			return vmb_error(EAGAIN, "%s became shorter while it was read; try again",
					 vmb_show(from).text);
		left -= (uint64_t)n;
		vmb_progress_add(&t->progress, (uint64_t)n);
		r = vmb_tarout_data(&t->squash.out, t->chunk, (uint64_t)n);
	}
	return r;
}

static int copy_file(struct tree *t, const char *path, const char *from)
{
	vmb_cleanup(entry_freep) struct archive_entry *e = NULL;
	_cleanup_close_ int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return vmb_errno(errno, "cannot read %s", from);
	if (!S_ISREG(st.st_mode))
		return vmb_error(EAGAIN, "%s was replaced just now; try again", from);
	r = new_entry(S_IFREG | (st.st_mode & 0111 ? 0755 : 0644), st.st_size, &e);
	if (r == 0)
		r = vmb_tarout_entry(&t->squash.out, path, e);
	return r < 0 ? r : copy_content(t, fd, (uint64_t)st.st_size, from);
}

/* ---- a folder, in the order of names ---- */

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int count(struct tree *t, const FTSENT *ent)
{
	if (S_ISREG(ent->fts_statp->st_mode))
		t->progress.total += (uint64_t)ent->fts_statp->st_size;
	if (++t->entries <= ENTRIES_MAX && t->progress.total <= bytes_max)
		return 0;
	return vmb_error(VMBOOT_EKERNEL,
			 "%s is too large for kernel headers or modules: more than %d files, or "
			 "%llu MiB",
			 ent->fts_path, ENTRIES_MAX, (unsigned long long)bytes_max >> 20);
}

static int put(const struct walk *w, const FTSENT *ent, const char *below)
{
	_cleanup_free_ char *path = NULL, *first = NULL;
	struct tree *t = w->tree;
	int r;

	r = vmb_asprintf(&path, "%s/%s", w->to, below);
	if (r < 0)
		return r;
	if (S_ISDIR(ent->fts_statp->st_mode))
		return vmb_tarout_folder(&t->squash.out, path);
	if (S_ISLNK(ent->fts_statp->st_mode))
		return copy_link(t, path, ent->fts_path);
	if (!w->first)
		return copy_file(t, path, ent->fts_path);
	r = vmb_asprintf(&first, "%s/%s", w->first, below);
	return r < 0 ? r : vmb_tarout_link(&t->squash.out, path, first);
}

static bool is_left_out(const struct walk *w, const char *below)
{
	for (const char *const *p = w->without; p && *p; p++)
		if (vmb_streq(*p, below))
			return true;
	return false;
}

/* 0; or 1: what is below it is not wanted. */
static int visit(const struct walk *w, const FTSENT *ent)
{
	const char *below = ent->fts_path + strlen(w->folder);
	mode_t mode;

	if (ent->fts_info == FTS_ERR || ent->fts_info == FTS_DNR || ent->fts_info == FTS_NS)
		return vmb_errno(ent->fts_errno, "cannot read %s", ent->fts_path);
	below += strspn(below, "/");
	if (ent->fts_info == FTS_DP || !*below)
		return 0;
	if (is_left_out(w, below))
		return 1;
	mode = ent->fts_statp->st_mode;
	if (!S_ISDIR(mode) && !S_ISREG(mode) && !S_ISLNK(mode))
		return vmb_error(VMBOOT_EKERNEL, "%s is neither file, folder nor link",
				 vmb_show(ent->fts_path).text);
	return w->to ? put(w, ent, below) : count(w->tree, ent);
}

static int walk(const struct walk *w)
{
	char *roots[] = {(char *)w->folder, NULL};
	vmb_cleanup(fts_closep) FTS *fts =
		fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	FTSENT *ent = NULL;
	int r = 0;

	if (!fts)
		return vmb_errno(errno, "cannot read %s", w->folder);
	do {
		errno = 0;
		ent = fts_read(fts);
		if (!ent && errno)
			return vmb_errno(errno, "cannot read %s", w->folder);
		r = ent ? visit(w, ent) : 0;
		if (r > 0)
			fts_set(fts, ent, FTS_SKIP);
	} while (ent && r >= 0);
	return r < 0 ? r : 0;
}

static int count_all(struct tree *t)
{
	struct walk w = {.tree = t, .folder = t->kernel->modules, .without = boot_files_and_links};
	int r = walk(&w);

	w.without = NULL;
	for (size_t i = 0; i < t->headers->n && r == 0; i++) {
		w.folder = t->headers->parts[i].host;
		r = walk(&w);
	}
	return r;
}

/* ---- a layer ---- */

static bool is_made(const struct tree *t, const char *path)
{
	for (char **p = t->made; p && *p; p++)
		if (vmb_streq(*p, path))
			return true;
	return false;
}

/* The folders above path, as far as they are not written yet. */
static int put_above(struct tree *t, const char *path)
{
	_cleanup_free_ char *part = NULL;
	int r = vmb_strdup(path, &part);

	for (char *p = part; r == 0 && (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		if (is_made(t, part))
			continue;
		r = vmb_tarout_folder(&t->squash.out, part);
		if (r == 0)
			r = vmb_list_add(&t->made, part);
	}
	return r;
}

/* "<layer>/<place>[/<name>]", and what is above it is written. */
static int reach(struct tree *t, const struct layer *layer, const char *place, const char *name,
		 char **ret)
{
	_cleanup_free_ char *path = NULL;
	int r;

	r = vmb_asprintf(&path, "%s/%s%s%s", layer->name, place, name ? "/" : "", name ? name : "");
	if (r == 0)
		r = put_above(t, path);
	if (r == 0)
		*ret = TAKE_PTR(path);
	return r;
}

/* A folder of the host's with all that is in it; the image's is not seen. */
static int put_folder(struct tree *t, const char *folder, const char *to, const char *first,
		      const char *const *without)
{
	const struct walk w = {
		.tree = t,
		.folder = folder,
		.to = to,
		.first = vmb_streq(to, first) ? NULL : first,
		.without = without,
	};
	int r = is_made(t, to) ? 0 : vmb_tarout_opaque(&t->squash.out, to);

	return r < 0 ? r : walk(&w);
}

/* Where `source` leads to: as on the host if that is a part, else where `build` does. */
static const char *source_of(const struct tree *t, const char *link)
{
	char target[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	size_t part = 0;

	target[n > 0 ? n : 0] = '\0';
	for (size_t i = 1; i < t->headers->n; i++)
		if (target[0] && vmb_streq(t->headers->parts[i].guest, target + 1))
			part = i;
	return t->headers->parts[part].guest;
}

/* An absolute link to a place in the guest. */
static int put_link_to(struct tree *t, const struct layer *layer, const char *place,
		       const char *name, const char *guest)
{
	_cleanup_free_ char *path = NULL, *target = NULL;
	int r;

	r = reach(t, layer, place, name, &path);
	if (r == 0)
		r = vmb_asprintf(&target, "/%s", guest);
	return r < 0 ? r : put_link(t, path, target);
}

static int put_modules(struct tree *t, const struct layer *layer)
{
	_cleanup_free_ char *to = NULL, *first = NULL, *all = NULL, *source = NULL;
	const struct vmb_kernel *k = t->kernel;
	int r;

	r = reach(t, layer, layer->modules, NULL, &all);
	if (r == 0)
		r = vmb_tarout_opaque(&t->squash.out, all);
	if (r == 0)
		r = vmb_list_add(&t->made, all);
	if (r == 0)
		r = reach(t, layer, layer->modules, k->release, &to);
	if (r == 0)
		r = vmb_tarout_folder(&t->squash.out, to);
	if (r == 0)
		r = vmb_list_add(&t->made, to);
	if (r == 0)
		r = vmb_asprintf(&first, "%s/%s/%s", layers[0].name, layers[0].modules, k->release);
	if (r == 0)
		r = put_folder(t, k->modules, to, first,
			       t->headers->n ? boot_files_and_links : boot_files);
	if (r < 0 || t->headers->n == 0)
		return r;
	r = vmb_asprintf(&source, "%s/source", k->modules);
	free(TAKE_PTR(all));
	if (r == 0)
		r = vmb_asprintf(&all, "%s/%s", layer->modules, k->release);
	if (r == 0)
		r = put_link_to(t, layer, all, "build", t->headers->parts[0].guest);
	return r < 0 ? r : put_link_to(t, layer, all, "source", source_of(t, source));
}

/* Debian's has a link beside the headers to what is in /usr/lib; each has linux-headers-REL. */
static int put_names(struct tree *t, const struct layer *layer)
{
	const struct vmb_headers *h = t->headers;
	_cleanup_free_ char *own = NULL, *name = NULL;
	int r;

	r = vmb_asprintf(&name, "linux-headers-%s", t->kernel->release);
	if (r == 0)
		r = vmb_asprintf(&own, "usr/src/%s", name);
	if (r == 0 && !vmb_streq(own, h->parts[0].guest))
		r = put_link_to(t, layer, "usr/src", name, h->parts[0].guest);
	for (size_t i = 0; i < h->n && r == 0; i++)
		if (vmb_skip_prefix(h->parts[i].guest, "usr/lib/"))
			r = put_link_to(t, layer, "usr/src", h->parts[i].guest + strlen("usr/lib/"),
					h->parts[i].guest);
	return r;
}

static int put_headers(struct tree *t, const struct layer *layer)
{
	const struct vmb_headers *h = t->headers;
	int r = h->n ? put_names(t, layer) : 0;

	for (size_t i = 0; i < h->n && r == 0; i++) {
		_cleanup_free_ char *to = NULL, *first = NULL;

		r = reach(t, layer, h->parts[i].guest, NULL, &to);
		if (r == 0)
			r = vmb_asprintf(&first, "%s/%s", layers[0].name, h->parts[i].guest);
		if (r == 0)
			r = put_folder(t, h->parts[i].host, to, first, NULL);
	}
	return r;
}

static int put_all(struct tree *t)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(layers) && r == 0; i++) {
		r = put_modules(t, &layers[i]);
		if (r == 0)
			r = put_headers(t, &layers[i]);
	}
	return r;
}

int vmb_kernel_tree_write(const char *file, const struct vmb_kernel *kernel,
			  const struct vmb_headers *headers, const struct vmb_log *log)
{
	_cleanup_c_locale_ struct vmb_c_locale locale = {0};
	const struct vmb_squash_root root = {.mode = 0755};
	_cleanup_free_ uint8_t *chunk = malloc(CHUNK);
	struct tree t = {
		.kernel = kernel,
		.headers = headers,
		.squash = VMB_SQUASH_INIT,
		.progress = {.log = log, .what = "building the kernel disk"},
		.chunk = chunk,
	};
	int r;

	if (!chunk)
		return vmb_oom();
	r = vmb_c_locale_enter(&locale);
	if (r == 0)
		r = count_all(&t);
	if (r == 0)
		r = vmb_squash_start(&t.squash, file, &root, log);
	if (r == 0)
		r = vmb_squash_finish(&t.squash, put_all(&t));
	vmb_squash_done(&t.squash);
	vmb_list_free(t.made);
	return r;
}
