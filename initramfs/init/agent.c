/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "init.h"

int init_agent(struct init *init, struct init_report *report)
{
	const char *what = "no agent in this initramfs";

	if (init->config.skip_guest_agent) {
		what = "skipping guest agent";
		init_log(init, "%s", what);
	}
	init_format(report->detail, sizeof(report->detail), "%s", what);
	return 0;
}
