/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_LIMIT_H
#define VMB_BASE_LIMIT_H

/*
 * How long a call of the caller's may take, and whether it goes on at all. A public function whose
 * opts have timeout_ms and cancel begins with VMB_LIMIT(opts). From then until it returns, what waits
 * or works for long in that thread asks here: base/process.c, the store's locks, reading, hashing
 * and writing of images. It is the one thing that travels with the thread and not as an argument: it
 * has to reach each wait there is. A thread without a limit is never told to end.
 */

#include <poll.h>
#include <vmboot/cancel.h>
#include <vmboot/opts.h>

#include "base/cleanup.h"
#include "base/clock.h"

enum { VMB_LIMIT_DEFAULT_MS = 24 * 60 * 60 * 1000 };

struct vmb_limit {
	struct vmb_deadline deadline;
	uint64_t timeout_ms;
	const struct vmboot_cancel *cancel;
	const char *step; /* for messages: "importing the image" */
	struct vmb_limit *outer;
};

/* timeout_ms 0: the default; cancel may be NULL. step: static text for messages. */
void vmb_limit_enter(struct vmb_limit *limit, uint64_t timeout_ms,
		     const struct vmboot_cancel *cancel, const char *step);
void vmb_limit_leave(struct vmb_limit *limit);

/* For the rest of the function. opts: complete, as vmb_opts_read() gives them. */
#define VMB_LIMIT(opts, step)                                                                      \
	vmb_cleanup(vmb_limit_leave) struct vmb_limit vmb_limit_;                                  \
	vmb_limit_enter(&vmb_limit_, (opts)->timeout_ms, (opts)->cancel, step)

/* What follows is another step: 0, or as vmb_limit_check(). step: static text. */
int vmb_limit_step(const char *step);

/* 0: go on. -ECANCELED or -ETIMEDOUT, with the error set. */
int vmb_limit_check(void);

/*
 * poll(2) for one descriptor (NULL: none), until that deadline: 1: it is ready. 0: the deadline has
 * passed. Negative: as vmb_limit_check(), or poll's errno.
 */
int vmb_limit_poll(struct pollfd *p, struct vmb_deadline deadline);

#endif
