/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the doctor suggests on which distribution, by os-release files as they are found there. */
#include "probe/distro.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "test.h"

static void each_family_has_its_words(void)
{
	static const struct {
		const char *os_release, *words;
	} rows[] = {
		{"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n",
		 "apt-get install qemu-system-x86"},
		{"ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", "apt-get install qemu-system-x86"},
		{"ID=raspbian\nID_LIKE=debian", "apt-get install qemu-system-x86"},
		{"NAME=\"Fedora Linux\"\nID=fedora\n", "dnf install qemu-system-x86-core"},
		{"ID=\"rhel\"\nID_LIKE=\"fedora\"\n", "dnf install qemu-kvm"},
		{"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "dnf install qemu-kvm"},
		{"ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", "zypper install qemu-x86"},
		{"ID=arch\n", "install QEMU for x86_64"},
		{"VARIANT_ID=debian\n# ID=debian\n", "install QEMU for x86_64"},
		{"", "install QEMU for x86_64"},
	};
	char words[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *root = test_path("%s/%zu", test_tmpdir(), i);

		ASSERT_OK(vmb_mkdir_p(test_path("%s/etc", root), 0755));
		test_write(test_path("%s/etc/os-release", root), rows[i].os_release);
		vmb_distro_install(root, VMB_PACKAGE_QEMU, words, sizeof(words));
		ASSERT_STR(words, rows[i].words);
	}
}

static void every_package_has_a_name(void)
{
	static const char *const ids[] = {"debian", "ubuntu", "rhel", "fedora", "suse", "none"};
	char words[256];

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		const char *root = test_path("%s/%s", test_tmpdir(), ids[i]);

		ASSERT_OK(vmb_mkdir_p(test_path("%s/usr/lib", root), 0755));
		test_write(test_path("%s/usr/lib/os-release", root), test_path("ID=%s\n", ids[i]));
		for (int p = 0; p < VMB_PACKAGES; p++) {
			vmb_distro_install(root, (enum vmb_package)p, words, sizeof(words));
			CU_ASSERT(strstr(words, "install ") && !strstr(words, "(null)"));
		}
	}
}

TEST_MAIN("probe/distro", {"each family has its words", each_family_has_its_words},
	  {"every package has a name", every_package_has_a_name})
