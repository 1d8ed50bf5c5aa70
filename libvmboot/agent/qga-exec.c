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
#include "agent/reply.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "domain/domain.h"

enum {
	ASK_MS_MIN = 10,
	ASK_MS_MAX = 500,
	INPUT_MAX = 65536,
	KILLED_MS = 2000, /* how long a program that was killed may take to be gone */
	CONFIG_MAX = 2 * VMB_CONFIG_SIZE_MAX,
};

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static int check_opts(const struct vmb_agent *agent, const struct vmboot_exec_opts *opts)
{
	const char *lacks = opts->user && *opts->user		   ? "another user"
			    : opts->workdir && *opts->workdir	   ? "a working folder"
			    : opts->input_size > (size_t)INPUT_MAX ? "input of over 64 KiB"
								   : NULL;

	if (lacks)
		return vmb_error(ENOTSUP,
				 "the VM \"%s\" is reached by the QEMU guest agent's guest-exec, "
				 "which has no way to give a program %s",
				 agent->vm.name, lacks);
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

/* ---- the environment ---- */

static bool sets(const char *const *env, const char *entry)
{
	size_t n = strcspn(entry, "=") + 1;

	for (; env && *env; env++)
		if (strncmp(*env, entry, n) == 0)
			return true;
	return false;
}

/* What the VM's program was given, if we may read that: it is on the config disk. */
static int add_programs(struct vmb_agent *agent, const char *const *over, char ***list)
{
	_cleanup_free_ struct vmb_guest_config *config = malloc(sizeof(*config));
	_cleanup_free_ char *disk = NULL;
	size_t n;
	int r = 0;

	if (!config)
		return vmb_oom();
	if (vmb_read_file(agent->vm.files->config, CONFIG_MAX, &disk, &n) < 0 ||
	    vmb_config_decode((const uint8_t *)disk, n, config, NULL) < 0)
		return 0;
	for (size_t i = 0; config->env[i] && r == 0; i++)
		if (!sets(over, config->env[i]))
			r = vmb_list_add(list, config->env[i]);
	vmb_config_done(config);
	return r;
}

/* guest-exec takes a whole environment or none, and looks no program up without a PATH. */
static int whole_env(struct vmb_agent *agent, const char *const *over, char ***ret)
{
	_cleanup_list_ char **list = NULL;
	int r;

	r = add_programs(agent, over, &list);
	for (size_t i = 0; over[i] && r == 0; i++)
		r = vmb_list_add(&list, over[i]);
	if (r == 0 && !sets(vmb_list_const(list), DEFAULT_PATH))
		r = vmb_list_add(&list, DEFAULT_PATH);
	if (r == 0)
		*ret = TAKE_PTR(list);
	return r;
}

/* ---- the program ---- */

static int make_arguments(struct vmb_agent *agent, const struct vmboot_exec_opts *opts,
			  struct json_object *a)
{
	_cleanup_list_ char **env = NULL;
	int r;

	vmb_json_str(a, "path", opts->args[0]);
	vmb_json_list(a, "arg", opts->args + 1);
	vmb_json_bool(a, "capture-output", true);
	if (opts->input_size)
		json_object_object_add(a, "input-data", base64(opts->input, opts->input_size));
	if (!opts->env)
		return 0;
	r = whole_env(agent, opts->env, &env);
	if (r == 0)
		vmb_json_list(a, "env", vmb_list_const(env));
	return r;
}

/* The agent's library says in words only why a program did not start. */
static int not_started(int r)
{
	static const struct {
		const char *words;
		int code;
	} reasons[] = {
		{"No such file or directory", ENOENT},
		{"Permission denied", EACCES},
		{"Exec format error", ENOEXEC},
	};
	const char *said = vmboot_last_error()->message;

	for (size_t i = 0; i < ARRAY_SIZE(reasons) && r == -VMBOOT_ELIBVIRT; i++)
		if (strstr(said, reasons[i].words)) {
			r = vmb_error(reasons[i].code, "the guest cannot run it: %s", said);
			vmb_error_boot("", "", reasons[i].code, "");
		}
	return r;
}

static int start(struct vmb_agent *agent, const struct vmboot_exec_opts *opts, int64_t *ret_pid)
{
	_cleanup_json_ struct json_object *reply = NULL, *a = json_object_new_object();
	int r;

	r = make_arguments(agent, opts, a);
	if (r == 0)
		r = vmb_qga(agent, "guest-exec", TAKE_PTR(a), &reply);
	if (r < 0)
		return not_started(r);
	return vmb_reply_int(reply, "pid", 1, INT32_MAX, ret_pid);
}

/*
 * guest-exec's program has no group of its own, and no other command kills: a shell does, which is
 * in more images than a program for it.
 */
static void kill_it(struct vmb_agent *agent, int64_t pid)
{
	char script[48];
	const char *const args[] = {"/bin/sh", "-c", script, NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	int64_t killer;

	snprintf(script, sizeof(script), "kill -KILL %lld", (long long)pid);
	(void)start(agent, &opts, &killer);
}

/* 1: it ended, *ret says how; 0: not yet. */
static int ask(struct vmb_agent *agent, int64_t pid, size_t max, struct vmboot_exec_result *ret)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *a = json_object_new_object();
	int r;

	vmb_json_int(a, "pid", pid);
	r = vmb_qga(agent, "guest-exec-status", a, &reply);
	if (r < 0)
		return vmb_error_prefix("the program was started, but how it went cannot be known");
	return vmb_reply_exec(reply, max, ret);
}

static int wait_for_end(struct vmb_agent *agent, int64_t pid, const struct vmboot_exec_opts *opts,
			struct vmboot_exec_result *ret)
{
	struct vmb_deadline until = vmb_deadline_in(opts->timeout_ms ? opts->timeout_ms : -1);
	int r, pause_ms = ASK_MS_MIN;
	bool killed = false;

	for (;;) {
		r = ask(agent, pid, opts->output_max, ret);
		if (r != 0) {
			ret->timed_out = killed;
			return r < 0 ? r : 0;
		}
		if (vmb_deadline_passed(until)) {
			if (killed)
				return vmb_error(ETIMEDOUT,
						 "the program was killed after %d ms, but what it "
						 "left running holds its output",
						 opts->timeout_ms);
			killed = true;
			kill_it(agent, pid);
			until = vmb_deadline_in(KILLED_MS);
			pause_ms = ASK_MS_MIN;
		}
		poll(NULL, 0, vmb_deadline_poll(until, pause_ms));
		pause_ms = pause_ms * 2 < ASK_MS_MAX ? pause_ms * 2 : ASK_MS_MAX;
	}
}

int vmb_qga_exec(struct vmb_agent *agent, const struct vmboot_exec_opts *opts,
		 struct vmboot_exec_result **ret)
{
	struct vmboot_exec_result result = {0};
	int64_t pid;
	int r;

	r = check_opts(agent, opts);
	if (r == 0)
		r = start(agent, opts, &pid);
	if (r == 0)
		r = wait_for_end(agent, pid, opts, &result);
	return r < 0 ? r : vmb_exec_result_new(&result, ret);
}
