/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_TEXT_H
#define VMBOOT_TOOLS_TEXT_H

/* UTF-8 and words. In and out: memory only. */

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that s begins with, 0 if it is none; ret may be NULL. */
size_t text_utf8(const char *s, uint32_t *ret);

/* The same, and 0 also for what would steer a terminal or turn the direction of text. */
size_t text_printable(const char *s);

/* How many characters s has. */
size_t text_width(const char *s);

/* How many letters must change, come or go to make b of a; two swapped neighbours are one. */
size_t text_distance(const char *a, const char *b);

#endif
