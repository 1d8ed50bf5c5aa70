/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_DISKS_H
#define VMB_WIRE_DISKS_H

/*
 * The disks: the XML sets the serial, init believes it; the letter is only a fallback for a
 * device without one. virtio-blk serials have 20 bytes at most (VIRTIO_BLK_ID_BYTES).
 */

#define VMB_SERIAL_ROOT "vmboot-root"
#define VMB_SERIAL_OVERLAY "vmboot-overlay"
#define VMB_SERIAL_CONFIG "vmboot-config"
#define VMB_SERIAL_KERNEL "vmboot-kernel"

/* The contract: these three are the first, and init waits for each before it can read the config. */
#define VMB_TARGET_ROOT "vda"
#define VMB_TARGET_OVERLAY "vdb"
#define VMB_TARGET_CONFIG "vdc"

/* Folders of the initramfs where init mounts the disks of which it makes the guest's root. */
#define VMB_POINT_ROOT "lower"
#define VMB_POINT_OVERLAY "overlay"
#define VMB_POINT_KERNEL "kernel"
#define VMB_POINT_NONE "none" /* of a disk that init does not mount */
#define VMB_FSTYPE_NONE "none"

/* The file system of the kernel disk; that of the root disk depends on the image. */
#define VMB_KERNEL_FSTYPE "squashfs"

/*
 * Where the initramfs has what init reads. A list has one file name a line, in load order, and is
 * there even when it is empty. The late list is loaded once the program has started, and a module
 * of it that fails is no failed boot.
 */
#define VMB_INITRAMFS_MODULES "/vmboot/modules" /* folder of <name>.ko */
#define VMB_INITRAMFS_MODULE_LIST "/vmboot/modules.list"
#define VMB_INITRAMFS_LATE_LIST "/vmboot/modules.late.list"

/* Kernel command line words that init knows. */
#define VMB_CMDLINE_DEBUG "vmboot.debug" /* verbose; a shell on the console when the boot fails */
#define VMB_CMDLINE_TRACE "vmboot-trace" /* no dot: the kernel makes it init's first argument */
#define VMB_CMDLINE_UNCHECKED "vmboot.skip_module_signatures" /* see init/unchecked.c */
#define VMB_CMDLINE_PROBE "vmboot.probe" /* power off as soon as init runs; see probe/accel.h */

#endif
