/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/utsname.h>

#include "init.h"

/*
 * The kernel asks for a module by running a program, /sbin/modprobe: for a file system that is
 * mounted, a device that is opened, a protocol. An image without one has this: it finds the module
 * by its name or by its aliases in the kernel disk's modules.dep and modules.alias, and loads it and
 * what it needs. What a user can set in /etc/modprobe.d is for kmod, which an image with such files
 * has.
 */

enum { FILE_MAX = 16 << 20, NAME_SIZE = 256, DEPENDENCIES_MAX = 128, CHUNK = 1 << 20 };

/* The kernel takes '-' and '_' for the same. */
static char plain(char c)
{
	return c == '-' ? '_' : c;
}

static bool same_name(const char *a, const char *b)
{
	while (*a && plain(*a) == plain(*b)) {
		a++;
		b++;
	}
	return *a == *b;
}

/* "kernel/fs/xfs/xfs.ko.xz" is "xfs". */
static bool is_module(const char *path, const char *name)
{
	const char *base = strrchr(path, '/');
	char text[NAME_SIZE];
	size_t n;

	base = base ? base + 1 : path;
	n = strcspn(base, ".");
	if (n >= sizeof(text))
		return false;
	memcpy(text, base, n);
	text[n] = '\0';
	return same_name(text, name);
}

/* ---- loading ---- */

struct tree {
	const struct init *init;
	char folder[INIT_PATH_MAX];
	char *dep; /* modules.dep */
};

static int load_path(const struct tree *tree, const char *path)
{
	char full[INIT_PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	if (init_format(full, sizeof(full), "%s/%s", tree->folder, path) >= sizeof(full))
		return -ENAMETOOLONG;
	fd = open(full, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : tree->init->ops->load_module(fd);
	if (r < 0 && r != -EEXIST)
		init_log(tree->init, "cannot load %s: %s", path, strerror(-r));
	return r == -EEXIST ? 0 : r;
}

/* A copy of the line of modules.dep for the module; or NULL. */
static char *find_line(const struct tree *tree, const char *name)
{
	char path[INIT_PATH_MAX];

	for (const char *line = tree->dep; *line; line += strcspn(line, "\n"), line += *line != 0) {
		size_t n = strcspn(line, ":\n");

		if (line[n] != ':' || n >= sizeof(path))
			continue;
		memcpy(path, line, n);
		path[n] = '\0';
		if (is_module(path, name))
			return strndup(line, strcspn(line, "\n"));
	}
	return NULL;
}

/* What a module needs comes behind it, and what that needs further behind. */
static int load_by_name(const struct tree *tree, const char *name)
{
	_cleanup_free_ char *line = find_line(tree, name);
	char *paths[DEPENDENCIES_MAX], *rest;
	int n = 0, r = 0;

	if (!line)
		return -ENOENT;
	for (char *p = strtok_r(line, ": ", &rest); p; p = strtok_r(NULL, ": ", &rest)) {
		if (n == DEPENDENCIES_MAX)
			return -E2BIG;
		paths[n++] = p;
	}
	while (r == 0 && n > 0)
		r = load_path(tree, paths[--n]);
	return r;
}

/* ---- aliases ---- */

/* "[0-9a]" at *pattern, which is moved behind it; one without an end is an ordinary character. */
static bool matches_set(const char **pattern, char c)
{
	const char *p = *pattern + 1, *end = strchr(p, ']');
	bool found = false;

	if (!end) {
		++*pattern;
		return c == '[';
	}
	for (; p < end; p++)
		if (p + 2 < end && p[1] == '-') {
			found = found || (c >= p[0] && c <= p[2]);
			p += 2;
		} else {
			found = found || c == *p;
		}
	*pattern = end + 1;
	return found;
}

/*
 * The patterns of modules.alias: '*', '?' and sets. Not libc's fnmatch(), which would make this program
 * a sixth larger by its tables of characters.
 */
bool init_modprobe_matches(const char *pattern, const char *name)
{
	const char *star = NULL, *from = name;

	while (*name) {
		const char *p = pattern;
		bool one = *p && *p != '*';

		if (*p == '*') {
			star = ++pattern;
			from = name;
			continue;
		}
		if (one && *p == '[')
			one = matches_set(&p, *name);
		else if (one) {
			one = *p == '?' || plain(*p) == plain(*name);
			p++;
		}
		if (one) {
			pattern = p;
			name++;
		} else if (star) { /* it takes one more */
			pattern = star;
			name = ++from;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

static bool take_word(char to[NAME_SIZE], const char *from, size_t n)
{
	if (n >= NAME_SIZE)
		return false;
	memcpy(to, from, n);
	to[n] = '\0';
	return true;
}

/* "alias fs-xfs xfs"; all that match are loaded, as kmod does. */
static int load_by_alias(const struct tree *tree, const char *aliases, const char *wanted)
{
	char pattern[NAME_SIZE], module[NAME_SIZE];
	int r = -ENOENT;

	for (const char *line = aliases; *line; line += strcspn(line, "\n"), line += *line != 0) {
		const char *p = line + 6, *m;
		size_t n;

		if (strncmp(line, "alias ", 6) != 0)
			continue;
		n = strcspn(p, " \n");
		m = p + n + 1;
		if (p[n] == ' ' && take_word(pattern, p, n) &&
		    init_modprobe_matches(pattern, wanted) &&
		    take_word(module, m, strcspn(m, "\n")))
			r = load_by_name(tree, module);
	}
	return r;
}

int init_modprobe(const struct init *init, const char *release, const char *name)
{
	_cleanup_free_ char *dep = NULL;
	_cleanup_free_ char *aliases = NULL;
	struct tree tree = {.init = init};
	char path[INIT_PATH_MAX];
	int r;

	init_path(init, tree.folder, "/lib/modules/%s", release);
	init_format(path, sizeof(path), "%s/modules.dep", tree.folder);
	r = init_read_file(path, FILE_MAX, &dep);
	if (r < 0)
		return r;
	tree.dep = dep;
	r = load_by_name(&tree, name);
	if (r != -ENOENT)
		return r;
	init_format(path, sizeof(path), "%s/modules.alias", tree.folder);
	r = init_read_file(path, FILE_MAX, &aliases);
	return r < 0 ? r : load_by_alias(&tree, aliases, name);
}

/* By the kernel: "modprobe -q -- NAME". */
int init_modprobe_main(struct init *init, int argc, char **argv)
{
	struct utsname u;

	init->console = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (argc < 2 || uname(&u) < 0)
		return 1;
	return init_modprobe(init, u.release, argv[argc - 1]) < 0;
}

/* The initramfs is gone, so it is not bound: what is unlinked cannot be. */
static int copy_self(const struct init *init)
{
	char path[INIT_PATH_MAX];
	_cleanup_close_ int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = open(init_path(init, path, INIT_MODPROBE_FILE),
				       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	ssize_t n = 1;

	if (in < 0 || out < 0)
		return -errno;
	while (n > 0)
		n = sendfile(out, in, NULL, CHUNK);
	return n < 0 ? -errno : 0;
}

/* /proc/1/exe is the program where that is PID 1: then there is a copy of ours. */
static const char *self_path(const struct init *init)
{
	int r;

	if (init->config.init_mode == VMBOOT_INIT_SYSTEMD)
		return INIT_SELF;
	if (init->config.init_mode != VMBOOT_INIT_PID1)
		return INIT_MODPROBE_NAME;
	r = copy_self(init);
	if (r < 0)
		init_log(init, "the kernel cannot load modules by itself: %s", strerror(-r));
	return INIT_MODPROBE_FILE;
}

void init_modprobe_offer(const struct init *init)
{
	char path[INIT_PATH_MAX];
	const char *self;
	_cleanup_close_ int fd = -1;

	if (!init->layer || access(init_path(init, path, "/sbin/modprobe"), X_OK) == 0)
		return;
	self = self_path(init);
	fd = open(init_path(init, path, "/proc/sys/kernel/modprobe"), O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, self, strlen(self)) < 0)
		init_debug(init, "the kernel cannot ask for modules: %s", strerror(errno));
}
