/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* inspect: all of VMs as JSON. */
#include "verbs.h"

static struct json_object *inspect(struct args *args, const char *name)
{
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	_cleanup_(text) char *json = NULL;

	if (vmboot_open(args->opts, name, &vm) < 0 || vmboot_inspect(vm, &json) < 0) {
		show_error(EXIT_FAILED);
		return NULL;
	}
	return json_tokener_parse(json);
}

/* As podman has it: one array, of those that were found. */
int verb_inspect(struct args *args)
{
	_cleanup_(json) struct json_object *list = json_object_new_array();
	int status = 0;

	for (int i = 0; i < args->n_operands; i++) {
		struct json_object *vm = inspect(args, args->operands[i]);

		if (vm)
			json_object_array_add(list, vm);
		else
			status = EXIT_FAILED;
	}
	out_json(list);
	return status;
}
