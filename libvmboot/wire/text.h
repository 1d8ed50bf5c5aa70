/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_TEXT_H
#define VMB_WIRE_TEXT_H

/* What may stand in text that crosses from guest to host and may reach a terminal. */

#include <stdbool.h>
#include <stddef.h>

/*
 * True for valid UTF-8 (RFC 3629) without control characters: C0, DEL, C1, line and paragraph
 * separators, and marks and overrides of writing direction (U+202E and others).
 */
bool vmb_wire_is_line(const char *s, size_t n);

/* True for valid UTF-8, control characters and all. */
bool vmb_wire_is_utf8(const char *s, size_t n);

/*
 * Make it a line: escape sequences, such as those for colours, are dropped, and each other offending
 * byte becomes '?'. In place, ended by 0; what it gets shorter by is filled with 0.
 */
void vmb_wire_clean_line(char *s);

#endif
