/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_ARCH_H
#define VMB_BASE_ARCH_H

/*
 * Architectures of guests: one row each, with all that differs between them. Data only: what a value
 * means to libvirt, the kernel or an image is known where it is used.
 */

#include <stddef.h>

/* When a word stands on the kernel's command line; see plan/cmdline.c. */
enum vmb_arch_when { VMB_WHEN_EMULATED, VMB_WHEN_EMULATED_ONE_CPU, VMB_WHEN_ABOVE_SPLIT };

struct vmb_arch_word {
	const char *word; /* NULL: the end */
	enum vmb_arch_when when;
};

/* What a kernel's file is, and so how it is read; see initrd/kernel.c. */
enum vmb_kernel_format { VMB_KERNEL_BZIMAGE };

struct vmb_arch_module {
	const char *name, *option; /* of the kernel's configuration */
};

struct vmb_arch {
	const char *name; /* as uname and libvirt call it */
	const char *oci;  /* as container images do */

	/* the host's side */
	const char *emulator;		/* QEMU's program */
	const char *emulator_package;	/* Debian's package with it */
	const char *kernel_package;	/* and one with a kernel for guests */
	const char *const *firmwares;	/* that do no more than start a kernel, by preference */
	const char *const *machines;	/* libvirt's machine types, by preference; NULL-ended */
	const char *flat_machine;	/* whose root bus takes devices, if each has an address */
	const char *const *cpu_without; /* features that an emulated CPU is better without */
	const char *panic;		/* libvirt's model of the panic device */

	/* the kernel's side */
	enum vmb_kernel_format kernel_format;
	const char *console; /* the serial port's name */
	struct vmb_arch_module console_module, panic_module;
	unsigned split_mib; /* from how much memory on some of it lies above 4 GiB */
	const struct vmb_arch_word *words;
};

/* NULL: not supported. */
const struct vmb_arch *vmb_arch_find(const char *name);

/*
 * That of this host, and so of its guests. -VMBOOT_EHOST: guests of this kind of host are not supported;
 * the error says which are.
 */
int vmb_arch_host(const struct vmb_arch **ret);

/* The same without an error: NULL. */
const struct vmb_arch *vmb_arch_of_host(void);

#endif
