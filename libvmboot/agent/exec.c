/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <vmboot/exec.h>

#include "agent/agent.h"
#include "base/error.h"
#include "base/sigpipe.h"
#include "base/sized.h"
#include "domain/domain.h"

enum {
	OUTPUT_MAX = 16 << 20,
	/* Of a program that was built with 0.1: whatever was added since, it says this. */
	EXEC_OPTS_SIZE_0_1 = 80,
};

_Static_assert(offsetof(struct vmboot_exec_opts, columns) + sizeof(unsigned) == EXEC_OPTS_SIZE_0_1,
	       "members are added behind all that 0.1 had");

/* Takes the caller's struct, of whatever version of the header. */
static int read_opts(const struct vmboot_exec_opts *opts, struct vmboot_exec_opts *ret)
{
	int r;

	if (!opts)
		return vmb_error(VMBOOT_EOPTS, "struct vmboot_exec_opts: which program is to run?");
	r = vmb_read_sized(opts, "exec_opts", EXEC_OPTS_SIZE_0_1, ret, sizeof(*ret));
	if (r < 0)
		return r;
	if (!ret->args || !ret->args[0] || !*ret->args[0])
		return vmb_error(VMBOOT_EOPTS, "args: which program is to run?");
	if (ret->workdir && *ret->workdir && *ret->workdir != '/')
		return vmb_error(VMBOOT_EOPTS, "workdir: \"%s\" is not an absolute path",
				 ret->workdir);
	if (ret->timeout_ms < 0)
		ret->timeout_ms = 0;
	if (!ret->output_max)
		ret->output_max = OUTPUT_MAX;
	if (!ret->input)
		ret->input_size = 0;
	return 0;
}

static int check_env(const struct vmboot_exec_opts *opts)
{
	for (size_t i = 0; opts->env && opts->env[i]; i++)
		if (*opts->env[i] == '=' || !strchr(opts->env[i], '='))
			return vmb_error(VMBOOT_EOPTS, "env: \"%s\" is not KEY=VALUE",
					 opts->env[i]);
	return 0;
}

static int make_request(const struct vmboot_exec_opts *opts, struct vmb_exec_request **ret)
{
	size_t n_args = vmb_list_len(opts->args), n_env = vmb_list_len(opts->env);
	struct vmb_exec_request *request;
	int r;

	r = check_env(opts);
	if (r < 0)
		return r;
	if (n_args > VMB_EXEC_LIST_MAX || n_env > VMB_EXEC_LIST_MAX)
		return vmb_error(E2BIG, "over %d arguments, or over %d variables",
				 VMB_EXEC_LIST_MAX, VMB_EXEC_LIST_MAX);
	request = calloc(1, sizeof(*request));
	if (!request)
		return vmb_oom();
	request->tty = opts->tty;
	request->rows = opts->rows;
	request->columns = opts->columns;
	request->user = opts->user;
	request->workdir = opts->workdir;
	memcpy(request->args, opts->args, n_args * sizeof(*request->args));
	if (n_env)
		memcpy(request->env, opts->env, n_env * sizeof(*request->env));
	*ret = request;
	return 0;
}

/* The caller's time counts from the call; the agent's, to answer, is bounded anyway. */
static struct vmb_deadline answer_until(const struct vmboot_exec_opts *opts)
{
	bool shorter = opts->timeout_ms && opts->timeout_ms < VMB_AGENT_ANSWER_MS;

	return vmb_deadline_in(shorter ? opts->timeout_ms : VMB_AGENT_ANSWER_MS);
}

static struct vmb_deadline run_until(const struct vmboot_exec_opts *opts)
{
	return vmb_deadline_in(opts->timeout_ms ? opts->timeout_ms : VMBOOT_FOREVER);
}

static int no_answer(struct vmb_agent *agent)
{
	return vmb_error(VMBOOT_ENOAGENT,
			 "no agent answers in the VM \"%s\": has it booted (vmboot wait --phase "
			 "agent), and does its kernel still run?",
			 agent->vm.name);
}

static bool has_other_agent(const struct vmb_agent *agent)
{
	return agent->vm.metadata->guest_agent == VMBOOT_AGENT_IMAGE;
}

/* ---- vmboot_exec() ---- */

struct result {
	struct vmboot_exec_result pub;
	char *out, *err;
};

int vmb_exec_result_new(const struct vmboot_exec_result *from, struct vmboot_exec_result **ret)
{
	_cleanup_free_ char *out = (char *)(uintptr_t)from->out,
			    *err = (char *)(uintptr_t)from->err;
	struct result *result = out && err ? calloc(1, sizeof(*result)) : NULL;

	if (!result)
		return vmb_oom();
	result->pub = *from;
	result->pub.size = sizeof(result->pub);
	result->out = TAKE_PTR(out);
	result->err = TAKE_PTR(err);
	*ret = &result->pub;
	return 0;
}

void vmboot_exec_result_free(struct vmboot_exec_result *result)
{
	struct result *own = (struct result *)result;

	if (!own)
		return;
	free(own->out);
	free(own->err);
	free(own);
}

static int make_result(struct vmb_streams *run, struct vmboot_exec_result **ret)
{
	struct vmboot_exec_result result = {
		.exit_code = run->status < 256 ? run->status : -1,
		.exit_signal = run->status > 256 ? run->status - 256 : 0,
		.timed_out = run->timed_out,
		.out_size = run->out[0].buf.len,
		.out_cut = run->out[0].cut,
		.err_size = run->out[1].buf.len,
		.err_cut = run->out[1].cut,
	};
	char *out = NULL, *err = NULL;

	/* what fails here is told by the NULL that it leaves */
	if (vmb_buf_take(&run->out[0].buf, &out) == 0)
		vmb_buf_take(&run->out[1].buf, &err);
	result.out = out;
	result.err = err;
	return vmb_exec_result_new(&result, ret);
}

static int capture(struct vmb_session *session, const struct vmboot_exec_opts *opts,
		   struct vmb_deadline until, struct vmboot_exec_result **ret)
{
	struct vmb_streams run = {
		.in_fd = -1,
		.input = opts->input,
		.input_size = opts->input_size,
		.out = {{.fd = -1, .max = opts->output_max}, {.fd = -1, .max = opts->output_max}},
		.control_fd = -1,
		.until = until,
	};
	int r = vmb_session_run(session, &run);

	if (r == 0)
		r = make_result(&run, ret);
	vmb_buf_done(&run.out[0].buf);
	vmb_buf_done(&run.out[1].buf);
	return r;
}

/* All that is checked and made before the guest is asked. */
static int begin(struct vmb_agent *agent, const struct vmboot_exec_opts *opts, bool streams,
		 struct vmboot_exec_opts *own, struct vmb_exec_request **ret)
{
	int r;

	r = read_opts(opts, own);
	if (r == 0)
		r = vmb_agent_wanted(agent);
	if (r < 0)
		return r;
	own->tty = own->tty && streams;
	return make_request(own, ret);
}

int vmb_agent_exec(struct vmb_agent *agent, const struct vmboot_exec_opts *opts,
		   struct vmboot_exec_result **ret_result)
{
	VMB_NO_SIGPIPE;
	_cleanup_free_ struct vmb_exec_request *request = NULL;
	struct vmb_session *session = NULL;
	struct vmb_stream *stream = NULL;
	struct vmboot_exec_opts own;
	struct vmb_deadline until;
	int r;

	r = begin(agent, opts, false, &own, &request);
	if (r < 0)
		return r;
	if (has_other_agent(agent))
		return vmb_qga_exec(agent, &own, ret_result);
	until = run_until(&own);
	r = vmb_agent_get(agent, answer_until(&own), &stream);
	/* no port of ours, somebody else's, or nobody there: a QEMU guest agent may do */
	if (r == -ENOENT || r == -EBUSY || r == -ETIMEDOUT)
		return vmb_qga_exec(agent, &own, ret_result);
	if (r < 0)
		return r;
	r = vmb_session_open(stream, request, answer_until(&own), &session);
	if (r == 0) {
		r = capture(session, &own, until, ret_result);
		vmb_session_close(session);
	} else if (r == -ETIMEDOUT) {
		r = no_answer(agent);
	}
	vmb_agent_put(agent);
	return r;
}

/* ---- vmboot_exec_stream() ---- */

static int connect_fds(struct vmb_session *session, const struct vmboot_exec_opts *opts,
		       const int fds[3], int control_fd, struct vmb_deadline until, int *ret_status)
{
	struct vmb_streams run = {
		.in_fd = fds[0],
		.out = {{.fd = fds[1]}, {.fd = fds[2]}},
		.control_fd = control_fd,
		.until = until,
	};
	int r = vmb_session_run(session, &run);

	if (r < 0)
		return r;
	if (run.timed_out)
		return vmb_error(ETIMEDOUT, "the program was killed after %d ms", opts->timeout_ms);
	*ret_status = run.status;
	return 0;
}

int vmb_agent_exec_stream(struct vmb_agent *agent, const struct vmboot_exec_opts *opts,
			  const int fds[3], int control_fd, int *ret_status)
{
	VMB_NO_SIGPIPE;
	_cleanup_free_ struct vmb_exec_request *request = NULL;
	struct vmb_session *session = NULL;
	struct vmb_stream *stream = NULL;
	struct vmboot_exec_opts own;
	struct vmb_deadline until;
	int r;

	r = begin(agent, opts, true, &own, &request);
	if (r < 0)
		return r;
	until = run_until(&own);
	r = has_other_agent(agent) ? -ENOENT : vmb_agent_get(agent, answer_until(&own), &stream);
	if (r == -ENOENT)
		return vmb_qga_cannot(
			agent,
			own.tty ? "give a program a terminal"
				: "pass on what a program reads and writes as it goes",
			"port " VMB_STREAM_PORT);
	if (r == -ETIMEDOUT)
		return no_answer(agent);
	if (r < 0)
		return r;
	r = vmb_session_open(stream, request, answer_until(&own), &session);
	if (r == -ETIMEDOUT)
		r = no_answer(agent);
	if (r < 0) {
		vmb_agent_put(agent);
		return r;
	}
	r = connect_fds(session, &own, fds, control_fd, until, ret_status);
	vmb_agent_close(agent, session);
	return r;
}
