/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/blobs.h"

#include "base/error.h"
#include "base/file.h"
#include "image/json.h"
#include "image/oci-json.h"

enum { LOCK_MS = 60 * 60 * 1000 };

int vmb_blobs_lock(const struct vmb_store *store, int *ret_fd)
{
	return vmb_store_lock_shared(store, "blobs", LOCK_MS, ret_fd);
}

int vmb_blobs_link(const struct vmb_store *store, const char *folder, char **ret_blobs)
{
	_cleanup_free_ char *link = NULL, *blobs = NULL, *sha256 = NULL;
	int r = vmb_asprintf(&link, "%s/blobs", folder);

	if (r == 0)
		r = vmb_asprintf(&blobs, "%s/blobs", store->path);
	if (r == 0)
		r = vmb_asprintf(&sha256, "%s/sha256", blobs);
	if (r == 0)
		r = vmb_mkdir_p(sha256, 0700);
	if (r < 0)
		return r;
	if (symlink("../../blobs", link) < 0)
		return vmb_errno(errno, "cannot make the link %s", link);
	*ret_blobs = TAKE_PTR(blobs);
	return 0;
}

/* ---- which are in use ---- */

struct uses {
	const struct vmb_store *store;
	char **hex;
};

static int read_json(const char *path, char **ret, size_t *ret_n)
{
	return vmb_read_file(path, VMB_IMAGE_JSON_MAX, ret, ret_n);
}

static int add_manifest(struct uses *u, const char *hex)
{
	_cleanup_oci_manifest_ struct vmb_oci_manifest m = {0};
	_cleanup_free_ char *path = NULL, *json = NULL;
	size_t n;
	int r = vmb_asprintf(&path, "%s/blobs/sha256/%s", u->store->path, hex);

	if (r == 0)
		r = vmb_list_add(&u->hex, hex);
	if (r == 0)
		r = read_json(path, &json, &n);
	if (r == 0)
		r = vmb_oci_manifest_decode(json, n, &m);
	if (r == 0)
		r = vmb_list_add(&u->hex, m.config.hex);
	for (size_t i = 0; i < m.layers.n && r == 0; i++)
		r = vmb_list_add(&u->hex, m.layers.blobs[i].hex);
	return r;
}

/* An image that was not fetched has no index. */
static int add_image(struct uses *u, const char *folder)
{
	_cleanup_oci_index_ struct vmb_oci_index index = {0};
	_cleanup_free_ char *path = NULL, *json = NULL;
	size_t n;
	int r = vmb_asprintf(&path, "%s/images/%s/index.json", u->store->path, folder);

	if (r < 0)
		return r;
	if (!vmb_exists(path))
		return 0;
	r = read_json(path, &json, &n);
	if (r == 0)
		r = vmb_oci_index_decode(json, n, &index);
	for (size_t i = 0; i < index.n && r == 0; i++)
		r = add_manifest(u, index.blobs[i].hex);
	return r;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_uses(struct uses *u)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *path = NULL;
	struct dirent *d;
	int r = vmb_asprintf(&path, "%s/images", u->store->path);

	if (r == 0)
		r = vmb_list_add(&u->hex, "");
	if (r < 0)
		return r;
	dir = opendir(path);
	if (!dir && errno != ENOENT)
		return vmb_errno(errno, "cannot read %s", path);
	while (dir && r == 0 && (d = readdir(dir)))
		if (vmb_skip_prefix(d->d_name, "sha256-"))
			r = add_image(u, d->d_name);
	qsort(u->hex, vmb_list_len(vmb_list_const(u->hex)), sizeof(*u->hex), compare);
	return r;
}

/* ---- removal ---- */

static int remove_unused(const struct uses *u, bool dry, uint64_t *bytes)
{
	const size_t n_hex = vmb_list_len(vmb_list_const(u->hex));
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *path = NULL;
	struct dirent *d;
	int n = 0, r = vmb_asprintf(&path, "%s/blobs/sha256", u->store->path);

	if (r < 0)
		return r;
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		const char *name = d->d_name;
		struct stat st;

		if (bsearch(&name, u->hex, n_hex, sizeof(*u->hex), compare) ||
		    fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (!dry && unlinkat(dirfd(dir), name, 0) < 0)
			return vmb_errno(errno, "cannot remove %s/%s", path, name);
		*bytes += (uint64_t)st.st_size;
		n++;
	}
	return n;
}

int vmb_blobs_collect(const struct vmb_store *store, bool dry, uint64_t *ret_bytes)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int lock = -1;
	struct uses uses = {.store = store};
	uint64_t bytes = 0;
	int r = vmb_asprintf(&path, "%s/blobs", store->path);

	if (r < 0 || !vmb_exists(path))
		return r;
	r = vmb_store_lock(store, "blobs", 0, &lock);
	if (r < 0)
		return r == -ETIMEDOUT ? 0 : r;
	r = list_uses(&uses);
	if (r == 0)
		r = remove_unused(&uses, dry, &bytes);
	vmb_list_free(uses.hex);
	if (r == -ENOENT || r == -VMBOOT_EIMAGE)
		return 0;
	if (r >= 0 && ret_bytes)
		*ret_bytes = bytes;
	return r;
}

/* A file that cannot be read is not called damaged. */
static bool is_damaged(const char *path, const char *hex)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char chunk[65536], actual[VMB_SHA256_HEX + 1];
	struct vmb_hash h;
	ssize_t n;

	if (fd < 0)
		return false;
	vmb_hash_init(&h);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		vmb_hash_add(&h, chunk, (size_t)n);
	vmb_hash_hex(&h, actual);
	return n == 0 && !vmb_streq(actual, hex);
}

int vmb_blobs_drop_damaged(const struct vmb_store *store, const char *folder)
{
	struct vmb_saved_error *saved = vmb_error_save();
	struct uses uses = {.store = store};
	int n = 0;

	(void)add_image(&uses, folder); /* as far as it can be read */
	for (char **hex = uses.hex; hex && *hex; hex++) {
		_cleanup_free_ char *path = NULL;

		if (vmb_asprintf(&path, "%s/blobs/sha256/%s", store->path, *hex) == 0 &&
		    is_damaged(path, *hex) && unlink(path) == 0)
			n++;
	}
	vmb_list_free(uses.hex);
	vmb_error_restore(saved);
	return n;
}
