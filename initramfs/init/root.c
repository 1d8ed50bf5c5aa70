/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/mount.h>
#include <sys/stat.h>

#include "init.h"

int init_root(struct init *init, struct init_report *report)
{
	char device[INIT_PATH_MAX];
	int r;

	init_report_disk(init, INIT_DISK_ROOT, report);
	init_path(init, device, "/dev/%s", init->disk[INIT_DISK_ROOT]);
	mkdir("/lower", 0755);
	r = init->ops->mount(device, "/lower", init->config.root_fstype, MS_RDONLY, NULL);
	return r < 0 ? init_failed(report, r, "mounting it as %s", init->config.root_fstype) : 0;
}
