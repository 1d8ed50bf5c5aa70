/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "init.h"

/*
 * The part of printf that init uses: %s %.*s %d %ld %llu %zu %%. libc's own brings floating point
 * along, which would be a sixth of the whole program.
 */

struct out {
	char *text;
	size_t size, n; /* n may be beyond size: what there would be */
};

static void put(struct out *o, const char *s, size_t n)
{
	size_t room = o->n + 1 < o->size ? o->size - o->n - 1 : 0;

	memcpy(o->text + (room ? o->n : 0), s, n < room ? n : room);
	o->n += n;
}

static void put_number(struct out *o, unsigned long long v, bool negative)
{
	char digits[24], *p = digits + sizeof(digits);

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	if (negative)
		*--p = '-';
	put(o, p, (size_t)(digits + sizeof(digits) - p));
}

static void put_signed(struct out *o, long v)
{
	put_number(o, v < 0 ? 0 - (unsigned long long)v : (unsigned long long)v, v < 0);
}

/* Length of the conversion behind '%'. */
static size_t convert(struct out *o, const char *spec, va_list *ap)
{
	const char *s;
	int n;

	if (spec[0] == 's') {
		s = va_arg(*ap, const char *);
		put(o, s, strlen(s));
		return 1;
	}
	if (strncmp(spec, ".*s", 3) == 0) {
		n = va_arg(*ap, int);
		s = va_arg(*ap, const char *);
		put(o, s, strnlen(s, (size_t)n));
		return 3;
	}
	if (spec[0] == 'd') {
		put_signed(o, va_arg(*ap, int));
		return 1;
	}
	if (strncmp(spec, "ld", 2) == 0) {
		put_signed(o, va_arg(*ap, long));
		return 2;
	}
	if (strncmp(spec, "zu", 2) == 0) {
		put_number(o, va_arg(*ap, size_t), false);
		return 2;
	}
	if (strncmp(spec, "llu", 3) == 0) {
		put_number(o, va_arg(*ap, unsigned long long), false);
		return 3;
	}
	put(o, spec, spec[0] != '\0');
	return spec[0] != '\0';
}

size_t init_vformat(char *text, size_t size, const char *fmt, va_list ap)
{
	struct out o = {text, size, 0};
	va_list args;

	va_copy(args, ap);
	while (*fmt) {
		size_t n = strcspn(fmt, "%");

		put(&o, fmt, n);
		fmt += n;
		if (*fmt)
			fmt += 1 + convert(&o, fmt + 1, &args);
	}
	va_end(args);
	if (size > 0)
		text[o.n < size ? o.n : size - 1] = '\0';
	return o.n;
}

size_t init_format(char *text, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = init_vformat(text, size, fmt, ap);
	va_end(ap);
	return n;
}
