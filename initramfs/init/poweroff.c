/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/wait.h>

#include "init.h"

enum { FLUSH_MS = 500 };

static const int ends[] = {SIGTERM, SIGKILL};

/* Every process is a child of ours, or will be once its parent has ended. */
static bool nothing_left(void)
{
	siginfo_t si;

	return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void end_rest(struct init *init)
{
	if (nothing_left() || init_signals_open(init) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct vmb_deadline until = vmb_deadline_in(init->patience.rest);

		init->ops->kill_rest(ends[i]);
		while (!nothing_left() && !vmb_deadline_passed(until))
			init_serve_once(init, vmb_deadline_poll(until, -1));
		if (nothing_left())
			return;
	}
}

/*
 * The overlay disk cannot be unmounted below the root that we stand on. Frozen, its journal is empty
 * and its super block says so: the same to whoever reads it next.
 */
static void freeze(struct init *init)
{
	if (init->overlay >= 0)
		ioctl(init->overlay, FIFREEZE, 0);
}

/* What is frozen could not be synced, nor could who waits for it be ended. */
void init_thaw(struct init *init)
{
	if (init->overlay >= 0)
		ioctl(init->overlay, FITHAW, 0);
}

int64_t init_power_off_value(int how)
{
	if (how == RB_AUTOBOOT || how == (int)RB_KEXEC)
		return VMBOOT_POWEROFF_REBOOT;
	return how == (int)RB_HALT_SYSTEM ? VMBOOT_POWEROFF_HALT : VMBOOT_POWEROFF_OFF;
}

void init_power_off(struct init *init)
{
	struct init_report report = {.value = init_power_off_value(init->how)};
	uint64_t start = init_now_us();

	init_format(report.detail, sizeof(report.detail), "%s", init->why);
	init->agent.wanted = false;
	init_thaw(init);
	end_rest(init);
	sync();
	init_tell(init, VMBOOT_PHASE_POWEROFF, start, 0, &report);
	init_event_flush(&init->events, FLUSH_MS);
	init_log_drain(init);
	freeze(init);
	init->ops->power_off(init->how);
}
