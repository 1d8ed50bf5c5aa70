/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/phase.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "test.h"

static void names_lead_back_to_their_phases(void)
{
	size_t i;

	for (i = 0; vmb_phase_at(i) != VMBOOT_PHASE_NONE; i++) {
		enum vmboot_phase phase = vmb_phase_at(i);
		const char *name = vmboot_phase_name(phase);

		CU_ASSERT_EQUAL(vmboot_phase_from_name(name), (int)phase);
		CU_ASSERT(strlen(vmboot_phase_help(phase)) > 0);
		for (const char *c = name; *c; c++)
			CU_ASSERT(islower((unsigned char)*c) || *c == '-');
		/* the host's, then the guest's; a new one has a number in the gap of its kind */
		if (i > 0)
			CU_ASSERT(phase / 32 >= vmb_phase_at(i - 1) / 32);
	}
	CU_ASSERT(i > 20);
	CU_ASSERT_EQUAL(vmb_phase_at(SIZE_MAX), VMBOOT_PHASE_NONE);
}

/* What users and other programs rely on. */
static void some_names_and_numbers_for_good(void)
{
	static const struct {
		enum vmboot_phase phase;
		int number;
		const char *name;
	} rows[] = {
		{VMBOOT_PHASE_VALIDATE, 1, "validate"},
		{VMBOOT_PHASE_LIBVIRT, 7, "libvirt"},
		{VMBOOT_PHASE_KERNEL_DISK, 8, "kernel-disk"},
		{VMBOOT_PHASE_RESUMED, 9, "resumed"},
		{VMBOOT_PHASE_KERNEL, 33, "kernel"},
		{VMBOOT_PHASE_SETTLE_CONFIG, 38, "settle-config"},
		{VMBOOT_PHASE_HEADERS, 41, "headers"},
		{VMBOOT_PHASE_OVERLAY, 42, "overlay"},
		{VMBOOT_PHASE_SWITCH, 44, "switch-root"},
		{VMBOOT_PHASE_SETTINGS, 50, "settings"},
		{VMBOOT_PHASE_RESTART, 51, "restart"},
		{VMBOOT_PHASE_HEALTHY, 52, "healthy"},
		{VMBOOT_PHASE_UNHEALTHY, 53, "unhealthy"},
		{VMBOOT_PHASE_PROGRAM, 46, "program"},
		{VMBOOT_PHASE_EXIT, 48, "exit"},
		{VMBOOT_PHASE_STOPPED, 64, "stopped"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL((int)rows[i].phase, rows[i].number);
		ASSERT_STR(vmboot_phase_name(rows[i].phase), rows[i].name);
	}
}

static void what_is_no_phase(void)
{
	ASSERT_STR(vmboot_phase_name(VMBOOT_PHASE_NONE), "unknown");
	ASSERT_STR(vmboot_phase_name((enum vmboot_phase)INT_MAX), "unknown");
	ASSERT_STR(vmboot_phase_help((enum vmboot_phase)63), "");
	CU_ASSERT_EQUAL(vmboot_phase_from_name(NULL), -EINVAL);
	CU_ASSERT_EQUAL(vmboot_phase_from_name(""), -EINVAL);
	CU_ASSERT_EQUAL(vmboot_phase_from_name("unknown"), -EINVAL);
	CU_ASSERT_EQUAL(vmboot_phase_from_name("Program"), -EINVAL);
	CU_ASSERT_EQUAL(vmboot_phase_from_name("program "), -EINVAL);
}

TEST_MAIN("wire/phase", {"names lead back to their phases", names_lead_back_to_their_phases},
	  {"some names and numbers, for good", some_names_and_numbers_for_good},
	  {"what is no phase", what_is_no_phase})
