/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What goes on while a verb works: one line on a terminal that is rewritten, and the log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "common.h"

enum { QUIET_MS = 1000, REDRAW_MS = 100, WIDTH_MAX = 200 };

/* The terminal is one for the whole process, so is its line. */
static struct {
	int64_t since_ms, drawn_ms;
	bool shown;
} line;

static int64_t now_ms(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 20)
		return 79;
	return size.ws_col - 1 < WIDTH_MAX ? size.ws_col - 1 : WIDTH_MAX;
}

static void draw(const char *what, uint64_t done, uint64_t total)
{
	char *safe = printable(what), *text;

	if (total)
		text = xasprintf("%s: %d %%", safe,
				 (int)(100.0 * (double)(done < total ? done : total) /
				       (double)total));
	else if (done)
		text = xasprintf("%s: %" PRIu64, safe, done);
	else
		text = xasprintf("%s ...", safe);
	fprintf(stderr, "\r\033[K%.*s", terminal_width(), text);
	fflush(stderr);
	line.shown = true;
	free(text);
	free(safe);
}

void progress_show(const char *what, uint64_t done, uint64_t total, void *data)
{
	int64_t now = now_ms();

	(void)data;
	if (!line.since_ms)
		line.since_ms = now;
	if (now - line.since_ms < QUIET_MS || now - line.drawn_ms < REDRAW_MS)
		return;
	line.drawn_ms = now;
	draw(what, done, total);
}

void progress_clear(void)
{
	if (!line.shown)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	line.shown = false;
}

void log_show(enum vmboot_log_level level, const char *message, void *data)
{
	const enum vmboot_log_level *most = data;
	char *safe;

	if (level > *most)
		return;
	safe = printable(message);
	progress_clear();
	fprintf(stderr, "vmboot: %s\n", safe);
	free(safe);
}
