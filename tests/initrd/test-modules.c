/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/file.h"
#include "fake.h"
#include "test.h"

static int position(const struct vmb_modules *m, const char *name)
{
	for (size_t i = 0; i < m->early.n; i++)
		if (vmb_streq(m->early.list[i].name, name))
			return (int)i;
	return -1;
}

/* modules.dep in text is what depmod found; a file's own are the names behind the colon. */
static void check_order(const struct vmb_kernel *k, const struct vmb_modules *m)
{
	const char *dep = test_read(test_path("%s/modules.dep", k->modules));

	for (size_t i = 0; i < m->early.n; i++) {
		const char *rest = strrchr(m->early.list[i].path, '/');
		const char *line = strstr(dep, test_path("%s:", rest));

		CU_ASSERT_PTR_NOT_NULL_FATAL(line);
		for (size_t j = i + 1; j < m->early.n; j++) {
			const char *later = strrchr(m->early.list[j].path, '/');
			size_t n = strcspn(line, "\n");

			CU_ASSERT_PTR_NULL(memmem(line, n, later, strlen(later)));
			CU_ASSERT_STRING_NOT_EQUAL(m->early.list[i].name, m->early.list[j].name);
		}
	}
}

static void puts_what_is_needed_first(void)
{
	static const char *const fstypes[] = {"squashfs", "erofs", "ext4"};
	_cleanup_kernel_ struct vmb_kernel k = {0};

	if (!real_kernel(&k))
		return;
	for (size_t i = 0; i < 3; i++) {
		_cleanup_modules_ struct vmb_modules m = {0};

		ASSERT_OK(vmb_modules_resolve(&k, fstypes[i], 0, &m));
		check_order(&k, &m);
		CU_ASSERT(position(&m, "virtio_ring") <= position(&m, "virtio"));
		CU_ASSERT(i == 0 || position(&m, "squashfs") < 0);
		CU_ASSERT(i == 1 || position(&m, "erofs") < 0);
	}
}

static void names_what_is_missing(void)
{
	_cleanup_kernel_ struct vmb_kernel real = {0}, k = {0};
	_cleanup_modules_ struct vmb_modules m = {0};
	const char *root = test_tmpdir();

	if (!real_kernel(&real))
		return;
	if (!real.config) {
		test_not_tried("this kernel has no configuration file");
		return;
	}
	fake_root(root, "6.1.0", &real, "overlay", NULL);
	ASSERT_OK(vmb_kernel_find(root, test_path("%s/boot/vmlinuz-6.1.0", root), &k));
	set_config(k.config, "CONFIG_OVERLAY_FS", "m");
	ASSERT_ERROR(vmb_modules_resolve(&k, "squashfs", 0, &m), VMBOOT_EKERNEL,
		     "the module overlay is not in");
	set_config(k.config, "CONFIG_OVERLAY_FS", NULL);
	ASSERT_ERROR(vmb_modules_resolve(&k, "squashfs", 0, &m), VMBOOT_EKERNEL,
		     test_path("overlay is not set in %s (CONFIG_OVERLAY_FS)", k.config));
	RUN("rm", k.config);
	free(TAKE_PTR(k.config));
	ASSERT_ERROR(vmb_modules_resolve(&k, "squashfs", 0, &m), VMBOOT_EKERNEL,
		     "has no overlay, neither in");
	CU_ASSERT_PTR_NULL(m.early.list);
}

static void believes_what_is_built_in(void)
{
	_cleanup_kernel_ struct vmb_kernel real = {0}, k = {0};
	_cleanup_modules_ struct vmb_modules m = {0};
	const char *root = test_tmpdir();

	if (!real_kernel(&real))
		return;
	fake_root(root, "6.1.0", &real, "overlay", NULL);
	ASSERT_OK(vmb_kernel_find(root, test_path("%s/boot/vmlinuz-6.1.0", root), &k));
	/* by modules.builtin alone */
	if (k.config)
		RUN("rm", k.config);
	free(TAKE_PTR(k.config));
	RUN("sh", "-c", "echo kernel/fs/overlayfs/overlay.ko >>\"$0/modules.builtin\"", k.modules);
	RUN("depmod", "-b", root, "6.1.0");
	ASSERT_OK(vmb_modules_resolve(&k, "squashfs", 0, &m));
	CU_ASSERT(position(&m, "overlay") < 0);
	CU_ASSERT(position(&m, "squashfs") >= 0 || position(&m, "virtio_blk") < 0);
}

/* As who builds a kernel of his own for VMs has it. */
static void a_kernel_without_modules(void)
{
	_cleanup_kernel_ struct vmb_kernel real = {0}, k = {0}, beside = {0}, none = {0};
	_cleanup_modules_ struct vmb_modules m = {0};
	const char *root = test_path("%s/whole", test_tmpdir());
	const char *path = test_path("%s/boot/vmlinuz-6.1.0", root);

	if (!real_kernel(&real))
		return;
	if (!real.config) {
		test_not_tried("this kernel has no configuration file");
		return;
	}
	fake_root(root, "6.1.0", &real, NULL, NULL);
	RUN("rm", "-r", test_path("%s/lib", root));
	ASSERT_OK(vmb_kernel_find(root, path, &k));
	CU_ASSERT(!vmb_kernel_has_modules(&k));
	ASSERT_ERROR(vmb_modules_resolve(&k, "squashfs", 0, &m), VMBOOT_EKERNEL,
		     "and virtio_pci, which is needed for all devices, is not built into it");
	RUN("sed", "-i", "s/=m$/=y/", k.config);
	ASSERT_OK(vmb_modules_resolve(&k, "squashfs", VMB_NEED_NETWORK | VMB_NEED_KERNEL_DISK, &m));
	CU_ASSERT(m.early.n == 0 && m.late.n == 0);
	set_config(k.config, "CONFIG_DEVTMPFS", NULL);
	ASSERT_ERROR(vmb_modules_resolve(&k, "squashfs", 0, &m), VMBOOT_EKERNEL,
		     "CONFIG_DEVTMPFS is not set to y");
	/* its configuration is found beside it, wherever that is */
	ASSERT_OK(vmb_kernel_find(test_path("%s/elsewhere", root), path, &beside));
	ASSERT_STR(beside.config, k.config);
	RUN("rm", k.config);
	ASSERT_ERROR(vmb_kernel_find(root, path, &none), VMBOOT_EKERNEL,
		     "put its configuration beside it, as config-6.1.0");
}

static void checks_what_no_module_brings(void)
{
	static const char *const options[] = {"CONFIG_DEVTMPFS", "CONFIG_BLK_DEV_INITRD",
					      "CONFIG_SQUASHFS_LZ4", "CONFIG_SQUASHFS_XATTR"};
	_cleanup_kernel_ struct vmb_kernel real = {0}, k = {0};
	_cleanup_modules_ struct vmb_modules m = {0}, ext4 = {0};
	const char *root = test_tmpdir();

	if (!real_kernel(&real))
		return;
	if (!real.config) {
		test_not_tried("this kernel has no configuration file");
		return;
	}
	fake_root(root, "6.1.0", &real, NULL, NULL);
	ASSERT_OK(vmb_kernel_find(root, NULL, &k));
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		set_config(k.config, options[i], "n");
		ASSERT_ERROR(vmb_modules_resolve(&k, "squashfs", 0, &m), VMBOOT_EKERNEL,
			     test_path("%s is not set to y in %s", options[i], k.config));
		set_config(k.config, options[i], "y");
	}
	/* the root disk's own options count only where it is of that kind */
	set_config(k.config, "CONFIG_SQUASHFS_LZ4", NULL);
	ASSERT_OK(vmb_modules_resolve(&k, "ext4", 0, &ext4));
}

static void says_when_the_modules_are_not_whole(void)
{
	_cleanup_kernel_ struct vmb_kernel real = {0}, k = {0};
	_cleanup_modules_ struct vmb_modules m = {0}, all = {0};
	const char *root = test_tmpdir();

	if (!real_kernel(&real))
		return;
	fake_root(root, "6.1.0", &real, NULL, NULL);
	ASSERT_OK(vmb_kernel_find(root, NULL, &k));
	ASSERT_OK(vmb_modules_resolve(&k, "squashfs", 0, &all));
	if (all.early.n == 0) {
		test_not_tried("everything is built in");
		return;
	}
	RUN("rm", all.early.list[0].path);
	ASSERT_ERROR(vmb_modules_resolve(&k, "squashfs", 0, &m), VMBOOT_EKERNEL,
		     all.early.list[0].path);
	RUN("rm", test_path("%s/modules.dep.bin", k.modules));
	ASSERT_ERROR(vmb_modules_resolve(&k, "squashfs", 0, &m), VMBOOT_EKERNEL, "modules.dep.bin");
}

static bool is_late(const struct vmb_modules *m, const char *name)
{
	for (size_t i = 0; i < m->late.n; i++)
		if (strcmp(m->late.list[i].name, name) == 0)
			return true;
	return false;
}

static void loads_what_nobody_waits_for_late_or_not_at_all(void)
{
	static const char *const names[] = {"button", "pvpanic_mmio"};
	_cleanup_modules_ struct vmb_modules with = {0};
	_cleanup_kernel_ struct vmb_kernel real = {0};

	if (!real_kernel(&real))
		return;
	ASSERT_OK(vmb_modules_resolve(&real, "squashfs", 0, &with));
	for (size_t i = 0; i < 2; i++) {
		const char *root = test_path("%s/%s", test_tmpdir(), names[i]);
		_cleanup_modules_ struct vmb_modules without = {0};
		_cleanup_kernel_ struct vmb_kernel k = {0};

		CU_ASSERT(position(&with, names[i]) < 0);
		if (!is_late(&with, names[i])) {
			test_not_tried("%s is built in, or missing", names[i]);
			continue;
		}
		RUN("mkdir", root);
		fake_root(root, "6.1.0", &real, names[i], NULL);
		ASSERT_OK(vmb_kernel_find(root, NULL, &k));
		ASSERT_OK(vmb_modules_resolve(&k, "squashfs", 0, &without));
		CU_ASSERT_FALSE(is_late(&without, names[i]));
		CU_ASSERT_EQUAL(without.early.n, with.early.n);
	}
}

static void finds_packed_modules(void)
{
	_cleanup_modules_ struct vmb_modules plain = {0}, packed = {0};
	_cleanup_kernel_ struct vmb_kernel real = {0}, k = {0};
	const char *root = test_tmpdir();

	if (!real_kernel(&real))
		return;
	fake_root(root, "6.1.0", &real, NULL, (const char *const[]){"xz", "--check=crc32", NULL});
	if (!strstr(test_read(test_path("%s/lib/modules/6.1.0/modules.dep", root)), ".ko.xz")) {
		test_not_tried("this depmod does not read xz");
		return;
	}
	ASSERT_OK(vmb_kernel_find(root, NULL, &k));
	ASSERT_OK(vmb_modules_resolve(&real, "squashfs", 0, &plain));
	ASSERT_OK(vmb_modules_resolve(&k, "squashfs", 0, &packed));
	CU_ASSERT_EQUAL_FATAL(packed.early.n, plain.early.n);
	for (size_t i = 0; i < plain.early.n; i++) {
		ASSERT_STR(packed.early.list[i].name, plain.early.list[i].name);
		CU_ASSERT(vmb_ends_with(packed.early.list[i].path, ".ko.xz") ||
			  vmb_ends_with(plain.early.list[i].path, ".ko.xz"));
	}
}

TEST_MAIN("initrd/modules", {"puts what is needed first", puts_what_is_needed_first},
	  {"names what is missing", names_what_is_missing},
	  {"believes what is built in", believes_what_is_built_in},
	  {"a kernel without modules", a_kernel_without_modules},
	  {"checks what no module brings", checks_what_no_module_brings},
	  {"says when the modules are not whole", says_when_the_modules_are_not_whole},
	  {"finds packed modules", finds_packed_modules},
	  {"loads what nobody waits for late or not at all",
	   loads_what_nobody_waits_for_late_or_not_at_all})
