/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What happens to all VMs of a libvirt. In: libvirt's events, in the thread of its event loop, which only
 * queues them; and what each guest that runs writes into its events file. Out: JSON, one event a call.
 */
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <vmboot/vm.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/sigpipe.h"
#include "guest/watch.h"
#include "virt/domain-events.h"
#include "virt/domains.h"
#include "vm/vm.h"

enum { NOTES_MAX = 4096 };

/* An event of libvirt's, as the callback has copied it. */
struct note {
	struct note *next;
	char *name, uuid[VIR_UUID_STRING_BUFLEN];
	int event, detail;
	int64_t time_us;
};

/* What libvirt's thread and ours share; the callback holds a reference. */
struct inbox {
	pthread_mutex_t lock;
	int refs, wake;
	struct note *first, **last;
	size_t n;
	bool lost;
};

/* A VM that is known; watch: NULL while it does not run, or if its files are not here. */
struct known {
	struct known *next;
	char *name, uuid[VIR_UUID_STRING_BUFLEN];
	struct vmb_metadata metadata;
	struct vmb_watch *watch;
	bool paused; /* and that was reported: libvirt also reports that a new guest goes on */
	size_t boot, told; /* of which boot how many events were taken */
};

struct vmboot_events {
	struct vmboot_vm *vm; /* store and connection */
	struct vmb_conn *conn;
	virConnectPtr c;
	int id, epoll;
	struct inbox *inbox;
	struct known *known;
	struct json_object *queue; /* an array; at: the first that was not returned */
	size_t at;
};

/* ---- libvirt's thread ---- */

static void free_note(struct note *note)
{
	free(note->name);
	free(note);
}

static void inbox_unref(void *data)
{
	struct inbox *box = data;
	struct note *next;
	bool last;

	pthread_mutex_lock(&box->lock);
	last = --box->refs == 0;
	pthread_mutex_unlock(&box->lock);
	if (!last)
		return;
	for (struct note *note = box->first; note; note = next) {
		next = note->next;
		free_note(note);
	}
	vmb_closep(&box->wake);
	pthread_mutex_destroy(&box->lock);
	free(box);
}

static struct note *new_note(virDomainPtr d, int event, int detail)
{
	struct note *note = calloc(1, sizeof(*note));

	if (!note)
		return NULL;
	note->name = strdup(virDomainGetName(d));
	note->event = event;
	note->detail = detail;
	note->time_us = vmb_realtime_us();
	if (note->name && virDomainGetUUIDString(d, note->uuid) == 0)
		return note;
	free_note(note);
	return NULL;
}

static int on_lifecycle(virConnectPtr c VMB_UNUSED, virDomainPtr d, int event, int detail,
			void *data)
{
	const uint64_t one = 1;
	struct inbox *box = data;
	struct note *note = new_note(d, event, detail);

	pthread_mutex_lock(&box->lock);
	if (note && box->n < NOTES_MAX) {
		*box->last = note;
		box->last = &note->next;
		box->n++;
	} else {
		box->lost = true; /* nobody reads */
		if (note)
			free_note(note);
	}
	(void)!write(box->wake, &one, sizeof(one));
	pthread_mutex_unlock(&box->lock);
	return 0;
}

static struct note *take_note(struct inbox *box, bool *ret_lost)
{
	struct note *note;
	uint64_t count;

	pthread_mutex_lock(&box->lock);
	note = box->first;
	if (note) {
		box->first = note->next;
		box->n--;
	}
	if (!box->first) {
		box->last = &box->first;
		(void)!read(box->wake, &count, sizeof(count));
	}
	*ret_lost = !note && box->lost;
	if (!note)
		box->lost = false;
	pthread_mutex_unlock(&box->lock);
	return note;
}

/* ---- the queue ---- */

static struct json_object *labels_json(char *const *labels)
{
	struct json_object *o = json_object_new_object();

	for (; labels && *labels; labels++) {
		_cleanup_free_ char *key = strndup(*labels, strcspn(*labels, "="));

		if (key)
			vmb_json_str(o, key, strchr(*labels, '=') + 1);
	}
	return o;
}

/* The newest in the queue, for what only some have. */
static struct json_object *add_event(struct vmboot_events *ev, const struct known *vm,
				     const char *type, int64_t time_us)
{
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "type", type);
	vmb_json_int(o, "time_us", time_us);
	vmb_json_str(o, "name", vm->name);
	vmb_json_str(o, "uuid", vm->uuid);
	vmb_json_str(o, "image", vm->metadata.image);
	json_object_object_add(o, "labels", labels_json(vm->metadata.labels));
	json_object_array_add(ev->queue, o);
	return o;
}

/* ---- guests ---- */

static void add_guest_event(struct vmboot_events *ev, const struct known *vm,
			    enum vmboot_phase phase, int error, int64_t value, int64_t time_us)
{
	struct json_object *o;

	if (error) {
		o = add_event(ev, vm, "failed", time_us);
		vmb_json_str(o, "detail", vmboot_phase_name(phase));
		vmb_json_int(o, "error", error);
	} else if (phase == VMBOOT_PHASE_EXIT) {
		o = add_event(ev, vm, "exited", time_us);
		vmb_json_int(o, "exit_code", value < 256 ? value : -1);
		vmb_json_int(o, "exit_signal", value > 256 ? value - 256 : 0);
	} else if (phase == VMBOOT_PHASE_PROGRAM) {
		add_event(ev, vm, "program", time_us);
	} else if (phase == VMBOOT_PHASE_READY) {
		add_event(ev, vm, "ready", time_us);
	}
}

/* quiet: what was said before somebody listened. */
static void take_guest_events(struct vmboot_events *ev, struct known *vm, bool quiet)
{
	const struct vmb_host_phases phases = {0};
	struct vmb_boot boot;

	do {
		if (vmb_watch_take(vm->watch, NULL) < 0) {
			vmb_watch_close(TAKE_PTR(vm->watch)); /* nonsense: no more of this guest */
			return;
		}
		if (vmb_watch_renewed(vm->watch))
			vm->boot = vm->told = 0;
		boot = vmb_watch_boot(vm->watch, &phases);
		if (boot.number != vm->boot)
			vm->told = 0;
		if (boot.number > 1 && vm->boot && boot.number != vm->boot && !quiet)
			add_event(ev, vm, "rebooted", vmb_realtime_us());
		vm->boot = boot.number;
		for (; vm->told < boot.n; vm->told++)
			if (!quiet)
				add_guest_event(ev, vm, boot.events[vm->told].phase,
						boot.events[vm->told].error,
						(int64_t)boot.events[vm->told].value,
						vmb_realtime_us());
	} while (vmb_watch_more(vm->watch));
}

/* A VM whose files are elsewhere tells of no program. */
static void watch_guest(struct vmboot_events *ev, struct known *vm, bool quiet)
{
	struct vmb_saved_error *saved = vmb_error_save();
	_cleanup_plan_files_ struct vmb_plan_files files = {0};
	struct epoll_event e = {.events = EPOLLIN};

	if (!vm->watch && vmb_plan_files(vm->metadata.store, vm->name, &files) == 0) {
		const struct vmb_watch_paths paths = {.events = files.events};

		if (vmb_watch_open(&paths, &vm->watch) == 0)
			(void)epoll_ctl(ev->epoll, EPOLL_CTL_ADD, vmb_watch_fd(vm->watch), &e);
	}
	if (vm->watch)
		take_guest_events(ev, vm, quiet);
	vmb_error_restore(saved);
}

/* ---- VMs ---- */

static void free_known(struct known *vm)
{
	vmb_watch_close(vm->watch);
	vmb_metadata_done(&vm->metadata);
	free(vm->name);
	free(vm);
}

static struct known **find_known(struct vmboot_events *ev, const char *uuid)
{
	struct known **at = &ev->known;

	while (*at && strcmp((*at)->uuid, uuid) != 0)
		at = &(*at)->next;
	return at;
}

static struct known *add_known(struct vmboot_events *ev, virDomainPtr d)
{
	struct known *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->name = strdup(virDomainGetName(d));
	if (vm->name && virDomainGetUUIDString(d, vm->uuid) == 0 &&
	    vmb_vm_metadata(d, vm->name, &vm->metadata) == 0 && !vm->metadata.probe) {
		vm->next = ev->known;
		ev->known = vm;
		return vm;
	}
	free_known(vm);
	return NULL;
}

/* One that is not known is asked for; NULL: it is not ours, or gone already. */
static struct known *know(struct vmboot_events *ev, const struct note *note)
{
	struct known *vm = *find_known(ev, note->uuid);
	struct vmb_saved_error *saved;
	virDomainPtr d;

	if (vm)
		return vm;
	saved = vmb_error_save();
	d = virDomainLookupByUUIDString(ev->c, note->uuid);
	vm = d ? add_known(ev, d) : NULL;
	if (d)
		virDomainFree(d);
	vmb_error_restore(saved);
	if (vm)
		add_event(ev, vm, "created", note->time_us);
	return vm;
}

static void forget(struct vmboot_events *ev, const char *uuid, int64_t time_us)
{
	struct known **at = find_known(ev, uuid), *vm = *at;

	add_event(ev, vm, "removed", time_us);
	*at = vm->next;
	free_known(vm);
}

static void stop(struct vmboot_events *ev, struct known *vm, const struct note *note)
{
	struct json_object *o;

	if (vm->watch) /* its last words */
		take_guest_events(ev, vm, false);
	vmb_watch_close(TAKE_PTR(vm->watch));
	vm->paused = false;
	o = add_event(ev, vm, "stopped", note->time_us);
	vmb_json_str(o, "detail", vmb_stop_event_reason(note->detail));
	if (vm->metadata.ephemeral)
		forget(ev, note->uuid, note->time_us);
}

static void take_lifecycle(struct vmboot_events *ev, const struct note *note)
{
	struct known *vm = know(ev, note);

	if (!vm)
		return;
	switch (note->event) {
	case VIR_DOMAIN_EVENT_STARTED:
		add_event(ev, vm,
			  note->detail == VIR_DOMAIN_EVENT_STARTED_RESTORED ? "restored"
									    : "started",
			  note->time_us);
		watch_guest(ev, vm, note->detail == VIR_DOMAIN_EVENT_STARTED_RESTORED);
		break;
	case VIR_DOMAIN_EVENT_SUSPENDED:
		if (!vm->paused && (note->detail == VIR_DOMAIN_EVENT_SUSPENDED_PAUSED ||
				    note->detail == VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)) {
			vm->paused = true;
			add_event(ev, vm, "paused", note->time_us);
		}
		break;
	case VIR_DOMAIN_EVENT_RESUMED:
		if (vm->paused)
			add_event(ev, vm, "unpaused", note->time_us);
		vm->paused = false;
		break;
	case VIR_DOMAIN_EVENT_STOPPED:
		stop(ev, vm, note);
		break;
	case VIR_DOMAIN_EVENT_UNDEFINED:
		forget(ev, note->uuid, note->time_us);
		break;
	default:
		break;
	}
}

/* ---- the subscription ---- */

void vmboot_events_close(struct vmboot_events *ev)
{
	VMB_NO_SIGPIPE;
	struct known *next;

	if (!ev)
		return;
	if (ev->id >= 0)
		virConnectDomainEventDeregisterAny(ev->c, ev->id);
	for (struct known *vm = ev->known; vm; vm = next) {
		next = vm->next;
		free_known(vm);
	}
	if (ev->c)
		virConnectClose(ev->c);
	if (ev->conn)
		vmb_conn_unref(ev->conn);
	if (ev->inbox)
		inbox_unref(ev->inbox);
	vmb_closep(&ev->epoll);
	json_object_put(ev->queue);
	vmboot_close(ev->vm);
	free(ev);
}
VMB_DEFINE_CLEANUP(events_closep, struct vmboot_events *, vmboot_events_close)

static int new_inbox(struct vmboot_events *ev)
{
	struct epoll_event e = {.events = EPOLLIN};
	struct inbox *box = calloc(1, sizeof(*box));

	if (!box)
		return vmb_oom();
	pthread_mutex_init(&box->lock, NULL);
	box->refs = 1;
	box->last = &box->first;
	box->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ev->inbox = box;
	ev->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (box->wake < 0 || ev->epoll < 0 ||
	    epoll_ctl(ev->epoll, EPOLL_CTL_ADD, box->wake, &e) < 0)
		return vmb_errno(errno, "cannot make descriptors for events");
	return 0;
}

/* Before the VMs are listed: what happens meanwhile comes twice rather than never. */
static int subscribe(struct vmboot_events *ev)
{
	int r = vmb_conn_with_events(ev->vm->conn, &ev->conn);

	if (r == 0)
		r = vmb_conn_get(ev->conn, NULL, &ev->c);
	if (r < 0)
		return r;
	pthread_mutex_lock(&ev->inbox->lock);
	ev->inbox->refs++;
	pthread_mutex_unlock(&ev->inbox->lock);
	ev->id = virConnectDomainEventRegisterAny(ev->c, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
						  VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle),
						  ev->inbox, inbox_unref);
	if (ev->id >= 0)
		return 0;
	inbox_unref(ev->inbox);
	return vmb_libvirt_error("cannot listen to libvirt's events");
}

static int know_all(struct vmboot_events *ev)
{
	_cleanup_domains_ struct vmb_domains domains = {0};
	enum vmboot_state state;
	int r = vmb_domains_list(ev->conn, &domains);

	for (size_t i = 0; i < domains.n && r == 0; i++) {
		struct known *vm = add_known(ev, domains.list[i].domain);

		if (!vm || vmb_vm_state(domains.list[i].domain, &state, NULL) < 0)
			continue;
		vm->paused = state == VMBOOT_STATE_PAUSED;
		if (state != VMBOOT_STATE_STOPPED)
			watch_guest(ev, vm, true);
	}
	return r;
}

int vmboot_events_open(const struct vmboot_opts *where, struct vmboot_events **ret_events)
{
	VMB_NO_SIGPIPE;
	vmb_cleanup(events_closep) struct vmboot_events *ev = calloc(1, sizeof(*ev));
	int r;

	if (!ev)
		return vmb_oom();
	ev->id = ev->epoll = -1;
	ev->queue = json_object_new_array();
	if (!ev->queue)
		return vmb_oom();
	r = vmb_vm_find(where, "", &ev->vm);
	if (r == 0)
		r = new_inbox(ev);
	if (r == 0)
		r = subscribe(ev);
	if (r == 0)
		r = know_all(ev);
	if (r < 0)
		return r;
	*ret_events = TAKE_PTR(ev);
	return 0;
}

int vmboot_events_fd(const struct vmboot_events *ev)
{
	return ev->epoll;
}

static int take_all(struct vmboot_events *ev)
{
	struct note *note;
	bool lost;

	while ((note = take_note(ev->inbox, &lost))) {
		take_lifecycle(ev, note);
		free_note(note);
	}
	for (struct known *vm = ev->known; vm; vm = vm->next)
		if (vm->watch)
			take_guest_events(ev, vm, false);
	if (lost)
		return vmb_error(VMBOOT_ELOST, "events were lost: %d waited to be read", NOTES_MAX);
	return 0;
}

static void drop_returned(struct vmboot_events *ev)
{
	if (ev->at == 0 || ev->at < json_object_array_length(ev->queue))
		return;
	json_object_array_del_idx(ev->queue, 0, ev->at);
	ev->at = 0;
}

int vmboot_events_next(struct vmboot_events *ev, char **ret_json)
{
	VMB_NO_SIGPIPE;
	int r = 0;

	drop_returned(ev);
	if (json_object_array_length(ev->queue) == 0)
		r = take_all(ev);
	if (r < 0)
		return r;
	if (ev->at == json_object_array_length(ev->queue)) {
		if (virConnectIsAlive(ev->c) != 1)
			return vmb_error(VMBOOT_ELIBVIRT, "the connection to libvirt is gone: open "
							  "another subscription");
		return 0;
	}
	r = vmb_json_text(json_object_array_get_idx(ev->queue, ev->at), ret_json);
	ev->at += r == 0;
	return r < 0 ? r : 1;
}
