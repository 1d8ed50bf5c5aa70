/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "init.h"

int init_root(struct init *init, struct init_report *report)
{
	return init_disk_mount(init, &init->disks[INIT_DISK_ROOT], "/lower", report);
}
