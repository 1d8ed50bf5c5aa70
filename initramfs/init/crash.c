/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/reboot.h>

#include "init.h"

/*
 * A PID 1 that dies is a kernel panic, which resets the guest, which boots again: perhaps for ever.
 * So it powers off itself, and says why.
 */

static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};

static struct init *crashed;

static void on_fault(int sig, siginfo_t *si, void *context)
{
	struct init_report report = {.value = VMBOOT_POWEROFF_OFF};

	(void)context;
	/* anybody in the guest who is root may send one, and the kernel would have ignored it */
	if (si->si_code <= 0 && si->si_pid != getpid())
		return;
	if (getpid() != 1)
		_exit(127);
	init_format(report.detail, sizeof(report.detail), "init itself crashed: signal %d", sig);
	init_tell(crashed, VMBOOT_PHASE_POWEROFF, init_now_us(), EFAULT, &report);
	sync();
	crashed->ops->power_off(RB_POWER_OFF);
}

void init_unblock_crashes(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigaddset(&set, faults[i]);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void init_catch_crashes(struct init *init)
{
	/* a second fault, in the handler, is a panic */
	const struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_RESTART};

	crashed = init;
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		sigaction(faults[i], &sa, NULL);
	init_unblock_crashes();
}
