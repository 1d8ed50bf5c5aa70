/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PROBE_FIRMWARE_H
#define VMB_PROBE_FIRMWARE_H

#include "base/arch.h"

/*
 * qboot: a firmware that comes with QEMU and does nothing but start a kernel that QEMU has loaded.
 * In: a root folder ("" in production). Out: its path, or NULL where it is not, or where
 * libvirt's user could not read it: then libvirt's usual firmware does as well, and slower.
 */
int vmb_firmware_find(const struct vmb_arch *arch, const char *root, const char *dac_label,
		      char **ret);

#endif
