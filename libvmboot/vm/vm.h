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
#include "plan/plan.h"
#include "virt/connect.h"
#include "vm/listen.h"

struct vmboot_vm {
	pid_t pid; /* of the process that made the handle */
	/* of phases and listener; not held in a call of libvirt's or in a callback: docs/threads.md */
	pthread_mutex_t lock;
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
	struct vmb_listener listener;
	struct vmb_agent agent; /* has a lock of its own */
};

/*
 * -EPERM in a forked child: threads, locks and connections of the handle stayed with its
 * parent. Each public function that takes a handle begins with it, before any lock.
 */
int vmb_vm_check_process(const struct vmboot_vm *vm);

/* An empty handle: store open, connected; the rest is the caller's to fill. */
int vmb_vm_new(const struct vmboot_opts *where, const char *name, struct vmboot_vm **ret);

/* The same for who makes no VM: a store that is not there is not made. -VMBOOT_ENOVM if the libvirt
 * that was asked for would lie in it. */
int vmb_vm_find(const struct vmboot_opts *where, const char *name, struct vmboot_vm **ret);
VMB_DEFINE_CLEANUP(vmb_vm_closep, struct vmboot_vm *, vmboot_close)
#define _cleanup_vm_ vmb_cleanup(vmb_vm_closep)

/*
 * The VM's domain; -VMBOOT_ENOVM, also if the VM was removed and another has its name by now. The
 * latter alone, for who has looked up by name in another way: what is ours is asked afterwards.
 */
int vmb_vm_domain(struct vmboot_vm *vm, virDomainPtr *ret);
int vmb_vm_check_same(const struct vmboot_vm *vm, virDomainPtr d); /* d: NULL if not known */

/* For what needs the VM's files: -VMBOOT_EHOST if the handle has to do without them. */
int vmb_vm_check_files(const struct vmboot_vm *vm);

/* What the agent's client is to know, once the handle has a name and a connection. */
void vmb_vm_set_agent(struct vmboot_vm *vm);

/*
 * Who starts the VM, cuts its power or removes it does that alone, until the descriptor is closed;
 * -VMBOOT_ENOVM if its files are gone.
 */
int vmb_vm_seize(const struct vmboot_vm *vm, int *ret_lock);

/* Our metadata of a domain; -VMBOOT_ENOVM if it has none: somebody else's domain. */
int vmb_vm_metadata(virDomainPtr d, const char *name, struct vmb_metadata *ret);

/* Replaces it, in the definition and in the domain that runs. */
int vmb_vm_set_metadata(const struct vmboot_vm *vm, virDomainPtr d,
			const struct vmb_metadata *metadata);

/*
 * libvirt's state as ours; a domain that is shutting down has stopped, and then this returns 1: it
 * may yet be reset and go on. ret_why: may be NULL; if it has stopped, why, in a word.
 */
int vmb_vm_state(virDomainPtr d, enum vmboot_state *ret, const char **ret_why);

/* libvirt may still be tidying up a guest that is gone already; that is no failure. */
int vmb_vm_cut_power(const char *name, virDomainPtr d);

#define VMB_LOCK(vm) pthread_mutex_lock(&(vm)->lock)
#define VMB_UNLOCK(vm) pthread_mutex_unlock(&(vm)->lock)

#endif
