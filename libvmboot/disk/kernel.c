/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/kernel.h"

#include "archive/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "disk/kernel-tree.h"
#include "wire/disks.h"

#define FORMAT "vmboot-kernel-disk 1" /* raise it when the same input shall give other bytes */

enum {
	KEY_HASH = 16, /* hex digits */
	LOCK_TIMEOUT_MS = 300000,
};

/* ---- the key ---- */

/* Of the modules: a package, depmod and DKMS all change one of these. */
static const char *const of_modules[] = {"", "modules.dep", "modules.dep.bin", "modules.builtin"};

/* Of each part of the headers; a part has some of them. */
static const char *const of_headers[] = {
	"",
	"Makefile",
	".config",
	"Module.symvers",
	"include",
	"include/generated/autoconf.h",
	"include/generated/utsrelease.h",
	"scripts",
	"scripts/mod/modpost",
	"tools",
};

static int hash_files(struct vmb_hash *h, const char *folder, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *path = NULL;
		struct stat st = {0};
		int r = vmb_asprintf(&path, "%s/%s", folder, names[i]);

		if (r < 0)
			return r;
		(void)stat(path, &st);
		vmb_hash_stat(h, &st);
	}
	return 0;
}

static int hash_archive(struct vmb_hash *h, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return vmb_errno(errno, "cannot read the kernel headers %s", path);
	vmb_hash_str(h, path);
	vmb_hash_stat(h, &st);
	return 0;
}

static int make_name(const struct vmb_kernel *kernel, const struct vmb_headers *headers, char **ret)
{
	char hex[VMB_SHA256_HEX + 1];
	struct vmb_hash h;
	int r;

	vmb_hash_init(&h);
	vmb_hash_str(&h, FORMAT);
	vmb_hash_str(&h, kernel->modules);
	r = hash_files(&h, kernel->modules, of_modules, ARRAY_SIZE(of_modules));
	if (r == 0 && headers->archive)
		r = hash_archive(&h, headers->archive);
	for (size_t i = 0; i < headers->n && r == 0; i++) {
		vmb_hash_str(&h, headers->parts[i].host);
		vmb_hash_str(&h, headers->parts[i].guest);
		r = hash_files(&h, headers->parts[i].host, of_headers, ARRAY_SIZE(of_headers));
	}
	if (r < 0)
		return r;
	vmb_hash_hex(&h, hex);
	return vmb_asprintf(ret, "kernels/%s-%.*s." VMB_KERNEL_FSTYPE, kernel->release, KEY_HASH,
			    hex);
}

int vmb_kernel_disk_path(const struct vmb_store *store, const struct vmb_kernel *kernel,
			 const struct vmb_headers *headers, char **ret)
{
	_cleanup_free_ char *name = NULL;
	int r = make_name(kernel, headers, &name);

	return r < 0 ? r : vmb_asprintf(ret, "%s/%s", store->path, name);
}

/* ---- making it ---- */

/* Headers in an archive are unpacked first, for one part of them tells where the others go. */
static int write_disk(const char *file, const char *tmp, const struct vmb_kernel *kernel,
		      const struct vmb_headers *headers, const struct vmb_log *log)
{
	_cleanup_headers_ struct vmb_headers unpacked = {0};
	_cleanup_free_ char *folder = NULL;
	int r;

	if (!headers->archive)
		return vmb_kernel_tree_write(file, kernel, headers, log);
	r = vmb_asprintf(&folder, "%s/headers", tmp);
	if (r == 0)
		r = vmb_mkdir_p(folder, 0700);
	if (r == 0)
		r = vmb_headers_unpack(headers->archive, folder, log);
	if (r < 0)
		return r;
	r = vmb_headers_find_unpacked(folder, kernel, &unpacked);
	if (r < 0)
		return vmb_error_prefix("cannot use the kernel headers %s", headers->archive);
	return vmb_kernel_tree_write(file, kernel, &unpacked, log);
}

/* What was packed must be what the name was made of. */
static int check_unchanged(const struct vmb_kernel *kernel, const struct vmb_headers *headers,
			   const char *name)
{
	_cleanup_free_ char *now = NULL;
	int r = make_name(kernel, headers, &now);

	if (r == 0 && !vmb_streq(now, name))
		r = vmb_error(EAGAIN,
			      "the modules or headers of %s were replaced just now; try again",
			      kernel->release);
	return r;
}

static int publish(const char *file, const char *path)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fchmod(fd, 0444) < 0 || fsync(fd) < 0)
		return vmb_errno(errno, "cannot write %s", file);
	return vmb_rename(file, path);
}

static int build(const char *path, const char *name, const struct vmb_kernel *kernel,
		 const struct vmb_headers *headers, const struct vmb_log *log)
{
	_cleanup_tmp_folder_ char *tmp = NULL;
	_cleanup_free_ char *file = NULL;
	_cleanup_close_ int held = -1;
	int r;

	vmb_log(log, VMBOOT_LOG_INFO, "building the kernel disk %s", path);
	r = vmb_store_tmp_folder(path, &tmp, &held);
	if (r == 0)
		r = vmb_asprintf(&file, "%s/disk", tmp);
	if (r == 0)
		r = write_disk(file, tmp, kernel, headers, log);
	if (r == 0)
		r = check_unchanged(kernel, headers, name);
	return r < 0 ? r : publish(file, path);
}

int vmb_kernel_disk_ensure(const struct vmb_store *store, const struct vmb_kernel *kernel,
			   const struct vmb_headers *headers, const struct vmb_log *log)
{
	_cleanup_free_ char *name = NULL, *path = NULL;
	_cleanup_close_ int lock = -1;
	int r;

	r = make_name(kernel, headers, &name);
	if (r == 0)
		r = vmb_store_path(store, &path, "%s", name);
	if (r < 0 || vmb_exists(path))
		return r;
	r = vmb_store_lock(store, name, LOCK_TIMEOUT_MS, &lock);
	if (r < 0 || vmb_exists(path))
		return r;
	return build(path, name, kernel, headers, log);
}
