/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libvirt/libvirt-qemu.h>
#include <stdio.h>
#include <vmboot/vm.h>

#include "base/clock.h"
#include "base/sigpipe.h"
#include "vm/vm.h"

enum { AGENT_S = 1 };

/* The domain, if it is in the state that is wanted; -EALREADY if it is in the other. */
static int find_in_state(struct vmboot_vm *vm, enum vmboot_state wanted, virDomainPtr *ret)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	enum vmboot_state state;
	int r = vmb_vm_check_process(vm);

	if (r == 0)
		r = vmb_vm_domain(vm, &d);
	if (r == 0)
		r = vmb_vm_state(d, &state, NULL);
	if (r < 0)
		return r;
	if (state == VMBOOT_STATE_STOPPED)
		return vmb_error(VMBOOT_EENDED, "the VM \"%s\" is not running", vm->name);
	if (state != wanted)
		return vmb_error(EALREADY, "the VM \"%s\" is %s", vm->name,
				 state == VMBOOT_STATE_PAUSED ? "paused" : "not paused");
	*ret = TAKE_PTR(d);
	return 0;
}

int vmboot_pause(struct vmboot_vm *vm)
{
	VMB_NO_SIGPIPE;
	_cleanup_domain_ virDomainPtr d = NULL;
	int r = find_in_state(vm, VMBOOT_STATE_RUNNING, &d);

	if (r < 0)
		return r;
	if (virDomainSuspend(d) < 0)
		return vmb_libvirt_error("cannot pause the VM \"%s\"", vm->name);
	return 0;
}

/* Our agent would set it by itself some seconds later; another agent would not. */
static void set_guest_clock(const struct vmboot_vm *vm, virDomainPtr d)
{
	char command[128], *reply;

	if (vm->metadata.skip_guest_agent)
		return;
	snprintf(command, sizeof(command),
		 "{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":%lld}}",
		 (long long)vmb_realtime_us() * 1000);
	reply = virDomainQemuAgentCommand(d, command, AGENT_S, 0);
	if (!reply)
		vmb_log(&vm->log, VMBOOT_LOG_INFO, "no agent has set the clock of the VM \"%s\"",
			vm->name);
	free(reply);
}

int vmboot_unpause(struct vmboot_vm *vm)
{
	VMB_NO_SIGPIPE;
	_cleanup_domain_ virDomainPtr d = NULL;
	int r = find_in_state(vm, VMBOOT_STATE_PAUSED, &d);

	if (r < 0)
		return r;
	if (virDomainResume(d) < 0)
		return vmb_libvirt_error("the VM \"%s\" cannot go on", vm->name);
	set_guest_clock(vm, d);
	return 0;
}
