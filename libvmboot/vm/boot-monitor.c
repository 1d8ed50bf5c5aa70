/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/boot-monitor.h"

#include "base/str.h"

enum {
	/* How often libvirt is asked whether the guest still runs: a guest whose emulation broke is
	 * paused, and no file says so. Readiness is never polled. */
	HEALTH_US = 1000000,
	/* After QEMU closed its files libvirt may need this long to notice that it is gone. */
	DOUBT_US = 5000000,
};

void vmb_monitor_init(struct vmb_monitor *m)
{
	*m = (struct vmb_monitor){.left_us = -1};
}

/* libvirt's reason, unless it is a guess that the guest itself knows better. */
static const char *choose_reason(const struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	const char *why = in->reason ? in->reason : m->reported ? m->reported : "unknown";

	if (m->left_us < 0 && in->guest_powered_off &&
	    (vmb_streq(why, "unknown") || vmb_streq(why, "crashed")))
		return "shutdown";
	return why;
}

static void on_started(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	vmb_monitor_init(m);
	m->doubt_us = in->now_us; /* answers to older questions are about the last run */
}

static void begin_doubt(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	m->doubt_us = in->now_us;
	m->doubt_until_us = in->now_us + DOUBT_US;
}

static void on_writer_left(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	m->left_us = in->left_us;
	begin_doubt(m, in);
	if (m->state == VMB_GUEST_RUNNING)
		m->state = VMB_GUEST_IN_DOUBT;
}

static void on_stop_reported(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	m->reported = in->reason;
	begin_doubt(m, in);
	if (m->state == VMB_GUEST_RUNNING)
		m->state = VMB_GUEST_IN_DOUBT;
}

static void on_aborted(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	(void)in;
	if (m->state == VMB_GUEST_RUNNING || m->state == VMB_GUEST_IN_DOUBT)
		m->state = VMB_GUEST_ABORTED;
}

static void on_power_cut(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	begin_doubt(m, in);
	if (m->state == VMB_GUEST_ABORTED)
		m->state = VMB_GUEST_CUT;
}

/* A report that is older than the newest start means nothing. Files that were closed do, for a time. */
static void on_answer_running(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	bool doubtful = in->now_us < m->doubt_until_us;

	m->reported = NULL;
	if (m->state == VMB_GUEST_CUT && !doubtful)
		m->state = VMB_GUEST_ABORTED;
	if (m->state == VMB_GUEST_IN_DOUBT && m->left_us >= 0 && doubtful)
		return;
	if (m->state == VMB_GUEST_IN_DOUBT || m->state == VMB_GUEST_ENDED) {
		m->state = VMB_GUEST_RUNNING;
		m->reason = NULL;
		m->left_us = -1;
	}
}

static void on_answer_stopped(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	if (m->state != VMB_GUEST_ENDED || in->reason)
		m->reason = choose_reason(m, in);
	m->state = VMB_GUEST_ENDED;
}

/* libvirt makes a reboot of a power-off, if it was asked to, while QEMU stays. */
static void on_answer_leaving(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	if (m->left_us >= 0)
		on_answer_stopped(m, in);
	else if (m->state != VMB_GUEST_IN_DOUBT || in->now_us >= m->doubt_until_us)
		on_answer_running(m, in);
}

static void on_answer_failed(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	(void)m, (void)in;
}

static void (*const handlers[VMB_MONITOR_N_EVENTS])(struct vmb_monitor *,
						    const struct vmb_monitor_input *) = {
	[VMB_MONITOR_STARTED] = on_started,
	[VMB_MONITOR_WRITER_LEFT] = on_writer_left,
	[VMB_MONITOR_STOP_REPORTED] = on_stop_reported,
	[VMB_MONITOR_ABORTED] = on_aborted,
	[VMB_MONITOR_POWER_CUT] = on_power_cut,
	[VMB_MONITOR_ANSWER_RUNNING] = on_answer_running,
	[VMB_MONITOR_ANSWER_LEAVING] = on_answer_leaving,
	[VMB_MONITOR_ANSWER_STOPPED] = on_answer_stopped,
	[VMB_MONITOR_ANSWER_GONE] = on_answer_stopped,
	[VMB_MONITOR_ANSWER_FAILED] = on_answer_failed,
};

void vmb_monitor_feed(struct vmb_monitor *m, const struct vmb_monitor_input *in)
{
	if (in->event >= VMB_MONITOR_ANSWER_RUNNING) {
		m->asked_us = in->asked_us;
		if (in->asked_us < m->doubt_us)
			return;
	}
	handlers[in->event](m, in);
}

/* How long after the last answer libvirt is asked again in this state; -1: not by itself. */
static int64_t ask_interval(const struct vmb_monitor *m, bool waiting)
{
	switch (m->state) {
	case VMB_GUEST_IN_DOUBT:
	case VMB_GUEST_CUT:
		return 0; /* the worker sees to the pace */
	case VMB_GUEST_RUNNING:
	case VMB_GUEST_ENDED:
		return waiting ? HEALTH_US : -1;
	default:
		return -1;
	}
}

unsigned vmb_monitor_work(const struct vmb_monitor *m, int64_t now_us, bool waiting,
			  int64_t *ret_next_us)
{
	int64_t interval = ask_interval(m, waiting);
	int64_t at = m->asked_us < m->doubt_us ? now_us : m->asked_us + interval;

	*ret_next_us = INT64_MAX;
	if (m->state == VMB_GUEST_ABORTED)
		return VMB_WORK_LISTEN | VMB_WORK_CUT_POWER;
	if (interval < 0)
		return VMB_WORK_LISTEN;
	if (now_us < at) {
		*ret_next_us = at;
		return VMB_WORK_LISTEN;
	}
	return VMB_WORK_LISTEN | VMB_WORK_STATE;
}
