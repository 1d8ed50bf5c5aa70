/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <vmboot/image.h>

#include "archive/path.h"
#include "base/error.h"
#include "base/limit.h"
#include "base/sigpipe.h"
#include "image/blobs.h"
#include "image/index.h"
#include "image/record.h"
#include "opts/opts.h"

/* The public record and what its pointers point to. */
struct owned {
	struct vmboot_image pub; /* first */
	struct vmb_image image;
	char *config_json;
	char **users;
};

void vmboot_image_free(struct vmboot_image *image)
{
	struct owned *o = (struct owned *)image;

	if (!o)
		return;
	vmb_image_done(&o->image);
	free(o->config_json);
	vmb_list_free(o->users);
	free(o);
}
VMB_DEFINE_CLEANUP(image_freep, struct vmboot_image *, vmboot_image_free)
VMB_DEFINE_CLEANUP(image_list_freep, struct vmboot_image **, vmboot_image_list_free)

void vmboot_image_list_free(struct vmboot_image **images)
{
	for (size_t i = 0; images && images[i]; i++)
		vmboot_image_free(images[i]);
	free(images);
}

/* Takes over what *image has. */
static int publish(const struct vmb_store *store, struct vmb_image *image,
		   struct vmboot_image **ret)
{
	vmb_cleanup(image_freep) struct vmboot_image *pub = NULL;
	struct owned *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return vmb_oom();
	pub = &o->pub;
	o->image = *image;
	*image = (struct vmb_image){0};
	r = vmb_config_json(&o->image.config, &o->config_json);
	if (r == 0)
		r = vmb_index_users(store, o->image.digest, &o->users);
	if (r < 0)
		return r;
	o->pub = (struct vmboot_image){
		.size = sizeof(o->pub),
		.name = o->image.name ? o->image.name : "",
		.digest = o->image.digest,
		.disk = o->image.disk,
		.format = o->image.fstype,
		.bytes = o->image.bytes,
		.imported = o->image.imported,
		.config_json = o->config_json,
		.created = o->image.origin.created,
		.users = vmb_list_const(o->users),
	};
	*ret = TAKE_PTR(pub);
	return 0;
}

static int pull(const struct vmboot_opts *opts, const char *ref, const char *name,
		struct vmboot_image **ret_image)
{
	_cleanup_store_ struct vmb_store store = {0};
	_cleanup_image_ struct vmb_image image = {0};
	struct vmb_log log = vmb_log_of(opts);
	int r = vmb_store_open(opts->store, &store);

	if (r == 0)
		r = vmb_limit_check();
	if (r == 0)
		r = vmb_image_pull(&store, opts, ref, name, &log, &image);
	return r < 0 || !ret_image ? r : publish(&store, &image, ret_image);
}

int vmboot_image_import(const struct vmboot_opts *where, const char *source, const char *name,
			struct vmboot_image **ret_image)
{
	VMB_NO_SIGPIPE;
	struct vmboot_opts own;
	int r = vmb_opts_read(where, false, &own);

	if (r < 0)
		return r;
	VMB_LIMIT(&own, "importing the image");
	if (!source || !vmb_is_source(source))
		return vmb_error(VMBOOT_EIMAGE, "\"%s\" is nothing to import; it has to be %s",
				 vmb_show(source).text, vmb_source_usage().text);
	return pull(&own, source, name, ret_image);
}

int vmboot_image_pull(const struct vmboot_opts *where, const char *image, const char *name,
		      struct vmboot_image **ret_image)
{
	VMB_NO_SIGPIPE;
	struct vmboot_opts own;
	int r = vmb_opts_read(where, false, &own);

	if (r < 0)
		return r;
	VMB_LIMIT(&own, "pulling the image");
	return pull(&own, image, name, ret_image);
}

static int find_digest(const struct vmb_store *store, const char *digest, struct vmb_image *image)
{
	int r = vmb_strdup(digest, &image->digest);

	if (r == 0)
		r = vmb_index_find(store, image);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

/* One image of the list; what went away meanwhile is left out. */
static int add_to_list(const struct vmb_store *store, const char *name, const char *digest,
		       struct vmboot_image **list, size_t *n)
{
	_cleanup_image_ struct vmb_image image = {0};
	int r = name ? vmb_image_find(store, name, &image) : find_digest(store, digest, &image);

	if (r == 0)
		r = publish(store, &image, &list[*n]);
	if (r == 0)
		++*n;
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : 0;
}

int vmboot_image_list(const struct vmboot_opts *where, struct vmboot_image ***ret_images)
{
	vmb_cleanup(image_list_freep) struct vmboot_image **list = NULL;
	_cleanup_store_ struct vmb_store store = {0};
	_cleanup_list_ char **names = NULL, **nameless = NULL;
	size_t n = 0;
	int r = vmb_store_find(where ? where->store : NULL, &store);

	if (r >= 0)
		r = vmb_index_names(&store, NULL, &names);
	if (r == 0)
		r = vmb_index_nameless(&store, &nameless);
	if (r < 0)
		return r;
	list = calloc(vmb_list_len(vmb_list_const(names)) + vmb_list_len(vmb_list_const(nameless)) +
			      1,
		      sizeof(struct vmboot_image *));
	if (!list)
		return vmb_oom();
	for (char **name = names; *name && r == 0; name++)
		r = add_to_list(&store, *name, NULL, list, &n);
	for (char **digest = nameless; *digest && r == 0; digest++)
		r = add_to_list(&store, NULL, *digest, list, &n);
	if (r < 0)
		return r;
	*ret_images = TAKE_PTR(list);
	return (int)n;
}

int vmboot_image_remove(const struct vmboot_opts *where, const char *name)
{
	_cleanup_store_ struct vmb_store store = {0};
	_cleanup_free_ char *full = NULL;
	int r = vmb_store_find(where ? where->store : NULL, &store);

	if (r >= 0)
		r = vmb_image_known_name(&store, name, &full);
	if (r == 0)
		r = vmb_index_remove(&store, full);
	if (r == 0)
		r = vmb_blobs_collect(&store, false, NULL);
	return r < 0 ? r : 0;
}
