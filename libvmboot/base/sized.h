/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_SIZED_H
#define VMB_SIZED_H

#include <stddef.h>

/*
 * In: a struct that a caller fills and that begins with its size, as the caller's version of the
 * header has it. Out: the same as this library's struct.
 *
 * from: the caller's struct, not NULL; name: of its type, for errors, without "vmboot_"; first: its
 * size in the first version that had it, a number and not an offsetof(), which new members could
 * move; ret, size: our struct. What the caller does not know is 0 in it. What we do not know must be
 * 0. Returns 0; -EINVAL, no version of the struct has that size; or -VMBOOT_EOPTS.
 */
int vmb_read_sized(const void *from, const char *name, size_t first, void *ret, size_t size);

#endif
