/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/firmware.h"

#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "test.h"

static const char *find(const char *label)
{
	_cleanup_free_ char *path = NULL;

	ASSERT_OK(vmb_firmware_find(vmb_arch_find("x86_64"), test_tmpdir(), label, &path));
	return path ? test_path("%s", path) : NULL;
}

static void what_qemu_brings(void)
{
	const char *qemu = test_path("%s/usr/share/qemu", test_tmpdir());
	const char *qboot = test_path("%s/usr/share/qboot", test_tmpdir());

	CU_ASSERT_PTR_NULL(find(NULL));
	ASSERT_OK(vmb_mkdir_p(qboot, 0755));
	ASSERT_OK(vmb_mkdir_p(test_path("%s/qboot.rom", qemu), 0755)); /* no file */
	test_write(test_path("%s/bios.bin", qboot), "");
	ASSERT_STR(find(NULL), test_path("%s/bios.bin", qboot));
	CU_ASSERT_EQUAL(rmdir(test_path("%s/qboot.rom", qemu)), 0);
	test_write(test_path("%s/qboot.rom", qemu), "");
	ASSERT_STR(find(NULL), test_path("%s/qboot.rom", qemu));
}

/* libvirt's usual firmware serves a user who is kept from it. */
static void a_user_who_cannot_read_it(void)
{
	const char *folder = test_path("%s/usr/share/qemu", test_tmpdir());
	const char *path = test_path("%s/qboot.rom", folder);

	ASSERT_OK(vmb_mkdir_p(folder, 0755));
	CU_ASSERT_EQUAL(chmod(test_tmpdir(), 0711), 0);
	test_write(path, "");
	CU_ASSERT_EQUAL(chmod(path, 0604), 0);
	ASSERT_STR(find("+64055:+64055"), path);
	CU_ASSERT_EQUAL(chmod(path, 0600), 0);
	CU_ASSERT_PTR_NULL(find("+64055:+64055"));
	ASSERT_STR(find(NULL), path); /* nobody but us */
}

TEST_MAIN("host/firmware", {"what QEMU brings", what_qemu_brings},
	  {"a user who cannot read it", a_user_who_cannot_read_it})
