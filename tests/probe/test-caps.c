/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt says of its host, cut down to the parts that count and those that could mislead. */
#include "probe/caps.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

#define DAC                                                                                        \
	"<secmodel><model>apparmor</model><doi>0</doi></secmodel><secmodel><model>dac</model>"     \
	"<doi>0</doi><baselabel type='kvm'>+1:+2</baselabel>"                                      \
	"<baselabel type='qemu'>+64055:+64055</baselabel></secmodel>"
#define HOST(secmodels)                                                                            \
	"<host><uuid>2658f01e-c479-49d2-8ec8-64d62d57dbf7</uuid><cpu><arch>x86_64</arch></cpu>"    \
	"<migration_features><live/></migration_features>" secmodels "</host>"
#define GUEST(arch, machines, domains)                                                             \
	"<guest><os_type>hvm</os_type><arch name='" arch "'><wordsize>64</wordsize>"               \
	"<emulator>/usr/bin/qemu-system-" arch "</emulator>" machines domains                      \
	"</arch><features><acpi/></features></guest>"
#define PC                                                                                         \
	"<machine maxCpus='255'>pc-i440fx-7.2</machine>"                                           \
	"<machine canonical='pc-i440fx-7.2' maxCpus='255'>pc</machine>"
#define Q35 "<machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine>"
#define TCG "<domain type='qemu'/>"
#define KVM "<domain type='kvm'/>"
#define CAPS(host, guests) "<capabilities>\n" host guests "\n</capabilities>"

static void what_is_found(void)
{
	static const struct {
		const char *xml;
		bool kvm;
		const char *machine, *label;
	} rows[] = {
		{CAPS(HOST(DAC), GUEST("i686", PC, TCG KVM) GUEST("x86_64", PC Q35, TCG KVM)), true,
		 "q35", "+64055:+64055"},
		{CAPS(HOST(DAC), GUEST("x86_64", Q35 PC, TCG)), false, "q35", "+64055:+64055"},
		{CAPS(HOST(""), GUEST("x86_64", Q35, TCG)), false, "q35", NULL},
		/* machines may be listed for each domain type, too */
		{CAPS(HOST(""), GUEST("x86_64", "", "<domain type='kvm'>" PC "</domain>")), true,
		 "pc", NULL},
		/* KVM for another architecture is none */
		{CAPS(HOST(""), GUEST("i686", PC, TCG KVM) GUEST("x86_64", Q35, TCG)), false, "q35",
		 NULL},
		/* a label of another model, or for another driver, is not QEMU's */
		{CAPS(HOST("<secmodel><model>selinux</model>"
			   "<baselabel type='qemu'>system_u:object_r:svirt_t:s0</baselabel>"
			   "</secmodel>"),
		      GUEST("x86_64", PC, TCG)),
		 false, "pc", NULL},
		{CAPS(HOST("<secmodel><model>dac</model><baselabel type='lxc'>+1:+1</baselabel>"
			   "</secmodel>"),
		      GUEST("x86_64", PC, TCG)),
		 false, "pc", NULL},
		{CAPS(HOST("<secmodel><model>dac</model><baselabel type='qemu'/></secmodel>"),
		      GUEST("x86_64", PC, TCG)),
		 false, "pc", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_caps_ struct vmb_caps caps = {0};

		ASSERT_OK(vmb_caps_parse(vmb_arch_find("x86_64"), rows[i].xml, &caps));
		CU_ASSERT_EQUAL(caps.kvm, rows[i].kvm);
		ASSERT_STR(caps.machine, rows[i].machine);
		ASSERT_STR(caps.emulator, "/usr/bin/qemu-system-x86_64");
		CU_ASSERT_EQUAL(caps.dac_label != NULL, rows[i].label != NULL);
		if (rows[i].label)
			ASSERT_STR(caps.dac_label, rows[i].label);
	}
}

static void a_host_that_cannot_run_our_guests(void)
{
	static const char *const rows[] = {
		CAPS(HOST(DAC), ""),
		CAPS(HOST(DAC), GUEST("aarch64", "<machine>virt</machine>", TCG)),
		CAPS(HOST(DAC), GUEST("i686", PC, TCG)),
		CAPS(HOST(DAC), GUEST("x86_64", "<machine>microvm</machine>", TCG)),
		CAPS(HOST(DAC),
		     "<guest><os_type>exe</os_type><arch name='x86_64'>" PC "</arch></guest>"),
		"<domain/>",
	};
	struct vmb_caps caps = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ASSERT_ERROR(vmb_caps_parse(vmb_arch_find("x86_64"), rows[i], &caps), VMBOOT_EHOST,
			     "libvirt has no QEMU for x86_64 here");
	ASSERT_ERROR(vmb_caps_parse(vmb_arch_find("x86_64"),
				    CAPS("<host><cpu><arch>aarch64</arch></cpu></host>",
					 GUEST("aarch64", "<machine>virt</machine>", TCG)),
				    &caps),
		     VMBOOT_EHOST,
		     "guests for x86_64 run on such hosts only, and libvirt's host is aarch64");
	CU_ASSERT(!caps.emulator && !caps.machine && !caps.dac_label);
}

static void what_is_no_xml(void)
{
	static const char *const rows[] = {"", "capabilities", "<capabilities>", "<a/><b/>"};
	struct vmb_caps caps = {0};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ASSERT_ERROR(vmb_caps_parse(vmb_arch_find("x86_64"), rows[i], &caps),
			     VMBOOT_ELIBVIRT, "are not XML");
	CU_ASSERT_PTR_NULL(caps.machine);
}

TEST_MAIN("host/caps", {"what is found", what_is_found},
	  {"a host that cannot run our guests", a_host_that_cannot_run_our_guests},
	  {"what is no XML", what_is_no_xml})
