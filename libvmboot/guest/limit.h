/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_GUEST_LIMIT_H
#define VMB_GUEST_LIMIT_H

/*
 * The limit of a log that QEMU writes itself, as with the embedded driver. QEMU goes on at the end of
 * the file, whatever is done to it; so what is old is freed (a hole), and the file keeps its size. In:
 * a file. Out: the same with less on the disk.
 */

#include <stdint.h>

/* What a log may have beyond its limit, so that not each look frees something. */
uint64_t vmb_limit_slack_mib(uint64_t max_mib);

/*
 * Frees what is older than the newest max_mib, but nothing from unread on: UINT64_MAX, nobody reads
 * here. A file that cannot be changed is left as it is.
 */
void vmb_limit_log(const char *path, uint64_t max_mib, uint64_t unread);

/* Frees all from a position on: of a file that is read no further. */
void vmb_limit_end(const char *path, uint64_t from);

#endif
