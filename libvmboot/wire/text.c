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

/*
 * Characters of two and three bytes that a terminal obeys instead of showing them, or that change how
 * the text around them is shown.
 */
static const struct {
	unsigned first, last;
} controls[] = {
	{0x0080, 0x009f}, /* C1 */
	{0x061c, 0x061c}, /* Arabic letter mark */
	{0x200e, 0x200f}, /* left-to-right and right-to-left marks */
	{0x2028, 0x202e}, /* line and paragraph separators; embeddings and overrides of direction */
	{0x2066, 0x2069}, /* isolates of direction */
};

static bool is_control(const unsigned char *s, size_t len)
{
	unsigned c = s[0];

	if (len == 1)
		return c < 0x20 || c == 0x7f;
	if (len > 3)
		return false;
	c = len == 2 ? (c & 0x1fU) << 6 | (s[1] & 0x3fU)
		     : (c & 0x0fU) << 12 | (s[1] & 0x3fU) << 6 | (s[2] & 0x3fU);
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		if (c >= controls[i].first && c <= controls[i].last)
			return true;
	return false;
}

/* As char_len(), but 0 for control characters. */
static size_t printable_len(const unsigned char *s, size_t n)
{
	size_t len = char_len(s, n);

	return len && is_control(s, len) ? 0 : len;
}

static bool is_in(char c, char first, char last)
{
	return c >= first && c <= last;
}

/* The length of a string that ends with BEL or ESC \, as a title of a window; 0: it does not end. */
static size_t control_string_len(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (*p == '\a')
			return (size_t)(p - s) + 1;
		if (*p == '\033')
			return p[1] == '\\' ? (size_t)(p - s) + 2 : 0;
	}
	return 0;
}

/* The length of the whole escape sequence (ECMA-48) at s, which is ESC, or 0 if it is none. */
static size_t escape_len(const char *s)
{
	const char *p = s + 1;
	size_t n;

	if (*p == ']' || *p == 'P' || *p == 'X' || *p == '^' || *p == '_') {
		n = control_string_len(p + 1);
		return n ? n + 2 : 0;
	}
	if (*p == '[') {
		for (p++; is_in(*p, '0', '?'); p++)
			;
		for (; is_in(*p, ' ', '/'); p++)
			;
		return is_in(*p, '@', '~') ? (size_t)(p - s) + 1 : 0;
	}
	for (; is_in(*p, ' ', '/'); p++)
		;
	return is_in(*p, '0', '~') ? (size_t)(p - s) + 1 : 0;
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
	char *to = s, *end = s + strlen(s);
	size_t len;

	for (const char *p = s; p < end; p += len) {
		len = *p == '\033' ? escape_len(p) : 0;
		if (len)
			continue;
		len = printable_len((const unsigned char *)p, (size_t)(end - p));
		if (len)
			memmove(to, p, len);
		else
			*to = '?';
		len = len ? len : 1;
		to += len;
	}
	memset(to, 0, (size_t)(end - to));
}
