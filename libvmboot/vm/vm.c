/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/vm.h"

#include <string.h>
#include <sys/file.h>

#include "base/error.h"
#include "base/file.h"
#include "base/sigpipe.h"
#include "opts/opts.h"
#include "probe/caps.h"
#include "vm/files.h"

enum {
	SEIZE_MS = 30000,
	/* How long vmboot_close() waits for libvirt to take the connection back. */
	CLOSE_MS = 2000,
};

static int find_store(const struct vmboot_opts *opts, const char *name, struct vmb_store *ret)
{
	int r = vmb_store_find(opts->store, ret);

	if (r == 0 && vmb_conn_is_in_store(opts))
		return vmb_error(VMBOOT_ENOVM, "there is no VM \"%s\": there is no store %s", name,
				 ret->path);
	return r < 0 ? r : 0;
}

static int new_vm(const struct vmboot_opts *where, const char *name, bool make,
		  struct vmboot_vm **ret)
{
	_cleanup_vm_ struct vmboot_vm *vm = calloc(1, sizeof(*vm));
	struct vmboot_opts own;
	int r;

	if (!vm)
		return vmb_oom();
	pthread_mutex_init(&vm->lock, NULL);
	vmb_agent_init(&vm->agent);
	vm->pid = getpid();
	vm->folder_lock = -1;
	vmb_listen_init(&vm->listener);
	r = vmb_opts_read(where, false, &own);
	if (r < 0)
		return r;
	vm->log = vmb_log_of(&own);
	r = make ? vmb_store_open(own.store, &vm->store) : find_store(&own, name, &vm->store);
	if (r == 0)
		r = vmb_conn_open(&own, &vm->store, &vm->conn);
	if (r == 0 && make)
		r = vmb_conn_check_here(vm->conn);
	if (r == 0)
		r = vmb_strdup(name, &vm->name);
	if (r < 0)
		return r;
	vmb_vm_set_agent(vm);
	*ret = TAKE_PTR(vm);
	return 0;
}

int vmb_vm_new(const struct vmboot_opts *where, const char *name, struct vmboot_vm **ret)
{
	return new_vm(where, name, true, ret);
}

int vmb_vm_find(const struct vmboot_opts *where, const char *name, struct vmboot_vm **ret)
{
	return new_vm(where, name, false, ret);
}

int vmb_vm_check_process(const struct vmboot_vm *vm)
{
	if (vm->pid == getpid())
		return 0;
	return vmb_error(
		EPERM,
		"the handle on the VM \"%s\" belongs to process %d; a child that was forked "
		"opens one of its own, by vmboot_open()",
		vm->name, (int)vm->pid);
}

/* libvirt may not answer: its part is given back by a thread that is not waited for without end. */
static void close_libvirt(struct vmboot_vm *vm)
{
	struct vmb_conn *conn = vm->conn, *agents = vmb_agent_take_conn(&vm->agent);

	if (!vm->listener.worker && conn && !vmb_conn_in_process(conn))
		(void)vmb_listen_open_worker(vm);
	if (vm->listener.worker) {
		vmb_worker_release(TAKE_PTR(vm->listener.worker),
				   (struct vmb_conn *const[]){conn, agents}, CLOSE_MS);
		return;
	}
	if (agents)
		vmb_conn_unref(agents);
	if (conn)
		vmb_conn_unref(conn);
}

/* In a forked child, whose parent's threads may have held any lock: descriptors only. */
static void forget_parents(struct vmboot_vm *vm)
{
	if (vm->listener.worker)
		vmb_worker_forget(vm->listener.worker);
	vmb_watch_close(TAKE_PTR(vm->listener.watch));
	vmb_closep(&vm->folder_lock);
}

void vmboot_close(struct vmboot_vm *vm)
{
	VMB_NO_SIGPIPE;

	if (!vm)
		return;
	if (vm->pid != getpid()) {
		forget_parents(vm);
		return;
	}
	close_libvirt(vm);
	vmb_agent_done(&vm->agent);
	vmb_listen_done(&vm->listener);
	vmb_closep(&vm->folder_lock);
	vmb_plan_files_done(&vm->files);
	vmb_metadata_done(&vm->metadata);
	vmb_store_done(&vm->store);
	free(vm->dac_label);
	free(vm->name);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}

const char *vmboot_name(const struct vmboot_vm *vm)
{
	return vm->name;
}

int vmb_vm_metadata(virDomainPtr d, const char *name, struct vmb_metadata *ret)
{
	_cleanup_free_ char *xml = NULL;

	xml = virDomainGetMetadata(d, VIR_DOMAIN_METADATA_ELEMENT, VMB_DOMAIN_XMLNS,
				   VIR_DOMAIN_AFFECT_CURRENT);
	if (xml)
		return vmb_metadata_parse(xml, ret);
	if (vmb_libvirt_code() == VIR_ERR_NO_DOMAIN_METADATA)
		return vmb_error(VMBOOT_ENOVM,
				 "the domain \"%s\" was not made by libvmboot, so it is left alone",
				 name);
	return vmb_libvirt_error("cannot read what the domain \"%s\" is", name);
}

int vmb_vm_set_metadata(const struct vmboot_vm *vm, virDomainPtr d,
			const struct vmb_metadata *metadata)
{
	_cleanup_free_ char *xml = NULL;
	int active = virDomainIsActive(d), persistent = virDomainIsPersistent(d);
	unsigned flags = (active == 1 ? VIR_DOMAIN_AFFECT_LIVE : 0) |
			 (persistent == 1 ? VIR_DOMAIN_AFFECT_CONFIG : 0);
	int r = vmb_metadata_xml(metadata, &xml);

	if (r < 0)
		return r;
	if (active < 0 || persistent < 0 ||
	    virDomainSetMetadata(d, VIR_DOMAIN_METADATA_ELEMENT, xml, VMB_DOMAIN_PREFIX,
				 VMB_DOMAIN_XMLNS, flags) < 0)
		return vmb_libvirt_error("cannot change what libvirt knows about the VM \"%s\"",
					 vm->name);
	return 0;
}

int vmb_vm_state(virDomainPtr d, enum vmboot_state *ret, const char **ret_why)
{
	int state, reason;

	if (virDomainGetState(d, &state, &reason, 0) < 0) {
		if (vmb_libvirt_code() == VIR_ERR_NO_DOMAIN)
			return vmb_error(VMBOOT_ENOVM, "the VM is gone");
		return vmb_libvirt_error("cannot ask for the VM's state");
	}
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
		*ret = VMBOOT_STATE_RUNNING;
		break;
	case VIR_DOMAIN_PAUSED:
	case VIR_DOMAIN_PMSUSPENDED:
		*ret = VMBOOT_STATE_PAUSED;
		break;
	default:
		*ret = VMBOOT_STATE_STOPPED;
	}
	if (ret_why && state == VIR_DOMAIN_SHUTOFF)
		*ret_why = vmb_stop_reason(reason);
	else if (ret_why)
		*ret_why = state == VIR_DOMAIN_CRASHED ? "crashed" : "shutdown";
	return *ret == VMBOOT_STATE_STOPPED && state != VIR_DOMAIN_SHUTOFF;
}

int vmb_vm_cut_power(const char *name, virDomainPtr d)
{
	if (virDomainDestroy(d) == 0)
		return 0;
	if (vmb_libvirt_code() == VIR_ERR_OPERATION_INVALID ||
	    vmb_libvirt_code() == VIR_ERR_NO_DOMAIN)
		return 0;
	return vmb_libvirt_error("cannot stop the VM \"%s\"", name);
}

static int is_another(const struct vmboot_vm *vm)
{
	return vmb_error(VMBOOT_ENOVM,
			 "the VM \"%s\" was removed, and another has its name now: open that",
			 vm->name);
}

int vmb_vm_check_files(const struct vmboot_vm *vm)
{
	if (vm->no_files)
		return vmb_error(VMBOOT_EHOST,
				 "the files of the VM \"%s\" are not on this host, or you may not "
				 "use them: its ledger, output, start and removal need %s. If they "
				 "are gone, `virsh destroy` ends the VM, and `vmboot gc` removes "
				 "the rest",
				 vm->name, vm->files.folder);
	return 0;
}

/* A folder is there before its domain, and goes after it. */
int vmb_vm_check_same(const struct vmboot_vm *vm, virDomainPtr d)
{
	_cleanup_free_ char *path = NULL;
	unsigned char uuid[VIR_UUID_BUFLEN];
	struct stat ours, now;
	int r;

	if (vm->no_files && d && virDomainGetUUID(d, uuid) == 0 &&
	    memcmp(uuid, vm->uuid, sizeof(uuid)) != 0)
		return is_another(vm);
	if (vm->folder_lock < 0)
		return 0; /* it is being made */
	r = vmb_asprintf(&path, "%s/lock", vm->files.folder);
	if (r < 0)
		return r;
	if (stat(path, &now) < 0 || fstat(vm->folder_lock, &ours) < 0 ||
	    (now.st_dev == ours.st_dev && now.st_ino == ours.st_ino))
		return 0;
	return is_another(vm);
}

int vmb_vm_domain(struct vmboot_vm *vm, virDomainPtr *ret)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	int r = vmb_conn_domain(vm->conn, vm->name, &d);

	if (r == 0)
		r = vmb_vm_check_same(vm, d);
	if (r == 0)
		*ret = TAKE_PTR(d);
	return r;
}

int vmb_vm_seize(const struct vmboot_vm *vm, int *ret_lock)
{
	_cleanup_close_ int lock = -1;
	int r = vmb_vm_check_files(vm);

	if (r == 0)
		r = vmb_store_lock_folder(vm->files.folder, SEIZE_MS, &lock);
	if (r == -ENOENT)
		return vmb_error(VMBOOT_ENOVM, "the files of the VM \"%s\" are gone from %s",
				 vm->name, vm->files.folder);
	if (r == 0)
		r = vmb_vm_check_same(vm, NULL);
	if (r == 0)
		*ret_lock = TAKE_FD(lock);
	return r;
}

static int read_label(struct vmboot_vm *vm)
{
	_cleanup_connect_ virConnectPtr c = NULL;
	_cleanup_caps_ struct vmb_caps caps = {0};
	int r;

	if (geteuid() != 0)
		return 0;
	r = vmb_conn_get(vm->conn, NULL, &c);
	if (r == 0)
		r = vmb_caps_get(c, &caps);
	if (r == 0)
		vm->dac_label = TAKE_PTR(caps.dac_label);
	return r;
}

/* Not the caller's, which may be another: what is locked in it, others must find locked. */
static int use_its_store(struct vmboot_vm *vm)
{
	vmb_store_done(&vm->store);
	return vmb_strdup(vm->metadata.store, &vm->store.path);
}

/*
 * Holds the VM's folder. Where it cannot be used, the handle does without: what goes through libvirt
 * works all the same.
 */
static int hold_folder(struct vmboot_vm *vm, virDomainPtr d)
{
	int r = vmb_files_lock(vm->files.folder, LOCK_SH, &vm->folder_lock);

	if (r != -VMBOOT_ENOVM && r != -EACCES && r != -EPERM)
		return r;
	if (virDomainGetUUID(d, vm->uuid) < 0)
		return vmb_libvirt_error("cannot ask which VM \"%s\" is", vm->name);
	vm->no_files = true;
	return 0;
}

int vmboot_open(const struct vmboot_opts *where, const char *name, struct vmboot_vm **ret_vm)
{
	VMB_NO_SIGPIPE;
	_cleanup_vm_ struct vmboot_vm *vm = NULL;
	_cleanup_domain_ virDomainPtr d = NULL;
	enum vmboot_state state;
	int r;

	if (!name)
		return vmb_error(EINVAL, "which VM? the name is NULL");
	r = vmb_vm_find(where, name, &vm);
	if (r == 0)
		r = vmb_conn_domain(vm->conn, name, &d);
	if (r == 0)
		r = vmb_vm_metadata(d, name, &vm->metadata);
	if (r == 0)
		r = use_its_store(vm);
	if (r == 0)
		r = vmb_plan_files(vm->metadata.store, name, &vm->files);
	if (r == 0)
		r = read_label(vm);
	if (r == 0)
		r = hold_folder(vm, d);
	/* a domain goes before its folder: so this is not the folder of another of that name */
	if (r == 0)
		r = vmb_vm_state(d, &state, NULL);
	if (r < 0)
		return r;
	/* a VM whose ledger is damaged still opens: it loses the host's half of it */
	if (!vm->no_files && vmb_host_phases_load(vm->files.ledger, &vm->phases) < 0)
		vmb_log(&vm->log, VMBOOT_LOG_WARNING, "%s", vmboot_last_error()->message);
	*ret_vm = TAKE_PTR(vm);
	return 0;
}

int vmboot_xml(struct vmboot_vm *vm, char **ret_xml)
{
	VMB_NO_SIGPIPE;
	_cleanup_domain_ virDomainPtr d = NULL;
	char *xml;
	int r;

	r = vmb_vm_check_process(vm);
	if (r == 0)
		r = vmb_vm_domain(vm, &d);
	if (r < 0)
		return r;
	xml = virDomainGetXMLDesc(d, 0);
	if (!xml)
		return vmb_libvirt_error("cannot read the XML of \"%s\"", vm->name);
	*ret_xml = xml;
	return 0;
}
