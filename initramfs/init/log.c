/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <termios.h>

#include "init.h"
#include "wire/text.h"

static void VMB_PRINTF(2, 0) write_line(const struct init *init, const char *fmt, va_list ap)
{
	static const char prefix[] = "vmboot: ";
	char line[400];
	size_t n = sizeof(prefix) - 1;

	if (init->console < 0)
		return;
	memcpy(line, prefix, n);
	init_vformat(line + n, sizeof(line) - n - 1, fmt, ap);
	vmb_wire_clean_line(line);
	n = strlen(line);
	line[n] = '\n';
	if (write(init->console, line, n + 1) < 0)
		return; /* nobody is left to be told */
}

void init_log(const struct init *init, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(init, fmt, ap);
	va_end(ap);
}

void init_debug(const struct init *init, const char *fmt, ...)
{
	va_list ap;

	if (!init->debug)
		return;
	va_start(ap, fmt);
	write_line(init, fmt, ap);
	va_end(ap);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* What a serial port has not sent yet is lost at power-off: wait for it, but not for ever. */
void init_log_drain(const struct init *init)
{
	static const struct itimerval limit = {{0, 100000}, {0, 500000}}, none;
	const struct sigaction sa = {.sa_handler = on_alarm};
	sigset_t set;

	if (init->console < 0)
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigaction(SIGALRM, &sa, NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	setitimer(ITIMER_REAL, &limit, NULL);
	tcdrain(init->console);
	setitimer(ITIMER_REAL, &none, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The one wait without a deadline: somebody asked for it and sits in front of it. */
void init_shell(const struct init *init)
{
	static char *const args[] = {(char *)"sh", NULL}, *const env[] = {(char *)"TERM=linux",
									  NULL};
	sigset_t none;
	pid_t pid;

	if (!init->debug || init->console < 0 || access("/bin/sh", X_OK) < 0)
		return;
	init_log(init, "a shell; the guest powers off when it ends");
	pid = fork();
	if (pid == 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		for (int fd = 0; fd < 3; fd++)
			dup2(init->console, fd);
		setsid();
		execve("/bin/sh", args, env);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}
