/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When the agent sets the guest's clock, and by how much: a machine made of three numbers. */
#include "clock.h"
#include "test.h"

#define SECOND INT64_C(1000000)

/* True times, of which the guest sees the hardware clock in whole seconds only. */
struct machine {
	struct agent_clock clock;
	int64_t host, monotonic, realtime;
};

static struct machine machine_at(int64_t part)
{
	return (struct machine){
		.host = 1700000000 * SECOND + part,
		.monotonic = 7 * SECOND,
		.realtime = 1700000000 * SECOND + SECOND / 2,
	};
}

static int64_t look(struct machine *m)
{
	int64_t lag =
		agent_clock_lag(&m->clock, m->host - m->host % SECOND, m->monotonic, m->realtime);

	m->realtime += lag;
	return lag;
}

static void pass(struct machine *m, int64_t us)
{
	m->host += us;
	m->monotonic += us;
	m->realtime += us;
}

static void looks_often(struct machine *m, int n)
{
	for (int i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(look(m), 0);
		pass(m, 4700000);
	}
}

static void a_guest_that_runs_is_left_alone(void)
{
	for (int64_t part = 0; part < SECOND; part += 130000) {
		struct machine m = machine_at(part);

		looks_often(&m, 1000);
	}
}

/* However long it had run before, and wherever in a second it stopped. */
static void one_that_stood_still_is_right_again(void)
{
	for (int64_t part = 0; part < 10; part++)
		for (int64_t stop = 16; stop < 100; stop++) {
			struct machine m = machine_at(part * SECOND / 10);

			looks_often(&m, (int)(stop % 13));
			look(&m);
			m.host += stop * SECOND / 10;
			pass(&m, 1234567);
			look(&m);
			CU_ASSERT(m.realtime > m.host - SECOND && m.realtime < m.host + SECOND);
			looks_often(&m, 20);
		}
}

static void many_short_stops_add_up(void)
{
	struct machine m = machine_at(0);

	for (int i = 0; i < 100; i++) {
		look(&m);
		m.host += SECOND / 5;
		pass(&m, 4700000);
	}
	look(&m);
	CU_ASSERT(m.realtime > m.host - 2 * SECOND && m.realtime < m.host + SECOND);
}

/* `date -s`: in the past or in the future, it stays where it was put. */
static void a_clock_set_on_purpose_keeps_its_distance(void)
{
	const int64_t year = 365 * 86400 * SECOND;
	struct machine m = machine_at(0);
	int64_t lag;

	looks_often(&m, 20);
	m.realtime -= year;
	looks_often(&m, 20);
	look(&m);
	m.host += 3600 * SECOND;
	lag = look(&m);
	CU_ASSERT(lag > 3599 * SECOND && lag < 3601 * SECOND);
	m.realtime += 2 * year;
	looks_often(&m, 20);
	m.host += 3600 * SECOND;
	CU_ASSERT_EQUAL(look(&m), 0);
}

/* Somebody else was quicker; or somebody set the hardware clock. */
static void what_others_set_is_not_set_twice(void)
{
	struct machine m = machine_at(0);

	looks_often(&m, 20);
	m.host += 60 * SECOND;
	m.realtime += 60 * SECOND;
	CU_ASSERT_EQUAL(look(&m), 0);
	looks_often(&m, 20);
	m.realtime += 5 * SECOND;
	look(&m);
	m.host += 5 * SECOND;
	looks_often(&m, 20);
	m.host -= 100 * SECOND;
	looks_often(&m, 20);
}

/* As by guest-set-time after the first stop, before the agent has looked again. */
static void what_was_set_is_set_again_after_the_next_stop(void)
{
	struct machine m = machine_at(0);

	looks_often(&m, 20);
	m.host += 3 * SECOND;
	look(&m);
	m.realtime = m.host;
	m.host += 3 * SECOND;
	look(&m);
	CU_ASSERT(m.realtime > m.host - SECOND && m.realtime < m.host + SECOND);
}

TEST_MAIN("agent/clock", {"a guest that runs is left alone", a_guest_that_runs_is_left_alone},
	  {"one that stood still is right again", one_that_stood_still_is_right_again},
	  {"many short stops add up", many_short_stops_add_up},
	  {"a clock set on purpose keeps its distance", a_clock_set_on_purpose_keeps_its_distance},
	  {"what others set is not set twice", what_others_set_is_not_set_twice},
	  {"what was set is set again after the next stop",
	   what_was_set_is_set_again_after_the_next_stop})
