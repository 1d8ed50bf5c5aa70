/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "initrd/initrd.h"

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/process.h"
#include "initrd/cpio.h"
#include "wire/disks.h"

VMB_DEFINE_CLEANUP(archive_read_freep, struct archive *, archive_read_free)

#define FORMAT "vmboot-initramfs 1" /* raise it when the same input shall give other bytes */

enum {
	INIT_MAX = 32 << 20,
	MODULE_MAX = 64 << 20,
	TOTAL_MAX = 512 << 20,
	KEY_HASH = 16, /* hex digits */
	CONSOLE_MAJOR = 5,
	CONSOLE_MINOR = 1,
};

/* A path in the guest as archives have it. */
#define IN_ARCHIVE(path) ((path) + 1)

int vmb_initrd_find_init(char **ret)
{
	return vmb_find_installed("vmboot-init", "the guest's init", R_OK, ret);
}

/* ---- the key ---- */

static int hash_list(struct vmb_hash *h, const struct vmb_module_list *l)
{
	_cleanup_free_ char *identity = NULL;
	struct stat st;

	for (size_t i = 0; i < l->n; i++) {
		const struct vmb_module *m = &l->list[i];

		if (stat(m->path, &st) < 0)
			return vmb_errno(errno, "cannot find the module %s", m->path);
		free(TAKE_PTR(identity));
		if (vmb_asprintf(&identity, "%lld %lld.%09ld", (long long)st.st_size,
				 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec) < 0)
			return -ENOMEM;
		vmb_hash_str(h, m->name);
		vmb_hash_str(h, m->path);
		vmb_hash_str(h, identity);
	}
	vmb_hash_str(h, ""); /* so that a module that moves to the next list shows */
	return 0;
}

struct init {
	char *bytes;
	size_t n;
};

static void init_done(struct init *init)
{
	free(init->bytes);
}

static int read_init(const char *path, struct init *ret)
{
	int r = vmb_read_file(path, INIT_MAX, &ret->bytes, &ret->n);

	if (r < 0)
		return vmb_error_prefix("cannot use the guest's init");
	if (ret->n < 4 || memcmp(ret->bytes, "\177ELF", 4) != 0)
		return vmb_error(VMBOOT_EHOST, "the guest's init %s is not a program", path);
	return 0;
}

static int make_path(const struct vmb_store *store, const struct vmb_kernel *kernel,
		     const struct vmb_modules *modules, const struct init *init, char **ret)
{
	char hex[VMB_SHA256_HEX + 1];
	struct vmb_hash h;
	int r;

	vmb_hash_init(&h);
	vmb_hash_str(&h, FORMAT);
	vmb_hash_add(&h, &init->n, sizeof(init->n));
	vmb_hash_add(&h, init->bytes, init->n);
	r = hash_list(&h, &modules->early);
	if (r == 0)
		r = hash_list(&h, &modules->late);
	if (r < 0)
		return r;
	vmb_hash_hex(&h, hex);
	return vmb_asprintf(ret, "%s/initramfs/%s-%.*s.cpio", store->path, kernel->release,
			    KEY_HASH, hex);
}

int vmb_initrd_store_path(const struct vmb_store *store, const struct vmb_kernel *kernel,
			  const struct vmb_modules *modules, const char *init_path, char **ret)
{
	vmb_cleanup(init_done) struct init init = {0};
	int r = read_init(init_path, &init);

	return r < 0 ? r : make_path(store, kernel, modules, &init, ret);
}

/* ---- its size ---- */

enum { COMPRESSION = 4 }; /* how many times larger a compressed module is, unpacked */

static int add_size(const char *path, uint64_t *sum)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return vmb_errno(errno, "cannot find %s", path);
	*sum += (uint64_t)st.st_size * (vmb_ends_with(path, ".ko") ? 1 : COMPRESSION);
	return 0;
}

int vmb_initrd_estimate(const struct vmb_modules *modules, const char *init_path, uint64_t *ret)
{
	const struct vmb_module_list *const lists[] = {&modules->early, &modules->late};
	uint64_t sum = 0, init = 0;
	int r = add_size(init_path, &init);

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t k = 0; k < lists[i]->n && r == 0; k++)
			r = add_size(lists[i]->list[k].path, &sum);
	if (r < 0)
		return r;
	*ret = sum + init / COMPRESSION;
	return 0;
}

/* ---- the archive ---- */

static int unreadable(struct archive *a, const char *path)
{
	const char *words = archive_error_string(a);

	return vmb_error(VMBOOT_EKERNEL, "cannot read the module %s: %s", path,
			 words ? words : "it is empty");
}

/* The module's own bytes, whatever it is compressed with. */
static int read_module(const char *path, struct vmb_buf *out)
{
	vmb_cleanup(archive_read_freep) struct archive *a = archive_read_new();
	struct archive_entry *entry;
	char chunk[65536];
	la_ssize_t n;

	if (!a)
		return vmb_oom();
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_raw(a);
	if (archive_read_open_filename(a, path, sizeof(chunk)) != ARCHIVE_OK ||
	    archive_read_next_header(a, &entry) != ARCHIVE_OK)
		return unreadable(a, path);
	while ((n = archive_read_data(a, chunk, sizeof(chunk))) > 0) {
		if ((size_t)n > MODULE_MAX - out->len)
			return vmb_error(VMBOOT_EKERNEL,
					 "the module %s is larger than %d MiB, which none is", path,
					 MODULE_MAX >> 20);
		vmb_buf_add(out, chunk, (size_t)n);
	}
	if (n < 0)
		return unreadable(a, path);
	if (out->failed)
		return vmb_oom();
	if (out->len < 4 || memcmp(out->data, "\177ELF", 4) != 0)
		return vmb_error(VMBOOT_EKERNEL,
				 "%s is not a module; install the kernel's package again", path);
	return 0;
}

static int put_module(struct vmb_cpio *cpio, const struct vmb_module *m, size_t *total)
{
	_cleanup_buf_ struct vmb_buf bytes = {0};
	_cleanup_free_ char *name = NULL;
	int r;

	r = read_module(m->path, &bytes);
	if (r < 0)
		return r;
	*total += bytes.len;
	if (*total > TOTAL_MAX)
		return vmb_error(VMBOOT_EKERNEL, "the modules are larger than %d MiB together",
				 TOTAL_MAX >> 20);
	r = vmb_asprintf(&name, "%s/%s.ko", IN_ARCHIVE(VMB_INITRAMFS_MODULES), m->name);
	return r < 0 ? r : vmb_cpio_file(cpio, name, 0644, bytes.data, bytes.len);
}

static int put_list(struct vmb_cpio *cpio, const char *name, const struct vmb_module_list *l)
{
	_cleanup_buf_ struct vmb_buf text = {0};

	for (size_t i = 0; i < l->n; i++)
		vmb_buf_printf(&text, "%s.ko\n", l->list[i].name);
	if (text.failed)
		return vmb_oom();
	return vmb_cpio_file(cpio, name, 0644, text.data, text.len);
}

static int put_all(struct vmb_cpio *cpio, const struct vmb_modules *modules,
		   const struct init *init, const struct vmb_log *log)
{
	static const char *const folders[] = {"dev", "newroot", "proc",
					      "sys", "vmboot",	IN_ARCHIVE(VMB_INITRAMFS_MODULES)};
	const struct vmb_module_list *const lists[] = {&modules->early, &modules->late};
	const size_t n = modules->early.n + modules->late.n;
	size_t total = 0, done = 0;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++)
		r = vmb_cpio_folder(cpio, folders[i]);
	if (r == 0)
		r = vmb_cpio_device(cpio, "dev/console", CONSOLE_MAJOR, CONSOLE_MINOR);
	if (r == 0)
		r = vmb_cpio_file(cpio, "init", 0755, init->bytes, init->n);
	if (r == 0)
		r = put_list(cpio, IN_ARCHIVE(VMB_INITRAMFS_MODULE_LIST), &modules->early);
	if (r == 0)
		r = put_list(cpio, IN_ARCHIVE(VMB_INITRAMFS_LATE_LIST), &modules->late);
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++)
		for (size_t i = 0; i < lists[l]->n && r == 0; i++) {
			vmb_progress(log, "building the initramfs", done++, n);
			r = put_module(cpio, &lists[l]->list[i], &total);
		}
	if (r == 0)
		vmb_progress(log, "building the initramfs", n, n);
	return r;
}

static int build(const char *path, const struct vmb_modules *modules, const struct init *init,
		 const struct vmb_log *log)
{
	vmb_cleanup(vmb_cpio_closep) struct vmb_cpio *cpio = NULL;
	_cleanup_unlink_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	r = vmb_open_tmp(path, 0644, &fd, &tmp);
	if (r == 0)
		r = vmb_cpio_open(fd, tmp, &cpio);
	if (r == 0)
		r = put_all(cpio, modules, init, log);
	if (r == 0)
		r = vmb_cpio_finish(cpio);
	if (r < 0)
		return r;
	return vmb_publish_tmp(fd, &tmp, path);
}

int vmb_initrd_ensure(const struct vmb_store *store, const struct vmb_kernel *kernel,
		      const struct vmb_modules *modules, const char *init_path,
		      const struct vmb_log *log)
{
	vmb_cleanup(init_done) struct init init = {0};
	_cleanup_free_ char *path = NULL, *folder = NULL;
	int r;

	r = read_init(init_path, &init);
	if (r == 0)
		r = make_path(store, kernel, modules, &init, &path);
	if (r < 0 || vmb_exists(path))
		return r;
	vmb_log(log, VMBOOT_LOG_INFO, "building the initramfs %s", path);
	r = vmb_store_path(store, &folder, "initramfs/"); /* makes the folder */
	return r < 0 ? r : build(path, modules, &init, log);
}
