/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/console.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "wire/text.h"

enum { TAIL_LINES = 12 };

#define PANIC "Kernel panic - "

/* A serial console ends its lines with "\r\n"; the text only gets shorter. */
static void drop_returns(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++)
		if (*p != '\r' || p[1] != '\n')
			*to++ = *p;
	*to = '\0';
}

/* Each line by itself: a newline is the one control character that may stay. It only gets shorter. */
static void clean_lines(char *text)
{
	char *to = text;

	for (char *line = text, *end; line; line = end ? end + 1 : NULL) {
		size_t n;

		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		vmb_wire_clean_line(line);
		n = strlen(line);
		memmove(to, line, n);
		to += n;
		if (end)
			*to++ = '\n';
	}
	*to = '\0';
}

static const char *last_lines(const char *text, int lines)
{
	const char *p = text + strlen(text);

	while (p > text && lines > 0)
		if (*--p == '\n' && p[1])
			lines--;
	return *p == '\n' ? p + 1 : p;
}

/* A panic says why in its first line, and the trace behind it would push that out. */
static void keep_tail(char *buf)
{
	const char *tail = last_lines(buf, TAIL_LINES), *panic = NULL;
	size_t n = 0;

	for (const char *p = buf; (p = strstr(p, PANIC)) && p < tail; p++)
		panic = p;
	if (panic) {
		while (panic > buf && panic[-1] != '\n')
			panic--;
		n = strcspn(panic, "\n") + 1;
		memmove(buf, panic, n);
	}
	memmove(buf + n, tail, strlen(tail) + 1);
}

void vmb_console_tail(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t start = end > (off_t)size - 1 ? end - ((off_t)size - 1) : 0;
	ssize_t n = fd < 0 ? 0 : pread(fd, buf, size - 1, start);

	buf[n > 0 ? n : 0] = '\0';
	/* a 0 byte in between would hide what follows it */
	for (ssize_t i = 0; i < n; i++)
		if (!buf[i])
			buf[i] = '?';
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		buf[--n] = '\0';
	drop_returns(buf);
	clean_lines(buf);
	keep_tail(buf);
}
