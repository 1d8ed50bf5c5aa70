/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_LOG_H
#define VMB_BASE_LOG_H

/* Log and progress go to the caller's own functions, which travel with the call: no global. */

#include <vmboot/opts.h>

#include "base/cleanup.h"

struct vmb_log {
	vmboot_log_fn log;
	void *log_data;
	vmboot_progress_fn progress;
	void *progress_data;
};

struct vmb_log vmb_log_of(const struct vmboot_opts *opts); /* NULL: silent */
void vmb_log(const struct vmb_log *l, enum vmboot_log_level level, const char *fmt, ...)
	VMB_PRINTF(3, 4);
void vmb_progress(const struct vmb_log *l, const char *what, uint64_t done, uint64_t total);

#endif
