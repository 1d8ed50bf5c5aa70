/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_GUNZIP_H
#define VMB_ARCHIVE_GUNZIP_H

/*
 * Takes gzip's compression off, by ISA-L, which needs less than half of zlib's time. Where it was not
 * found when this was built, gunzip-none.c is built, and libarchive does it. No I/O.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct vmb_gunzip;

/* Whether these bytes begin a gzip file that can be read here. */
bool vmb_gunzip_is_for(const uint8_t *head, size_t n);

int vmb_gunzip_new(struct vmb_gunzip **ret);
void vmb_gunzip_free(struct vmb_gunzip *g);
VMB_DEFINE_CLEANUP(vmb_gunzip_freep, struct vmb_gunzip *, vmb_gunzip_free)
#define _cleanup_gunzip_ vmb_cleanup(vmb_gunzip_freep)

/* More of the file, which has to stay until all of it is used; n 0: there is no more. */
void vmb_gunzip_feed(struct vmb_gunzip *g, const uint8_t *data, size_t n);

enum vmb_gunzip_state {
	VMB_GUNZIP_OUTPUT, /* *ret_n bytes, perhaps 0, are in out */
	VMB_GUNZIP_HUNGRY, /* the same, and all that was fed is used */
	VMB_GUNZIP_END,	   /* that was all; what follows in the file, if anything, is not gzip */
	VMB_GUNZIP_BROKEN, /* *ret_why says why */
};

/* A gzip file may be several, one behind another. */
enum vmb_gunzip_state vmb_gunzip_step(struct vmb_gunzip *g, uint8_t *out, size_t size,
				      size_t *ret_n, const char **ret_why);

#endif
