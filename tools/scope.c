/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scope.h"

#include <stdlib.h>
#include <string.h>

static bool is_wanted(const struct args *args, const struct vmboot_info *info, unsigned states,
		      const char *store)
{
	return (states & STATE_BIT(info->state)) &&
	       (args->all_stores || strcmp(info->store, store) == 0);
}

int vms_list(const struct args *args, unsigned states, struct vmboot_info ***ret)
{
	_cleanup_(text) char *store = NULL;
	struct vmboot_info **infos = NULL;
	int n, kept = 0;

	if (vmboot_store_path(args->opts, &store) < 0)
		return show_error(EXIT_FAILED);
	n = vmboot_list(args->opts, &infos);
	if (n < 0)
		return show_error(EXIT_FAILED);
	for (int i = 0; i < n; i++) {
		if (is_wanted(args, infos[i], states, store))
			infos[kept++] = infos[i];
		else
			vmboot_info_free(infos[i]);
	}
	infos[kept] = NULL;
	*ret = infos;
	return 0;
}

int vm_check_store(const struct args *args, struct vmboot_vm *vm)
{
	_cleanup_(info) struct vmboot_info *info = NULL;
	_cleanup_(text) char *store = NULL;
	char *safe;

	if (args->all_stores)
		return 0;
	if (vmboot_store_path(args->opts, &store) < 0 || vmboot_info(vm, &info) < 0)
		return -1;
	if (strcmp(info->store, store) == 0)
		return 0;
	safe = printable(info->store);
	say("%s is a VM of the store %s: give --store for that one, or --all-stores",
	    vmboot_name(vm), safe);
	free(safe);
	return EXIT_FAILED;
}
