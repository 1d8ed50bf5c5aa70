/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init.h"

/*
 * Container engines put their images into layers of overlayfs, which cannot lie on overlayfs, as the
 * guest's root does. Where the image has an engine and nothing in the engine's folder yet, that folder
 * is one of the overlay disk's own file system, as engines make a volume for an engine in a container.
 */

#define FOLDER "/overlay/engines"

static const struct {
	const char *programs[4], *folder;
} engines[] = {
	{{"usr/bin/podman", "usr/bin/buildah", "usr/local/bin/podman"}, "var/lib/containers"},
	{{"usr/sbin/dockerd", "usr/bin/dockerd", "usr/local/bin/dockerd"}, "var/lib/docker"},
	{{"usr/bin/containerd", "usr/local/bin/containerd"}, "var/lib/containerd"},
	{{"usr/local/bin/k3s"}, "var/lib/rancher"},
};

static bool has_engine(size_t i)
{
	char path[INIT_PATH_MAX];
	struct stat st;

	for (size_t k = 0; k < ARRAY_SIZE(engines[i].programs) && engines[i].programs[k]; k++) {
		init_format(path, sizeof(path), "/newroot/%s", engines[i].programs[k]);
		if (lstat(path, &st) == 0)
			return true;
	}
	return false;
}

/* Makes what is missing of the folder; false if one of its parents is a link or no folder. */
static bool make_folder(char *path)
{
	struct stat st;
	bool good = true;

	for (char *slash = strchr(path + strlen("/newroot/"), '/'); good;
	     slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		mkdir(path, 0755);
		good = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
		if (!slash)
			break;
		*slash = '/';
	}
	return good;
}

static bool is_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool empty = d;

	while (empty && (e = readdir(d)))
		empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (d)
		closedir(d);
	return empty;
}

/* Nothing here must fail a boot. */
static void mount_storage(const struct init *init, size_t i)
{
	char from[INIT_PATH_MAX], to[INIT_PATH_MAX];

	init_format(from, sizeof(from), FOLDER "/%s", strrchr(engines[i].folder, '/') + 1);
	init_format(to, sizeof(to), "/newroot/%s", engines[i].folder);
	if (!make_folder(to) || !is_empty(to))
		return;
	mkdir(FOLDER, 0700);
	if ((mkdir(from, 0755) < 0 && errno != EEXIST) ||
	    init->ops->mount(from, to, NULL, MS_BIND, NULL) < 0)
		init_log(init, "/%s is on overlayfs", engines[i].folder);
}

void init_engines(const struct init *init)
{
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		if (has_engine(i))
			mount_storage(init, i);
}
