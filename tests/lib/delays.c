/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * To be preloaded: a nap of random length before a quarter of the calls by which processes and
 * threads meet, as on a machine that is busy with something else. What a test takes for granted
 * about who comes first then fails soon; see check-delays in HACKING.md.
 *
 * DELAYS_US: the longest nap, 3000 if unset. DELAYS_IN: "parent", "children", "main" or "threads"
 * of each program alone; all of them if unset.
 */
#include <dlfcn.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t parent;
static uint64_t longest_us = 3000;
static char where[16];
static _Thread_local uint64_t seed;

static void __attribute__((constructor)) begin(void)
{
	const char *us = getenv("DELAYS_US"), *in = getenv("DELAYS_IN");

	parent = getpid();
	if (us && strtoul(us, NULL, 10) > 0)
		longest_us = strtoul(us, NULL, 10);
	if (in)
		strncpy(where, in, sizeof(where) - 1);
}

static bool is_meant(void)
{
	switch (where[0]) {
	case 'p':
		return getpid() == parent;
	case 'c':
		return getpid() != parent;
	case 'm':
		return gettid() == getpid();
	case 't':
		return gettid() != getpid();
	default:
		return true;
	}
}

static void nap(void)
{
	struct timespec t;

	if (!is_meant())
		return;
	if (!seed) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		seed = (uint64_t)t.tv_nsec * 2654435761U + (uint64_t)gettid() + 1;
	}
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	if (seed % 4)
		return;
	t.tv_sec = 0;
	t.tv_nsec = (long)((seed >> 8) % longest_us % 1000000 * 1000);
	nanosleep(&t, NULL);
}

#define DELAYED(ret, name, params, args)                                                           \
	ret name params                                                                            \
	{                                                                                          \
		ret(*real) params;                                                                 \
                                                                                                   \
		*(void **)&real = dlsym(RTLD_NEXT, #name);                                         \
		nap();                                                                             \
		return real args;                                                                  \
	}
DELAYED(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n))
DELAYED(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))
DELAYED(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags))
DELAYED(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags))
DELAYED(int, poll, (struct pollfd * fds, nfds_t n, int timeout_ms), (fds, n, timeout_ms))
DELAYED(int, close, (int fd), (fd))
DELAYED(int, rename, (const char *from, const char *to), (from, to))
DELAYED(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))

/* Parent and child go on late, each by chance of its own. */
pid_t fork(void)
{
	pid_t (*real)(void), pid;

	*(void **)&real = dlsym(RTLD_NEXT, "fork");
	pid = real();
	if (pid == 0)
		seed = 0;
	nap();
	return pid;
}
