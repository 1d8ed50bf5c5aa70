/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_SPOOL_H
#define VMB_ARCHIVE_SPOOL_H

/*
 * Layers without their compression, in a file without a name, so that what is read twice is taken
 * apart and hashed once. It takes half of the free space at most: where that is not enough, a layer
 * is read from its own file once more.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct vmb_spool {
	int fd; /* -1: there is none */
	uint64_t size, max;
};
#define VMB_SPOOL_INIT                                                                             \
	{                                                                                          \
		.fd = -1                                                                           \
	}

/* What one layer has there. */
struct vmb_spool_part {
	uint64_t at, n;
	bool whole;
};

/* Beside the file that is to be made. Without it all goes on, but slower. */
void vmb_spool_open(struct vmb_spool *spool, const char *beside);
void vmb_spool_done(struct vmb_spool *spool);
#define _cleanup_spool_ vmb_cleanup(vmb_spool_done)

/* Begins a part; adds to it: after one failure it is not whole, and nothing is added. */
void vmb_spool_begin(const struct vmb_spool *spool, struct vmb_spool_part *part);
void vmb_spool_add(struct vmb_spool *spool, struct vmb_spool_part *part, const void *data,
		   size_t n);

#endif
