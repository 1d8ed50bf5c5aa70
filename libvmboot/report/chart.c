/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/report.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

enum {
	NAME_COLUMNS = 16,
	TIME_COLUMNS = 12,
	COLUMNS_MIN = 48,
	COLUMNS_MAX = 1000,
};

static bool on_the_way(enum vmboot_phase phase)
{
	return phase <= VMBOOT_PHASE_READY;
}

int64_t vmb_chart_end(const struct vmboot_ledger *ledger)
{
	int64_t end = 1;

	for (size_t i = 0; i < ledger->n_events; i++) {
		const struct vmboot_event *e = ledger->events[i];

		if (on_the_way(e->phase) && e->end_us > end)
			end = e->end_us;
	}
	return end;
}

bool vmb_chart_shows(const struct vmboot_event *e, int64_t end_us)
{
	return e->start_us >= 0 && e->end_us >= e->start_us && e->end_us <= end_us;
}

int64_t vmb_chart_step(int64_t end_us)
{
	static const int steps[] = {1, 2, 5};
	int64_t unit = 1;

	for (;; unit *= 10)
		for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
			if (end_us / (unit * steps[i]) < 10)
				return unit * steps[i];
}

void vmb_chart_duration(int64_t us, char text[32])
{
	if (us < 1000)
		snprintf(text, 32, "%lld us", (long long)us);
	else if (us < 10000000)
		snprintf(text, 32, "%.1f ms", (double)us / 1e3);
	else
		snprintf(text, 32, "%.2f s", (double)us / 1e6);
}

/* ---- for a terminal ---- */

/* The columns of a moment, rounded so that bars that touch in time touch here. */
static size_t column(int64_t us, int64_t end_us, size_t width)
{
	return (size_t)((us * (int64_t)width + end_us / 2) / end_us);
}

static void put_bar(struct vmb_buf *b, const struct vmboot_event *e, int64_t end_us, size_t width)
{
	size_t from = column(e->start_us, end_us, width), to = column(e->end_us, end_us, width);
	char mark = e->error ? '!' : (e->guest ? '#' : '=');

	if (from >= width)
		from = width - 1;
	if (to <= from)
		to = from + 1;
	for (size_t i = 0; i < width; i++)
		vmb_buf_add(b, i < from || i >= to ? " " : &mark, 1);
}

static int put_later(struct vmb_buf *b, const struct vmboot_event *e)
{
	_cleanup_free_ char *words = NULL;
	char when[32];
	int r = vmb_event_words(e, &words);

	if (r < 0)
		return r;
	vmb_chart_duration(e->end_us, when);
	vmb_buf_printf(b, "%-*s %*s%s\n", NAME_COLUMNS, vmboot_phase_name(e->phase), TIME_COLUMNS,
		       when, words);
	return 0;
}

static void put_legend(struct vmb_buf *b, int64_t end_us, size_t width)
{
	char end[32], step[32];

	vmb_chart_duration(end_us, end);
	vmb_chart_duration(end_us / (int64_t)width, step);
	vmb_buf_printf(b, "\n= host   # guest   ! failed   |%s| is %s, a column %s\n", "...", end,
		       step);
}

int vmboot_ledger_chart(const struct vmboot_ledger *ledger, unsigned columns, char **ret_text)
{
	_cleanup_buf_ struct vmb_buf b = {0};
	int64_t end = vmb_chart_end(ledger);
	size_t width;
	char took[32];
	int r = 0;

	columns = columns < COLUMNS_MIN ? COLUMNS_MIN : columns;
	columns = columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
	width = columns - NAME_COLUMNS - TIME_COLUMNS - 4;
	for (size_t i = 0; i < ledger->n_events; i++) {
		const struct vmboot_event *e = ledger->events[i];

		if (!vmb_chart_shows(e, end))
			continue;
		vmb_chart_duration(e->end_us - e->start_us, took);
		vmb_buf_printf(&b, "%-*s %*s |", NAME_COLUMNS, vmboot_phase_name(e->phase),
			       TIME_COLUMNS, took);
		put_bar(&b, e, end, width);
		vmb_buf_str(&b, "|\n");
	}
	put_legend(&b, end, width);
	for (size_t i = 0; r == 0 && i < ledger->n_events; i++)
		if (!vmb_chart_shows(ledger->events[i], end))
			r = put_later(&b, ledger->events[i]);
	return r < 0 ? r : vmb_buf_take(&b, ret_text);
}
