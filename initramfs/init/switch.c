/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "init.h"

enum { DEPTH_MAX = 16 };

/* The mount points, which an image need not have. */
static const char *const moved[] = {"dev", "proc", "sys"};

/* Removes all below fd, which it closes, but not keep, and nothing of another file system. */
static void empty(int fd, const struct stat *top, ino_t keep, int depth)
{
	struct stat st;
	DIR *d = fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == top->st_dev ? fdopendir(fd) : NULL;
	struct dirent *e;

	if (!d && fd >= 0)
		close(fd);
	while (d && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || e->d_ino == keep)
			continue;
		/* the kernel refuses to remove what is not empty, or a mount point */
		if (e->d_type == DT_DIR && depth < DEPTH_MAX)
			empty(openat(fd, e->d_name,
				     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
			      top, keep, depth + 1);
		unlinkat(fd, e->d_name, e->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	}
	if (d)
		closedir(d);
}

/* Gives the initramfs' memory back. Only if it is one: a mistake here would be somebody's disk. */
static void free_initramfs(int fd, int keep)
{
	struct statfs fs;
	struct stat st, kept = {0};

	if (keep >= 0)
		fstat(keep, &kept);
	if (fstatfs(fd, &fs) == 0 && fstat(fd, &st) == 0 &&
	    (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC))
		empty(fd, &st, kept.st_ino, 0);
	else
		close(fd);
}

/*
 * For an init system a folder stays, with this program and the mount points that systemd wants there
 * at the end.
 */
static int keep_self(void)
{
	static const char *const points[] = {"dev", "oldroot", "proc", "run", "sys"};
	char path[INIT_PATH_MAX];

	mkdir(INIT_SELF_KEPT, 0755);
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		init_format(path, sizeof(path), INIT_SELF_KEPT "/%s", points[i]);
		mkdir(path, 0755);
	}
	if (rename("/init", INIT_SELF_KEPT INIT_SHUTDOWN_NAME) < 0)
		return -1;
	return open(INIT_SELF_KEPT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int make_point(const char *name, char path[INIT_PATH_MAX], struct init_report *report)
{
	struct stat st;

	init_format(path, INIT_PATH_MAX, "/newroot/%s", name);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return init_failed(report, errno, "making /%s in the image", name);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return init_failed(report, ENOTDIR, "/%s in the image is not a folder", name);
	return 0;
}

static int move_mounts(struct init *init, struct init_report *report)
{
	char from[16], to[INIT_PATH_MAX];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(moved); i++) {
		init_format(from, sizeof(from), "/%s", moved[i]);
		r = make_point(moved[i], to, report);
		if (r < 0)
			return r;
		r = init->ops->mount(from, to, NULL, MS_MOVE, NULL);
		if (r < 0)
			return init_failed(report, r, "moving %s", from);
	}
	return 0;
}

int init_switch(struct init *init, struct init_report *report)
{
	int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (init->config.init_mode == VMBOOT_INIT_SYSTEMD)
		init->self = keep_self();
	r = move_mounts(init, report);
	if (r == 0 && chdir("/newroot") < 0)
		r = init_failed(report, errno, "entering the new root");
	if (r == 0) {
		r = init->ops->mount(".", "/", NULL, MS_MOVE, NULL);
		if (r == 0 && (chroot(".") < 0 || chdir("/") < 0))
			r = -errno;
		if (r < 0)
			init_failed(report, r, "moving the new root to /");
	}
	if (r < 0 || old < 0) {
		if (old >= 0)
			close(old);
		return r;
	}
	free_initramfs(old, init->self);
	r = init_mounts_late(init, report);
	if (r == 0)
		init_names(init);
	return r;
}
