/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PROBE_DISTRO_H
#define VMB_PROBE_DISTRO_H

/*
 * How this host's distribution installs what is missing. In: os-release(5) below a root folder (""
 * in production). Out: words, such as "apt-get install e2fsprogs".
 */

#include <stddef.h>

enum vmb_package {
	VMB_PACKAGE_E2FSPROGS,
	VMB_PACKAGE_SQUASHFS_NG,
	VMB_PACKAGE_QEMU,
	VMB_PACKAGE_KERNEL,
	VMB_PACKAGE_LIBVIRT,
	VMB_PACKAGE_QBOOT,
	VMB_PACKAGE_SKOPEO,
	VMB_PACKAGES,
};

void vmb_distro_install(const char *root, enum vmb_package package, char *ret, size_t size);

#endif
