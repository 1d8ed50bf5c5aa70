/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/text.h"

struct vmb_log vmb_log_of(const struct vmboot_opts *opts)
{
	if (!opts)
		return (struct vmb_log){0};
	return (struct vmb_log){
		.log = opts->log,
		.log_data = opts->log_data,
		.progress = opts->progress,
		.progress_data = opts->progress_data,
	};
}

void vmb_log(const struct vmb_log *l, enum vmboot_log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (!l || !l->log)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	vmb_wire_clean_line(line);
	l->log(level, line, l->log_data);
}

void vmb_progress(const struct vmb_log *l, const char *what, uint64_t done, uint64_t total)
{
	if (l && l->progress)
		l->progress(what, done, total, l->progress_data);
}
