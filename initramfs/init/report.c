/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>

#include "init.h"
#include "wire/phase.h"

int init_failed(struct init_report *report, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	init_vformat(report->detail, sizeof(report->detail), fmt, ap);
	va_end(ap);
	return err < 0 ? err : -err;
}

void init_report_disk(const struct init_disk *disk, struct init_report *report)
{
	init_format(report->device, sizeof(report->device), "%s %s",
		    disk->name[0] ? disk->name : disk->target, disk->serial);
}

void init_tell(struct init *init, enum vmboot_phase phase, uint64_t start_us, int error,
	       const struct init_report *report)
{
	struct vmb_event e = {
		.kind = VMB_EVENT_PHASE,
		.phase = phase,
		.error = error < 0 ? -error : error,
		.start_us = start_us,
		.end_us = init_now_us(),
		.value = report->value,
	};

	init_mark(phase);
	memcpy(e.device, report->device, sizeof(e.device));
	memcpy(e.detail, report->detail, sizeof(e.detail));
	/* the console first: whoever hears of a failure finds the words there */
	if (e.error)
		init_log(init, "%s failed: %s%s%s%s%s", vmboot_phase_name(phase), strerror(e.error),
			 e.device[0] ? ": " : "", e.device, e.detail[0] ? ": " : "", e.detail);
	else
		init_debug(init, "%s: %llu us %s %s", vmboot_phase_name(phase),
			   (unsigned long long)(e.end_us - e.start_us), e.device, e.detail);
	init_event_push(&init->events, &e);
}
