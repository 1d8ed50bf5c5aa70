/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/sigpipe.h"
#include "guest/ledger.h"
#include "opts/opts.h"
#include "store/store.h"
#include "virt/domains.h"
#include "vm/vm.h"

void vmboot_info_free(struct vmboot_info *info)
{
	if (!info)
		return;
	free((char *)info->name);
	free((char *)info->uuid);
	free((char *)info->image);
	free((char *)info->digest);
	free((char *)info->accel);
	free((char *)info->folder);
	free((char *)info->store);
	free((char *)info->command);
	vmb_list_free((char **)info->publish);
	vmb_list_free((char **)info->labels);
	free(info);
}
VMB_DEFINE_CLEANUP(info_freep, struct vmboot_info *, vmboot_info_free)

void vmboot_list_free(struct vmboot_info **infos)
{
	for (struct vmboot_info **i = infos; i && *i; i++)
		vmboot_info_free(*i);
	free(infos);
}
VMB_DEFINE_CLEANUP(list_freep, struct vmboot_info **, vmboot_list_free)

static int copy(const char *s, const char **ret)
{
	return vmb_strdup(s, (char **)ret);
}

/* Times are for people: what cannot be read is not known. */
static void read_times(const struct vmb_plan_files *files, struct vmboot_info *info)
{
	_cleanup_free_ char *lock = NULL;
	struct vmb_host_phases phases;
	struct vmb_saved_error *saved = vmb_error_save();
	struct stat st;

	/* written once, when the folder is made */
	if (vmb_asprintf(&lock, "%s/lock", files->folder) == 0 && stat(lock, &st) == 0)
		info->created = st.st_mtim.tv_sec;
	if (vmb_host_phases_load(files->ledger, &phases) == 0)
		info->started = phases.start_real_us / 1000000;
	vmb_error_restore(saved);
}

static int fill_ports(struct vmboot_info *info, const struct vmb_metadata *m)
{
	_cleanup_ports_ struct vmb_ports ports = {0};
	_cleanup_list_ char **list = NULL;
	char text[VMB_PORT_TEXT_MAX];
	int r = vmb_ports_from_text(m->publish, &ports);

	if (r == 0)
		r = vmb_list_add(&list, NULL);
	for (size_t i = 0; i < ports.n && r == 0; i++) {
		vmb_port_text(&ports.list[i], text);
		r = vmb_list_add(&list, text);
	}
	if (r < 0)
		return r;
	info->publish = vmb_list_const(TAKE_PTR(list));
	return 0;
}

static int fill_names(struct vmboot_info *info, virDomainPtr d, const struct vmb_metadata *m)
{
	_cleanup_plan_files_ struct vmb_plan_files files = {0};
	char uuid[VIR_UUID_STRING_BUFLEN];
	int r;

	if (virDomainGetUUIDString(d, uuid) < 0)
		return vmb_libvirt_error("cannot read the UUID of a domain");
	r = copy(virDomainGetName(d), &info->name);
	if (r == 0)
		r = copy(uuid, &info->uuid);
	if (r == 0)
		r = vmb_metadata_fill_info(m, info);
	if (r == 0)
		r = fill_ports(info, m);
	if (r == 0)
		r = vmb_plan_files(m->store, info->name, &files);
	if (r == 0)
		r = copy(files.folder, &info->folder);
	if (r == 0)
		r = copy(m->store, &info->store);
	if (r == 0)
		read_times(&files, info);
	return r;
}

static int make_info(virDomainPtr d, const struct vmb_metadata *m, struct vmboot_info **ret)
{
	vmb_cleanup(info_freep) struct vmboot_info *info = calloc(1, sizeof(*info));
	virDomainInfo theirs;
	int r;

	if (!info)
		return vmb_oom();
	info->size = sizeof(*info);
	r = fill_names(info, d, m);
	if (r == 0)
		r = vmb_vm_state(d, &info->state, NULL);
	if (r < 0)
		return r;
	if (virDomainGetInfo(d, &theirs) < 0)
		return vmb_libvirt_error("cannot ask about \"%s\"", info->name);
	info->vcpus = theirs.nrVirtCpu;
	info->memory_mib = theirs.maxMem / 1024;
	*ret = TAKE_PTR(info);
	return 0;
}

int vmboot_info(struct vmboot_vm *vm, struct vmboot_info **ret_info)
{
	VMB_NO_SIGPIPE;
	_cleanup_domain_ virDomainPtr d = NULL;
	int r;

	r = vmb_vm_check_process(vm);
	if (r == 0)
		r = vmb_vm_domain(vm, &d);
	return r < 0 ? r : make_info(d, &vm->metadata, ret_info);
}

int vmboot_store_path(const struct vmboot_opts *where, char **ret_path)
{
	_cleanup_store_ struct vmb_store store = {0};
	struct vmboot_opts own;
	int r;

	r = vmb_opts_read(where, false, &own);
	if (r < 0)
		return r;
	r = vmb_store_find(own.store, &store);
	if (r < 0)
		return r;
	*ret_path = TAKE_PTR(store.path);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct vmboot_info *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

int vmboot_list(const struct vmboot_opts *where, struct vmboot_info ***ret_infos)
{
	VMB_NO_SIGPIPE;
	vmb_cleanup(list_freep) struct vmboot_info **infos = NULL;
	_cleanup_domains_ struct vmb_domains domains = {0};
	_cleanup_vm_ struct vmboot_vm *vm = NULL;
	size_t n = 0;
	int r;

	r = vmb_vm_find(where, "", &vm);
	if (r == 0)
		r = vmb_domains_list(vm->conn, &domains);
	if (r < 0 && r != -VMBOOT_ENOVM) /* no store yet, no VM */
		return r;
	infos = calloc(domains.n + 1, sizeof(struct vmboot_info *));
	if (!infos)
		return vmb_oom();
	for (size_t i = 0; i < domains.n; i++) {
		if (domains.list[i].metadata.probe)
			continue;
		r = make_info(domains.list[i].domain, &domains.list[i].metadata, &infos[n]);
		if (r < 0 && r != -VMBOOT_ENOVM && vmb_libvirt_code() != VIR_ERR_NO_DOMAIN)
			return r;
		n += r == 0; /* one that went meanwhile is not in the list */
	}
	qsort(infos, n, sizeof(struct vmboot_info *), by_name);
	*ret_infos = TAKE_PTR(infos);
	return (int)n;
}
