/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ajson.h"

#include <errno.h>
#include <string.h>

#include "wire/text.h"

/* ---- finding messages ---- */

enum ajson_step ajson_scan(struct ajson_scan *s, uint8_t byte)
{
	if (byte == 0xff) {
		*s = (struct ajson_scan){0};
		return AJSON_RESET;
	}
	if (s->depth == 0) {
		bool was = s->junk;

		if (byte == '{') {
			*s = (struct ajson_scan){.depth = 1};
			return AJSON_MORE;
		}
		if (byte == '\n')
			s->junk = false;
		if (byte == '\n' || byte == ' ' || byte == '\t' || byte == '\r')
			return AJSON_SKIP;
		s->junk = true;
		return was ? AJSON_SKIP : AJSON_JUNK;
	}
	if (s->string) {
		if (byte == '"' && !s->escape)
			s->string = false;
		s->escape = byte == '\\' && !s->escape;
		return AJSON_MORE;
	}
	s->string = byte == '"';
	if (byte == '{' || byte == '[')
		s->depth += s->depth < INT32_MAX;
	if (byte == '}' || byte == ']')
		s->depth--;
	return s->depth == 0 ? AJSON_END : AJSON_MORE;
}

/* ---- reading ---- */

struct reader {
	char *p, *end;
	struct ajson *nodes;
	unsigned n, max;
	int error;
};

static void space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

static bool eat(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool hex4(struct reader *r, unsigned *ret)
{
	unsigned v = 0;

	if (r->end - r->p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = *r->p++;

		if (c >= '0' && c <= '9')
			v = v * 16 + (unsigned)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v * 16 + (unsigned)((c | 32) - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

static char *put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*out++ = (char)(0xe0 | c >> 12);
		} else {
			*out++ = (char)(0xf0 | c >> 18);
			*out++ = (char)(0x80 | (c >> 12 & 63));
		}
		*out++ = (char)(0x80 | (c >> 6 & 63));
	}
	*out++ = (char)(0x80 | (c & 63));
	return out;
}

/* Behind "\u". Its UTF-8 is never longer than it is itself. */
static char *unicode(struct reader *r, char *out)
{
	unsigned c, low;

	if (!hex4(r, &c) || c == 0 || (c >= 0xdc00 && c < 0xe000))
		return NULL;
	if (c >= 0xd800 && c < 0xdc00) {
		if (!eat(r, '\\') || !eat(r, 'u') || !hex4(r, &low) || low < 0xdc00 ||
		    low >= 0xe000)
			return NULL;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	return put_utf8(out, c);
}

static char *escaped(struct reader *r, char *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (eat(r, 'u'))
		return unicode(r, out);
	at = r->p < r->end && *r->p ? strchr(from, *r->p) : NULL;
	if (!at)
		return NULL;
	r->p++;
	*out++ = to[at - from];
	return out;
}

/* In place; its length, or -1. */
static long string(struct reader *r, const char **ret)
{
	char *start, *out;

	if (!eat(r, '"'))
		return -1;
	start = out = r->p;
	while (r->p < r->end && *r->p != '"') {
		if ((unsigned char)*r->p < ' ')
			return -1;
		if (*r->p != '\\') {
			*out++ = *r->p++;
			continue;
		}
		r->p++;
		out = escaped(r, out);
		if (!out)
			return -1;
	}
	if (!eat(r, '"') || !vmb_wire_is_utf8(start, (size_t)(out - start)))
		return -1;
	*out = '\0'; /* the closing quote's place, or one before it */
	*ret = start;
	return out - start;
}

static bool digits(struct reader *r)
{
	char *start = r->p;

	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > start;
}

static bool to_int(const char *p, const char *end, int64_t *ret)
{
	bool minus = *p == '-';
	int64_t v = 0;

	for (p += minus; p < end; p++) {
		int digit = *p - '0';

		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, minus ? -digit : digit, &v))
			return false;
	}
	*ret = v;
	return true;
}

static bool number(struct reader *r, struct ajson *node)
{
	char *start = r->p;
	bool whole = true;

	eat(r, '-');
	if (!eat(r, '0') && !digits(r))
		return false;
	if (eat(r, '.')) {
		whole = false;
		if (!digits(r))
			return false;
	}
	if (eat(r, 'e') || eat(r, 'E')) {
		whole = false;
		if (!eat(r, '+'))
			eat(r, '-');
		if (!digits(r))
			return false;
	}
	node->type = whole && to_int(start, r->p, &node->number) ? AJSON_INT : AJSON_REAL;
	return true;
}

static bool word(struct reader *r, struct ajson *node)
{
	static const struct {
		const char *text;
		enum ajson_type type;
		int64_t number;
	} words[] = {{"true", AJSON_BOOL, 1}, {"false", AJSON_BOOL, 0}, {"null", AJSON_NULL, 0}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i].text);

		if ((size_t)(r->end - r->p) >= n && memcmp(r->p, words[i].text, n) == 0) {
			r->p += n;
			node->type = words[i].type;
			node->number = words[i].number;
			return true;
		}
	}
	return false;
}

/* Index, or 0: no room. The root, too, is 0, but nobody asks for that. */
static unsigned add_node(struct reader *r)
{
	if (r->n == r->max) {
		r->error = -E2BIG;
		return 0;
	}
	r->nodes[r->n] = (struct ajson){.type = AJSON_NULL};
	return r->n++;
}

static bool value(struct reader *r, unsigned at, int depth);

static bool name_of(struct reader *r, const struct ajson *parent, struct ajson *node)
{
	space(r);
	if (string(r, &node->name) < 0 || ajson_get(r->nodes, parent, node->name))
		return false;
	space(r);
	return eat(r, ':');
}

static bool members(struct reader *r, unsigned at, char end, int depth)
{
	unsigned last = 0, i;

	r->p++;
	space(r);
	if (eat(r, end))
		return true;
	do {
		i = add_node(r);
		if (!i || (end == '}' && !name_of(r, &r->nodes[at], &r->nodes[i])) ||
		    !value(r, i, depth + 1))
			return false;
		if (last)
			r->nodes[last].next = i;
		else
			r->nodes[at].child = i;
		last = i;
		r->nodes[at].n++;
		space(r);
	} while (eat(r, ','));
	return eat(r, end);
}

static bool value(struct reader *r, unsigned at, int depth)
{
	struct ajson *node = &r->nodes[at];
	long n;

	space(r);
	if (r->p == r->end)
		return false;
	if (depth > AJSON_DEPTH_MAX) {
		r->error = -E2BIG;
		return false;
	}
	switch (*r->p) {
	case '{':
		node->type = AJSON_OBJECT;
		return members(r, at, '}', depth);
	case '[':
		node->type = AJSON_ARRAY;
		return members(r, at, ']', depth);
	case '"':
		n = string(r, &node->text);
		node->type = AJSON_STRING;
		node->n = n < 0 ? 0 : (size_t)n;
		return n >= 0;
	default:
		return word(r, node) || number(r, node);
	}
}

int ajson_read(char *bytes, size_t n, struct ajson *nodes, unsigned max)
{
	struct reader r = {bytes, bytes + n, nodes, 0, max, -EBADMSG};

	if (memchr(bytes, 0, n))
		return -EBADMSG;
	add_node(&r);
	if (!r.n || !value(&r, 0, 1))
		return r.error;
	space(&r);
	return r.p == r.end ? (int)r.n : -EBADMSG;
}

const struct ajson *ajson_get(const struct ajson *nodes, const struct ajson *object,
			      const char *name)
{
	if (object->type != AJSON_OBJECT)
		return NULL;
	for (unsigned i = object->child; i; i = nodes[i].next)
		if (strcmp(nodes[i].name, name) == 0)
			return &nodes[i];
	return NULL;
}
