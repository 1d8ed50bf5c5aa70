/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init.h"

/* On the first boot. The merged root has the owner and mode of upper: those of the image's root. */
static int make_folders(void)
{
	struct stat st;

	if (mkdir("/overlay/work", 0700) < 0 && errno != EEXIST)
		return -errno;
	if (mkdir("/overlay/upper", 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (stat("/lower", &st) < 0 || chown("/overlay/upper", st.st_uid, st.st_gid) < 0 ||
	    chmod("/overlay/upper", st.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

/* Makes the folder above the layers, as the image has it, if it is not there. */
static int keep_folder(const char *name)
{
	char path[INIT_PATH_MAX];
	struct stat st;

	init_format(path, sizeof(path), "/lower/%s", name);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	init_format(path, sizeof(path), "/overlay/upper/%s", name);
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	if (chown(path, st.st_uid, st.st_gid) < 0 || chmod(path, st.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

static bool is_plain(const char *name)
{
	char path[INIT_PATH_MAX];
	struct stat st;

	init_format(path, sizeof(path), "/lower/%s", name);
	return lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
	       (st.st_uid == 0 && st.st_gid == 0 && (st.st_mode & 07777) == 0755);
}

/*
 * A merged folder has the owner and mode of the topmost layer that has it. The kernel's layer has
 * root's and 0755; where the image has others, the overlay gets the folder as the image has it.
 */
static int keep_owners(const struct init *init)
{
	static const char *const folders[] = {"lib", "usr", "usr/lib", "usr/src"};
	int r = 0;

	for (size_t i = 0; init->layer && i < ARRAY_SIZE(folders) && r == 0; i++) {
		if (is_plain(folders[i]))
			continue;
		if (strchr(folders[i], '/'))
			r = keep_folder("usr");
		if (r == 0)
			r = keep_folder(folders[i]);
	}
	return r;
}

/*
 * overlayfs holds its layers by mounts of its own, so ours go: nothing in the guest sees the layers
 * beside the merged tree. The descriptor stays, for the clean end in poweroff.c.
 */
static void hide_layers(struct init *init)
{
	init->overlay = open("/overlay", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	umount2("/overlay", MNT_DETACH);
	umount2("/lower", MNT_DETACH);
	umount2("/kernel", MNT_DETACH);
}

int init_overlay(struct init *init, struct init_report *report)
{
	char layers[INIT_PATH_MAX];
	int r;

	mkdir("/newroot", 0755);
	r = init_disk_mount(init, &init->disks[INIT_DISK_OVERLAY], "/overlay", report);
	if (r < 0)
		return r;
	r = make_folders();
	if (r == 0)
		r = keep_owners(init);
	if (r < 0)
		return init_failed(report, r, "making the folders upper and work on it");
	init_format(layers, sizeof(layers),
		    "lowerdir=%s%s/lower,upperdir=/overlay/upper,workdir=/overlay/work",
		    init->layer ? init->layer : "", init->layer ? ":" : "");
	r = init->ops->mount("vmboot", "/newroot", "overlay", MS_NOATIME, layers);
	if (r < 0)
		return init_failed(report, r, "mounting overlayfs over the root disk");
	init_engines(init);
	hide_layers(init);
	return 0;
}
