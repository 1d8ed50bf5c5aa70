/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/text.h"

#include <string.h>

/* The length of the printable character at s (n bytes left), or 0 if there is none. */
static size_t char_len(const unsigned char *s, size_t n)
{
	size_t len;

	if (s[0] < 0x80)
		return s[0] < 0x20 || s[0] == 0x7f ? 0 : 1;
	len = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ||
	    (s[0] == 0xc2 && s[1] < 0xa0))
		return 0;
	return len;
}

bool vmb_wire_is_line(const char *s, size_t n)
{
	size_t len;

	for (; n > 0; s += len, n -= len) {
		len = char_len((const unsigned char *)s, n);
		if (len == 0)
			return false;
	}
	return true;
}

void vmb_wire_clean_line(char *s)
{
	size_t n = strlen(s), len;

	for (; n > 0; s += len, n -= len) {
		len = char_len((const unsigned char *)s, n);
		if (len == 0) {
			*s = '?';
			len = 1;
		}
	}
}
