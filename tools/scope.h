/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_SCOPE_H
#define VMBOOT_TOOLS_SCOPE_H

/*
 * Which VMs a verb concerns: libvirt knows those of all stores, a verb those of its own, unless
 * --all-stores is given.
 */

#include "args.h"

#define STATE_BIT(state) (1U << (state))
#define STATES_STOPPED STATE_BIT(VMBOOT_STATE_STOPPED)
#define STATES_ALL (~0U)
#define STATES_ACTIVE (~STATES_STOPPED)

/* The VMs in these states, NULL-ended, freed with vmboot_list_free(); 0, or an exit code, said. */
int vms_list(const struct args *args, unsigned states, struct vmboot_info ***ret);

/* 0: the VM is of the verb's store; EXIT_FAILED, said: it is not; -1: the error is set. */
int vm_check_store(const struct args *args, struct vmboot_vm *vm);

#endif
