/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/index.h"

#include "archive/path.h"
#include "base/error.h"
#include "base/file.h"
#include "image/oci-json.h"
#include "image/record.h"

enum { LOCK_MS = 60 * 60 * 1000 };

#define FOLDER_PREFIX "sha256-"

/* images/<this>: the digest without its colon, which paths are better without. */
static void folder_of(const char *digest, char out[80])
{
	snprintf(out, 80, FOLDER_PREFIX "%s", vmb_digest_hex(digest));
}

static int digest_of(const char *folder, char **ret)
{
	_cleanup_free_ char *digest = NULL;
	const char *hex = vmb_skip_prefix(folder, FOLDER_PREFIX);
	int r;

	if (!hex)
		return -ENOENT;
	r = vmb_asprintf(&digest, "sha256:%s", hex);
	if (r < 0)
		return r;
	if (!vmb_digest_hex(digest))
		return -ENOENT;
	*ret = TAKE_PTR(digest);
	return 0;
}

int vmb_index_lock(const struct vmb_store *store, const char *digest, int *ret_fd)
{
	char folder[80], name[100];

	folder_of(digest, folder);
	snprintf(name, sizeof(name), "images/%s", folder);
	return vmb_store_lock(store, name, LOCK_MS, ret_fd);
}

static void replace(char **old, char **new)
{
	free(*old);
	*old = TAKE_PTR(*new);
}

/* Takes over what the record tells; what only the caller knows (name, source) stays. */
static void adopt(struct vmb_image *image, struct vmb_image *record)
{
	if (!image->source)
		replace(&image->source, &record->source);
	replace(&image->fstype, &record->fstype);
	vmb_image_config_done(&image->config);
	image->config = record->config;
	record->config = (struct vmb_image_config){0};
	vmb_image_origin_done(&image->origin);
	image->origin = record->origin;
	record->origin = (struct vmb_image_origin){0};
	image->bytes = record->bytes;
	image->imported = record->imported;
}

int vmb_index_path(const struct vmb_store *store, const char *digest, const char *suffix,
		   char **ret)
{
	char folder[80];

	folder_of(digest, folder);
	return vmb_store_path(store, ret, "images/%s%s", folder, suffix);
}

static int set_disk(const struct vmb_store *store, struct vmb_image *image)
{
	char folder[80];

	folder_of(image->digest, folder);
	free(TAKE_PTR(image->disk));
	return vmb_asprintf(&image->disk, "%s/images/%s/root.%s", store->path, folder,
			    image->fstype ? image->fstype : "squashfs");
}

static bool is_whole(const struct vmb_image *image)
{
	struct stat st;

	return stat(image->disk, &st) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == image->bytes;
}

int vmb_index_find(const struct vmb_store *store, struct vmb_image *image)
{
	_cleanup_image_ struct vmb_image record = {0};
	_cleanup_free_ char *path = NULL, *json = NULL;
	char folder[80];
	bool whole;
	size_t n;
	int r;

	image->present = false;
	folder_of(image->digest, folder);
	r = vmb_asprintf(&path, "%s/images/%s/image.json", store->path, folder);
	if (r == 0)
		r = vmb_read_file(path, VMB_RECORD_MAX, &json, &n);
	if (r == 0)
		r = vmb_record_decode(json, n, &record);
	if (r == -ENOMEM || r == -EACCES || r == -EMFILE || r == -ENFILE)
		return r; /* it may be whole */
	whole = r == 0 && vmb_streq(record.digest, image->digest);
	if (whole)
		adopt(image, &record);
	r = set_disk(store, image);
	if (r < 0)
		return r;
	image->present = whole && is_whole(image);
	if (!image->present)
		image->bytes = 0;
	return image->present;
}

/* ---- names ---- */

static int name_path(const struct vmb_store *store, const char *full, char **ret)
{
	_cleanup_free_ char *file = NULL;
	int r = vmb_store_encode(full, &file);

	return r < 0 ? r : vmb_asprintf(ret, "%s/names/%s", store->path, file);
}

/* The digest that the link leads to: 1, or 0 if it is no link of ours. */
static int read_name(const char *path, char **ret_digest)
{
	char target[200];
	const char *folder;
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	int r;

	if (n < 0 && errno != ENOENT && errno != EINVAL)
		return vmb_errno(errno, "cannot read %s", path);
	if (n < 0)
		return 0;
	target[n] = '\0';
	folder = vmb_skip_prefix(target, "../images/");
	if (!folder)
		return 0;
	r = digest_of(folder, ret_digest);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

int vmb_index_resolve(const struct vmb_store *store, const char *full, char **ret_digest)
{
	_cleanup_free_ char *path = NULL;
	int r = name_path(store, full, &path);

	return r < 0 ? r : read_name(path, ret_digest);
}

/* A link cannot be overwritten, but another can be renamed over it. */
static int replace_link(const char *target, const char *folder, const char *file)
{
	_cleanup_free_ char *name = NULL, *path = NULL;
	_cleanup_unlink_ char *tmp = NULL;
	int r = vmb_asprintf(&path, "%s/%s", folder, file);

	if (r == 0)
		r = vmb_asprintf(&name, "%s.tmp-XXXXXX", path);
	if (r == 0)
		r = vmb_store_make_unique(name);
	if (r < 0)
		return r;
	if (symlink(target, name) < 0)
		return vmb_errno(errno, "cannot make the link %s", path);
	tmp = TAKE_PTR(name);
	r = vmb_rename(tmp, path);
	if (r == 0)
		free(TAKE_PTR(tmp));
	return r;
}

int vmb_index_name(const struct vmb_store *store, const char *full, const char *digest)
{
	_cleanup_free_ char *file = NULL, *names = NULL;
	char folder[80], target[100];
	int r = vmb_store_encode(full, &file);

	if (r == 0)
		r = vmb_store_path(store, &names, "names/"); /* makes the folder */
	if (r < 0)
		return r;
	folder_of(digest, folder);
	snprintf(target, sizeof(target), "../images/%s", folder);
	return replace_link(target, names, file);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* For a list of what lies in a folder of the store; one that is not there yet is empty: *ret_dir NULL. */
static int open_folder(const struct vmb_store *store, const char *name, char **ret_path,
		       DIR **ret_dir, char ***ret_list)
{
	_cleanup_list_ char **list = NULL;
	_cleanup_free_ char *path = NULL;
	DIR *dir;
	int r = vmb_asprintf(&path, "%s/%s", store->path, name);

	if (r == 0)
		r = vmb_list_add(&list, NULL);
	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return vmb_errno(errno, "cannot read %s", path);
	*ret_dir = dir;
	*ret_path = TAKE_PTR(path);
	*ret_list = TAKE_PTR(list);
	return 0;
}

static int add_if_of(const char *dir, const char *file, const char *digest, char ***list)
{
	_cleanup_free_ char *path = NULL, *found = NULL, *name = NULL;
	int r = vmb_asprintf(&path, "%s/%s", dir, file);

	if (r == 0)
		r = read_name(path, &found);
	if (r <= 0 || strstr(file, ".tmp-") || (digest && !vmb_streq(found, digest)))
		return r < 0 ? r : 0;
	r = vmb_store_decode(file, &name);
	return r < 0 ? r : vmb_list_add(list, name);
}

int vmb_index_names(const struct vmb_store *store, const char *digest, char ***ret)
{
	_cleanup_list_ char **list = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *path = NULL;
	struct dirent *d;
	int r = open_folder(store, "names", &path, &dir, &list);

	if (r < 0)
		return r;
	while (dir && (d = readdir(dir))) {
		r = add_if_of(path, d->d_name, digest, &list);
		if (r < 0)
			return r;
	}
	qsort(list, vmb_list_len(vmb_list_const(list)), sizeof(*list), compare);
	*ret = TAKE_PTR(list);
	return 0;
}

/* ---- taking away ---- */

/* Adds the VM if its folder has a link to the image. What was killed removing one uses nothing. */
static int add_if_user(const char *vms, const char *name, const char *folder, char ***list)
{
	_cleanup_free_ char *link = NULL;
	char target[200];
	ssize_t n;
	int r;

	if (strstr(name, ".tmp-"))
		return 0;
	r = vmb_asprintf(&link, "%s/%s/image", vms, name);
	if (r < 0)
		return r;
	n = readlink(link, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	return n > 0 && vmb_ends_with(target, folder) ? vmb_list_add(list, name) : 0;
}

int vmb_index_users(const struct vmb_store *store, const char *digest, char ***ret)
{
	_cleanup_list_ char **list = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *vms = NULL;
	char folder[80];
	struct dirent *d;
	int r = open_folder(store, "vms", &vms, &dir, &list);

	folder_of(digest, folder);
	while (r == 0 && dir && (d = readdir(dir)))
		r = add_if_user(vms, d->d_name, folder, &list);
	if (r < 0)
		return r;
	qsort(list, vmb_list_len(vmb_list_const(list)), sizeof(*list), compare);
	*ret = TAKE_PTR(list);
	return 0;
}

/* The first VM that uses it, or NULL. */
static int find_user(const struct vmb_store *store, const char *digest, char **ret_vm)
{
	_cleanup_list_ char **users = NULL;
	int r = vmb_index_users(store, digest, &users);

	return r < 0 ? r : vmb_strdup(*users, ret_vm);
}

int vmb_index_delete(const struct vmb_store *store, const char *digest)
{
	_cleanup_free_ char *path = NULL;
	int r = vmb_index_path(store, digest, "", &path);

	return r < 0 ? r : vmb_store_remove_folder(path);
}

void vmb_index_drop_lock(const struct vmb_store *store, const char *digest)
{
	_cleanup_free_ char *lock = NULL;

	if (vmb_index_path(store, digest, ".lock", &lock) == 0)
		unlink(lock);
}

/* With its lock, which the caller holds and no one will need. */
static int delete_with_lock(const struct vmb_store *store, const char *digest)
{
	int r = vmb_index_delete(store, digest);

	if (r == 0)
		vmb_index_drop_lock(store, digest);
	return r;
}

static int remove_locked(const struct vmb_store *store, const char *full, const char *digest)
{
	_cleanup_free_ char *path = NULL, *vm = NULL;
	_cleanup_list_ char **names = NULL;
	bool last;
	int r = name_path(store, full, &path);

	if (r == 0)
		r = vmb_index_names(store, digest, &names);
	if (r < 0)
		return r;
	last = vmb_list_len(vmb_list_const(names)) <= 1;
	if (last)
		r = find_user(store, digest, &vm);
	if (r < 0)
		return r;
	if (vm)
		return vmb_error(EBUSY, "the VM %s uses the image %s; remove the VM first", vm,
				 full);
	if (unlink(path) < 0 && errno != ENOENT)
		return vmb_errno(errno, "cannot remove %s", path);
	return last ? delete_with_lock(store, digest) : 0;
}

int vmb_index_remove(const struct vmb_store *store, const char *full)
{
	_cleanup_free_ char *digest = NULL, *now = NULL;
	_cleanup_close_ int lock = -1;
	int r = vmb_index_resolve(store, full, &digest);

	if (r > 0)
		r = vmb_index_lock(store, digest, &lock);
	if (r == 0 && digest)
		r = vmb_index_resolve(store, full, &now);
	if (r < 0)
		return r;
	if (!now)
		return vmb_error(VMBOOT_ENOIMAGE, "the store %s has no image %s", store->path,
				 full);
	if (!vmb_streq(digest, now))
		return vmb_error(EBUSY, "the image %s was replaced just now; try again", full);
	return remove_locked(store, full, digest);
}

/* 1: it has neither a name nor a VM. */
static int is_unused(const struct vmb_store *store, const char *digest)
{
	_cleanup_list_ char **names = NULL;
	_cleanup_free_ char *vm = NULL;
	int r = vmb_index_names(store, digest, &names);

	if (r == 0)
		r = find_user(store, digest, &vm);
	return r < 0 ? r : !vm && !*names;
}

int vmb_image_drop(const struct vmb_store *store, const char *digest)
{
	_cleanup_close_ int lock = -1;
	int r = vmb_index_lock(store, digest, &lock);

	if (r == 0)
		r = is_unused(store, digest);
	if (r <= 0)
		return r;
	r = delete_with_lock(store, digest);
	return r < 0 ? r : 1;
}

int vmb_index_digests(const struct vmb_store *store, char ***ret)
{
	_cleanup_list_ char **list = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *path = NULL;
	struct dirent *d;
	int r = open_folder(store, "images", &path, &dir, &list);

	if (r < 0)
		return r;
	while (dir && (d = readdir(dir))) {
		_cleanup_free_ char *digest = NULL;

		r = digest_of(d->d_name, &digest);
		if (r == 0)
			r = vmb_list_add(&list, digest);
		if (r < 0 && r != -ENOENT)
			return r;
	}
	qsort(list, vmb_list_len(vmb_list_const(list)), sizeof(*list), compare);
	*ret = TAKE_PTR(list);
	return 0;
}

static int is_nameless(const struct vmb_store *store, const char *digest)
{
	_cleanup_list_ char **names = NULL;
	_cleanup_free_ char *vm = NULL;
	int r = vmb_index_names(store, digest, &names);

	if (r == 0 && !*names)
		r = find_user(store, digest, &vm);
	return r < 0 ? r : vm != NULL;
}

/* Those of all digests for which fn gives 1. */
static int choose_digests(const struct vmb_store *store,
			  int (*fn)(const struct vmb_store *store, const char *digest), char ***ret)
{
	_cleanup_list_ char **all = NULL, **list = NULL;
	int r = vmb_index_digests(store, &all);

	if (r == 0)
		r = vmb_list_add(&list, NULL);
	for (char **digest = all; r >= 0 && *digest; digest++) {
		r = fn(store, *digest);
		if (r > 0)
			r = vmb_list_add(&list, *digest);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	return 0;
}

int vmb_index_nameless(const struct vmb_store *store, char ***ret)
{
	return choose_digests(store, is_nameless, ret);
}

int vmb_image_unused(const struct vmb_store *store, char ***ret_digests)
{
	return choose_digests(store, is_unused, ret_digests);
}

static int remove_names(const struct vmb_store *store, char **names)
{
	for (; *names; names++) {
		_cleanup_free_ char *path = NULL;
		int r = name_path(store, *names, &path);

		if (r < 0)
			return r;
		if (unlink(path) < 0 && errno != ENOENT)
			return vmb_errno(errno, "cannot remove %s", path);
	}
	return 0;
}

int vmb_index_prune(const struct vmb_store *store, const char *digest,
		    const struct vmb_prune *prune, struct vmb_image *ret, char ***ret_names)
{
	_cleanup_list_ char **names = NULL, **users = NULL;
	_cleanup_image_ struct vmb_image image = {0};
	_cleanup_close_ int lock = -1;
	int r = vmb_index_lock(store, digest, &lock);

	if (r == 0)
		r = vmb_strdup(digest, &image.digest);
	if (r == 0)
		r = vmb_index_find(store, &image);
	if (r >= 0)
		r = vmb_index_names(store, digest, &names);
	if (r == 0)
		r = vmb_index_users(store, digest, &users);
	if (r < 0)
		return r;
	if (*users || (*names && !prune->named) ||
	    (prune->before && image.imported >= prune->before))
		return 0;
	if (!prune->dry)
		r = remove_names(store, names);
	if (r == 0 && !prune->dry)
		r = delete_with_lock(store, digest);
	if (r < 0)
		return r;
	*ret = image;
	image = (struct vmb_image){0};
	*ret_names = TAKE_PTR(names);
	return 1;
}

int vmb_image_use(const struct vmb_store *store, const struct vmb_image *image, const char *folder)
{
	_cleanup_image_ struct vmb_image now = {0};
	_cleanup_close_ int lock = -1;
	char name[80], target[120];
	int r = vmb_strdup(image->digest, &now.digest);

	if (r == 0)
		r = vmb_index_lock(store, image->digest, &lock);
	if (r == 0)
		r = vmb_index_find(store, &now);
	if (r == 0)
		return vmb_error(VMBOOT_ENOIMAGE, "the image %s was removed just now",
				 image->name ? image->name : image->digest);
	if (r < 0)
		return r;
	folder_of(image->digest, name);
	snprintf(target, sizeof(target), "../../images/%s", name);
	return replace_link(target, folder, "image");
}
