/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/path.h"
#include "base/error.h"
#include "base/limit.h"
#include "image/image.h"
#include "image/index.h"
#include "image/name.h"
#include "image/platform.h"
#include "image/registries.h"
#include "image/source.h"

/* When an image is pulled, and from where. */

static void move_image(struct vmb_image *from, struct vmb_image *to)
{
	*to = *from;
	*from = (struct vmb_image){0};
	to->from.opts = NULL; /* the caller's */
}

/* Takes the source over. */
static int pull_source(const struct vmb_store *store, const struct vmboot_opts *opts,
		       struct vmb_source *source, const char *name, const struct vmb_log *log,
		       struct vmb_image *ret)
{
	_cleanup_image_ struct vmb_image image = {0};
	int r;

	source->opts = opts;
	r = vmb_image_find_source(store, source, name, true, &image);
	if (r == 0 && image.present)
		r = vmb_platform_check_image(opts->platform, image.origin.arch);
	if (r == 0)
		r = vmb_image_import(store, log, &image);
	if (r < 0)
		return r;
	move_image(&image, ret);
	return 0;
}

/* From one registry; full: the name there. */
static int pull_full(const struct vmb_store *store, const struct vmboot_opts *opts,
		     const char *full, const char *name, const struct vmb_log *log,
		     struct vmb_image *ret)
{
	_cleanup_source_ struct vmb_source source = {.kind = &vmb_source_docker};
	int r = vmb_strdup(full, &source.path);

	return r < 0 ? r : pull_source(store, opts, &source, name, log, ret);
}

/* What another registry may still have. */
static bool try_next(int r)
{
	return r == -VMBOOT_ENOIMAGE || r == -VMBOOT_EIMAGE || r == -EACCES;
}

/* A short name is looked for in the registries that registries.conf lists, in order. */
static int pull_name(const struct vmb_store *store, const struct vmboot_opts *opts, const char *ref,
		     const char *name, const struct vmb_log *log, struct vmb_image *ret)
{
	_cleanup_list_ char **names = NULL;
	_cleanup_buf_ struct vmb_buf words = {0};
	int r = vmb_registries_names(ref, &names);

	if (r < 0)
		return r;
	if (!*names)
		return vmb_error(VMBOOT_ENOIMAGE,
				 "the store %s has no image %s, and localhost/ is no registry: "
				 "import it under this name",
				 store->path, ref);
	for (char **full = names; *full; full++) {
		r = pull_full(store, opts, *full, name, log, ret);
		if (!try_next(r))
			return r;
		vmb_buf_printf(&words, "%s%s", words.len ? "; " : "", vmboot_last_error()->message);
	}
	if (names[1] && words.data)
		return vmb_error(r, "no registry has %s: %s", ref, words.data);
	return r;
}

int vmb_image_pull(const struct vmb_store *store, const struct vmboot_opts *opts, const char *ref,
		   const char *name, const struct vmb_log *log, struct vmb_image *ret)
{
	_cleanup_source_ struct vmb_source source = {0};
	int r = vmb_source_parse(ref, &source);

	if (r < 0)
		return r;
	return r ? pull_source(store, opts, &source, name, log, ret)
		 : pull_name(store, opts, ref, name, log, ret);
}

/* Whether the store has it, for the platform that is wanted. *ret_local: under localhost/, and so for any. */
static int find(const struct vmb_store *store, const struct vmboot_opts *opts, bool *ret_local)
{
	_cleanup_image_ struct vmb_image image = {0};
	int r = vmb_image_find(store, opts->image, &image);

	*ret_local = false;
	if (r == -VMBOOT_ENOIMAGE)
		return 0;
	if (r < 0)
		return r;
	*ret_local = vmb_skip_prefix(image.name, "localhost/");
	return *ret_local || vmb_platform_check_image(opts->platform, image.origin.arch) == 0;
}

/* A digest always names the same image; one under localhost/ is of no registry. */
static bool is_settled(const struct vmboot_opts *opts, bool local)
{
	return opts->pull == VMBOOT_PULL_MISSING || strchr(opts->image, '@') ||
	       (local && opts->pull == VMBOOT_PULL_NEWER);
}

int vmb_image_provide(const struct vmb_store *store, const struct vmboot_opts *opts,
		      const struct vmb_log *log)
{
	const struct vmb_source_kind *kind = vmb_source_kind_of(opts->image);
	_cleanup_image_ struct vmb_image image = {0};
	bool local = false;
	int present, r;

	if (opts->pull == VMBOOT_PULL_NEVER || (kind && !kind->fetch))
		return 0;
	present = kind && !kind->registry ? 0 : find(store, opts, &local);
	if (present < 0 || (present && is_settled(opts, local)))
		return present < 0 ? present : 0;
	r = vmb_limit_step("pulling the image");
	if (r == 0)
		r = vmb_image_pull(store, opts, opts->image, NULL, log, &image);
	if (!present || opts->pull != VMBOOT_PULL_NEWER || !try_next(r))
		return r;
	vmb_log(log, VMBOOT_LOG_WARNING, "the image in the store is used: %s",
		vmboot_last_error()->message);
	return 0;
}
