/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_DISK_HEADERS_H
#define VMB_DISK_HEADERS_H

/*
 * The headers of a kernel. In: a kernel, and what the caller asked for. Out: which folders of this
 * host they are and where a guest has them. What is searched for is below root ("" in production, a
 * folder in tests).
 *
 * Distributions split headers: Debian's /usr/src/linux-headers-REL includes a Makefile of a common
 * folder and has links into /usr/lib/linux-kbuild-X.Y; Ubuntu's is made of links into a common one;
 * Fedora's /usr/src/kernels/REL is whole. So the parts are found by what the first one refers to,
 * and each goes where it is referred to.
 */

#include "initrd/kernel.h"

enum { VMB_HEADERS_PARTS_MAX = 8 };

struct vmb_headers_part {
	char *host;  /* the folder here */
	char *guest; /* and in a guest, without the first '/': "usr/src/linux-headers-6.1.0-9" */
};

struct vmb_headers {
	struct vmb_headers_part parts[VMB_HEADERS_PARTS_MAX]; /* the first is what `build` is */
	size_t n;
	char *archive; /* asked for, and not looked into yet: there are no parts */
	char *note;    /* one line: why there are none, and the fix; NULL if there are any */
};

void vmb_headers_done(struct vmb_headers *headers);
#define _cleanup_headers_ vmb_cleanup(vmb_headers_done)

/*
 * asked NULL: those that are installed for the kernel; none is no error, but has a note. Else a
 * folder or an archive: -VMBOOT_EKERNEL if it is neither, or its headers are another kernel's or
 * not whole, or the kernel has no modules. Without a folder of modules there are none in any case.
 */
int vmb_headers_find(const char *root, const struct vmb_kernel *kernel, const char *asked,
		     struct vmb_headers *ret);

/* Those that an archive had, which was unpacked into folder. */
int vmb_headers_find_unpacked(const char *folder, const struct vmb_kernel *kernel,
			      struct vmb_headers *ret);

/*
 * Unpacks a tar archive with any compression into an empty folder: files, folders and links only,
 * none of which can lead out of it. -VMBOOT_EKERNEL for anything else.
 */
int vmb_headers_unpack(const char *archive, const char *folder, const struct vmb_log *log);

#endif
