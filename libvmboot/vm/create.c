/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/file.h>
#include <vmboot/vm.h>

#include "base/error.h"
#include "base/file.h"
#include "base/limit.h"
#include "base/sigpipe.h"
#include "disk/kernel.h"
#include "image/platform.h"
#include "image/source.h"
#include "opts/opts.h"
#include "probe/accel.h"
#include "probe/facts.h"
#include "virt/forward.h"
#include "virt/undefine.h"
#include "vm/files.h"
#include "vm/inspect.h"
#include "vm/vm.h"

#define CONNECTING "connecting to libvirt"

/* What has been made so far, so that a failure can take it back. */
struct creation {
	struct vmboot_vm *vm;
	struct vmb_plan plan;
	virDomainPtr domain;
	int lock;   /* the folder is ours while this is open */
	int shared; /* what VMs share stays, as long as this is */
	bool claimed, done;
};

static void undo(struct creation *c)
{
	struct vmb_saved_error *saved = c->done ? NULL : vmb_error_save();

	if (!c->done && c->domain) {
		virDomainDestroy(c->domain);
		if (!c->plan.ephemeral)
			(void)vmb_domain_undefine(c->domain, &c->vm->log);
	}
	/* before the files are removed, which takes descriptors: they may have run out */
	if (c->domain)
		virDomainFree(c->domain);
	vmb_closep(&c->shared);
	vmboot_close(c->vm);
	if (!c->done && c->claimed)
		(void)vmb_store_remove_folder(c->plan.files.folder);
	if (!c->done)
		vmb_error_restore(saved);
	vmb_closep(&c->lock);
	vmb_plan_done(&c->plan);
}

static int make_plan(const struct vmboot_opts *opts, struct vmboot_vm *vm, struct vmb_plan *ret)
{
	struct vmb_host_phases *phases = &vm->phases;
	const struct vmb_store *store = &vm->store;
	struct vmb_conn *conn = vm->conn;
	const struct vmb_log *log = &vm->log;
	_cleanup_facts_ struct vmb_facts facts = {0};
	int r;

	r = vmb_limit_step("looking at image, kernel and host");
	if (r == 0)
		r = vmb_facts_gather(opts, store, conn, &facts);
	if (r < 0)
		return r;
	vmb_host_phases_mark(phases, VMBOOT_PHASE_VALIDATE);
	r = vmb_limit_step("trying KVM");
	if (r == 0)
		r = vmb_accel_resolve(opts->accel, store, conn, &facts, log);
	if (r < 0)
		return r;
	vmb_host_phases_mark(phases, VMBOOT_PHASE_ACCEL);
	return vmb_plan_make(opts, &facts, ret);
}

static int check_name_free(const struct vmboot_vm *vm)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	int r = vmb_conn_domain(vm->conn, vm->name, &d);

	if (r == -VMBOOT_ENOVM)
		return 0;
	if (r < 0)
		return r;
	return vmb_error(EEXIST, "a domain \"%s\" exists at %s: choose another name, or remove it",
			 vm->name, vmb_conn_uri(vm->conn));
}

static int ensure_kernel_disk(struct creation *c)
{
	const struct vmb_facts *f = &c->plan.facts;
	const struct vmb_log *log = &c->vm->log;
	int r;

	if (!f->kernel_disk)
		return 0;
	if (f->headers.note)
		vmb_log(log, VMBOOT_LOG_WARNING, "%s", f->headers.note);
	r = vmb_kernel_disk_ensure(&c->vm->store, &f->kernel, &f->headers, log);
	if (r == 0)
		vmb_host_phases_mark(&c->vm->phases, VMBOOT_PHASE_KERNEL_DISK);
	return r;
}

/*
 * Store contents that VMs share: image, kernel, initramfs, kernel disk. All but the image, which may
 * take long to be imported, are held until the VM's folder says that it uses them.
 */
static int ensure_shared(struct creation *c)
{
	struct vmb_facts *f = &c->plan.facts;
	struct vmb_host_phases *phases = &c->vm->phases;
	const struct vmb_store *store = &c->vm->store;
	const struct vmb_log *log = &c->vm->log;
	int r = vmb_limit_step("importing the image");

	if (r == 0 && !f->image.present)
		r = vmb_image_import(store, log, &f->image);
	if (r < 0)
		return r;
	vmb_host_phases_mark(phases, VMBOOT_PHASE_IMAGE);
	r = vmb_limit_step("making kernel and initramfs ready");
	if (r == 0)
		r = vmb_files_share(store, f, log, &c->shared);
	if (r == 0)
		vmb_host_phases_mark(phases, VMBOOT_PHASE_INITRAMFS);
	return r < 0 ? r : ensure_kernel_disk(c);
}

static int note_libvirt(const struct creation *c)
{
	_cleanup_free_ char *uri = NULL;
	int r = vmb_conn_real_uri(c->vm->conn, &uri);

	return r < 0 ? r : vmb_files_note_libvirt(c->plan.files.folder, uri);
}

static int make_files(struct creation *c)
{
	int r = vmb_limit_step("making the VM's disks");

	if (r == 0)
		r = vmb_files_claim(&c->plan, &c->lock);
	if (r < 0)
		return r;
	c->claimed = true;
	r = note_libvirt(c);
	if (r == 0)
		r = vmb_files_make(&c->plan, &c->vm->store, &c->vm->log);
	vmb_closep(&c->shared);
	if (r == 0)
		r = vmb_files_check_access(&c->plan);
	if (r == 0)
		vmb_host_phases_mark(&c->vm->phases, VMBOOT_PHASE_DISKS);
	return r;
}

static int start_domain(struct creation *c, const char *xml)
{
	VMB_KEEP_SIGPIPE;
	_cleanup_connect_ virConnectPtr conn = NULL;
	int r = vmb_limit_step("starting the VM");

	if (r == 0)
		r = vmb_conn_get(c->vm->conn, NULL, &conn);
	if (r == 0)
		r = vmb_libvirt_descriptors();
	if (r < 0)
		return r;
	if (c->plan.ephemeral)
		c->domain = virDomainCreateXML(conn, xml, 0);
	else
		c->domain = virDomainDefineXML(conn, xml);
	if (!c->domain)
		return vmb_libvirt_error("libvirt does not accept the VM \"%s\"", c->plan.name);
	if (!c->plan.ephemeral && virDomainCreate(c->domain) < 0)
		return vmb_libvirt_error("cannot start the VM \"%s\"", c->plan.name);
	r = vmb_forward_all(c->domain, &c->plan.facts.ports);
	if (r < 0)
		return r;
	vmb_host_phases_mark(&c->vm->phases, VMBOOT_PHASE_LIBVIRT);
	vmb_listen_limit_logs(c->vm);
	return vmb_limit_check(); /* libvirt may have taken long */
}

/* The handle as vmboot_open() would make it, from the plan. */
static int fill_handle(struct creation *c)
{
	struct vmboot_vm *vm = c->vm;
	const struct vmb_facts *f = &c->plan.facts;
	int r = vmb_metadata_from_plan(&c->plan, &vm->metadata);

	if (r == 0)
		r = vmb_strdup(f->dac_label, &vm->dac_label);
	if (r == 0)
		r = vmb_plan_files(f->store, c->plan.name, &vm->files);
	return r;
}

/* All but the domain; the handle listens already, so that no event's arrival is missed. */
static int prepare(const struct vmboot_opts *opts, struct creation *c, char **ret_xml)
{
	_cleanup_free_ char *xml = NULL;
	int r;

	r = check_name_free(c->vm);
	if (r == 0)
		r = vmb_image_provide(&c->vm->store, opts, &c->vm->log);
	if (r == 0)
		r = make_plan(opts, c->vm, &c->plan);
	if (r == 0)
		r = fill_handle(c);
	if (r < 0)
		return r;
	r = ensure_shared(c);
	if (r == 0)
		r = make_files(c);
	if (r == 0)
		r = vmb_inspect_save(opts, &c->plan);
	if (r == 0)
		r = vmb_domain_xml(&c->plan, &xml);
	if (r < 0)
		return r;
	vmb_host_phases_mark(&c->vm->phases, VMBOOT_PHASE_XML);
	r = vmb_listen_open(c->vm);
	if (r == 0)
		*ret_xml = TAKE_PTR(xml);
	return r;
}

/*
 * What can be refused before anything is made. With no store there is no image of any name: it is
 * not made to tell that.
 */
static int check_before(const struct vmboot_opts *opts, bool pull)
{
	_cleanup_store_ struct vmb_store store = {0};
	_cleanup_image_ struct vmb_image image = {0};
	int r = vmb_conn_check_uri(opts);

	if (r == 0)
		r = vmb_platform_check(opts->platform);
	if (r < 0)
		return r;
	r = vmb_store_find(opts->store, &store);
	if (r != 0 || vmb_is_source(opts->image) || (pull && opts->pull != VMBOOT_PULL_NEVER))
		return r < 0 ? r : 0;
	return vmb_image_find(&store, opts->image, &image);
}

/* The handle. */
static int begin(const struct vmboot_opts *opts, bool pull, struct vmboot_vm **ret_vm)
{
	int r = vmb_limit_check();

	if (r == 0)
		r = check_before(opts, pull);
	return r < 0 ? r : vmb_vm_new(opts, opts->name, ret_vm);
}

static int finish(struct creation *c, struct vmboot_vm **ret_vm)
{
	int r = vmb_host_phases_save(&c->vm->phases, c->vm->files.ledger);

	if (r < 0)
		return r;
	c->done = true;
	(void)flock(c->lock, LOCK_SH); /* made; from now on it is only used */
	c->vm->folder_lock = TAKE_FD(c->lock);
	if (ret_vm)
		*ret_vm = TAKE_PTR(c->vm);
	return 0;
}

/* The handle and the XML are handed over once all is done; whatever fails before is taken back. */
static int make(const struct vmboot_opts *opts, bool start, struct vmboot_vm **ret_vm,
		char **ret_xml)
{
	vmb_cleanup(undo) struct creation c = {.lock = -1, .shared = -1};
	_cleanup_free_ char *xml = NULL;
	struct vmb_host_phases phases;
	struct vmboot_opts own;
	int r;

	vmb_host_phases_begin(&phases);
	r = vmb_opts_read(opts, true, &own);
	if (r < 0)
		return r;
	VMB_LIMIT(&own, CONNECTING); /* ends before what was made is undone */
	r = begin(&own, true, &c.vm);
	if (r < 0)
		return r;
	c.vm->phases = phases;
	r = prepare(&own, &c, &xml);
	if (r == 0 && start)
		r = start_domain(&c, xml);
	if (r == 0)
		r = finish(&c, ret_vm);
	if (r == 0)
		*ret_xml = TAKE_PTR(xml);
	return r;
}

int vmboot_create(const struct vmboot_opts *opts, struct vmboot_vm **ret_vm)
{
	VMB_NO_SIGPIPE;
	_cleanup_free_ char *xml = NULL;

	return make(opts, true, ret_vm, &xml);
}

int vmboot_prepare(const struct vmboot_opts *opts, struct vmboot_vm **ret_vm, char **ret_xml)
{
	VMB_NO_SIGPIPE;

	return make(opts, false, ret_vm, ret_xml);
}

/* What plan and XML share: the plan, and nothing made. */
static int plan_only(const struct vmboot_opts *opts, struct vmb_plan *ret)
{
	_cleanup_vm_ struct vmboot_vm *vm = NULL;
	struct vmboot_opts own;
	int r = vmb_opts_read(opts, true, &own);

	if (r < 0)
		return r;
	VMB_LIMIT(&own, CONNECTING);
	r = begin(&own, false, &vm);
	if (r == 0)
		r = make_plan(&own, vm, ret);
	return r;
}

int vmboot_plan(const struct vmboot_opts *opts, char **ret_json)
{
	VMB_NO_SIGPIPE;
	_cleanup_plan_ struct vmb_plan plan = {0};
	int r = plan_only(opts, &plan);

	return r < 0 ? r : vmb_plan_json(&plan, ret_json);
}

int vmboot_render_xml(const struct vmboot_opts *opts, char **ret_xml)
{
	VMB_NO_SIGPIPE;
	_cleanup_plan_ struct vmb_plan plan = {0};
	int r = plan_only(opts, &plan);

	return r < 0 ? r : vmb_domain_xml(&plan, ret_xml);
}
