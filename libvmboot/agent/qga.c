/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "agent/agent.h"
#include "base/error.h"
#include "host/vm.h"

enum {
	ANSWER_S = VMB_AGENT_ANSWER_MS / 1000,
	/* of a reply: guest-exec-status may carry 16 MiB twice, in base64 */
	REPLY_MAX = 64 << 20,
	REPLY_DEPTH = 16,
	COMMANDS_MAX = 4096,
};

static int call(struct vmboot_vm *vm, virDomainPtr d, const char *request, char **ret)
{
	char *reply = virDomainQemuAgentCommand(d, request, ANSWER_S, 0);

	if (reply) {
		*ret = reply;
		return 0;
	}
	switch (vmb_libvirt_code()) {
	case VIR_ERR_AGENT_UNRESPONSIVE:
	case VIR_ERR_AGENT_UNSYNCED:
	case VIR_ERR_ARGUMENT_UNSUPPORTED: /* no port for one */
		vmb_libvirt_error("no agent answers in the VM \"%s\"; has it booted (vmboot wait "
				  "--phase agent)?",
				  vm->name);
		return vmb_error(VMBOOT_ENOAGENT, "%s", vmboot_last_error()->message);
	case VIR_ERR_OPERATION_INVALID:
	case VIR_ERR_NO_DOMAIN:
		return vmb_error(VMBOOT_EENDED, "the VM \"%s\" is not running", vm->name);
	default:
		return vmb_libvirt_error("the agent of the VM \"%s\" refused", vm->name);
	}
}

static int parse(const char *reply, struct json_object **ret)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *value;
	size_t n = strlen(reply);
	int r;

	if (n > REPLY_MAX)
		return vmb_error(VMBOOT_EGUEST, "the agent's reply is over %d bytes", REPLY_MAX);
	r = vmb_json_parse(reply, n, REPLY_DEPTH, VMBOOT_EGUEST, "the agent's reply", &o);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, "return", &value))
		return vmb_error(VMBOOT_EGUEST, "the agent's reply returns nothing");
	*ret = json_object_get(value);
	return 0;
}

/* 1: the agent has the command and has it enabled; 0: it has not. */
static int has_command(struct vmboot_vm *vm, virDomainPtr d, const char *command)
{
	_cleanup_json_ struct json_object *info = NULL;
	_cleanup_free_ char *reply = NULL;
	struct json_object *list, *row;
	const char *name;
	size_t n;
	int r;

	r = call(vm, d, "{\"execute\":\"guest-info\"}", &reply);
	if (r == 0)
		r = parse(reply, &info);
	if (r < 0)
		return r;
	list = vmb_json_get(info, "supported_commands");
	n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	for (size_t i = 0; i < n && i < COMMANDS_MAX; i++) {
		row = json_object_array_get_idx(list, i);
		name = vmb_json_get_str(row, "name");
		if (name && vmb_streq(name, command))
			return json_object_get_boolean(vmb_json_get(row, "enabled"));
	}
	return 0;
}

/* libvirt passes an agent's refusal on in words only, so the agent is asked what it can. */
static int refused(struct vmboot_vm *vm, virDomainPtr d, const char *command)
{
	struct vmb_saved_error *saved = vmb_error_save();
	int has = has_command(vm, d, command);

	vmb_error_restore(saved);
	if (has == 0)
		return vmb_error(ENOTSUP, "the agent of the VM \"%s\" has no command %s", vm->name,
				 command);
	return vmb_error_prefix("%s", command);
}

int vmb_qga(struct vmboot_vm *vm, const char *command, struct json_object *arguments,
	    struct json_object **ret_return)
{
	_cleanup_json_ struct json_object *request = json_object_new_object();
	_cleanup_domain_ virDomainPtr d = NULL;
	_cleanup_free_ char *reply = NULL;
	int r;

	vmb_json_str(request, "execute", command);
	if (arguments)
		json_object_object_add(request, "arguments", arguments);
	r = vmb_conn_domain(vm->conn, vm->name, &d);
	if (r < 0)
		return r;
	r = call(vm, d, json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN), &reply);
	if (r == -VMBOOT_ELIBVIRT)
		return refused(vm, d, command);
	return r < 0 ? r : parse(reply, ret_return);
}

int vmb_qga_int(struct json_object *reply, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	struct json_object *value = vmb_json_get(reply, key);
	int64_t v = json_object_get_int64(value);

	if (!json_object_is_type(value, json_type_int) || v < min || v > max)
		return vmb_error(VMBOOT_EGUEST, "the agent's reply has no right \"%s\"", key);
	*ret = v;
	return 0;
}
