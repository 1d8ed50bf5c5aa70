/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TEST_SNAPSHOT_H
#define TEST_SNAPSHOT_H

/*
 * What a process is to its surroundings, as lines of text that can be compared: descriptors,
 * threads, signals, environment, locale, and so on.
 */

#include "base/str.h"

struct snapshot {
	char **lines; /* NULL-ended */
};

void snapshot_take(struct snapshot *ret);
void snapshot_done(struct snapshot *snapshot);

/* Standard output and error go to a file from here on. */
void snapshot_redirect(const char *path);

/*
 * How many lines came or went, less those that came and match (fnmatch(3)) one of a NULL-ended list
 * of patterns; they are told on standard error.
 */
int snapshot_compare(const struct snapshot *before, const struct snapshot *after,
		     const char *const *expected);

#endif
