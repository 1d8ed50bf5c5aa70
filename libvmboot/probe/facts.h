/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PROBE_FACTS_H
#define VMB_PROBE_FACTS_H

/* Finding out what a plan needs to know. In: checked opts. Out: facts; changes nothing but caches. */

#include "plan/plan.h"
#include "probe/caps.h"
#include "virt/connect.h"

/* All but the accelerator, which can need a trial: see probe/accel.h. */
int vmb_facts_gather(const struct vmboot_opts *opts, const struct vmb_store *store,
		     struct vmb_conn *conn, struct vmb_facts *ret);

/*
 * Paths in the store of what VMs share, image aside, that are made with no kernel or headers of the
 * caller's own: a kernel's folder, its disk, the initramfs files for whatever root and network. No
 * error if this host has no kernel for that.
 */
int vmb_facts_usual_files(const struct vmb_store *store, char ***ret);

/* How facts->kernel starts: its copy in the store, and the firmware. */
int vmb_facts_kernel_start(enum vmboot_kernel_start asked, const struct vmb_store *store,
			   const struct vmb_caps *caps, struct vmb_facts *facts);

#endif
