/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VM_LISTEN_H
#define VMB_VM_LISTEN_H

/*
 * Listening to a VM. In: what the guest's files, libvirt's events and the worker's answers say. Out:
 * the caller's callbacks, in order and each thing once, and the guest's state.
 *
 * Two steps that never wait: vmb_listen_take() takes in all there is, with the handle's lock held. One
 * thread at a time delivers that to the callbacks, in vmb_listen_deliver(), which releases the lock for
 * each. So a callback may call the library for the same handle.
 */

#include <pthread.h>
#include <vmboot/vm.h>

#include "base/clock.h"
#include "guest/watch.h"
#include "vm/boot-monitor.h"
#include "vm/libvirt-worker.h"

/* A guest's event that was taken in. Output that had come before it is delivered before it. */
struct vmb_pending_event {
	struct vmb_event event;
	int64_t offset_us;
	uint64_t output[VMB_WATCH_STREAMS]; /* bytes that have to be delivered before */
};

struct vmb_listener {
	struct vmb_watch *watch;   /* NULL until somebody listens */
	struct vmb_worker *worker; /* likewise */
	int events_fd;		   /* libvirt's events that wake vmboot_event_fd(), or -1 */
	struct vmb_monitor monitor;
	const char *last_report; /* libvirt's event, as it was taken last */
	unsigned resets;	 /* reported by libvirt, after what the guest had said before */
	int64_t reset_mono_us;
	bool starting; /* libvirt starts it just now: what it says of its state is old */
	char *abort_console;
	int error; /* of the newest question to libvirt: negative, with its words; or 0 */
	struct vmb_saved_error *error_words;

	unsigned starts; /* of the VM, as far as was heard */

	/* guest events in the order of their arrival */
	struct vmb_pending_event *queue;
	size_t queue_n, queue_size;
	size_t queued_boot, queued; /* of which boot how many events were queued */

	/* how far the callbacks are */
	size_t host_delivered; /* of the host's phases */
	bool stopped_delivered, abort_reported;
	uint64_t output_delivered[VMB_WATCH_STREAMS];
	bool drained[VMB_WATCH_STREAMS]; /* since the last take */
	int next_stream;
	int output_error;
	bool delivering;
	pthread_t deliverer;
	pthread_cond_t delivered; /* nobody delivers any more */

	vmboot_event_fn on_event;
	void *on_event_data;
	vmboot_output_fn on_output[VMB_WATCH_STREAMS];
	void *on_output_data[VMB_WATCH_STREAMS];
};

void vmb_listen_init(struct vmb_listener *l);
void vmb_listen_done(struct vmb_listener *l);

/* What asks libvirt in a thread of its own. It comes with the first that listens, or that closes. */
int vmb_listen_open_worker(struct vmboot_vm *vm);

/* ---- the handle's lock is held in all that follow ---- */

/* Listens to the guest's files, once. -VMBOOT_EHOST: they are not on this host. */
int vmb_listen_open(struct vmboot_vm *vm);

/* A new boot begins: forgets what was heard and listens to new files. */
int vmb_listen_anew(struct vmboot_vm *vm);

/* libvirt has started the VM: its older answers are no longer true. */
void vmb_listen_forget_state(struct vmboot_vm *vm);

/*
 * What the guest had said when its state was saved, for the resume that follows, which begins now; and
 * libvirt has restored it: the same boot goes on.
 */
int vmb_listen_last_words(struct vmboot_vm *vm, struct vmb_resume *ret);
void vmb_listen_resumed(struct vmboot_vm *vm, const struct vmb_host_phases *phases);

/*
 * Takes in what there is, at most to the end of a boot: while vmb_listen_more(), there is more. Returns
 * 0, or -VMBOOT_EGUEST or another error of reading what the guest says.
 */
int vmb_listen_take(struct vmboot_vm *vm);
bool vmb_listen_more(const struct vmboot_vm *vm);

enum vmb_delivery {
	VMB_DELIVERED_ALL,
	VMB_DELIVERED_SOME,	 /* there is more */
	VMB_DELIVERED_ELSEWHERE, /* another thread delivers just now */
	VMB_DELIVERED_NESTED,	 /* this thread does: it was called by a callback */
};

/*
 * Calls the callbacks, until a deadline or a number of calls. Releases the lock meanwhile. ret_events:
 * how many of the guest's events were delivered.
 */
enum vmb_delivery vmb_listen_deliver(struct vmboot_vm *vm, struct vmb_deadline until,
				     unsigned max_calls, int *ret_events);

/* Makes vmboot_event_fd() readable if there is something that waits to be delivered. */
bool vmb_listen_wake_if_pending(struct vmboot_vm *vm);

/* Has the worker do what is due. ret_next_us: when to call again; INT64_MAX: when something came. */
void vmb_listen_work(struct vmboot_vm *vm, bool waiting, int64_t *ret_next_us);

/* QEMU runs: limits what it logs while nobody listens, if no daemon of libvirt's does that. */
void vmb_listen_limit_logs(const struct vmboot_vm *vm);

/* The newest boot, and the guest's end as far as it is known. */
struct vmb_boot vmb_listen_boot(const struct vmboot_vm *vm);

/* ---- the errors that a boot gives ---- */

/* With the last phase and, unless console is NULL, the console's last lines. */
int vmb_listen_error(const struct vmboot_vm *vm, int code, const char *console, const char *words);

/* True if the newest boot was aborted, and what could be done about it is done. */
bool vmb_listen_is_aborted(const struct vmboot_vm *vm);
int vmb_listen_aborted_error(const struct vmboot_vm *vm);

/* ---- waiting; without the lock ---- */

/* Which boot since the VM was started is the newest, as far as was heard; and a wait for a later. */
size_t vmb_vm_boot_number(struct vmboot_vm *vm);
int vmb_vm_wait_reboot(struct vmboot_vm *vm, size_t boot, int timeout_ms);

#endif
