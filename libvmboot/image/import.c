/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "image/blobs.h"
#include "image/importer.h"
#include "image/index.h"
#include "image/platform.h"
#include "image/record.h"

/*
 * An import works in images/<digest>.tmp-XXXXXX and renames it at the end. The folder is locked by
 * who works in it, so one whose lock is free is the rest of an import that was killed.
 */

static int sync_path(const char *path, int flags, mode_t mode)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | flags);

	if (fd < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return vmb_errno(errno, "cannot write %s", path);
	return 0;
}

static int write_record(const char *path, const struct vmb_image *image)
{
	_cleanup_free_ char *json = NULL;
	int r = vmb_record_encode(image, &json);

	if (r == 0)
		r = vmb_write_file_atomic(path, json, strlen(json), 0644);
	return r < 0 ? r : sync_path(path, 0, 0644);
}

/*
 * The disk of the layout that skopeo made in the folder tmp, whose manifest may have another digest than
 * the image. Fills the image's config.
 */
static int build_layout(const struct vmb_source *source, const char *tmp, const char *disk,
			struct vmb_progress_count *import, struct vmb_image *image)
{
	_cleanup_image_ struct vmb_image layout = {0};
	const struct vmb_source own = {
		.kind = &vmb_source_oci,
		.path = (char *)tmp,
		.opts = source->opts,
	};
	int r = vmb_oci_read(&own, &layout);

	if (r == 0)
		r = vmb_platform_check_image(source->opts ? source->opts->platform : NULL,
					     layout.origin.arch);
	if (r < 0)
		return vmb_error_prefix("%s", image->name);
	r = vmb_importer_build(&own, &layout, disk, import);
	if (r < 0)
		return r;
	vmb_image_config_done(&image->config);
	image->config = layout.config;
	layout.config = (struct vmb_image_config){0};
	vmb_image_origin_done(&image->origin);
	image->origin = layout.origin;
	layout.origin = (struct vmb_image_origin){0};
	return 0;
}

/* The disk of the store that has the blobs may have spoiled one: without it, the next try fetches it. */
static int build_fetched(const struct vmb_store *store, const struct vmb_source *source,
			 const char *tmp, const char *disk, struct vmb_progress_count *import,
			 struct vmb_image *image)
{
	int r = build_layout(source, tmp, disk, import, image);

	if (r == -VMBOOT_EIMAGE && vmb_blobs_drop_damaged(store, strrchr(tmp, '/') + 1) > 0)
		return vmb_error(VMBOOT_EIMAGE, "%s; try again: it is fetched anew then",
				 vmboot_last_error()->message);
	return r;
}

/* A kind that is not in the table of source.c is unknown to that process, so it builds here. */
static int build_disk(const struct vmb_store *store, const struct vmb_source *source,
		      const char *tmp, const char *disk, struct vmb_progress_count *import,
		      struct vmb_image *image)
{
	struct stat st;
	int r = 0;

	if (source->kind->fetch)
		r = source->kind->fetch(source, store, image, tmp, import);
	if (r < 0)
		return r;
	if (!source->kind->build)
		r = build_fetched(store, source, tmp, disk, import, image);
	else if (vmb_source_kind_of(source->kind->prefix) == source->kind)
		r = vmb_importer_build(source, image, disk, import);
	else
		return source->kind->build(source, image, disk, import);
	if (r < 0)
		return r;
	if (lstat(disk, &st) < 0 || !S_ISREG(st.st_mode))
		return vmb_error(VMBOOT_EIMAGE, "%s: vmboot-import made no regular file %s",
				 import->what, disk);
	return 0;
}

/* The disk and its record in the folder tmp, safe on disk. */
static int fill_folder(const struct vmb_store *store, const struct vmb_source *source,
		       const char *tmp, struct vmb_progress_count *import, struct vmb_image *image)
{
	_cleanup_free_ char *disk = NULL, *record = NULL;
	struct stat st;
	int r = vmb_asprintf(&disk, "%s/root.%s", tmp, image->fstype);

	if (r == 0)
		r = vmb_asprintf(&record, "%s/image.json", tmp);
	if (r == 0)
		r = build_disk(store, source, tmp, disk, import, image);
	if (r == 0)
		r = sync_path(disk, 0, 0444);
	if (r < 0)
		return r;
	if (stat(disk, &st) < 0)
		return vmb_errno(errno, "cannot use %s", disk);
	image->bytes = (uint64_t)st.st_size;
	image->imported = time(NULL);
	r = write_record(record, image);
	return r < 0 ? r : sync_path(tmp, O_DIRECTORY, 0755);
}

/* What killed importers of this digest left: as we hold the lock, no one works in it any more. */
static void remove_leftovers(const struct vmb_store *store, const char *digest)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *images = NULL;
	struct dirent *d;
	char *prefix;

	if (vmb_index_path(store, digest, ".tmp-", &images) < 0)
		return;
	prefix = strrchr(images, '/');
	*prefix++ = '\0';
	dir = opendir(images);
	while (dir && (d = readdir(dir))) {
		_cleanup_free_ char *path = NULL;

		if (vmb_skip_prefix(d->d_name, prefix) &&
		    vmb_asprintf(&path, "%s/%s", images, d->d_name) == 0)
			vmb_rm_rf(path);
	}
}

static int put_in_place(const struct vmb_store *store, const char *tmp, const char *digest)
{
	_cleanup_free_ char *path = NULL, *images = NULL;
	int r = vmb_index_path(store, digest, "", &path);

	if (r == 0)
		r = vmb_asprintf(&images, "%s/images", store->path);
	if (r == 0 && vmb_exists(path)) /* not whole, or of another format: else we were not here */
		r = vmb_index_delete(store, digest);
	if (r == 0)
		r = vmb_rename(tmp, path);
	return r < 0 ? r : sync_path(images, O_DIRECTORY, 0711);
}

int vmb_index_import(const struct vmb_store *store, const struct vmb_source *source,
		     const struct vmb_log *log, struct vmb_image *image)
{
	_cleanup_tmp_folder_ char *tmp = NULL;
	_cleanup_free_ char *what = NULL, *path = NULL;
	_cleanup_close_ int fd = -1, blobs = -1;
	struct vmb_progress_count import = {.log = log};
	int r = vmb_asprintf(&what, "importing %s", image->name);

	if (r < 0)
		return r;
	import.what = what;
	remove_leftovers(store, image->digest);
	r = vmb_index_path(store, image->digest, "", &path);
	if (r == 0 && source->kind->fetch)
		r = vmb_blobs_lock(store, &blobs);
	if (r == 0)
		r = vmb_store_tmp_folder(path, &tmp, &fd);
	if (r == 0)
		r = fill_folder(store, source, tmp, &import, image);
	if (r == 0)
		r = put_in_place(store, tmp, image->digest);
	if (r < 0)
		return r;
	free(TAKE_PTR(tmp));
	r = vmb_index_find(store, image);
	if (r == 0)
		return vmb_error(EIO, "%s was imported, but is not there", image->disk);
	return r < 0 ? r : 0;
}
