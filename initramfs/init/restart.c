/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <sys/reboot.h>

#include "init.h"
#include "wire/settings.h"

/*
 * A program that has ended is started again, as the request's `restart` says: after 100 ms, then after
 * twice as long each time, up to a minute; one that ran for 10 s begins with 100 ms again. Docker and
 * podman do it so. What was left of its process group is killed first.
 */

enum {
	FIRST_MS = 100,
	LONGEST_MS = 60000,
	GOOD_US = 10000000, /* it ran so long: it was no failure to start */
	TOLD_MAX = 100,	    /* attempts that are events; then those that are powers of two */
};

static bool is_wanted(const struct init *init, int64_t value)
{
	struct vmb_restart r;

	if (!init->config.restart || vmb_restart_parse(init->config.restart, &r) < 0 ||
	    r.when == VMB_RESTART_NO || init->config.init_mode != VMBOOT_INIT_EXEC)
		return false;
	if (r.when == VMB_RESTART_ON_FAILURE && value == 0)
		return false;
	return !r.most || init->restart.attempts < r.most;
}

bool init_restart_plan(struct init *init, int64_t value, uint64_t now_us)
{
	struct init_restart *r = &init->restart;

	if (init->stopping || !is_wanted(init, value))
		return false;
	if (init->program > 0)
		kill(-init->program, SIGKILL);
	r->wait_ms =
		r->wait_ms == 0 || now_us - init->started_us >= GOOD_US ? FIRST_MS : r->wait_ms * 2;
	if (r->wait_ms > LONGEST_MS)
		r->wait_ms = LONGEST_MS;
	r->status = value;
	r->ended_us = now_us;
	init->health.told = INIT_HEALTH_STARTING;
	r->at = vmb_deadline_in(r->wait_ms);
	init->program = 0;
	return true;
}

static void tell_attempt(struct init *init, const struct init_report *start)
{
	const struct init_restart *r = &init->restart;
	struct init_report report = {.value = r->status};

	if (r->attempts > TOLD_MAX && (r->attempts & (r->attempts - 1)) != 0)
		return;
	init_format(report.detail, sizeof(report.detail), "attempt %d after %d ms%s%s",
		    (int)r->attempts, r->wait_ms, start->detail[0] ? ": " : "", start->detail);
	init_tell(init, VMBOOT_PHASE_RESTART, r->ended_us, 0, &report);
}

/* The guest ends while it waits: the end of before is the last. */
static void give_up(struct init *init)
{
	const struct init_report report = {.value = init->restart.status};

	init->ended = true;
	if (init->how != RB_AUTOBOOT)
		init_tell(init, VMBOOT_PHASE_EXIT, init->restart.ended_us, 0, &report);
}

void init_restart_serve(struct init *init)
{
	struct init_restart *r = &init->restart;
	struct init_report report = {0};
	int result;

	if (r->at.at_us == INT64_MAX)
		return;
	if (init->stopping) {
		r->at = vmb_deadline_in(-1);
		give_up(init);
		return;
	}
	if (!vmb_deadline_passed(r->at))
		return;
	r->at = vmb_deadline_in(-1);
	r->attempts++;
	result = init_program_again(init, &report);
	tell_attempt(init, &report);
	/* one that cannot be run is as one that ends at once */
	if (result < 0)
		init_program_failed(init, result == -ENOENT ? 127 : 126);
}
