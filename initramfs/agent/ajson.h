/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_AJSON_H
#define VMB_AGENT_AJSON_H

/* JSON as RFC 8259 has it, small and strict. The reader does no I/O and allocates nothing. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- finding messages in a stream of bytes ---- */

struct ajson_scan {
	int depth; /* of braces and brackets; 0: between messages */
	bool string, escape, junk;
};

enum ajson_step {
	AJSON_SKIP,  /* no part of a message */
	AJSON_MORE,  /* a part of one */
	AJSON_END,   /* its last byte */
	AJSON_RESET, /* 0xFF: what came before is nothing */
	AJSON_JUNK,  /* the first byte of something that is no message */
};

enum ajson_step ajson_scan(struct ajson_scan *scan, uint8_t byte);

/* ---- reading one ---- */

enum { AJSON_DEPTH_MAX = 16 };

enum ajson_type {
	AJSON_NULL,
	AJSON_BOOL,
	AJSON_INT,
	AJSON_REAL,
	AJSON_STRING,
	AJSON_ARRAY,
	AJSON_OBJECT
};

struct ajson {
	enum ajson_type type;
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
int ajson_read(char *bytes, size_t n, struct ajson *nodes, unsigned max);

/* The member of an object, or NULL. */
const struct ajson *ajson_get(const struct ajson *nodes, const struct ajson *object,
			      const char *name);

/* ---- writing ---- */

struct ajson_out {
	char *text; /* allocated; ended by 0 */
	size_t n, size, max;
	bool failed; /* no memory, or more than max */
};

/* Commas are put where they belong. name NULL: in an array. */
void ajson_open(struct ajson_out *out, const char *name, char bracket);
void ajson_close(struct ajson_out *out, char bracket);
void ajson_string(struct ajson_out *out, const char *name, const char *text);
void ajson_int(struct ajson_out *out, const char *name, int64_t v);
void ajson_uint(struct ajson_out *out, const char *name, uint64_t v);
void ajson_bool(struct ajson_out *out, const char *name, bool v);
void ajson_base64(struct ajson_out *out, const char *name, const void *bytes, size_t n);
void ajson_raw(struct ajson_out *out, const char *text, size_t n);
void ajson_done(struct ajson_out *out);

/* In place; the length, or -EBADMSG. */
long ajson_unbase64(char *text, size_t n);

#endif
