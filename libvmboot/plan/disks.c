/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/disk.h"

#include "base/error.h"
#include "base/str.h"
#include "plan/plan.h"
#include "wire/disks.h"

/* As the kernel's virtio_blk counts: after z come two letters. */
void vmb_disk_target(unsigned number, char ret[8])
{
	char letters[8];
	size_t n = 0, len = 0;

	number++;
	for (; number > 0 && n < 5; number = (number - 1) / 26)
		letters[n++] = (char)('a' + (number - 1) % 26);
	ret[len++] = 'v';
	ret[len++] = 'd';
	while (n > 0)
		ret[len++] = letters[--n];
	ret[len] = '\0';
}

/* Copies *s, unless it is NULL, into memory of the plan's. */
static int keep_string(struct vmb_plan *plan, const char **s)
{
	int r = *s ? vmb_list_add(&plan->disk_strings, *s) : 0;

	if (r == 0 && *s)
		*s = plan->disk_strings[vmb_list_len(vmb_list_const(plan->disk_strings)) - 1];
	return r;
}

static int keep_strings(struct vmb_plan *plan, struct vmb_disk *disk)
{
	const char **const strings[] = {&disk->serial, &disk->file,  &disk->format,
					&disk->fstype, &disk->point, &disk->options};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(strings) && r == 0; i++)
		r = keep_string(plan, strings[i]);
	return r;
}

int vmb_plan_add_disk(struct vmb_plan *plan, const struct vmb_disk *disk)
{
	struct vmb_disk *disks, copy = *disk;
	int r;

	if (plan->n_disks == VMB_CONFIG_DISKS_MAX)
		return vmb_error(E2BIG, "the VM would have more than %d disks, which is the limit",
				 VMB_CONFIG_DISKS_MAX);
	r = keep_strings(plan, &copy);
	if (r < 0)
		return r;
	disks = reallocarray(plan->disks, plan->n_disks + 1, sizeof(*disks));
	if (!disks)
		return vmb_oom();
	plan->disks = disks;
	disks[plan->n_disks] = copy;
	vmb_disk_target((unsigned)plan->n_disks, disks[plan->n_disks].target);
	plan->n_disks++;
	return 0;
}

int vmb_plan_add_disks(struct vmb_plan *plan)
{
	const struct vmb_disk rows[] = {
		{
			.serial = VMB_SERIAL_ROOT,
			.file = plan->facts.image.disk,
			.fstype = plan->facts.image.fstype,
			.point = VMB_POINT_ROOT,
			.shared = true,
		},
		{
			.serial = VMB_SERIAL_OVERLAY,
			.file = plan->files.overlay,
			.fstype = "ext4",
			.point = VMB_POINT_OVERLAY,
			/* tables that are zeroed in the background would fill a sparse disk */
			.options = "noatime,noinit_itable",
			.writable = true,
		},
		{
			.serial = VMB_SERIAL_CONFIG,
			.file = plan->files.config,
			.fstype = VMB_FSTYPE_NONE,
			.point = VMB_POINT_NONE,
		},
		{
			.serial = VMB_SERIAL_KERNEL,
			.file = plan->facts.kernel_disk, /* NULL: there is none */
			.fstype = VMB_KERNEL_FSTYPE,
			.point = VMB_POINT_KERNEL,
			.shared = true,
		},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++) {
		struct vmb_disk disk = rows[i];

		disk.format = "raw";
		disk.required = true;
		if (disk.file)
			r = vmb_plan_add_disk(plan, &disk);
	}
	return r;
}
