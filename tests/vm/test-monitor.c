/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a guest still runs, decided from inputs alone: no libvirt, no files, no clock. */
#include "vm/boot-monitor.h"

#include <string.h>

#include "test.h"

enum { MS = 1000, S = 1000000, T0 = 1000 * S };

static struct vmb_monitor m;

static void start(void)
{
	vmb_monitor_init(&m);
	m.asked_us = T0;
}

static void feed_at(int64_t now_us, struct vmb_monitor_input input)
{
	input.now_us = now_us;
	vmb_monitor_feed(&m, &input);
}

#define FEED(now, ...) feed_at(now, (struct vmb_monitor_input){__VA_ARGS__})
#define ANSWER(now, a, ...)                                                                        \
	FEED(now, .event = VMB_MONITOR_ANSWER_##a, .asked_us = (now), __VA_ARGS__)

static bool asks(int64_t now_us, bool waiting)
{
	int64_t next_us;

	return vmb_monitor_work(&m, now_us, waiting, &next_us) & VMB_WORK_STATE;
}

static bool cuts(int64_t now_us)
{
	int64_t next_us;

	return vmb_monitor_work(&m, now_us, false, &next_us) & VMB_WORK_CUT_POWER;
}

static void a_guest_that_runs_is_asked_for_only_by_who_waits(void)
{
	int64_t next_us;

	start();
	CU_ASSERT_FALSE(asks(T0 + 3600LL * S, false));
	CU_ASSERT_FALSE(asks(T0 + 1, true));
	CU_ASSERT(asks(T0 + S, true));
	vmb_monitor_work(&m, T0 + 1, true, &next_us);
	CU_ASSERT_EQUAL(next_us, T0 + S);
	vmb_monitor_work(&m, T0 + 1, false, &next_us);
	CU_ASSERT_EQUAL(next_us, INT64_MAX);
}

static void a_report_is_confirmed(void)
{
	start();
	FEED(T0 + 1, .event = VMB_MONITOR_STOP_REPORTED, .reason = "shutdown");
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_IN_DOUBT);
	CU_ASSERT(asks(T0 + 1, false));
	ANSWER(T0 + 2, GONE);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_ENDED);
	ASSERT_STR(m.reason, "shutdown");
	CU_ASSERT_FALSE(asks(T0 + 3, false));
}

static void a_report_of_an_older_run_means_nothing(void)
{
	start();
	FEED(T0 + 1, .event = VMB_MONITOR_STOP_REPORTED, .reason = "crashed");
	ANSWER(T0 + 2, RUNNING);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_RUNNING);
	ANSWER(T0 + 3, GONE);
	ASSERT_STR(m.reason, "unknown"); /* not what was reported of the older one */
}

/* The question was put before the report came: its answer says nothing about it. */
static void an_answer_to_an_older_question_means_nothing(void)
{
	start();
	FEED(T0 + 10, .event = VMB_MONITOR_STOP_REPORTED, .reason = "shutdown");
	FEED(T0 + 20, .event = VMB_MONITOR_ANSWER_RUNNING, .asked_us = T0 + 5);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_IN_DOUBT);
	CU_ASSERT(asks(T0 + 20, false));
	FEED(T0 + 30, .event = VMB_MONITOR_STARTED);
	FEED(T0 + 40, .event = VMB_MONITOR_ANSWER_STOPPED, .asked_us = T0 + 25,
	     .reason = "shutdown");
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_RUNNING);
}

static void closed_files_are_a_doubt_that_passes(void)
{
	start();
	FEED(T0 + 1, .event = VMB_MONITOR_WRITER_LEFT, .left_us = 7);
	ANSWER(T0 + 2, RUNNING);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_IN_DOUBT); /* libvirt may not have noticed */
	CU_ASSERT(asks(T0 + 3, false));
	ANSWER(T0 + 60LL * S, RUNNING);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_RUNNING);
	CU_ASSERT_EQUAL(m.left_us, -1);
}

static void when_it_left_is_kept(void)
{
	start();
	FEED(T0 + 1, .event = VMB_MONITOR_WRITER_LEFT, .left_us = 7);
	ANSWER(T0 + 2, RUNNING);
	ANSWER(T0 + 3, LEAVING, .reason = "shutdown");
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_ENDED);
	CU_ASSERT_EQUAL(m.left_us, 7);
}

/* libvirt may make a reboot of it, while QEMU stays. */
static void a_guest_that_shuts_down_may_go_on(void)
{
	start();
	ANSWER(T0 + 1, LEAVING);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_RUNNING);
	FEED(T0 + 2, .event = VMB_MONITOR_STOP_REPORTED, .reason = "shutdown");
	ANSWER(T0 + 3, LEAVING);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_IN_DOUBT);
	ANSWER(T0 + 4, STOPPED, .reason = "shutdown");
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_ENDED);
}

static void one_that_was_started_again_runs(void)
{
	start();
	ANSWER(T0 + 1, STOPPED, .reason = "destroyed");
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_ENDED);
	ASSERT_STR(m.reason, "destroyed");
	ANSWER(T0 + 2, RUNNING);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_RUNNING);
	CU_ASSERT_PTR_NULL(m.reason);
}

static const struct {
	const char *libvirts;
	bool powered_off;
	int64_t left_us;
	const char *reason;
} reasons[] = {
	{"crashed", true, -1, "shutdown"}, {"unknown", true, -1, "shutdown"},
	{NULL, true, -1, "shutdown"},	   {"crashed", false, -1, "crashed"},
	{"crashed", true, 7, "crashed"},   {"destroyed", true, -1, "destroyed"},
	{NULL, false, -1, "unknown"},
};

static void a_guess_of_libvirts_gives_way(void)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		start();
		m.left_us = reasons[i].left_us;
		ANSWER(T0 + 1, STOPPED, .reason = reasons[i].libvirts,
		       .guest_powered_off = reasons[i].powered_off);
		ASSERT_STR(m.reason, reasons[i].reason);
	}
}

/* Asked once more, libvirt may know less than before. */
static void a_reason_is_kept(void)
{
	start();
	ANSWER(T0 + 1, STOPPED, .reason = "destroyed");
	ANSWER(T0 + 2, GONE);
	ASSERT_STR(m.reason, "destroyed");
}

static void an_aborted_boot_is_cut_once(void)
{
	start();
	FEED(T0 + 1, .event = VMB_MONITOR_ABORTED);
	CU_ASSERT(cuts(T0 + 1));
	FEED(T0 + 2, .event = VMB_MONITOR_POWER_CUT);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_CUT);
	FEED(T0 + 3, .event = VMB_MONITOR_ABORTED);
	CU_ASSERT_FALSE(cuts(T0 + 3));
	CU_ASSERT(asks(T0 + 3, false));
	ANSWER(T0 + 4, STOPPED, .reason = "destroyed");
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_ENDED);
	FEED(T0 + 5, .event = VMB_MONITOR_ABORTED);
	CU_ASSERT_FALSE(cuts(T0 + 5));
}

static void a_cut_that_failed_is_tried_again(void)
{
	start();
	FEED(T0 + 1, .event = VMB_MONITOR_ABORTED);
	FEED(T0 + 2, .event = VMB_MONITOR_POWER_CUT);
	ANSWER(T0 + 3, RUNNING);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_CUT);
	ANSWER(T0 + 60LL * S, RUNNING);
	CU_ASSERT(cuts(T0 + 60LL * S));
}

static void an_answer_that_failed_changes_nothing(void)
{
	start();
	FEED(T0 + 1, .event = VMB_MONITOR_STOP_REPORTED, .reason = "shutdown");
	ANSWER(T0 + 2, FAILED);
	CU_ASSERT_EQUAL(m.state, VMB_GUEST_IN_DOUBT);
	CU_ASSERT(asks(T0 + 3, false));
}

TEST_MAIN("vm/boot-monitor",
	  {"who waits has a guest asked for", a_guest_that_runs_is_asked_for_only_by_who_waits},
	  {"a report is confirmed", a_report_is_confirmed},
	  {"a report of an older run means nothing", a_report_of_an_older_run_means_nothing},
	  {"an answer to an older question means nothing",
	   an_answer_to_an_older_question_means_nothing},
	  {"closed files are a doubt that passes", closed_files_are_a_doubt_that_passes},
	  {"when it left is kept", when_it_left_is_kept},
	  {"a guest that shuts down may go on", a_guest_that_shuts_down_may_go_on},
	  {"one that was started again runs", one_that_was_started_again_runs},
	  {"a guess of libvirt's gives way", a_guess_of_libvirts_gives_way},
	  {"a reason is kept", a_reason_is_kept},
	  {"an aborted boot is cut once", an_aborted_boot_is_cut_once},
	  {"a cut that failed is tried again", a_cut_that_failed_is_tried_again},
	  {"an answer that failed changes nothing", an_answer_that_failed_changes_nothing})
