/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VIRT_UNDEFINE_H
#define VMB_VIRT_UNDEFINE_H

#include "base/log.h"
#include "virt/libvirt.h"

/*
 * Removes a domain that does not run from libvirt, with what libvirt keeps of it: a saved state
 * (`virsh managedsave`), which the log then says, and its records of snapshots and checkpoints. 1; 0 if
 * there is no such domain any more.
 */
int vmb_domain_undefine(virDomainPtr d, const struct vmb_log *log);

#endif
