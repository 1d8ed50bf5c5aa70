/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "init.h"

enum { RETRY_MS = 1000 }; /* for events that the host has not taken yet */

/* What goes on to the program's process group; real-time signals do, too. */
static const int forwarded[] = {SIGHUP,	 SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2,
				SIGTERM, SIGCONT, SIGTSTP, SIGWINCH};

int init_signals_open(struct init *init)
{
	sigset_t all;

	sigfillset(&all);
	if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
		return -errno;
	init_unblock_crashes();
	if (init->signals < 0)
		init->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return init->signals < 0 ? -errno : 0;
}

static bool running(const struct init *init)
{
	return init->program > 0 && !init->ended;
}

static void forward(const struct init *init, int sig)
{
	bool known = sig >= SIGRTMIN && sig <= SIGRTMAX;

	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		known = known || forwarded[i] == sig;
	if (known && running(init))
		kill(-init->program, sig);
}

/*
 * busybox's poweroff, reboot and halt, and others' that expect an init of its kind, send a signal to
 * PID 1. In a container the same signals to PID 1 are the program's: `kill -USR1 1` has nginx open its
 * logs anew. So who sent it decides; one that is gone by now was such a command, if the program
 * does not handle the signal, which would only kill it.
 */
static const struct {
	int sig, how;
	const char *why;
} guest_ends[] = {
	{SIGUSR2, RB_POWER_OFF, "the guest asked to power off"},
	{SIGTERM, RB_AUTOBOOT, "the guest asked to reboot"},
	{SIGUSR1, (int)RB_HALT_SYSTEM, "the guest asked to halt"},
};

static bool program_handles(const struct init *init, int sig)
{
	char path[INIT_PATH_MAX];
	_cleanup_free_ char *text = NULL;
	const char *caught;

	init_path(init, path, "/proc/%d/status", (int)init->program);
	text = running(init) ? init_read_proc(path) : NULL;
	caught = text ? strstr(text, "\nSigCgt:") : NULL;
	return caught && (strtoul(caught + 8, NULL, 16) >> (sig - 1) & 1);
}

static bool asks_to_end(const struct init *init, int sig, pid_t sender)
{
	static const char *const commands[] = {"poweroff", "reboot", "halt", "busybox"};
	char path[INIT_PATH_MAX], name[32];

	init_path(init, path, "/proc/%d/comm", (int)sender);
	if (init_read_text(path, name, sizeof(name)) <= 0)
		return !program_handles(init, sig);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i], name) == 0)
			return true;
	return false;
}

/* True: it was such a request. */
static bool take_end(struct init *init, int sig, pid_t sender)
{
	if (init->config.init_mode == VMBOOT_INIT_PID1)
		return false; /* PID 1 is the program */
	for (size_t i = 0; i < ARRAY_SIZE(guest_ends); i++)
		if (guest_ends[i].sig == sig && asks_to_end(init, sig, sender)) {
			init->by_guest = true;
			init_stop(init, guest_ends[i].how, guest_ends[i].why);
			return true;
		}
	return false;
}

void init_stop(struct init *init, int how, const char *why)
{
	if (init->stopping)
		return;
	init->how = how;
	init->why = why;
	init_debug(init, "stopping: %s", why);
	init->stopping = true;
	init->stop_until = vmb_deadline_in(init->patience.stop);
	if (!running(init))
		return;
	kill(-init->program, SIGTERM);
	kill(-init->program, SIGCONT);
}

/* What the program wrote comes before the news of its end. */
static void drain(struct init *init)
{
	struct vmb_deadline until = vmb_deadline_in(init->patience.drain);
	struct pollfd p[2];

	for (;;) {
		for (int i = 0; i < 2; i++) {
			init_relay_pump(&init->relays[i]);
			p[i] = (struct pollfd){.fd = -1, .events = POLLOUT};
			if (init_relay_pending(&init->relays[i]))
				p[i].fd = init->relays[i].to;
		}
		if ((p[0].fd < 0 && p[1].fd < 0) || vmb_deadline_passed(until))
			return;
		poll(p, 2, vmb_deadline_poll(until, -1));
	}
}

/* A program that was killed, or failed, while the kernel ran out of memory: who was killed. */
static void explain_end(const struct init *init, struct init_report *report)
{
	const uint64_t clock_spread_us = 1000000; /* of the log's clock and ours */
	uint64_t since =
		init->started_us > clock_spread_us ? init->started_us - clock_spread_us : 0;
	struct init_oom oom;

	if (report->value == 0 || init->killed || !init_oom_find(init, init->program, since, &oom))
		return;
	init_format(report->detail, sizeof(report->detail), VMB_EXIT_OOM "%s (%d)", oom.name,
		    (int)oom.pid);
}

static int64_t exit_value(const siginfo_t *si)
{
	return si->si_code == CLD_EXITED ? si->si_status : 256 + si->si_status;
}

/* The last end: of a program that is not started again. */
static void tell_exit(struct init *init, struct init_report *report, uint64_t now)
{
	init->ended = true;
	/* one that ends for a reboot starts again: who waits for its end goes on waiting */
	if (!init->stopping || init->how != RB_AUTOBOOT)
		init_tell(init, VMBOOT_PHASE_EXIT, now, 0, report);
}

void init_program_failed(struct init *init, int64_t value)
{
	struct init_report report = {.value = value};
	uint64_t now = init_now_us();

	if (!init_restart_plan(init, value, now))
		tell_exit(init, &report, now);
}

static void program_ended(struct init *init, const siginfo_t *si)
{
	uint64_t now = init_now_us();
	struct init_report report = {0};
	int how;

	init_pid_leave(init);
	report.value = exit_value(si);
	explain_end(init, &report);
	/* a guest that powers itself off ends well, as one with an init system does */
	if (init->by_guest && report.value == 256 + SIGTERM)
		report.value = 0;
	if (si->si_code == CLD_KILLED && init_pid_rebooted(init, si->si_status, &how)) {
		init->by_guest = true;
		init->ended = true;
		init_stop(init, how, "the program called reboot(2)");
		report.value = 0;
	}
	drain(init);
	if (!init_restart_plan(init, report.value, now))
		tell_exit(init, &report, now);
}

/* The only place that waits for children, so no status is lost to another. */
static void reap(struct init *init)
{
	siginfo_t si;

	for (;;) {
		si.si_pid = 0;
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
			return;
		if (running(init) && si.si_pid == init->program)
			program_ended(init, &si);
		else if (init->health.pid > 0 && si.si_pid == init->health.pid)
			init_health_ended(init, exit_value(&si));
		else if (init->agent.pid > 0 && si.si_pid == init->agent.pid)
			init_agent_ended(init);
	}
}

static void take_signals(struct init *init)
{
	struct signalfd_siginfo si;

	while (read(init->signals, &si, sizeof(si)) == sizeof(si)) {
		int sig = (int)si.ssi_signo;

		if (sig == SIGCHLD)
			reap(init);
		else if (sig == SIGINT && si.ssi_code == SI_KERNEL)
			init_stop(init, RB_AUTOBOOT, "Ctrl-Alt-Del was pressed");
		else if (sig == SIGPWR)
			init_stop(init, RB_POWER_OFF, "SIGPWR came");
		else if (!take_end(init, sig, (pid_t)si.ssi_pid))
			forward(init, sig);
	}
}

void init_enforce_ttl(struct init *init)
{
	if (!vmb_deadline_passed(init->ttl))
		return;
	init->ttl = vmb_deadline_in(-1);
	init_stop(init, RB_POWER_OFF, VMB_POWEROFF_TTL);
}

/* A program that does not hear SIGTERM is killed; one that the kernel cannot kill is left. */
static void enforce_stop(struct init *init)
{
	if (!init->stopping || !running(init) || !vmb_deadline_passed(init->stop_until))
		return;
	if (init->killed) {
		init_log(init, "the program does not end: powering off without it");
		init->ended = true;
		return;
	}
	init->killed = true;
	init->stop_until = vmb_deadline_in(init->patience.kill);
	kill(-init->program, SIGKILL);
}

static int min_timeout(const struct init *init, int timeout_ms)
{
	if (init->events.n > 0 && (timeout_ms < 0 || timeout_ms > RETRY_MS))
		timeout_ms = RETRY_MS;
	if (init->stopping && running(init))
		timeout_ms = vmb_deadline_poll(init->stop_until, timeout_ms);
	timeout_ms = vmb_deadline_poll(init->restart.at, timeout_ms);
	timeout_ms = vmb_deadline_poll(init->health.at, timeout_ms);
	timeout_ms = vmb_deadline_poll(init->health.until, timeout_ms);
	return vmb_deadline_poll(init->ttl, timeout_ms);
}

/* One wait for whatever there is, and what follows from it. */
void init_serve_once(struct init *init, int timeout_ms)
{
	enum { SIGNALS, ACPI, AGENT, RELAY, N = RELAY + 2 };
	struct pollfd p[N] = {
		[SIGNALS] = {.fd = init->signals, .events = POLLIN},
		[ACPI] = {.fd = init->acpi, .events = POLLIN},
		[AGENT] = {.fd = init->agent.control, .events = POLLIN},
	};

	for (int i = 0; i < 2; i++) {
		const struct init_relay *r = &init->relays[i];

		p[RELAY + i].fd = r->n > 0 ? r->to : r->from;
		p[RELAY + i].events = r->n > 0 ? POLLOUT : POLLIN;
	}
	if (poll(p, N, min_timeout(init, timeout_ms)) > 0) {
		if (p[AGENT].revents)
			init_agent_hear(init);
		if (p[SIGNALS].revents)
			take_signals(init);
		if (p[ACPI].revents && init_acpi_pressed(init->acpi))
			init_stop(init, RB_POWER_OFF, "the power button was pressed");
		for (int i = 0; i < 2; i++)
			if (p[RELAY + i].revents)
				init_relay_pump(&init->relays[i]);
	}
	init_event_flush(&init->events, 0);
	init_enforce_ttl(init);
	init_restart_serve(init);
	init_health_serve(init);
	enforce_stop(init);
}

void init_serve(struct init *init)
{
	bool power_off = init->config.on_exit == VMBOOT_ON_EXIT_POWEROFF;

	while (!(init->ended && (init->stopping || power_off)))
		init_serve_once(init, -1);
	if (!init->stopping)
		init->why = "the program ended";
}
