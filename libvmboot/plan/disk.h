/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PLAN_DISK_H
#define VMB_PLAN_DISK_H

/*
 * A disk of the VM: one row. The plan has one array of them, which the domain XML, the guest config
 * (and so init, which waits for each and mounts it), the access check, the labels and the plan's JSON
 * walk. A new kind of disk is a row that plan/disks.c adds.
 */

#include <stdbool.h>

struct vmb_plan;

/* In a plan, the strings are the plan's. */
struct vmb_disk {
	const char *serial;  /* by which the guest finds it; at most 20 bytes */
	char target[8];	     /* "vda": given by vmb_plan_add_disk() */
	const char *file;    /* absolute */
	const char *format;  /* of the file: "raw" */
	const char *fstype;  /* of what is in it; "none": init does not mount it */
	const char *point;   /* where: see struct vmb_config_disk */
	const char *options; /* more of mount's, after "ro" or "rw"; NULL: none */
	bool writable;	     /* by the guest */
	bool shared;	     /* not this VM's own: its owner and label are left alone */
	bool required;	     /* without it the boot fails */
};

/*
 * Adds a copy of *disk, with its strings, as the plan's next one, with the letters that the kernel will give it.
 * -E2BIG: there are as many already as a guest can have.
 */
int vmb_plan_add_disk(struct vmb_plan *plan, const struct vmb_disk *disk);

/* Adds those that every VM has, in the order of the contract (wire/disks.h). */
int vmb_plan_add_disks(struct vmb_plan *plan);

/* "vda" … "vdz", "vdaa" …: the kernel's name of the disk with that number, from 0. */
void vmb_disk_target(unsigned number, char ret[8]);

#endif
