/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_STR_H
#define VMB_BASE_STR_H

/* Strings, string lists and a growing buffer. In and out: memory only. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

static inline bool vmb_streq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* The rest of s after prefix, or NULL if it does not start with it. */
static inline const char *vmb_skip_prefix(const char *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool vmb_ends_with(const char *s, const char *suffix);

/* Copy or append what fits; the result is always ended by 0. */
void vmb_strlcpy(char *dst, const char *src, size_t size);
void vmb_strlcat(char *dst, const char *src, size_t size);

/* 0, or -ENOMEM with the error set. */
int vmb_strdup(const char *s, char **ret); /* NULL gives NULL */
int vmb_asprintf(char **ret, const char *fmt, ...) VMB_PRINTF(2, 3);

/* A whole string as a decimal number; 0, -EINVAL or -ERANGE; sets no error. */
int vmb_parse_u64(const char *s, uint64_t *ret);

/*
 * NULL-ended lists of strings. NULL is a list that is not there, which differs from an empty one.
 */
size_t vmb_list_len(const char *const *list);
int vmb_list_dup(const char *const *list, char ***ret); /* NULL gives NULL */
int vmb_list_add(char ***list, const char *s);		/* makes the list if it is NULL */
void vmb_list_free(char **list);
VMB_DEFINE_CLEANUP(vmb_list_freep, char **, vmb_list_free)
#define _cleanup_list_ vmb_cleanup(vmb_list_freep)

/* A list of our own where one of const strings is wanted. */
static inline const char *const *vmb_list_const(char **list)
{
	return (const char *const *)list;
}

/*
 * A buffer that grows, always ended by a 0 that len does not count. After one failed allocation it
 * stays failed, so that only vmb_buf_take() need be checked.
 */
struct vmb_buf {
	char *data;
	size_t len, cap;
	bool failed;
};

void vmb_buf_add(struct vmb_buf *b, const void *data, size_t n);
void vmb_buf_str(struct vmb_buf *b, const char *s);
void vmb_buf_printf(struct vmb_buf *b, const char *fmt, ...) VMB_PRINTF(2, 3);
int vmb_buf_take(struct vmb_buf *b, char **ret); /* 0 or -ENOMEM, with the error set */
void vmb_buf_done(struct vmb_buf *b);
#define _cleanup_buf_ vmb_cleanup(vmb_buf_done)

#endif
