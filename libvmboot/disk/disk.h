/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_DISK_DISK_H
#define VMB_DISK_DISK_H

/*
 * A VM's own disks. In: sizes and the guest config. Out: files in the VM's folder.
 */

#include <stdint.h>

#include "base/log.h"
#include "store/store.h"
#include "wire/config.h"

/*
 * Makes path an empty ext4 disk of size_mib: a sparse clone of a template of that size that mke2fs
 * makes once in the store (overlay/<key>.img). Costs milliseconds and well under 1 MiB of real
 * disk; the guest's kernel has nothing left to initialise (no lazy inode tables), and the file
 * system has a journal. Mode 0600. -EEXIST if path is there.
 */
int vmb_overlay_create(const struct vmb_store *store, const char *path, uint64_t size_mib,
		       const struct vmb_log *log);

/* Makes path the config disk, mode 0600 from its first moment: it can hold secrets. */
int vmb_config_disk_create(const char *path, const struct vmb_guest_config *config);

#endif
