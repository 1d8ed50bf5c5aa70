/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/listen.h"

#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/sigpipe.h"
#include "guest/console.h"
#include "guest/log-limiter.h"
#include "vm/vm.h"

enum {
	CONSOLE_MAX = 4096,
	QUEUE_MIN = 32,
	/* What one vmboot_dispatch() calls at most; the descriptor stays readable if there is more. */
	DISPATCH_CALLS = 64,
	/* How long vmboot_ledger() waits for libvirt to say whether the guest still runs. */
	ANSWER_MS = 10000,
};

void vmb_listen_init(struct vmb_listener *l)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->delivered, &attr);
	pthread_condattr_destroy(&attr);
	l->events_fd = -1;
	vmb_monitor_init(&l->monitor);
}

static void drop_error(struct vmb_listener *l)
{
	free(TAKE_PTR(l->error_words));
	l->error = 0;
}

void vmb_listen_done(struct vmb_listener *l)
{
	drop_error(l);
	vmb_watch_close(TAKE_PTR(l->watch));
	pthread_cond_destroy(&l->delivered);
	free(l->abort_console);
	free(l->queue);
}

/* ---- opening ---- */

int vmb_listen_open_worker(struct vmboot_vm *vm)
{
	struct vmb_worker_target target = {.conn = vm->conn, .name = vm->name};
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r;

	r = vmb_asprintf(&path, "%s/lock", vm->files.folder ? vm->files.folder : "");
	if (r < 0)
		return r;
	target.lock_path = path;
	if (vm->folder_lock >= 0 && fstat(vm->folder_lock, &st) == 0) {
		target.dev = st.st_dev;
		target.ino = st.st_ino;
	}
	return vmb_worker_new(&target, &vm->listener.worker);
}

static struct vmb_watch_paths watch_paths(const struct vmboot_vm *vm)
{
	return (struct vmb_watch_paths){
		.events = vm->files.events,
		.streams = {vm->files.out, vm->files.err, vm->files.console},
		.log_max_mib = vm->metadata.log_max_mib,
	};
}

void vmb_listen_limit_logs(const struct vmboot_vm *vm)
{
	const struct vmb_watch_paths paths = watch_paths(vm);

	if (!vmb_conn_in_process(vm->conn) || vmb_log_limiter_start(&paths) == 0)
		return;
	vmb_log(&vm->log, VMBOOT_LOG_WARNING,
		"nothing limits the logs of \"%s\" while nobody listens to it: %s", vm->name,
		vmboot_last_error()->message);
}

static int open_watch(struct vmboot_vm *vm)
{
	const struct vmb_watch_paths paths = watch_paths(vm);
	struct vmb_listener *l = &vm->listener;
	int r;

	r = vmb_vm_check_files(vm);
	if (r < 0)
		return r;
	if (!vmb_exists(vm->files.folder))
		return vmb_error(VMBOOT_ENOVM, "the files of the VM \"%s\" are gone from %s",
				 vm->name, vm->files.folder);
	r = vmb_watch_open(&paths, &l->watch);
	if (r == 0)
		r = vmb_vm_check_same(vm, NULL);
	if (r < 0)
		vmb_watch_close(TAKE_PTR(l->watch));
	return r;
}

/* The worker comes with the first that listens to a VM that is made: it must know which one it is. */
static int wake_for_worker(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;
	int r = 0;

	if (l->worker || vm->folder_lock < 0)
		return 0;
	r = vmb_listen_open_worker(vm);
	return r < 0 ? r : vmb_watch_also(l->watch, vmb_worker_fd(l->worker));
}

int vmb_listen_open(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;
	int r = 0;

	if (!l->watch) {
		r = open_watch(vm);
		l->events_fd = -1;
		if (r == 0 && l->worker)
			r = vmb_watch_also(l->watch, vmb_worker_fd(l->worker));
	}
	return r < 0 ? r : wake_for_worker(vm);
}

static void feed(struct vmboot_vm *vm, struct vmb_monitor_input input)
{
	input.now_us = vmb_monotonic_us();
	vmb_monitor_feed(&vm->listener.monitor, &input);
}

/* Another boot from a start: what was known of the last is void. */
static void forget_boot(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;

	feed(vm, (struct vmb_monitor_input){.event = VMB_MONITOR_STARTED});
	free(TAKE_PTR(l->abort_console));
	l->resets = 0;
	l->starts++;
	l->queue_n = l->queued = l->queued_boot = l->host_delivered = 0;
	l->stopped_delivered = l->abort_reported = false;
}

void vmb_listen_forget_state(struct vmboot_vm *vm)
{
	feed(vm, (struct vmb_monitor_input){.event = VMB_MONITOR_STARTED});
}

int vmb_listen_anew(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;
	int r;

	forget_boot(vm);
	if (!l->watch)
		return vmb_listen_open(vm);
	r = vmb_watch_restart(l->watch);
	if (r < 0)
		vmb_watch_close(TAKE_PTR(l->watch));
	return r;
}

void vmb_listen_resumed(struct vmboot_vm *vm, const struct vmb_host_phases *phases)
{
	struct vmb_listener *l = &vm->listener;

	vm->phases = *phases;
	l->stopped_delivered = l->starting = false;
	if (l->watch)
		vmb_watch_resumed(l->watch);
	vmb_listen_forget_state(vm);
}

/* ---- taking in ---- */

/* What a start by another handle, or in another process, wrote down. */
static void load_phases(struct vmboot_vm *vm)
{
	if (vmb_host_phases_load(vm->files.ledger, &vm->phases) < 0)
		vm->phases = (struct vmb_host_phases){0};
}

static void take_libvirts_events(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;
	int fd = vmb_worker_events_fd(l->worker);
	struct vmb_newest newest;

	if (fd >= 0 && fd != l->events_fd)
		(void)vmb_watch_also(l->watch, fd);
	l->events_fd = fd;
	newest = vmb_worker_take_events(l->worker);
	l->resets += newest.resets;
	if (newest.resets)
		l->reset_mono_us = newest.reset_mono_us;
	if (newest.stopped && newest.stopped != l->last_report)
		feed(vm, (struct vmb_monitor_input){.event = VMB_MONITOR_STOP_REPORTED,
						    .reason = newest.stopped});
	l->last_report = newest.stopped;
}

static bool guest_powered_off(const struct vmboot_vm *vm)
{
	const struct vmb_boot boot = vmb_watch_boot(vm->listener.watch, &vm->phases);
	const struct vmb_event *last = boot.n ? &boot.events[boot.n - 1] : NULL;

	return vmb_conn_in_process(vm->conn) && last && last->phase == VMBOOT_PHASE_POWEROFF &&
	       last->value == VMBOOT_POWEROFF_OFF;
}

static void take_answers(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;
	struct vmb_answers a = vmb_worker_take(l->worker);

	if (a.done & VMB_WORK_CUT_POWER)
		feed(vm, (struct vmb_monitor_input){.event = VMB_MONITOR_POWER_CUT});
	if (!(a.done & VMB_WORK_STATE))
		return;
	drop_error(l);
	l->error = a.error;
	l->error_words = a.words;
	if (l->starting)
		a.answer = VMB_MONITOR_ANSWER_FAILED;
	feed(vm, (struct vmb_monitor_input){.event = a.answer,
					    .asked_us = a.asked_us,
					    .reason = a.reason,
					    .guest_powered_off = guest_powered_off(vm)});
	if (l->monitor.state == VMB_GUEST_RUNNING)
		l->stopped_delivered = false;
}

static void take_libvirts_word(struct vmboot_vm *vm)
{
	if (!vm->listener.worker)
		return;
	vmb_worker_clear(vm->listener.worker);
	take_libvirts_events(vm);
	take_answers(vm);
}

static void take_hints(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;

	if (vmb_watch_writer_left(l->watch))
		feed(vm, (struct vmb_monitor_input){.event = VMB_MONITOR_WRITER_LEFT,
						    .left_us = vmb_host_phases_now(&vm->phases)});
	if (vmb_watch_renewed(l->watch)) {
		load_phases(vm);
		forget_boot(vm);
	}
}

/* The last words of its console come first: the next boot writes there, too. */
static void take_abort(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;

	if (!vmb_watch_boot(l->watch, &vm->phases).aborted)
		return;
	if (!l->abort_console) {
		l->abort_console = calloc(1, CONSOLE_MAX);
		if (l->abort_console)
			vmb_console_tail(vm->files.console, l->abort_console, CONSOLE_MAX);
	}
	feed(vm, (struct vmb_monitor_input){.event = VMB_MONITOR_ABORTED});
}

static int queue_event(struct vmboot_vm *vm, const struct vmb_event *e, int64_t offset_us)
{
	struct vmb_listener *l = &vm->listener;
	struct vmb_pending_event *p;

	if (l->queue_n == l->queue_size) {
		size_t size = l->queue_size ? 2 * l->queue_size : QUEUE_MIN;

		p = reallocarray(l->queue, size, sizeof(*p));
		if (!p)
			return vmb_oom();
		l->queue = p;
		l->queue_size = size;
	}
	p = &l->queue[l->queue_n++];
	*p = (struct vmb_pending_event){.event = *e, .offset_us = offset_us};
	for (int i = 0; i < VMB_WATCH_STREAMS; i++)
		p->output[i] = l->output_delivered[i] + vmb_watch_unread(l->watch, i);
	return 0;
}

static int queue_guest_events(struct vmboot_vm *vm)
{
	const struct vmb_boot boot = vmb_watch_boot(vm->listener.watch, &vm->phases);
	struct vmb_listener *l = &vm->listener;
	int r = 0;

	if (boot.number != l->queued_boot)
		l->queued = 0; /* the guest began another boot */
	l->queued_boot = boot.number;
	for (; l->queued < boot.n && r == 0; l->queued++)
		r = queue_event(vm, &boot.events[l->queued],
				vmb_boot_offset(&boot, l->queued) - vmb_boot_began(&boot));
	return r;
}

int vmb_listen_take(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;
	int r, n;

	r = vmb_listen_open(vm);
	if (r < 0)
		return r;
	take_libvirts_word(vm);
	n = vmb_watch_take(l->watch, &vm->phases);
	take_hints(vm);
	if (n == 0 && l->resets) {
		l->resets--;
		vmb_watch_reset(l->watch, &vm->phases, vmb_monotonic_us() - l->reset_mono_us);
	}
	memset(l->drained, 0, sizeof(l->drained));
	take_abort(vm);
	r = queue_guest_events(vm);
	return n < 0 ? n : r;
}

bool vmb_listen_more(const struct vmboot_vm *vm)
{
	return vm->listener.resets || vmb_watch_more(vm->listener.watch);
}

void vmb_listen_work(struct vmboot_vm *vm, bool waiting, int64_t *ret_next_us)
{
	unsigned work =
		vmb_monitor_work(&vm->listener.monitor, vmb_monotonic_us(), waiting, ret_next_us);

	if (vm->listener.worker)
		vmb_worker_want(vm->listener.worker, work);
}

struct vmb_boot vmb_listen_boot(const struct vmboot_vm *vm)
{
	struct vmb_boot boot = vmb_watch_boot(vm->listener.watch, &vm->phases);
	const struct vmb_monitor *m = &vm->listener.monitor;

	boot.stopped = m->state == VMB_GUEST_ENDED ? m->reason : NULL;
	boot.stopped_us = m->left_us;
	return boot;
}

/* ---- errors ---- */

int vmb_listen_error(const struct vmboot_vm *vm, int code, const char *console, const char *words)
{
	const struct vmb_boot boot = vmb_watch_boot(vm->listener.watch, &vm->phases);
	const char *last = boot.n ? vmboot_phase_name(boot.events[boot.n - 1].phase) : "none";

	vmb_error(code, "%s: %s (last phase: %s)", vm->name, words, last);
	vmb_error_boot(last, "", 0, console ? console : "");
	return -code;
}

bool vmb_listen_is_aborted(const struct vmboot_vm *vm)
{
	const struct vmb_listener *l = &vm->listener;

	return vmb_watch_boot(l->watch, &vm->phases).aborted &&
	       (l->monitor.state == VMB_GUEST_CUT || l->monitor.state == VMB_GUEST_ENDED);
}

int vmb_listen_aborted_error(const struct vmboot_vm *vm)
{
	return vmb_listen_error(vm, VMBOOT_EBOOT, vm->listener.abort_console,
				"the boot failed: the guest was reset before its program ran, as "
				"after a kernel panic; its power was cut");
}

/* ---- the public calls that take in and never wait ---- */

int vmboot_dispatch(struct vmboot_vm *vm)
{
	VMB_NO_SIGPIPE;
	struct vmb_listener *l = &vm->listener;
	int64_t next_us;
	int r, events = 0;

	r = vmb_vm_check_process(vm);
	if (r < 0)
		return r;
	VMB_LOCK(vm);
	do
		r = vmb_listen_take(vm);
	while (r >= 0 && vmb_listen_more(vm));
	if (l->watch) {
		vmb_listen_work(vm, false, &next_us);
		(void)vmb_listen_deliver(vm, vmb_deadline_in(-1), DISPATCH_CALLS, &events);
		if (r >= 0)
			r = l->output_error;
		if (r >= 0 && l->watch && vmb_listen_is_aborted(vm) && !l->abort_reported) {
			l->abort_reported = true;
			r = vmb_listen_aborted_error(vm);
		}
	}
	VMB_UNLOCK(vm);
	return r < 0 ? r : events;
}

int vmboot_event_fd(struct vmboot_vm *vm)
{
	VMB_NO_SIGPIPE;
	int64_t next_us;
	int r;

	r = vmb_vm_check_process(vm);
	if (r < 0)
		return r;
	VMB_LOCK(vm);
	r = vmb_listen_open(vm);
	if (r == 0) {
		vmb_listen_work(vm, false, &next_us);
		r = vmb_watch_fd(vm->listener.watch);
	}
	VMB_UNLOCK(vm);
	return r;
}

int vmboot_on_event(struct vmboot_vm *vm, vmboot_event_fn fn, void *data)
{
	int r = vmb_vm_check_process(vm);

	if (r < 0)
		return r;
	VMB_LOCK(vm);
	vm->listener.on_event = fn;
	vm->listener.on_event_data = data;
	VMB_UNLOCK(vm);
	return 0;
}

int vmboot_on_output(struct vmboot_vm *vm, enum vmboot_stream stream, vmboot_output_fn fn,
		     void *data)
{
	int r = vmb_vm_check_process(vm);

	if (r < 0)
		return r;
	if (stream < VMBOOT_STREAM_STDOUT || stream > VMBOOT_STREAM_CONSOLE)
		return vmb_error(EINVAL, "there is no output stream %d", (int)stream);
	VMB_LOCK(vm);
	vm->listener.on_output[stream - 1] = fn;
	vm->listener.on_output_data[stream - 1] = data;
	VMB_UNLOCK(vm);
	return 0;
}

/* ---- the ledger ---- */

static int take_all(struct vmboot_vm *vm)
{
	int r;

	do
		r = vmb_listen_take(vm);
	while (r >= 0 && vmb_listen_more(vm));
	return r;
}

int vmb_listen_last_words(struct vmboot_vm *vm, struct vmb_resume *ret)
{
	struct vmb_boot boot;
	int r = take_all(vm);

	if (r < 0)
		return r;
	if (!vm->phases.start_real_us)
		load_phases(vm);
	boot = vmb_listen_boot(vm);
	*ret = (struct vmb_resume){
		.start_us = vmb_host_phases_now(&vm->phases),
		.boot = boot.number,
		.events = boot.n,
		.offset_us = boot.offset_us,
	};
	return 0;
}

/*
 * The state of now, if libvirt says it in time. The lock is released meanwhile; what is taken in here is
 * somebody else's to deliver.
 */
static int await_answer(struct vmboot_vm *vm)
{
	struct vmb_deadline until = vmb_deadline_in(ANSWER_MS);
	struct vmb_listener *l = &vm->listener;
	int64_t began = vmb_monotonic_us();
	struct pollfd p = {.events = POLLIN};
	int r = 0;

	while (r >= 0 && l->worker && l->monitor.asked_us < began && !vmb_deadline_passed(until)) {
		vmb_worker_want(l->worker, VMB_WORK_STATE);
		p.fd = vmb_worker_fd(l->worker);
		VMB_UNLOCK(vm);
		(void)poll(&p, 1, vmb_deadline_poll(until, 100));
		VMB_LOCK(vm);
		r = take_all(vm);
	}
	return r;
}

int vmboot_ledger(struct vmboot_vm *vm, struct vmboot_ledger **ret_ledger)
{
	VMB_NO_SIGPIPE;
	struct vmb_boot boot;
	int r;

	r = vmb_vm_check_process(vm);
	if (r < 0)
		return r;
	VMB_LOCK(vm);
	r = take_all(vm);
	if (r >= 0)
		r = await_answer(vm);
	if (r >= 0) {
		/* another's ledger may have been half written when it was read first */
		if (!vm->phases.start_mono_us)
			load_phases(vm);
		boot = vmb_listen_boot(vm);
		r = vmb_ledger_make(vm->name, &vm->phases, &boot, ret_ledger);
	}
	vmb_listen_wake_if_pending(vm);
	VMB_UNLOCK(vm);
	return r;
}
