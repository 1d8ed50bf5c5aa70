/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "init.h"

/*
 * The keeper: a process beside the image's init system, forked before that becomes PID 1. It
 *
 *  - passes the power button on, where nobody else in the guest hears it;
 *  - ends all when the guest's time is over;
 *  - tells when systemd has crashed, which then stands still as PID 1;
 *  - holds a folder of the overlay disk open, for the agent;
 *  - with an init system other than systemd: keeps the agent running, and tells of ready and the end.
 */

enum { LOOK_MS = 1000, LOOKS = 3 };

/* What ps shows must not lie in the program's own file; for a kernel that cannot it is "/init". */
static void take_name(void)
{
	static const char name[] = "vmboot-keeper";
	char *shown = malloc(sizeof(name));

	prctl(PR_SET_NAME, name);
	if (!shown)
		return;
	memcpy(shown, name, sizeof(name));
	if (prctl(PR_SET_MM, PR_SET_MM_ARG_START, shown, 0, 0) == 0)
		prctl(PR_SET_MM, PR_SET_MM_ARG_END, shown + sizeof(name), 0, 0);
}

/* 'S' in "1 (systemd) S 0 1 …": it waits. */
static bool sleeps(const struct init *init)
{
	char path[INIT_PATH_MAX], text[128];
	const char *name_end;

	init_read_text(init_path(init, path, "/proc/1/stat"), text, sizeof(text));
	name_end = strrchr(text, ')');
	return name_end && name_end[1] == ' ' && name_end[2] == 'S';
}

/*
 * systemd that works waits for something; one that has crashed, or that found that it cannot work at
 * all, has closed everything but its standard files.
 */
static bool stands_still(const struct init *init)
{
	char path[INIT_PATH_MAX];
	DIR *d = opendir(init_path(init, path, "/proc/1/fd"));
	bool any = !d;
	struct dirent *e;

	while (d && (e = readdir(d)))
		any = any || strtol(e->d_name, NULL, 10) > STDERR_FILENO;
	if (d)
		closedir(d);
	return !any && sleeps(init);
}

static void tell_crash(struct init *init)
{
	struct init_report report = {0};
	uint64_t now = init_now_us();

	init_failed(&report, ENOTRECOVERABLE, "the init system has crashed: PID 1 stands still");
	init_late_tell(init, VMBOOT_PHASE_EXIT, now, ENOTRECOVERABLE, &report);
}

/* logind takes the button where there is an input device for it, and by the user's settings. */
static bool button_is_taken(const struct init *init)
{
	char path[INIT_PATH_MAX];
	struct dirent *e;
	bool found = false;
	DIR *d;

	if (access(init_path(init, path, "/run/systemd/seats/seat0"), F_OK) < 0)
		return false;
	d = opendir(init_path(init, path, "/sys/class/input"));
	while (d && (e = readdir(d)))
		found = found || strncmp(e->d_name, "event", 5) == 0;
	if (d)
		closedir(d);
	return found;
}

/* True: SIGTERM, by which an init system ends what is left. */
static bool take_signals(struct init *init)
{
	struct signalfd_siginfo si;
	bool end = false;
	pid_t pid;

	while (read(init->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGTERM)
			end = true;
		if (si.ssi_signo != SIGCHLD)
			continue;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			if (pid == init->agent.pid)
				init_agent_ended(init);
	}
	return end;
}

static bool keep_once(struct init *init, int timeout_ms)
{
	enum { SIGNALS, ACPI, AGENT, N };
	struct pollfd p[N] = {
		[SIGNALS] = {.fd = init->signals, .events = POLLIN},
		[ACPI] = {.fd = init->acpi, .events = POLLIN},
		[AGENT] = {.fd = init->agent.control, .events = POLLIN},
	};
	char path[INIT_PATH_MAX];
	bool end = false;

	if (poll(p, N, vmb_deadline_poll(init->ttl, timeout_ms)) > 0) {
		if (p[AGENT].revents)
			init_agent_hear(init);
		if (p[ACPI].revents && init_acpi_pressed(init->acpi) && !button_is_taken(init))
			init_stop(init, RB_POWER_OFF, "power button");
		if (p[SIGNALS].revents)
			end = take_signals(init);
	}
	init_enforce_ttl(init);
	if (init->stopping) {
		init_write_file(init_path(init, path, INIT_WHY), 0600, init->why,
				strlen(init->why));
		init_system_end(init, init->system, init->how);
	}
	init->stopping = false;
	init_event_flush(&init->events, 0);
	return end;
}

/* Nobody says when other init systems have started all: they are ready when the agent is. */
static void tell_ready(struct init *init, bool *told)
{
	struct init_report report = {0};

	if (*told || init->system == INIT_SYSTEM_SYSTEMD ||
	    (init->agent.wanted && !init->agent.told))
		return;
	*told = true;
	init_format(report.detail, sizeof(report.detail), "%s", "handed over");
	init_tell(init, VMBOOT_PHASE_READY, init_now_us(), 0, &report);
}

static void keep(struct init *init)
{
	bool told = false, watch = init->system == INIT_SYSTEM_SYSTEMD;
	int still = 0;

	tell_ready(init, &told);
	while (!keep_once(init, watch ? LOOK_MS : -1)) {
		tell_ready(init, &told);
		if (!watch)
			continue;
		still = stands_still(init) ? still + 1 : 0;
		watch = still < LOOKS;
		if (!watch)
			tell_crash(init);
	}
}

static void tell_end(struct init *init)
{
	struct init_report report = {.value = init_power_off_value(init->how)};

	if (init->system == INIT_SYSTEM_SYSTEMD)
		return; /* shutdown.c does, later */
	init_format(report.detail, sizeof(report.detail), "%s",
		    *init->why ? init->why : "the image's init system ends all");
	init_tell(init, VMBOOT_PHASE_POWEROFF, init_now_us(), 0, &report);
}

/* Others open them from now on. */
static void give_up_ports(struct init *init)
{
	for (int i = 0; i < INIT_N_PORTS; i++) {
		vmb_closep(&init->ports[i]);
		init->ports[i] = -1;
	}
	init->events.fd = -1;
}

static void __attribute__((noreturn)) run(struct init *init)
{
	const bool systemd = init->system == INIT_SYSTEM_SYSTEMD;

	take_name();
	setsid();
	vmb_closep(&init->console);
	init->console = -1;
	if (systemd) {
		give_up_ports(init);
		init->agent.wanted = false;
	}
	if (init_signals_open(init) < 0)
		_exit(1);
	init->acpi = init_acpi_open();
	init_agent_start(init);
	keep(init);
	tell_end(init);
	_exit(0);
}

pid_t init_keeper_start(struct init *init)
{
	pid_t pid = fork();

	if (pid == 0)
		run(init);
	return pid;
}
