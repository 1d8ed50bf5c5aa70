/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "agent.h"
#include "init.h"

/*
 * The agent is this program once more, in a process of its own that it gets after the image's
 * program has started. It runs from the initramfs' memory: nothing of ours is in the image. With
 * systemd as PID 1 it is a unit, see units.c; with another init system, the keeper's child.
 */

enum { RESTARTS_SECONDS = 60 };

int init_agent(struct init *init, struct init_report *report)
{
	const char *what = NULL;

	if (init->config.skip_guest_agent)
		what = "skipping guest agent";
	else if (init->config.guest_agent == VMBOOT_AGENT_IMAGE)
		what = "the image brings its own agent";
	if (what) {
		init_log(init, "%s", what);
		init_format(report->detail, sizeof(report->detail), "%s", what);
		return 0;
	}
	/* before the program can do something to /proc */
	init->agent.self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (init->agent.self < 0)
		return init_failed(report, errno, "opening /proc/self/exe");
	init->agent.wanted = true;
	return INIT_LATER;
}

/* ---- what the agent must know of the program ---- */

static void add_record(char *text, size_t *n, const char *key, const char *value)
{
	const size_t size = strlen(key) + strlen(value) + 2;

	if (text)
		init_format(text + *n, size, "%s=%s", key, value);
	*n += size;
}

static size_t add_records(const struct vmb_guest_config *c, char *text)
{
	size_t n = 0;

	add_record(text, &n, "user", c->user ? c->user : "");
	add_record(text, &n, "workdir", c->workdir ? c->workdir : "");
	for (const char *const *limit = c->ulimit; limit && *limit; limit++)
		add_record(text, &n, "ulimit", *limit);
	return n;
}

char *init_agent_defaults(const struct vmb_guest_config *config, size_t *ret_n)
{
	char *text = malloc(add_records(config, NULL));

	if (text)
		*ret_n = add_records(config, text);
	return text;
}

/* ---- in the child ---- */

static void keep(int fd, char text[16])
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
	init_format(text, 16, "%d", fd);
}

static void __attribute__((noreturn)) become_agent(const struct init *init, int control)
{
	char name[] = AGENT_NAME, control_text[16], overlay_text[16];
	char **env = init_environment(&init->config), **argv;
	size_t n = 0, n_records = 0;
	char *records = init_agent_defaults(&init->config, &n);

	for (size_t i = 0; i < n; i++)
		n_records += records[i] == '\0';
	argv = calloc(n_records + 4, sizeof(*argv));
	if (!argv)
		_exit(127);
	argv[0] = name;
	argv[1] = control_text;
	argv[2] = overlay_text;
	for (size_t i = 3, at = 0; at < n; at += strlen(records + at) + 1)
		argv[i++] = records + at;

	keep(control, control_text);
	keep(init->overlay, overlay_text);
	setsid();
	dup2(0, 1); /* ours are the program's */
	dup2(0, 2);
	if (env)
		syscall(SYS_execveat, init->agent.self, "", argv, env, AT_EMPTY_PATH);
	_exit(127);
}

/* ---- in PID 1 ---- */

void init_agent_start(struct init *init)
{
	struct init_agent *agent = &init->agent;
	int pair[2];

	if (!agent->wanted)
		return;
	agent->start_us = init_now_us();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		init_log(init, "cannot start the agent: %s", "no socket");
		return;
	}
	agent->pid = fork();
	if (agent->pid < 0 && init->pid_ns >= 0) { /* the program, its PID 1, has ended */
		init_pid_leave(init);
		agent->pid = fork();
	}
	if (agent->pid == 0)
		become_agent(init, pair[1]);
	close(pair[1]);
	agent->control = pair[0];
	if (agent->pid < 0) {
		init_log(init, "cannot start the agent: %s", "no process");
		vmb_closep(&agent->control);
		agent->control = -1;
	}
}

static void answers(struct init *init)
{
	const struct init_report report = {.value = init->agent.pid};

	if (!init->agent.told)
		init_tell(init, VMBOOT_PHASE_AGENT, init->agent.start_us, 0, &report);
	init->agent.told = true;
}

void init_agent_hear(struct init *init)
{
	char what;

	while (recv(init->agent.control, &what, 1, MSG_DONTWAIT) == 1) {
		if (what == AGENT_SAYS_READY)
			answers(init);
		if (what == AGENT_SAYS_POWER_OFF)
			init_stop(init, RB_POWER_OFF, "the agent was asked to power off");
		if (what == AGENT_SAYS_REBOOT)
			init_stop(init, RB_AUTOBOOT, "the agent was asked to reboot");
		if (what == AGENT_SAYS_HALT)
			init_stop(init, RB_HALT_SYSTEM, "the agent was asked to halt");
	}
}

static void give_up(struct init *init)
{
	struct vmb_event note = {
		.kind = VMB_EVENT_PHASE, /* notes are not in the ledger */
		.phase = VMBOOT_PHASE_AGENT,
		.start_us = init->agent.start_us,
		.end_us = init_now_us(),
		.detail = VMB_AGENT_GIVEN_UP,
	};

	init->agent.wanted = false;
	init_log(init, "%s", note.detail);
	init_event_push(&init->events, &note);
	init_event_flush(&init->events, 0);
	init->ops->agent_gone(init);
}

/* Who reaps it calls this. It is started again, unless this was so too often within a minute. */
void init_agent_ended(struct init *init)
{
	struct init_agent *agent = &init->agent;
	int64_t now = vmb_monotonic_us();
	int64_t *oldest = &agent->ends[agent->n_ends % INIT_AGENT_RESTARTS];

	init_agent_hear(init); /* its last words */
	vmb_closep(&agent->control);
	agent->control = -1;
	agent->pid = 0;
	init_thaw(init); /* nobody else would */
	if (!agent->wanted)
		return;
	if (agent->n_ends >= INIT_AGENT_RESTARTS &&
	    now - *oldest < (int64_t)RESTARTS_SECONDS * 1000000) {
		give_up(init);
		return;
	}
	*oldest = now;
	agent->n_ends++;
	init_log(init, "the agent ended: starting it again");
	init_agent_start(init);
}
