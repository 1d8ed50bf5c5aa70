/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_SIGPIPE_H
#define VMB_BASE_SIGPIPE_H

/*
 * Two signals that a failed write raises in the thread that writes, and whose default ends the program:
 * SIGPIPE, when a peer has gone away (libvirtd restarts, a tool dies), and SIGXFSZ, when a file would
 * grow beyond RLIMIT_FSIZE (`ulimit -f`). The program's dispositions are not ours to change, so public
 * functions that may write begin with VMB_NO_SIGPIPE: both are blocked in this thread until the
 * function returns, and one that came meanwhile is taken away. The write gives EPIPE or EFBIG.
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>

#include "base/cleanup.h"

struct vmb_sigpipe {
	sigset_t before;
	sigset_t ours; /* not pending before: what was, is the program's own business */
};

static inline struct vmb_sigpipe vmb_sigpipe_block(void)
{
	static const int numbers[] = {SIGPIPE, SIGXFSZ};
	struct vmb_sigpipe s;
	sigset_t set, pending;

	sigpending(&pending);
	sigemptyset(&set);
	sigemptyset(&s.ours);
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		sigaddset(&set, numbers[i]);
		if (!sigismember(&pending, numbers[i]))
			sigaddset(&s.ours, numbers[i]);
	}
	pthread_sigmask(SIG_BLOCK, &set, &s.before);
	return s;
}

static inline void vmb_sigpipe_restore(struct vmb_sigpipe *s)
{
	const struct timespec now = {0};

	while (sigtimedwait(&s->ours, NULL, &now) >= 0 || errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}

#define VMB_NO_SIGPIPE                                                                             \
	vmb_cleanup(vmb_sigpipe_restore) VMB_UNUSED struct vmb_sigpipe no_sigpipe_ =               \
		vmb_sigpipe_block()

/*
 * GLib's sockets, which libvirt uses, ignore SIGPIPE for the whole process when the first of them is
 * made. VMB_KEEP_SIGPIPE, where that may happen, gives back what the program had set. libvirt's
 * threads do not need it: they are started with the signal blocked, by VMB_NO_SIGPIPE.
 */
static inline struct sigaction vmb_sigpipe_disposition(void)
{
	struct sigaction sa;

	sigaction(SIGPIPE, NULL, &sa);
	return sa;
}

static inline void vmb_sigpipe_keep(const struct sigaction *before)
{
	struct sigaction now;

	sigaction(SIGPIPE, NULL, &now);
	if (before->sa_handler != SIG_IGN && now.sa_handler == SIG_IGN)
		sigaction(SIGPIPE, before, NULL);
}

#define VMB_KEEP_SIGPIPE                                                                           \
	vmb_cleanup(vmb_sigpipe_keep) VMB_UNUSED struct sigaction kept_sigpipe_ =                  \
		vmb_sigpipe_disposition()

#endif
