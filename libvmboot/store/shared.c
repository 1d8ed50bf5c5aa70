/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/shared.h"

#include <limits.h>

#include "base/error.h"
#include "base/file.h"

#define LOCK "kernels" /* kernels.lock, beside the folder */
#define ABOVE "../../" /* the store, from a VM's folder */

enum { KEY_HASH_MIN = 12 }; /* hex digits; no other part of a release's name is that long */

int vmb_shared_hold(const struct vmb_store *store, int timeout_ms, int *ret_lock)
{
	return vmb_store_lock_shared(store, LOCK, timeout_ms, ret_lock);
}

int vmb_shared_seize(const struct vmb_store *store, int timeout_ms, int *ret_lock)
{
	return vmb_store_lock(store, LOCK, timeout_ms, ret_lock);
}

/* ---- what a VM uses ---- */

static int make_link(const struct vmb_store *store, const char *path, const char *folder,
		     const char *name)
{
	_cleanup_free_ char *target = NULL, *link = NULL;
	const char *rest = vmb_skip_prefix(path, store->path);
	int r;

	if (!rest || *rest != '/')
		return vmb_error(EINVAL, "%s is not in the store %s", path, store->path);
	r = vmb_asprintf(&target, ABOVE "%s", rest + 1);
	if (r == 0)
		r = vmb_asprintf(&link, "%s/%s", folder, name);
	if (r == 0 && symlink(target, link) < 0)
		r = vmb_errno(errno, "cannot make the link %s", link);
	return r;
}

int vmb_shared_use(const struct vmb_store *store, const struct vmb_shared *files,
		   const char *folder)
{
	int r = 0;

	if (files->kernel_disk)
		r = make_link(store, files->kernel_disk, folder, "kernel-disk");
	if (r == 0)
		r = make_link(store, files->initramfs, folder, "initramfs");
	return r < 0 ? r : make_link(store, files->kernel, folder, "kernel"); /* all is said */
}

/* Adds what the link leads to, from the store: 1; 0 if it is no link of ours. */
static int add_target(int folder, const char *name, char ***used)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(folder, name, target, sizeof(target) - 1);
	const char *rest;
	int r;

	target[n > 0 ? n : 0] = '\0';
	rest = vmb_skip_prefix(target, ABOVE);
	if (!rest)
		return 0;
	r = vmb_list_add(used, rest);
	return r < 0 ? r : 1;
}

/* 1 if the VM's folder says what it uses; 0 if not. What is no folder uses nothing. */
static int add_used(int vms, const char *name, char ***used)
{
	_cleanup_close_ int fd = openat(vms, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int kernel, initramfs, disk;

	if (fd < 0)
		return errno == ENOTDIR;
	kernel = add_target(fd, "kernel", used);
	initramfs = add_target(fd, "initramfs", used);
	disk = add_target(fd, "kernel-disk", used);
	if (kernel < 0 || initramfs < 0 || disk < 0)
		return -ENOMEM;
	return kernel && initramfs;
}

/* Of all VMs. No VM's name has a dot: such a folder is somebody's, and need not say anything. */
static int list_used(const struct vmb_store *store, char ***ret_used, char **ret_silent)
{
	_cleanup_list_ char **used = NULL;
	_cleanup_free_ char *path = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *ent;
	int r = vmb_asprintf(&path, "%s/vms", store->path);

	if (r == 0)
		r = vmb_list_add(&used, NULL);
	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return vmb_errno(errno, "cannot read %s", path);
	while (dir && (ent = readdir(dir))) {
		if (ent->d_name[0] == '.')
			continue;
		r = add_used(dirfd(dir), ent->d_name, &used);
		if (r < 0)
			return r;
		if (r == 0 && !strchr(ent->d_name, '.'))
			return vmb_strdup(ent->d_name, ret_silent);
	}
	*ret_used = TAKE_PTR(used);
	return 0;
}

/* ---- what there is ---- */

/* <folder>/<release>-<hash><suffix> */
static const struct kind {
	const char *folder, *suffix;
	mode_t type;
} kinds[] = {
	{"kernels", "", S_IFDIR},
	{"kernels", ".squashfs", S_IFREG},
	{"initramfs", ".cpio", S_IFREG},
};

static bool is_called_so(const struct kind *kind, const char *name)
{
	const char *dash = strrchr(name, '-');
	size_t n;

	if (!dash || dash == name)
		return false;
	n = strspn(dash + 1, "0123456789abcdef");
	return n >= KEY_HASH_MIN && vmb_streq(dash + 1 + n, kind->suffix);
}

/* kernels/<key> is used if a link leads to a file in it, too. */
static bool is_used(char **used, const char *rel)
{
	const char *rest = NULL;

	for (; *used && !rest; used++) {
		rest = vmb_skip_prefix(*used, rel);
		if (rest && *rest && *rest != '/')
			rest = NULL;
	}
	return rest;
}

static int add_if_unused(const struct vmb_store *store, const struct kind *kind, const char *name,
			 char **used, char ***list)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r;

	if (!is_called_so(kind, name))
		return 0;
	r = vmb_asprintf(&path, "%s/%s/%s", store->path, kind->folder, name);
	if (r < 0 || is_used(used, path + strlen(store->path) + 1))
		return r;
	if (lstat(path, &st) < 0 || (st.st_mode & S_IFMT) != kind->type)
		return 0;
	return vmb_list_add(list, path);
}

static int list_unused(const struct vmb_store *store, const struct kind *kind, char **used,
		       char ***list)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *ent;
	int r = vmb_asprintf(&path, "%s/%s", store->path, kind->folder);

	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return vmb_errno(errno, "cannot read %s", path);
	while (dir && r == 0 && (ent = readdir(dir)))
		r = add_if_unused(store, kind, ent->d_name, used, list);
	return r;
}

int vmb_shared_unused(const struct vmb_store *store, char ***ret_paths, char **ret_silent)
{
	_cleanup_list_ char **used = NULL, **list = NULL;
	_cleanup_free_ char *silent = NULL;
	int r = list_used(store, &used, &silent);

	if (r == 0)
		r = vmb_list_add(&list, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == 0 && !silent; i++)
		r = list_unused(store, &kinds[i], used, &list);
	if (r < 0)
		return r;
	*ret_paths = TAKE_PTR(list);
	*ret_silent = TAKE_PTR(silent);
	return 0;
}

int vmb_shared_count(const struct vmb_store *store)
{
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_free_ char *path = NULL;
		_cleanup_closedir_ DIR *dir = NULL;
		struct dirent *ent;

		if (vmb_asprintf(&path, "%s/%s", store->path, kinds[i].folder) < 0)
			return n;
		dir = opendir(path);
		while (dir && (ent = readdir(dir)))
			n += is_called_so(&kinds[i], ent->d_name);
	}
	return n;
}
