/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_SQUASH_H
#define VMB_ARCHIVE_SQUASH_H

/* The program vmboot-squash: a tar stream in, a squashfs file out (squash-main.c). */

#include "archive/squash-root.h"
#include "archive/tarout.h"
#include "base/process.h"

struct vmb_squash {
	struct vmb_process process;
	struct vmb_tarout out; /* write here */
};
#define VMB_SQUASH_INIT                                                                            \
	{                                                                                          \
		.process = VMB_PROCESS_INIT                                                        \
	}

int vmb_squash_start(struct vmb_squash *s, const char *path, const struct vmb_squash_root *root,
		     const struct vmb_log *log);

/*
 * Ends it. result: what the caller's writing came to; if the program ended early, its own words become
 * the error. 0: path is complete.
 */
int vmb_squash_finish(struct vmb_squash *s, int result);

void vmb_squash_done(struct vmb_squash *s); /* kills what still runs; path is the caller's */
#define _cleanup_squash_ vmb_cleanup(vmb_squash_done)

/* The root folder from an archive's entry or a file's stat. */
struct vmb_squash_root vmb_squash_root_of(unsigned mode, int64_t uid, int64_t gid, int64_t mtime);

#endif
