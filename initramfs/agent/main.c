/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "loop.h"

enum {
	LAST_WORDS_MS = 300, /* for the ends of programs to reach the host */
};

extern char **environ;

/* ---- what happens ---- */

static void reap(struct agent *agent)
{
	siginfo_t si;

	for (;;) {
		uint32_t status;

		si.si_pid = 0;
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
			return;
		status = (uint32_t)(si.si_code == CLD_EXITED ? si.si_status : 256 + si.si_status);
		if (!agent_streams_reap(&agent->streams, si.si_pid, status))
			agent_qga_reap(&agent->qga, si.si_pid, status);
	}
}

static void take_signals(struct agent *agent)
{
	struct signalfd_siginfo si;

	while (read(agent->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(agent);
		/* PID 1 ends all that runs. What runs here is told too, and we go when it has. */
		if (si.ssi_signo == SIGTERM && (pid_t)si.ssi_pid == getppid()) {
			agent->ending = true;
			agent->until = vmb_deadline_in(agent->unit ? AGENT_UNIT_END_MS : -1);
			if (agent->unit) {
				agent_streams_kill(&agent->streams, SIGTERM);
				agent_streams_kill(&agent->streams, SIGHUP);
			}
		}
	}
}

/* Ports can come late, or while the guest runs; each change of one is a kernel event. */
static void look_for_ports(struct agent *agent)
{
	agent_streams_look(&agent->streams);
	agent_port_open(&agent->qga.port, agent->init);
	if (agent->qga.port.fd >= 0 && !agent->ready) {
		agent->ready = true;
		if (agent->unit)
			agent_unit_tell(agent, agent->start_us);
		qga_say(&agent->qga, AGENT_SAYS_READY);
	}
}

/* ---- the loop ---- */

static void step(struct agent *agent)
{
	struct agent_polls *polls = &agent->polls;
	int signals, uevents, control, wait_ms, n;

	polls->n = 0;
	signals = agent_poll_add(polls, agent->signals, POLLIN);
	uevents = agent_poll_add(polls, agent->uevents, POLLIN);
	control = agent_poll_add(polls, agent->control, POLLIN);
	agent_streams_poll(&agent->streams, polls);
	agent_qga_poll(&agent->qga, polls);
	wait_ms = vmb_deadline_poll(agent->until, agent_streams_wait_ms(&agent->streams));
	if (agent->clock.on)
		wait_ms = vmb_deadline_poll(agent->clock.next, wait_ms);
	n = poll(polls->p, polls->n, wait_ms);
	if (n < 0 && errno != EINTR)
		return;
	agent_clock_serve(&agent->clock, agent->init, n != 0);
	if (agent_poll_hit(polls, control))
		agent->ending = true; /* PID 1 says nothing: it has gone */
	if (agent_poll_hit(polls, signals))
		take_signals(agent);
	if (agent_poll_hit(polls, uevents) && init_uevent_names(agent->uevents, "/virtio-ports/"))
		look_for_ports(agent);
	agent_streams_serve(&agent->streams, polls);
	agent_qga_serve(&agent->qga, polls);
}

/* True when nothing runs any more, and what there was to say is said. */
static bool ended(struct agent *agent)
{
	siginfo_t si;

	if (!agent->ending)
		return false;
	if (vmb_deadline_passed(agent->until))
		return true;
	if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD)
		return false;
	if (agent->until.at_us == INT64_MAX)
		agent->until = vmb_deadline_in(LAST_WORDS_MS);
	return !agent_streams_busy(&agent->streams);
}

int agent_setup(struct agent *agent, struct init *init, const char *const *env)
{
	struct rlimit files;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < INIT_FILES) {
		files.rlim_cur = files.rlim_max < INIT_FILES ? files.rlim_max : INIT_FILES;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	agent->init = init;
	agent->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	agent->uevents = init_uevent_open();
	agent->until = vmb_deadline_in(-1);
	if (agent->signals < 0)
		return -errno;
	agent_qga_init(&agent->qga, init, env, agent->control);
	agent_streams_init(&agent->streams, init, env);
	return 0;
}

void agent_run(struct agent *agent)
{
	look_for_ports(agent);
	while (!ended(agent))
		step(agent);
	agent_streams_done(&agent->streams);
	agent_qga_done(&agent->qga);
	vmb_closep(&agent->signals);
	vmb_closep(&agent->uevents);
}

static int fd_arg(const char *text)
{
	int fd = 0;

	if (*text == '-')
		return -1;
	while (*text >= '0' && *text <= '9' && fd < INIT_FILES)
		fd = fd * 10 + (*text++ - '0');
	return fd;
}

static const char *value_of(const char *record, const char *key)
{
	size_t n = strlen(key);

	return strncmp(record, key, n) == 0 ? record + n : NULL;
}

int agent_take_defaults(struct init *init, size_t n, char **records)
{
	struct vmb_guest_config *c = &init->config;
	const char **limits = calloc(n + 1, sizeof(*limits));

	c->user = c->workdir = "";
	if (!limits)
		return -ENOMEM;
	c->ulimit = limits;
	for (size_t i = 0; i < n; i++) {
		const char *user = value_of(records[i], "user=");
		const char *workdir = value_of(records[i], "workdir=");
		const char *limit = value_of(records[i], "ulimit=");

		c->user = user ? user : c->user;
		c->workdir = workdir ? workdir : c->workdir;
		if (limit)
			*limits++ = limit;
	}
	return 0;
}

int agent_main(struct init *init, int argc, char **argv)
{
	const char *const *env = (const char *const *)environ;
	static struct agent agent;

	agent.init = init;
	agent.start_us = init_now_us();
	if (argc == 2 && strcmp(argv[1], "unit") == 0) {
		env = agent_unit_begin(&agent);
	} else {
		agent.control = argc > 1 ? fd_arg(argv[1]) : -1;
		init->overlay = argc > 2 ? fd_arg(argv[2]) : -1;
		if (argc > 3 && agent_take_defaults(init, (size_t)argc - 3, argv + 3) < 0)
			return 1;
	}
	if (agent_setup(&agent, init, env) < 0)
		return 1;
	agent_clock_init(&agent.clock, init);
	agent_run(&agent);
	return 0;
}
