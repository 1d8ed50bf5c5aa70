/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ps: the VMs. */
#include <inttypes.h>
#include <stdlib.h>

#include "verbs.h"

static const char *state_name(enum vmboot_state state)
{
	static const char *const names[] = {
		[VMBOOT_STATE_STOPPED] = "stopped",
		[VMBOOT_STATE_RUNNING] = "running",
		[VMBOOT_STATE_PAUSED] = "paused",
	};

	return (size_t)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

static struct json_object *vm_json(const struct vmboot_info *info)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_text(info->name));
	json_object_object_add(o, "uuid", json_text(info->uuid));
	json_object_object_add(o, "image", json_text(info->image));
	json_object_object_add(o, "digest", json_text(info->digest));
	json_object_object_add(o, "state", json_text(state_name(info->state)));
	json_object_object_add(o, "ephemeral", json_object_new_boolean(info->ephemeral));
	json_object_object_add(o, "skip_kernel_headers",
			       json_object_new_boolean(info->skip_kernel_headers));
	json_object_object_add(o, "skip_guest_agent",
			       json_object_new_boolean(info->skip_guest_agent));
	json_object_object_add(o, "skip_module_signatures",
			       json_object_new_boolean(info->skip_module_signatures));
	json_object_object_add(o, "vcpus", json_object_new_uint64(info->vcpus));
	json_object_object_add(o, "memory_mib", json_object_new_uint64(info->memory_mib));
	json_object_object_add(o, "accel", json_text(info->accel));
	json_object_object_add(o, "folder", json_text(info->folder));
	return o;
}

static void print_names(struct vmboot_info *const *infos)
{
	for (; *infos; infos++)
		out_name((*infos)->name);
}

static void print_json(struct vmboot_info *const *infos)
{
	_cleanup_(json) struct json_object *list = json_object_new_array();

	for (; *infos; infos++)
		json_object_array_add(list, vm_json(*infos));
	out_json(list);
}

static void print_table(struct vmboot_info *const *infos)
{
	static const char *const heads[] = {"NAME", "IMAGE", "STATE", "ACCEL", "VCPUS", "MEMORY"};
	struct table table;

	table_start(&table, heads, ARRAY_SIZE(heads));
	for (; *infos; infos++) {
		table_cell(&table, "%s", (*infos)->name);
		table_cell(&table, "%s", (*infos)->image);
		table_cell(&table, "%s", state_name((*infos)->state));
		table_cell(&table, "%s", (*infos)->accel);
		table_cell(&table, "%" PRIu64, (*infos)->vcpus);
		table_cell(&table, "%" PRIu64 " MiB", (*infos)->memory_mib);
	}
	table_print(&table);
}

int verb_ps(struct args *args)
{
	_cleanup_(infos) struct vmboot_info **infos = NULL;
	struct vmboot_info **shown;
	int n = vmboot_list(args->opts, &infos);
	size_t k = 0;

	if (n < 0)
		return show_error(EXIT_FAILED);
	shown = xrealloc(NULL, (size_t)n + 1, sizeof(struct vmboot_info *));
	for (int i = 0; i < n; i++)
		if (args->all || infos[i]->state != VMBOOT_STATE_STOPPED)
			shown[k++] = infos[i];
	shown[k] = NULL;
	if (args->json)
		print_json(shown);
	else if (args->quiet)
		print_names(shown);
	else
		print_table(shown);
	free(shown);
	return 0;
}
