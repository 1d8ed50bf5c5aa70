/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* import, images, rmi: the store's images. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "verbs.h"

static struct json_object *image_json(const struct vmboot_image *image)
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
	json_object_object_add(o, "config", config);
	return o;
}

int verb_import(struct args *args)
{
	_cleanup_(image) struct vmboot_image *image = NULL;
	_cleanup_(json) struct json_object *json = NULL;
	int r = vmboot_image_import(args->opts, args->operands[0], args->name, &image);

	progress_clear();
	if (r < 0)
		return show_error(EXIT_FAILED);
	if (args->json) {
		json = image_json(image);
		out_json(json);
	} else {
		out_name(image->name);
	}
	return 0;
}

static void print_json(struct vmboot_image *const *images)
{
	_cleanup_(json) struct json_object *list = json_object_new_array();

	for (; *images; images++)
		json_object_array_add(list, image_json(*images));
	out_json(list);
}

/* "sha256:" and 12 digits more. */
static void digest_cell(struct table *table, const char *digest)
{
	const char *colon = strchr(digest, ':');

	table_cell(table, "%.*s", colon ? (int)(colon - digest) + 13 : 12, digest);
}

static void size_cell(struct table *table, uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double size = (double)bytes;
	size_t i = 0;

	for (; size >= 1024 && i + 1 < ARRAY_SIZE(units); i++)
		size /= 1024;
	table_cell(table, "%.*f %s", i && size < 100 ? 1 : 0, size, units[i]);
}

static void time_cell(struct table *table, int64_t seconds)
{
	char text[32] = "-";
	time_t t = (time_t)seconds;
	struct tm tm;

	if (seconds > 0 && localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	table_cell(table, "%s", text);
}

static void print_table(struct vmboot_image *const *images)
{
	static const char *const heads[] = {"NAME", "DIGEST", "FORMAT", "SIZE", "IMPORTED"};
	struct table table;

	table_start(&table, heads, ARRAY_SIZE(heads));
	for (; *images; images++) {
		table_cell(&table, "%s", (*images)->name);
		digest_cell(&table, (*images)->digest);
		table_cell(&table, "%s", (*images)->format);
		size_cell(&table, (*images)->bytes);
		time_cell(&table, (*images)->imported);
	}
	table_print(&table);
}

int verb_images(struct args *args)
{
	_cleanup_(images) struct vmboot_image **images = NULL;

	if (vmboot_image_list(args->opts, &images) < 0)
		return show_error(EXIT_FAILED);
	if (args->json)
		print_json(images);
	else if (!args->quiet)
		print_table(images);
	else
		for (struct vmboot_image **i = images; *i; i++)
			out_name((*i)->name);
	return 0;
}

int verb_rmi(struct args *args)
{
	int status = 0;

	for (int i = 0; i < args->n_operands; i++) {
		if (vmboot_image_remove(args->opts, args->operands[i]) < 0)
			status = show_error(EXIT_FAILED);
		else
			out_name(args->operands[i]);
	}
	return status;
}
