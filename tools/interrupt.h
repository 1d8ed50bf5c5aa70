/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_INTERRUPT_H
#define VMBOOT_TOOLS_INTERRUPT_H

/* Ctrl-C in a long call of the library: it is cancelled, so that nothing half-made is left. */

#include "args.h"

/* From now on SIGINT, SIGTERM and SIGHUP cancel calls with args->opts; a second one ends the process. */
void cancel_on_signal(struct args *args);

/* The exit code of a call that failed: of the signal that cancelled it, else failed. */
int cancelled_status(int failed);

#endif
