/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/headers.h"

#include "archive/path.h"
#include "base/error.h"
#include "base/file.h"

enum {
	MAKEFILE_MAX = 1 << 20,
	RELEASE_FILE_MAX = 4096,
	DEPTH_MAX = 4, /* below which an archive has no headers */
};

void vmb_headers_done(struct vmb_headers *h)
{
	for (size_t i = 0; i < h->n; i++) {
		free(h->parts[i].host);
		free(h->parts[i].guest);
	}
	free(h->archive);
	free(h->note);
	*h = (struct vmb_headers){0};
}

/* What a search needs to know. */
struct search {
	const char *base; /* "/usr/src/…" in the headers means what is below it */
	const struct vmb_kernel *kernel;
	struct vmb_headers out;
};

/* ---- one folder ---- */

static bool has(const char *folder, const char *name)
{
	_cleanup_free_ char *path = NULL;

	return vmb_asprintf(&path, "%s/%s", folder, name) == 0 && vmb_exists(path);
}

static bool is_folder(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool are_headers(const char *folder)
{
	return has(folder, "Makefile") && has(folder, "include");
}

/* What a build for this kernel asks of them, beside files: that they are this kernel's. */
static int check_release(const char *folder, const struct vmb_kernel *kernel)
{
	_cleanup_free_ char *path = NULL, *text = NULL, *quoted = NULL;
	int r;

	r = vmb_asprintf(&path, "%s/include/generated/utsrelease.h", folder);
	if (r == 0)
		r = vmb_asprintf(&quoted, "\"%s\"", kernel->release);
	if (r < 0)
		return r;
	if (!vmb_exists(path))
		return 0;
	r = vmb_read_file(path, RELEASE_FILE_MAX, &text, NULL);
	if (r < 0)
		return r;
	if (strstr(text, quoted))
		return 0;
	text[strcspn(text, "\n")] = '\0';
	return vmb_error(VMBOOT_EKERNEL,
			 "%s has the headers of another kernel than %s: its "
			 "include/generated/utsrelease.h says %s",
			 folder, kernel->release, vmb_show(text).text);
}

/* ---- the parts ---- */

static int add_part(struct search *s, const char *host, const char *guest)
{
	struct vmb_headers_part part = {0};
	int r;

	for (size_t i = 0; i < s->out.n; i++)
		if (vmb_streq(s->out.parts[i].guest, guest))
			return 0;
	if (s->out.n == VMB_HEADERS_PARTS_MAX)
		return vmb_error(VMBOOT_EKERNEL, "the headers in %s refer to more than %d folders",
				 s->out.parts[0].host, VMB_HEADERS_PARTS_MAX - 1);
	r = vmb_strdup(host, &part.host);
	if (r == 0)
		r = vmb_strdup(guest, &part.guest);
	if (r < 0) {
		free(part.host);
		return r;
	}
	s->out.parts[s->out.n++] = part;
	return 0;
}

/* The folder that a path in a guest leads to or into, if it is one that headers are in. */
static bool cut_to_part(char *path)
{
	static const char *const above[] = {"/usr/src/kernels/", "/usr/src/", "/usr/lib/"};

	for (size_t i = 0; i < ARRAY_SIZE(above); i++) {
		const char *name = vmb_skip_prefix(path, above[i]);

		if (!name || strncmp(name, "linux", 5) != 0)
			continue;
		path[strlen(above[i]) + strcspn(name, "/")] = '\0';
		return true;
	}
	return false;
}

/* Where it is on this host: below base, or beside the first part. */
static int add_other(struct search *s, const char *guest)
{
	_cleanup_free_ char *path = NULL;
	const char *first = s->out.parts[0].host, *slash = strrchr(first, '/');
	int r;

	r = vmb_asprintf(&path, "%s%s", s->base, guest);
	if (r == 0 && is_folder(path))
		return add_part(s, path, guest + 1);
	free(TAKE_PTR(path));
	if (r == 0 && !vmb_streq(first, s->base))
		r = vmb_asprintf(&path, "%.*s%s", (int)(slash - first), first, strrchr(guest, '/'));
	if (r == 0 && path && is_folder(path))
		return add_part(s, path, guest + 1);
	return r < 0 ? r
		     : vmb_error(VMBOOT_EKERNEL,
				 "the headers in %s are not whole: they refer to %s, which is "
				 "missing",
				 first, vmb_show(guest).text);
}

/* target: absolute, or relative to the guest's folder. */
static int follow(struct search *s, const char *folder, const char *target)
{
	_cleanup_free_ char *path = NULL, *whole = NULL;
	int r = 0;

	if (target[0] == '/')
		r = vmb_absolute(target, &whole);
	else if (target[0])
		r = vmb_asprintf(&path, "/%s/%s", folder, target);
	if (r == 0 && path)
		r = vmb_absolute(path, &whole);
	if (r < 0 || !whole || !cut_to_part(whole))
		return r;
	return add_other(s, whole);
}

/* A Makefile that is only a line or two: "include /usr/src/linux-headers-…-common/Makefile". */
static int follow_makefile(struct search *s, const struct vmb_headers_part *part)
{
	_cleanup_free_ char *path = NULL, *text = NULL;
	char *save = NULL;
	struct stat st;
	int r;

	r = vmb_asprintf(&path, "%s/Makefile", part->host);
	if (r < 0 || lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return r;
	r = vmb_read_file(path, MAKEFILE_MAX, &text, NULL);
	if (r < 0)
		return r;
	for (char *l = strtok_r(text, "\n", &save); l && r == 0; l = strtok_r(NULL, "\n", &save)) {
		const char *file = vmb_skip_prefix(l, "include ");

		if (file && *(file += strspn(file, " \t")) == '/')
			r = follow(s, part->guest, file);
	}
	return r;
}

static int follow_links(struct search *s, const struct vmb_headers_part *part)
{
	_cleanup_closedir_ DIR *dir = opendir(part->host);
	struct dirent *ent;
	char target[PATH_MAX];
	ssize_t n;
	int r = 0;

	if (!dir)
		return vmb_errno(errno, "cannot read the headers in %s", part->host);
	while (r == 0 && (ent = readdir(dir))) {
		n = readlinkat(dirfd(dir), ent->d_name, target, sizeof(target) - 1);
		if (n < 0)
			continue; /* no link */
		target[n] = '\0';
		r = follow(s, part->guest, target);
	}
	return r;
}

/* The order of readdir() must not show. */
static int by_guest(const void *a, const void *b)
{
	return strcmp(((const struct vmb_headers_part *)a)->guest,
		      ((const struct vmb_headers_part *)b)->guest);
}

static int find_parts(struct search *s, const char *host, const char *guest)
{
	int r = check_release(host, s->kernel);

	if (r == 0)
		r = add_part(s, host, guest);
	for (size_t i = 0; i < s->out.n && r == 0; i++) {
		struct vmb_headers_part part = s->out.parts[i];

		r = follow_makefile(s, &part);
		if (r == 0)
			r = follow_links(s, &part);
	}
	if (r == 0)
		qsort(s->out.parts + 1, s->out.n - 1, sizeof(s->out.parts[0]), by_guest);
	return r;
}

/* Headers keep their place below /usr/src, which they may name themselves; others get one there. */
static int find_parts_of(struct search *s, const char *host)
{
	const char *place = NULL, *below = vmb_skip_prefix(host, s->base);
	_cleanup_free_ char *guest = NULL;
	int r = 0;

	if (below && vmb_skip_prefix(below, "/usr/src/"))
		place = below + 1;
	if (!place)
		r = vmb_asprintf(&guest, "usr/src/linux-headers-%s", s->kernel->release);
	return r < 0 ? r : find_parts(s, host, place ? place : guest);
}

static int finish(struct search *s, int r, struct vmb_headers *ret)
{
	if (r == 0)
		*ret = s->out;
	else
		vmb_headers_done(&s->out);
	return r;
}

/* ---- what is installed ---- */

static int make_note(const char *root, const struct vmb_kernel *kernel, const char *why, char **ret)
{
	static const struct {
		const char *mark, *package;
	} distributions[] = {
		{"etc/debian_version", "linux-headers-"},
		{"etc/redhat-release", "kernel-devel-"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(distributions) && !why; i++)
		if (has(*root ? root : "/", distributions[i].mark))
			return vmb_asprintf(ret, "modules only, no headers: install %s%s",
					    distributions[i].package, kernel->release);
	return vmb_asprintf(ret, "modules only, no headers: %s",
			    why ? why : "install the headers of this kernel");
}

/* Where the link `build` of the modules leads to; a folder of that name is itself. */
static int build_target(const char *root, const struct vmb_kernel *kernel, char **ret)
{
	_cleanup_free_ char *link = NULL, *path = NULL;
	char target[PATH_MAX];
	ssize_t n;
	int r;

	r = vmb_asprintf(&link, "%s/build", kernel->modules);
	if (r < 0)
		return r;
	n = readlink(link, target, sizeof(target) - 1);
	if (n <= 0) {
		*ret = TAKE_PTR(link);
		return 0;
	}
	target[n] = '\0';
	r = target[0] == '/' ? vmb_asprintf(&path, "%s%s", root, target)
			     : vmb_asprintf(&path, "%s/%s", kernel->modules, target);
	return r < 0 ? r : vmb_absolute(path, ret);
}

/* 0 and NULL: none. */
static int find_installed(const char *root, const struct vmb_kernel *kernel, char **ret)
{
	_cleanup_free_ char *places[3] = {0};
	int r;

	r = build_target(root, kernel, &places[0]);
	if (r == 0)
		r = vmb_asprintf(&places[1], "%s/usr/src/linux-headers-%s", root, kernel->release);
	if (r == 0)
		r = vmb_asprintf(&places[2], "%s/usr/src/kernels/%s", root, kernel->release);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (r == 0 && !*ret && are_headers(places[i]))
			*ret = TAKE_PTR(places[i]);
		if (i > 0)
			free(TAKE_PTR(places[i]));
	}
	return r;
}

static int use_installed(struct search *s, const char *root)
{
	_cleanup_free_ char *host = NULL, *why = NULL;
	int r = find_installed(root, s->kernel, &host);

	if (r < 0)
		return r;
	if (host)
		r = find_parts_of(s, host);
	if (r == -VMBOOT_EKERNEL || r == -ENOENT) {
		r = vmb_strdup(vmboot_last_error()->message, &why);
		vmb_headers_done(&s->out);
	}
	if (r == 0 && s->out.n == 0)
		r = make_note(root, s->kernel, why, &s->out.note);
	return r;
}

/* ---- what the caller names ---- */

/* The root folder that its parts are below: X, if it is X/usr/src/NAME. */
static int base_of(const char *folder, char **ret)
{
	const char *name = strrchr(folder, '/');
	size_t n = (size_t)(name - folder), above = strlen("/usr/src");

	if (n >= above && strncmp(name - above, "/usr/src", above) == 0)
		return vmb_asprintf(ret, "%.*s", (int)(n - above), folder);
	return vmb_strdup("", ret);
}

static int use_asked(struct search *s, const char *asked)
{
	_cleanup_free_ char *path = NULL, *base = NULL;
	struct stat st;
	int r = vmb_absolute(asked, &path);

	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return vmb_error(VMBOOT_EKERNEL, "cannot use the kernel headers %s: %s", path,
				 strerror(errno));
	if (S_ISREG(st.st_mode)) {
		s->out.archive = TAKE_PTR(path);
		return 0;
	}
	if (!S_ISDIR(st.st_mode) || !are_headers(path))
		return vmb_error(VMBOOT_EKERNEL,
				 "%s has no kernel headers: they are a folder with a Makefile and "
				 "an include folder, or a tar archive with one",
				 path);
	r = base_of(path, &base);
	s->base = base;
	return r < 0 ? r : find_parts_of(s, path);
}

/* All is built in: headers would serve no module, so there is no disk for them. */
static int without_modules(const struct vmb_kernel *kernel, const char *asked, char **ret_note)
{
	if (asked)
		return vmb_error(
			VMBOOT_EKERNEL,
			"`kernel_headers` is %s, but the kernel %s has no modules (there is "
			"no %s), so nothing can be built for it; leave the field out, "
			"install its modules, or boot another kernel with `kernel`",
			asked, kernel->release, kernel->modules);
	return vmb_strdup("the kernel has no modules, so there is nothing to build any for",
			  ret_note);
}

int vmb_headers_find(const char *root, const struct vmb_kernel *kernel, const char *asked,
		     struct vmb_headers *ret)
{
	struct search s = {.base = root, .kernel = kernel};

	if (!vmb_kernel_has_modules(kernel))
		return without_modules(kernel, asked, &ret->note);
	return finish(&s, asked ? use_asked(&s, asked) : use_installed(&s, root), ret);
}

/* ---- what an archive had ---- */

struct find {
	char *best; /* and NULL as long as none was found */
	int score;  /* 2: those that a kernel was configured with, 1: others */
	bool several;
};

static int look_at(struct find *f, const char *folder)
{
	int score = !are_headers(folder) ? 0 : has(folder, "include/generated/autoconf.h") ? 2 : 1;

	if (score < f->score || score == 0)
		return 0;
	f->several = score == f->score;
	f->score = score;
	free(TAKE_PTR(f->best));
	return vmb_strdup(folder, &f->best);
}

static int look_below(struct find *f, const char *folder, int depth)
{
	_cleanup_closedir_ DIR *dir = opendir(folder);
	struct dirent *ent;
	int r = look_at(f, folder);

	if (!dir)
		return vmb_errno(errno, "cannot read %s", folder);
	/* headers have no others in them, though tools/ may look so */
	while (r == 0 && depth < DEPTH_MAX && !are_headers(folder) && (ent = readdir(dir))) {
		_cleanup_free_ char *path = NULL;

		if (ent->d_name[0] == '.')
			continue;
		r = vmb_asprintf(&path, "%s/%s", folder, ent->d_name);
		if (r == 0 && is_folder(path))
			r = look_below(f, path, depth + 1);
	}
	return r;
}

int vmb_headers_find_unpacked(const char *folder, const struct vmb_kernel *kernel,
			      struct vmb_headers *ret)
{
	struct search s = {.base = folder, .kernel = kernel};
	struct find f = {0};
	int r = look_below(&f, folder, 0);

	if (r == 0 && !f.best)
		r = vmb_error(VMBOOT_EKERNEL,
			      "no kernel headers are in it: no folder with a Makefile and an "
			      "include folder");
	if (r == 0 && f.several)
		r = vmb_error(VMBOOT_EKERNEL,
			      "there are several folders with kernel headers in it; one is "
			      "wanted");
	if (r == 0)
		r = find_parts_of(&s, f.best);
	free(f.best);
	return finish(&s, r, ret);
}
