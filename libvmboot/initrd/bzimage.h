/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_INITRD_BZIMAGE_H
#define VMB_INITRD_BZIMAGE_H

/*
 * What a bzImage says of itself in its setup header (Documentation/arch/x86/boot.rst). In: its first
 * bytes. Out: numbers and words that were checked. Nothing is read or written here.
 */

#include <stddef.h>
#include <stdint.h>

enum {
	VMB_RELEASE_MAX = 64, /* Linux's __NEW_UTS_LEN */
	/* offset 0x200, a 16-bit pointer from there, and the text that it points to */
	VMB_KERNEL_HEAD = 0x200 + 0xffff + 256,
	/* no payload is shorter: a magic, and behind all the size of what is packed */
	VMB_PAYLOAD_MIN = 6 + 4,
};

/*
 * The release in the first n bytes of a bzImage (VMB_KERNEL_HEAD are enough). 0; or -EBADMSG: not
 * a bzImage, or its version is no release. Sets no error.
 */
int vmb_kernel_decode_release(const void *bytes, size_t n, char ret[VMB_RELEASE_MAX + 1]);

/*
 * How many bytes of memory the kernel takes before it can use any other: unpacked, with its data that is
 * zero. 0: an older bzImage than 2.10, which does not say; or none.
 */
uint64_t vmb_kernel_decode_memory(const void *head, size_t n);

/* The kernel's payload in a bzImage: still packed, as the boot protocol tells since 2.08. */
struct vmb_payload {
	uint64_t offset, length;
};

/*
 * head: the first n bytes of a bzImage; those of its setup header are enough. 0, or -EBADMSG: not
 * a bzImage that tells. Sets no error.
 */
int vmb_payload_decode(const void *head, size_t n, struct vmb_payload *ret);

#endif
