/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <vmboot/image.h>

#include "archive/path.h"
#include "base/error.h"
#include "base/json.h"
#include "image/blobs.h"
#include "image/index.h"
#include "image/json.h"
#include "image/record-parts.h"
#include "opts/opts.h"

/* The API's functions for images that are in the store: inspect, tag, prune. */

static int open_store(const struct vmboot_opts *where, struct vmb_store *ret)
{
	return vmb_store_find(where ? where->store : NULL, ret);
}

static int check_name(const char *name)
{
	if (name && !vmb_is_source(name))
		return 0;
	return vmb_error(VMBOOT_ENOIMAGE, "\"%s\" is not the name of an image in the store",
			 vmb_show(name).text);
}

static int describe(const struct vmb_image *image, char **names, char **users,
		    struct json_object *o)
{
	_cleanup_json_ struct json_object *config = NULL;
	int r;

	r = vmb_json_add_string(o, "name", image->name);
	if (r == 0)
		r = vmb_json_add_strings(o, "names", vmb_list_const(names));
	if (r == 0)
		r = vmb_json_add_string(o, "digest", image->digest);
	if (r == 0)
		r = vmb_json_add_string(o, "disk", image->disk);
	if (r == 0)
		r = vmb_json_add_string(o, "format", image->fstype);
	if (r == 0)
		r = vmb_json_add(o, "bytes", json_object_new_uint64(image->bytes));
	if (r == 0)
		r = vmb_json_add(o, "imported", json_object_new_int64(image->imported));
	if (r == 0)
		r = vmb_json_add_string(o, "source", image->source);
	if (r == 0)
		r = vmb_json_add_strings(o, "users", vmb_list_const(users));
	if (r == 0)
		r = vmb_record_add_origin(o, &image->origin);
	if (r == 0)
		r = vmb_record_config(&image->config, &config);
	return r < 0 ? r : vmb_json_add(o, "config", TAKE_PTR(config));
}

int vmboot_image_inspect(const struct vmboot_opts *where, const char *name, char **ret_json)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_list_ char **names = NULL, **users = NULL;
	_cleanup_image_ struct vmb_image image = {0};
	_cleanup_store_ struct vmb_store store = {0};
	int r = check_name(name);

	if (r == 0)
		r = open_store(where, &store);
	if (r >= 0)
		r = vmb_image_find(&store, name, &image);
	if (r == 0)
		r = vmb_index_names(&store, image.digest, &names);
	if (r == 0)
		r = vmb_index_users(&store, image.digest, &users);
	if (r == 0)
		r = o ? describe(&image, names, users, o) : vmb_oom();
	return r < 0 ? r : vmb_json_text(o, ret_json);
}

int vmboot_image_tag(const struct vmboot_opts *where, const char *name, const char *new_name)
{
	_cleanup_image_ struct vmb_image image = {0};
	_cleanup_store_ struct vmb_store store = {0};
	struct vmboot_opts own;
	struct vmb_log log;
	int r = vmb_opts_read(where, false, &own);

	if (r == 0)
		r = check_name(name);
	if (r == 0 && !new_name)
		r = vmb_error(VMBOOT_EIMAGE, "no new name is given");
	if (r == 0)
		r = vmb_store_open(own.store, &store);
	if (r < 0)
		return r;
	log = vmb_log_of(&own);
	return vmb_image_ensure(&store, name, new_name, &log, &image);
}

static int report_pruned(struct json_object *list, const struct vmb_image *image, char **names)
{
	struct json_object *o;
	int r = vmb_json_append_object(list, &o);

	if (r == 0)
		r = vmb_json_add_string(o, "digest", image->digest);
	if (r == 0)
		r = vmb_json_add_strings(o, "names", vmb_list_const(names));
	return r < 0 ? r : vmb_json_add(o, "bytes", json_object_new_uint64(image->bytes));
}

static int prune_one(const struct vmb_store *store, const char *digest,
		     const struct vmb_prune *prune, struct json_object *list)
{
	_cleanup_image_ struct vmb_image image = {0};
	_cleanup_list_ char **names = NULL;
	int r = vmb_index_prune(store, digest, prune, &image, &names);

	return r > 0 ? report_pruned(list, &image, names) : r;
}

int vmboot_image_prune(const struct vmboot_opts *where, unsigned flags, int64_t before,
		       char **ret_json)
{
	const struct vmb_prune prune = {.named = flags & VMBOOT_PRUNE_ALL,
					.before = before,
					.dry = flags & VMBOOT_PRUNE_DRY_RUN};
	_cleanup_json_ struct json_object *list = json_object_new_array();
	_cleanup_store_ struct vmb_store store = {0};
	_cleanup_list_ char **digests = NULL;
	int r;

	if (flags & ~(VMBOOT_PRUNE_ALL | VMBOOT_PRUNE_DRY_RUN) || before < 0)
		return vmb_error(EINVAL, "unknown flags %#x or a negative time", flags);
	if (!list)
		return vmb_oom();
	r = open_store(where, &store);
	if (r >= 0)
		r = vmb_index_digests(&store, &digests);
	for (char **d = digests; r >= 0 && *d; d++)
		r = prune_one(&store, *d, &prune, list);
	if (r >= 0 && !prune.dry)
		r = vmb_blobs_collect(&store, false, NULL);
	if (r >= 0 && ret_json)
		r = vmb_json_text(list, ret_json);
	return r < 0 ? r : (int)json_object_array_length(list);
}
