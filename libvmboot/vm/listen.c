/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <string.h>

#include "agent/lifecycle.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sigpipe.h"
#include "base/str.h"
#include "guest/console.h"
#include "vm/vm.h"

enum {
	/* How often a wait asks libvirt whether the guest still runs: a guest whose emulation broke
	 * is paused, and no file tells. Readiness is never polled. */
	HEALTH_MS = 1000,
	/* After QEMU closed its files libvirt needs a moment to notice that it is gone. */
	LEAVING_MS = 20,
	REASON_MS = 200,
	CONSOLE_MAX = 4096,
};

/* The unlocked callbacks get events of their own; strings live as long as the call. */
static void tell_event(struct vmboot_vm *vm, const struct vmb_event *e, int64_t offset)
{
	const struct vmboot_event event = {
		.size = sizeof(event),
		.phase = e->phase,
		.guest = true,
		.error = e->error,
		.start_us = (int64_t)e->start_us + offset,
		.end_us = (int64_t)e->end_us + offset,
		.value = e->value,
		.device = e->device,
		.detail = e->detail,
	};

	if (vm->on_event)
		vm->on_event(vm, &event, vm->on_event_data);
}

static void tell_host_events(struct vmboot_vm *vm)
{
	for (size_t i = 0; i < vm->phases.n && vm->on_event && !vm->told_host; i++) {
		const struct vmboot_event event = {
			.size = sizeof(event),
			.phase = vm->phases.list[i].phase,
			.start_us = vm->phases.list[i].start_us,
			.end_us = vm->phases.list[i].end_us,
			.device = "",
			.detail = "",
		};

		vm->on_event(vm, &event, vm->on_event_data);
	}
	if (vm->on_event)
		vm->told_host = true;
}

static void tell_stopped(struct vmboot_vm *vm)
{
	const struct vmb_boot boot = vmb_watch_boot(vm->watch, &vm->phases);
	int64_t at = vm->left_us < 0 ? vmb_host_phases_now(&vm->phases) : vm->left_us;
	const struct vmboot_event event = {
		.size = sizeof(event),
		.phase = VMBOOT_PHASE_STOPPED,
		.start_us = at - vmb_boot_began(&boot),
		.end_us = at - vmb_boot_began(&boot),
		.device = "",
		.detail = vm->stopped ? vm->stopped : "",
	};

	if (!vm->stopped || vm->told_stopped || !vm->on_event)
		return;
	vm->told_stopped = true;
	vm->on_event(vm, &event, vm->on_event_data);
}

static int tell_output(struct vmboot_vm *vm)
{
	char buf[16384];
	ssize_t n = 0;

	for (int i = 0; i < VMB_WATCH_STREAMS && n >= 0; i++)
		while (vm->on_output[i] && (n = vmb_watch_read(vm->watch, i, buf, sizeof(buf))) > 0)
			vm->on_output[i](vm, (enum vmboot_stream)(i + 1), buf, (size_t)n,
					 vm->on_output_data[i]);
	return n < 0 ? (int)n : 0;
}

/* What a start by another handle, or in another process, wrote down. */
static void load_phases(struct vmboot_vm *vm)
{
	if (vmb_host_phases_load(vm->files.ledger, &vm->phases) < 0)
		vm->phases = (struct vmb_host_phases){0};
}

/* ---- what libvirt tells ---- */

/* Takes the mail; libvirt's last word on why the guest stopped, or NULL. */
static const char *read_news(struct vmboot_vm *vm)
{
	struct vmb_newest newest;

	if (!vm->news)
		return NULL;
	newest = vmb_domain_events_take(vm->news);
	vm->resets += newest.resets;
	vm->reset_mono_us = newest.reset_mono_us;
	return newest.stopped;
}

/* The domain of an ephemeral VM is gone with it: only the event says why, and is on its way. */
static const char *await_reason(struct vmboot_vm *vm)
{
	struct pollfd p = {.fd = vm->news ? vmb_domain_events_fd(vm->news) : -1, .events = POLLIN};
	const char *why = read_news(vm);

	if (!why && vm->news && poll(&p, 1, REASON_MS) > 0)
		why = read_news(vm);
	return why ? why : "unknown";
}

/*
 * An embedded libvirt may not have been there when the guest ended, nor we: it guesses then. The guest
 * itself may have said that it powers off.
 */
static const char *believed_reason(struct vmboot_vm *vm, const char *why)
{
	const struct vmb_boot boot = vmb_watch_boot(vm->watch, &vm->phases);
	const struct vmb_event *last = boot.n ? &boot.events[boot.n - 1] : NULL;

	if (vm->left_us >= 0 || !vmb_conn_in_process(vm->conn) || !last ||
	    last->phase != VMBOOT_PHASE_POWEROFF || last->value != VMBOOT_POWEROFF_OFF)
		return why;
	return vmb_streq(why, "unknown") || vmb_streq(why, "crashed") ? "shutdown" : why;
}

/* 1: the guest is gone or will never go on; 0: it runs; or an error. */
static int guest_ended(struct vmboot_vm *vm)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	enum vmboot_state state = VMBOOT_STATE_STOPPED;
	const char *why = NULL;
	int r;

	r = vmb_vm_domain(vm, &d);
	if (r == 0)
		r = vmb_vm_state(d, &state, &why);
	if (r < 0 && r != -VMBOOT_ENOVM)
		return r;
	/* libvirt makes a reboot of a power-off, if it was asked to, while QEMU stays */
	if (state != VMBOOT_STATE_STOPPED || (r > 0 && vm->left_us < 0)) {
		vm->stopped = NULL;
		return 0;
	}
	if (why || !vm->stopped)
		vm->stopped = believed_reason(vm, why ? why : await_reason(vm));
	return 1;
}

/* Without events a wait still ends; it only learns of less, or later. */
static void open_news(struct vmboot_vm *vm)
{
	struct vmb_saved_error *saved;
	int r;

	if (vm->news || !vmb_deadline_passed(vm->news_retry))
		return;
	vm->news_retry = vmb_deadline_in(HEALTH_MS);
	saved = vmb_error_save();
	r = vmb_domain_events_open(vm->conn, vm->name, &vm->news);
	if (r == 0)
		r = vmb_watch_also(vm->watch, vmb_domain_events_fd(vm->news));
	if (r < 0) {
		vmb_log(&vm->log, VMBOOT_LOG_DEBUG, "%s: no events from libvirt: %s", vm->name,
			vmboot_last_error()->message);
		vmb_domain_events_close(TAKE_PTR(vm->news));
	}
	vmb_error_restore(saved);
}

static void hear_news(struct vmboot_vm *vm)
{
	const char *stopped;

	open_news(vm);
	stopped = read_news(vm);
	/* it may be old news: libvirt's word on the state of now counts */
	if (stopped && !vm->stopped) {
		vm->stopped = stopped;
		if (guest_ended(vm) != 1)
			vm->stopped = NULL;
	}
}

/* ---- errors ---- */

static const char *phase_words(const struct vmboot_vm *vm)
{
	struct vmb_boot boot = vmb_watch_boot(vm->watch, &vm->phases);

	return boot.n ? vmboot_phase_name(boot.events[boot.n - 1].phase) : "none";
}

/* An error with the last phase and the last console lines, whatever went wrong. */
static int wait_error(struct vmboot_vm *vm, int code, const char *words)
{
	char console[CONSOLE_MAX];

	vmb_console_tail(vm->files.console, console, sizeof(console));
	vmb_error(code, "%s: %s (last phase: %s)", vm->name, words, phase_words(vm));
	vmb_error_boot(phase_words(vm), "", 0, console);
	return -code;
}

/* ---- taking in ---- */

static void hear_files(struct vmboot_vm *vm)
{
	if (vmb_watch_writer_left(vm->watch)) {
		vm->left = true;
		vm->left_us = vmb_host_phases_now(&vm->phases);
	}
	if (vmb_watch_renewed(vm->watch)) {
		load_phases(vm);
		vmb_vm_forget_end(vm);
		vm->told_host = false;
		vm->told = 0;
	}
}

static void tell_guest_events(struct vmboot_vm *vm)
{
	struct vmb_boot boot = vmb_watch_boot(vm->watch, &vm->phases);

	if (boot.number != vm->told_boot)
		vm->told = 0; /* the guest began another boot */
	vm->told_boot = boot.number;
	for (; vm->told < boot.n; vm->told++)
		tell_event(vm, &boot.events[vm->told], boot.offset_us - vmb_boot_began(&boot));
}

/*
 * Takes in and tells what is new, at most to the end of a boot: while more(), there is more. The
 * lock is held.
 */
static int take(struct vmboot_vm *vm)
{
	int r, news;

	r = vmb_vm_listen(vm);
	if (r < 0)
		return r;
	hear_news(vm);
	news = vmb_watch_take(vm->watch, &vm->phases);
	hear_files(vm);
	if (news == 0 && vm->resets) {
		vm->resets--;
		vmb_watch_reset(vm->watch, &vm->phases, vmb_monotonic_us() - vm->reset_mono_us);
	}
	tell_host_events(vm);
	r = tell_output(vm);
	tell_guest_events(vm);
	tell_stopped(vm);
	return news < 0 ? news : r < 0 ? r : news;
}

static bool more(const struct vmboot_vm *vm)
{
	return vm->resets || vmb_watch_more(vm->watch);
}

/*
 * A guest that was reset before its program ran would do so for ever. The last words of its console
 * come first: the next boot writes there, too.
 */
static int end_aborted(struct vmboot_vm *vm)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	struct vmb_saved_error *saved;
	int r;

	r = wait_error(vm, VMBOOT_EBOOT,
		       "the boot failed: the guest was reset before its program ran, as after a "
		       "kernel panic; its power was cut");
	if (vm->cut || vm->stopped)
		return r;
	saved = vmb_error_save();
	vm->cut = vmb_vm_domain(vm, &d) == 0 && vmb_vm_cut_power(vm, d) == 0;
	vmb_error_restore(saved);
	return r;
}

static bool is_aborted(const struct vmboot_vm *vm)
{
	return vmb_watch_boot(vm->watch, &vm->phases).aborted;
}

int vmboot_dispatch(struct vmboot_vm *vm)
{
	VMB_NO_SIGPIPE;
	int r, news = 0;

	VMB_LOCK(vm);
	do {
		r = take(vm);
		news += r > 0 ? r : 0;
	} while (r >= 0 && more(vm));
	if (r >= 0 && is_aborted(vm) && !vm->cut && !vm->stopped)
		r = end_aborted(vm);
	VMB_UNLOCK(vm);
	return r < 0 ? r : news;
}

int vmboot_event_fd(struct vmboot_vm *vm)
{
	VMB_NO_SIGPIPE;
	int r;

	VMB_LOCK(vm);
	r = vmb_vm_listen(vm);
	if (r == 0)
		open_news(vm);
	if (r == 0)
		r = vmb_watch_fd(vm->watch);
	VMB_UNLOCK(vm);
	return r;
}

int vmboot_on_event(struct vmboot_vm *vm, vmboot_event_fn fn, void *data)
{
	VMB_LOCK(vm);
	vm->on_event = fn;
	vm->on_event_data = data;
	VMB_UNLOCK(vm);
	return 0;
}

int vmboot_on_output(struct vmboot_vm *vm, enum vmboot_stream stream, vmboot_output_fn fn,
		     void *data)
{
	if (stream < VMBOOT_STREAM_STDOUT || stream > VMBOOT_STREAM_CONSOLE)
		return vmb_error(EINVAL, "there is no output stream %d", (int)stream);
	VMB_LOCK(vm);
	vm->on_output[stream - 1] = fn;
	vm->on_output_data[stream - 1] = data;
	VMB_UNLOCK(vm);
	return 0;
}

/* For who asks: the state of now, if libvirt tells it. */
static void look_for_end(struct vmboot_vm *vm, struct vmb_boot *boot)
{
	struct vmb_saved_error *saved = vmb_error_save();

	(void)guest_ended(vm);
	vmb_error_restore(saved);
	boot->stopped = vm->stopped;
	boot->stopped_us = vm->left_us;
}

int vmboot_ledger(struct vmboot_vm *vm, struct vmboot_ledger **ret_ledger)
{
	VMB_NO_SIGPIPE;
	struct vmb_boot boot;
	int r;

	VMB_LOCK(vm);
	r = vmb_vm_listen(vm);
	while (r >= 0 && (r = vmb_watch_take(vm->watch, &vm->phases)) >= 0 &&
	       vmb_watch_more(vm->watch))
		;
	if (r >= 0) {
		hear_files(vm);
		/* another's ledger may have been half written when it was read first */
		if (!vm->phases.start_mono_us)
			load_phases(vm);
		boot = vmb_watch_boot(vm->watch, &vm->phases);
		look_for_end(vm, &boot);
		r = vmb_ledger_make(vm->name, &vm->phases, &boot, ret_ledger);
	}
	VMB_UNLOCK(vm);
	return r;
}

/* ---- waiting ---- */

static int boot_failed(struct vmboot_vm *vm, const struct vmb_event *e)
{
	char console[CONSOLE_MAX];

	vmb_console_tail(vm->files.console, console, sizeof(console));
	vmb_error(VMBOOT_EBOOT, "%s: the boot failed in phase %s%s%s: %s%s%s", vm->name,
		  vmboot_phase_name(e->phase), *e->device ? ", device " : "", e->device,
		  *e->detail ? e->detail : "", *e->detail ? ": " : "", vmboot_strerror(e->error));
	vmb_error_boot(vmboot_phase_name(e->phase), e->device, e->error, console);
	return -VMBOOT_EBOOT;
}

/* An agent of the image's tells nothing; what init tells is only that it starts none. */
static bool is_libvirts_to_tell(const struct vmboot_vm *vm, enum vmboot_phase phase)
{
	return phase == VMBOOT_PHASE_AGENT && vm->metadata.guest_agent == VMBOOT_AGENT_IMAGE;
}

/* What is waited for: a phase's end, or a later boot. */
struct waiting {
	enum vmboot_phase phase; /* NONE: a later boot */
	size_t boot;		 /* than this */
	struct vmb_deadline deadline, health;
	bool left; /* the writer left; libvirt has not noticed yet */
	struct vmb_lifecycle *agent;
};

/* 1: the phase has ended; 0: not yet; or the error of a boot that failed. */
static int look(struct vmboot_vm *vm, const struct waiting *w)
{
	struct vmb_boot boot = vmb_watch_boot(vm->watch, &vm->phases);
	enum vmboot_phase phase = w->phase;

	if (phase == VMBOOT_PHASE_NONE)
		return boot.number > w->boot;
	if (phase < VMBOOT_PHASE_FIRMWARE)
		return 1;
	for (size_t i = 0; i < boot.n; i++) {
		const struct vmb_event *e = &boot.events[i];

		if (e->error)
			return phase == VMBOOT_PHASE_STOPPED ? 0 : boot_failed(vm, e);
		if (e->phase == phase && !is_libvirts_to_tell(vm, phase))
			return 1;
		/* with our own init as PID 1 nobody tells of a default target */
		if (phase == VMBOOT_PHASE_READY && e->phase == VMBOOT_PHASE_PROGRAM &&
		    vm->metadata.init_mode != VMBOOT_INIT_SYSTEMD)
			return 1;
		if (phase == VMBOOT_PHASE_FIRMWARE)
			return 1;
	}
	return 0;
}

/* As look(), for what libvirt tells: from the first look on it is listened to. */
static int look_at_agent(struct vmboot_vm *vm, struct waiting *w)
{
	int r = 0;

	if (w->agent && vmb_deadline_passed(w->health) && !vmb_lifecycle_is_alive(w->agent)) {
		vmb_lifecycle_close(w->agent);
		w->agent = NULL;
	}
	if (!w->agent)
		r = vmb_lifecycle_open(vm->conn, vm->name, &w->agent);
	if (r == 0)
		r = vmb_lifecycle_connected(w->agent);
	/* whether a guest that is gone had one is not known any more */
	return r == -VMBOOT_ENOVM || r == -VMBOOT_EENDED ? 0 : r;
}

static int look_everywhere(struct vmboot_vm *vm, struct waiting *w)
{
	int r = look(vm, w);

	return r == 0 && is_libvirts_to_tell(vm, w->phase) ? look_at_agent(vm, w) : r;
}

/* Asks libvirt when there is reason to; 1 if the guest ended. */
static int check_health(struct vmboot_vm *vm, struct waiting *w)
{
	if (vm->stopped)
		return guest_ended(vm);
	w->left |= vm->left;
	vm->left = false;
	if (!w->left && !vmb_deadline_passed(w->health))
		return 0;
	w->health = vmb_deadline_in(HEALTH_MS);
	if (vm->news && !vmb_domain_events_alive(vm->news))
		vmb_domain_events_close(TAKE_PTR(vm->news)); /* libvirt was restarted */
	return guest_ended(vm);
}

/* Takes in all there is, boot by boot: 1 the phase has ended, 0 not yet, negative an error. */
static int take_and_look(struct vmboot_vm *vm, struct waiting *w)
{
	int r;

	do {
		r = take(vm);
		if (r >= 0)
			r = vm->stopped ? look(vm, w) : look_everywhere(vm, w);
	} while (r == 0 && more(vm));
	if (r == 0 && is_aborted(vm)) {
		r = end_aborted(vm);
		r = w->phase == VMBOOT_PHASE_STOPPED ? 0 : r;
	}
	return r;
}

static int ended_error(struct vmboot_vm *vm)
{
	_cleanup_free_ char *words = NULL;
	const char *more_words = "";
	int r;

	if (vmb_streq(vm->stopped, "crashed"))
		more_words = ": its kernel panicked, or QEMU died";
	r = vmb_asprintf(&words, "the guest ended (%s%s) before that happened", vm->stopped,
			 more_words);
	return r < 0 ? r : wait_error(vm, VMBOOT_EENDED, words);
}

/* One look: 1 done, 0 go on waiting, negative an error. The lock is held. */
static int step(struct vmboot_vm *vm, struct waiting *w)
{
	int r, ended;

	r = take_and_look(vm, w);
	if (r != 0)
		return r;
	ended = check_health(vm, w);
	if (ended <= 0)
		return ended;
	/* what it said last came before it went */
	r = take_and_look(vm, w);
	if (r != 0 || w->phase == VMBOOT_PHASE_STOPPED)
		return r ? r : 1;
	return ended_error(vm);
}

static int timed_out(struct vmboot_vm *vm, enum vmboot_phase phase)
{
	char words[80];

	snprintf(words, sizeof(words), "phase %s was not reached in time",
		 vmboot_phase_name(phase));
	return wait_error(vm, ETIMEDOUT, words);
}

static int wait_for(struct vmboot_vm *vm, struct waiting *w)
{
	struct pollfd fds[] = {{.events = POLLIN}, {.events = POLLIN}};
	int r, cap;

	for (;;) {
		VMB_LOCK(vm);
		r = step(vm, w);
		fds[0].fd = vm->watch ? vmb_watch_fd(vm->watch) : -1;
		fds[1].fd = w->agent ? vmb_lifecycle_fd(w->agent) : -1;
		if (r == 0 && vmb_deadline_passed(w->deadline))
			r = timed_out(vm, w->phase);
		VMB_UNLOCK(vm);
		if (r != 0)
			return r < 0 ? r : 0;
		cap = vmb_deadline_poll(w->health, w->left ? LEAVING_MS : HEALTH_MS);
		if (poll(fds, 2, vmb_deadline_poll(w->deadline, cap)) < 0 && errno == EINTR)
			return vmb_error(EINTR, "the wait for %s was interrupted", vm->name);
	}
}

int vmboot_wait(struct vmboot_vm *vm, enum vmboot_phase phase, int timeout_ms)
{
	VMB_NO_SIGPIPE;
	struct waiting w = {
		.phase = phase,
		.deadline = vmb_deadline_in(timeout_ms),
		.health = vmb_deadline_in(0),
	};
	int r;

	if (*vmboot_phase_help(phase) == '\0')
		return vmb_error(EINVAL, "there is no phase %d", (int)phase);
	r = wait_for(vm, &w);
	vmb_lifecycle_close(w.agent);
	return r;
}

size_t vmb_vm_boot_number(struct vmboot_vm *vm)
{
	size_t number = 0;

	VMB_LOCK(vm);
	if (vm->watch)
		number = vmb_watch_boot(vm->watch, &vm->phases).number;
	VMB_UNLOCK(vm);
	return number;
}

int vmb_vm_wait_reboot(struct vmboot_vm *vm, size_t boot, int timeout_ms)
{
	struct waiting w = {.boot = boot,
			    .deadline = vmb_deadline_in(timeout_ms),
			    .health = vmb_deadline_in(0)};

	return wait_for(vm, &w);
}
