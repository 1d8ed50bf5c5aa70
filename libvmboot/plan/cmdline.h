/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PLAN_CMDLINE_H
#define VMB_PLAN_CMDLINE_H

#include "plan/plan.h"

/* The one word that depends on the host, and is renewed when a VM is started again. */
#define VMB_CMDLINE_TSC "tsc_early_khz="

/*
 * The kernel's command line for these opts with these facts; freed by the caller. The user's own
 * words come last: where a word stands twice, the kernel heeds the last one.
 */
int vmb_cmdline(const struct vmboot_opts *opts, const struct vmb_facts *facts, char **ret);

#endif
