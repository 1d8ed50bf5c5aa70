/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common.h"
#include "text.h"

static void add(struct table *t, char *cell)
{
	t->cells = xrealloc(t->cells, t->n + 1, sizeof(*t->cells));
	t->cells[t->n++] = cell;
}

void table_start(struct table *t, const char *const *heads, size_t columns)
{
	*t = (struct table){.columns = columns};
	for (size_t i = 0; i < columns; i++)
		add(t, printable(heads[i]));
}

void table_cell(struct table *t, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add(t, printable(text ? text : "?"));
	free(text);
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = 0;

	for (size_t i = column; i < t->n; i += t->columns)
		if (text_width(t->cells[i]) > width)
			width = text_width(t->cells[i]);
	return width;
}

void table_print(struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		size_t column = i % t->columns;
		size_t pad = column_width(t, column) - text_width(t->cells[i]);

		if (column + 1 == t->columns)
			out("%s\n", t->cells[i]);
		else
			out("%s%*s  ", t->cells[i], (int)pad, "");
	}
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){0};
}
