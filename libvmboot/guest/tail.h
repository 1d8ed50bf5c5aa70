/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_GUEST_TAIL_H
#define VMB_GUEST_TAIL_H

/*
 * Reading a log that grows and may be rotated under the reader. virtlogd, which writes the logs of
 * system and session guests, renames FILE to FILE.0, FILE.0 to FILE.1 and so on when FILE has
 * grown large (2 MiB unless configured otherwise), and drops the oldest. In: the path. Out: the
 * bytes of all that is there, oldest first, each once.
 */

#include <sys/types.h>

struct vmb_tail {
	char *path; /* owned */
	int fd;	    /* -1: not begun */
};

/* Reads the next bytes; 0 when there are no more for now; or a negative errno, the error set. */
ssize_t vmb_tail_read(struct vmb_tail *tail, char *buf, size_t size);

void vmb_tail_done(struct vmb_tail *tail);

/* Removes what the log was rotated to. */
int vmb_tail_remove_rotated(const char *path);

#endif
