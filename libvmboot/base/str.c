/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"

#include <stdarg.h>

#include "base/error.h"

bool vmb_ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

void vmb_strlcpy(char *dst, const char *src, size_t size)
{
	size_t n = strnlen(src, size - 1);

	memcpy(dst, src, n);
	dst[n] = '\0';
}

void vmb_strlcat(char *dst, const char *src, size_t size)
{
	size_t n = strnlen(dst, size - 1);

	vmb_strlcpy(dst + n, src, size - n);
}

int vmb_strdup(const char *s, char **ret)
{
	char *copy = NULL;

	if (s) {
		copy = strdup(s);
		if (!copy)
			return vmb_oom();
	}
	*ret = copy;
	return 0;
}

int vmb_asprintf(char **ret, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		return vmb_oom();
	*ret = s;
	return 0;
}

int vmb_parse_u64(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (*s == '\0')
		return -EINVAL;
	for (; *s; s++) {
		unsigned digit = (unsigned char)*s - '0';

		if (digit > 9)
			return -EINVAL;
		if (v > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		v = v * 10 + digit;
	}
	*ret = v;
	return 0;
}

size_t vmb_list_len(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

int vmb_list_dup(const char *const *list, char ***ret)
{
	_cleanup_list_ char **copy = NULL;
	size_t n = vmb_list_len(list);

	if (list) {
		copy = calloc(n + 1, sizeof(*copy));
		if (!copy)
			return vmb_oom();
		for (size_t i = 0; i < n; i++)
			if (vmb_strdup(list[i], &copy[i]) < 0)
				return -ENOMEM;
	}
	*ret = TAKE_PTR(copy);
	return 0;
}

int vmb_list_add(char ***list, const char *s)
{
	size_t n = vmb_list_len(vmb_list_const(*list));
	_cleanup_free_ char *copy = NULL;
	char **grown;

	if (s && vmb_strdup(s, &copy) < 0)
		return -ENOMEM;
	grown = reallocarray(*list, n + 2, sizeof(*grown));
	if (!grown)
		return vmb_oom();
	grown[n] = TAKE_PTR(copy);
	grown[n + 1] = NULL;
	*list = grown;
	return 0;
}

void vmb_list_free(char **list)
{
	for (char **p = list; p && *p; p++)
		free(*p);
	free(list);
}

static bool buf_reserve(struct vmb_buf *b, size_t more)
{
	size_t cap = b->cap ? b->cap : 256;
	char *grown;

	if (b->failed || more > SIZE_MAX / 4 - b->len)
		b->failed = true;
	if (b->failed)
		return false;
	if (b->len + more + 1 <= b->cap)
		return true;
	while (cap < b->len + more + 1)
		cap *= 2;
	grown = realloc(b->data, cap);
	if (!grown) {
		b->failed = true;
		return false;
	}
	b->data = grown;
	b->cap = cap;
	return true;
}

void vmb_buf_add(struct vmb_buf *b, const void *data, size_t n)
{
	if (!buf_reserve(b, n))
		return;
	if (n > 0)
		memcpy(b->data + b->len, data, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void vmb_buf_str(struct vmb_buf *b, const char *s)
{
	vmb_buf_add(b, s, strlen(s));
}

void vmb_buf_printf(struct vmb_buf *b, const char *fmt, ...)
{
	_cleanup_free_ char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		s = NULL;
		b->failed = true;
		return;
	}
	vmb_buf_add(b, s, (size_t)n);
}

int vmb_buf_take(struct vmb_buf *b, char **ret)
{
	vmb_buf_add(b, "", 0);
	if (b->failed) {
		vmb_buf_done(b);
		return vmb_oom();
	}
	*ret = TAKE_PTR(b->data);
	*b = (struct vmb_buf){0};
	return 0;
}

void vmb_buf_done(struct vmb_buf *b)
{
	free(b->data);
	*b = (struct vmb_buf){0};
}
