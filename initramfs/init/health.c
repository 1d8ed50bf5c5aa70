/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>

#include "start.h"

/*
 * Health: a command that is run again and again beside the program, as Docker's HEALTHCHECK has it. Only
 * a change is an event: VMBOOT_PHASE_HEALTHY, VMBOOT_PHASE_UNHEALTHY. Nothing is run, and no timer set, if
 * neither the image nor the request has a command.
 */

enum {
	CHANGES_MAX = 100, /* events; of a program that goes on changing, one in an hour then */
	LATER_MS = 3600000,
};

static const char *const *command(const struct init *init)
{
	const char *const *args = init->config.health_cmd;

	return args && args[0] && init->config.health_interval_ms ? args : NULL;
}

static struct vmb_deadline in_ms(uint64_t ms)
{
	return (struct vmb_deadline){vmb_monotonic_us() + (int64_t)ms * 1000};
}

void init_health_begin(struct init *init)
{
	struct init_health *h = &init->health;

	if (!command(init))
		return;
	h->state = INIT_HEALTH_STARTING;
	h->failures = 0;
	h->since_us = init_now_us();
	h->at = in_ms(init->config.health_interval_ms);
	h->start_until = in_ms(init->config.health_start_period_ms);
}

static void tell_change(struct init *init, int64_t status)
{
	struct init_health *h = &init->health;
	const bool healthy = h->state == INIT_HEALTH_HEALTHY;
	struct init_report report = {.value = status};

	if (h->told == h->state || h->state == INIT_HEALTH_STARTING ||
	    (h->changes >= CHANGES_MAX && !vmb_deadline_passed(h->tell_at)))
		return;
	h->told = h->state;
	h->changes++;
	h->tell_at = vmb_deadline_in(LATER_MS);
	if (!healthy)
		init_format(report.detail, sizeof(report.detail), "%d checks in a row failed",
			    (int)h->failures);
	init_tell(init, healthy ? VMBOOT_PHASE_HEALTHY : VMBOOT_PHASE_UNHEALTHY, h->since_us, 0,
		  &report);
	h->since_us = init_now_us();
}

static void take_result(struct init *init, int64_t status)
{
	struct init_health *h = &init->health;

	h->at = in_ms(init->config.health_interval_ms);
	if (status == 0) {
		h->failures = 0;
		h->state = INIT_HEALTH_HEALTHY;
	} else if (h->state != INIT_HEALTH_STARTING || vmb_deadline_passed(h->start_until)) {
		h->failures++;
		if (h->failures >= init->config.health_retries)
			h->state = INIT_HEALTH_UNHEALTHY;
	}
	tell_change(init, status);
}

void init_health_ended(struct init *init, int64_t status)
{
	init->health.pid = 0;
	init->health.until = vmb_deadline_in(-1);
	take_result(init, status);
}

static void start_check(struct init *init)
{
	struct init_health *h = &init->health;
	const struct init_start what = {
		.args = command(init),
		.base = (const char *const *)init->environment,
		.env = init->config.env,
		.user = init->config.user,
		.workdir = init->config.workdir,
		.instead = -1,
	};
	struct init_child child;

	h->at = vmb_deadline_in(-1);
	if (init_start(init, &what, &child) < 0) {
		take_result(init, 126);
		return;
	}
	init_child_done(&child); /* what cannot be run fails as well, by its code */
	h->pid = child.pid;
	h->until = in_ms(init->config.health_timeout_ms);
}

void init_health_serve(struct init *init)
{
	struct init_health *h = &init->health;
	const bool over = init->program <= 0 || init->ended || init->stopping;

	if (h->pid > 0 && (over || vmb_deadline_passed(h->until))) {
		if (kill(-h->pid, SIGKILL) < 0)
			kill(h->pid, SIGKILL);
		h->until = vmb_deadline_in(-1);
	}
	if (over)
		h->at = vmb_deadline_in(-1);
	else if (h->pid == 0 && vmb_deadline_passed(h->at))
		start_check(init);
}
