/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The processes of a guest, and its memory: by commands that only our agent has. */
#include "agent/agent.h"
#include "base/error.h"

#define PROCESSES_COMMAND "__org.vmboot_processes"

/* What the guest says is copied member by member: it may say anything. */
static const struct {
	const char *theirs, *ours;
} numbers[] = {
	{"pid", "pid"},		  {"ppid", "ppid"},	{"uid", "uid"},
	{"threads", "threads"},	  {"cpu-ms", "cpu_ms"}, {"memory", "memory"},
	{"start-ms", "start_ms"},
};

static int copy_process(struct json_object *theirs, struct json_object *list)
{
	const char *state = vmb_json_get_str(theirs, "state");
	const char *command = vmb_json_get_str(theirs, "command");
	_cleanup_json_ struct json_object *o = json_object_new_object();
	int64_t value;

	if (!state || !command)
		return vmb_error(VMBOOT_EGUEST, "the agent describes a process that cannot be");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		value = vmb_json_get_int(theirs, numbers[i].theirs, -1);
		if (value < 0)
			return vmb_error(VMBOOT_EGUEST,
					 "the agent describes a process without its %s",
					 numbers[i].ours);
		vmb_json_int(o, numbers[i].ours, value);
	}
	vmb_json_str(o, "state", state);
	vmb_json_str(o, "command", command);
	json_object_array_add(list, TAKE_PTR(o));
	return 0;
}

int vmb_agent_top(struct vmb_agent *agent, char **ret_json)
{
	_cleanup_json_ struct json_object *list = json_object_new_array(), *reply = NULL;
	int r = vmb_agent_wanted(agent);

	if (r == 0)
		r = vmb_qga(agent, PROCESSES_COMMAND, NULL, &reply);
	if (r == -ENOTSUP)
		return vmb_qga_cannot(agent, "list processes", PROCESSES_COMMAND);
	if (r == 0 && !json_object_is_type(reply, json_type_array))
		r = vmb_error(VMBOOT_EGUEST, "the agent gives no list of processes");
	for (size_t i = 0; r == 0 && i < json_object_array_length(reply); i++)
		r = copy_process(json_object_array_get_idx(reply, i), list);
	return r < 0 ? r : vmb_json_text(list, ret_json);
}
