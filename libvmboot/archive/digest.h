/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_DIGEST_H
#define VMB_ARCHIVE_DIGEST_H

/* What a source file is: opened safely, and hashed no more often than it changes. */

#include <sys/stat.h>

#include "base/hash.h"
#include "store/store.h"

/* Opens a regular file, and never waits on a pipe. 0, -VMBOOT_EIMAGE or a negative errno. */
int vmb_open_regular(const char *path, int *ret_fd, struct stat *ret_st);

/* The file's sha256; what was hashed before is found again in the store's memo. */
int vmb_file_digest(const struct vmb_store *store, const char *path, char hex[VMB_SHA256_HEX + 1],
		    struct stat *ret_st);

/* All that stat tells that changes when a file's content does. */
void vmb_hash_stat(struct vmb_hash *h, const struct stat *st);

#endif
