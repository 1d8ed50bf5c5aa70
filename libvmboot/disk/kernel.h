/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_DISK_KERNEL_H
#define VMB_DISK_KERNEL_H

/*
 * The kernel disk: modules and headers of one kernel, read-only, shared by all VMs that boot it.
 * In: a kernel and its headers. Out: one squashfs in the store, made once:
 *
 *   /merged/usr/lib/modules/REL     for images whose /lib is a link to usr/lib
 *   /merged/usr/src/linux-headers-REL, and where else the headers' parts belong
 *   /split/lib/modules/REL          for those whose /lib is a folder
 *   /split/usr/src/…
 *
 * The guest's init lays one of the two between overlay and image, as a layer of overlayfs. The
 * second is made of hard links to the first. lib/modules and each part of the headers are opaque:
 * what the image has there is not seen, and not touched. All else is root's, mode 0755.
 *
 * It does not depend on who builds it and when: all files are root's, 0644 or 0755, and from 1970.
 */

#include "disk/headers.h"

/*
 * Where it is or will be; touches nothing. The name has a hash of what stat tells of a few files
 * that change with all others: modules.dep, .config, Module.symvers, autoconf.h and so on.
 */
int vmb_kernel_disk_path(const struct vmb_store *store, const struct vmb_kernel *kernel,
			 const struct vmb_headers *headers, char **ret);

/* Makes it, mode 0444, if it is not there; safe when two do so at once. It takes seconds. */
int vmb_kernel_disk_ensure(const struct vmb_store *store, const struct vmb_kernel *kernel,
			   const struct vmb_headers *headers, const struct vmb_log *log);

#endif
