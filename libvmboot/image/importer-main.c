/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "image/importer.h"

/* The program vmboot-import: builds one disk; see importer.h. */

enum { PROTOCOL = 1, KIND, PATH, TAG, DIGEST, DISK, WHAT, N_ARGS, N_TOOL = PATH };

/* An address sanitizer maps terabytes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { HAS_SANITIZER = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { HAS_SANITIZER = 1 };
#else
enum { HAS_SANITIZER = 0 };
#endif
#else
enum { HAS_SANITIZER = 0 };
#endif

/* What is too long is cut. The reader may have gone: SIGPIPE then ends us. */
VMB_PRINTF(1, 2) static void write_line(const char *fmt, ...)
{
	char line[VMB_IMPORTER_LINE_MAX];
	size_t at = 0, n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	line[n++] = '\n';
	while (at < n) {
		ssize_t r = write(STDOUT_FILENO, line + at, n - at);

		if (r < 0 && errno != EINTR)
			_exit(1);
		at += r > 0 ? (size_t)r : 0;
	}
}

static void write_log(enum vmboot_log_level level, const char *text, void *data)
{
	(void)data;
	write_line("log %d %s", (int)level, text);
}

static void write_progress(const char *what, uint64_t done, uint64_t total, void *data)
{
	(void)what;
	(void)data;
	write_line("progress %llu %llu", (unsigned long long)done, (unsigned long long)total);
}

static void kill_group(int sig)
{
	(void)sig;
	kill(0, SIGKILL);
}

/*
 * The kernel sends SIGIO when the other end of standard input is closed. The tool that we run is in
 * our process group, which we lead, so that it ends with us.
 */
static int end_with_caller(void)
{
	const struct sigaction on_close = {.sa_handler = kill_group};
	struct pollfd p = {.fd = STDIN_FILENO};

	if (setpgid(0, 0) < 0 || sigaction(SIGIO, &on_close, NULL) < 0 ||
	    fcntl(STDIN_FILENO, F_SETOWN, getpid()) < 0 ||
	    fcntl(STDIN_FILENO, F_SETFL, O_ASYNC) < 0)
		return vmb_errno(errno, "cannot watch standard input");
	if (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP)) /* it was closed before */
		return vmb_error(ECANCELED, "who started vmboot-import has ended");
	return 0;
}

/* The limit is a soft one, for this process only: archive/squash.c lifts it for its tool. */
static int limit_memory(void)
{
	const rlim_t bytes = (rlim_t)VMB_IMPORTER_MEMORY_MIB << 20;
	struct rlimit limit;

	if (HAS_SANITIZER)
		return 0;
	if (getrlimit(RLIMIT_AS, &limit) < 0)
		return vmb_errno(errno, "cannot read the limit of memory");
	if (limit.rlim_cur > bytes)
		limit.rlim_cur = bytes;
	if (setrlimit(RLIMIT_AS, &limit) < 0)
		return vmb_errno(errno, "cannot limit memory");
	return 0;
}

static int confine(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return vmb_errno(errno, "cannot drop rights");
	return limit_memory();
}

static int build(char **argv)
{
	const struct vmb_log log = {.log = write_log, .progress = write_progress};
	const struct vmb_source source = {
		.kind = vmb_source_kind_of(argv[KIND]),
		.path = argv[PATH],
		.tag = *argv[TAG] ? argv[TAG] : NULL,
	};
	const struct vmb_image image = {.digest = argv[DIGEST]};
	struct vmb_progress_count import = {.log = &log, .what = argv[WHAT]};

	if (!source.kind)
		return vmb_error(VMBOOT_EHOST, "vmboot-import does not know the source %s",
				 argv[KIND]);
	return source.kind->build(&source, &image, argv[DISK], &import);
}

/* Waits for the tool, and ends as it does. */
static int run_tool(char **argv)
{
	posix_spawn_file_actions_t actions;
	int status = 0, r;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	r = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0) {
		dprintf(STDERR_FILENO, "cannot start %s: %s\n", argv[0], strerror(r));
		return 126;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	signal(SIGIO, SIG_IGN); /* our output ends now, whereupon the reader may end our input */
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	int r = 0;

	if (argc > N_TOOL && vmb_streq(argv[PROTOCOL], VMB_IMPORTER_PROTOCOL) &&
	    vmb_streq(argv[KIND], VMB_IMPORTER_TOOL)) {
		if (end_with_caller() == 0)
			return run_tool(argv + N_TOOL);
		dprintf(STDERR_FILENO, "%s\n", vmboot_last_error()->message);
		return 126;
	}
	if (argc != N_ARGS || !vmb_streq(argv[PROTOCOL], VMB_IMPORTER_PROTOCOL))
		r = vmb_error(VMBOOT_EHOST, "vmboot-import is of another version of libvmboot, "
					    "which is what runs it");
	if (r == 0)
		r = end_with_caller();
	if (r == 0)
		r = confine();
	if (r == 0)
		r = build(argv);
	if (r < 0)
		write_line("error %d %s", -r, vmboot_last_error()->message);
	else
		write_line("ok");
	return 0;
}
