/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libvirt/libvirt-qemu.h>
#include <vmboot/vm.h>

#include "base/sigpipe.h"
#include "vm/vm.h"

enum {
	AGENT_S = 1,	  /* a guest that does as asked gives no answer */
	PRESS_MS = 500,	  /* a press of the button that nobody heard is lost */
	RESET_MS = 5000,  /* for libvirt to tell of a reset that it made */
	SPEAK_MS = 30000, /* for the new boot to say its first word */
};

static bool tell_agent(virDomainPtr d, const char *command)
{
	char *reply = virDomainQemuAgentCommand(d, command, AGENT_S, 0);

	free(reply);
	return reply != NULL;
}

/* True if an agent is there and did not refuse. One that reboots its guest gives no answer. */
static bool ask_agent(const struct vmboot_vm *vm, virDomainPtr d)
{
	if (vm->metadata.skip_guest_agent || !tell_agent(d, "{\"execute\":\"guest-ping\"}"))
		return false;
	return tell_agent(d, "{\"execute\":\"guest-shutdown\","
			     "\"arguments\":{\"mode\":\"reboot\"}}") ||
	       vmb_libvirt_code() == VIR_ERR_AGENT_UNRESPONSIVE;
}

/* libvirt makes a reboot of the power-off that follows. */
static int press(const struct vmboot_vm *vm, virDomainPtr d)
{
	if (virDomainReboot(d, VIR_DOMAIN_REBOOT_ACPI_POWER_BTN) < 0 &&
	    vmb_libvirt_code() != VIR_ERR_OPERATION_INVALID)
		return vmb_libvirt_error("cannot ask the VM \"%s\" to reboot", vm->name);
	return 0;
}

static int ask_to_reboot(struct vmboot_vm *vm, virDomainPtr d, size_t boot,
			 struct vmb_deadline deadline)
{
	int r = -ETIMEDOUT;

	if (ask_agent(vm, d))
		r = vmb_vm_wait_reboot(vm, boot, vmb_deadline_poll(deadline, -1));
	while ((r == -ETIMEDOUT || r == -VMBOOT_ELOST) && !vmb_deadline_passed(deadline)) {
		r = press(vm, d);
		if (r == 0)
			r = vmb_vm_wait_reboot(vm, boot, vmb_deadline_poll(deadline, PRESS_MS));
	}
	return r;
}

static int reset(struct vmboot_vm *vm, virDomainPtr d, size_t boot)
{
	int r;

	if (virDomainReset(d, 0) < 0)
		return vmb_libvirt_error("cannot reset the VM \"%s\"", vm->name);
	r = vmb_vm_wait_reboot(vm, boot, RESET_MS);
	return r < 0 ? r : 1;
}

/* Then other processes see, too, that it is another boot. It may take long, which is no failure. */
static int await_first_word(struct vmboot_vm *vm, int how)
{
	int r = vmboot_wait(vm, VMBOOT_PHASE_KERNEL, SPEAK_MS);

	return r < 0 && r != -ETIMEDOUT && r != -VMBOOT_ELOST ? r : how;
}

int vmboot_reboot(struct vmboot_vm *vm, int timeout_ms)
{
	VMB_NO_SIGPIPE;
	struct vmb_deadline deadline = vmb_deadline_in(timeout_ms);
	_cleanup_domain_ virDomainPtr d = NULL;
	enum vmboot_state state;
	size_t boot;
	int r;

	r = vmb_vm_check_process(vm);
	if (r == 0)
		r = vmb_vm_domain(vm, &d);
	if (r == 0)
		r = vmb_vm_state(d, &state, NULL);
	if (r < 0)
		return r;
	if (state != VMBOOT_STATE_RUNNING)
		return vmb_error(VMBOOT_EENDED, "the VM \"%s\" is not running", vm->name);
	/* before, nobody hears; and a boot that is reset then has failed */
	r = vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, vmb_deadline_poll(deadline, -1));
	if (r < 0)
		return r;
	boot = vmb_vm_boot_number(vm);
	r = timeout_ms ? ask_to_reboot(vm, d, boot, deadline) : -ETIMEDOUT;
	if (r == -ETIMEDOUT)
		r = reset(vm, d, boot);
	return r < 0 ? r : await_first_word(vm, r);
}
