/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/console.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "wire/text.h"

enum { TAIL_LINES = 12 };

/* A serial console ends its lines with "\r\n"; the text only gets shorter. */
static void drop_returns(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++)
		if (*p != '\r' || p[1] != '\n')
			*to++ = *p;
	*to = '\0';
}

/* Each line by itself: a newline is the one control character that may stay. */
static void clean(char *text)
{
	for (char *line = text, *end; line; line = end ? end + 1 : NULL) {
		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		vmb_wire_clean_line(line);
		if (end)
			*end = '\n';
	}
}

static const char *last_lines(const char *text, int lines)
{
	const char *p = text + strlen(text);

	while (p > text && lines > 0)
		if (*--p == '\n' && p[1])
			lines--;
	return *p == '\n' ? p + 1 : p;
}

void vmb_console_tail(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t start = end > (off_t)size - 1 ? end - ((off_t)size - 1) : 0;
	ssize_t n = fd < 0 ? 0 : pread(fd, buf, size - 1, start);
	const char *tail;

	buf[n > 0 ? n : 0] = '\0';
	/* a 0 byte in between would hide what follows it */
	for (ssize_t i = 0; i < n; i++)
		if (!buf[i])
			buf[i] = '?';
	while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		buf[--n] = '\0';
	drop_returns(buf);
	clean(buf);
	tail = last_lines(buf, TAIL_LINES);
	memmove(buf, tail, strlen(tail) + 1);
}
