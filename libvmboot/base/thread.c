/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/thread.h"

#include <signal.h>

int vmb_thread_start(const char *name, void *(*fn)(void *), void *arg, pthread_t *ret)
{
	sigset_t all, before;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r)
		return -r;
	pthread_setname_np(thread, name);
	*ret = thread;
	return 0;
}

void vmb_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

bool vmb_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, struct vmb_deadline deadline)
{
	const struct timespec at = {deadline.at_us / 1000000, deadline.at_us % 1000000 * 1000};

	if (deadline.at_us == INT64_MAX)
		return pthread_cond_wait(cond, lock) == 0;
	return pthread_cond_timedwait(cond, lock, &at) == 0;
}
