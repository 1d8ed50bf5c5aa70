/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_GUEST_LOG_LIMITER_H
#define VMB_GUEST_LOG_LIMITER_H

/*
 * Limits the logs of a guest of the embedded driver while nobody listens to it: the program
 * vmboot-logs, which is started with the guest and outlives who started it. In: the files that QEMU
 * writes. Out: nothing; it frees what is too old in them, see guest/limit.h.
 *
 *   vmboot-logs MAX_MIB EVENTS LOG LOG LOG
 *
 * It returns at once and goes on in the background, in a session of its own, and nobody needs to
 * wait for it. It ends when QEMU closes the events file, or when that file or its folder is replaced,
 * moved or removed. Whoever listens (guest/watch.h) has a lock on the events file, and limits
 * the logs according to what it has read; as long as there is such a lock, this one does nothing.
 */

#include "guest/watch.h"

enum { VMB_LOG_LIMITER_LOGS = VMB_WATCH_STREAMS };

/* QEMU runs and has the files open. 0, or a negative code with the error set. */
int vmb_log_limiter_start(const struct vmb_watch_paths *paths);

/* Says on the open events file that somebody listens, until fd is closed. */
void vmb_log_limiter_pause(int events_fd);

/* Whether somebody does. */
bool vmb_log_limiter_is_paused(int events_fd);

#endif
