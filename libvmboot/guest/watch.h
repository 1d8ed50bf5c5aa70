/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_GUEST_WATCH_H
#define VMB_GUEST_WATCH_H

/*
 * Listening to a guest. In: the files that QEMU (or virtlogd) writes what the guest says into: boot
 * events and three output streams. Out: new events, new output, and a hint that the writer is
 * gone. One inotify descriptor wakes for all of it; nothing is polled, and a guest that says too
 * much or nonsense is an error, not a burden.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "guest/ledger.h"
#include "wire/event.h"

enum { VMB_WATCH_STREAMS = 3 };

struct vmb_watch_paths {
	const char *events;
	/* by enum vmboot_stream, less 1; NULL: nobody reads it */
	const char *streams[VMB_WATCH_STREAMS];
	uint64_t log_max_mib; /* what is kept of each stream; 0: all */
};

struct vmb_watch;

/* The files must be there; they may be empty. */
int vmb_watch_open(const struct vmb_watch_paths *paths, struct vmb_watch **ret);
void vmb_watch_close(struct vmb_watch *watch);

/*
 * A new boot: new files lie at the same paths, and what the old ones said is forgotten. The
 * descriptor stays what it was, for it is in somebody's event loop. After a failure: close it.
 */
int vmb_watch_restart(struct vmb_watch *watch);

/*
 * True once after vmb_watch_take() found that somebody else had done that: the host's phases are
 * others now, too.
 */
bool vmb_watch_renewed(struct vmb_watch *watch);

/* The guest was restored from its saved state: what was known of its clock is void. */
void vmb_watch_resumed(struct vmb_watch *watch);

int vmb_watch_fd(const struct vmb_watch *watch); /* readable: call vmb_watch_take() */

/* Another descriptor that is to wake who waits on vmb_watch_fd(), until it is closed. */
int vmb_watch_also(struct vmb_watch *watch, int fd);

/*
 * Takes in what is new, without waiting. host: to tell when things arrived, may be NULL. Returns
 * how many boot events are new; -VMBOOT_EGUEST once the guest has sent what is no event. It goes no
 * further than the end of a boot that somebody listens to: if vmb_watch_more(), take again.
 */
int vmb_watch_take(struct vmb_watch *watch, const struct vmb_host_phases *host);
bool vmb_watch_more(const struct vmb_watch *watch);

/*
 * libvirt says that the guest was reset, age_us ago: the newest boot is over, unless what came since
 * shows that this is the reset with which it began. host: may be NULL.
 */
void vmb_watch_reset(struct vmb_watch *watch, const struct vmb_host_phases *host, int64_t age_us);

/* True once after somebody who had the events file open for writing closed it. */
bool vmb_watch_writer_left(struct vmb_watch *watch);

/* The newest boot; points into the watch until the next take. */
struct vmb_boot vmb_watch_boot(const struct vmb_watch *watch, const struct vmb_host_phases *host);

/* Reads the next output of a stream into buf; 0 when there is no more for now. -VMBOOT_ELOST: what
 * comes next was dropped before it was read; the next call goes on after that. */
ssize_t vmb_watch_read(struct vmb_watch *watch, int stream, char *buf, size_t size);

/* How many bytes vmb_watch_read() would give of what is there now. */
uint64_t vmb_watch_unread(const struct vmb_watch *watch, int stream);

#endif
