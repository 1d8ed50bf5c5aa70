/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_LOOP_H
#define VMB_AGENT_LOOP_H

#include "clock.h"
#include "qga.h"

/* main.c: the one loop, and all that it serves. */

struct agent {
	struct init *init;
	int control; /* to PID 1 */
	bool unit;   /* of systemd's, which hears us otherwise; see unit.c */
	int signals, uevents;
	bool ready; /* it was told */
	uint64_t start_us;
	bool ending; /* PID 1 ends everything */
	struct vmb_deadline until;
	struct agent_streams streams;
	struct agent_qga qga;
	struct agent_clock clock;
	struct agent_polls polls;
};

/* All signals are blocked from then on. 0 or -errno. */
int agent_setup(struct agent *agent, struct init *init, const char *const *env);
/* See init_agent_defaults(); the records live as long as init. 0 or -ENOMEM. */
int agent_take_defaults(struct init *init, size_t n, char **records);
void agent_run(struct agent *agent); /* until PID 1 says the end has come, and all has ended */

/* ---- unit.c ---- */

enum { AGENT_UNIT_END_MS = 3000 };

/* Before anything else; the image's environment, or NULL. */
const char *const *agent_unit_begin(struct agent *agent);
void agent_unit_tell(struct agent *agent, uint64_t start_us); /* that the port is open */

#endif
