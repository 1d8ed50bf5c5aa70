/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FUZZ_H
#define FUZZ_H

/*
 * A target is one file, fuzz-<name>.c, that defines this function, and one row in Makemodule.am.
 * libFuzzer calls it with what it makes up; replay.c, in ordinary builds, with the files of
 * corpus/<name>. What must always hold is checked with FUZZ_CHECK.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FUZZ_CHECK(what)                                                                           \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
