/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a path in a guest is: by our agent's __org.vmboot_stat; with another agent, by the guest's
 * own stat program.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <vmboot/exec.h>

#include "agent/agent.h"
#include "agent/lifecycle.h"
#include "agent/reply.h"
#include "base/error.h"
#include "base/sigpipe.h"
#include "base/str.h"
#include "domain/domain.h"
#include "wire/text.h"

/* LOOK_MS: a connection that broke tells no more */
enum { STAT_MS = 10000, LOOK_MS = 1000 };

static int ask(struct vmb_agent *agent, const char *path, bool follow, struct vmb_reply_stat *st)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *a = json_object_new_object();
	int r;

	vmb_json_str(a, "path", path);
	vmb_json_bool(a, "follow", follow);
	r = vmb_qga(agent, VMB_STAT_COMMAND, a, &reply);
	return r < 0 ? r : vmb_reply_stat(reply, st);
}

/*
 * Again at each of libvirt's events: when the guest tells us that its agent is there, libvirt may
 * not know yet, or know and not be connected.
 */
static int ask_on(struct vmb_agent *agent, struct vmb_lifecycle *l, const char *path, bool follow,
		  struct vmb_reply_stat *st)
{
	struct vmb_deadline until = vmb_deadline_in(STAT_MS);
	struct pollfd p = {.fd = vmb_lifecycle_fd(l), .events = POLLIN};
	int r;

	for (;;) {
		r = vmb_lifecycle_connected(l);
		if (r < 0)
			return r;
		r = ask(agent, path, follow, st);
		if (r != -VMBOOT_ENOAGENT || vmb_deadline_passed(until))
			return r;
		poll(&p, 1, vmb_deadline_poll(until, LOOK_MS));
	}
}

/* As exec, it waits for an agent that is about to come: one of ours is. */
static int by_agent(struct vmb_agent *agent, const char *path, bool follow,
		    struct vmb_reply_stat *st)
{
	int r = ask(agent, path, follow, st);
	struct vmb_lifecycle *l;

	if (r != -VMBOOT_ENOAGENT || agent->vm.metadata->guest_agent != VMBOOT_AGENT_VMBOOT)
		return r;
	r = vmb_lifecycle_open(agent->vm.conn, agent->vm.name, &l);
	if (r < 0)
		return r;
	r = ask_on(agent, l, path, follow, st);
	vmb_lifecycle_close(l);
	return r;
}

/* ---- another agent ---- */

static int run(struct vmb_agent *agent, const char *const *args, struct vmboot_exec_result **ret)
{
	static const char *const env[] = {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	const struct vmboot_exec_opts opts = {
		.size = sizeof(opts),
		.args = args,
		.env = env,
		.output_max = 2 * PATH_MAX,
		.timeout_ms = STAT_MS,
	};

	return vmb_qga_exec(agent, &opts, ret);
}

static int read_link(struct vmb_agent *agent, const char *path, struct vmb_reply_stat *st)
{
	const char *const args[] = {"readlink", "-n", path, NULL};
	struct vmboot_exec_result *result = NULL;
	int r;

	r = run(agent, args, &result);
	if (r == 0 && result->exit_code == 0)
		r = vmb_reply_stat_target(result->out, st);
	vmboot_exec_result_free(result);
	return r;
}

static int by_program(struct vmb_agent *agent, const char *path, bool follow,
		      struct vmb_reply_stat *st)
{
	const char *const args[] = {"stat", "-c", VMB_STAT_FORMAT, "--", path, NULL};
	const char *const args_follow[] = {"stat", "-L", "-c", VMB_STAT_FORMAT, "--", path, NULL};
	struct vmboot_exec_result *result = NULL;
	_cleanup_free_ char *lacks = NULL;
	int r;

	r = vmb_strdup(vmboot_last_error()->message, &lacks);
	if (r == 0)
		r = run(agent, follow ? args_follow : args, &result);
	if (r < 0)
		return vmb_error_prefix("%s, and the guest's own stat cannot be asked",
					lacks ? lacks : "");
	if (result->exit_code == 0)
		r = vmb_reply_stat_text(result->out, st);
	else if (!strstr(result->err, "No such file") && !strstr(result->err, "Not a directory"))
		r = vmb_error(EIO, "the guest's stat failed on %s", path);
	vmboot_exec_result_free(result);
	if (r == 0 && S_ISLNK(st->pub.mode))
		r = read_link(agent, path, st);
	return r;
}

int vmb_agent_stat(struct vmb_agent *agent, const char *path, bool follow,
		   struct vmboot_stat **ret_stat)
{
	VMB_NO_SIGPIPE;
	_cleanup_free_ struct vmb_reply_stat *st = calloc(1, sizeof(*st));
	int r;

	if (!st)
		return vmb_oom();
	if (!path || *path != '/' || strlen(path) >= PATH_MAX)
		return vmb_error(EINVAL, "\"%s\" is not an absolute path", path ? path : "");
	if (!vmb_wire_is_utf8(path, strlen(path)))
		return vmb_error(EILSEQ, "\"%s\" is not UTF-8, as what an agent is asked has to be",
				 path);
	r = vmb_agent_wanted(agent);
	if (r == 0)
		r = by_agent(agent, path, follow, st);
	if (r == -ENOTSUP)
		r = by_program(agent, path, follow, st);
	if (r < 0)
		return r;
	st->pub.size = sizeof(st->pub);
	st->pub.target = st->target;
	*ret_stat = &TAKE_PTR(st)->pub;
	return 0;
}

void vmboot_stat_free(struct vmboot_stat *stat)
{
	free(stat);
}
