/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "init.h"

int init_headers(struct init *init, struct init_report *report)
{
	const char *what = "no kernel disk is attached";

	if (init->config.skip_kernel_headers) {
		what = "skipping kernel headers setup";
		init_log(init, "%s", what);
	}
	init_format(report->detail, sizeof(report->detail), "%s", what);
	return 0;
}
