/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/process.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limit.h"

enum {
	TOOL_MS = 60 * 60 * 1000, /* a tool that does nothing for so long hangs */
	OUTPUT_MAX = 1 << 20,
};

extern char **environ;

static const char *const sbin_folders[] = {"/usr/local/sbin", "/usr/sbin", "/sbin"};

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *tool_in(const char *folder, size_t n, const char *name)
{
	_cleanup_free_ char *path = NULL;

	if (vmb_asprintf(&path, "%.*s/%s", (int)n, folder, name) < 0)
		return NULL;
	return is_program(path) ? TAKE_PTR(path) : NULL;
}

char *vmb_find_tool(const char *name)
{
	const char *path = getenv("PATH");
	char *found = NULL;

	if (strchr(name, '/'))
		return is_program(name) ? strdup(name) : NULL;
	while (path && *path && !found) {
		size_t n = strcspn(path, ":");

		if (n > 0)
			found = tool_in(path, n, name);
		path += n + (path[n] == ':');
	}
	for (size_t i = 0; i < ARRAY_SIZE(sbin_folders) && !found; i++)
		found = tool_in(sbin_folders[i], strlen(sbin_folders[i]), name);
	return found;
}

int vmb_find_installed(const char *name, const char *what, int mode, char **ret)
{
	const char *folder = secure_getenv("VMBOOT_GUEST_DIR");
	_cleanup_free_ char *path = NULL;
	int r;

	if (!folder || !*folder)
		folder = VMB_GUEST_DIR;
	r = vmb_asprintf(&path, "%s/%s", folder, name);
	if (r < 0)
		return r;
	if (access(path, mode) < 0)
		return vmb_error(
			VMBOOT_EHOST,
			"cannot %s %s %s; install libvmboot, or name the folder that has it "
			"in $VMBOOT_GUEST_DIR",
			mode & X_OK ? "run" : "read", what, path);
	*ret = TAKE_PTR(path);
	return 0;
}

/* The caller's environment with LC_ALL=C, so that messages do not depend on who calls. */
static int c_environ(char ***ret)
{
	_cleanup_list_ char **env = NULL;
	int r = vmb_list_add(&env, "LC_ALL=C");

	for (char **e = environ; e && *e && r == 0; e++)
		if (!vmb_skip_prefix(*e, "LC_ALL="))
			r = vmb_list_add(&env, *e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(env);
	return 0;
}

static int spawn(struct vmb_process *p, const char *path, const char *const *argv, int in, int out)
{
	_cleanup_list_ char **env = NULL;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int r;

	r = c_environ(&env);
	if (r < 0)
		return r;
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&actions);
	if (in >= 0)
		posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, p->stderr_fd, STDERR_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
	r = posix_spawn(&p->pid, path, &actions, &attr, (char **)argv, env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (r != 0) {
		p->pid = -1;
		return vmb_errno(r, "cannot start %s", path);
	}
	return 0;
}

/*
 * Moves a descriptor above the standard ones: a caller may have closed those, and what lay there
 * would be overwritten in the tool before it is used.
 */
static int lift(int *fd)
{
	int lifted;

	if (*fd > STDERR_FILENO)
		return 0;
	lifted = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (lifted < 0)
		return vmb_errno(errno, "cannot move a descriptor");
	close(*fd);
	*fd = lifted;
	return 0;
}

static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return vmb_errno(errno, "cannot make a pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	r = lift(ret_read);
	return r < 0 ? r : lift(ret_write);
}

/* From here the caller feeds the tool, and it may die meanwhile; see base/sigpipe.h. */
static void guard(struct vmb_process *p)
{
	p->sigpipe = vmb_sigpipe_block();
	p->guarded = true;
}

static void unguard(struct vmb_process *p)
{
	if (p->guarded)
		vmb_sigpipe_restore(&p->sigpipe);
	p->guarded = false;
}

int vmb_process_start(struct vmb_process *p, const char *const *argv, int pipes)
{
	_cleanup_close_ int in = -1, out = -1;
	_cleanup_free_ char *path = NULL;
	int r = 0;

	*p = (struct vmb_process)VMB_PROCESS_INIT;
	p->tool = argv[0];
	path = vmb_find_tool(argv[0]);
	if (!path)
		return vmb_error(VMBOOT_EHOST, "the tool %s is not installed; see `vmboot doctor`",
				 argv[0]);
	p->stderr_fd = memfd_create("vmboot-stderr", MFD_CLOEXEC);
	if (p->stderr_fd < 0)
		return vmb_errno(errno, "cannot keep what %s says", argv[0]);
	r = lift(&p->stderr_fd);
	if (r == 0 && (pipes & VMB_PIPE_STDIN))
		guard(p);
	if (r == 0 && (pipes & VMB_PIPE_STDIN))
		r = make_pipe(&in, &p->stdin_fd);
	if (r == 0 && (pipes & VMB_PIPE_STDOUT))
		r = make_pipe(&p->stdout_fd, &out);
	if (r == 0)
		r = spawn(p, path, argv, in, out);
	if (r < 0)
		vmb_process_done(p);
	return r;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void kill_process(struct vmb_process *p)
{
	if (p->pid <= 0)
		return;
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
	p->pid = -1;
}

/* The end of what it said, whole lines where it can be, in one line. */
static void last_words(struct vmb_process *p, char *words, size_t size)
{
	char text[1024], *from = text;
	off_t end = lseek(p->stderr_fd, 0, SEEK_END);
	off_t start = end > (off_t)sizeof(text) - 1 ? end - ((off_t)sizeof(text) - 1) : 0;
	ssize_t n = pread(p->stderr_fd, text, sizeof(text) - 1, start);

	n = n < 0 ? 0 : n;
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n] = '\0';
	if (start > 0 && memchr(text, '\n', (size_t)n))
		from = (char *)memchr(text, '\n', (size_t)n) + 1;
	for (char *c = from; c < text + n; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	vmb_strlcpy(words, n ? from : "it said nothing", size);
}

/* As long as the caller's call may take, and not for ever. */
static int wait_for(const struct vmb_process *p, int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	int r = vmb_limit_poll(&poll_fd, vmb_deadline_in(TOOL_MS));

	if (r == 0)
		return vmb_error(ETIMEDOUT, "%s hangs: nothing has come of it for %d s", p->tool,
				 TOOL_MS / 1000);
	return r < 0 ? r : 0;
}

/* Its output to the end. out NULL: what nobody wants, so that it is not stuck. */
static int read_output(const struct vmb_process *p, struct vmb_buf *out)
{
	char chunk[4096];
	ssize_t n = 1;
	int r = 0;

	while (r == 0 && n != 0) {
		r = wait_for(p, p->stdout_fd);
		if (r < 0)
			return r;
		n = read(p->stdout_fd, chunk, sizeof(chunk));
		if (n < 0 && errno != EINTR)
			return vmb_errno(errno, "cannot read what %s says", p->tool);
		if (n > 0 && out)
			vmb_buf_add(out, chunk, (size_t)n);
		if (out && out->len > OUTPUT_MAX)
			return vmb_error(EFBIG, "%s says more than %d bytes", p->tool, OUTPUT_MAX);
	}
	return 0;
}

/* Before Linux 5.3 (and under valgrind) nothing wakes a wait for a process: it is looked at. */
static int wait_end_without_pidfd(const struct vmb_process *p)
{
	enum { LOOK_MS = 20 };
	const struct vmb_deadline deadline = vmb_deadline_in(TOOL_MS);
	siginfo_t info;
	int r;

	for (;;) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid != 0)
			return 0;
		r = vmb_limit_poll(NULL, vmb_deadline_in(LOOK_MS));
		if (r < 0)
			return r;
		if (vmb_deadline_passed(deadline))
			return vmb_error(ETIMEDOUT, "%s hangs: it has not ended for %d s", p->tool,
					 TOOL_MS / 1000);
	}
}

static int wait_end(const struct vmb_process *p)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, p->pid, 0);

	return fd < 0 ? wait_end_without_pidfd(p) : wait_for(p, fd);
}

int vmb_process_finish(struct vmb_process *p)
{
	char words[1024];
	int status, r = 0;
	pid_t pid;

	close_fd(&p->stdin_fd);
	unguard(p);
	if (p->stdout_fd >= 0)
		r = read_output(p, NULL);
	if (r == 0)
		r = wait_end(p);
	if (r < 0) {
		kill_process(p);
		return r;
	}
	do
		pid = waitpid(p->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	p->pid = -1;
	if (pid < 0)
		return vmb_errno(errno, "cannot wait for %s; does the program ignore SIGCHLD?",
				 p->tool);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	last_words(p, words, sizeof(words));
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
		return vmb_error(EFBIG,
				 "%s wrote a file that is larger than this process may make; raise "
				 "the limit, which `ulimit -f` shows",
				 p->tool);
	if (WIFSIGNALED(status))
		return vmb_error(VMBOOT_EHOST, "%s was killed by signal %d: %s", p->tool,
				 WTERMSIG(status), words);
	return vmb_error(VMBOOT_EHOST, "%s failed with status %d: %s", p->tool, WEXITSTATUS(status),
			 words);
}

void vmb_process_done(struct vmb_process *p)
{
	kill_process(p);
	close_fd(&p->stdin_fd);
	unguard(p);
	close_fd(&p->stdout_fd);
	close_fd(&p->stderr_fd);
}

int vmb_run(const char *const *argv, char **ret_out)
{
	_cleanup_process_ struct vmb_process p = VMB_PROCESS_INIT;
	_cleanup_buf_ struct vmb_buf out = {0};
	int r;

	r = vmb_process_start(&p, argv, ret_out ? VMB_PIPE_STDOUT : 0);
	if (r == 0 && ret_out)
		r = read_output(&p, &out);
	if (r == 0)
		r = vmb_process_finish(&p);
	if (r < 0)
		return r;
	return ret_out ? vmb_buf_take(&out, ret_out) : 0;
}
