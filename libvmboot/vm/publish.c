/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ports that are published, and withdrawn, while the VM is there. */
#include <string.h>
#include <vmboot/vm.h>

#include "base/error.h"
#include "base/sigpipe.h"
#include "base/str.h"
#include "opts/opts.h"
#include "probe/ports.h"
#include "virt/forward.h"
#include "vm/vm.h"

/* A VM whose ports are changed, alone with it. */
struct change {
	int lock;
	virDomainPtr domain;
	bool runs;
	struct vmb_metadata metadata; /* as the domain has it now */
	struct vmb_ports ports;
};

static void change_done(struct change *c)
{
	vmb_ports_done(&c->ports);
	vmb_metadata_done(&c->metadata);
	vmb_domain_freep(&c->domain);
	vmb_closep(&c->lock);
}
#define _cleanup_change_ vmb_cleanup(change_done)

/* Only a user network forwards ports, and libvirt has it in the domain since its definition. */
static int check_network(const struct vmboot_vm *vm, virDomainPtr d)
{
	_cleanup_free_ char *xml = virDomainGetXMLDesc(d, 0);
	bool has;
	int r;

	if (!xml)
		return vmb_libvirt_error("cannot read the XML of \"%s\"", vm->name);
	r = vmb_domain_has_user_network(xml, &has);
	if (r < 0 || has)
		return r;
	return vmb_error(ENOTSUP,
			 "the VM \"%s\" has no user network: create it with network \"user\", or "
			 "with a published port",
			 vm->name);
}

static int begin_change(struct vmboot_vm *vm, struct change *ret)
{
	enum vmboot_state state;
	int r = vmb_vm_check_process(vm);

	if (r == 0)
		r = vmb_conn_check_here(vm->conn);
	if (r == 0)
		r = vmb_vm_seize(vm, &ret->lock);
	if (r == 0)
		r = vmb_vm_domain(vm, &ret->domain);
	if (r == 0)
		r = check_network(vm, ret->domain);
	if (r == 0)
		r = vmb_vm_metadata(ret->domain, vm->name, &ret->metadata);
	if (r == 0)
		r = vmb_ports_from_text(ret->metadata.publish, &ret->ports);
	if (r == 0)
		r = vmb_vm_state(ret->domain, &state, NULL);
	if (r < 0)
		return r;
	ret->runs = state != VMBOOT_STATE_STOPPED;
	return 0;
}

/* Writes the ports into the domain's metadata, for the next start and for everybody who looks. */
static int save_change(struct vmboot_vm *vm, struct change *c)
{
	_cleanup_free_ char *text = NULL;
	int r = vmb_ports_text(&c->ports, &text);

	if (r < 0)
		return r;
	free(c->metadata.publish);
	c->metadata.publish = TAKE_PTR(text);
	r = vmb_vm_set_metadata(vm, c->domain, &c->metadata);
	if (r < 0)
		return r;
	VMB_LOCK(vm);
	free(vm->metadata.publish);
	vm->metadata.publish = TAKE_PTR(c->metadata.publish);
	VMB_UNLOCK(vm);
	return 0;
}

static int read_text(const char *text, struct vmb_ports *ret)
{
	const struct vmb_field *field = vmb_field_find("publish");
	const char *const list[] = {text, NULL};
	int r;

	if (!text)
		return vmb_error(EINVAL, "which port? it is NULL");
	r = vmb_field_check_text(field, text);
	return r < 0 ? r : vmb_ports_read(list, ret);
}

static void withdraw(const struct change *c, const struct vmb_ports *ports)
{
	struct vmb_saved_error *saved = vmb_error_save();

	for (size_t i = 0; c->runs && i < ports->n; i++)
		(void)vmb_forward_remove(c->domain, &ports->list[i]);
	vmb_error_restore(saved);
}

static int add_ports(struct vmboot_vm *vm, struct change *c, const struct vmb_ports *ports)
{
	int r = vmb_ports_append(&c->ports, ports);

	if (r == 0 && c->runs)
		r = vmb_forward_all(c->domain, ports);
	if (r == 0)
		r = save_change(vm, c);
	if (r < 0)
		withdraw(c, ports);
	return r;
}

int vmboot_publish(struct vmboot_vm *vm, const char *port, char **ret_ports)
{
	VMB_NO_SIGPIPE;
	_cleanup_change_ struct change c = {.lock = -1};
	_cleanup_ports_ struct vmb_ports ports = {0};
	_cleanup_free_ char *text = NULL;
	int r = read_text(port, &ports);

	if (r == 0)
		r = begin_change(vm, &c);
	if (r == 0)
		r = vmb_ports_resolve(&ports);
	if (r == 0)
		r = vmb_ports_text(&ports, &text);
	if (r == 0)
		r = add_ports(vm, &c, &ports);
	if (r < 0)
		return r;
	if (ret_ports)
		*ret_ports = TAKE_PTR(text);
	return 0;
}

int vmboot_unpublish(struct vmboot_vm *vm, const char *port)
{
	VMB_NO_SIGPIPE;
	_cleanup_change_ struct change c = {.lock = -1};
	_cleanup_ports_ struct vmb_ports ports = {0};
	int r = read_text(port, &ports);

	if (r == 0)
		r = begin_change(vm, &c);
	if (r == 0)
		r = vmb_ports_remove(&c.ports, &ports);
	if (r < 0)
		return r;
	for (size_t i = 0; c.runs && i < ports.n && r == 0; i++)
		r = vmb_forward_remove(c.domain, &ports.list[i]);
	return r < 0 ? r : save_change(vm, &c);
}
