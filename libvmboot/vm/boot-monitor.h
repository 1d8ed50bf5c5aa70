/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VM_BOOT_MONITOR_H
#define VMB_VM_BOOT_MONITOR_H

/*
 * Decides whether a guest still runs. In: what its files, libvirt's events and libvirt's answers say,
 * each with a time. Out: the guest's state, and what libvirt has to do or to answer next. It does no
 * I/O, calls no libvirt and reads no clock: the same inputs give the same decisions.
 *
 *	RUNNING --writer left, stop reported--> IN_DOUBT --answer: stopped--> ENDED
 *	   ^                                       |                            |
 *	   +------------- answer: running ---------+----------------------------+
 *	RUNNING, IN_DOUBT --aborted--> ABORTED --power is cut--> CUT --answer: stopped--> ENDED
 *	any --started--> RUNNING
 */

#include <stdbool.h>
#include <stdint.h>

enum vmb_guest_state {
	VMB_GUEST_RUNNING = 0, /* nothing says otherwise */
	VMB_GUEST_IN_DOUBT,    /* something says that it ended; libvirt has to confirm it */
	VMB_GUEST_ABORTED,     /* it was reset before its program ran; its power has to be cut */
	VMB_GUEST_CUT,	 /* its power was cut, or that failed; libvirt has to confirm its end */
	VMB_GUEST_ENDED, /* libvirt confirmed it */
};

enum vmb_monitor_event {
	VMB_MONITOR_STARTED,	    /* somebody started the VM: what was known is void */
	VMB_MONITOR_WRITER_LEFT,    /* QEMU closed the guest's files */
	VMB_MONITOR_STOP_REPORTED,  /* libvirt's event; may be older than the newest start */
	VMB_MONITOR_ABORTED,	    /* reset before its program ran */
	VMB_MONITOR_POWER_CUT,	    /* libvirt has cut its power, or refused to */
	VMB_MONITOR_ANSWER_RUNNING, /* libvirt's answers when it was asked for the state */
	VMB_MONITOR_ANSWER_LEAVING, /* it shuts down, and may yet be reset and go on */
	VMB_MONITOR_ANSWER_STOPPED,
	VMB_MONITOR_ANSWER_GONE, /* libvirt does not know the domain (any more) */
	VMB_MONITOR_ANSWER_FAILED,
	VMB_MONITOR_N_EVENTS,
};

struct vmb_monitor_input {
	enum vmb_monitor_event event;
	int64_t now_us;	  /* monotonic */
	int64_t asked_us; /* ANSWER_…: when the question was put */
	/* STOP_REPORTED and ANSWER_…: why, in a word with static storage, or NULL */
	const char *reason;
	/* WRITER_LEFT: when, on the time line of the host's phases */
	int64_t left_us;
	/*
	 * ANSWER_…: the guest said that it powers off, and libvirt, which runs in this process, may
	 * not have been there to see it: its reason is a guess.
	 */
	bool guest_powered_off;
};

struct vmb_monitor {
	enum vmb_guest_state state;
	const char *reason;   /* ENDED: why */
	const char *reported; /* what libvirt's event said */
	int64_t left_us;      /* when the guest's files were closed, or -1 */
	int64_t doubt_us; /* when the doubt began: an answer to an older question means nothing */
	int64_t doubt_until_us;
	int64_t asked_us; /* when the newest question with an answer was put, or 0 */
};

void vmb_monitor_init(struct vmb_monitor *m);

void vmb_monitor_feed(struct vmb_monitor *m, const struct vmb_monitor_input *input);

/* What is to be done by libvirt; see vm/libvirt-worker.h. */
enum vmb_work {
	VMB_WORK_LISTEN = 1,	/* open a connection with events, unless there is one that works */
	VMB_WORK_STATE = 2,	/* ask for the domain's state */
	VMB_WORK_CUT_POWER = 4, /* end the guest */
};

/*
 * What has to be done now, as bits. waiting: somebody waits for the guest, so that its state is asked
 * for from time to time, too. ret_next_us: when to look again without other news; INT64_MAX: never.
 */
unsigned vmb_monitor_work(const struct vmb_monitor *m, int64_t now_us, bool waiting,
			  int64_t *ret_next_us);

#endif
