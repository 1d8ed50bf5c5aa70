/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ajson.h"
#include "wire/text.h"

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Where n more bytes can be put, or NULL. */
static char *grow(struct ajson_out *out, size_t n)
{
	size_t size = out->size ? out->size : 512;
	char *text;

	if (out->failed || n > out->max || out->n + n > out->max) {
		out->failed = true;
		return NULL;
	}
	while (size <= out->n + n)
		size *= 2;
	if (size > out->size) {
		text = realloc(out->text, size);
		out->failed = !text;
		if (!text)
			return NULL;
		out->text = text;
		out->size = size;
	}
	text = out->text + out->n;
	text[n] = '\0';
	out->n += n;
	return text;
}

void ajson_raw(struct ajson_out *out, const char *text, size_t n)
{
	char *to = grow(out, n);

	if (to)
		memcpy(to, text, n);
}

static void put_char(struct ajson_out *out, char c)
{
	ajson_raw(out, &c, 1);
}

/* What is not UTF-8 cannot be told: '?'. */
static void quoted(struct ajson_out *out, const char *s)
{
	static const char hex[] = "0123456789abcdef";
	bool bad = !vmb_wire_is_utf8(s, strlen(s));

	put_char(out, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			put_char(out, '\\');
			put_char(out, *s);
		} else if (c < ' ' || c == 0x7f) {
			ajson_raw(out, "\\u00", 4);
			put_char(out, hex[c >> 4]);
			put_char(out, hex[c & 15]);
		} else {
			put_char(out, bad && c >= 0x80 ? '?' : *s);
		}
	}
	put_char(out, '"');
}

/* A comma, unless it is the first in whatever it is in. */
static void begin(struct ajson_out *out, const char *name)
{
	char last = out->n ? out->text[out->n - 1] : '{';

	if (last != '{' && last != '[' && last != ':')
		put_char(out, ',');
	if (name) {
		quoted(out, name);
		put_char(out, ':');
	}
}

void ajson_open(struct ajson_out *out, const char *name, char bracket)
{
	begin(out, name);
	put_char(out, bracket);
}

void ajson_close(struct ajson_out *out, char bracket)
{
	put_char(out, bracket);
}

void ajson_string(struct ajson_out *out, const char *name, const char *text)
{
	begin(out, name);
	quoted(out, text);
}

static void put_number(struct ajson_out *out, uint64_t v, bool minus)
{
	char digits[24], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	if (minus)
		*--p = '-';
	ajson_raw(out, p, (size_t)(digits + sizeof(digits) - p));
}

void ajson_int(struct ajson_out *out, const char *name, int64_t v)
{
	begin(out, name);
	put_number(out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);
}

void ajson_uint(struct ajson_out *out, const char *name, uint64_t v)
{
	begin(out, name);
	put_number(out, v, false);
}

void ajson_bool(struct ajson_out *out, const char *name, bool v)
{
	begin(out, name);
	ajson_raw(out, v ? "true" : "false", v ? 4 : 5);
}

void ajson_base64(struct ajson_out *out, const char *name, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	char *to;

	begin(out, name);
	to = grow(out, (n + 2) / 3 * 4 + 2);
	if (!to)
		return;
	*to++ = '"';
	for (size_t i = 0; i < n; i += 3) {
		unsigned left = n - i > 2 ? 3 : (unsigned)(n - i);
		unsigned v = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0);

		*to++ = base64[v >> 18];
		*to++ = base64[v >> 12 & 63];
		*to++ = left > 1 ? base64[v >> 6 & 63] : '=';
		*to++ = left > 2 ? base64[v & 63] : '=';
	}
	*to = '"';
}

void ajson_done(struct ajson_out *out)
{
	free(out->text);
	*out = (struct ajson_out){.max = out->max};
}

long ajson_unbase64(char *text, size_t n)
{
	size_t padding = 0, at = 0;
	uint32_t v = 0;

	if (n % 4)
		return -EBADMSG;
	while (padding < 2 && padding < n && text[n - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < n; i++) {
		const char *digit = text[i] ? strchr(base64, text[i]) : NULL;

		if (i >= n - padding)
			digit = base64; /* as 0 */
		if (!digit)
			return -EBADMSG;
		v = v << 6 | (uint32_t)(digit - base64);
		if (i % 4 == 3) {
			text[at++] = (char)(v >> 16);
			text[at++] = (char)(v >> 8);
			text[at++] = (char)v;
			v = 0;
		}
	}
	return (long)(at - padding);
}
