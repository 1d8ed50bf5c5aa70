/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * run: create, pass the program's output on, end as the program ends. A signal or an output that
 * cannot be written asks the guest to stop; a second signal cuts its power.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "output.h"
#include "verbs.h"

enum { SLICE_MS = 1000, STOP_MS = 10000, NAME_TRIES = 8 };

struct run {
	struct args *args;
	struct vmboot_vm *vm;
	bool poweroff; /* the guest goes when its program does */
	bool paused;   /* that it is was said */
	bool lost;     /* output was, which was said */
	size_t bytes;  /* of output */
	struct output *output;
	struct vmboot_ledger *ledger;
};

/* A signal handler has no other way to tell. */
static volatile sig_atomic_t signals, first_signal, creating;
static struct vmboot_cancel *cancel; /* of the creation, which may pull an image */

static void on_signal(int number)
{
	if (!signals)
		first_signal = number;
	if (++signals > 1 && creating)
		_exit(EXIT_SIGNAL + number); /* what is half made is for gc */
	if (creating)
		vmboot_cancel(cancel);
}

static void catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct sigaction old;

		sigaction(numbers[i], NULL, &old);
		if (old.sa_handler != SIG_IGN) /* as under nohup */
			sigaction(numbers[i], &action, NULL);
	}
}

/* Two words, as people remember them, and a number where those were taken. */
static void make_name(char *name, size_t size, int tries)
{
	static const char *const how[] = {"amber", "bold",  "brisk", "calm",   "clear", "crisp",
					  "eager", "fleet", "fresh", "green",  "keen",	"light",
					  "lucid", "mild",  "neat",  "nimble", "plain", "quick",
					  "quiet", "rapid", "ready", "sharp",  "sleek", "smooth",
					  "snug",  "solid", "spry",  "still",  "sunny", "swift",
					  "tidy",  "warm"};
	static const char *const who[] = {"badger", "beaver", "bison", "crane",	 "curlew", "dingo",
					  "falcon", "ferret", "finch", "gannet", "gecko",  "heron",
					  "ibex",   "jackal", "koala", "lemur",	 "lynx",   "marten",
					  "newt",   "ocelot", "otter", "panda",	 "plover", "puffin",
					  "raven",  "seal",   "stoat", "swan",	 "tapir",  "vole",
					  "wombat", "wren"};
	unsigned char r[4] = {0};

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		r[0] = (unsigned char)getpid();
	snprintf(name, size, tries ? "%s-%s-%d" : "%s-%s", how[r[0] % ARRAY_SIZE(how)],
		 who[r[1] % ARRAY_SIZE(who)], r[2] << 8 | r[3]);
}

static int create(struct run *run)
{
	struct vmboot_opts *opts = run->args->opts;
	bool named = opts->name != NULL;
	char name[32];
	int r = -EEXIST;

	for (int i = 0; r == -EEXIST && i < NAME_TRIES; i++) {
		if (!named) {
			make_name(name, sizeof(name), i);
			r = vmboot_opts_set(opts, "name", name);
			if (r < 0)
				break;
		}
		r = vmboot_create(opts, &run->vm);
		if (named)
			break;
	}
	progress_clear();
	return r < 0 ? show_error(EXIT_RUN_FAILED) : 0;
}

static void pass_on(struct vmboot_vm *vm, enum vmboot_stream stream, const char *bytes, size_t n,
		    void *data)
{
	struct run *run = data;

	(void)vm;
	run->bytes += n;
	output_put(run->output, stream == VMBOOT_STREAM_STDERR ? STDERR_FILENO : STDOUT_FILENO,
		   bytes, n);
}

static int write_error(const struct run *run)
{
	return run->output ? output_error(run->output) : 0;
}

/* The first gap is reported at once; the exit code is for all of them. */
static void report_loss(struct run *run)
{
	if (!run->lost)
		show_error(EXIT_RUN_FAILED);
	run->lost = true;
}

/* Before anything else is said: what the program wrote. */
static void drain(const struct run *run)
{
	if (run->output)
		(void)output_drain(run->output, &signals);
}

/* Nothing goes on then, for as long as it takes: QEMU has no room for what the guest writes. */
static void tell_if_paused(struct run *run)
{
	_cleanup_(info) struct vmboot_info *info = NULL;
	bool paused = vmboot_info(run->vm, &info) >= 0 && info->state == VMBOOT_STATE_PAUSED;

	if (paused && !run->paused)
		say("%s is paused; is the file system of %s full? Make room, and `virsh resume` it",
		    info->name, info->folder);
	run->paused = paused;
}

/* In slices, since a signal between two looks, or an output that fails, wakes nobody. */
static int wait_for(struct run *run, enum vmboot_phase phase)
{
	int r;

	for (;;) {
		r = vmboot_wait(run->vm, phase, SLICE_MS);
		if (r == -VMBOOT_ELOST) {
			report_loss(run);
			continue;
		}
		if ((r != -ETIMEDOUT && r != -EINTR) || signals || write_error(run))
			return r;
		tell_if_paused(run);
	}
}

/* Output is passed on meanwhile; another signal ends the guest's time. */
static void stop(struct run *run)
{
	int r;

	do
		r = vmboot_stop(run->vm, signals > 1 ? 0 : STOP_MS);
	while (r == -EINTR);
}

/* Lets the guest power off by itself. */
static int wait_stopped(struct run *run)
{
	int r;

	while ((r = vmboot_wait(run->vm, VMBOOT_PHASE_STOPPED, STOP_MS)) == -VMBOOT_ELOST)
		report_loss(run);
	return r;
}

static void take_output(struct run *run)
{
	size_t before;
	int r;

	do {
		before = run->bytes;
		r = vmboot_dispatch(run->vm);
		if (r == -VMBOOT_ELOST)
			report_loss(run);
	} while (r == -VMBOOT_ELOST || (r >= 0 && run->bytes != before));
}

static int failed_boot(const struct run *run)
{
	const struct vmboot_error *e = vmboot_last_error();
	bool exec = e->code == -VMBOOT_EBOOT &&
		    vmboot_phase_from_name(e->phase) == VMBOOT_PHASE_PROGRAM;
	int guest_errno = e->guest_errno;

	drain(run);
	show_error(EXIT_RUN_FAILED);
	if (exec && guest_errno == ENOENT)
		return EXIT_NOT_FOUND;
	return exec && guest_errno ? EXIT_CANNOT_EXEC : EXIT_RUN_FAILED;
}

static void take_ledger(struct run *run)
{
	struct vmboot_ledger *ledger;

	if (vmboot_ledger(run->vm, &ledger) < 0)
		return;
	vmboot_ledger_free(run->ledger);
	run->ledger = ledger;
}

static bool reached(const struct vmboot_ledger *ledger, enum vmboot_phase phase)
{
	for (size_t i = 0; i < ledger->n_events; i++)
		if (ledger->events[i]->phase == phase && !ledger->events[i]->error)
			return true;
	return false;
}

/* The kernel panicked, as when PID 1 ends, or QEMU died. */
static bool crashed(const struct vmboot_ledger *ledger)
{
	for (size_t i = 0; i < ledger->n_events; i++)
		if (ledger->events[i]->phase == VMBOOT_PHASE_STOPPED &&
		    strcmp(ledger->events[i]->detail, "crashed") == 0)
			return true;
	return false;
}

/* An init system reports no exit: powering off is its end. */
static bool powered_off(const struct run *run)
{
	return run->ledger && !crashed(run->ledger) &&
	       (reached(run->ledger, VMBOOT_PHASE_READY) ||
		run->args->opts->init_mode == VMBOOT_INIT_SYSTEMD);
}

static int follow(struct run *run);

static void tell_if_oom(const struct vmboot_ledger *ledger)
{
	for (size_t i = 0; ledger->exit_oom && i < ledger->n_events; i++)
		if (ledger->events[i]->phase == VMBOOT_PHASE_EXIT) {
			char *safe = printable(ledger->events[i]->detail);

			say("%s", safe);
			free(safe);
			return;
		}
}

static int program_status(const struct vmboot_ledger *ledger)
{
	if (!ledger || !ledger->exited) {
		say("the guest did not tell how the program ended");
		return EXIT_RUN_FAILED;
	}
	tell_if_oom(ledger);
	return ledger->exit_signal ? EXIT_SIGNAL + ledger->exit_signal : ledger->exit_code;
}

/* What a program wrote and nobody got is a failure, however the program ended. */
static int write_failed(const struct run *run)
{
	int error = write_error(run);

	if (error == EPIPE)
		return EXIT_SIGNAL + SIGPIPE;
	say("cannot pass the program's output on: %s", strerror(error));
	return EXIT_RUN_FAILED;
}

/* A program that failed keeps its code, also if some of its output was lost. */
static int finished_status(const struct run *run)
{
	int status;

	drain(run);
	if (write_error(run))
		return write_failed(run);
	status = program_status(run->ledger);
	return status == 0 && run->lost ? EXIT_RUN_FAILED : status;
}

/* libvirt made a reboot of the power-off: the program is started again, or was. */
static bool rebooted(struct run *run)
{
	_cleanup_(ledger) struct vmboot_ledger *ledger = NULL;

	return vmboot_ledger(run->vm, &ledger) >= 0 && !ledger->exited;
}

/* The program ended: let the guest power off, and tell how the program ended. */
static int finish(struct run *run)
{
	take_ledger(run);
	if (run->poweroff && wait_stopped(run) < 0) {
		if (rebooted(run))
			return follow(run);
		vmboot_stop(run->vm, 0);
	} else if (!run->poweroff)
		take_output(run);
	if (run->args->report && run->poweroff)
		take_ledger(run);
	return finished_status(run);
}

static int interrupted(struct run *run)
{
	stop(run);
	take_ledger(run);
	drain(run);
	return signals ? EXIT_SIGNAL + first_signal : write_failed(run);
}

static int follow(struct run *run)
{
	int r;

	if (!run->output)
		run->output = output_start();
	if (!run->output) {
		say("cannot start a thread: %s", strerror(errno));
		vmboot_stop(run->vm, 0);
		return EXIT_RUN_FAILED;
	}
	vmboot_on_output(run->vm, VMBOOT_STREAM_STDOUT, pass_on, run);
	vmboot_on_output(run->vm, VMBOOT_STREAM_STDERR, pass_on, run);
	r = wait_for(run, VMBOOT_PHASE_EXIT);
	if (r >= 0)
		return finish(run);
	if (r == -ETIMEDOUT || r == -EINTR)
		return interrupted(run);
	if (r == -VMBOOT_EENDED) {
		take_ledger(run);
		if (powered_off(run)) {
			drain(run);
			return run->lost ? EXIT_RUN_FAILED : 0;
		}
	}
	r = failed_boot(run);
	vmboot_stop(run->vm, 0);
	take_ledger(run);
	return r;
}

static void report(const struct vmboot_ledger *ledger)
{
	_cleanup_(text) char *table = NULL;

	if (ledger && vmboot_ledger_table(ledger, &table) >= 0)
		fputs(table, stderr);
}

static int run_foreground(struct run *run)
{
	int status = signals ? interrupted(run) : follow(run);

	if (run->args->report)
		report(run->ledger);
	if (run->args->opts->ephemeral && vmboot_destroy(run->vm) < 0)
		show_error(status);
	return status;
}

/* In the foreground the VM goes with its program, unless the caller said what he wants. */
static int default_on_exit(struct run *run)
{
	struct args *args = run->args;

	if (!args->detach && !args_given(args, "on_exit") &&
	    vmboot_opts_set(args->opts, "on_exit", "poweroff") < 0)
		return show_error(EXIT_RUN_FAILED);
	run->poweroff = args->opts->on_exit == VMBOOT_ON_EXIT_POWEROFF;
	return 0;
}

int verb_run(struct args *args)
{
	struct run run = {.args = args};
	int r = default_on_exit(&run);

	if (r)
		return r;
	if (vmboot_cancel_new(&cancel) < 0)
		return show_error(EXIT_RUN_FAILED);
	args->opts->cancel = cancel;
	catch_signals();
	creating = 1;
	r = create(&run);
	creating = 0;
	if (r)
		return signals ? EXIT_SIGNAL + first_signal : r;
	if (args->detach && !signals)
		out_line(vmboot_name(run.vm));
	else
		r = run_foreground(&run);
	vmboot_close(run.vm);
	vmboot_ledger_free(run.ledger);
	return r;
}
