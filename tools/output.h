/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_OUTPUT_H
#define VMBOOT_TOOLS_OUTPUT_H

/*
 * A guest's output on its way to standard output and standard error, in a thread of its own: whoever
 * reads there may pause, while the library reads on, before the guest's log is rotated. In: bytes, in
 * order. Out: the same bytes, written; the first error. Up to 64 MiB wait; then output_put() does.
 */

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct output;

/* NULL: errno says why. */
struct output *output_start(void);

/* Takes a copy; after an error nothing is taken any more. */
void output_put(struct output *o, int fd, const char *bytes, size_t n);

/* The first errno of writing, or 0. */
int output_error(struct output *o);

/*
 * Waits until all is written, or writing failed. False: *interrupted is not 0, and nobody reads.
 */
bool output_drain(struct output *o, const volatile sig_atomic_t *interrupted);

#endif
