/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* logs and report: what a VM said, and where its boot's time went. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "output.h"
#include "verbs.h"

enum { SLICE_MS = 1000, DEFAULT_COLUMNS = 100, PRUNE_AT = 1 << 16 };

/* The last lines of a stream, with --tail, until all that was there has been read. */
struct last_lines {
	char *data;
	size_t n, size, prune_at;
};

struct logs {
	size_t bytes;
	bool lost;		   /* output was, which was said */
	bool keep;		   /* only the last lines are wanted */
	size_t lines;		   /* that many */
	struct last_lines last[2]; /* of standard output (or the console), of standard error */
	struct output *output;
};

/* A signal ends the process. */
static const volatile sig_atomic_t never;

/* Where the last lines begin. A last line may have no end. */
static size_t find_last(const struct last_lines *last, size_t lines)
{
	size_t at = last->n;

	if (!lines)
		return at;
	if (at && last->data[at - 1] == '\n')
		at--;
	for (; at > 0; at--)
		if (last->data[at - 1] == '\n' && --lines == 0)
			break;
	return at;
}

static void keep_last(struct last_lines *last, const char *bytes, size_t n, size_t lines)
{
	size_t from;

	if (last->n + n > last->size) {
		last->size = (last->n + n) * 2;
		last->data = xrealloc(last->data, last->size, 1);
	}
	memcpy(last->data + last->n, bytes, n);
	last->n += n;
	if (last->n < PRUNE_AT || last->n < last->prune_at)
		return;
	from = find_last(last, lines);
	last->n -= from;
	memmove(last->data, last->data + from, last->n);
	last->prune_at = last->n * 2;
}

static void pass_on(struct vmboot_vm *vm, enum vmboot_stream stream, const char *bytes, size_t n,
		    void *data)
{
	bool error = stream == VMBOOT_STREAM_STDERR;
	struct logs *logs = data;

	(void)vm;
	logs->bytes += n;
	if (logs->keep)
		keep_last(&logs->last[error], bytes, n, logs->lines);
	else
		output_put(logs->output, error ? STDERR_FILENO : STDOUT_FILENO, bytes, n);
}

/* From now on everything is passed on. */
static void pass_last_on(struct logs *logs)
{
	static const int fds[] = {STDOUT_FILENO, STDERR_FILENO};

	for (size_t i = 0; i < ARRAY_SIZE(fds) && logs->keep; i++) {
		struct last_lines *last = &logs->last[i];
		size_t from = find_last(last, logs->lines);

		if (last->n > from)
			output_put(logs->output, fds[i], last->data + from, last->n - from);
		free(last->data);
		*last = (struct last_lines){0};
	}
	logs->keep = false;
}

/* The first gap is reported at once; the exit code is for all of them. */
static void report_loss(struct logs *logs)
{
	if (!logs->lost)
		show_error(EXIT_FAILED);
	logs->lost = true;
}

/* That the guest is gone, or how its boot failed, is no failure of showing what it said. */
static bool is_end(int r)
{
	return r == -VMBOOT_EENDED || r == -VMBOOT_EBOOT || r == -VMBOOT_EGUEST;
}

static int take_all(struct vmboot_vm *vm, struct logs *logs)
{
	size_t before;
	int r;

	do {
		before = logs->bytes;
		r = vmboot_dispatch(vm);
		if (r == -VMBOOT_ELOST)
			report_loss(logs);
	} while ((r == -VMBOOT_ELOST || (r >= 0 && logs->bytes != before)) &&
		 !output_error(logs->output));
	return r;
}

static int follow(struct vmboot_vm *vm, struct logs *logs)
{
	int r;

	do {
		r = vmboot_wait(vm, VMBOOT_PHASE_STOPPED, SLICE_MS);
		if (r == -VMBOOT_ELOST)
			report_loss(logs);
	} while ((r == -ETIMEDOUT || r == -EINTR || r == -VMBOOT_ELOST) &&
		 !output_error(logs->output));
	return r;
}

/* "10", as many as fit into memory. */
static bool parse_lines(const char *text, size_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno;
}

static void listen_to(struct vmboot_vm *vm, struct logs *logs, bool console)
{
	if (console) {
		vmboot_on_output(vm, VMBOOT_STREAM_CONSOLE, pass_on, logs);
		return;
	}
	vmboot_on_output(vm, VMBOOT_STREAM_STDOUT, pass_on, logs);
	vmboot_on_output(vm, VMBOOT_STREAM_STDERR, pass_on, logs);
}

static int show_logs(struct vmboot_vm *vm, struct logs *logs, bool following)
{
	int r = 0;

	if (logs->keep || !following)
		r = take_all(vm, logs);
	pass_last_on(logs);
	return following && (r >= 0 || r == -VMBOOT_EGUEST) ? follow(vm, logs) : r;
}

int verb_logs(struct args *args)
{
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	struct logs logs = {.keep = args->tail != NULL};
	int r, error;

	if (args->tail && !parse_lines(args->tail, &logs.lines))
		return usage_error("logs", "--tail: a number of lines, not \"%s\"", args->tail);
	r = vmboot_open(args->opts, args->operands[0], &vm);
	if (r < 0)
		return show_error(EXIT_FAILED);
	progress_clear();
	logs.output = output_start();
	if (!logs.output) {
		say("cannot start a thread: %s", strerror(errno));
		return EXIT_FAILED;
	}
	listen_to(vm, &logs, args->console);
	r = show_logs(vm, &logs, args->follow);
	(void)output_drain(logs.output, &never);
	error = output_error(logs.output);
	if (error == EPIPE)
		return EXIT_SIGNAL + SIGPIPE;
	if (error) {
		say("cannot write: %s", strerror(error));
		return EXIT_FAILED;
	}
	if (r < 0 && !is_end(r))
		return show_error(EXIT_FAILED);
	return logs.lost ? EXIT_FAILED : 0;
}

static unsigned terminal_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return DEFAULT_COLUMNS;
}

static int show_ledger(const struct args *args, const struct vmboot_ledger *ledger, char **ret)
{
	if (args->json)
		return vmboot_ledger_json(ledger, ret);
	if (args->svg)
		return vmboot_ledger_svg(ledger, ret);
	if (args->chart)
		return vmboot_ledger_chart(ledger, terminal_columns(), ret);
	return vmboot_ledger_table(ledger, ret);
}

int verb_report(struct args *args)
{
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	_cleanup_(ledger) struct vmboot_ledger *ledger = NULL;
	_cleanup_(text) char *text = NULL;
	int r;

	if (args->json + args->svg + args->chart > 1)
		return usage_error("report", "one of --chart, --json and --svg");
	r = vmboot_open(args->opts, args->operands[0], &vm);
	if (r >= 0)
		r = vmboot_ledger(vm, &ledger);
	if (r >= 0)
		r = show_ledger(args, ledger, &text);
	if (r < 0)
		return show_error(EXIT_FAILED);
	out_line(text);
	return 0;
}
