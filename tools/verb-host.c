/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor and gc: the host's health. */
#include <stdlib.h>

#include "verbs.h"

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) || !value)
		return "";
	return json_object_get_string(value);
}

static void print_checks(struct json_object *checks)
{
	static const char *const heads[] = {"STATUS", "CHECK", "FOUND"};
	struct table table;

	table_start(&table, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; i < json_object_array_length(checks); i++) {
		struct json_object *check = json_object_array_get_idx(checks, i);

		table_cell(&table, "%s", text_of(check, "status"));
		table_cell(&table, "%s", text_of(check, "name"));
		table_cell(&table, "%s", text_of(check, "found"));
		if (!*text_of(check, "mend"))
			continue;
		table_cell(&table, "%s", "");
		table_cell(&table, "%s", "");
		table_cell(&table, "-> %s", text_of(check, "mend"));
	}
	table_print(&table);
}

int verb_doctor(struct args *args)
{
	_cleanup_(json) struct json_object *json = NULL;
	_cleanup_(text) char *text = NULL;
	struct json_object *checks;
	int errors = vmboot_doctor(args->opts, &text);

	progress_clear();
	if (errors < 0)
		return show_error(EXIT_FAILED);
	json = json_tokener_parse(text);
	if (args->json || !json_object_object_get_ex(json, "checks", &checks) ||
	    !json_object_is_type(checks, json_type_array))
		out_line(text);
	else
		print_checks(checks);
	return errors ? EXIT_FAILED : 0;
}

/* One thing removed: a text, or an object of which the texts are shown. */
static void print_removed(struct json_object *thing)
{
	const char *gap = "";

	if (json_object_is_type(thing, json_type_object)) {
		json_object_object_foreach(thing, key, value)
		{
			char *safe = printable(json_object_get_string(value));

			(void)key;
			out("%s%s", gap, safe);
			gap = " ";
			free(safe);
		}
		out("\n");
	} else {
		out_name(json_object_get_string(thing));
	}
}

int verb_gc(struct args *args)
{
	_cleanup_(json) struct json_object *json = NULL;
	_cleanup_(text) char *text = NULL;
	int n = vmboot_gc(args->opts, args->dry_run ? VMBOOT_GC_DRY_RUN : 0, &text);

	progress_clear();
	if (n < 0)
		return show_error(EXIT_FAILED);
	json = json_tokener_parse(text);
	if (args->json || !json_object_is_type(json, json_type_array))
		out_line(text);
	else
		for (size_t i = 0; i < json_object_array_length(json); i++)
			print_removed(json_object_array_get_idx(json, i));
	return 0;
}
