/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

enum { PIPE_SIZE = 262144 };

static const char *const default_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};

static const struct {
	const char *name;
	int (*run)(const char *path, int fd);
	int fd;
} built_in[] = {{VMB_TAR_OUT, agent_tar_out, 1}, {VMB_TAR_IN, agent_tar_in, 0}};

/* ---- in the child ---- */

struct plan {
	const struct init *init;
	const struct agent_spawn *what;
	int fds[3]; /* to be 0, 1 and 2; -1: /dev/null */
	int tell;
	pid_t agent; /* whose child this is */
};

void agent_default_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void agent_close_from(int first)
{
	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	for (int fd = first; fd < AGENT_FILES; fd++)
		close(fd);
}

static bool same_key(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

/* Replaces what has its key, or adds it. */
static void put(const char **env, size_t *n, const char *entry)
{
	size_t i = 0;

	while (i < *n && !same_key(env[i], entry))
		i++;
	env[i] = entry;
	*n += i == *n;
}

static bool has(const char *const *env, const char *entry)
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

/* The child never frees it. HOME follows the user unless the request has one. */
static const char **environment(const struct agent_spawn *what, const struct init_user *user)
{
	static char home[sizeof(user->home) + 8];
	const char **env = calloc(count(what->base) + count(what->env) + 4, sizeof(*env));
	size_t n = 0;

	init_format(home, sizeof(home), "HOME=%s", user->home);
	for (size_t i = 0; env && what->base && what->base[i]; i++)
		put(env, &n, what->base[i]);
	for (size_t i = 0; env && what->env && what->env[i]; i++)
		put(env, &n, what->env[i]);
	if (!env)
		return NULL;
	if (!has(env, default_env[0]))
		put(env, &n, default_env[0]);
	if (!has(what->env, home) && (what->user[0] || !has(env, home)))
		put(env, &n, home);
	if (what->tty && !has(env, "TERM="))
		put(env, &n, "TERM=xterm");
	return env;
}

static int use_stdio(const struct plan *plan, const struct init_user *user)
{
	char path[INIT_PATH_MAX];
	int null = open(init_path(plan->init, path, "/dev/null"), O_RDWR | O_CLOEXEC);

	/* what we use must not be closed by what it becomes */
	for (int i = 0; i < 3; i++) {
		int fd = plan->fds[i] < 0 ? null : plan->fds[i];

		if (fd < 0 || (fd == null && null < 0))
			return -errno;
		/* programs open /dev/stdout again; without the right to, it is the user's already */
		if (fd != null && fchown(fd, user->uid, user->gid) < 0 && errno != EPERM)
			return -errno;
		if (dup2(fd, i) < 0)
			return -errno;
	}
	return plan->what->tty && ioctl(0, TIOCSCTTY, 0) < 0 ? -errno : 0;
}

static int enter(const struct plan *plan)
{
	const char *dir = plan->what->workdir[0] ? plan->what->workdir : "/";
	char path[INIT_PATH_MAX];

	if (!init_path(plan->init, path, "%s", dir)[0])
		return -ENAMETOOLONG;
	return chdir(path) < 0 ? -errno : 0;
}

static void run_built_in(const struct plan *plan)
{
	const char *const *args = plan->what->args;

	for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
		if (strcmp(args[0], built_in[i].name) == 0 && args[1] && !args[2]) {
			agent_close_from(3);
			_exit(built_in[i].run(args[1], built_in[i].fd));
		}
}

static int become(const struct plan *plan, struct init_report *report)
{
	const struct agent_spawn *what = plan->what;
	struct init_user user;
	const char **env;
	int r;

	agent_default_signals();
	setsid();
	umask(022);
	init_set_limits();
	r = init_user_find(plan->init, what->user, &user, report);
	if (r < 0)
		return r;
	r = use_stdio(plan, &user);
	if (r < 0)
		return init_failed(report, r, "setting up files 0, 1 and 2");
	r = enter(plan);
	if (r < 0)
		return init_failed(report, r, "entering the working folder \"%s\"", what->workdir);
	r = plan->init->ops->become(&user);
	if (r < 0)
		return init_failed(report, r, "becoming the user \"%s\"", what->user);
	/* an agent that ends takes its programs along: nobody could know of them */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != plan->agent)
		return -ECHILD;
	env = environment(what, &user);
	if (!env)
		return init_failed(report, ENOMEM, "making the environment");
	run_built_in(plan);
	r = init_exec(what->args, (char *const *)(uintptr_t)env);
	if (r == -ENOENT && strchr(what->args[0], '/') && access(what->args[0], F_OK) == 0)
		return init_failed(report, r, "the interpreter of \"%s\" is missing",
				   what->args[0]);
	return init_failed(report, r, "cannot run \"%s\"", what->args[0]);
}

static void __attribute__((noreturn)) child(const struct plan *plan)
{
	struct agent_failure f = {0};
	struct init_report report = {0};

	f.err = -become(plan, &report);
	memcpy(f.words, report.detail, sizeof(f.words));
	_exit(write(plan->tell, &f, sizeof(f)) == sizeof(f) ? 127 : 126);
}

/* ---- in the agent ---- */

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

static int make_tty(const struct init *init, const struct agent_spawn *what,
		    struct agent_child *child, int *ret_slave)
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

static int connect_fds(const struct init *init, const struct agent_spawn *what,
		       struct agent_child *child, int fds[3])
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

void agent_child_done(struct agent_child *child)
{
	int *const fds[] = {&child->tell, &child->in, &child->out, &child->err};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		vmb_closep(fds[i]);
		*fds[i] = -1;
	}
}

int agent_spawn(const struct init *init, const struct agent_spawn *what, struct agent_child *ret)
{
	struct plan plan = {
		.init = init, .what = what, .fds = {-1, -1, -1}, .tell = -1, .agent = getpid()};
	int r;

	*ret = (struct agent_child){.tell = -1, .in = -1, .out = -1, .err = -1};
	r = connect_fds(init, what, ret, plan.fds);
	if (r == 0)
		r = make_pipe(0, 0, &ret->tell, &plan.tell);
	if (r == 0) {
		ret->pid = fork();
		r = ret->pid < 0 ? -errno : 0;
	}
	if (r == 0 && ret->pid == 0)
		child(&plan);
	for (int i = 0; i < (what->tty ? 1 : 3); i++)
		vmb_closep(&plan.fds[i]);
	vmb_closep(&plan.tell);
	if (r < 0)
		agent_child_done(ret);
	return r;
}

bool agent_child_started(struct agent_child *child, struct agent_failure *ret)
{
	ssize_t n = read(child->tell, ret, sizeof(*ret));

	close(child->tell);
	child->tell = -1;
	if (n == 0)
		return true;
	if (n != sizeof(*ret))
		*ret = (struct agent_failure){.err = EPROTO, .words = "starting it"};
	ret->words[sizeof(ret->words) - 1] = '\0';
	return false;
}

/* Before it has made its group, it is in ours. */
void agent_kill(pid_t pid, int sig)
{
	if (pid > 0 && kill(-pid, sig) < 0)
		kill(pid, sig);
}
