/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/reply.h"
#include "base/error.h"

enum {
	ANSWER_S = VMB_AGENT_ANSWER_MS / 1000,
	/* of a command: what is larger than the socket's buffer arrives in a jumble, and the agent
	 * does not answer for a while */
	REQUEST_MAX = 131072,
};

static int call(struct vmb_agent *agent, virDomainPtr d, const char *request, char **ret)
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
				  agent->vm.name);
		return vmb_error(VMBOOT_ENOAGENT, "%s", vmboot_last_error()->message);
	case VIR_ERR_OPERATION_INVALID:
	case VIR_ERR_NO_DOMAIN:
		return vmb_error(VMBOOT_EENDED, "the VM \"%s\" is not running", agent->vm.name);
	case VIR_ERR_SYSTEM_ERROR: /* with an errno, which for others is another */
		if (virGetLastError()->int1 != ERANGE)
			break;
		return vmb_error(VMBOOT_EGUEST,
				 "the agent of the VM \"%s\" says more at once than libvirt takes "
				 "(10 MiB), which leaves it alone until it is started anew",
				 agent->vm.name);
	default:
		break;
	}
	return vmb_libvirt_error("the agent of the VM \"%s\" refused", agent->vm.name);
}

static int ask_info(struct vmb_agent *agent, virDomainPtr d, const char *command,
		    struct vmb_reply_info *ret)
{
	_cleanup_json_ struct json_object *reply = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	r = call(agent, d, "{\"execute\":\"guest-info\"}", &text);
	if (r == 0)
		r = vmb_reply_parse(text, &reply);
	return r < 0 ? r : vmb_reply_info(reply, command, ret);
}

static const char *kind(const struct vmb_reply_info *info)
{
	return info->ours ? "vmboot" : "qemu-ga";
}

int vmb_qga_cannot(struct vmb_agent *agent, const char *what, const char *lacks)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	struct vmb_reply_info info;
	int r;

	r = vmb_agent_domain(agent, &d);
	if (r == 0)
		r = ask_info(agent, d, "", &info);
	if (r < 0)
		return r;
	return vmb_error(ENOTSUP, "the agent of the VM \"%s\" (%s %s) cannot %s: it has no %s",
			 agent->vm.name, kind(&info), info.version, what, lacks);
}

/* libvirt passes an agent's refusal on in words only, so the agent is asked what it can. */
static int refused(struct vmb_agent *agent, virDomainPtr d, const char *command)
{
	struct vmb_saved_error *saved = vmb_error_save();
	struct vmb_reply_info info;
	int r = ask_info(agent, d, command, &info);

	vmb_error_restore(saved);
	if (r < 0 || (info.known && info.enabled))
		return vmb_error_prefix("%s", command);
	return vmb_error(ENOTSUP, "the agent of the VM \"%s\" (%s %s) has %s %s", agent->vm.name,
			 kind(&info), info.version, info.known ? "disabled" : "no", command);
}

int vmb_qga(struct vmb_agent *agent, const char *command, struct json_object *arguments,
	    struct json_object **ret_return)
{
	_cleanup_json_ struct json_object *request = json_object_new_object();
	_cleanup_domain_ virDomainPtr d = NULL;
	_cleanup_free_ char *reply = NULL;
	const char *text;
	int r;

	vmb_json_str(request, "execute", command);
	if (arguments)
		json_object_object_add(request, "arguments", arguments);
	text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	if (!text)
		return vmb_oom();
	if (strlen(text) > REQUEST_MAX)
		return vmb_error(E2BIG,
				 "%s: with all that belongs to it the command is over %d "
				 "bytes, which libvirt does not bring to an agent",
				 command, REQUEST_MAX);
	r = vmb_agent_domain(agent, &d);
	if (r == 0)
		r = call(agent, d, text, &reply);
	if (r == -VMBOOT_ELIBVIRT)
		return refused(agent, d, command);
	return r < 0 ? r : vmb_reply_parse(reply, ret_return);
}
