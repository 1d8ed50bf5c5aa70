/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/text.h"

#include <string.h>

/* The length of the UTF-8 character at s (n bytes left), or 0 if there is none. */
static size_t char_len(const unsigned char *s, size_t n)
{
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (len == 0 || len > n || s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, and what is above U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* The same, but 0 for control characters: C0, DEL, and C1 (U+0080 to U+009F). */
static size_t printable_len(const unsigned char *s, size_t n)
{
	if (s[0] < 0x20 || s[0] == 0x7f || (n > 1 && s[0] == 0xc2 && s[1] < 0xa0))
		return 0;
	return char_len(s, n);
}

bool vmb_wire_is_utf8(const char *s, size_t n)
{
	size_t len;

	for (; n > 0; s += len, n -= len) {
		len = char_len((const unsigned char *)s, n);
		if (len == 0)
			return false;
	}
	return true;
}

bool vmb_wire_is_line(const char *s, size_t n)
{
	size_t len;

	for (; n > 0; s += len, n -= len) {
		len = printable_len((const unsigned char *)s, n);
		if (len == 0)
			return false;
	}
	return true;
}

void vmb_wire_clean_line(char *s)
{
	size_t n = strlen(s), len;

	for (; n > 0; s += len, n -= len) {
		len = printable_len((const unsigned char *)s, n);
		if (len == 0) {
			*s = '?';
			len = 1;
		}
	}
}
