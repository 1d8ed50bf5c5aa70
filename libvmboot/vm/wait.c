/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <string.h>

#include "agent/lifecycle.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/sigpipe.h"
#include "base/str.h"
#include "guest/console.h"
#include "vm/listen.h"
#include "vm/vm.h"

enum {
	CONSOLE_MAX = 4096,
	HEALTH_MS = 1000,
	/* What is there already is delivered for this long, however short the timeout is. */
	DELIVER_MS = 100,
	/* A timeout of 0 asks for the state of now: how long libvirt may take to answer. */
	ANSWER_MS = 10000,
	BATCH_CALLS = 64, /* of callbacks, between two looks */
};

/* What is waited for: a phase's end, in a later boot than the one given if there is one. */
struct waiting {
	enum vmboot_phase phase; /* NONE: the later boot itself */
	bool later;
	size_t boot; /* than this, since so many starts */
	unsigned starts;
	int64_t began_us;
	struct vmb_deadline deadline;	 /* when the call returns */
	struct vmb_deadline answer;	 /* until when it waits for libvirt's first answer */
	struct vmb_deadline deliver;	 /* until when it delivers, at least */
	struct vmb_deadline agent_check; /* of the connection */
	struct vmb_lifecycle *agent;
	/* once it is decided: 1 or an error, which is returned when all before that is delivered */
	int found;
	struct vmb_saved_error *words;
	uint64_t output[VMB_WATCH_STREAMS];
};

/* ---- the boot's errors ---- */

static int boot_failed(const struct vmboot_vm *vm, const struct vmb_event *e)
{
	char console[CONSOLE_MAX];

	vmb_console_tail(vm->files.console, console, sizeof(console));
	vmb_error(VMBOOT_EBOOT, "%s: the boot failed in phase %s%s%s: %s%s%s", vm->name,
		  vmboot_phase_name(e->phase), *e->device ? ", device " : "", e->device,
		  *e->detail ? e->detail : "", *e->detail ? ": " : "", vmboot_strerror(e->error));
	vmb_error_boot(vmboot_phase_name(e->phase), e->device, e->error, console);
	return -VMBOOT_EBOOT;
}

static const char *phase_words(const struct waiting *w)
{
	return w->phase == VMBOOT_PHASE_NONE ? "the next boot" : vmboot_phase_name(w->phase);
}

/* A guest that powered off by itself has done nothing wrong: no console, then. */
static int ended_error(const struct vmboot_vm *vm, const struct waiting *w)
{
	const char *reason = vm->listener.monitor.reason;
	char console[CONSOLE_MAX], words[160];

	if (vmb_streq(reason, "shutdown")) {
		snprintf(words, sizeof(words), "the guest powered off before phase %s was reached",
			 phase_words(w));
		return vmb_listen_error(vm, VMBOOT_EENDED, NULL, words);
	}
	vmb_console_tail(vm->files.console, console, sizeof(console));
	snprintf(words, sizeof(words), "the guest ended (%s%s) before that happened", reason,
		 vmb_streq(reason, "crashed") ? ": its kernel panicked, or QEMU died" : "");
	return vmb_listen_error(vm, VMBOOT_EENDED, console, words);
}

static int timed_out(const struct vmboot_vm *vm, const struct waiting *w)
{
	char console[CONSOLE_MAX], words[160];

	vmb_console_tail(vm->files.console, console, sizeof(console));
	snprintf(words, sizeof(words),
		 w->found ? "the output up to phase %s was not taken in time"
			  : "phase %s was not reached in time",
		 phase_words(w));
	return vmb_listen_error(vm, ETIMEDOUT, console, words);
}

/* libvirt's own words, for the first of the threads that wait for this VM. */
static int unanswered_error(struct vmboot_vm *vm)
{
	struct vmb_saved_error *words = TAKE_PTR(vm->listener.error_words);

	if (!words)
		return vmb_error(-vm->listener.error, "cannot ask libvirt for the state of \"%s\"",
				 vm->name);
	vmb_error_restore(words);
	return vm->listener.error;
}

/* ---- looking; the lock is held ---- */

/* An agent of the image's tells nothing; what init tells is only that it starts none. */
static bool is_libvirts_to_tell(const struct vmboot_vm *vm, enum vmboot_phase phase)
{
	return phase == VMBOOT_PHASE_AGENT && vm->metadata.guest_agent == VMBOOT_AGENT_IMAGE;
}

static int look_at_event(const struct vmboot_vm *vm, enum vmboot_phase phase,
			 const struct vmb_event *e)
{
	if (e->error)
		return phase == VMBOOT_PHASE_STOPPED ? 0 : boot_failed(vm, e);
	if (e->phase == phase && !is_libvirts_to_tell(vm, phase))
		return 1;
	/* with our own init as PID 1 nobody tells of a default target */
	if (phase == VMBOOT_PHASE_READY && e->phase == VMBOOT_PHASE_PROGRAM &&
	    vm->metadata.init_mode != VMBOOT_INIT_SYSTEMD)
		return 1;
	return phase == VMBOOT_PHASE_FIRMWARE;
}

static bool is_of_health(const struct vmb_event *e)
{
	return e->phase == VMBOOT_PHASE_HEALTHY || e->phase == VMBOOT_PHASE_UNHEALTHY ||
	       e->phase == VMBOOT_PHASE_RESTART;
}

/* Health is what it was found to be last. */
static bool is_superseded(const struct vmb_boot *boot, size_t i)
{
	if (!is_of_health(&boot->events[i]) || boot->events[i].phase == VMBOOT_PHASE_RESTART)
		return false;
	while (++i < boot->n)
		if (is_of_health(&boot->events[i]))
			return true;
	return false;
}

/* 1: the phase has ended; 0: not yet; or the error of a boot that failed. */
static int look_at_boot(const struct vmboot_vm *vm, const struct waiting *w)
{
	const struct vmb_boot boot = vmb_listen_boot(vm);
	int r = 0;

	if (w->later && vm->listener.starts == w->starts && boot.number <= w->boot)
		return 0;
	if (w->phase < VMBOOT_PHASE_FIRMWARE)
		return 1;
	for (size_t i = 0; i < boot.n && r == 0; i++)
		if (!is_superseded(&boot, i))
			r = look_at_event(vm, w->phase, &boot.events[i]);
	return r;
}

/* The same, for the guest's end and what prevents that the phase is ever reached. */
static int look_at_end(struct vmboot_vm *vm, const struct waiting *w)
{
	const struct vmb_listener *l = &vm->listener;

	if (vmb_listen_is_aborted(vm) && w->phase != VMBOOT_PHASE_STOPPED)
		return vmb_listen_aborted_error(vm);
	if (l->monitor.asked_us < w->began_us)
		return 0; /* what is known may be old */
	if (l->error)
		return unanswered_error(vm);
	if (l->monitor.state != VMB_GUEST_ENDED)
		return 0;
	return w->phase == VMBOOT_PHASE_STOPPED ? 1 : ended_error(vm, w);
}

static void decide(struct vmboot_vm *vm, struct waiting *w, bool agent_is_there)
{
	const struct vmb_listener *l = &vm->listener;

	w->found = look_at_boot(vm, w);
	if (w->found == 0 && agent_is_there && l->monitor.state != VMB_GUEST_ENDED)
		w->found = 1;
	if (w->found == 0 && !vmb_listen_more(vm))
		w->found = look_at_end(vm, w);
	if (w->found < 0)
		w->words = vmb_error_save(); /* callbacks may call the library */
	for (int i = 0; i < VMB_WATCH_STREAMS && w->found; i++)
		w->output[i] = l->output_delivered[i] + vmb_watch_unread(l->watch, i);
}

/* True if all is delivered that had come when it was decided. */
static bool is_delivered(const struct vmboot_vm *vm, const struct waiting *w)
{
	const struct vmb_listener *l = &vm->listener;

	if (l->queue_n)
		return false;
	for (int i = 0; i < VMB_WATCH_STREAMS; i++)
		if (l->on_output[i] && !l->drained[i] && l->output_delivered[i] < w->output[i])
			return false;
	return true;
}

/* ---- waiting ---- */

/* As look_at_boot(), for what libvirt tells: from the first look on it is listened to. No lock. */
static int look_at_agent(struct vmboot_vm *vm, struct waiting *w)
{
	int r = 0;

	if (!is_libvirts_to_tell(vm, w->phase) || w->found)
		return 0;
	if (w->agent && vmb_deadline_passed(w->agent_check)) {
		w->agent_check = vmb_deadline_in(HEALTH_MS);
		if (!vmb_lifecycle_is_alive(w->agent)) {
			vmb_lifecycle_close(w->agent);
			w->agent = NULL;
		}
	}
	if (!w->agent)
		r = vmb_lifecycle_open(vm->conn, vm->name, &w->agent);
	if (r == 0)
		r = vmb_lifecycle_connected(w->agent);
	/* whether a guest that is gone had one is not known any more */
	return r == -VMBOOT_ENOVM || r == -VMBOOT_EENDED ? 0 : r;
}

static struct vmb_deadline later_of(struct vmb_deadline a, struct vmb_deadline b)
{
	return a.at_us > b.at_us ? a : b;
}

static bool is_too_late(const struct vmboot_vm *vm, const struct waiting *w)
{
	if (!vmb_deadline_passed(w->deadline))
		return false;
	if (w->found)
		return vmb_deadline_passed(w->deliver);
	return vm->listener.monitor.asked_us >= w->began_us || vmb_deadline_passed(w->answer);
}

/* Until another thread has delivered what it is at; this one has nothing to do meanwhile. */
static void await_deliverer(struct vmboot_vm *vm, const struct waiting *w)
{
	struct vmb_deadline until = vmb_deadline_in(HEALTH_MS);
	struct timespec at;

	if (w->deadline.at_us < until.at_us)
		until = w->deadline;
	at = (struct timespec){until.at_us / 1000000, until.at_us % 1000000 * 1000};
	(void)pthread_cond_timedwait(&vm->listener.delivered, &vm->lock, &at);
}

/* One look: 1 done, 0 go on waiting, negative an error. The lock is held. */
static int step(struct vmboot_vm *vm, struct waiting *w, bool agent_is_there, int *ret_poll_ms)
{
	struct vmb_listener *l = &vm->listener;
	enum vmb_delivery delivery;
	int64_t next_us;
	int r, events = 0;

	r = vmb_listen_take(vm);
	if (r < 0 && !l->watch)
		return r;
	if (r >= 0 && !w->found)
		decide(vm, w, agent_is_there);
	vmb_listen_work(vm, true, &next_us);
	delivery = vmb_listen_deliver(vm, later_of(w->deadline, w->deliver), BATCH_CALLS, &events);
	if (r < 0 || l->output_error < 0)
		return r < 0 ? r : l->output_error;
	if (w->found && (delivery != VMB_DELIVERED_SOME || is_delivered(vm, w)))
		return w->found;
	if (is_too_late(vm, w))
		return timed_out(vm, w);
	if (delivery == VMB_DELIVERED_ELSEWHERE && !w->found)
		await_deliverer(vm, w);
	*ret_poll_ms = vmb_deadline_poll((struct vmb_deadline){next_us}, HEALTH_MS);
	if (delivery == VMB_DELIVERED_ELSEWHERE || (l->watch && vmb_listen_more(vm)))
		*ret_poll_ms = 0;
	return 0;
}

static int wait_for(struct vmboot_vm *vm, struct waiting *w)
{
	struct pollfd fds[] = {{.events = POLLIN}, {.events = POLLIN}};
	struct vmb_deadline deadline;
	int r, there, poll_ms = 0;

	for (;;) {
		there = look_at_agent(vm, w);
		if (there < 0)
			return there;
		VMB_LOCK(vm);
		r = step(vm, w, there > 0, &poll_ms);
		fds[0].fd = vm->listener.watch ? vmb_watch_fd(vm->listener.watch) : -1;
		fds[1].fd = w->agent ? vmb_lifecycle_fd(w->agent) : -1;
		VMB_UNLOCK(vm);
		if (r != 0)
			return r;
		deadline = vmb_deadline_passed(w->deadline) ? w->answer : w->deadline;
		if (poll(fds, 2, vmb_deadline_poll(deadline, poll_ms)) < 0 && errno == EINTR)
			return vmb_error(EINTR, "the wait for %s was interrupted", vm->name);
	}
}

static int wait_in_time(struct vmboot_vm *vm, struct waiting *w, int timeout_ms)
{
	int r;

	w->began_us = vmb_monotonic_us();
	w->deadline = vmb_deadline_in(timeout_ms);
	w->answer = timeout_ms == 0 ? vmb_deadline_in(ANSWER_MS) : w->deadline;
	w->deliver = vmb_deadline_in(DELIVER_MS);
	w->agent_check = vmb_deadline_in(HEALTH_MS);
	r = wait_for(vm, w);
	vmb_lifecycle_close(w->agent);
	if (r == w->found && r < 0)
		vmb_error_restore(w->words);
	else
		free(w->words);
	return r < 0 ? r : 0;
}

static int check_phase(enum vmboot_phase phase)
{
	if (*vmboot_phase_help(phase) == '\0')
		return vmb_error(EINVAL, "there is no phase %d", (int)phase);
	return 0;
}

int vmboot_wait(struct vmboot_vm *vm, enum vmboot_phase phase, int timeout_ms)
{
	VMB_NO_SIGPIPE;
	struct waiting w = {.phase = phase};
	int r;

	r = vmb_vm_check_process(vm);
	if (r == 0)
		r = check_phase(phase);
	return r < 0 ? r : wait_in_time(vm, &w, timeout_ms);
}

/* ---- a later boot ---- */

/* The newest boot that this handle has heard of; one that never listened looks first. */
static int newest_boot(struct vmboot_vm *vm, struct waiting *w)
{
	int r = 0;

	VMB_LOCK(vm);
	if (!vm->listener.watch)
		do
			r = vmb_listen_take(vm);
		while (r >= 0 && vmb_listen_more(vm));
	if (r >= 0)
		w->boot = vmb_listen_boot(vm).number;
	w->starts = vm->listener.starts;
	VMB_UNLOCK(vm);
	return r;
}

int vmboot_wait_next_boot(struct vmboot_vm *vm, enum vmboot_phase phase, int timeout_ms)
{
	VMB_NO_SIGPIPE;
	struct waiting w = {.phase = phase, .later = true};
	int r;

	r = vmb_vm_check_process(vm);
	if (r == 0)
		r = check_phase(phase);
	if (r == 0)
		r = newest_boot(vm, &w);
	return r < 0 ? r : wait_in_time(vm, &w, timeout_ms);
}

size_t vmb_vm_boot_number(struct vmboot_vm *vm)
{
	struct waiting w = {0};

	return newest_boot(vm, &w) < 0 ? 0 : w.boot;
}

int vmb_vm_wait_reboot(struct vmboot_vm *vm, size_t boot, int timeout_ms)
{
	struct waiting w = {.later = true, .boot = boot};

	VMB_LOCK(vm);
	w.starts = vm->listener.starts;
	VMB_UNLOCK(vm);
	return wait_in_time(vm, &w, timeout_ms);
}
