/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_INITRD_KERNEL_H
#define VMB_INITRD_KERNEL_H

/*
 * The kernel that a guest boots. In: a path, or none. Out: where its image, modules and
 * configuration are on this host. What is searched for is below root ("" in production, a folder
 * in tests).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/arch.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "store/store.h"

struct vmb_kernel {
	const struct vmb_arch *arch;
	char *path;	 /* /boot/vmlinuz-6.1.0-56-cloud-amd64 */
	char *release;	 /* 6.1.0-56-cloud-amd64, as the image itself says it */
	char *modules;	 /* /lib/modules/<release>; it may be missing */
	char *config;	 /* /boot/config-<release>, <modules>/config, or config-<release> beside the
			* kernel; NULL: not to be had */
	uint64_t memory; /* bytes that it takes itself; 0: not known */
	char *key;	 /* file name in the store: release and what identifies this very file */
};

void vmb_kernel_done(struct vmb_kernel *kernel);
#define _cleanup_kernel_ vmb_cleanup(vmb_kernel_done)

/*
 * path NULL: the newest release (by version order) in /boot or /lib/modules/<release>/vmlinuz that
 * has modules and whatever a boot needs (vmb_modules_resolve() for squashfs succeeds); when none
 * does, the error is the newest one's. A path is taken as it is, not below root, and only its
 * modules are looked for. The release is read from the image's own header
 * (initrd/bzimage.h). No path, not a kernel, not readable, neither
 * modules nor a configuration that may say that none are needed: -VMBOOT_EKERNEL, with the words
 * naming the file and the fix.
 */
int vmb_kernel_find(const char *root, const char *path, struct vmb_kernel *ret);

/* False: all that it has is built in. */
bool vmb_kernel_has_modules(const struct vmb_kernel *kernel);

/*
 * The path of our copy in the store, which vmb_kernel_ensure() makes if it is not there. direct:
 * the kernel unpacked (initrd/vmlinux.h), which is false afterwards if this kernel is known to have
 * no such form; else the image as it is.
 */
int vmb_kernel_store_path(const struct vmb_store *store, const struct vmb_kernel *kernel,
			  bool *direct, char **ret);

/*
 * direct and path: as vmb_kernel_store_path() gave them. If unpacking fails now, that is kept in
 * mind and logged, and both say afterwards what was made instead: the image as it is.
 */
int vmb_kernel_ensure(const struct vmb_store *store, const struct vmb_kernel *kernel,
		      const struct vmb_log *log, bool *direct, char **path);

#endif
