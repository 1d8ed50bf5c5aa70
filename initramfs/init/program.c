/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "init.h"

enum {
	START_MS = 30000, /* from fork to exec: the disk is read meanwhile */
};

/* What the child does before exec, and tells if it fails. */
enum step { STEP_PROC, STEP_STDIO, STEP_WORKDIR, STEP_USER, STEP_EXEC };

struct failure {
	int step, err;
};

struct start {
	struct init *init;
	struct init_user user;
	char **env;
	int output[2]; /* the program's stdout and stderr */
	int tell;      /* pipe to the parent, closed by exec */
};

/* ---- in the child ---- */

static int use_stdio(const struct start *s)
{
	char path[INIT_PATH_MAX];
	int null = open(init_path(s->init, path, "/dev/null"), O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(s->output[0] < 0 ? null : s->output[0], 1) < 0 ||
	    dup2(s->output[1] < 0 ? null : s->output[1], 2) < 0)
		return -errno;
	return 0;
}

/* As container runtimes do: root makes it, and enters it before it becomes the user. */
static int enter_workdir(const struct start *s)
{
	const char *dir = s->init->config.workdir[0] ? s->init->config.workdir : "/";
	char path[INIT_PATH_MAX];

	if (dir[0] != '/')
		return -EINVAL;
	if (!init_path(s->init, path, "%s", dir)[0])
		return -ENAMETOOLONG;
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	mkdir(path, 0755);
	if (chdir(path) == 0)
		return 0;
	/* ENOENT would be understood as a missing command */
	return errno == ENOENT ? -ENOTDIR : -errno;
}

/* What is caught, exec gives back; and the kernel starts its init with nothing ignored. */
static void default_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static struct failure try_to_start(const struct start *s)
{
	struct failure f = {STEP_STDIO, use_stdio(s)};

	default_signals();
	setsid();
	umask(022);
	init_set_limits();
	if (f.err == 0)
		f = (struct failure){STEP_PROC, init_pid_mount_proc(s->init)};
	if (f.err == 0)
		f = (struct failure){STEP_WORKDIR, enter_workdir(s)};
	if (f.err == 0)
		f = (struct failure){STEP_USER, s->init->ops->become(&s->user)};
	if (f.err == 0)
		f = (struct failure){STEP_EXEC, init_exec(s->init->config.args, s->env)};
	return f;
}

static void __attribute__((noreturn)) child(const struct start *s)
{
	struct failure f = try_to_start(s);

	_exit(write(s->tell, &f, sizeof(f)) == sizeof(f) ? 127 : 126);
}

/* ---- in PID 1 ---- */

static int explain(const struct init *init, struct failure f, struct init_report *report)
{
	const struct vmb_guest_config *c = &init->config;
	const char *command = c->args[0];

	switch (f.step) {
	case STEP_PROC:
		return init_failed(report, f.err, "mounting /proc for a program that is PID 1");
	case STEP_STDIO:
		return init_failed(report, f.err, "setting up the program's files 0, 1 and 2");
	case STEP_WORKDIR:
		return init_failed(report, f.err, "entering the working folder \"%s\"", c->workdir);
	case STEP_USER:
		return init_failed(report, f.err, "becoming the user \"%s\"", c->user);
	default:
		if (f.err == -ENOENT && strchr(command, '/') && access(command, F_OK) == 0)
			return init_failed(report, f.err, "the interpreter of \"%s\" is missing",
					   command);
		return init_failed(report, f.err, "cannot run \"%s\"", command);
	}
}

/* 0: exec closed the pipe; else what the child told. */
static int await_exec(const struct init *init, int fd, struct init_report *report)
{
	struct vmb_deadline until = vmb_deadline_in(START_MS);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct failure f;
	ssize_t n;

	if (poll(&p, 1, vmb_deadline_poll(until, -1)) <= 0)
		return init_failed(report, ETIMEDOUT, "starting \"%s\"", init->config.args[0]);
	n = read(fd, &f, sizeof(f));
	if (n == 0)
		return 0;
	if (n != sizeof(f))
		return init_failed(report, EPROTO, "starting \"%s\"", init->config.args[0]);
	return explain(init, f, report);
}

/*
 * A pipe to a relay where there is a port, else the console. The pipe belongs to the user, who may
 * open /dev/stdout again.
 */
static int open_output(struct start *s, int i)
{
	struct init *init = s->init;
	struct init_relay *relay = &init->relays[i];
	char path[INIT_PATH_MAX];
	int p[2];

	relay->to = init->ports[INIT_PORT_STDOUT + i];
	if (relay->to < 0) {
		init_path(init, path, "/dev/console");
		s->output[i] = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
		return 0;
	}
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	relay->from = p[0];
	s->output[i] = p[1];
	if (fcntl(p[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	/* without the right to, it is the user's already: tests */
	if (fchown(p[1], s->user.uid, s->user.gid) < 0 && errno != EPERM)
		return -errno;
	return 0;
}

/*
 * What programs look for in /proc/1, where a container has the program itself: cron and supervisors
 * write to /proc/1/fd/1, and scripts read /proc/1/environ.
 */
static void show_in_proc(const struct start *s)
{
	char *bytes, *end;
	size_t n = 0;

	/* a test's own process; or the program is PID 1 itself */
	if (s->init->root[0] || s->init->config.init_mode == VMBOOT_INIT_PID1)
		return;
	for (int i = 0; i < 2; i++)
		if (s->output[i] >= 0)
			dup2(s->output[i], i + 1);
	for (size_t i = 0; s->env[i]; i++)
		n += strlen(s->env[i]) + 1;
	bytes = end = malloc(n + 1);
	if (!bytes)
		return;
	for (size_t i = 0; s->env[i]; end += strlen(end) + 1, i++)
		strcpy(end, s->env[i]);
	if (prctl(PR_SET_MM, PR_SET_MM_ENV_START, bytes, 0, 0) == 0)
		prctl(PR_SET_MM, PR_SET_MM_ENV_END, end, 0, 0);
}

static void start_done(struct start *s)
{
	vmb_closep(&s->output[0]);
	vmb_closep(&s->output[1]);
	vmb_closep(&s->tell);
}

static int run(struct start *s, struct init_report *report)
{
	struct init *init = s->init;
	_cleanup_close_ int told = -1;
	int p[2], r;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return init_failed(report, errno, "making a pipe");
	told = p[0];
	s->tell = p[1];
	r = init_pid_enter(init);
	if (r < 0)
		return init_failed(report, r, "making a PID namespace");
	pid = fork();
	if (pid == 0)
		child(s);
	if (pid < 0)
		return init_failed(report, errno, "fork");
	start_done(s); /* the child's ends: else no pipe would ever end */
	s->output[0] = s->output[1] = s->tell = -1;
	r = await_exec(init, told, report);
	if (r < 0)
		return r;
	init->program = pid;
	report->value = pid;
	return 0;
}

static int run_program(struct init *init, struct init_report *report)
{
	__attribute__((cleanup(start_done))) struct start s = {.init = init,
							       .output = {-1, -1},
							       .tell = -1};
	int r = init_user_find(init, init->config.user, &s.user, report);

	if (r < 0)
		return r;
	s.env = init_environment(&init->config, s.user.home);
	if (!s.env)
		return init_failed(report, ENOMEM, "making the environment");
	r = init_signals_open(init);
	for (int i = 0; r == 0 && i < 2; i++)
		r = open_output(&s, i);
	if (r < 0)
		return init_failed(report, r, "setting up the program's output");
	show_in_proc(&s);
	return run(&s, report);
}

static int start_system(struct init *init, struct init_report *report)
{
	/* It becomes PID 1 once this is told: now is the time to say that it cannot. */
	report->value = getpid();
	if (strchr(init->config.args[0], '/') && access(init->config.args[0], X_OK) < 0)
		return explain(init, (struct failure){STEP_EXEC, -errno}, report);
	return init_machine(init, report);
}

int init_program(struct init *init, struct init_report *report)
{
	int r;

	if (!init->config.args[0])
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
	r = init_late_begin(init);
	if (r < 0)
		return init_failed(report, r, "writing " INIT_LATE);
	keeper = init_keeper_start(init);
	link_overlay(init, keeper);
	console = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	for (int fd = 0; console >= 0 && fd < 3; fd++)
		dup2(console, fd);
	default_signals();
	r = init_exec(init->config.args, env);
	if (keeper > 0)
		kill(keeper, SIGKILL);
	return explain(init, (struct failure){STEP_EXEC, r}, report);
}
