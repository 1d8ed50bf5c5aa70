/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_SETTINGS_H
#define VMB_WIRE_SETTINGS_H

/*
 * Texts of a request that are checked on the host and carried out in the guest: both ends read them by
 * these functions. They do no I/O, allocate nothing and set no error: 0, or -EINVAL.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "64m": bytes, or KiB, MiB, GiB with k, m or g behind the number, which is not 0. As the kernel has it. */
bool vmb_is_size(const char *text);

/* "90", "90s", "1h30m", "1.5s", "500ms"; without a unit: seconds. */
int vmb_duration_parse(const char *text, uint64_t *ret_ms);

/* "PATH[:OPTION,…]": a tmpfs, with the options of mount(8). */
struct vmb_tmpfs {
	size_t path_length;  /* of the text */
	unsigned long flags; /* MS_…, for mount(2) */
	bool copy_up;	     /* it begins with what the image has there */
	char data[128];	     /* for the file system: "size=64m,mode=1777" */
};
int vmb_tmpfs_parse(const char *text, struct vmb_tmpfs *ret);

/* "KEY=VALUE": where KEY is below /proc/sys, and the value, which is a part of the text. */
enum { VMB_SYSCTL_PATH_MAX = 256 };
int vmb_sysctl_parse(const char *text, char path[VMB_SYSCTL_PATH_MAX], const char **ret_value);

/* "no", "on-failure[:N]", "always": when a program that ended is started again. */
struct vmb_restart {
	enum { VMB_RESTART_NO, VMB_RESTART_ON_FAILURE, VMB_RESTART_ALWAYS } when;
	uint64_t most; /* attempts; 0: any number */
};
int vmb_restart_parse(const char *text, struct vmb_restart *ret);

/* "NAME=SOFT[:HARD]", as getrlimit(2) has them: "nofile=1024:4096", "core=unlimited". */
#define VMB_ULIMIT_NONE UINT64_MAX
struct vmb_ulimit {
	int resource; /* RLIMIT_… */
	uint64_t soft, hard;
};
int vmb_ulimit_parse(const char *text, struct vmb_ulimit *ret);

#endif
