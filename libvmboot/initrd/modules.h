/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_INITRD_MODULES_H
#define VMB_INITRD_MODULES_H

/*
 * Which modules a boot loads. In: a kernel and the root disk's file system. Out: the modules that
 * are not built in, each with all that it depends on before it, in the order in which init loads
 * them. Resolved by libkmod on the host, so that the guest resolves nothing.
 */

#include <stddef.h>

#include "initrd/kernel.h"

struct vmb_module {
	char *name; /* "virtio_blk" */
	char *path; /* on the host, maybe compressed */
};

struct vmb_module_list {
	struct vmb_module *list;
	size_t n;
};

struct vmb_modules {
	struct vmb_module_list early; /* a boot needs them */
	struct vmb_module_list late;  /* loaded when the program runs; a boot goes on without */
};

void vmb_modules_done(struct vmb_modules *modules);
#define _cleanup_modules_ vmb_cleanup(vmb_modules_done)

/* What a boot has beside the root and the overlay disk. */
enum {
	VMB_NEED_NETWORK = 1,
	VMB_NEED_KERNEL_DISK = 2,
};

/*
 * root_fstype: "squashfs", "erofs" or "ext4". Needed always: virtio_pci, virtio_console, virtio_blk,
 * ext4 (the overlay disk), overlay; one const table says which kernel option stands
 * for which module, and another which options must be built in (these are checked only where the
 * kernel's configuration is to be had). virtio_ring goes before virtio (it saves a failed probe).
 * What is neither a module nor built in: -VMBOOT_EKERNEL, "overlay is not set in <config file>
 * (CONFIG_OVERLAY_FS)…" with the fix. Late: button, without which a guest does not hear ACPI.
 */
int vmb_modules_resolve(const struct vmb_kernel *kernel, const char *root_fstype, unsigned needs,
			struct vmb_modules *ret);

#endif
