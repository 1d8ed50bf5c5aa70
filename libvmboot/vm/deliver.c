/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "vm/listen.h"
#include "vm/vm.h"

enum { CHUNK = 16384 };

/* The unlocked callbacks get events of their own; strings live as long as the call. */
static void call_on_event(struct vmboot_vm *vm, const struct vmboot_event *event)
{
	vmboot_event_fn fn = vm->listener.on_event;
	void *data = vm->listener.on_event_data;

	if (!fn)
		return;
	VMB_UNLOCK(vm);
	fn(vm, event, data);
	VMB_LOCK(vm);
}

static bool deliver_host_phase(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;
	size_t i = l->host_delivered;

	if (!l->on_event || i >= vm->phases.n)
		return false;
	l->host_delivered++;
	call_on_event(vm, &(struct vmboot_event){
				  .size = sizeof(struct vmboot_event),
				  .phase = vm->phases.list[i].phase,
				  .start_us = vm->phases.list[i].start_us,
				  .end_us = vm->phases.list[i].end_us,
				  .device = "",
				  .detail = "",
			  });
	return true;
}

/* Output that had come before an event is delivered before it; what comes meanwhile, need not be. */
static bool may_deliver(const struct vmb_listener *l, const struct vmb_pending_event *p)
{
	for (int i = 0; i < VMB_WATCH_STREAMS; i++)
		if (l->on_output[i] && !l->drained[i] && l->output_delivered[i] < p->output[i])
			return false;
	return true;
}

static bool deliver_guest_event(struct vmboot_vm *vm, int *events)
{
	struct vmb_listener *l = &vm->listener;
	struct vmb_pending_event p;

	if (!l->queue_n || !may_deliver(l, &l->queue[0]))
		return false;
	p = l->queue[0];
	memmove(l->queue, l->queue + 1, --l->queue_n * sizeof(p));
	++*events;
	call_on_event(vm, &(struct vmboot_event){
				  .size = sizeof(struct vmboot_event),
				  .phase = p.event.phase,
				  .guest = true,
				  .error = p.event.error,
				  .start_us = (int64_t)p.event.start_us + p.offset_us,
				  .end_us = (int64_t)p.event.end_us + p.offset_us,
				  .value = p.event.value,
				  .device = p.event.device,
				  .detail = p.event.detail,
			  });
	return true;
}

static bool deliver_chunk(struct vmboot_vm *vm, int i)
{
	struct vmb_listener *l = &vm->listener;
	vmboot_output_fn fn = l->on_output[i];
	void *data = l->on_output_data[i];
	char buf[CHUNK];
	ssize_t n;

	if (!fn || l->drained[i] || !l->watch)
		return false;
	n = vmb_watch_read(l->watch, i, buf, sizeof(buf));
	if (n < 0)
		l->output_error = (int)n;
	if (n <= 0) {
		l->drained[i] = n != -VMBOOT_ELOST; /* after a gap it goes on */
		return false;
	}
	l->output_delivered[i] += (uint64_t)n;
	VMB_UNLOCK(vm);
	fn(vm, (enum vmboot_stream)(i + 1), buf, (size_t)n, data);
	VMB_LOCK(vm);
	return true;
}

/* The streams take turns: one that never ends keeps no other back. */
static bool deliver_output(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;

	for (int k = 0; k < VMB_WATCH_STREAMS && !l->output_error; k++) {
		int i = l->next_stream;

		l->next_stream = (i + 1) % VMB_WATCH_STREAMS;
		if (deliver_chunk(vm, i))
			return true;
	}
	return false;
}

static bool deliver_stopped(struct vmboot_vm *vm)
{
	struct vmb_listener *l = &vm->listener;
	struct vmb_boot boot;
	int64_t at;

	if (!l->watch || !l->on_event || l->stopped_delivered ||
	    l->monitor.state != VMB_GUEST_ENDED)
		return false;
	boot = vmb_listen_boot(vm);
	at = boot.stopped_us < 0 ? vmb_host_phases_now(&vm->phases) : boot.stopped_us;
	at -= vmb_boot_began(&boot);
	l->stopped_delivered = true;
	call_on_event(vm, &(struct vmboot_event){
				  .size = sizeof(struct vmboot_event),
				  .phase = VMBOOT_PHASE_STOPPED,
				  .start_us = at,
				  .end_us = at,
				  .device = "",
				  .detail = boot.stopped,
			  });
	return true;
}

static bool deliver_next(struct vmboot_vm *vm, int *events)
{
	if (deliver_host_phase(vm) || deliver_guest_event(vm, events) || deliver_output(vm))
		return true;
	if (vm->listener.output_error)
		return false; /* its words are for the caller */
	return deliver_guest_event(vm, events) || deliver_stopped(vm);
}

static bool is_pending(const struct vmboot_vm *vm)
{
	const struct vmb_listener *l = &vm->listener;

	if (!l->watch)
		return false;
	if (l->queue_n)
		return true;
	if (l->on_event && (l->host_delivered < vm->phases.n ||
			    (l->monitor.state == VMB_GUEST_ENDED && !l->stopped_delivered)))
		return true;
	if (l->output_error && l->output_error != -VMBOOT_ELOST)
		return false;
	for (int i = 0; i < VMB_WATCH_STREAMS; i++)
		if (l->on_output[i] && vmb_watch_unread(l->watch, i) > 0)
			return true;
	return false;
}

bool vmb_listen_wake_if_pending(struct vmboot_vm *vm)
{
	bool pending = is_pending(vm);

	if (pending && vm->listener.worker)
		vmb_worker_ring(vm->listener.worker);
	return pending;
}

enum vmb_delivery vmb_listen_deliver(struct vmboot_vm *vm, struct vmb_deadline until,
				     unsigned max_calls, int *ret_events)
{
	struct vmb_listener *l = &vm->listener;

	if (l->delivering)
		return pthread_equal(l->deliverer, pthread_self()) ? VMB_DELIVERED_NESTED
								   : VMB_DELIVERED_ELSEWHERE;
	l->delivering = true;
	l->deliverer = pthread_self();
	l->output_error = 0;
	for (unsigned i = 0; i < max_calls && deliver_next(vm, ret_events); i++)
		if (vmb_deadline_passed(until))
			break;
	l->delivering = false;
	pthread_cond_broadcast(&l->delivered);
	return vmb_listen_wake_if_pending(vm) ? VMB_DELIVERED_SOME : VMB_DELIVERED_ALL;
}
