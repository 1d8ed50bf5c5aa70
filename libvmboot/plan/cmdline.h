/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PLAN_CMDLINE_H
#define VMB_PLAN_CMDLINE_H

#include <vmboot/opts.h>

/*
 * The kernel's command line for these opts on that accelerator; freed by the caller. The user's own
 * words come last: where a word stands twice, the kernel heeds the last one.
 */
int vmb_cmdline(const struct vmboot_opts *opts, enum vmboot_accel accel, char **ret);

#endif
