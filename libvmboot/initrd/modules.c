/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "initrd/modules.h"

#include <libkmod.h>

#include "base/error.h"
#include "base/file.h"
#include "wire/disks.h"

VMB_DEFINE_CLEANUP(kmod_unrefp, struct kmod_ctx *, kmod_unref)
VMB_DEFINE_CLEANUP(module_unrefp, struct kmod_module *, kmod_module_unref)
VMB_DEFINE_CLEANUP(module_unref_listp, struct kmod_list *, kmod_module_unref_list)

#define MEND_FMT "boot another kernel (on Debian, install %s, or give one with `kernel`)"

enum { CONFIG_FILE_MAX = 4 << 20, MODULES_MAX = 256 };

enum when { EARLY, EARLY_FOR_NETWORK, EARLY_IF_THERE, LATE_IF_THERE };

/*
 * What must be there, in the order in which it is loaded; what a module depends on goes before it. The
 * architecture has modules for the console, before these, and for its panic device, after them.
 *
 * crc32c_generic stands for the soft dependency "crc32c" of ext4, jbd2 and libcrc32c, which look
 * that checksum up by name when they start; a kernel that calls it directly may lack the module.
 * Other soft dependencies are not followed: they are faster variants (crc32c_intel) that a guest's
 * CPU may not even have.
 */
static const struct need {
	const char *module;
	const char *option;
	enum when when;
	const char *fstype; /* NULL: whatever the disks are */
	const char *purpose;
} needs[] = {
	{"virtio_ring", "CONFIG_VIRTIO", EARLY_IF_THERE, NULL, "all devices"},
	{"virtio_pci", "CONFIG_VIRTIO_PCI", EARLY, NULL, "all devices"},
	{"virtio_console", "CONFIG_VIRTIO_CONSOLE", EARLY, NULL, "boot events"},
	{"virtio_blk", "CONFIG_VIRTIO_BLK", EARLY, NULL, "the disks"},
	{"crc32c_generic", "CONFIG_CRYPTO_CRC32C", EARLY_IF_THERE, NULL, "checksums"},
	{"squashfs", "CONFIG_SQUASHFS", EARLY, "squashfs",
	 "the root disk and the kernel disk (skip_kernel_headers leaves the latter out)"},
	{"erofs", "CONFIG_EROFS_FS", EARLY, "erofs", "the root disk"},
	{"ext4", "CONFIG_EXT4_FS", EARLY, NULL, "the overlay disk"},
	{"overlay", "CONFIG_OVERLAY_FS", EARLY, NULL, "writing to the root file system"},
	{"virtio_net", "CONFIG_VIRTIO_NET", EARLY_FOR_NETWORK, NULL, "the network"},
	{"button", "CONFIG_ACPI_BUTTON", LATE_IF_THERE, NULL, "ACPI shutdown"},
};

/* What no module can bring, and only the configuration tells. */
static const struct built_in {
	const char *option;
	const char *fstype; /* as above */
	const char *purpose;
} built_ins[] = {
	{"CONFIG_BLK_DEV_INITRD", NULL, "the initramfs"},
	{"CONFIG_BINFMT_ELF", NULL, "running programs"},
	{"CONFIG_DEVTMPFS", NULL, "/dev"},
	{"CONFIG_PROC_FS", NULL, "/proc"},
	{"CONFIG_SYSFS", NULL, "/sys"},
	{"CONFIG_TMPFS", NULL, "/run"},
	{"CONFIG_NET", NULL, "hearing of new devices"},
	{"CONFIG_SQUASHFS_LZ4", "squashfs", "the disks' compression"},
	{"CONFIG_SQUASHFS_XATTR", "squashfs", "the disks' extended attributes"},
};

static void list_done(struct vmb_module_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->list[i].name);
		free(l->list[i].path);
	}
	free(TAKE_PTR(l->list));
	l->n = 0;
}

void vmb_modules_done(struct vmb_modules *modules)
{
	list_done(&modules->early);
	list_done(&modules->late);
}

static bool is_listed(const struct vmb_module_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (vmb_streq(l->list[i].name, name))
			return true;
	return false;
}

static bool applies(const char *fstype, const char *root_fstype, unsigned flags)
{
	return !fstype || vmb_streq(fstype, root_fstype) ||
	       (flags & VMB_NEED_KERNEL_DISK && vmb_streq(fstype, VMB_KERNEL_FSTYPE));
}

/* ---- the kernel's configuration ---- */

/* 'y', 'm', or 0 for what is not set; text is the whole file. */
static char config_value(const char *text, const char *option)
{
	size_t n = strlen(option);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, option, n) == 0 && line[n] == '=')
			return line[n + 1];
	}
	return 0;
}

static int check_built_ins(const struct vmb_kernel *kernel, const char *config,
			   const char *root_fstype, unsigned flags)
{
	for (size_t i = 0; i < ARRAY_SIZE(built_ins); i++) {
		const struct built_in *b = &built_ins[i];

		if (applies(b->fstype, root_fstype, flags) &&
		    config_value(config, b->option) != 'y')
			return vmb_error(VMBOOT_EKERNEL,
					 "%s is not set to y in %s; it is needed for %s; " MEND_FMT,
					 b->option, kernel->config, b->purpose,
					 kernel->arch->kernel_package);
	}
	return 0;
}

/* ---- modules ---- */

struct resolver {
	const struct vmb_kernel *kernel;
	struct kmod_ctx *ctx; /* NULL: no modules, so config is there */
	const char *config;   /* NULL: not to be had */
	struct vmb_modules *out;
};

/* One module alone, unless a list has it already. */
static int add_one(const struct resolver *res, struct kmod_module *mod,
		   struct vmb_module_list *list)
{
	_cleanup_free_ char *name = NULL, *path = NULL;
	const char *where = kmod_module_get_path(mod);
	struct vmb_module *more;
	int r;

	if (is_listed(&res->out->early, kmod_module_get_name(mod)) ||
	    is_listed(&res->out->late, kmod_module_get_name(mod)))
		return 0;
	if (!where || access(where, R_OK) < 0)
		return vmb_error(
			VMBOOT_EKERNEL,
			"%s/modules.dep names the module %s, but %s cannot be read; install "
			"the kernel's package again, or run `depmod %s`",
			res->kernel->modules, kmod_module_get_name(mod), where ? where : "its file",
			res->kernel->release);
	if (list->n >= MODULES_MAX)
		return vmb_error(VMBOOT_EKERNEL,
				 "%s/modules.dep is damaged: a boot would need more "
				 "than %d modules; run `depmod %s`",
				 res->kernel->modules, MODULES_MAX, res->kernel->release);
	r = vmb_strdup(kmod_module_get_name(mod), &name);
	if (r == 0)
		r = vmb_strdup(where, &path);
	if (r < 0)
		return r;
	more = reallocarray(list->list, list->n + 1, sizeof(*more));
	if (!more)
		return vmb_oom();
	list->list = more;
	list->list[list->n++] = (struct vmb_module){TAKE_PTR(name), TAKE_PTR(path)};
	return 0;
}

static int add_with_dependencies(const struct resolver *res, struct kmod_module *mod,
				 struct vmb_module_list *list)
{
	vmb_cleanup(module_unref_listp) struct kmod_list *deps = NULL;
	struct kmod_list *it;
	int r;

	/* all of them, the deepest first */
	deps = kmod_module_get_dependencies(mod);
	kmod_list_foreach(it, deps)
	{
		vmb_cleanup(module_unrefp) struct kmod_module *dep = kmod_module_get_module(it);

		r = add_one(res, dep, list);
		if (r < 0)
			return r;
	}
	return add_one(res, mod, list);
}

static int refuse(const struct resolver *res, const struct need *need)
{
	const struct vmb_kernel *k = res->kernel;

	if (!res->config)
		return vmb_error(VMBOOT_EKERNEL,
				 "the kernel %s has no %s, neither in %s nor built in (%s); it is "
				 "needed for %s; " MEND_FMT,
				 k->release, need->module, k->modules, need->option, need->purpose,
				 k->arch->kernel_package);
	if (config_value(res->config, need->option) == 'm')
		return vmb_error(VMBOOT_EKERNEL,
				 "the module %s is not in %s, though %s has it (%s); install all "
				 "modules of the kernel (some distributions have a second package "
				 "for them), or run `depmod %s`",
				 need->module, k->modules, k->config, need->option, k->release);
	return vmb_error(VMBOOT_EKERNEL, "%s is not set in %s (%s); it is needed for %s; " MEND_FMT,
			 need->module, k->config, need->option, need->purpose,
			 k->arch->kernel_package);
}

/* A kernel without a folder of modules. */
static int check_need(const struct resolver *res, const struct need *need)
{
	const struct vmb_kernel *k = res->kernel;

	if (need->when == EARLY_IF_THERE || need->when == LATE_IF_THERE ||
	    config_value(res->config, need->option) == 'y')
		return 0;
	return vmb_error(VMBOOT_EKERNEL,
			 "the kernel %s has no modules on this host: there is no %s; and %s, which "
			 "is needed for %s, is not built into it (%s is not y in %s); install its "
			 "modules, or " MEND_FMT,
			 k->release, k->modules, need->module, need->purpose, need->option,
			 k->config, k->arch->kernel_package);
}

static int resolve_need(const struct resolver *res, const struct need *need)
{
	vmb_cleanup(module_unrefp) struct kmod_module *mod = NULL;
	int r;

	if (!res->ctx)
		return check_need(res, need);
	r = kmod_module_new_from_name(res->ctx, need->module, &mod);
	if (r < 0)
		return vmb_errno(r, "cannot look up the module %s", need->module);
	if (kmod_module_get_path(mod))
		return add_with_dependencies(
			res, mod, need->when == LATE_IF_THERE ? &res->out->late : &res->out->early);
	if (need->when == EARLY_IF_THERE || need->when == LATE_IF_THERE ||
	    kmod_module_get_initstate(mod) == KMOD_MODULE_BUILTIN ||
	    (res->config && config_value(res->config, need->option) == 'y'))
		return 0;
	return refuse(res, need);
}

static int resolve_arch(const struct resolver *res, const struct vmb_arch_module *module,
			enum when when)
{
	const struct need need = {module->name, module->option, when, NULL, ""};

	return module->name ? resolve_need(res, &need) : 0;
}

static void say_nothing(void *data, int priority, const char *file, int line, const char *fn,
			const char *format, va_list args)
{
	(void)data, (void)priority, (void)file, (void)line, (void)fn, (void)format, (void)args;
}

/* A context that knows the kernel's modules and nothing of the host's modprobe.d. */
static int open_modules(const struct vmb_kernel *kernel, struct kmod_ctx **ret)
{
	static const char *const no_config[] = {NULL};
	vmb_cleanup(kmod_unrefp) struct kmod_ctx *ctx = kmod_new(kernel->modules, no_config);
	_cleanup_free_ char *index = NULL;
	int r;

	if (!ctx)
		return vmb_oom();
	kmod_set_log_fn(ctx, say_nothing, NULL);
	r = vmb_asprintf(&index, "%s/modules.dep.bin", kernel->modules);
	if (r < 0)
		return r;
	if (access(index, R_OK) < 0)
		return vmb_error(VMBOOT_EKERNEL,
				 "cannot read %s: the modules of the kernel %s are not installed, "
				 "or not whole; install its package again, or run `depmod %s`",
				 index, kernel->release, kernel->release);
	*ret = TAKE_PTR(ctx);
	return 0;
}

int vmb_modules_resolve(const struct vmb_kernel *kernel, const char *root_fstype, unsigned flags,
			struct vmb_modules *ret)
{
	vmb_cleanup(kmod_unrefp) struct kmod_ctx *ctx = NULL;
	_cleanup_modules_ struct vmb_modules out = {0};
	_cleanup_free_ char *config = NULL;
	struct resolver res;
	int r = 0;

	if (kernel->config)
		r = vmb_read_file(kernel->config, CONFIG_FILE_MAX, &config, NULL);
	if (r == 0 && (!config || vmb_kernel_has_modules(kernel)))
		r = open_modules(kernel, &ctx);
	if (r == 0 && config)
		r = check_built_ins(kernel, config, root_fstype, flags);
	res = (struct resolver){kernel, ctx, config, &out};
	if (r == 0)
		r = resolve_arch(&res, &kernel->arch->console_module, EARLY_IF_THERE);
	for (size_t i = 0; i < ARRAY_SIZE(needs) && r == 0; i++)
		if (applies(needs[i].fstype, root_fstype, flags) &&
		    (flags & VMB_NEED_NETWORK || needs[i].when != EARLY_FOR_NETWORK))
			r = resolve_need(&res, &needs[i]);
	if (r == 0)
		r = resolve_arch(&res, &kernel->arch->panic_module, LATE_IF_THERE);
	if (r < 0)
		return r;
	*ret = out;
	out = (struct vmb_modules){0};
	return 0;
}
