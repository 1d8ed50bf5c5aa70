/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VM_VM_H
#define VMB_VM_VM_H

/*
 * The handle. It holds names, not libvirt objects: each call looks the domain up anew, so that a
 * handle outlives a restart of libvirt, and any process can make one.
 */

#include <pthread.h>
#include <vmboot/vm.h>

#include "agent/agent.h"
#include "domain/domain.h"
#include "guest/watch.h"
#include "plan/plan.h"
#include "virt/connect.h"
#include "virt/domain-events.h"

struct vmboot_vm {
	pthread_mutex_t lock; /* of all that follows */
	struct vmb_log log;
	struct vmb_store store;
	struct vmb_conn *conn;
	char *name;
	int folder_lock; /* shared: gc leaves the folder alone while it is open; and which it is */
	bool no_files;	 /* the folder is not on this host, or not ours to use; then */
	unsigned char uuid[VIR_UUID_BUFLEN]; /* is which VM it is */
	char *dac_label;		     /* whom the VM's files belong to, or NULL */
	struct vmb_metadata metadata;
	struct vmb_plan_files files;
	struct vmb_host_phases phases;
	struct vmb_watch *watch; /* NULL until somebody listens */
	size_t told;		 /* guest events of this boot that on_event was told */
	size_t told_boot;	 /* which boot that was */
	bool told_host;
	struct vmb_domain_events *news; /* NULL until somebody waits; or libvirt tells nothing */
	struct vmb_deadline news_retry;
	unsigned resets; /* told by libvirt, after what the guest had said before */
	int64_t reset_mono_us;
	bool left;	     /* the guest's files were let go: a reason to ask libvirt */
	int64_t left_us;     /* when, or -1 */
	const char *stopped; /* it is seen to have stopped: why; or NULL */
	bool told_stopped;
	bool cut; /* we ended it, since it was reset before its program ran */
	vmboot_event_fn on_event;
	void *on_event_data;
	vmboot_output_fn on_output[VMB_WATCH_STREAMS];
	void *on_output_data[VMB_WATCH_STREAMS];
	struct vmb_agent agent; /* has a lock of its own */
};

/* An empty handle: store open, connected; the rest is the caller's to fill. */
int vmb_vm_new(const struct vmboot_opts *where, const char *name, struct vmboot_vm **ret);

/* The same for who makes no VM: a store that is not there is not made. -VMBOOT_ENOVM if the libvirt
 * that was asked for would lie in it. */
int vmb_vm_find(const struct vmboot_opts *where, const char *name, struct vmboot_vm **ret);
VMB_DEFINE_CLEANUP(vmb_vm_closep, struct vmboot_vm *, vmboot_close)
#define _cleanup_vm_ vmb_cleanup(vmb_vm_closep)

/* Listen to the guest's files, once; the lock is held. -VMBOOT_EHOST: they are not on this host. */
int vmb_vm_listen(struct vmboot_vm *vm);

/* Forget what was heard and listen to new files: a new boot begins; the lock is held. */
int vmb_vm_listen_anew(struct vmboot_vm *vm);

/* The guest runs again, so how it ended is no longer true. */
void vmb_vm_forget_end(struct vmboot_vm *vm);

/* Which boot since the VM was started is the newest, as far as was heard; and a wait for a later. */
size_t vmb_vm_boot_number(struct vmboot_vm *vm);
int vmb_vm_wait_reboot(struct vmboot_vm *vm, size_t boot, int timeout_ms);

/*
 * The VM's domain; -VMBOOT_ENOVM, also if the VM was removed and another has its name by now. The
 * latter alone, for who has looked up by name in another way: what is ours is asked afterwards.
 */
int vmb_vm_domain(struct vmboot_vm *vm, virDomainPtr *ret);
int vmb_vm_check_same(const struct vmboot_vm *vm, virDomainPtr d); /* d: NULL if not known */

/* What the agent's client is to know, once the handle has a name and a connection. */
void vmb_vm_set_agent(struct vmboot_vm *vm);

/*
 * Who starts the VM, cuts its power or removes it does that alone, until the descriptor is closed;
 * -VMBOOT_ENOVM if its files are gone.
 */
int vmb_vm_seize(const struct vmboot_vm *vm, int *ret_lock);

/* Our metadata of a domain; -VMBOOT_ENOVM if it has none: somebody else's domain. */
int vmb_vm_metadata(virDomainPtr d, const char *name, struct vmb_metadata *ret);

/*
 * libvirt's state as ours; a domain that is shutting down has stopped, and then this returns 1: it
 * may yet be reset and go on. ret_why: may be NULL; if it has stopped, why, in a word.
 */
int vmb_vm_state(virDomainPtr d, enum vmboot_state *ret, const char **ret_why);

/* libvirt may still be tidying up a guest that is gone already; that is no failure. */
int vmb_vm_cut_power(const struct vmboot_vm *vm, virDomainPtr d);

#define VMB_LOCK(vm) pthread_mutex_lock(&(vm)->lock)
#define VMB_UNLOCK(vm) pthread_mutex_unlock(&(vm)->lock)

#endif
