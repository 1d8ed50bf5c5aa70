/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of vmboot/exec.h that take a handle: the agent's client does the work. */
#include <string.h>
#include <vmboot/exec.h>

#include "agent/agent.h"
#include "base/error.h"
#include "base/sigpipe.h"
#include "vm/vm.h"
#include "wire/event.h"

/* What the guest's ledger says; a ledger that cannot be read says nothing. */
static bool agent_is_given_up(void *data)
{
	struct vmb_saved_error *saved = vmb_error_save();
	struct vmboot_ledger *ledger = NULL;
	bool given_up = false;

	if (vmboot_ledger(data, &ledger) == 0)
		for (size_t i = 0; i < ledger->n_events; i++)
			given_up |= ledger->events[i]->phase == VMBOOT_PHASE_AGENT &&
				    strcmp(ledger->events[i]->detail, VMB_AGENT_GIVEN_UP) == 0;
	vmboot_ledger_free(ledger);
	vmb_error_restore(saved);
	return given_up;
}

static int check_same_vm(const void *data, virDomainPtr d)
{
	return vmb_vm_check_same(data, d);
}

void vmb_vm_set_agent(struct vmboot_vm *vm)
{
	vm->agent.vm = (struct vmb_agent_vm){
		.name = vm->name,
		.conn = vm->conn,
		.metadata = &vm->metadata,
		.files = &vm->files,
		.check_same = check_same_vm,
		.is_given_up = agent_is_given_up,
		.data = vm,
	};
}

int vmboot_exec(struct vmboot_vm *vm, const struct vmboot_exec_opts *opts,
		struct vmboot_exec_result **ret_result)
{
	int r = vmb_vm_check_process(vm);

	return r < 0 ? r : vmb_agent_exec(&vm->agent, opts, ret_result);
}

int vmboot_exec_stream(struct vmboot_vm *vm, const struct vmboot_exec_opts *opts, const int fds[3],
		       int control_fd, int *ret_status)
{
	int r = vmb_vm_check_process(vm);

	return r < 0 ? r : vmb_agent_exec_stream(&vm->agent, opts, fds, control_fd, ret_status);
}

int vmboot_stat(struct vmboot_vm *vm, const char *path, bool follow, struct vmboot_stat **ret_stat)
{
	int r = vmb_vm_check_process(vm);

	return r < 0 ? r : vmb_agent_stat(&vm->agent, path, follow, ret_stat);
}

int vmboot_top(struct vmboot_vm *vm, char **ret_json)
{
	VMB_NO_SIGPIPE;
	int r = vmb_vm_check_process(vm);

	return r < 0 ? r : vmb_agent_top(&vm->agent, ret_json);
}

int vmboot_copy_to(struct vmboot_vm *vm, const char *from, const char *to)
{
	int r = vmb_vm_check_process(vm);

	return r < 0 ? r : vmb_agent_copy_to(&vm->agent, from, to);
}

int vmboot_copy_from(struct vmboot_vm *vm, const char *from, const char *to)
{
	int r = vmb_vm_check_process(vm);

	return r < 0 ? r : vmb_agent_copy_from(&vm->agent, from, to);
}

int vmboot_copy_archive_to(struct vmboot_vm *vm, int fd, const char *to)
{
	int r = vmb_vm_check_process(vm);

	return r < 0 ? r : vmb_agent_copy_archive_to(&vm->agent, fd, to);
}

int vmboot_copy_archive_from(struct vmboot_vm *vm, const char *from, int fd)
{
	int r = vmb_vm_check_process(vm);

	return r < 0 ? r : vmb_agent_copy_archive_from(&vm->agent, from, fd);
}
