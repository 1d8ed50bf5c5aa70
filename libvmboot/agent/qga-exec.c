/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmboot_exec() for agents without a stream port, Debian's for one. guest-exec-status can only be
 * asked again and again; how often is bounded, and what it returns, too.
 */
#include <nettle/base64.h>
#include <poll.h>
#include <string.h>
#include <vmboot/exec.h>

#include "agent/agent.h"
#include "base/error.h"
#include "base/str.h"
#include "host/vm.h"

enum { ASK_MS_MIN = 10, ASK_MS_MAX = 500, INPUT_MAX = 1 << 20 };

static int check_opts(const struct vmboot_vm *vm, const struct vmboot_exec_opts *opts)
{
	const char *lacks = opts->user && *opts->user		   ? "another user"
			    : opts->workdir && *opts->workdir	   ? "a working folder"
			    : opts->input_size > (size_t)INPUT_MAX ? "input of over 1 MiB"
								   : NULL;

	if (lacks)
		return vmb_error(ENOTSUP,
				 "the VM \"%s\" is reached by the QEMU guest agent's guest-exec, "
				 "which has no way to give a program %s",
				 vm->name, lacks);
	return 0;
}

static struct json_object *base64(const void *bytes, size_t n)
{
	size_t size = BASE64_ENCODE_RAW_LENGTH(n);
	char *text = malloc(size + 1);
	struct json_object *json;

	if (!text)
		return NULL;
	base64_encode_raw(text, n, bytes);
	json = json_object_new_string_len(text, (int)size);
	free(text);
	return json;
}

/* A member of a reply as bytes, with a 0 behind them; at most max of them. */
static int unbase64(struct json_object *reply, const char *key, size_t max, char **ret,
		    size_t *ret_n, bool *ret_cut)
{
	const char *text = vmb_json_get_str(reply, key);
	size_t size = strlen(text ? text : ""), n = BASE64_DECODE_LENGTH(size);
	_cleanup_free_ char *bytes = malloc(n + 1);
	struct base64_decode_ctx ctx;

	if (!bytes)
		return vmb_oom();
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &n, (uint8_t *)bytes, size, text ? text : "") ||
	    !base64_decode_final(&ctx))
		return vmb_error(VMBOOT_EGUEST, "the agent's reply has no base64 in \"%s\"", key);
	*ret_cut |= n > max;
	n = n < max ? n : max;
	bytes[n] = '\0';
	*ret_n = n;
	*ret = TAKE_PTR(bytes);
	return 0;
}

static int start(struct vmboot_vm *vm, const struct vmboot_exec_opts *opts, int64_t *ret_pid)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *a = json_object_new_object();
	int r;

	vmb_json_str(a, "path", opts->args[0]);
	vmb_json_list(a, "arg", opts->args + 1);
	if (opts->env)
		vmb_json_list(a, "env", opts->env);
	if (opts->input_size)
		json_object_object_add(a, "input-data", base64(opts->input, opts->input_size));
	vmb_json_bool(a, "capture-output", true);
	r = vmb_qga(vm, "guest-exec", a, &reply);
	return r < 0 ? r : vmb_qga_int(reply, "pid", 1, INT32_MAX, ret_pid);
}

/* guest-exec's program has no group of its own, and no other command kills. */
static void kill_it(struct vmboot_vm *vm, int64_t pid)
{
	char number[24];
	const char *const args[] = {"kill", "-KILL", number, NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	int64_t killer;

	snprintf(number, sizeof(number), "%lld", (long long)pid);
	(void)start(vm, &opts, &killer);
}

/* 1: *ret is the status of a program that ended; 0: not yet. */
static int ask(struct vmboot_vm *vm, int64_t pid, struct json_object **ret)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *a = json_object_new_object();
	int r;

	vmb_json_int(a, "pid", pid);
	r = vmb_qga(vm, "guest-exec-status", a, &reply);
	if (r < 0)
		return r;
	if (!json_object_get_boolean(vmb_json_get(reply, "exited")))
		return 0;
	*ret = TAKE_PTR(reply);
	return 1;
}

static int wait_for_end(struct vmboot_vm *vm, int64_t pid, const struct vmboot_exec_opts *opts,
			bool *ret_timed_out, struct json_object **ret)
{
	struct vmb_deadline until = vmb_deadline_in(opts->timeout_ms ? opts->timeout_ms : -1);
	int r, pause_ms = ASK_MS_MIN;

	for (;;) {
		r = ask(vm, pid, ret);
		if (r != 0)
			return r < 0 ? r : 0;
		if (vmb_deadline_passed(until)) {
			if (*ret_timed_out)
				return vmb_error(ETIMEDOUT, "the program goes on though killed");
			*ret_timed_out = true;
			kill_it(vm, pid);
			until = vmb_deadline_in(VMB_AGENT_ANSWER_MS);
		}
		poll(NULL, 0, vmb_deadline_poll(until, pause_ms));
		pause_ms = pause_ms * 2 < ASK_MS_MAX ? pause_ms * 2 : ASK_MS_MAX;
	}
}

static int read_status(struct json_object *reply, struct vmboot_exec_result *ret)
{
	int64_t v = 0;
	int r;

	ret->exit_code = -1;
	if (vmb_json_get(reply, "signal")) {
		r = vmb_qga_int(reply, "signal", 1, 64, &v);
		ret->exit_signal = (int)v;
	} else {
		r = vmb_qga_int(reply, "exitcode", 0, 255, &v);
		ret->exit_code = (int)v;
	}
	ret->out_cut = json_object_get_boolean(vmb_json_get(reply, "out-truncated"));
	ret->err_cut = json_object_get_boolean(vmb_json_get(reply, "err-truncated"));
	return r;
}

static int make_result(struct json_object *reply, size_t max, bool timed_out,
		       struct vmboot_exec_result **ret)
{
	struct vmboot_exec_result result = {.timed_out = timed_out};
	_cleanup_free_ char *out = NULL, *err = NULL;
	int r;

	r = read_status(reply, &result);
	if (r == 0)
		r = unbase64(reply, "out-data", max, &out, &result.out_size, &result.out_cut);
	if (r == 0)
		r = unbase64(reply, "err-data", max, &err, &result.err_size, &result.err_cut);
	if (r < 0)
		return r;
	result.out = TAKE_PTR(out);
	result.err = TAKE_PTR(err);
	return vmb_exec_result_new(&result, ret);
}

int vmb_qga_exec(struct vmboot_vm *vm, const struct vmboot_exec_opts *opts,
		 struct vmboot_exec_result **ret)
{
	_cleanup_json_ struct json_object *reply = NULL;
	bool timed_out = false;
	int64_t pid;
	int r;

	r = check_opts(vm, opts);
	if (r == 0)
		r = start(vm, opts, &pid);
	if (r == 0)
		r = wait_for_end(vm, pid, opts, &timed_out, &reply);
	return r < 0 ? r : make_result(reply, opts->output_max, timed_out, ret);
}
