/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_SQUASH_WRITE_H
#define VMB_ARCHIVE_SQUASH_WRITE_H

/*
 * Writes a squashfs file with libsquashfs. In: entries with their content, a folder before or after
 * what is in it. Out: the file, which is the same for the same entries. Blocks are compressed by lz4
 * in as many threads as there are CPUs; inodes are not compressed.
 *
 * It is part of the program vmboot-squash only. libsquashfs is under version 3 of the LGPL, which is
 * not for each program that links libvmboot.
 */

#include <archive_entry.h>
#include <stdint.h>

#include "archive/squash-root.h"
#include "base/cleanup.h"

struct vmb_squash_writer;

/* The file must be new. All functions return 0 or a negative code, with the error set. */
int vmb_squash_writer_new(const char *path, const struct vmb_squash_root *root,
			  struct vmb_squash_writer **ret);
void vmb_squash_writer_free(struct vmb_squash_writer *w);
VMB_DEFINE_CLEANUP(vmb_squash_writer_freep, struct vmb_squash_writer *, vmb_squash_writer_free)

/* Its path is clean (archive/path.h) and not empty; what a hard link links to was there before. */
int vmb_squash_writer_entry(struct vmb_squash_writer *w, struct archive_entry *e);

/* The next bytes of that entry, which is a file. */
int vmb_squash_writer_data(struct vmb_squash_writer *w, const void *data, size_t n);

/* All is in: writes the tables. Without it the file is of no use. */
int vmb_squash_writer_finish(struct vmb_squash_writer *w);

#endif
