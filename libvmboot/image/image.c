/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/image.h"

#include "archive/path.h"
#include "base/error.h"
#include "image/blobs.h"
#include "image/index.h"
#include "image/name.h"
#include "image/platform.h"
#include "image/registries.h"
#include "image/source.h"

void vmb_image_config_done(struct vmb_image_config *config)
{
	vmb_list_free(TAKE_PTR(config->entrypoint));
	vmb_list_free(TAKE_PTR(config->cmd));
	vmb_list_free(TAKE_PTR(config->env));
	free(TAKE_PTR(config->workdir));
	free(TAKE_PTR(config->user));
	free(TAKE_PTR(config->stop_signal));
	vmb_list_free(TAKE_PTR(config->exposed_ports));
	vmb_list_free(TAKE_PTR(config->volumes));
	vmb_list_free(TAKE_PTR(config->labels));
	vmb_list_free(TAKE_PTR(config->health.test));
}

void vmb_image_origin_done(struct vmb_image_origin *origin)
{
	free(TAKE_PTR(origin->created));
	free(TAKE_PTR(origin->author));
	free(TAKE_PTR(origin->arch));
	free(TAKE_PTR(origin->variant));
	for (size_t i = 0; i < origin->n_layers; i++) {
		free(origin->layers[i].digest);
		free(origin->layers[i].media_type);
	}
	free(TAKE_PTR(origin->layers));
	for (size_t i = 0; i < origin->n_history; i++) {
		free(origin->history[i].created);
		free(origin->history[i].created_by);
		free(origin->history[i].comment);
	}
	free(TAKE_PTR(origin->history));
	origin->n_layers = origin->n_history = 0;
}

void vmb_image_done(struct vmb_image *image)
{
	free(TAKE_PTR(image->name));
	free(TAKE_PTR(image->source));
	vmb_source_done(&image->from);
	free(TAKE_PTR(image->digest));
	free(TAKE_PTR(image->disk));
	free(TAKE_PTR(image->fstype));
	vmb_image_config_done(&image->config);
	vmb_image_origin_done(&image->origin);
	free(TAKE_PTR(image->manifest));
}

/* full: where a registry would have it */
static int no_image(const struct vmb_store *store, const char *name, const char *full)
{
	return vmb_error(VMBOOT_ENOIMAGE,
			 "the store %s has no image %s; pull it: `vmboot pull %s`, or import it: "
			 "`vmboot import SOURCE --name %s`",
			 store->path, name, full, name);
}

/* The first name of the list that the store has: 1; none: 0, and then *ret_full is the first. */
static int resolve_first(const struct vmb_store *store, char **names, char **ret_full,
			 char **ret_digest)
{
	char **full = names;
	int r = 0;

	while (*full && (r = vmb_index_resolve(store, *full, ret_digest)) == 0)
		full++;
	if (r >= 0 && vmb_strdup(r ? *full : *names, ret_full) < 0)
		return -ENOMEM;
	return r;
}

/*
 * What a user's name means in this store: 1. Nothing: 0, and the name that a registry has for it.
 * registries.conf is only read for a short name that is not under localhost/.
 */
static int resolve_name(const struct vmb_store *store, const char *name, char **ret_full,
			char **ret_digest)
{
	_cleanup_list_ char **own = NULL, **others = NULL;
	int r = vmb_name_candidates(name, &own);

	if (r == 0)
		r = vmb_index_resolve(store, own[0], ret_digest);
	if (r == 0 && own[1]) {
		r = vmb_registries_names(name, &others);
		if (r == 0)
			r = vmb_list_add(&others, own[1]);
		return r < 0 ? r : resolve_first(store, others, ret_full, ret_digest);
	}
	if (r >= 0 && vmb_strdup(own[0], ret_full) < 0)
		return -ENOMEM;
	return r;
}

int vmb_image_known_name(const struct vmb_store *store, const char *name, char **ret)
{
	_cleanup_free_ char *full = NULL, *digest = NULL;
	int r = resolve_name(store, name, &full, &digest);

	if (r < 0)
		return r;
	if (r == 0)
		return vmb_error(VMBOOT_ENOIMAGE, "the store %s has no image %s", store->path,
				 name);
	*ret = TAKE_PTR(full);
	return 0;
}

/* A name with a digest is also found if the digest is there under another name. */
static int find_name(const struct vmb_store *store, const char *name, struct vmb_image *image)
{
	int r = resolve_name(store, name, &image->name, &image->digest);

	if (r == 0 && vmb_name_digest(name)) {
		r = vmb_strdup(vmb_name_digest(name), &image->digest);
		r = r < 0 ? r : 1;
	}
	if (r > 0)
		r = vmb_index_find(store, image);
	if (r < 0)
		return r;
	return r > 0 ? 0 : no_image(store, name, image->name);
}

int vmb_image_check_platform(const struct vmb_image *image)
{
	return vmb_platform_check_image(NULL, image->origin.arch) < 0
		       ? vmb_error_prefix("%s", image->name)
		       : 0;
}

static int resolve_source(const struct vmb_store *store, bool ask, struct vmb_image *image)
{
	const struct vmb_source *source = &image->from;
	int r = 0;

	if (ask || !source->kind->remote)
		return source->kind->resolve(source, store, image);
	r = vmb_index_resolve(store, image->name, &image->digest);
	if (r == 0)
		return vmb_error(VMBOOT_ENOIMAGE,
				 "the store %s does not have %s yet; import it first, for a plan "
				 "asks no other host",
				 store->path, image->source);
	return r < 0 ? r : 0;
}

int vmb_image_find_source(const struct vmb_store *store, struct vmb_source *source,
			  const char *name, bool ask, struct vmb_image *image)
{
	int r;

	image->from = *source;
	*source = (struct vmb_source){0};
	r = name ? vmb_image_full_name(name, &image->name)
		 : vmb_source_name(&image->from, &image->name);
	if (r == 0)
		r = vmb_source_text(&image->from, &image->source);
	if (r == 0)
		r = resolve_source(store, ask, image);
	if (r == 0)
		r = vmb_index_find(store, image);
	return r < 0 ? r : 0;
}

/* A reference of the caller's: a source or a name. It is looked at here and nowhere else. */
static int find_reference(const struct vmb_store *store, const char *ref, const char *name,
			  bool ask, struct vmb_image *image)
{
	_cleanup_source_ struct vmb_source source = {0};
	int r = vmb_source_parse(ref, &source);

	if (r < 0)
		return r;
	return r ? vmb_image_find_source(store, &source, name, ask, image)
		 : find_name(store, ref, image);
}

int vmb_image_find(const struct vmb_store *store, const char *ref, struct vmb_image *ret)
{
	_cleanup_image_ struct vmb_image image = {0};
	int r = find_reference(store, ref, NULL, false, &image);

	if (r < 0)
		return r;
	*ret = image;
	image = (struct vmb_image){0};
	return 0;
}

/*
 * Gives the image its name and, if there is a source and need for it, imports it. What the name
 * led to before is handed back, for it may have lost its last name.
 */
static int place(const struct vmb_store *store, const struct vmb_log *log, struct vmb_image *image,
		 char **ret_old)
{
	_cleanup_close_ int lock = -1;
	int r = vmb_index_resolve(store, image->name, ret_old);

	if (r < 0 || (image->present && vmb_streq(*ret_old, image->digest)))
		return r < 0 ? r : 0;
	r = vmb_index_lock(store, image->digest, &lock);
	if (r == 0)
		r = vmb_index_find(store, image);
	if (r == 0 && !image->from.kind)
		return no_image(store, image->name, image->name);
	if (r == 0) {
		r = vmb_index_import(store, &image->from, log, image);
		if (r < 0)
			vmb_index_drop_lock(store, image->digest);
	}
	return r < 0 ? r : vmb_index_name(store, image->name, image->digest);
}

int vmb_image_import(const struct vmb_store *store, const struct vmb_log *log,
		     struct vmb_image *image)
{
	_cleanup_free_ char *old = NULL;
	int r = place(store, log, image, &old);

	if (r < 0)
		return r;
	if (!old || vmb_streq(old, image->digest))
		return 0;
	if (vmb_image_drop(store, old) < 0 || vmb_blobs_collect(store, false, NULL) < 0)
		vmb_log(log, VMBOOT_LOG_WARNING, "the old image %s stays: %s", old,
			vmboot_last_error()->message);
	return 0;
}

static int rename_image(struct vmb_image *image, const char *name)
{
	free(TAKE_PTR(image->name));
	return vmb_image_full_name(name, &image->name);
}

int vmb_image_ensure(const struct vmb_store *store, const char *ref, const char *name,
		     const struct vmb_log *log, struct vmb_image *ret)
{
	_cleanup_image_ struct vmb_image image = {0};
	int r = find_reference(store, ref, name, true, &image);

	if (r == 0 && name && !image.from.kind)
		r = rename_image(&image, name);
	if (r == 0 && (name || image.from.kind))
		r = vmb_image_import(store, log, &image);
	if (r < 0)
		return r;
	*ret = image;
	image = (struct vmb_image){0};
	return 0;
}
