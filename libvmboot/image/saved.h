/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_SAVED_H
#define VMB_IMAGE_SAVED_H

/*
 * Whether a tar archive is an image that another engine saved, and so no root file system. Only names
 * are looked at, of archives that are not compressed, and only up to the first one that no saved image
 * has: of a root file system that is one of the first.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct vmb_saved {
	bool manifest, index, layout, blobs; /* which of its files were seen */
	bool other;			     /* no saved image has this */
};

enum { VMB_SAVED_BLOCK = 512 };

/*
 * Takes in one header; *ret_skip: how many bytes lie between it and the next. 1: go on; 0: enough is
 * known, or it is no header. No I/O.
 */
int vmb_saved_header(struct vmb_saved *saved, const unsigned char block[VMB_SAVED_BLOCK],
		     uint64_t *ret_skip);

/* "docker-archive:" or "oci-archive:", or NULL. */
const char *vmb_saved_kind(const struct vmb_saved *saved);

/* The same of a file; one that cannot be read is NULL, too. Sets no error. */
const char *vmb_saved_file(const char *path);

#endif
