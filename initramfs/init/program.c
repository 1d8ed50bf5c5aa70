/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "start.h"

enum {
	START_MS = 30000, /* from fork to exec: the disk is read meanwhile */
};

/* 0: it runs; else what the child said of its failure. */
static int await_exec(struct init_child *child, const char *command, struct init_report *report)
{
	struct pollfd p = {.fd = child->start, .events = POLLIN};
	struct init_start_failure f;

	if (poll(&p, 1, START_MS) <= 0)
		return init_failed(report, ETIMEDOUT, "starting \"%s\"", command);
	if (init_child_started(child, &f))
		return 0;
	init_format(report->detail, sizeof(report->detail), "%s", f.words);
	return -f.err;
}

/*
 * The program writes to pipes that relays carry to the ports; where there is no port, to the console.
 * The pipe belongs to the user, who may open /dev/stdout again.
 */
static void connect_relays(struct init *init, struct init_child *child)
{
	int *const from[] = {&child->out, &child->err};

	for (int i = 0; i < 2; i++) {
		vmb_closep(&init->relays[i].from); /* of the program before it */
		init->relays[i].from = TAKE_FD(*from[i]);
		init->relays[i].to = init->ports[INIT_PORT_STDOUT + i];
	}
}

/*
 * What programs look for in /proc/1, where a container has the program itself: cron and supervisors
 * write to /proc/1/fd/1, and scripts read /proc/1/environ.
 */
static void show_in_proc(const struct init *init, const struct init_start *what, const int fds[3])
{
	const char **env;
	char *bytes, *end;
	size_t n = 0;

	/* a test's own process; or the program is PID 1 itself */
	if (init->root[0] || what->mount_proc)
		return;
	for (int i = 1; i < 3; i++)
		if (fds[i] >= 0)
			dup2(fds[i], i);
	env = init->restart.attempts ? NULL : init_start_environment(what, what->found);
	for (size_t i = 0; env && env[i]; i++)
		n += strlen(env[i]) + 1;
	bytes = end = env ? malloc(n + 1) : NULL;
	if (!bytes)
		return;
	for (size_t i = 0; env[i]; end += strlen(end) + 1, i++)
		strcpy(end, env[i]);
	free(env);
	if (prctl(PR_SET_MM, PR_SET_MM_ENV_START, bytes, 0, 0) == 0)
		prctl(PR_SET_MM, PR_SET_MM_ENV_END, end, 0, 0);
}

static int start_program(struct init *init, const struct init_start *what,
			 struct init_report *report)
{
	__attribute__((cleanup(init_child_done))) struct init_child child = INIT_CHILD_NONE;
	int fds[3], r;

	r = init_start_connect(init, what, &child, fds);
	if (r < 0)
		return init_failed(report, r, "setting up the program's output");
	connect_relays(init, &child);
	show_in_proc(init, what, fds);
	r = init_pid_enter(init);
	if (r < 0)
		init_failed(report, r, "making a PID namespace");
	if (r == 0) {
		r = init_start_fork(init, what, fds, &child);
		if (r < 0)
			init_failed(report, r, "fork");
	}
	init_start_close(fds); /* else no pipe would ever end */
	if (r == 0)
		r = await_exec(&child, what->args[0], report);
	if (r < 0)
		return r;
	init->program = child.pid;
	init->started_us = init_now_us();
	init_health_begin(init);
	report->value = child.pid;
	return 0;
}

static int open_console(const struct init *init)
{
	char path[INIT_PATH_MAX];

	return open(init_path(init, path, "/dev/console"), O_WRONLY | O_NOCTTY | O_CLOEXEC);
}

static int run_program(struct init *init, struct init_report *report)
{
	const struct vmb_guest_config *c = &init->config;
	_cleanup_close_ int console = -1;
	struct init_user user;
	struct init_start what = {
		.args = c->args,
		.env = c->env,
		.user = c->user,
		.workdir = c->workdir,
		.found = &user,
		.make_workdir = true,
		.mount_proc = c->init_mode == VMBOOT_INIT_PID1,
		.out = init->ports[INIT_PORT_STDOUT] >= 0 || init->ports[INIT_PORT_STDERR] >= 0,
		.instead = -1,
	};
	int r = init_user_find(init, c->user, &user, report);

	if (r == 0)
		r = init_seal_root(init, report);
	if (r < 0)
		return r;
	if (!init->environment)
		init->environment = init_environment(c);
	what.base = (const char *const *)init->environment;
	if (!what.base)
		return init_failed(report, ENOMEM, "making the environment");
	r = init_signals_open(init);
	if (r < 0)
		return init_failed(report, r, "taking signals");
	if (!what.out)
		what.instead = console = open_console(init);
	return start_program(init, &what, report);
}

int init_program_again(struct init *init, struct init_report *report)
{
	return run_program(init, report);
}

static int start_system(struct init *init, struct init_report *report)
{
	/* It becomes PID 1 once this is told: now is the time to say that it cannot. */
	report->value = getpid();
	if (strchr(init->config.args[0], '/') && access(init->config.args[0], X_OK) < 0)
		return init_cannot_run(report, -errno, init->config.args[0]);
	return init_machine(init, report);
}

int init_program(struct init *init, struct init_report *report)
{
	int r;

	if (!init->config.args || !init->config.args[0])
		return init_failed(report, EINVAL,
				   "no command: neither the image nor the request has one");
	r = init->config.init_mode == VMBOOT_INIT_SYSTEMD ? start_system(init, report)
							  : run_program(init, report);
	if (r == 0)
		init_trace_tell(init, report);
	return r;
}

/* The agent's way to the overlay disk, of which no mount is to be seen. */
static void link_overlay(const struct init *init, pid_t keeper)
{
	char path[INIT_PATH_MAX], to[64];

	init_format(to, sizeof(to), "/proc/%d/fd/%d", (int)keeper, init->overlay);
	if (keeper > 0 && symlink(to, init_path(init, path, INIT_OVERLAY)) < 0)
		init_debug(init, "cannot make %s", path);
}

int init_hand_over(struct init *init, struct init_report *report)
{
	char **env = init_system_environment(&init->config);
	int console, r;
	pid_t keeper;

	if (!env)
		return init_failed(report, ENOMEM, "making the environment");
	r = init_set_ulimits(init, report);
	if (r == 0)
		r = init_seal_root(init, report);
	if (r < 0)
		return r;
	r = init_late_begin(init);
	if (r < 0)
		return init_failed(report, r, "writing " INIT_LATE);
	keeper = init_keeper_start(init);
	link_overlay(init, keeper);
	console = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	for (int fd = 0; console >= 0 && fd < 3; fd++)
		dup2(console, fd);
	init_default_signals();
	r = init_exec(init->config.args, env);
	if (keeper > 0)
		kill(keeper, SIGKILL);
	return init_cannot_run(report, r, init->config.args[0]);
}
