/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_DISK_KERNEL_TREE_H
#define VMB_DISK_KERNEL_TREE_H

/* What is on the kernel disk, see disk/kernel.h. In: folders. Out: the file, which must be new. */

#include "disk/headers.h"

int vmb_kernel_tree_write(const char *file, const struct vmb_kernel *kernel,
			  const struct vmb_headers *headers, const struct vmb_log *log);

#endif
