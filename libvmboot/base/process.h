/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_PROCESS_H
#define VMB_BASE_PROCESS_H

/*
 * Running a tool. It gets no shell, only the descriptors named here, default signals, and
 * LC_ALL=C; what it says on standard error is kept for the error message. The thread that starts
 * a tool feeds and finishes it: with VMB_PIPE_STDIN, SIGPIPE is blocked in it until then. A tool is
 * waited for as long as the caller's call may take (base/limit.h), and at most an hour; one that is
 * late is killed.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/sigpipe.h"

struct vmb_process {
	pid_t pid;
	int stdin_fd;  /* write end, or -1 */
	int stdout_fd; /* read end, or -1 */
	int stderr_fd; /* read end of what it said: an unlinked file, never full */
	const char *tool;
	bool guarded; /* SIGPIPE is blocked by us, in the thread that started it */
	struct vmb_sigpipe sigpipe;
};
#define VMB_PROCESS_INIT                                                                           \
	{                                                                                          \
		.pid = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1                        \
	}

enum {
	VMB_PIPE_STDIN = 1,  /* else /dev/null */
	VMB_PIPE_STDOUT = 2, /* else /dev/null */
};

/* argv[0] is looked up in PATH and the sbin folders. 0, or -VMBOOT_EHOST if it is missing. */
int vmb_process_start(struct vmb_process *p, const char *const *argv, int pipes);

/*
 * Ends its input, drops what is left of its output, and waits for it: 0, or -VMBOOT_EHOST with its
 * last words.
 */
int vmb_process_finish(struct vmb_process *p);

/* Kills it if it runs, and forgets it; errors are not touched. For cleanup. */
void vmb_process_done(struct vmb_process *p);
#define _cleanup_process_ vmb_cleanup(vmb_process_done)

/* Start and finish; with ret_out, its standard output (at most 1 MiB), freed by the caller. */
int vmb_run(const char *const *argv, char **ret_out);

/* The tool's path, or NULL if it is not there. */
char *vmb_find_tool(const char *name);

/*
 * A file of our own that is no tool in PATH: $VMBOOT_GUEST_DIR/name, else where it was installed.
 * what: for the message. mode: as access(2) takes it. 0 or -VMBOOT_EHOST.
 */
int vmb_find_installed(const char *name, const char *what, int mode, char **ret);

#endif
