/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_SQUASH_ROOT_H
#define VMB_ARCHIVE_SQUASH_ROOT_H

/*
 * The root folder of a squashfs file. sqfstar 4.5 takes options for its owner and time and then
 * does not heed them: it makes the root folder belong to whoever runs it, at the time when it runs.
 * So this sets them in the finished file, which needs its inodes and ids not to be compressed
 * (sqfstar -noI).
 */

#include <stdbool.h>
#include <stdint.h>

/* What the root folder is; it cannot come in the stream. */
struct vmb_squash_root {
	unsigned mode, uid, gid, mtime;
};

/*
 * 0; 1: all but the owner, for no file in it has the same; -VMBOOT_EHOST: it is not what sqfstar
 * should have made.
 */
int vmb_squash_set_root(const char *path, const struct vmb_squash_root *root);

#endif
