/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/cmdline.h"

#include "base/str.h"
#include "wire/disks.h"

enum when { ALWAYS, EMULATED, EMULATED_ONE_CPU, ABOVE_4_GIB, DEBUG, NOT_DEBUG, UNCHECKED };

/* MiB from which on a machine of QEMU's, be it pc or q35, has memory above 4 GiB. */
enum { SPLIT_MIB = 2816 };

/* What we ask of the kernel, and why. */
static const struct {
	const char *word;
	enum when when;
} words[] = {
	/* early messages, and a console for who looks */
	{"console=ttyS0", ALWAYS},
	/* a kernel that dies before anybody can say so resets the guest, which whoever waits sees */
	{"panic=-1", ALWAYS},
	/* the self-tests of ciphers that no boot uses: two thirds of a small guest's instructions.
	 * The ciphers are there all the same; a FIPS kernel (fips=1) tests them regardless */
	{"cryptomgr.notests", ALWAYS},
	/* emulated timers work, and the kernel's check of them waits for ticks; under KVM the kernel
	 * leaves it out by itself */
	{"no_timer_check", EMULATED},
	/* patching locks out of the kernel's text makes the emulator translate that text again */
	{"noreplace-smp", EMULATED_ONE_CPU},
	/* calibrating the local APIC's timer waits for 100 ms of ticks. One CPU has the HPET to
	 * itself, whose timers are as fine; under KVM the calibration is not needed */
	{"noapictimer", EMULATED_ONE_CPU},
	/* 4 MiB of bounce buffers in place of 64 zeroed ones: for a device of somebody else's that
	 * reaches only the first 4 GiB. virtio reaches all */
	{"swiotlb=2048", ABOVE_4_GIB},
	/* a serial port takes its time for each byte */
	{"quiet", NOT_DEBUG},
	{VMB_CMDLINE_DEBUG, DEBUG},
	{VMB_CMDLINE_TRACE, DEBUG},
	/* modules are loaded before the config disk can be read, so init is told here */
	{VMB_CMDLINE_UNCHECKED, UNCHECKED},
};

static bool applies(enum when when, const struct vmboot_opts *opts, enum vmboot_accel accel)
{
	switch (when) {
	case ALWAYS:
		return true;
	case EMULATED:
		return accel == VMBOOT_ACCEL_TCG;
	case EMULATED_ONE_CPU:
		return accel == VMBOOT_ACCEL_TCG && opts->vcpus == 1;
	case ABOVE_4_GIB:
		return opts->memory_mib >= SPLIT_MIB;
	case DEBUG:
		return opts->debug;
	case NOT_DEBUG:
		return !opts->debug;
	case UNCHECKED:
		return opts->skip_module_signatures;
	}
	return false;
}

int vmb_cmdline(const struct vmboot_opts *opts, const struct vmb_facts *facts, char **ret)
{
	_cleanup_buf_ struct vmb_buf b = {0};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (applies(words[i].when, opts, facts->accel))
			vmb_buf_printf(&b, "%s%s", b.len ? " " : "", words[i].word);
	if (facts->accel == VMBOOT_ACCEL_TCG && facts->tsc_khz > 0)
		vmb_buf_printf(&b, " " VMB_CMDLINE_TSC "%u", facts->tsc_khz);
	if (opts->kernel_args && *opts->kernel_args)
		vmb_buf_printf(&b, " %s", opts->kernel_args);
	return vmb_buf_take(&b, ret);
}
