/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "initrd/kernel.h"

#include <vmboot/version.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "initrd/bzimage.h"
#include "initrd/modules.h"
#include "initrd/vmlinux.h"

#define MEND_FMT "on Debian, install %s, or give a kernel with `kernel`"

enum { KEY_HASH = 12 }; /* hex digits */

/* How a kernel's file is read, by its architecture's format. */
static const struct format {
	const char *header; /* what such a file has, for messages */
	int (*release)(const void *head, size_t n, char ret[VMB_RELEASE_MAX + 1]);
	uint64_t (*memory)(const void *head, size_t n);
	/* NULL: it is started as it is. As vmb_vmlinux_unpack() */
	int (*unpack)(int from, const char *what, int to, const char **ret_why);
} formats[] = {
	[VMB_KERNEL_BZIMAGE] = {"x86 bzImage header", vmb_kernel_decode_release,
				vmb_kernel_decode_memory, vmb_vmlinux_unpack},
};

void vmb_kernel_done(struct vmb_kernel *k)
{
	free(TAKE_PTR(k->path));
	free(TAKE_PTR(k->release));
	free(TAKE_PTR(k->modules));
	free(TAKE_PTR(k->config));
	free(TAKE_PTR(k->key));
	k->arch = NULL;
}

/* ---- one kernel ---- */

static int open_kernel(const struct vmb_arch *arch, const char *path, int *ret_fd,
		       struct stat *ret_st)
{
	/* not blocking: whatever a caller names, a FIFO among it, is only looked at */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == EACCES)
		return vmb_error(VMBOOT_EKERNEL,
				 "may not read the kernel %s; some distributions let only root: as "
				 "root, run `chmod 0644 %s`, or give a readable copy with `kernel`",
				 path, path);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return vmb_error(VMBOOT_EKERNEL, "there is no kernel %s; " MEND_FMT, path,
				 arch->kernel_package);
	if (fd < 0 || fstat(fd, ret_st) < 0)
		return vmb_errno(errno, "cannot read the kernel %s", path);
	if (!S_ISREG(ret_st->st_mode))
		return vmb_error(VMBOOT_EKERNEL, "%s is not a file; a kernel is; " MEND_FMT, path,
				 arch->kernel_package);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int read_head(const struct vmb_arch *arch, int fd, const char *path,
		     char ret[VMB_RELEASE_MAX + 1], uint64_t *ret_memory)
{
	const struct format *format = &formats[arch->kernel_format];
	_cleanup_free_ char *head = malloc(VMB_KERNEL_HEAD);
	ssize_t n;

	if (!head)
		return vmb_oom();
	n = pread(fd, head, VMB_KERNEL_HEAD, 0);
	if (n < 0)
		return vmb_errno(errno, "cannot read the kernel %s", path);
	if (format->release(head, (size_t)n, ret) < 0)
		return vmb_error(VMBOOT_EKERNEL,
				 "%s is not a kernel that can be booted: it has no %s with a "
				 "version; " MEND_FMT,
				 path, format->header, arch->kernel_package);
	*ret_memory = format->memory(head, (size_t)n);
	return 0;
}

/* The release for people, and a hash for what else tells this file from another. */
static int make_key(const char *path, const char *release, const struct stat *st, char **ret)
{
	_cleanup_free_ char *real = realpath(path, NULL), *identity = NULL;
	char hex[VMB_SHA256_HEX + 1];
	struct vmb_hash h;
	int r;

	if (!real)
		return vmb_errno(errno, "cannot resolve %s", path);
	r = vmb_asprintf(&identity, "%lld %lld.%09ld", (long long)st->st_size,
			 (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (r < 0)
		return r;
	vmb_hash_init(&h);
	vmb_hash_str(&h, real);
	vmb_hash_str(&h, identity);
	vmb_hash_hex(&h, hex);
	return vmb_asprintf(ret, "%s-%.*s", release, KEY_HASH, hex);
}

/* Where packages put it, or who builds a kernel of his own beside it, as `make install` does. */
static int find_config(const char *root, const struct vmb_kernel *k, char **ret)
{
	const char *slash = strrchr(k->path, '/');
	int r = 0;

	for (int i = 0; i < 3 && r == 0; i++) {
		_cleanup_free_ char *path = NULL;

		if (i == 0)
			r = vmb_asprintf(&path, "%s/boot/config-%s", root, k->release);
		else if (i == 1)
			r = vmb_asprintf(&path, "%s/config", k->modules);
		else
			r = vmb_asprintf(&path, "%.*s/config-%s", (int)(slash - k->path), k->path,
					 k->release);
		if (r == 0 && access(path, R_OK) == 0) {
			*ret = TAKE_PTR(path);
			return 0;
		}
	}
	return r;
}

bool vmb_kernel_has_modules(const struct vmb_kernel *kernel)
{
	return vmb_exists(kernel->modules);
}

static int describe(const struct vmb_arch *arch, const char *root, const char *path,
		    struct vmb_kernel *ret)
{
	_cleanup_kernel_ struct vmb_kernel k = {.arch = arch};
	char release[VMB_RELEASE_MAX + 1];
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	r = open_kernel(arch, path, &fd, &st);
	if (r == 0)
		r = read_head(arch, fd, path, release, &k.memory);
	if (r == 0)
		r = vmb_absolute(path, &k.path);
	if (r == 0)
		r = vmb_strdup(release, &k.release);
	if (r == 0)
		r = make_key(path, release, &st, &k.key);
	if (r == 0)
		r = vmb_asprintf(&k.modules, "%s/lib/modules/%s", root, release);
	if (r < 0)
		return r;
	r = find_config(root, &k, &k.config);
	if (r < 0)
		return r;
	if (!k.config && !vmb_kernel_has_modules(&k))
		return vmb_error(VMBOOT_EKERNEL,
				 "the kernel %s (%s) has no modules on this host: there is no %s; "
				 "install the package that it came with, or give another kernel "
				 "with `kernel`; if all is built into this one, put its "
				 "configuration beside it, as config-%s",
				 path, release, k.modules, release);
	*ret = k;
	k = (struct vmb_kernel){0};
	return 0;
}

/* ---- the choice among those installed ---- */

struct candidate {
	char *path;
	char *release; /* as the file name has it */
};

struct candidates {
	struct candidate *list;
	size_t n;
};

static void candidates_done(struct candidates *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->list[i].path);
		free(c->list[i].release);
	}
	free(c->list);
}

/* path becomes the list's, or is freed. */
static int add_candidate(struct candidates *c, char *path, const char *release)
{
	_cleanup_free_ char *owned = path, *copy = NULL;
	struct candidate *list;

	if (vmb_strdup(release, &copy) < 0)
		return -ENOMEM;
	list = reallocarray(c->list, c->n + 1, sizeof(*list));
	if (!list)
		return vmb_oom();
	c->list = list;
	c->list[c->n++] = (struct candidate){TAKE_PTR(owned), TAKE_PTR(copy)};
	return 0;
}

/* Where distributions put kernels: <folder>/<prefix><release><suffix>. */
static const struct place {
	const char *folder, *prefix, *suffix;
} places[] = {
	{"/boot", "vmlinuz-", ""},
	{"/lib/modules", "", "/vmlinuz"},
};

static int look_in(const char *root, const struct place *place, struct candidates *c)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *folder = NULL;
	struct dirent *ent;
	int r;

	r = vmb_asprintf(&folder, "%s%s", root, place->folder);
	if (r < 0)
		return r;
	dir = opendir(folder);
	while (dir && (ent = readdir(dir))) {
		const char *release = vmb_skip_prefix(ent->d_name, place->prefix);
		char *path;

		if (!release || ent->d_name[0] == '.')
			continue;
		r = vmb_asprintf(&path, "%s/%s%s", folder, ent->d_name, place->suffix);
		if (r < 0)
			return r;
		if (!vmb_exists(path))
			free(path);
		else
			r = add_candidate(c, path, release);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Newest first; of one release, /boot before /lib/modules. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int r = strverscmp(y->release, x->release);

	return r ? r : strcmp(x->path, y->path);
}

static int try_candidate(const struct vmb_arch *arch, const char *root, const struct candidate *c,
			 struct vmb_kernel *ret)
{
	_cleanup_modules_ struct vmb_modules modules = {0};
	_cleanup_kernel_ struct vmb_kernel k = {0};
	int r;

	r = describe(arch, root, c->path, &k);
	if (r < 0)
		return r;
	/* a backup such as vmlinuz-6.1.old is no release of its own */
	if (!vmb_streq(k.release, c->release))
		return vmb_error(VMBOOT_EKERNEL,
				 "%s calls itself %s; rename it, or give it with `kernel`", c->path,
				 k.release);
	r = vmb_modules_resolve(&k, "squashfs", 0, &modules);
	if (r < 0)
		return r;
	*ret = k;
	k = (struct vmb_kernel){0};
	return 0;
}

static int choose_newest(const struct vmb_arch *arch, const char *root, struct vmb_kernel *ret)
{
	vmb_cleanup(candidates_done) struct candidates c = {0};
	struct vmb_saved_error *newest = NULL;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == 0; i++)
		r = look_in(root, &places[i], &c);
	if (r < 0)
		return r;
	if (c.n == 0)
		return vmb_error(VMBOOT_EKERNEL,
				 "no kernel in %s/boot or %s/lib/modules; " MEND_FMT, root, root,
				 arch->kernel_package);
	qsort(c.list, c.n, sizeof(*c.list), compare);
	for (size_t i = 0; i < c.n; i++) {
		r = try_candidate(arch, root, &c.list[i], ret);
		if (r == 0 || r == -ENOMEM)
			break;
		if (i == 0)
			newest = vmb_error_save();
	}
	if (r < 0 && r != -ENOMEM && newest) {
		vmb_error_restore(TAKE_PTR(newest));
		r = vmb_error_prefix("no installed kernel fits; the newest");
	}
	free(newest);
	return r;
}

int vmb_kernel_find(const char *root, const char *path, struct vmb_kernel *ret)
{
	const struct vmb_arch *arch;
	int r = vmb_arch_host(&arch);

	if (r < 0)
		return r;
	return path ? describe(arch, root, path, ret) : choose_newest(arch, root, ret);
}

/* ---- our copy ---- */

static int image_path(const struct vmb_store *store, const struct vmb_kernel *kernel, char **ret)
{
	return vmb_asprintf(ret, "%s/kernels/%s/vmlinuz", store->path, kernel->key);
}

static int unpacked_path(const struct vmb_store *store, const struct vmb_kernel *kernel, char **ret)
{
	return vmb_asprintf(ret, "%s/kernels/%s/vmlinux", store->path, kernel->key);
}

/* Holds why there is no unpacked one; another version of the library may be able to. */
static int refusal_path(const struct vmb_store *store, const struct vmb_kernel *kernel, char **ret)
{
	return vmb_asprintf(ret, "%s/kernels/%s/packed-%s", store->path, kernel->key,
			    VMBOOT_VERSION_STRING);
}

int vmb_kernel_store_path(const struct vmb_store *store, const struct vmb_kernel *kernel,
			  bool *direct, char **ret)
{
	_cleanup_free_ char *refusal = NULL;
	int r;

	r = refusal_path(store, kernel, &refusal);
	if (r < 0)
		return r;
	if (vmb_exists(refusal) || !formats[kernel->arch->kernel_format].unpack)
		*direct = false;
	return *direct ? unpacked_path(store, kernel, ret) : image_path(store, kernel, ret);
}

/* The key is of the file that was found; this must still be it. */
static int check_unchanged(const struct vmb_kernel *kernel, const struct stat *st)
{
	_cleanup_free_ char *key = NULL;
	int r;

	r = make_key(kernel->path, kernel->release, st, &key);
	if (r == 0 && !vmb_streq(key, kernel->key))
		r = vmb_error(EAGAIN, "the kernel %s was replaced just now; try again",
			      kernel->path);
	return r;
}

static int open_unchanged(const struct vmb_kernel *kernel, int *ret)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	r = open_kernel(kernel->arch, kernel->path, &fd, &st);
	if (r == 0)
		r = check_unchanged(kernel, &st);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

/* The kernel, and a file for what is to appear in its folder, beside that, where gc looks. */
static int begin_copy(const struct vmb_store *store, const struct vmb_kernel *kernel, int *ret_from,
		      int *ret_to, char **ret_tmp)
{
	_cleanup_free_ char *inside = NULL, *folder = NULL;
	int r;

	r = vmb_store_path(store, &inside, "kernels/%s/.", kernel->key); /* makes the folder */
	if (r == 0)
		r = vmb_asprintf(&folder, "%s/kernels/%s", store->path, kernel->key);
	if (r == 0)
		r = open_unchanged(kernel, ret_from);
	return r < 0 ? r : vmb_open_tmp(folder, 0644, ret_to, ret_tmp);
}

static int copy_image(const struct vmb_store *store, const struct vmb_kernel *kernel,
		      const char *path, const struct vmb_log *log)
{
	_cleanup_close_ int from = -1, to = -1;
	_cleanup_unlink_ char *tmp = NULL;
	int r;

	vmb_log(log, VMBOOT_LOG_INFO, "copying the kernel %s to %s", kernel->path, path);
	r = begin_copy(store, kernel, &from, &to, &tmp);
	if (r == 0)
		r = vmb_copy_sparse(from, to, kernel->path);
	return r < 0 ? r : vmb_publish_tmp(to, &tmp, path);
}

/* 1, or 0 if this kernel cannot be had so, which is kept in mind. */
static int unpack_image(const struct vmb_store *store, const struct vmb_kernel *kernel,
			const char *path, const struct vmb_log *log)
{
	_cleanup_close_ int from = -1, to = -1;
	_cleanup_free_ char *refusal = NULL;
	_cleanup_unlink_ char *tmp = NULL;
	const char *why;
	int r;

	vmb_log(log, VMBOOT_LOG_INFO, "unpacking the kernel %s to %s", kernel->path, path);
	r = refusal_path(store, kernel, &refusal);
	if (r == 0)
		r = begin_copy(store, kernel, &from, &to, &tmp);
	if (r == 0)
		r = formats[kernel->arch->kernel_format].unpack(from, kernel->path, to, &why);
	if (r < 0)
		return r;
	if (r > 0) {
		r = vmb_publish_tmp(to, &tmp, path);
		return r < 0 ? r : 1;
	}
	vmb_log(log, VMBOOT_LOG_DEBUG, "the kernel %s starts by way of its own decompressor: %s",
		kernel->path, why);
	return vmb_write_file_atomic(refusal, why, strlen(why), 0644);
}

int vmb_kernel_ensure(const struct vmb_store *store, const struct vmb_kernel *kernel,
		      const struct vmb_log *log, bool *direct, char **path)
{
	_cleanup_free_ char *image = NULL;
	int r;

	if (vmb_exists(*path))
		return 0;
	if (!*direct)
		return copy_image(store, kernel, *path, log);
	r = unpack_image(store, kernel, *path, log);
	if (r != 0)
		return r < 0 ? r : 0;
	r = image_path(store, kernel, &image);
	if (r == 0 && !vmb_exists(image))
		r = copy_image(store, kernel, image, log);
	if (r < 0)
		return r;
	free(*path);
	*path = TAKE_PTR(image);
	*direct = false;
	return 0;
}
