/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* logs and report: what a VM said, and where its boot's time went. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "verbs.h"

enum { SLICE_MS = 1000, DEFAULT_COLUMNS = 100 };

struct logs {
	size_t bytes;
	int error; /* the first errno of passing output on */
};

static void pass_on(struct vmboot_vm *vm, enum vmboot_stream stream, const char *bytes, size_t n,
		    void *data)
{
	struct logs *logs = data;

	(void)vm;
	logs->bytes += n;
	if (!logs->error)
		logs->error =
			write_all(stream == VMBOOT_STREAM_STDERR ? STDERR_FILENO : STDOUT_FILENO,
				  bytes, n);
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
	} while (r >= 0 && logs->bytes != before && !logs->error);
	return r;
}

static int follow(struct vmboot_vm *vm, struct logs *logs)
{
	int r;

	do
		r = vmboot_wait(vm, VMBOOT_PHASE_STOPPED, SLICE_MS);
	while ((r == -ETIMEDOUT || r == -EINTR) && !logs->error);
	return r;
}

int verb_logs(struct args *args)
{
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	struct logs logs = {0};
	int r = vmboot_open(args->opts, args->operands[0], &vm);

	if (r < 0)
		return show_error(EXIT_FAILED);
	progress_clear();
	if (args->console) {
		vmboot_on_output(vm, VMBOOT_STREAM_CONSOLE, pass_on, &logs);
	} else {
		vmboot_on_output(vm, VMBOOT_STREAM_STDOUT, pass_on, &logs);
		vmboot_on_output(vm, VMBOOT_STREAM_STDERR, pass_on, &logs);
	}
	r = args->follow ? follow(vm, &logs) : take_all(vm, &logs);
	if (logs.error == EPIPE)
		return EXIT_SIGNAL + SIGPIPE;
	if (logs.error) {
		say("cannot write: %s", strerror(logs.error));
		return EXIT_FAILED;
	}
	return r < 0 && !is_end(r) ? show_error(EXIT_FAILED) : 0;
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
