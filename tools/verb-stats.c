/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats: what VMs use; top: the processes of one. */
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verbs.h"

enum { INTERVAL_MS = 1000, PERCENT = 100 };

static int64_t number(struct json_object *o, const char *key)
{
	return json_object_get_int64(json_object_object_get(o, key));
}

static const char *word(struct json_object *o, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(o, key));

	return text ? text : "";
}

static char *size_text(int64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double v = (double)bytes;
	size_t unit = 0;

	for (; v >= 1024 && unit + 1 < ARRAY_SIZE(units); unit++)
		v /= 1024;
	return xasprintf(unit ? "%.1f %s" : "%.0f %s", v, units[unit]);
}

static bool is_named(const struct args *args, const char *name)
{
	for (int i = 0; i < args->n_operands; i++)
		if (strcmp(args->operands[i], name) == 0)
			return true;
	return args->n_operands == 0;
}

/* The VMs of the verb's store, or those that are named; NULL: an error was said. */
static struct json_object *sample(struct args *args)
{
	_cleanup_(text) char *json = NULL, *store = NULL;
	struct json_object *list = json_object_new_array();
	_cleanup_(json) struct json_object *all = NULL;

	if (vmboot_store_path(args->opts, &store) < 0 ||
	    vmboot_stats(args->opts, VMBOOT_STATS_GUEST, &json) < 0) {
		show_error(EXIT_FAILED);
		json_object_put(list);
		return NULL;
	}
	all = json_tokener_parse(json);
	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *o = json_object_array_get_idx(all, i);

		if (is_named(args, word(o, "name")) &&
		    (args->all_stores || strcmp(word(o, "store"), store) == 0))
			json_object_array_add(list, json_object_get(o));
	}
	return list;
}

static struct json_object *find(struct json_object *list, const char *name)
{
	for (size_t i = 0; i < json_object_array_length(list); i++)
		if (strcmp(word(json_object_array_get_idx(list, i), "name"), name) == 0)
			return json_object_array_get_idx(list, i);
	return NULL;
}

/* Since the look before; one CPU that is busy all the time is 100. */
static void add_cpu_percent(struct json_object *list, struct json_object *before)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		struct json_object *old = find(before, word(o, "name"));
		int64_t us = old ? number(o, "time_us") - number(old, "time_us") : 0;
		int64_t ns = old ? number(o, "cpu_ns") - number(old, "cpu_ns") : 0;
		double percent = us > 0 && ns > 0 ? (double)ns * PERCENT / 1000 / (double)us : 0;

		json_object_object_add(o, "cpu_percent", json_object_new_double(percent));
	}
}

static void add_row(struct table *table, struct json_object *o)
{
	struct json_object *guest = json_object_object_get(o, "memory_guest");
	char *used = guest ? size_text(number(guest, "total") - number(guest, "available"))
			   : size_text(number(o, "memory_host"));
	char *limit = size_text(number(o, "memory_limit"));
	char *in = size_text(number(o, "net_received")), *out = size_text(number(o, "net_sent"));
	char *read = size_text(number(o, "disk_read")),
	     *written = size_text(number(o, "disk_written"));

	table_cell(table, "%s", word(o, "name"));
	table_cell(table, "%.1f%%",
		   json_object_get_double(json_object_object_get(o, "cpu_percent")));
	table_cell(table, "%s%s / %s", used, guest ? "" : " (host)", limit);
	table_cell(table, "%s / %s", in, out);
	table_cell(table, "%s / %s", read, written);
	free(used);
	free(limit);
	free(in);
	free(out);
	free(read);
	free(written);
}

static void show(const struct args *args, struct json_object *list, bool again)
{
	static const char *const heads[] = {"NAME", "CPU %", "MEMORY USED / LIMIT", "NET IN / OUT",
					    "DISK READ / WRITTEN"};
	struct table table;

	if (args->json) {
		out_json(list);
		return;
	}
	if (again && isatty(STDOUT_FILENO))
		out("\033[H\033[J");
	table_start(&table, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; i < json_object_array_length(list); i++)
		add_row(&table, json_object_array_get_idx(list, i));
	table_print(&table);
}

int verb_stats(struct args *args)
{
	struct json_object *before, *now;
	bool again = false;
	int status = 0;

	if (args->format && strcmp(args->format, "json") != 0)
		return usage_error("stats", "--format: only \"json\" is known");
	args->json |= args->format != NULL;
	before = sample(args);
	do {
		poll(NULL, 0, INTERVAL_MS);
		now = before ? sample(args) : NULL;
		if (!now)
			break;
		add_cpu_percent(now, before);
		show(args, now, again);
		again = true;
		status = args->no_stream ? 0 : out_finish(0);
		json_object_put(before);
		before = now;
	} while (!args->no_stream && status == 0);
	json_object_put(before);
	return now ? status : EXIT_FAILED;
}

int verb_top(struct args *args)
{
	static const char *const heads[] = {"PID", "PPID",   "UID",    "STATE",
					    "CPU", "MEMORY", "COMMAND"};
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	_cleanup_(json) struct json_object *list = NULL;
	_cleanup_(text) char *json = NULL;
	struct table table;

	if (vmboot_open(args->opts, args->operands[0], &vm) < 0 || vmboot_top(vm, &json) < 0)
		return show_error(EXIT_FAILED);
	list = json_tokener_parse(json);
	if (args->json) {
		out_json(list);
		return 0;
	}
	table_start(&table, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);
		char *memory = size_text(number(o, "memory"));

		table_cell(&table, "%" PRId64, number(o, "pid"));
		table_cell(&table, "%" PRId64, number(o, "ppid"));
		table_cell(&table, "%" PRId64, number(o, "uid"));
		table_cell(&table, "%s", word(o, "state"));
		table_cell(&table, "%.2f s", (double)number(o, "cpu_ms") / 1000);
		table_cell(&table, "%s", memory);
		table_cell(&table, "%s", word(o, "command"));
		free(memory);
	}
	table_print(&table);
	return 0;
}
