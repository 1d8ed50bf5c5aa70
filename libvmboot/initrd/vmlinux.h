/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_INITRD_VMLINUX_H
#define VMB_INITRD_VMLINUX_H

/*
 * A kernel without its wrapping. In: a bzImage, which is a program that unpacks the kernel proper,
 * an ELF file, wherever it runs. Out: that file, unpacked here, once, of which a guest is started
 * in the kernel's own first instruction (by the PVH boot protocol). What a loader leaves in the
 * file, such as sections and relocations, is left out, and zeros are holes.
 */

/*
 * from: a bzImage. to: an empty file. what: the bzImage's path, for messages. 1, done; 0, this
 * kernel cannot be started so, and *ret_why says why (static words); negative, with the error set:
 * a file could not be read or written.
 */
int vmb_vmlinux_unpack(int from, const char *what, int to, const char **ret_why);

#endif
