/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_INIT_START_H
#define VMB_INIT_START_H

/*
 * All programs in the guest are started here: init's program, and what the agent is asked to run. In:
 * struct init_start. Out: a process, our ends of its pipes or its terminal, and a pipe that says
 * whether it could be executed. A new property of programs (a limit, …) is a member of struct
 * init_start and a row in the table of steps in start.c.
 */

#include "init.h"

struct init_start {
	const char *const *args; /* NULL-ended */
	const char *const *base; /* environment, NULL-ended, or NULL */
	const char *const *env;	 /* goes over it, or NULL */
	const char *user, *workdir;
	bool keeps_home; /* HOME is that of base, where it has one, though there is a user */
	const struct init_user *found; /* the user if it is known; NULL: it is looked up */
	bool make_workdir;	       /* if it is not there, as container runtimes do */
	bool mount_proc;	       /* it is the first in a PID namespace */
	bool ends_with_us;	       /* it is killed when the process that started it ends */
	/* Runs what the program has built in; returns if that is not it. Or NULL. */
	void (*built_in)(const char *const *args);

	bool tty;
	unsigned rows, columns;
	bool in, out; /* connected to us by pipes; out is both outputs */
	int instead;  /* of a pipe that is not wanted; -1: /dev/null */
};

/* Our ends do not block; -1: none. With a terminal, in and out are two descriptors of it. */
struct init_child {
	pid_t pid;
	int start; /* ends when the program runs; or brings a struct init_start_failure */
	int in, out, err;
};

#define INIT_CHILD_NONE ((struct init_child){.start = -1, .in = -1, .out = -1, .err = -1})

struct init_start_failure {
	int err; /* positive */
	char words[VMB_EVENT_DETAIL_MAX + 1];
};

/*
 * Makes pipes or a terminal: *child gets our ends, fds what will be the program's 0, 1 and 2, -1:
 * `instead`. 0 or -errno; on failure nothing is open.
 */
int init_start_connect(const struct init *init, const struct init_start *what,
		       struct init_child *child, int fds[3]);
void init_start_close(int fds[3]);

/*
 * Starts a process that becomes the program, with the descriptors of init_start_connect(), which stay
 * the caller's to close. 0, and it may yet fail, see child->start; or -errno.
 */
int init_start_fork(const struct init *init, const struct init_start *what, const int fds[3],
		    struct init_child *child);

/* Both; on failure nothing is left. */
int init_start(const struct init *init, const struct init_start *what, struct init_child *ret);

/* Reads child->start, which has hung up or has something to say: true if the program runs. Closes it. */
bool init_child_started(struct init_child *child, struct init_start_failure *ret);
void init_child_done(struct init_child *child); /* closes all */

/* The program's environment; allocated, NULL-ended, or NULL. Its strings are not freed one by one. */
const char **init_start_environment(const struct init_start *what, const struct init_user *user);

/* Fresh signal state for a child of ours, with what PID 1 and the agent block and ignore undone. */
void init_default_signals(void);
/*
 * For a child that executes nothing: else it would keep the ends of others' pipes, and these would
 * never end.
 */
void init_close_from(int first);
enum { INIT_FILES = 4096 }; /* descriptors that the agent may have */

#endif
