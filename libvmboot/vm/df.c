/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fts.h>
#include <vmboot/image.h>
#include <vmboot/vm.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "image/blobs.h"
#include "image/index.h"
#include "opts/opts.h"
#include "probe/facts.h"
#include "store/shared.h"

/* What a store's parts take on disk, and how much of it the commands that clean up would free. */

VMB_DEFINE_CLEANUP(fts_closep, FTS *, fts_close)
VMB_DEFINE_CLEANUP(infos_freep, struct vmboot_info **, vmboot_list_free)

struct part {
	const char *type;
	int64_t count, active, bytes, reclaimable;
};

/* Blocks of a file, or of a folder and all in it. What is gone by now takes nothing. */
static int64_t disk_usage(const char *path)
{
	char *roots[] = {(char *)path, NULL};
	vmb_cleanup(fts_closep) FTS *fts =
		fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	int64_t bytes = 0;
	FTSENT *ent;

	while (fts && (ent = fts_read(fts)))
		if (ent->fts_info != FTS_DP && ent->fts_info != FTS_NS && ent->fts_info != FTS_ERR)
			bytes += (int64_t)ent->fts_statp->st_blocks * 512;
	return bytes;
}

static int measure_images(const struct vmb_store *store, struct part *part)
{
	_cleanup_list_ char **digests = NULL;
	int r = vmb_index_digests(store, &digests);

	for (char **d = digests; r == 0 && *d; d++) {
		_cleanup_list_ char **users = NULL;
		_cleanup_free_ char *path = NULL;
		int64_t bytes;

		r = vmb_index_users(store, *d, &users);
		if (r == 0)
			r = vmb_index_path(store, *d, "", &path);
		if (r < 0)
			return r;
		bytes = disk_usage(path);
		part->count++;
		part->active += *users != NULL;
		part->bytes += bytes;
		part->reclaimable += *users ? 0 : bytes;
	}
	return r;
}

/* Whether it runs, as far as is known. */
static bool is_active(struct vmboot_info *const *infos, const char *name)
{
	for (; infos && *infos; infos++)
		if (vmb_streq((*infos)->name, name))
			return (*infos)->state != VMBOOT_STATE_STOPPED;
	return true;
}

static int measure_vms(const struct vmb_store *store, const struct vmboot_opts *where,
		       struct part *part)
{
	vmb_cleanup(infos_freep) struct vmboot_info **infos = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *vms = NULL;
	struct vmb_log log = vmb_log_of(where);
	struct dirent *ent;
	int r = vmb_asprintf(&vms, "%s/vms", store->path);

	if (r < 0)
		return r;
	if (vmboot_list(where, &infos) < 0)
		vmb_log(&log, VMBOOT_LOG_WARNING, "all VMs count as running: %s",
			vmboot_last_error()->message);
	dir = opendir(vms);
	while (dir && (ent = readdir(dir))) {
		_cleanup_free_ char *path = NULL;
		bool active;
		int64_t bytes;

		if (strchr(ent->d_name, '.') == ent->d_name || strstr(ent->d_name, ".tmp-"))
			continue;
		r = vmb_asprintf(&path, "%s/%s", vms, ent->d_name);
		if (r < 0)
			return r;
		bytes = disk_usage(path);
		active = is_active(infos, ent->d_name);
		part->count++;
		part->active += active;
		part->bytes += bytes;
		part->reclaimable += active ? 0 : bytes;
	}
	return 0;
}

static int64_t usage_in_store(const struct vmb_store *store, const char *name)
{
	_cleanup_free_ char *path = NULL;

	return vmb_asprintf(&path, "%s/%s", store->path, name) < 0 ? 0 : disk_usage(path);
}

static bool is_listed(char **list, const char *s)
{
	while (*list && !vmb_streq(*list, s))
		list++;
	return *list;
}

/* Kernels, initramfs files and kernel disks; reclaimable is what gc removes of them. */
static int measure_kernels(const struct vmb_store *store, struct part *part)
{
	_cleanup_list_ char **unused = NULL, **usual = NULL;
	_cleanup_free_ char *silent = NULL;
	int r = vmb_facts_usual_files(store, &usual);

	if (r == 0)
		r = vmb_shared_unused(store, &unused, &silent);
	if (r < 0)
		return r;
	part->bytes = usage_in_store(store, "kernels") + usage_in_store(store, "initramfs");
	part->count = vmb_shared_count(store);
	part->active = part->count;
	for (char **path = unused; *path; path++) {
		if (is_listed(usual, *path))
			continue;
		part->active--;
		part->reclaimable += disk_usage(*path);
	}
	return 0;
}

/* All else: what was fetched, templates of overlays, what was found out about the host. */
static int measure_caches(const struct vmb_store *store, struct part *part)
{
	uint64_t unused = 0;
	static const char *const others[] = {"images", "names", "vms", "kernels", "initramfs"};
	_cleanup_closedir_ DIR *dir = opendir(store->path);
	struct dirent *ent;

	while (dir && (ent = readdir(dir))) {
		bool other = ent->d_name[0] == '.';

		for (size_t i = 0; i < ARRAY_SIZE(others); i++)
			other |= vmb_streq(others[i], ent->d_name);
		if (other)
			continue;
		part->count++;
		part->bytes += usage_in_store(store, ent->d_name);
	}
	if (vmb_blobs_collect(store, true, &unused) > 0)
		part->reclaimable += (int64_t)unused;
	return 0;
}

static void add_part(struct json_object *list, const struct part *part)
{
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "type", part->type);
	vmb_json_int(o, "count", part->count);
	vmb_json_int(o, "active", part->active);
	vmb_json_int(o, "bytes", part->bytes);
	vmb_json_int(o, "reclaimable", part->reclaimable);
	json_object_array_add(list, o);
}

int vmboot_df(const struct vmboot_opts *where, char **ret_json)
{
	_cleanup_json_ struct json_object *list = json_object_new_array();
	_cleanup_store_ struct vmb_store store = {0};
	struct part images = {.type = "images"}, vms = {.type = "vms"};
	struct part kernels = {.type = "kernels"}, caches = {.type = "caches"};
	struct vmboot_opts own;
	int r = vmb_opts_read(where, false, &own);

	if (r == 0)
		r = vmb_store_find(own.store, &store);
	if (r > 0) {
		r = measure_images(&store, &images);
		if (r == 0)
			r = measure_vms(&store, &own, &vms);
		if (r == 0)
			r = measure_kernels(&store, &kernels);
		if (r == 0)
			r = measure_caches(&store, &caches);
	}
	if (r < 0)
		return r;
	if (!list)
		return vmb_oom();
	add_part(list, &images);
	add_part(list, &vms);
	add_part(list, &kernels);
	add_part(list, &caches);
	return vmb_json_text(list, ret_json);
}
