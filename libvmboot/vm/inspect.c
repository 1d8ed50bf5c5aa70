/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All of a VM as one JSON document. Two members were written when the VM was made, into files that only
 * its owner can read: the request and the plan, both of which have the program's environment.
 */
#include <string.h>
#include <vmboot/vm.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sigpipe.h"
#include "vm/inspect.h"
#include "vm/vm.h"

enum { DOCUMENT_MAX = 8 << 20, DOCUMENT_DEPTH = 16 };

#define REQUEST_FILE "request.json"
#define PLAN_FILE "plan.json"

static int save(const char *folder, const char *file, const char *text)
{
	_cleanup_free_ char *path = NULL;
	int r = vmb_asprintf(&path, "%s/%s", folder, file);

	return r < 0 ? r : vmb_write_file_atomic(path, text, strlen(text), 0600);
}

int vmb_inspect_save(const struct vmboot_opts *opts, const struct vmb_plan *plan)
{
	_cleanup_free_ char *request = NULL, *text = NULL;
	struct vmboot_opts kept = *opts;
	int r;

	kept.creds = NULL; /* the registry's password was for the pull */
	r = vmboot_opts_to_json(&kept, &request);

	if (r == 0)
		r = vmb_plan_json(plan, &text);
	if (r == 0)
		r = save(plan->files.folder, REQUEST_FILE, request);
	return r < 0 ? r : save(plan->files.folder, PLAN_FILE, text);
}

/* null: an older version made the VM, or the caller may not read the file. */
static struct json_object *load(const struct vmboot_vm *vm, const char *file)
{
	struct vmb_saved_error *saved = vmb_error_save();
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct json_object *o = NULL;
	size_t n;

	if (vmb_asprintf(&path, "%s/%s", vm->files.folder, file) == 0 &&
	    vmb_read_file(path, DOCUMENT_MAX, &text, &n) == 0)
		(void)vmb_json_parse(text, n, DOCUMENT_DEPTH, EBADMSG, path, &o);
	vmb_error_restore(saved);
	return o;
}

static struct json_object *labels_json(const char *const *labels)
{
	struct json_object *o = json_object_new_object();

	for (; labels && *labels; labels++) {
		_cleanup_free_ char *key = strndup(*labels, strcspn(*labels, "="));

		if (key)
			vmb_json_str(o, key, strchr(*labels, '=') + 1);
	}
	return o;
}

static void add_info(struct json_object *o, const struct vmboot_info *info)
{
	static const char *const states[] = {"stopped", "running", "paused"};

	vmb_json_str(o, "name", info->name);
	vmb_json_str(o, "uuid", info->uuid);
	vmb_json_str(o, "state", states[info->state]);
	vmb_json_str(o, "image", info->image);
	vmb_json_str(o, "digest", info->digest);
	vmb_json_str(o, "command", info->command);
	json_object_object_add(o, "labels", labels_json(info->labels));
	vmb_json_int(o, "created", info->created);
	vmb_json_int(o, "started", info->started);
	vmb_json_bool(o, "ephemeral", info->ephemeral);
	vmb_json_bool(o, "skip_kernel_headers", info->skip_kernel_headers);
	vmb_json_bool(o, "skip_guest_agent", info->skip_guest_agent);
	vmb_json_bool(o, "skip_module_signatures", info->skip_module_signatures);
	vmb_json_int(o, "vcpus", (int64_t)info->vcpus);
	vmb_json_int(o, "memory_mib", (int64_t)info->memory_mib);
	vmb_json_str(o, "accel", info->accel);
	vmb_json_str(o, "store", info->store);
	vmb_json_str(o, "folder", info->folder);
}

/* What the newest boot came to. */
static struct json_object *boot_json(const struct vmboot_ledger *ledger)
{
	const struct vmboot_event *last =
		ledger->n_events ? ledger->events[ledger->n_events - 1] : NULL;
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "last_phase", last ? vmboot_phase_name(last->phase) : NULL);
	vmb_json_str(o, "detail", last ? last->detail : NULL);
	vmb_json_int(o, "error", last ? last->error : 0);
	vmb_json_int(o, "program_us", ledger->program_us);
	vmb_json_bool(o, "exited", ledger->exited);
	vmb_json_int(o, "exit_code", ledger->exit_code);
	vmb_json_int(o, "exit_signal", ledger->exit_signal);
	return o;
}

/* A VM whose files are not here has no ledger, but all that libvirt knows. */
static int add_ledger(struct vmboot_vm *vm, struct json_object *o)
{
	struct vmboot_ledger *ledger = NULL;
	int r = vmboot_ledger(vm, &ledger);

	if (r < 0 && r != -VMBOOT_EHOST)
		return r;
	json_object_object_add(o, "boot", ledger ? boot_json(ledger) : NULL);
	vmboot_ledger_free(ledger);
	return 0;
}

int vmboot_inspect(struct vmboot_vm *vm, char **ret_json)
{
	VMB_NO_SIGPIPE;
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct vmboot_info *info = NULL;
	int r;

	if (!o)
		return vmb_oom();
	r = vmboot_info(vm, &info);
	if (r < 0)
		return r;
	add_info(o, info);
	vmboot_info_free(info);
	vmb_json_str(o, "uri", vmb_conn_uri(vm->conn));
	r = add_ledger(vm, o);
	if (r < 0)
		return r;
	json_object_object_add(o, "request", load(vm, REQUEST_FILE));
	json_object_object_add(o, "plan", load(vm, PLAN_FILE));
	return vmb_json_text(o, ret_json);
}
