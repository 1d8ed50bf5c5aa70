/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* import, pull, image inspect, save, tag, rmi: one image. */
#include "verb-image.h"

#include "interrupt.h"

static struct json_object *texts_json(const char *const *list)
{
	struct json_object *array = json_object_new_array();

	for (; *list; list++)
		json_object_array_add(array, json_text(*list));
	return array;
}

struct json_object *image_json(const struct vmboot_image *image)
{
	struct json_object *o = json_object_new_object();
	struct json_object *config =
		json_tokener_parse(image->config_json ? image->config_json : "");

	json_object_object_add(o, "name", json_text(image->name));
	json_object_object_add(o, "digest", json_text(image->digest));
	json_object_object_add(o, "disk", json_text(image->disk));
	json_object_object_add(o, "format", json_text(image->format));
	json_object_object_add(o, "bytes", json_object_new_uint64(image->bytes));
	json_object_object_add(o, "imported", json_object_new_int64(image->imported));
	json_object_object_add(o, "created", json_text(image->created));
	json_object_object_add(o, "users", texts_json(image->users));
	json_object_object_add(o, "config", config);
	return o;
}

static int bring(struct args *args, int (*fn)(const struct vmboot_opts *where, const char *from,
					      const char *name, struct vmboot_image **ret_image))
{
	_cleanup_(image) struct vmboot_image *image = NULL;
	_cleanup_(json) struct json_object *json = NULL;
	int r;

	cancel_on_signal(args);
	r = fn(args->opts, args->operands[0], args->name, &image);
	progress_clear();
	if (r < 0)
		return cancelled_status(show_error(EXIT_FAILED));
	if (args->json) {
		json = image_json(image);
		out_json(json);
	} else {
		out_name(image->name);
	}
	return 0;
}

int verb_import(struct args *args)
{
	return bring(args, vmboot_image_import);
}

int verb_pull(struct args *args)
{
	return bring(args, vmboot_image_pull);
}

int verb_image_inspect(struct args *args)
{
	_cleanup_(json) struct json_object *list = json_object_new_array();
	int status = 0;

	for (int i = 0; i < args->n_operands; i++) {
		_cleanup_(text) char *text = NULL;

		if (vmboot_image_inspect(args->opts, args->operands[i], &text) < 0)
			status = show_error(EXIT_FAILED);
		else
			json_object_array_add(list, json_tokener_parse(text));
	}
	out_json(list);
	return status;
}

int verb_save(struct args *args)
{
	if (vmboot_image_save(args->opts, args->operands[0], args->operands[1]) < 0)
		return show_error(EXIT_FAILED);
	return 0;
}

int verb_tag(struct args *args)
{
	for (int i = 1; i < args->n_operands; i++)
		if (vmboot_image_tag(args->opts, args->operands[0], args->operands[i]) < 0)
			return show_error(EXIT_FAILED);
	return 0;
}

/* For --force: the VMs that use the image go first. */
static int remove_users(const struct args *args, const char *name)
{
	_cleanup_(json) struct json_object *image = NULL;
	_cleanup_(text) char *text = NULL;
	struct json_object *users = NULL;

	if (vmboot_image_inspect(args->opts, name, &text) < 0)
		return show_error(EXIT_FAILED);
	image = json_tokener_parse(text);
	json_object_object_get_ex(image, "users", &users);
	for (size_t i = 0; users && i < json_object_array_length(users); i++) {
		_cleanup_(vm) struct vmboot_vm *vm = NULL;
		const char *user = json_object_get_string(json_object_array_get_idx(users, i));

		if (vmboot_open(args->opts, user, &vm) < 0 || vmboot_destroy(vm) < 0)
			return show_error(EXIT_FAILED);
	}
	return 0;
}

int verb_rmi(struct args *args)
{
	int status = 0;

	for (int i = 0; i < args->n_operands; i++) {
		if (args->force && remove_users(args, args->operands[i]))
			status = EXIT_FAILED;
		else if (vmboot_image_remove(args->opts, args->operands[i]) < 0)
			status = show_error(EXIT_FAILED);
		else
			out_name(args->operands[i]);
	}
	return status;
}
