/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format.h"

#include <stdlib.h>
#include <string.h>

#define TABLE "table "

static const struct format_key *find_key(const struct format_key *keys, size_t n, const char *name,
					 size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(keys[i].name) == len && memcmp(keys[i].name, name, len) == 0)
			return &keys[i];
	return NULL;
}

/* At "{{": the key's name, and where the text goes on behind "}}"; NULL: it does not end. */
static const char *parse_key(const char *at, const char **ret_name, size_t *ret_len)
{
	const char *end = strstr(at, "}}");

	if (!end)
		return NULL;
	at += 2;
	at += strspn(at, " ");
	*ret_name = at;
	*ret_len = (size_t)(end - at);
	while (*ret_len && at[*ret_len - 1] == ' ')
		(*ret_len)--;
	return end + 2;
}

static int unknown_key(const char *verb, const struct format_key *keys, size_t n, const char *name,
		       size_t len)
{
	char *list = xasprintf("%s", ""), *own = xasprintf("%.*s", (int)len, name);
	char *safe = printable(own);

	for (size_t i = 0; i < n; i++) {
		char *longer = xasprintf("%s%s.%s", list, i ? ", " : "", keys[i].name);

		free(list);
		list = longer;
	}
	usage_error(verb, "--format: there is no {{%s}}; there are %s", safe, list);
	free(safe);
	free(own);
	free(list);
	return EXIT_USAGE;
}

int format_check(const char *verb, const char *text, const struct format_key *keys, size_t n)
{
	const char *name;
	size_t len;

	while ((text = strstr(text, "{{"))) {
		text = parse_key(text, &name, &len);
		if (!text)
			return usage_error(verb, "--format: a \"{{\" without its \"}}\"");
		if (len < 2 || *name != '.' || !find_key(keys, n, name + 1, len - 1))
			return unknown_key(verb, keys, n, name, len);
	}
	return 0;
}

static char *append(char *text, const char *more, size_t len)
{
	char *longer = xasprintf("%s%.*s", text, (int)len, more);

	free(text);
	return longer;
}

/* The text of one cell, up to the next tab or the end; row NULL: of the heading. *text moves on. */
static char *format_cell(const char **text, const struct format_key *keys, size_t n,
			 const void *row)
{
	char *cell = xasprintf("%s", "");
	const char *p = *text, *name;
	size_t len;

	while (*p && *p != '\t' && strncmp(p, "\\t", 2) != 0) {
		const struct format_key *key;
		char *value;

		if (strncmp(p, "{{", 2) == 0) {
			p = parse_key(p, &name, &len);
			key = find_key(keys, n, name + 1, len - 1);
			value = row ? key->get(row) : xasprintf("%s", key->heading);
			cell = append(cell, value, strlen(value));
			free(value);
		} else if (strncmp(p, "\\n", 2) == 0) {
			cell = append(cell, "\n", 1);
			p += 2;
		} else {
			cell = append(cell, p++, 1);
		}
	}
	*text = p;
	return cell;
}

/* Behind the tab, as such or as "\t"; NULL at the end. */
static const char *next_cell(const char *text)
{
	if (!*text)
		return NULL;
	return text + (*text == '\\' ? 2 : 1);
}

static void print_plain(const char *text, const struct format_key *keys, size_t n, const void *row)
{
	while (text) {
		char *cell = format_cell(&text, keys, n, row);

		text = next_cell(text);
		/* not printable(): the text is the user's own, and the values are printable */
		out("%s%s", cell, text ? "\t" : "\n");
		free(cell);
	}
}

static size_t count_columns(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == '\t' || strncmp(text, "\\t", 2) == 0;
	return n;
}

static void start_table(struct table *table, const char *text, const struct format_key *keys,
			size_t n)
{
	size_t columns = count_columns(text);
	char **heads = xrealloc(NULL, columns, sizeof(*heads));

	for (size_t i = 0; i < columns; i++) {
		heads[i] = format_cell(&text, keys, n, NULL);
		text = next_cell(text);
	}
	table_start(table, (const char *const *)heads, columns);
	for (size_t i = 0; i < columns; i++)
		free(heads[i]);
	free(heads);
}

static void add_row(struct table *table, const char *text, const struct format_key *keys, size_t n,
		    const void *row)
{
	while (text) {
		char *cell = format_cell(&text, keys, n, row);

		table_cell(table, "%s", cell);
		text = next_cell(text);
		free(cell);
	}
}

void format_print(const char *text, const struct format_key *keys, size_t n, const void *rows,
		  size_t row_size, size_t n_rows)
{
	bool is_table = strncmp(text, TABLE, strlen(TABLE)) == 0;
	struct table table;

	if (is_table)
		start_table(&table, text += strlen(TABLE), keys, n);
	for (size_t i = 0; i < n_rows; i++) {
		const void *row = (const char *)rows + i * row_size;

		if (is_table)
			add_row(&table, text, keys, n, row);
		else
			print_plain(text, keys, n, row);
	}
	if (is_table)
		table_print(&table);
}

char *format_duration(long long seconds)
{
	static const struct {
		long long seconds;
		const char *name;
	} units[] = {{365 * 86400LL, "year"}, {30 * 86400LL, "month"}, {7 * 86400LL, "week"},
		     {86400, "day"},	      {3600, "hour"},	       {60, "minute"}};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		long long n = seconds / units[i].seconds;

		if (n > 0)
			return xasprintf("%lld %s%s", n, units[i].name, n == 1 ? "" : "s");
	}
	return xasprintf("%lld second%s", seconds < 0 ? 0 : seconds, seconds == 1 ? "" : "s");
}
