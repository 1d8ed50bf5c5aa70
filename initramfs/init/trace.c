/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "init.h"

/*
 * A debugged boot tells how many system calls init made. A process that PID 1 forks first of all
 * traces it; PID 1 then executes itself once more, so that the count begins with the first
 * instruction of the program that boots, and ends when the image's is executed. The counts are in
 * memory that both have, at a descriptor that survives this.
 */
enum { COUNTS_FD = 100, OTHER = INIT_TRACE_CALLS - 1 };

#define NAME(call)                                                                                 \
	{                                                                                          \
		SYS_##call, #call                                                                  \
	}

/* Those that init and its libc use, others are told by their number. */
static const struct {
	short number;
	char name[16];
} names[] = {
	NAME(read),
	NAME(write),
	NAME(close),
	NAME(fstat),
	NAME(mmap),
	NAME(munmap),
	NAME(brk),
	NAME(lseek),
	NAME(ioctl),
	NAME(fcntl),
	NAME(dup),
	NAME(dup3),
	NAME(pipe2),
	NAME(ppoll),
	NAME(getpid),
	NAME(clone),
	NAME(execve),
	NAME(openat),
	NAME(newfstatat),
	NAME(getdents64),
	NAME(mkdirat),
	NAME(unlinkat),
	NAME(symlinkat),
	NAME(renameat),
	NAME(readlinkat),
	NAME(chdir),
	NAME(chroot),
	NAME(fchmod),
	NAME(fchown),
	NAME(umask),
	NAME(mount),
	NAME(umount2),
	NAME(statfs),
	NAME(fstatfs),
	NAME(reboot),
	NAME(sethostname),
	NAME(socket),
	NAME(bind),
	NAME(sendto),
	NAME(recvfrom),
	NAME(sendmsg),
	NAME(recvmsg),
	NAME(setsockopt),
	NAME(signalfd4),
	NAME(prlimit64),
	NAME(setsid),
	NAME(setgroups),
	NAME(setgid),
	NAME(setuid),
	NAME(rt_sigaction),
	NAME(rt_sigprocmask),
	NAME(finit_module),
	NAME(set_tid_address),
	NAME(sched_yield),
#ifdef SYS_open /* newer architectures do without these */
	NAME(open),
	NAME(stat),
	NAME(lstat),
	NAME(poll),
	NAME(access),
	NAME(dup2),
	NAME(pipe),
	NAME(fork),
	NAME(vfork),
	NAME(mkdir),
	NAME(unlink),
	NAME(symlink),
	NAME(rename),
	NAME(readlink),
	NAME(arch_prctl),
#endif
};

/* ---- in the process that traces ---- */

static void count(struct init_trace *trace, pid_t pid)
{
	struct __ptrace_syscall_info info;
	uint64_t nr;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	nr = info.entry.nr;
	/* what the counting itself takes */
	if ((nr == SYS_fcntl || nr == SYS_pread64) && info.entry.args[0] == COUNTS_FD)
		return;
	trace->calls[nr < OTHER ? nr : OTHER]++;
}

/* Ends with the execution of what is not init; then the kernel lets go all that is traced. */
static void follow(struct init_trace *trace)
{
	bool begun = false;
	int status, sig;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status))
			continue;
		sig = WSTOPSIG(status);
		if (status >> 16 == PTRACE_EVENT_EXEC) {
			if (begun)
				return;
			begun = true;
		}
		if (sig == (SIGTRAP | 0x80))
			count(trace, pid);
		if (status >> 16 || sig == (SIGTRAP | 0x80))
			sig = 0;
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)sig);
	}
}

static void __attribute__((noreturn)) be_tracer(int ready)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	struct init_trace *trace =
		mmap(NULL, sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED, COUNTS_FD, 0);

	if (trace == MAP_FAILED || ptrace(PTRACE_SEIZE, getppid(), NULL, (void *)options) < 0 ||
	    write(ready, "", 1) != 1)
		_exit(1);
	follow(trace);
	_exit(0);
}

/* ---- in PID 1 ---- */

static bool start_tracer(void)
{
	int p[2];
	char byte;
	pid_t pid;
	bool ready;

	if (pipe2(p, O_CLOEXEC) < 0)
		return false;
	pid = fork();
	if (pid == 0)
		be_tracer(p[1]);
	close(p[1]);
	ready = pid > 0 && read(p[0], &byte, 1) == 1;
	close(p[0]);
	if (pid > 0 && !ready)
		waitpid(pid, NULL, 0);
	return ready;
}

void init_trace_begin(char *self)
{
	char *const args[] = {self, (char *)INIT_TRACED, NULL}, *const env[] = {NULL};
	int fd = (int)syscall(SYS_memfd_create, "trace", 0);

	if (fd < 0)
		return;
	if (ftruncate(fd, sizeof(struct init_trace)) == 0 && dup2(fd, COUNTS_FD) == COUNTS_FD) {
		close(fd);
		fd = COUNTS_FD;
		if (start_tracer())
			execve("/init", args, env);
	}
	close(fd);
}

int init_trace_go_on(void)
{
	return fcntl(COUNTS_FD, F_SETFD, FD_CLOEXEC) < 0 ? -1 : COUNTS_FD;
}

static const char *name_of(size_t number)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if ((size_t)names[i].number == number)
			return names[i].name;
	return NULL;
}

/* "name count" of the most frequent that were not told yet; its number, or -1: there is none. */
static int most_frequent(const struct init_trace *left, char *text, size_t size)
{
	const char *name;
	size_t most = 0;

	for (size_t i = 1; i < INIT_TRACE_CALLS; i++)
		if (left->calls[i] > left->calls[most])
			most = i;
	if (left->calls[most] == 0)
		return -1;
	name = name_of(most);
	if (name)
		init_format(text, size, "%s %zu", name, (size_t)left->calls[most]);
	else
		init_format(text, size, "number %zu %zu", most, (size_t)left->calls[most]);
	return (int)most;
}

void init_trace_words(const struct init_trace *trace, char *text, size_t size)
{
	struct init_trace left = *trace;
	char row[64];
	size_t total = 0, n;
	int most;

	for (size_t i = 0; i < INIT_TRACE_CALLS; i++)
		total += trace->calls[i];
	n = init_format(text, size, "%zu system calls", total);
	for (const char *comma = ": "; (most = most_frequent(&left, row, sizeof(row))) >= 0;
	     comma = ", ") {
		if (n + strlen(comma) + strlen(row) >= size)
			return;
		n += init_format(text + n, size - n, "%s%s", comma, row);
		left.calls[most] = 0;
	}
}

void init_trace_tell(const struct init *init, struct init_report *report)
{
	struct init_trace trace;

	if (init->trace >= 0 && !report->detail[0] &&
	    pread(init->trace, &trace, sizeof(trace), 0) == sizeof(trace))
		init_trace_words(&trace, report->detail, sizeof(report->detail));
}
