/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_SQUASH_FILE_H
#define VMB_ARCHIVE_SQUASH_FILE_H

/*
 * What libsquashfs is given to write with: a file that keeps the errno of what failed, and
 * compressors. Only for the program vmboot-squash; see squash-write.h.
 */

#include <sqfs/compressor.h>
#include <sqfs/error.h>
#include <sqfs/io.h>

enum { VMB_SQUASH_BLOCK = 128 << 10 };

struct vmb_squash_file {
	sqfs_file_t file; /* the first member: libsquashfs has a pointer to it */
	int fd;
	uint64_t size;
	int error; /* errno of the first call that failed, or 0 */
};

/* path must be new. 0, or a negative errno with the error set. Ends with sqfs_destroy(). */
int vmb_squash_file_new(const char *path, struct vmb_squash_file **ret);

/* These return 0 or one of enum SQFS_ERROR. */
int vmb_squash_new_lz4(bool unpack, sqfs_compressor_t **ret);
int vmb_squash_new_plain(sqfs_compressor_t **ret); /* stores everything as it is */

#endif
