/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/str.h"
#include "guest/limit.h"
#include "guest/log-limiter.h"

/* The program vmboot-logs, see log-limiter.h. */

enum {
	MAX_MIB = 1,
	EVENTS,
	LOGS,
	N_ARGS = LOGS + VMB_LOG_LIMITER_LOGS,

	PAUSE_MS = 500,	     /* between two looks at logs that grow */
	EVENTS_MAX_MIB = 16, /* no boot has as many; what comes after is freed */
};

struct limiter {
	int inotify, events_fd;
	const char *events;
	char *const *logs;
	uint64_t max_mib;
};

static int watch(const struct limiter *l, const char *path, uint32_t mask)
{
	if (inotify_add_watch(l->inotify, path, mask) < 0)
		return vmb_errno(errno, "cannot watch %s", path);
	return 0;
}

/* Grown or not: logs that grow all the time need not wake us all the time. */
static void watch_logs(const struct limiter *l, bool grown)
{
	for (int i = 0; i < VMB_LOG_LIMITER_LOGS; i++)
		(void)inotify_add_watch(l->inotify, l->logs[i],
					IN_DELETE_SELF | (grown ? IN_MODIFY : 0));
}

static int watch_folder(const struct limiter *l)
{
	_cleanup_free_ char *path = NULL;
	int r = vmb_strdup(l->events, &path);

	return r < 0 ? r : watch(l, dirname(path), IN_MOVE_SELF | IN_DELETE_SELF);
}

static int open_all(struct limiter *l)
{
	int r;

	l->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	l->events_fd = open(l->events, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (l->inotify < 0 || l->events_fd < 0)
		return vmb_errno(errno, "cannot watch %s", l->events);
	r = watch(l, l->events, IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF);
	return r < 0 ? r : watch_folder(l);
}

/* The file at its path is the one that was opened. */
static bool is_in_place(const struct limiter *l)
{
	struct stat now, opened;

	return stat(l->events, &now) == 0 && fstat(l->events_fd, &opened) == 0 &&
	       now.st_ino == opened.st_ino && now.st_dev == opened.st_dev;
}

/* A lease of this kind is given only if nobody has the file open for writing. */
static bool has_writer(const struct limiter *l)
{
	if (fcntl(l->events_fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN;
	(void)fcntl(l->events_fd, F_SETLEASE, F_UNLCK);
	return false;
}

static void limit_all(const struct limiter *l)
{
	if (vmb_log_limiter_is_paused(l->events_fd))
		return;
	for (int i = 0; i < VMB_LOG_LIMITER_LOGS; i++)
		vmb_limit_log(l->logs[i], l->max_mib, UINT64_MAX);
	vmb_limit_end(l->events, (uint64_t)EVENTS_MAX_MIB << 20);
}

static void drain(const struct limiter *l)
{
	char buf[4096];

	while (read(l->inotify, buf, sizeof(buf)) > 0)
		;
}

static void work(const struct limiter *l)
{
	struct pollfd p = {.fd = l->inotify, .events = POLLIN};

	while (is_in_place(l) && has_writer(l)) {
		watch_logs(l, true);
		limit_all(l);
		poll(&p, 1, -1);
		watch_logs(l, false);
		drain(l);
		poll(&p, 1, PAUSE_MS);
	}
}

/*
 * Away from who started us. Of two forks the first leads a session and ends, so that the second is
 * nobody's child but that of whoever waits for orphans.
 */
static int detach(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return vmb_errno(errno, "cannot start a process");
	if (pid > 0) {
		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	if (setsid() < 0)
		_exit(1);
	pid = fork();
	if (pid != 0)
		_exit(pid < 0);
	dup2(STDOUT_FILENO, STDERR_FILENO); /* both are /dev/null then */
	signal(SIGIO, SIG_IGN);		    /* a lease was asked back */
	return chdir("/") < 0 ? -errno : 0;
}

static int run(int argc, char **argv)
{
	struct limiter l = {.inotify = -1, .events_fd = -1};
	int r;

	if (argc != N_ARGS || vmb_parse_u64(argv[MAX_MIB], &l.max_mib) < 0 || l.max_mib == 0)
		return vmb_error(EINVAL, "libvmboot runs vmboot-logs with other arguments");
	l.events = argv[EVENTS];
	l.logs = argv + LOGS;
	r = open_all(&l);
	if (r == 0)
		r = detach();
	if (r == 0)
		work(&l);
	return r;
}

int main(int argc, char **argv)
{
	if (run(argc, argv) == 0)
		return 0;
	fprintf(stderr, "%s\n", vmboot_last_error()->message);
	return 1;
}
