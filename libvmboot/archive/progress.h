/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_PROGRESS_H
#define VMB_ARCHIVE_PROGRESS_H

/* One import on its way: who is told, and how far it is. */

#include "base/log.h"

enum { VMB_PROGRESS_STEP = 1 << 20 };

struct vmb_progress_count {
	const struct vmb_log *log; /* or NULL */
	const char *what;	   /* "importing docker.io/library/node:20" */
	uint64_t done, total, told;
};

static inline void vmb_progress_add(struct vmb_progress_count *im, uint64_t n)
{
	im->done += n;
	if (im->done - im->told < VMB_PROGRESS_STEP && im->done != im->total)
		return;
	im->told = im->done;
	vmb_progress(im->log, im->what, im->done, im->total);
}

#endif
