/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_JSON_H
#define VMB_AGENT_JSON_H

/* JSON as RFC 8259 has it, small and strict. The reader does no I/O and allocates nothing. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- finding messages in a stream of bytes ---- */

struct json_scan {
	int depth; /* of braces and brackets; 0: between messages */
	bool string, escape, junk;
};

enum json_step {
	JSON_SKIP,  /* no part of a message */
	JSON_MORE,  /* a part of one */
	JSON_END,   /* its last byte */
	JSON_RESET, /* 0xFF: what came before is nothing */
	JSON_JUNK,  /* the first byte of something that is no message */
};

enum json_step json_scan(struct json_scan *scan, uint8_t byte);

/* ---- reading one ---- */

enum { JSON_DEPTH_MAX = 16 };

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	unsigned next;	  /* index of the next in the same array or object, or 0 */
	unsigned child;	  /* index of the first in it, or 0 */
	const char *name; /* in an object */
	const char *text; /* of a string, ended by 0 */
	size_t n;	  /* its length; or how many are in it */
	int64_t number;	  /* also of a bool */
};

/*
 * Reads the one value that n bytes hold, which it changes: strings lie in them, unescaped. How
 * many nodes it has, the first being the value itself; -EBADMSG: not JSON, a name twice in an
 * object, text that is not UTF-8 or holds a 0; -E2BIG: too deep, or more than max nodes.
 */
int json_read(char *bytes, size_t n, struct json *nodes, unsigned max);

/* The member of an object, or NULL. */
const struct json *json_get(const struct json *nodes, const struct json *object, const char *name);

/* ---- writing ---- */

struct json_out {
	char *text; /* allocated; ended by 0 */
	size_t n, size, max;
	bool failed; /* no memory, or more than max */
};

/* Commas are put where they belong. name NULL: in an array. */
void json_open(struct json_out *out, const char *name, char bracket);
void json_close(struct json_out *out, char bracket);
void json_string(struct json_out *out, const char *name, const char *text);
void json_int(struct json_out *out, const char *name, int64_t v);
void json_uint(struct json_out *out, const char *name, uint64_t v);
void json_bool(struct json_out *out, const char *name, bool v);
void json_base64(struct json_out *out, const char *name, const void *bytes, size_t n);
void json_raw(struct json_out *out, const char *text, size_t n);
void json_done(struct json_out *out);

/* In place; the length, or -EBADMSG. */
long json_unbase64(char *text, size_t n);

#endif
