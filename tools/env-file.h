/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_ENV_FILE_H
#define VMBOOT_TOOLS_ENV_FILE_H

#include "common.h"

/*
 * In: lines of KEY=VALUE, of which nothing is unquoted; KEY alone, for the caller's own value; empty
 * lines, and comments with "#" in front. Out: each "KEY=VALUE" to add(), which frees it. 0 or an errno.
 */
int env_file_read(const char *path, void (*add)(char *variable, void *data), void *data);

#endif
