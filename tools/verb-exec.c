/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * exec: a program in a VM that runs, on our standard streams. With a terminal ours becomes raw, so
 * that Ctrl-C and its kin go to the guest, and it is what it was again however this ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "verbs.h"

enum { GRACE_S = 10 }; /* as podman stop gives a program to end */

/* A signal handler has no other way to know. */
static struct {
	volatile sig_atomic_t raw;
	struct termios before, while_raw;
	int control;		      /* write end of the pipe to the library */
	volatile sig_atomic_t signal; /* that was passed on */
} tty = {.control = -1};

static void send_control(enum vmboot_exec_action action, uint32_t value)
{
	const struct vmboot_exec_control c = {action, value};
	int saved = errno;

	/* it does not block: of signals that nobody takes some may be lost */
	if (write(tty.control, &c, sizeof(c)) < 0)
		errno = 0;
	errno = saved;
}

static void restore_terminal(void)
{
	if (tty.raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &tty.before);
	tty.raw = 0;
}

static void make_raw(void)
{
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &tty.while_raw) == 0)
		tty.raw = 1;
}

static bool window_size(struct winsize *size)
{
	return ioctl(STDIN_FILENO, TIOCGWINSZ, size) == 0 ||
	       ioctl(STDOUT_FILENO, TIOCGWINSZ, size) == 0;
}

static void on_resize(int number)
{
	struct winsize size;
	int saved = errno;

	(void)number;
	if (window_size(&size))
		send_control(VMBOOT_EXEC_RESIZE, (uint32_t)size.ws_col << 16 | size.ws_row);
	errno = saved;
}

static void __attribute__((noreturn)) end_by_signal(int number)
{
	restore_terminal();
	_exit(EXIT_SIGNAL + number);
}

/* The first is the program's, which has some seconds to end; a second one ends us at once. */
static void on_end_signal(int number)
{
	if (tty.signal)
		end_by_signal(number);
	tty.signal = number;
	send_control(VMBOOT_EXEC_SIGNAL, (uint32_t)number);
	alarm(GRACE_S);
}

/* The program did not end, or the guest's agent does not answer. */
static void on_grace_over(int number)
{
	(void)number;
	end_by_signal(tty.signal);
}

static void on_stop(int number)
{
	int saved = errno;
	bool was_raw = tty.raw;

	restore_terminal();
	raise(SIGSTOP);
	if (was_raw)
		make_raw();
	on_resize(number);
	errno = saved;
}

static void catch_signals(bool with_tty)
{
	static const struct {
		int number;
		void (*fn)(int);
		bool tty; /* only with a terminal */
	} rows[] = {
		{SIGINT, on_end_signal, false},	 {SIGTERM, on_end_signal, false},
		{SIGHUP, on_end_signal, false},	 {SIGQUIT, on_end_signal, false},
		{SIGALRM, on_grace_over, false}, {SIGTSTP, on_stop, true},
		{SIGWINCH, on_resize, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sigaction action = {.sa_handler = rows[i].fn, .sa_flags = SA_RESTART}, old;

		sigaction(rows[i].number, NULL, &old);
		if ((with_tty || !rows[i].tty) && old.sa_handler != SIG_IGN)
			sigaction(rows[i].number, &action, NULL);
	}
}

/* Before signals are caught, which need what this makes. */
static int start_control(int *ret_read)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		say("cannot make a pipe: %s", strerror(errno));
		return EXIT_RUN_FAILED;
	}
	*ret_read = fds[0];
	tty.control = fds[1];
	return 0;
}

static void start_terminal(struct vmboot_exec_opts *opts, bool interactive)
{
	struct winsize size;

	opts->tty = true;
	if (window_size(&size)) {
		opts->rows = size.ws_row;
		opts->columns = size.ws_col;
	}
	if (!interactive || tcgetattr(STDIN_FILENO, &tty.before) < 0)
		return;
	tty.while_raw = tty.before;
	cfmakeraw(&tty.while_raw);
	atexit(restore_terminal);
	make_raw();
}

/* As run does: the command was not there, could not be executed, or all else. */
static int failed(int r)
{
	int guest_errno = vmboot_last_error()->guest_errno;

	if (r == -EPIPE)
		return EXIT_SIGNAL + SIGPIPE;
	r = show_error(EXIT_RUN_FAILED);
	if (!guest_errno)
		return r;
	return guest_errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC;
}

/*
 * An agent of the image's own cannot stream, and ours has no port for more than 25 processes: then
 * what the program prints comes when it has ended.
 */
static int run_to_its_end(struct vmboot_vm *vm, const struct vmboot_exec_opts *opts,
			  int *ret_status)
{
	_cleanup_(exec_result) struct vmboot_exec_result *result = NULL;
	int r = vmboot_exec(vm, opts, &result);

	if (r < 0)
		return r;
	fwrite(result->out, 1, result->out_size, stdout);
	fwrite(result->err, 1, result->err_size, stderr);
	if (result->out_cut || result->err_cut)
		say("there was more output than fits; the rest is lost");
	*ret_status = result->exit_signal ? 256 + result->exit_signal : result->exit_code;
	return 0;
}

static int run(struct args *args, struct vmboot_vm *vm, const char *const *command)
{
	const int fds[3] = {args->interactive ? STDIN_FILENO : -1, STDOUT_FILENO, STDERR_FILENO};
	struct vmboot_exec_opts opts =
		VMBOOT_EXEC_OPTS(.args = command, .env = (const char *const *)args->env,
				 .workdir = args->workdir, .user = args->user);
	int status = 0, control = -1, r;

	r = start_control(&control);
	if (r)
		return r;
	catch_signals(args->tty);
	if (args->tty)
		start_terminal(&opts, args->interactive);
	r = vmboot_exec_stream(vm, &opts, fds, control, &status);
	if ((r == -ENOTSUP || r == -EBUSY) && !args->tty && !args->interactive)
		r = run_to_its_end(vm, &opts, &status);
	restore_terminal();
	close(control);
	if (r < 0)
		return failed(r);
	return status > 256 ? EXIT_SIGNAL + status - 256 : status;
}

int verb_exec(struct args *args)
{
	int i = 1 + (args->n_operands > 1 && !args->dashes && !strcmp(args->operands[1], "--"));
	_cleanup_(vm) struct vmboot_vm *vm = NULL;

	if (i >= args->n_operands)
		return usage_error("exec", "exec needs NAME CMD...");
	if (vmboot_open(args->opts, args->operands[0], &vm) < 0)
		return show_error(EXIT_RUN_FAILED);
	progress_clear();
	return run(args, vm, (const char *const *)args->operands + i);
}
