/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_GUEST_TAIL_H
#define VMB_GUEST_TAIL_H

/*
 * Reading a log that grows and may be rotated under the reader. virtlogd, which writes the logs of
 * system and session guests, renames FILE to FILE.0, FILE.0 to FILE.1 and so on when FILE has
 * grown large (2 MiB unless configured otherwise), and drops the oldest. With the embedded driver QEMU
 * writes FILE itself, and its beginning may be freed (a hole) when it is larger than the limit, see
 * guest/limit.h. In: the path. Out: the bytes of all that is there, oldest first, each once; or the
 * error that some are gone.
 *
 * Files that were rotated stay open until they are read, so that a slow reader loses nothing when
 * they are dropped: up to VMB_TAIL_HELD_MAX files.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { VMB_TAIL_HELD_MAX = 32 };

struct vmb_tail {
	char *path; /* owned */
	size_t n;   /* 0: not begun */
	struct {
		int fd;
		bool gap; /* files between the one before and this were dropped before they were opened */
	} files[VMB_TAIL_HELD_MAX]; /* oldest first; the first is being read */
};

/*
 * Reads the next bytes; 0 when there are no more for now; or a negative errno, the error set.
 * -VMBOOT_ELOST: what comes next was dropped before it was read; the next call goes on after that.
 */
ssize_t vmb_tail_read(struct vmb_tail *tail, char *buf, size_t size);

/* How many bytes of what is there now have not been read; after a rotation about that many. */
uint64_t vmb_tail_unread(const struct vmb_tail *tail);

/* Where in the file of that name the next read is, or 0; UINT64_MAX: this tail does not read. */
uint64_t vmb_tail_position(const struct vmb_tail *tail);

/* Closes the files; the next read begins with the oldest that is there then. */
void vmb_tail_rewind(struct vmb_tail *tail);

/* The same, and frees the path. */
void vmb_tail_done(struct vmb_tail *tail);

/* Removes what the log was rotated to. */
int vmb_tail_remove_rotated(const char *path);

#endif
