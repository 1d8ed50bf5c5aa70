/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "base/error.h"
#include "base/str.h"
#include "plan/plan.h"

static struct json_object *image_json(const struct vmb_image *image)
{
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "name", image->name);
	vmb_json_str(o, "digest", image->digest);
	vmb_json_str(o, "disk", image->disk);
	vmb_json_str(o, "format", image->fstype);
	vmb_json_bool(o, "import", !image->present);
	return o;
}

/* The folders that they are in; or the archive, of which nobody has looked what is in it. */
static struct json_object *headers_json(const struct vmb_headers *h)
{
	struct json_object *list = json_object_new_array();

	if (h->archive)
		json_object_array_add(list, json_object_new_string(h->archive));
	for (size_t i = 0; i < h->n; i++)
		json_object_array_add(list, json_object_new_string(h->parts[i].host));
	return list;
}

static struct json_object *kernel_json(const struct vmb_plan *plan)
{
	const struct vmb_facts *f = &plan->facts;
	struct json_object *o = json_object_new_object();
	struct json_object *modules = json_object_new_array();

	vmb_json_str(o, "release", f->kernel.release);
	vmb_json_str(o, "source", f->kernel.path);
	vmb_json_str(o, "file", f->kernel_copy);
	vmb_json_str(o, "start", f->kernel_direct ? "direct" : "bzimage");
	vmb_json_str(o, "firmware", f->firmware);
	vmb_json_str(o, "initramfs", f->initramfs);
	vmb_json_str(o, "kernel_disk", f->kernel_disk);
	json_object_object_add(o, "headers", headers_json(&f->headers));
	vmb_json_str(o, "command_line", plan->cmdline);
	for (size_t i = 0; i < f->modules.early.n; i++)
		json_object_array_add(modules,
				      json_object_new_string(f->modules.early.list[i].name));
	json_object_object_add(o, "modules", modules);
	vmb_json_bool(o, "skip_module_signatures", plan->skip_module_signatures);
	return o;
}

static struct json_object *guest_json(const struct vmb_guest_config *c)
{
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "hostname", c->hostname);
	vmb_json_str(o, "init_mode", c->mode);
	vmb_json_str(o, "on_exit", c->on_exit);
	vmb_json_bool(o, "skip_kernel_headers", c->skip_kernel_headers);
	vmb_json_bool(o, "skip_guest_agent", c->skip_guest_agent);
	vmb_json_str(o, "guest_agent", c->guest_agent);
	vmb_json_str(o, "address", c->address);
	vmb_json_str(o, "gateway", c->gateway);
	vmb_json_str(o, "nameserver", c->nameserver);
	vmb_json_str(o, "user", c->user);
	vmb_json_str(o, "workdir", c->workdir);
	vmb_json_list(o, "args", c->args);
	vmb_json_list(o, "env", c->env);
	return o;
}

static struct json_object *files_json(const struct vmb_plan *plan)
{
	const struct vmb_plan_files *f = &plan->files;
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "folder", f->folder);
	vmb_json_str(o, "overlay", f->overlay);
	vmb_json_int(o, "overlay_mib", (int64_t)plan->overlay_mib);
	vmb_json_str(o, "config", f->config);
	vmb_json_str(o, "console", f->console);
	vmb_json_str(o, "stdout", f->out);
	vmb_json_str(o, "stderr", f->err);
	vmb_json_str(o, "events", f->events);
	return o;
}

int vmb_plan_json(const struct vmb_plan *plan, char **ret)
{
	_cleanup_free_ struct vmb_guest_config *config = malloc(sizeof(*config));
	_cleanup_json_ struct json_object *o = json_object_new_object();
	int r;

	if (!config || !o)
		return vmb_oom();
	r = vmb_plan_guest_config(plan, config);
	if (r < 0)
		return r;
	vmb_json_str(o, "name", plan->name);
	json_object_object_add(o, "image", image_json(&plan->facts.image));
	json_object_object_add(o, "kernel", kernel_json(plan));
	json_object_object_add(o, "guest", guest_json(config));
	json_object_object_add(o, "files", files_json(plan));
	vmb_json_str(o, "accel", plan->facts.accel == VMBOOT_ACCEL_KVM ? "kvm" : "tcg");
	vmb_json_str(o, "machine", plan->facts.machine);
	vmb_json_int(o, "vcpus", (int64_t)plan->vcpus);
	vmb_json_int(o, "memory_mib", (int64_t)plan->memory_mib);
	vmb_json_bool(o, "ephemeral", plan->ephemeral);
	return vmb_json_text(o, ret);
}
