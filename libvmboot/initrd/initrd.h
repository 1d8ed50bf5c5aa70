/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_INITRD_INITRD_H
#define VMB_INITRD_INITRD_H

/*
 * The initramfs. In: our static init and the modules. Out: one newc cpio archive in the store,
 * the same bytes for the same content, cached by it, not compressed (unpacking would cost the guest
 * more than reading does):
 *
 *   /init                        our init
 *   /dev /proc /sys /newroot     mount points; /dev/console
 *   /vmboot/modules/NAME.ko      decompressed, otherwise as they are: a signature stays valid
 *   /vmboot/modules.list         one file name a line, in load order
 *   /vmboot/modules.late.list    likewise, for when the program runs
 */

#include "initrd/modules.h"

/* Our init: $VMBOOT_GUEST_DIR/vmboot-init, else where it was installed. -VMBOOT_EHOST. */
int vmb_initrd_find_init(char **ret);

/* Where the archive for this content is or will be; touches nothing. */
int vmb_initrd_store_path(const struct vmb_store *store, const struct vmb_kernel *kernel,
			  const struct vmb_modules *modules, const char *init_path, char **ret);

/* About how many bytes it has, also if it is not made yet. */
int vmb_initrd_estimate(const struct vmb_modules *modules, const char *init_path, uint64_t *ret);

/* Makes it, mode 0644, if it is not there; safe when two do so at once. */
int vmb_initrd_ensure(const struct vmb_store *store, const struct vmb_kernel *kernel,
		      const struct vmb_modules *modules, const char *init_path,
		      const struct vmb_log *log);

#endif
