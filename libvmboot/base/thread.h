/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_THREAD_H
#define VMB_BASE_THREAD_H

/* Threads of ours in somebody else's program, and condition variables that wait until a deadline. */

#include <pthread.h>

#include "base/clock.h"

/*
 * A thread with all signals blocked: signals belong to the program, whose own threads are to get
 * them. name: at most 15 characters. Returns 0, or a negative errno without words.
 */
int vmb_thread_start(const char *name, void *(*fn)(void *), void *arg, pthread_t *ret);

/* A condition variable on the monotonic clock, for vmb_cond_wait(). */
void vmb_cond_init(pthread_cond_t *cond);

/* As pthread_cond_wait(), spurious wake-ups included; false once the deadline has passed. */
bool vmb_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, struct vmb_deadline deadline);

#endif
