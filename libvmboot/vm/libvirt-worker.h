/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VM_LIBVIRT_WORKER_H
#define VMB_VM_LIBVIRT_WORKER_H

/*
 * What a handle needs libvirt for while somebody listens to its guest, done by a thread of its own,
 * since libvirt may take long to answer. In: what is to be done, as enum vmb_work. Out: answers, and a
 * descriptor that wakes. No function here waits for libvirt, and the thread ends when there is nothing
 * to do. It shares nothing with the handle but this struct: a thread that libvirt does not let go
 * survives its handle, and gives back what it has when libvirt answers or gives up.
 */

#include <sys/types.h>
#include <vmboot/vm.h>

#include "base/error.h"
#include "virt/connect.h"
#include "virt/domain-events.h"
#include "vm/boot-monitor.h"

struct vmb_worker;

/* lock_path: the file that tells the VM's folder from a later one of that name; which one it is. */
struct vmb_worker_target {
	struct vmb_conn *conn;
	const char *name;
	const char *lock_path;
	dev_t dev;
	ino_t ino; /* 0: the VM is being made */
};

/* Borrows target->conn until vmb_worker_release(). Starts no thread yet. */
int vmb_worker_new(const struct vmb_worker_target *target, struct vmb_worker **ret);

/*
 * Gives up the domain's events and conns (NULL are skipped) in the thread, waits for that as long as
 * said, and frees the worker, then or when libvirt lets go.
 */
enum { VMB_WORKER_CONNS = 2 };
void vmb_worker_release(struct vmb_worker *w, struct vmb_conn *const conns[VMB_WORKER_CONNS],
			int timeout_ms);

/* In a forked child, which has no such thread: frees nothing that may be in use. */
void vmb_worker_forget(struct vmb_worker *w);

/* Has it done, unless it is being done. */
void vmb_worker_want(struct vmb_worker *w, unsigned work);

int vmb_worker_fd(const struct vmb_worker *w); /* readable: there are answers, or it was rung */
void vmb_worker_ring(struct vmb_worker *w);
void vmb_worker_clear(struct vmb_worker *w);

struct vmb_answers {
	unsigned done;		       /* enum vmb_work bits; the rest is of the newest STATE */
	enum vmb_monitor_event answer; /* VMB_MONITOR_ANSWER_… */
	int64_t asked_us;	       /* when the question was put */
	const char *reason;	       /* or NULL */
	int error;		       /* ANSWER_FAILED: negative; and its words, for the taker */
	struct vmb_saved_error *words;
};

/* What was done since the last time. */
struct vmb_answers vmb_worker_take(struct vmb_worker *w);

/*
 * libvirt's events for the domain: the descriptor that wakes, or -1 as long as nobody listens; and what
 * there was.
 */
int vmb_worker_events_fd(struct vmb_worker *w);
struct vmb_newest vmb_worker_take_events(struct vmb_worker *w);

#endif
