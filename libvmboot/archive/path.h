/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_PATH_H
#define VMB_ARCHIVE_PATH_H

/* Paths as archives have them: hostile text in, a clean relative path out. No I/O. */

#include <limits.h>

#include "base/str.h"

/*
 * "./a//b/" becomes "a/b", "/a" becomes "a", "." and "/" become "" (the root), "a/../b" becomes "b".
 * 0, or -VMBOOT_EIMAGE for a ".." that leads out of the root, an empty path, a part over NAME_MAX or
 * a whole over PATH_MAX.
 */
int vmb_path_clean(const char *raw, char out[PATH_MAX]);

/* A name in a message: short, and on one line whatever is in it. vmb_show(path).text */
struct vmb_shown {
	char text[200];
};
struct vmb_shown vmb_show(const char *s);

#endif
