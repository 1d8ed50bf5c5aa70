/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_INITRD_CPIO_H
#define VMB_INITRD_CPIO_H

/*
 * A newc cpio archive such as the kernel unpacks, written by libarchive. In: names and content in
 * memory. Out: the same bytes for the same input: no time, no owner, inode numbers in order.
 */

#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct vmb_cpio;

int vmb_cpio_open(int fd, const char *what, struct vmb_cpio **ret); /* fd stays the caller's */
int vmb_cpio_folder(struct vmb_cpio *cpio, const char *name);	    /* mode 0755 */
int vmb_cpio_device(struct vmb_cpio *cpio, const char *name, unsigned major, unsigned minor);
int vmb_cpio_file(struct vmb_cpio *cpio, const char *name, mode_t mode, const void *data, size_t n);
int vmb_cpio_finish(struct vmb_cpio *cpio); /* writes the end; then close */
void vmb_cpio_close(struct vmb_cpio *cpio);
VMB_DEFINE_CLEANUP(vmb_cpio_closep, struct vmb_cpio *, vmb_cpio_close)

#endif
