/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `vmboot exec -it` on a real terminal: keys, sizes, signals, and how the terminal is left. */
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "boot.h"

enum { TERM_MS = 300000 };

#define TOOL TEST_BUILDDIR "/tools/vmboot"

/* The tool on a terminal whose other end is ours. */
struct term {
	int fd;
	pid_t pid;
	struct termios before;
	char said[8192]; /* so far */
	size_t n;
};

static void tool(const char *const *args)
{
	const char *argv[16] = {TOOL};

	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	ASSERT_OK(vmb_run(argv, NULL));
}

/* An embedded libvirt serves one process at a time: here it is always the tool's. */
static void need_vm(void)
{
	static const char *const run[] = {"run",	  "-d",	 "--name",	 "terminal",
					  "--memory-mib", "256", "test",	 "--",
					  "/bin/sh",	  "-c",	 "sleep 100000", NULL};
	static const char *const ready[] = {"wait", "--phase",	"agent", "-t",
					    "300",  "terminal", NULL};
	static bool made;

	if (made)
		return;
	made = true;
	setenv("VMBOOT_STORE", boot_store(), 1);
	setenv("LIBVIRT_DEFAULT_URI", "embed", 1);
	tool(run);
	tool(ready);
}

static void start(struct term *t, const char *script)
{
	const struct winsize size = {.ws_row = 40, .ws_col = 100};
	const char *const argv[] = {TOOL,      "exec", "-it",  "terminal", "--",
				    "/bin/sh", "-c",   script, NULL};
	int slave;

	need_vm();
	*t = (struct term){.pid = -1};
	CU_ASSERT_FATAL(openpty(&t->fd, &slave, NULL, NULL, &size) == 0);
	CU_ASSERT_FATAL(tcgetattr(t->fd, &t->before) == 0);
	t->pid = fork();
	CU_ASSERT_FATAL(t->pid >= 0);
	if (t->pid == 0) {
		close(t->fd);
		login_tty(slave);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	close(slave);
}

/* Reads until these words came, behind what was waited for before. */
static bool said(struct term *t, const char *words)
{
	struct vmb_deadline until = vmb_deadline_in(TERM_MS);
	struct pollfd p = {.fd = t->fd, .events = POLLIN};
	char *at;

	while (!(at = strstr(t->said, words))) {
		ssize_t got = -1;

		if (t->n + 1 < sizeof(t->said) && poll(&p, 1, vmb_deadline_poll(until, -1)) > 0)
			got = read(t->fd, t->said + t->n, sizeof(t->said) - 1 - t->n);
		if (got <= 0) {
			printf("no \"%s\" in \"%s\"\n", words, t->said);
			return false;
		}
		t->n += (size_t)got;
		t->said[t->n] = '\0';
	}
	t->n -= (size_t)(at + strlen(words) - t->said);
	memmove(t->said, at + strlen(words), t->n + 1);
	return true;
}

/* Waits for a change of the tool's state: its wait status, or -1. */
static int changed(struct term *t)
{
	struct vmb_deadline until = vmb_deadline_in(TERM_MS);
	int status;

	while (!vmb_deadline_passed(until)) {
		struct pollfd p = {.fd = t->fd, .events = POLLIN};
		char rest[512];

		if (waitpid(t->pid, &status, WNOHANG | WUNTRACED) == t->pid)
			return status;
		/* what it still says must be taken, or it may wait for that */
		if (poll(&p, 1, 20) > 0 && (p.revents & POLLIN))
			(void)!read(t->fd, rest, sizeof(rest));
		else
			poll(NULL, 0, 20);
	}
	return -1;
}

static bool runs(const struct term *t)
{
	return kill(t->pid, 0) == 0 && waitpid(t->pid, NULL, WNOHANG) == 0;
}

static bool as_before(const struct term *t)
{
	struct termios now;

	return tcgetattr(t->fd, &now) == 0 && now.c_iflag == t->before.c_iflag &&
	       now.c_oflag == t->before.c_oflag && now.c_cflag == t->before.c_cflag &&
	       now.c_lflag == t->before.c_lflag &&
	       memcmp(now.c_cc, t->before.c_cc, sizeof(now.c_cc)) == 0;
}

static bool is_raw(const struct term *t)
{
	struct termios now;

	return tcgetattr(t->fd, &now) == 0 && !(now.c_lflag & (ICANON | ECHO | ISIG));
}

static void ends(struct term *t, int exit_code)
{
	int status = changed(t);

	CU_ASSERT(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), exit_code);
	CU_ASSERT(as_before(t));
	close(t->fd);
}

static void keys_and_sizes(void)
{
	const struct winsize size = {.ws_row = 33, .ws_col = 77};
	struct term t;

	start(&t, "stty size; tty; trap 'stty size' WINCH; trap 'echo inter\"\"rupted' INT;"
		  "echo rea\"\"dy; l=; until [ \"$l\" = end ]; do read -t 1 l; done; exit 7");
	CU_ASSERT(said(&t, "40 100\r\n"));
	CU_ASSERT(said(&t, "/dev/pts/"));
	CU_ASSERT(said(&t, "ready\r\n"));
	CU_ASSERT(is_raw(&t));
	CU_ASSERT(ioctl(t.fd, TIOCSWINSZ, &size) == 0);
	CU_ASSERT(said(&t, "33 77\r\n"));
	CU_ASSERT(write(t.fd, "\003", 1) == 1);
	CU_ASSERT(said(&t, "interrupted\r\n"));
	CU_ASSERT(runs(&t));
	CU_ASSERT(write(t.fd, "\032", 1) == 1); /* Ctrl-Z is the guest's, too */
	CU_ASSERT(write(t.fd, "\rend\r", 5) == 5);
	ends(&t, 7);
}

/* The program gets the first; the second ends the tool, and with it the program, and so do some
 * seconds. */
static void signals_leave_no_raw_terminal(void)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	/* what is killed is not gone at once */
	static const char *const left[] = {
		"exec",
		"terminal",
		"--",
		"/bin/sh",
		"-c",
		"for i in $(seq 300); do ps -o args | grep -q '[5]4325' || exit 0; "
		"sleep 0.2; done; exit 1",
		NULL};
	struct term t;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		start(&t, "echo rea\"\"dy; exec sleep 54325");
		CU_ASSERT(said(&t, "ready\r\n"));
		kill(t.pid, numbers[i]);
		ends(&t, 128 + numbers[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		start(&t, "trap 'echo he\"\"ard' TERM INT HUP; echo rea\"\"dy;"
			  "while :; do sleep 0.1; done # 54325");
		CU_ASSERT(said(&t, "ready\r\n"));
		kill(t.pid, numbers[i]);
		CU_ASSERT(said(&t, "heard\r\n"));
		CU_ASSERT(runs(&t) && is_raw(&t));
		kill(t.pid, numbers[i]);
		ends(&t, 128 + numbers[i]);
	}
	start(&t, "trap '' TERM; echo rea\"\"dy; while :; do sleep 0.1; done # 54325");
	CU_ASSERT(said(&t, "ready\r\n"));
	kill(t.pid, SIGTERM);
	ends(&t, 128 + SIGTERM);
	tool(left);
}

static void stops_and_goes_on(void)
{
	const struct winsize size = {.ws_row = 11, .ws_col = 22};
	struct vmb_deadline until;
	struct term t;
	int status;

	start(&t, "echo rea\"\"dy; read l; stty size; exit 3");
	CU_ASSERT(said(&t, "ready\r\n"));
	kill(t.pid, SIGTSTP);
	status = changed(&t);
	CU_ASSERT(WIFSTOPPED(status));
	CU_ASSERT(as_before(&t));
	CU_ASSERT(ioctl(t.fd, TIOCSWINSZ, &size) == 0);
	kill(t.pid, SIGCONT);
	until = vmb_deadline_in(TERM_MS);
	while (!is_raw(&t) && !vmb_deadline_passed(until))
		poll(NULL, 0, 20);
	CU_ASSERT(is_raw(&t));
	CU_ASSERT(write(t.fd, "go\r", 3) == 3);
	CU_ASSERT(said(&t, "11 22\r\n"));
	ends(&t, 3);
}

/* Nobody reads what it writes: the end of the tool does not wait for that. */
static void a_stuck_terminal_keeps_nobody(void)
{
	struct vmb_deadline until;
	struct term t;
	int status = 0;
	pid_t pid;

	start(&t, "echo rea\"\"dy; yes");
	CU_ASSERT(said(&t, "ready\r\n"));
	poll(NULL, 0, 500);
	kill(t.pid, SIGTERM);
	kill(t.pid, SIGINT);
	until = vmb_deadline_in(TERM_MS);
	while ((pid = waitpid(t.pid, &status, WNOHANG)) == 0 && !vmb_deadline_passed(until))
		poll(NULL, 0, 20);
	CU_ASSERT_EQUAL(pid, t.pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) >= 128);
	CU_ASSERT(as_before(&t));
	if (pid == 0)
		kill(t.pid, SIGKILL);
	close(t.fd);
}

/* Last: there is no VM afterwards. */
static void the_guest_dies(void)
{
	static const char *const rm[] = {"rm", "-f", "terminal", NULL};
	struct term t;

	start(&t, "echo rea\"\"dy; read l; echo o >/proc/sysrq-trigger; sleep 100");
	CU_ASSERT(said(&t, "ready\r\n"));
	CU_ASSERT(is_raw(&t));
	CU_ASSERT(write(t.fd, "go\r", 3) == 3);
	CU_ASSERT(said(&t, "vmboot: "));
	CU_ASSERT(said(&t, "ended"));
	ends(&t, 125);
	tool(rm);
	boot_assert_nothing_left("terminal");
}

BOOT_MAIN("boot/terminal", {"keys and sizes", keys_and_sizes},
	  {"signals leave no raw terminal", signals_leave_no_raw_terminal},
	  {"stops and goes on", stops_and_goes_on},
	  {"a stuck terminal keeps nobody", a_stuck_terminal_keeps_nobody},
	  {"the guest dies", the_guest_dies})
