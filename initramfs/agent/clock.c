/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock.h"

#include <stdlib.h>
#include <time.h>

enum {
	SECOND_US = 1000000,
	/* Not a whole number of seconds: each look falls into another part of the hardware clock's. */
	PERIOD_MS = 4700,
	PAUSE_US = 250000, /* between two looks, whatever happens */
	/* How much the two clocks may drift apart from one look to the next. */
	DRIFT_US = 5000,
	/* A shorter stop is left until another adds to it. */
	LEAST_US = SECOND_US / 2,
	/* The kernel sets its clock at boot from the hardware clock's whole second. */
	SAME_US = SECOND_US + SECOND_US / 10,
	/* Set by somebody, between two looks; a clock that is only slewed goes less far. */
	SET_US = 100000,
};

static int64_t middle(const struct agent_clock *c)
{
	return (c->low_us + c->high_us) / 2;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* How far the hardware clock went ahead since it was known; 0 if it may be where it was. */
static int64_t take_reading(struct agent_clock *c, int64_t low, int64_t high)
{
	int64_t before = middle(c), ahead;

	if (c->known && low <= c->high_us && high >= c->low_us) {
		c->low_us = max64(c->low_us - DRIFT_US, low);
		c->high_us = min64(c->high_us + DRIFT_US, high);
		return 0;
	}
	ahead = (low + high) / 2 - before;
	if (c->known && ahead > -LEAST_US && ahead < LEAST_US)
		return 0;
	c->low_us = low;
	c->high_us = high;
	return c->known ? ahead : 0;
}

int64_t agent_clock_lag(struct agent_clock *c, int64_t rtc_us, int64_t monotonic_us,
			int64_t realtime_us)
{
	int64_t lag = rtc_us + SECOND_US / 2 - realtime_us; /* as good as it is known */
	int64_t offset = c->set_us - middle(c), set = realtime_us - monotonic_us;
	int64_t ahead = take_reading(c, rtc_us - monotonic_us, rtc_us + SECOND_US - monotonic_us);
	bool known = c->known, was_set = llabs(set - c->set_us) > SET_US;

	c->known = true;
	c->set_us = set;
	/* what is not behind needs nothing; the hardware clock itself may have been set */
	if (!known || ahead <= 0 || realtime_us >= rtc_us)
		return 0;
	if (llabs(offset) > SAME_US)
		lag = was_set ? 0 : ahead;
	else if (was_set && lag > ahead + SAME_US)
		lag = 0; /* into the past, on purpose */
	c->set_us += lag;
	return lag;
}

/* In whole seconds; false: there is none. Who has /dev/rtc0 open is not in the way of this. */
static bool read_hardware_clock(const struct init *init, int64_t *ret_us)
{
	char path[INIT_PATH_MAX], text[32];

	init_path(init, path, "/sys/class/rtc/rtc0/since_epoch");
	if (init_read_text(path, text, sizeof(text)) <= 0)
		return false;
	*ret_us = strtoll(text, NULL, 10) * SECOND_US;
	return *ret_us > 0;
}

static void set_forward(int64_t by_us)
{
	int64_t to = vmb_realtime_us() + by_us;
	const struct timespec at = {to / SECOND_US, to % SECOND_US * 1000};

	(void)clock_settime(CLOCK_REALTIME, &at);
}

static void look(struct agent_clock *c, const struct init *init)
{
	int64_t rtc, lag;

	c->looked_us = vmb_monotonic_us();
	c->next = vmb_deadline_in(PERIOD_MS);
	c->on = read_hardware_clock(init, &rtc);
	if (!c->on) {
		c->next = vmb_deadline_in(-1);
		return;
	}
	lag = agent_clock_lag(c, rtc, vmb_monotonic_us(), vmb_realtime_us());
	if (lag > 0)
		set_forward(lag);
}

void agent_clock_init(struct agent_clock *c, const struct init *init)
{
	*c = (struct agent_clock){.on = true};
	look(c, init);
}

void agent_clock_serve(struct agent_clock *c, const struct init *init, bool happened)
{
	if (!c->on)
		return;
	if (vmb_deadline_passed(c->next) ||
	    (happened && vmb_monotonic_us() - c->looked_us > PAUSE_US))
		look(c, init);
}
