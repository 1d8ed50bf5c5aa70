/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_CLOCK_H
#define VMB_AGENT_CLOCK_H

/*
 * The guest's clock after the guest stood still: paused, or saved and restored. Nothing tells a guest
 * of that, and its clocks stand still, too; only the hardware clock goes on with the host's. So it is
 * read from time to time, and when anything happens. In: the hardware clock, in whole seconds. Out:
 * CLOCK_REALTIME, moved forward by as long as the guest stood still. A clock that somebody has set
 * otherwise on purpose keeps its distance.
 */

#include "agent.h"

struct agent_clock {
	bool on, known;
	/* by how much the hardware clock is ahead of CLOCK_MONOTONIC: between these */
	int64_t low_us, high_us;
	int64_t set_us; /* CLOCK_REALTIME's distance from CLOCK_MONOTONIC, as it was seen last */
	int64_t looked_us;
	struct vmb_deadline next;
};

/* Looks for the first time. It stays off in a guest without a hardware clock. */
void agent_clock_init(struct agent_clock *clock, const struct init *init);

/* happened: it is worth a look now. */
void agent_clock_serve(struct agent_clock *clock, const struct init *init, bool happened);

/*
 * By how much CLOCK_REALTIME has to go forward, 0: not at all. rtc_us is a whole second, and between it
 * and the next. Does no I/O.
 */
int64_t agent_clock_lag(struct agent_clock *clock, int64_t rtc_us, int64_t monotonic_us,
			int64_t realtime_us);

#endif
