/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_FORMAT_H
#define VMBOOT_TOOLS_FORMAT_H

/*
 * --format, as users of container engines know it: text with {{.Key}} in it, "\t" and "\n"; one row
 * for each VM. "table TEXT": aligned, with a heading.
 */

#include "common.h"

struct format_key {
	const char *name;	       /* in {{.Name}} */
	const char *heading;	       /* of "table …" */
	char *(*get)(const void *row); /* printable; freed by free */
};

/* 0, or EXIT_USAGE: the text is not well formed or has a key that is none of keys; said. */
int format_check(const char *verb, const char *text, const struct format_key *keys, size_t n);

/* rows: n_rows of them, each so many bytes. text: checked. */
void format_print(const char *text, const struct format_key *keys, size_t n, const void *rows,
		  size_t row_size, size_t n_rows);

/* "5 minutes", "About an hour" … of a time in seconds. Freed by free. */
char *format_duration(long long seconds);

#endif
