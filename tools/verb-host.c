/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* doctor and gc: the host's health. */
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

static void print_removed(struct json_object *things)
{
	static const char *const heads[] = {"WHAT", "NAME", "WHY"};
	struct table table;

	if (json_object_array_length(things) == 0)
		return;
	table_start(&table, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; i < json_object_array_length(things); i++) {
		struct json_object *thing = json_object_array_get_idx(things, i);

		table_cell(&table, "%s", text_of(thing, "what"));
		table_cell(&table, "%s", text_of(thing, "name"));
		table_cell(&table, "%s", text_of(thing, "why"));
	}
	table_print(&table);
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
		print_removed(json);
	return 0;
}
