/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <vmboot/vm.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/sigpipe.h"
#include "probe/ports.h"
#include "probe/tsc.h"
#include "virt/forward.h"
#include "virt/undefine.h"
#include "vm/files.h"
#include "vm/vm.h"

enum { PRESS_MS = 500 };

/* Looks the domain up with its state; 1 if it is still on its way to that, see vmb_vm_state(). */
static int find(struct vmboot_vm *vm, virDomainPtr *ret, enum vmboot_state *ret_state)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	int r;

	r = vmb_vm_domain(vm, &d);
	if (r == 0)
		r = vmb_vm_state(d, ret_state, NULL);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return r;
}

/* The definition has the counter of the host, or of its boot, on which it was made. */
static int renew_definition(struct vmboot_vm *vm, virDomainPtr d)
{
	_cleanup_domain_ virDomainPtr renewed = NULL;
	_cleanup_free_ char *xml = NULL, *changed = NULL;
	int r;

	if (vm->metadata.accel != VMBOOT_ACCEL_TCG)
		return 0;
	xml = virDomainGetXMLDesc(d, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);
	if (!xml)
		return vmb_libvirt_error("cannot read the XML of \"%s\"", vm->name);
	r = vmb_domain_set_tsc(xml, vmb_tsc_khz(&vm->store, vm->conn), &changed);
	if (r <= 0)
		return r;
	renewed = virDomainDefineXML(virDomainGetConnect(d), changed);
	if (!renewed)
		return vmb_libvirt_error("cannot define the VM \"%s\" anew", vm->name);
	return 0;
}

/* Files for a new boot, which this handle listens to from now on. */
static int begin_boot(struct vmboot_vm *vm, const struct vmb_host_phases *phases)
{
	int r;

	VMB_LOCK(vm);
	r = vmb_files_reset(&vm->files, vm->dac_label);
	if (r == 0)
		r = vmb_listen_anew(vm);
	vm->phases = *phases;
	vm->listener.starting = r == 0;
	VMB_UNLOCK(vm);
	return r;
}

static void end_start(struct vmboot_vm *vm, const struct vmb_host_phases *phases)
{
	VMB_LOCK(vm);
	vm->phases = *phases;
	vm->listener.starting = false;
	vmb_listen_forget_state(vm);
	VMB_UNLOCK(vm);
}

/*
 * The ports that the VM publishes, which must be free again. Other handles may have changed them since
 * this one was opened.
 */
static int read_ports(const struct vmboot_vm *vm, virDomainPtr d, struct vmb_ports *ret)
{
	_cleanup_metadata_ struct vmb_metadata metadata = {0};
	_cleanup_ports_ struct vmb_ports ports = {0};
	int r = vmb_vm_metadata(d, vm->name, &metadata);

	if (r == 0)
		r = vmb_ports_from_text(metadata.publish, &ports);
	if (r == 0)
		r = vmb_ports_resolve(&ports);
	if (r < 0)
		return r;
	*ret = ports;
	ports = (struct vmb_ports){0};
	return 0;
}

/* A port that somebody took meanwhile: the guest, whose kernel is not loaded yet, is stopped again. */
static int start_domain(struct vmboot_vm *vm, virDomainPtr d, const struct vmb_ports *ports)
{
	struct vmb_saved_error *saved;
	int r;

	if (virDomainCreate(d) < 0)
		return vmb_libvirt_error("cannot start the VM \"%s\"", vm->name);
	r = vmb_forward_all(d, ports);
	if (r == 0)
		return 0;
	saved = vmb_error_save();
	(void)vmb_vm_cut_power(vm->name, d);
	vmb_error_restore(saved);
	return r;
}

/* The ledger comes first: who listens already, elsewhere, reads it when the events file is new. */
static int start_again(struct vmboot_vm *vm, virDomainPtr d)
{
	VMB_KEEP_SIGPIPE;
	_cleanup_ports_ struct vmb_ports ports = {0};
	struct vmb_host_phases phases;
	int r;

	vmb_host_phases_begin(&phases);
	r = vmb_libvirt_descriptors();
	if (r == 0)
		r = read_ports(vm, d, &ports);
	if (r == 0)
		r = renew_definition(vm, d);
	if (r < 0)
		return r;
	vmb_host_phases_mark(&phases, VMBOOT_PHASE_VALIDATE);
	r = vmb_host_phases_save(&phases, vm->files.ledger);
	if (r == 0)
		r = begin_boot(vm, &phases);
	if (r < 0)
		return r;
	r = start_domain(vm, d, &ports);
	if (r == 0)
		vmb_host_phases_mark(&phases, VMBOOT_PHASE_LIBVIRT);
	end_start(vm, &phases);
	if (r == 0)
		vmb_listen_limit_logs(vm);
	return r < 0 ? r : vmb_host_phases_save(&phases, vm->files.ledger);
}

static int restore(struct vmboot_vm *vm, virDomainPtr d)
{
	VMB_KEEP_SIGPIPE;

	if (virDomainCreate(d) < 0)
		return vmb_libvirt_error(
			"cannot restore the VM \"%s\" from its saved state; `virsh "
			"managedsave-remove %s` drops that, and it boots anew then",
			vm->name, vm->name);
	vmb_listen_limit_logs(vm);
	return 0;
}

/*
 * From the state that `virsh managedsave` wrote, as libvirt-guests does when the host shuts down: the
 * boot goes on, and so do its logs and its ledger.
 */
static int resume_saved(struct vmboot_vm *vm, virDomainPtr d)
{
	_cleanup_ports_ struct vmb_ports ports = {0};
	struct vmb_host_phases phases = {0};
	struct vmb_resume resume;
	int r = vmb_libvirt_descriptors();

	if (r == 0)
		r = read_ports(vm, d, &ports);
	if (r < 0)
		return r;
	VMB_LOCK(vm);
	r = vmb_listen_last_words(vm, &resume);
	phases = vm->phases;
	vm->listener.starting = r == 0;
	VMB_UNLOCK(vm);
	if (r < 0)
		return r;
	r = restore(vm, d);
	/* it goes on without a port that was taken meanwhile: what it was doing is worth more */
	if (r == 0 && vmb_forward_all(d, &ports) < 0)
		vmb_log(&vm->log, VMBOOT_LOG_WARNING, "%s", vmboot_last_error()->message);
	if (r == 0) {
		resume.end_us = vmb_host_phases_now(&phases);
		vmb_host_phases_add_resume(&phases, &resume);
		r = vmb_host_phases_save(&phases, vm->files.ledger);
	}
	VMB_LOCK(vm);
	vmb_listen_resumed(vm, &phases);
	VMB_UNLOCK(vm);
	return r;
}

int vmboot_start(struct vmboot_vm *vm)
{
	VMB_NO_SIGPIPE;
	_cleanup_domain_ virDomainPtr d = NULL;
	_cleanup_close_ int lock = -1;
	enum vmboot_state state;
	int r;

	r = vmb_vm_check_process(vm);
	if (r == 0)
		r = vmb_conn_check_here(vm->conn);
	if (r == 0)
		r = vmb_vm_seize(vm, &lock);
	if (r == 0)
		r = find(vm, &d, &state);
	if (r < 0)
		return r;
	if (state != VMBOOT_STATE_STOPPED)
		return vmb_error(EALREADY, "the VM \"%s\" is %s", vm->name,
				 state == VMBOOT_STATE_PAUSED ? "paused" : "running");
	if (virDomainHasManagedSaveImage(d, 0) > 0)
		return resume_saved(vm, d);
	/* it has powered off, but QEMU is there yet: its logs must not go before a start that fails */
	if (r > 0)
		r = vmb_vm_cut_power(vm->name, d);
	if (r < 0)
		return r;
	return start_again(vm, d);
}

/*
 * Presses the power button until the guest is gone. A guest that has not come so far as to listen
 * does not hear a press, and nothing keeps it for later, so it is pressed again.
 */
static int ask_to_stop(struct vmboot_vm *vm, virDomainPtr d, int timeout_ms)
{
	struct vmb_deadline deadline = vmb_deadline_in(timeout_ms);
	int r;

	do {
		if (virDomainShutdownFlags(d, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) < 0 &&
		    vmb_libvirt_code() != VIR_ERR_OPERATION_INVALID)
			return vmb_libvirt_error("cannot ask the VM \"%s\" to stop", vm->name);
		r = vmboot_wait(vm, VMBOOT_PHASE_STOPPED, vmb_deadline_poll(deadline, PRESS_MS));
		if (r == -VMBOOT_ELOST) /* that is no reason to cut its power */
			vmb_log(&vm->log, VMBOOT_LOG_WARNING, "%s", vmboot_last_error()->message);
	} while ((r == -ETIMEDOUT || r == -VMBOOT_ELOST) && !vmb_deadline_passed(deadline));
	return r;
}

/*
 * What is left to do once it was asked; went: it powered off. It may have been started again since
 * then, or removed, by somebody else. An ephemeral VM leaves nothing; others keep their disks.
 */
static int end(struct vmboot_vm *vm, virDomainPtr d, bool went)
{
	_cleanup_close_ int lock = -1;
	enum vmboot_state state;
	int r = vmb_vm_seize(vm, &lock);

	if (r < 0 && r != -VMBOOT_ENOVM && !vm->no_files)
		return r;
	if (went && vmb_vm_state(d, &state, NULL) >= 0 && state != VMBOOT_STATE_STOPPED)
		return 0;
	r = vmb_vm_cut_power(vm->name, d);
	if (r < 0 || lock < 0 || !vm->metadata.ephemeral)
		return r;
	return vmb_store_remove_folder(vm->files.folder);
}

int vmboot_stop(struct vmboot_vm *vm, int timeout_ms)
{
	VMB_NO_SIGPIPE;
	_cleanup_domain_ virDomainPtr d = NULL;
	enum vmboot_state state;
	int r, asked = -ETIMEDOUT;

	r = vmb_vm_check_process(vm);
	if (r == 0)
		r = find(vm, &d, &state);
	if (r < 0)
		return r;
	if (state == VMBOOT_STATE_STOPPED)
		return vmb_error(EALREADY, "the VM \"%s\" is stopped", vm->name);
	if (timeout_ms != 0 && state == VMBOOT_STATE_RUNNING)
		asked = ask_to_stop(vm, d, timeout_ms);
	if (asked == -EINTR)
		return asked;
	r = end(vm, d, asked == 0);
	return r < 0 ? r : asked < 0;
}

static int remove_domain(struct vmboot_vm *vm)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	int r = vmb_vm_domain(vm, &d);

	if (r < 0)
		return r == -VMBOOT_ENOVM ? 0 : r;
	r = vmb_vm_cut_power(vm->name, d);
	if (r < 0 || vm->metadata.ephemeral)
		return r;
	r = vmb_domain_undefine(d, &vm->log);
	return r < 0 ? r : 0;
}

/* Files that are gone were removed by somebody else, perhaps without the domain. */
int vmboot_destroy(struct vmboot_vm *vm)
{
	VMB_NO_SIGPIPE;
	_cleanup_close_ int lock = -1;
	int r = vmb_vm_check_process(vm);

	if (r < 0)
		return r;
	r = vmb_vm_seize(vm, &lock);
	if (r == 0 || r == -VMBOOT_ENOVM)
		r = remove_domain(vm);
	if (r < 0 || lock < 0)
		return r;
	return vmb_store_remove_folder(vm->files.folder);
}
