/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIBCS_FLAG = 0x4000000 }; /* SA_RESTORER, which no program sets itself */

extern char **environ;

static void VMB_PRINTF(2, 3) add(struct snapshot *s, const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (vmb_list_add(&s->lines, line) < 0)
		abort();
}

/* The entries of a folder of /proc/self, each with what a link or a file in it says. */
static void add_proc(struct snapshot *s, const char *what, const char *folder, const char *file)
{
	DIR *dir = opendir(folder);
	struct dirent *ent;

	while (dir && (ent = readdir(dir))) {
		char path[600], says[256] = "";
		ssize_t n;
		int fd;

		if (ent->d_name[0] == '.' || (!file && atoi(ent->d_name) == dirfd(dir)))
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", folder, ent->d_name, file ? file : "");
		fd = file ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		n = file ? read(fd, says, sizeof(says) - 1)
			 : readlink(path, says, sizeof(says) - 1);
		close(fd);
		says[n < 0 ? 0 : n] = '\0';
		says[strcspn(says, "\n")] = '\0';
		/* a thread's number says nothing, a descriptor's does */
		if (file)
			add(s, "%s %s", what, says);
		else
			add(s, "%s %s -> %s", what, ent->d_name, says);
	}
	if (dir)
		closedir(dir);
}

static void mask_words(const sigset_t *set, char *words)
{
	for (int i = 1; i < NSIG; i++)
		words += sprintf(words, "%s", sigismember(set, i) == 1 ? "1" : "0");
}

static void add_signals(struct snapshot *s)
{
	char words[NSIG + 1] = "";
	struct sigaction sa;
	sigset_t set;
	stack_t stack;

	for (int i = 1; i < NSIG; i++) {
		if (sigaction(i, NULL, &sa) < 0)
			continue;
		mask_words(&sa.sa_mask, words);
		add(s, "signal %d: handler %p flags %x mask %s", i, *(void **)&sa.sa_handler,
		    (unsigned)sa.sa_flags & ~LIBCS_FLAG, words);
	}
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	mask_words(&set, words);
	add(s, "signal mask %s", words);
	sigpending(&set);
	mask_words(&set, words);
	add(s, "signals pending %s", words);
	if (sigaltstack(NULL, &stack) == 0)
		add(s, "signal stack %p %d", stack.ss_sp, stack.ss_flags);
}

static void add_limits(struct snapshot *s)
{
	struct itimerval timer;
	struct rlimit limit;

	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (getrlimit((__rlimit_resource_t)i, &limit) == 0)
			add(s, "limit %d: %llu %llu", i, (unsigned long long)limit.rlim_cur,
			    (unsigned long long)limit.rlim_max);
	for (int i = 0; i < 3; i++)
		if (getitimer((__itimer_which_t)i, &timer) == 0)
			add(s, "timer %d: %d", i, timer.it_value.tv_sec || timer.it_value.tv_usec);
	add(s, "priority %d", getpriority(PRIO_PROCESS, 0));
}

static void add_rest(struct snapshot *s)
{
	mode_t mask = umask(0);
	char folder[4096];
	pid_t pid;

	umask(mask);
	add(s, "umask %03o", (unsigned)mask);
	add(s, "folder %s", getcwd(folder, sizeof(folder)));
	for (char **e = environ; *e; e++)
		add(s, "environment %s", *e);
	add(s, "locale %s", setlocale(LC_ALL, NULL));
	add(s, "thread's locale %p", (void *)uselocale((locale_t)0));
	add(s, "dumpable %d", prctl(PR_GET_DUMPABLE));
	add(s, "ids %d %d %d %d", (int)getpgrp(), (int)getsid(0), (int)geteuid(), (int)getegid());
	pid = waitpid(-1, NULL, WNOHANG | WNOWAIT);
	add(s, "children %s", pid < 0 ? "none" : "some");
}

void snapshot_take(struct snapshot *ret)
{
	*ret = (struct snapshot){0};
	add_proc(ret, "descriptor", "/proc/self/fd", NULL);
	add_proc(ret, "thread", "/proc/self/task", "/comm");
	add_signals(ret);
	add_limits(ret);
	add_rest(ret);
}

void snapshot_done(struct snapshot *snapshot)
{
	vmb_list_free(snapshot->lines);
	snapshot->lines = NULL;
}

void snapshot_redirect(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	fflush(NULL);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		abort();
	close(fd);
}

static int is_expected(const char *line, const char *const *expected)
{
	for (; *expected; expected++)
		if (fnmatch(*expected, line, 0) == 0)
			return 1;
	return 0;
}

static int count(const struct snapshot *s, const char *line)
{
	int n = 0;

	for (char **l = s->lines; l && *l; l++)
		n += strcmp(*l, line) == 0;
	return n;
}

/* A line that is there more often than before counts once for each time. */
int snapshot_compare(const struct snapshot *before, const struct snapshot *after,
		     const char *const *expected)
{
	int differences = 0;

	for (char **l = after->lines; *l; l++)
		if (count(before, *l) < count(after, *l) && !is_expected(*l, expected)) {
			fprintf(stderr, "came: %s\n", *l);
			differences++;
		}
	for (char **l = before->lines; *l; l++)
		if (count(after, *l) < count(before, *l)) {
			fprintf(stderr, "went: %s\n", *l);
			differences++;
		}
	return differences;
}
