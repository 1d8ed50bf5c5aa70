/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/arch.h"

#include <sys/utsname.h>

#include "base/error.h"
#include "base/str.h"

/* ---- x86_64 ---- */

/*
 * To give a PCI device its interrupt, the kernel asks ACPI for the table of routes: pc's is a program
 * that makes its 128 rows each time it is asked, q35's is there. An emulated guest takes 70 ms a
 * device for the former, and 3 ms for the latter.
 */
static const char *const x86_64_machines[] = {"q35", "pc", NULL};

/* QEMU's data folder, as it installs itself and as distributions have it. libvirt's AppArmor
 * profiles let guests read the first one, and SELinux all of /usr. */
static const char *const x86_64_firmwares[] = {
	"/usr/share/qemu/qboot.rom",
	"/usr/share/qemu-kvm/qboot.rom",
	"/usr/share/qboot/bios.bin",
	NULL,
};

/* A kernel that sees it copies and clears by REP MOVSB, which is emulated byte by byte. */
static const char *const x86_64_cpu_without[] = {"erms", NULL};

static const struct vmb_arch_word x86_64_words[] = {
	/* emulated timers work, and the kernel's check of them waits for ticks; under KVM the kernel
	 * leaves it out by itself */
	{"no_timer_check", VMB_WHEN_EMULATED},
	/* patching locks out of the kernel's text makes the emulator translate that text again */
	{"noreplace-smp", VMB_WHEN_EMULATED_ONE_CPU},
	/* calibrating the local APIC's timer waits for 100 ms of ticks. One CPU has the HPET to
	 * itself, whose timers are as fine; under KVM the calibration is not needed */
	{"noapictimer", VMB_WHEN_EMULATED_ONE_CPU},
	/* 4 MiB of bounce buffers in place of 64 zeroed ones: for a device of somebody else's that
	 * reaches only the first 4 GiB. virtio reaches all */
	{"swiotlb=2048", VMB_WHEN_ABOVE_SPLIT},
	{NULL, 0},
};

static const struct vmb_arch x86_64 = {
	.name = "x86_64",
	.oci = "amd64",
	.emulator = "qemu-system-x86_64",
	.emulator_package = "qemu-system-x86",
	.kernel_package = "linux-image-cloud-amd64",
	.firmwares = x86_64_firmwares,
	.machines = x86_64_machines,
	.flat_machine = "q35",
	.cpu_without = x86_64_cpu_without,
	/* an I/O port to which the driver writes when the kernel panics: found by ACPI, not by a
	 * bus, which takes the module of MMIO */
	.panic = "isa",
	.panic_module = {"pvpanic_mmio", "CONFIG_PVPANIC_MMIO"},
	.kernel_format = VMB_KERNEL_BZIMAGE,
	.console = "ttyS0",
	.console_module = {"8250", "CONFIG_SERIAL_8250"},
	.split_mib = 2816, /* of QEMU's machines, be it pc or q35 */
	.words = x86_64_words,
};

/* ---- all ---- */

static const struct vmb_arch *const arches[] = {&x86_64, NULL};

const struct vmb_arch *vmb_arch_find(const char *name)
{
	for (size_t i = 0; arches[i]; i++)
		if (vmb_streq(arches[i]->name, name))
			return arches[i];
	return NULL;
}

static int refuse_host(const char *machine)
{
	char names[128] = "";

	for (size_t i = 0; arches[i]; i++) {
		vmb_strlcat(names, *names ? ", " : "", sizeof(names));
		vmb_strlcat(names, arches[i]->name, sizeof(names));
	}
	return vmb_error(VMBOOT_EHOST,
			 "this host is %s, for which libvmboot has no guests; it works on: %s",
			 machine, names);
}

const struct vmb_arch *vmb_arch_of_host(void)
{
	struct utsname u;

	return uname(&u) == 0 ? vmb_arch_find(u.machine) : NULL;
}

int vmb_arch_host(const struct vmb_arch **ret)
{
	const struct vmb_arch *arch = vmb_arch_of_host();
	struct utsname u = {.machine = "unknown"};

	if (!arch) {
		(void)uname(&u);
		return refuse_host(u.machine);
	}
	*ret = arch;
	return 0;
}
