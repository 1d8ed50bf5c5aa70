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

static void add_key(struct json_object *o, const struct vmb_config_key *key,
		    const struct vmb_guest_config *c)
{
	const void *member = (const char *)c + key->offset;

	switch (key->type) {
	case VMB_KEY_TEXT:
		vmb_json_str(o, key->name, *(const char *const *)member);
		break;
	case VMB_KEY_FLAG:
		vmb_json_bool(o, key->name, *(const bool *)member);
		break;
	case VMB_KEY_NUMBER:
		vmb_json_int(o, key->name, *(const int64_t *)member);
		break;
	case VMB_KEY_CHOICE:
		vmb_json_str(o, key->name, key->words[*(const unsigned *)member]);
		break;
	case VMB_KEY_LIST:
		vmb_json_list(o, key->name, *(const char *const *const *)member);
		break;
	case VMB_KEY_DISKS: /* see disks_json() */
		break;
	}
}

static struct json_object *guest_json(const struct vmb_guest_config *c)
{
	struct json_object *o = json_object_new_object();
	size_t n;
	const struct vmb_config_key *keys = vmb_config_keys(&n);

	for (size_t i = 0; i < n; i++)
		add_key(o, &keys[i], c);
	return o;
}

static struct json_object *disk_json(const struct vmb_disk *disk)
{
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "serial", disk->serial);
	vmb_json_str(o, "target", disk->target);
	vmb_json_str(o, "file", disk->file);
	vmb_json_str(o, "format", disk->format);
	vmb_json_str(o, "fstype", disk->fstype);
	vmb_json_str(o, "point", disk->point);
	vmb_json_str(o, "options", disk->options);
	vmb_json_bool(o, "writable", disk->writable);
	vmb_json_bool(o, "shared", disk->shared);
	vmb_json_bool(o, "required", disk->required);
	return o;
}

static struct json_object *disks_json(const struct vmb_plan *plan)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < plan->n_disks; i++)
		json_object_array_add(list, disk_json(&plan->disks[i]));
	return list;
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
	vmb_json_int(o, "log_max_mib", (int64_t)plan->log_max_mib);
	return o;
}

static struct json_object *ports_json(const struct vmb_ports *ports)
{
	struct json_object *list = json_object_new_array();
	char text[VMB_PORT_TEXT_MAX];

	for (size_t i = 0; i < ports->n; i++) {
		vmb_port_text(&ports->list[i], text);
		json_object_array_add(list, json_object_new_string(text));
	}
	return list;
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
	json_object_object_add(o, "disks", disks_json(plan));
	json_object_object_add(o, "files", files_json(plan));
	json_object_object_add(o, "publish", ports_json(&plan->facts.ports));
	vmb_json_str(o, "accel", plan->facts.accel == VMBOOT_ACCEL_KVM ? "kvm" : "tcg");
	vmb_json_str(o, "machine", plan->facts.machine);
	vmb_json_int(o, "vcpus", (int64_t)plan->vcpus);
	vmb_json_int(o, "memory_mib", (int64_t)plan->memory_mib);
	vmb_json_bool(o, "ephemeral", plan->ephemeral);
	return vmb_json_text(o, ret);
}
