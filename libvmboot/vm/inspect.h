/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VM_INSPECT_H
#define VMB_VM_INSPECT_H

#include <vmboot/opts.h>

#include "plan/plan.h"

/* Writes request and plan into the VM's folder, for vmboot_inspect(), mode 0600. */
int vmb_inspect_save(const struct vmboot_opts *opts, const struct vmb_plan *plan);

#endif
