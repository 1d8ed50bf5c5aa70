/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

enum { PIPE_SIZE = 262144 };

static const char default_path[] = "PATH=" INIT_DEFAULT_PATH;

/* ---- the environment ---- */

static bool same_key(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Replaces what has its key, or adds it. */
static void set_entry(const char **env, size_t *n, const char *entry)
{
	size_t i = 0;

	while (i < *n && !same_key(env[i], entry))
		i++;
	env[i] = entry;
	*n += i == *n;
}

static bool has_key(const char *const *env, const char *entry)
{
	for (; env && *env; env++)
		if (same_key(entry, *env))
			return true;
	return false;
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* HOME follows the user unless the request has one. */
const char **init_start_environment(const struct init_start *what, const struct init_user *user)
{
	const size_t home_size = sizeof(user->home) + 8;
	const char **env = calloc(count(what->base) + count(what->env) + 4, sizeof(*env));
	char *home = malloc(home_size);
	size_t n = 0;

	if (!env || !home) {
		free(env);
		free(home);
		return NULL;
	}
	init_format(home, home_size, "HOME=%s", user->home);
	for (size_t i = 0; what->base && what->base[i]; i++)
		set_entry(env, &n, what->base[i]);
	for (size_t i = 0; what->env && what->env[i]; i++)
		set_entry(env, &n, what->env[i]);
	if (!has_key(env, default_path))
		set_entry(env, &n, default_path);
	if (!has_key(what->env, home) &&
	    ((what->user[0] && !what->keeps_home) || !has_key(env, home)))
		set_entry(env, &n, home);
	if (what->tty && !has_key(env, "TERM="))
		set_entry(env, &n, "TERM=xterm");
	return env;
}

/* ---- in the child, step by step ---- */

struct start {
	const struct init *init;
	const struct init_start *what;
	const int *fds;
	int report;
	pid_t parent;
	struct init_user user;
};

void init_default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void init_close_from(int first)
{
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	for (int fd = first; fd < INIT_FILES; fd++)
		close(fd);
}

/* Nothing of ours is left: signals, session, umask, limits. */
static int start_afresh(struct start *s, struct init_report *report)
{
	init_default_signals();
	setsid();
	umask(022);
	init_set_limits();
	return init_set_ulimits(s->init, report);
}

static int find_user(struct start *s, struct init_report *report)
{
	if (!s->what->found)
		return init_user_find(s->init, s->what->user, &s->user, report);
	s->user = *s->what->found;
	return 0;
}

/* Programs open /dev/stdout again; without the right to, it is the user's already. */
static int give_to_user(const struct start *s, int fd)
{
	return fchown(fd, s->user.uid, s->user.gid) < 0 && errno != EPERM ? -errno : 0;
}

static int connect_stdio(const struct start *s)
{
	char path[INIT_PATH_MAX];
	int null = open(init_path(s->init, path, "/dev/null"), O_RDWR | O_CLOEXEC), r;

	if (null < 0)
		return -errno;
	for (int i = 0; i < 3; i++) {
		int fd = s->fds[i];

		if (fd >= 0 && (r = give_to_user(s, fd)) < 0)
			return r;
		if (fd < 0 && i > 0)
			fd = s->what->instead;
		if (dup2(fd < 0 ? null : fd, i) < 0)
			return -errno;
	}
	return s->what->tty && ioctl(0, TIOCSCTTY, 0) < 0 ? -errno : 0;
}

static int set_up_stdio(struct start *s, struct init_report *report)
{
	int r = connect_stdio(s);

	return r < 0 ? init_failed(report, r, "setting up files 0, 1 and 2") : 0;
}

static int mount_proc(struct start *s, struct init_report *report)
{
	int r = s->what->mount_proc ? init_pid_mount_proc(s->init) : 0;

	return r < 0 ? init_failed(report, r, "mounting /proc for a program that is PID 1") : 0;
}

/* Root makes the folder and enters it before it becomes the user. */
static int enter_folder(const struct start *s, const char *dir)
{
	char path[INIT_PATH_MAX];

	if (dir[0] != '/')
		return -EINVAL;
	if (!init_path(s->init, path, "%s", dir)[0])
		return -ENAMETOOLONG;
	if (s->what->make_workdir)
		init_make_folders(path);
	if (chdir(path) == 0)
		return 0;
	/* of a program that can rely on it, ENOENT would be understood as a missing command */
	return s->what->make_workdir && errno == ENOENT ? -ENOTDIR : -errno;
}

static int enter_workdir(struct start *s, struct init_report *report)
{
	const char *dir = s->what->workdir[0] ? s->what->workdir : "/";
	int r = enter_folder(s, dir);

	return r < 0 ? init_failed(report, r, "entering the working folder \"%s\"", dir) : 0;
}

static int become_user(struct start *s, struct init_report *report)
{
	int r = s->init->ops->become(&s->user);

	return r < 0 ? init_failed(report, r, "becoming the user \"%s\"", s->what->user) : 0;
}

/* Becoming another user forgets it. A parent that is gone by now would never end it. */
static int end_with_parent(struct start *s, struct init_report *report)
{
	(void)report;
	if (!s->what->ends_with_us)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return getppid() != s->parent ? -ECHILD : 0;
}

static int execute(struct start *s, struct init_report *report)
{
	const char *const *args = s->what->args;
	const char **env = init_start_environment(s->what, &s->user);
	int r;

	if (!env)
		return init_failed(report, ENOMEM, "making the environment");
	if (s->what->built_in)
		s->what->built_in(args);
	r = init_exec(args, (char *const *)(uintptr_t)env);
	return init_cannot_run(report, r, args[0]);
}

/* In this order: what only root may do comes before the user. */
static int (*const steps[])(struct start *s, struct init_report *report) = {
	start_afresh,  find_user,   set_up_stdio,    mount_proc,
	enter_workdir, become_user, end_with_parent, execute,
};

static void __attribute__((noreturn)) become_program(struct start *s)
{
	struct init_start_failure f = {0};
	struct init_report report = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](s, &report);
	f.err = -r;
	memcpy(f.words, report.detail, sizeof(f.words));
	_exit(write(s->report, &f, sizeof(f)) == sizeof(f) ? 127 : 126);
}

/* ---- in the process that starts it ---- */

/* ours: which end is. It alone does not block. The fewer and larger the pieces, the fewer are the
 * turns of two processes; a size that the kernel does not grant is left as it is. */
static int make_pipe(int ours, int size, int *ret_ours, int *ret_theirs)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	fcntl(p[ours], F_SETFL, O_NONBLOCK);
	if (size)
		fcntl(p[ours], F_SETPIPE_SZ, size);
	*ret_ours = p[ours];
	*ret_theirs = p[!ours];
	return 0;
}

static int make_tty(const struct init *init, const struct init_start *what,
		    struct init_child *child, int *ret_slave)
{
	const struct winsize size = {.ws_row = (unsigned short)what->rows,
				     .ws_col = (unsigned short)what->columns};
	const int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
	char path[INIT_PATH_MAX];
	int unlock = 0;

	child->out = open(init_path(init, path, "/dev/ptmx"), flags | O_NONBLOCK);
	if (child->out < 0 && init->root[0]) /* a test's folder has no devices */
		child->out = open("/dev/ptmx", flags | O_NONBLOCK);
	if (child->out < 0 || ioctl(child->out, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	child->in = fcntl(child->out, F_DUPFD_CLOEXEC, 0);
	*ret_slave = ioctl(child->out, TIOCGPTPEER, flags);
	if (child->in < 0 || *ret_slave < 0)
		return -errno;
	if (what->rows && what->columns)
		ioctl(child->out, TIOCSWINSZ, &size);
	return 0;
}

static int connect_fds(const struct init *init, const struct init_start *what,
		       struct init_child *child, int fds[3])
{
	int r = 0;

	if (what->tty) {
		r = make_tty(init, what, child, &fds[0]);
		fds[1] = fds[2] = fds[0];
		return r;
	}
	if (what->in)
		r = make_pipe(1, PIPE_SIZE, &child->in, &fds[0]);
	if (r == 0 && what->out)
		r = make_pipe(0, PIPE_SIZE, &child->out, &fds[1]);
	if (r == 0 && what->out)
		r = make_pipe(0, 0, &child->err, &fds[2]);
	return r;
}

int init_start_connect(const struct init *init, const struct init_start *what,
		       struct init_child *child, int fds[3])
{
	int r;

	*child = INIT_CHILD_NONE;
	fds[0] = fds[1] = fds[2] = -1;
	r = connect_fds(init, what, child, fds);
	if (r < 0) {
		init_child_done(child);
		init_start_close(fds);
	}
	return r;
}

void init_start_close(int fds[3])
{
	bool one = fds[0] == fds[1]; /* a terminal */

	for (int i = 0; i < (one ? 1 : 3); i++)
		vmb_closep(&fds[i]);
	fds[0] = fds[1] = fds[2] = -1;
}

int init_start_fork(const struct init *init, const struct init_start *what, const int fds[3],
		    struct init_child *child)
{
	struct start s = {.init = init, .what = what, .fds = fds, .report = -1, .parent = getpid()};
	int r = make_pipe(0, 0, &child->start, &s.report);

	if (r < 0)
		return r;
	child->pid = fork();
	r = child->pid < 0 ? -errno : 0;
	if (child->pid == 0)
		become_program(&s);
	close(s.report);
	return r;
}

int init_start(const struct init *init, const struct init_start *what, struct init_child *ret)
{
	int fds[3], r;

	r = init_start_connect(init, what, ret, fds);
	if (r < 0)
		return r;
	r = init_start_fork(init, what, fds, ret);
	init_start_close(fds);
	if (r < 0)
		init_child_done(ret);
	return r;
}

bool init_child_started(struct init_child *child, struct init_start_failure *ret)
{
	ssize_t n = read(child->start, ret, sizeof(*ret));

	close(child->start);
	child->start = -1;
	if (n == 0)
		return true;
	if (n != sizeof(*ret))
		*ret = (struct init_start_failure){.err = EPROTO, .words = "starting it"};
	ret->words[sizeof(ret->words) - 1] = '\0';
	return false;
}

void init_child_done(struct init_child *child)
{
	int *const fds[] = {&child->start, &child->in, &child->out, &child->err};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		vmb_closep(fds[i]);
		*fds[i] = -1;
	}
}
