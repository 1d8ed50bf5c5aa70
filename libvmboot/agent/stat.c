/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a path in a guest is: by our agent's __org.vmboot_stat; with another agent, by the guest's
 * own stat program.
 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <vmboot/exec.h>

#include "agent/agent.h"
#include "base/error.h"
#include "base/sigpipe.h"
#include "base/str.h"
#include "host/vm.h"

#define STAT_COMMAND "__org.vmboot_stat"

enum { NS = 1000000000, STAT_MS = 10000 };

struct own_stat {
	struct vmboot_stat pub;
	char target[PATH_MAX];
};

/* The reply's members; all are numbers from 0 to INT64_MAX unless the row says otherwise. */
static const struct member {
	const char *key;
	size_t offset;
	size_t size;
	int64_t min, max;
} members[] = {
#define AT(m) offsetof(struct vmboot_stat, m), sizeof(((struct vmboot_stat *)0)->m)
	{"mode", AT(mode), 0, 0177777},
	{"uid", AT(uid), 0, UINT32_MAX},
	{"gid", AT(gid), 0, UINT32_MAX},
	{"nlink", AT(nlink), 0, UINT32_MAX},
	{"size", AT(bytes), 0, INT64_MAX},
	{"blocks", AT(blocks), 0, INT64_MAX},
	{"ino", AT(inode), 0, INT64_MAX},
	{"dev", AT(device), 0, INT64_MAX},
	{"atime-ns", AT(atime_ns), INT64_MIN, INT64_MAX},
	{"mtime-ns", AT(mtime_ns), INT64_MIN, INT64_MAX},
	{"ctime-ns", AT(ctime_ns), INT64_MIN, INT64_MAX},
#undef AT
};

static void put(struct vmboot_stat *st, const struct member *m, int64_t value)
{
	void *at = (char *)st + m->offset;

	if (m->size == sizeof(uint32_t))
		*(uint32_t *)at = (uint32_t)value;
	else
		*(int64_t *)at = value;
}

static int set_target(struct own_stat *st, const char *target)
{
	if (strlen(target) >= sizeof(st->target) || (*target && !S_ISLNK(st->pub.mode)))
		return vmb_error(VMBOOT_EGUEST, "the agent tells of a link that cannot be");
	strcpy(st->target, target);
	return 0;
}

static int read_reply(struct json_object *reply, struct own_stat *st)
{
	struct json_object *exists = vmb_json_get(reply, "exists");
	const char *target = vmb_json_get_str(reply, "target");
	int64_t v;
	int r = 0;

	if (!json_object_is_type(exists, json_type_boolean))
		return vmb_error(VMBOOT_EGUEST, "the agent does not say whether the path exists");
	st->pub.exists = json_object_get_boolean(exists);
	if (!st->pub.exists)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++) {
		r = vmb_qga_int(reply, members[i].key, members[i].min, members[i].max, &v);
		if (r == 0)
			put(&st->pub, &members[i], v);
	}
	return r < 0 ? r : set_target(st, target ? target : "");
}

static int by_agent(struct vmboot_vm *vm, const char *path, bool follow, struct own_stat *st)
{
	_cleanup_json_ struct json_object *reply = NULL;
	struct json_object *a = json_object_new_object();
	int r;

	vmb_json_str(a, "path", path);
	vmb_json_bool(a, "follow", follow);
	r = vmb_qga(vm, STAT_COMMAND, a, &reply);
	return r < 0 ? r : read_reply(reply, st);
}

/* ---- another agent ---- */

static int run(struct vmboot_vm *vm, const char *const *args, struct vmboot_exec_result **ret)
{
	static const char *const env[] = {"LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	const struct vmboot_exec_opts opts = {
		.size = sizeof(opts),
		.args = args,
		.env = env,
		.output_max = 2 * PATH_MAX,
		.timeout_ms = STAT_MS,
	};

	return vmb_qga_exec(vm, &opts, ret);
}

/* The members in their order, the first in hex, times in seconds. */
static int parse_numbers(const char *text, struct own_stat *st)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const struct member *m = &members[i];
		bool time = m->min < 0;
		long long v;
		char *end;

		errno = 0;
		v = strtoll(text, &end, i == 0 ? 16 : 10);
		if (end == text || errno || (!time && (v < m->min || v > m->max)) ||
		    (time && (v > INT64_MAX / NS || v < INT64_MIN / NS)))
			return vmb_error(VMBOOT_EGUEST, "the guest's stat prints no number for %s",
					 m->key);
		put(&st->pub, m, time ? v * NS : v);
		text = end;
	}
	st->pub.exists = true;
	return *text && *text != '\n' ? vmb_error(VMBOOT_EGUEST, "the guest's stat says too much")
				      : 0;
}

static int read_link(struct vmboot_vm *vm, const char *path, struct own_stat *st)
{
	const char *const args[] = {"readlink", "-n", path, NULL};
	struct vmboot_exec_result *result = NULL;
	int r;

	r = run(vm, args, &result);
	if (r == 0 && result->exit_code == 0)
		r = set_target(st, result->out);
	vmboot_exec_result_free(result);
	return r;
}

static int by_program(struct vmboot_vm *vm, const char *path, bool follow, struct own_stat *st)
{
	const char *const args[] = {"stat", "-c", "%f %u %g %h %s %b %i %d %X %Y %Z",
				    "--",   path, NULL};
	const char *const args_follow[] = {"stat", "-L", "-c", "%f %u %g %h %s %b %i %d %X %Y %Z",
					   "--",   path, NULL};
	struct vmboot_exec_result *result = NULL;
	int r;

	r = run(vm, follow ? args_follow : args, &result);
	if (r < 0)
		return vmb_error_prefix("the agent has no " STAT_COMMAND
					", and the guest's stat cannot be run");
	if (result->exit_code == 0)
		r = parse_numbers(result->out, st);
	else if (!strstr(result->err, "No such file") && !strstr(result->err, "Not a directory"))
		r = vmb_error(EIO, "the guest's stat failed on %s", path);
	vmboot_exec_result_free(result);
	if (r == 0 && S_ISLNK(st->pub.mode))
		r = read_link(vm, path, st);
	return r;
}

int vmboot_stat(struct vmboot_vm *vm, const char *path, bool follow, struct vmboot_stat **ret_stat)
{
	VMB_NO_SIGPIPE;
	_cleanup_free_ struct own_stat *st = calloc(1, sizeof(*st));
	int r;

	if (!st)
		return vmb_oom();
	if (!path || *path != '/' || strlen(path) >= PATH_MAX)
		return vmb_error(EINVAL, "\"%s\" is not an absolute path", path ? path : "");
	r = vmb_agent_wanted(vm);
	if (r == 0)
		r = by_agent(vm, path, follow, st);
	if (r == -ENOTSUP)
		r = by_program(vm, path, follow, st);
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
