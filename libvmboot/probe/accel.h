/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PROBE_ACCEL_H
#define VMB_PROBE_ACCEL_H

/*
 * KVM or TCG. That /dev/kvm exists says little: there are hosts where it opens, makes a VM, and
 * then runs no kernel. So "auto" boots the real kernel and our init once under KVM, with no disks,
 * and believes it when init says so (a boot event) within a deadline. What was found out is kept
 * in the store for this boot of the host, this load of its KVM module, this kernel and this QEMU. A
 * trial that did not come about, since libvirt starts no guest without KVM either, as on a full disk,
 * is not remembered; that only KVM's does not start is.
 */

#include "plan/plan.h"
#include "virt/connect.h"

/* Sets facts->accel, and for TCG tsc_khz. asked KVM: -VMBOOT_EHOST if libvirt does not offer it. */
int vmb_accel_resolve(enum vmboot_accel asked, const struct vmb_store *store, struct vmb_conn *conn,
		      struct vmb_facts *facts, const struct vmb_log *log);

/* What is remembered: 1 it works, 0 it does not, -1 nobody tried. */
int vmb_accel_remembered(const struct vmb_store *store, const struct vmb_facts *facts);

#endif
