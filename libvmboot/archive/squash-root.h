/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_SQUASH_ROOT_H
#define VMB_ARCHIVE_SQUASH_ROOT_H

#include <stdint.h>

/* What the root folder of a squashfs file is; it does not come in the stream. */
struct vmb_squash_root {
	unsigned mode, uid, gid, mtime;
};

#endif
