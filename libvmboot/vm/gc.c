/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/sigpipe.h"
#include "image/blobs.h"
#include "image/image.h"
#include "probe/facts.h"
#include "store/shared.h"
#include "virt/domains.h"
#include "virt/undefine.h"
#include "vm/files.h"
#include "vm/vm.h"

enum {
	/* A half-made file that nobody holds and nobody touched for that long is nobody's. */
	TMP_AGE_S = 600,
	SEIZE_MS = 1000, /* who makes a VM from what is there needs less */
};

struct gc {
	struct vmboot_vm *vm; /* store and connection */
	struct vmb_domains domains;
	bool dry;
	int removed;
	struct json_object *report;
};

static void report(struct gc *gc, const char *what, const char *name, const char *why)
{
	struct json_object *o = json_object_new_object();

	vmb_json_str(o, "what", what);
	vmb_json_str(o, "name", name);
	vmb_json_str(o, "why", why);
	json_object_array_add(gc->report, o);
	gc->removed++;
}

static int remove_path(struct gc *gc, const char *path, const char *why)
{
	int r = gc->dry ? 0 : vmb_rm_rf(path);

	if (r == 0)
		report(gc, "files", path, why);
	return r;
}

/* The store that a VM names is the one that is cleaned, if by another path. */
static bool is_ours(const struct gc *gc, const char *store)
{
	struct stat ours, theirs;

	return vmb_streq(store, gc->vm->store.path) ||
	       (stat(gc->vm->store.path, &ours) == 0 && stat(store, &theirs) == 0 &&
		ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino);
}

/* Or was, before somebody moved it: what is in the VM's disks is not ours to throw away. */
static bool may_be_ours(const struct gc *gc, const char *store)
{
	return is_ours(gc, store) || !vmb_exists(store);
}

/* A probe whose prober died: nobody holds its folder's lock. */
static int collect_probe(struct gc *gc, virDomainPtr d)
{
	_cleanup_free_ char *folder = NULL;
	_cleanup_close_ int lock = -1;
	const char *name = virDomainGetName(d);
	const char *suffix = strrchr(name, '-');
	int r;

	if (!suffix)
		return 0; /* no probe of ours is called like that */
	r = vmb_asprintf(&folder, "%s/memo/probe.tmp-%s", gc->vm->store.path, suffix + 1);
	if (r < 0)
		return r;
	r = vmb_files_lock(folder, LOCK_EX, &lock);
	if (r < 0 && r != -VMBOOT_ENOVM)
		return r == -EBUSY ? 0 : r;
	if (!gc->dry && virDomainDestroy(d) < 0 && vmb_libvirt_code() != VIR_ERR_NO_DOMAIN)
		return vmb_libvirt_error("cannot remove the domain \"%s\"", name);
	report(gc, "domain", name, "whoever tried KVM with it is gone");
	return 0;
}

/*
 * A domain whose maker died: either its files are gone, or they are there without a ledger, which
 * is written when all else is done, and nobody holds them any more: then *ret_lock does.
 */
static const char *why_remove(const struct vmb_plan_files *files, int *ret_lock)
{
	if (!vmb_exists(files->folder))
		return "its files are gone";
	if (vmb_exists(files->ledger) || vmb_files_lock(files->folder, LOCK_EX, ret_lock) < 0)
		return NULL;
	return "half-made, and nobody works on it";
}

/* 1; or 0 if somebody else did so. Without a lock the files, if there are any, are of another VM. */
static int remove_half_made(const struct vmb_domains_row *row, const struct vmb_plan_files *files,
			    int lock, const struct vmb_log *log)
{
	int r = vmb_domain_undefine(row->domain, log);

	if (r <= 0)
		return r;
	if (lock >= 0)
		(void)vmb_store_remove_folder(files->folder);
	return 1;
}

static int collect_domain(struct gc *gc, const struct vmb_domains_row *row)
{
	_cleanup_plan_files_ struct vmb_plan_files files = {0};
	const char *name = virDomainGetName(row->domain), *why;
	_cleanup_close_ int lock = -1;
	enum vmboot_state state;
	int r;

	if (!is_ours(gc, row->metadata.store))
		return 0; /* another store's */
	if (row->metadata.probe)
		return collect_probe(gc, row->domain);
	r = vmb_plan_files(row->metadata.store, name, &files);
	if (r < 0)
		return r;
	why = why_remove(&files, &lock);
	if (!why || vmb_vm_state(row->domain, &state, NULL) < 0 || state != VMBOOT_STATE_STOPPED)
		return 0;
	r = gc->dry ? 1 : remove_half_made(row, &files, lock, &gc->vm->log);
	if (r > 0)
		report(gc, "domain", name, why);
	return r < 0 ? r : 0;
}

static bool is_listed_domain(const struct gc *gc, const char *name)
{
	for (size_t i = 0; i < gc->domains.n; i++)
		if (vmb_streq(virDomainGetName(gc->domains.list[i].domain), name) &&
		    may_be_ours(gc, gc->domains.list[i].metadata.store))
			return true;
	return false;
}

/* 1 if libvirt has such a VM with its files in our store, as far as can be told; 0 if not. */
static int has_domain(const struct gc *gc, const char *name)
{
	_cleanup_metadata_ struct vmb_metadata metadata = {0};
	_cleanup_domain_ virDomainPtr d = NULL;
	int r = vmb_conn_domain(gc->vm->conn, name, &d);

	if (r == 0)
		r = vmb_vm_metadata(d, name, &metadata);
	if (r < 0)
		return r == -VMBOOT_ENOVM ? 0 : r;
	return may_be_ours(gc, metadata.store);
}

/* 1 if another libvirt than the one that was asked may have the VM; 0 if not. */
static int is_of_another(const struct gc *gc, const char *folder, const char *name)
{
	_cleanup_free_ char *theirs = NULL, *ours = NULL;
	int r = vmb_files_read_libvirt(folder, &theirs);

	if (r > 0)
		r = vmb_conn_real_uri(gc->vm->conn, &ours);
	if (r < 0 || !theirs || vmb_streq(theirs, ours))
		return r;
	vmb_log(&gc->vm->log, VMBOOT_LOG_WARNING,
		"the VM %s is left alone: it was made at %s, and this is %s", name, theirs, ours);
	return 1;
}

static int collect_folder(struct gc *gc, const char *name)
{
	_cleanup_plan_files_ struct vmb_plan_files files = {0};
	_cleanup_close_ int lock = -1;
	int r;

	if (is_listed_domain(gc, name))
		return 0;
	r = vmb_plan_files(gc->vm->store.path, name, &files);
	if (r < 0)
		return r;
	r = vmb_files_lock(files.folder, LOCK_EX, &lock);
	if (r == -EBUSY || r == -VMBOOT_ENOVM)
		return 0; /* in use, or gone by itself */
	if (r == 0)
		r = has_domain(gc, name); /* it may have been made since all were listed */
	if (r == 0)
		r = is_of_another(gc, files.folder, name);
	return r ? (r < 0 ? r : 0) : remove_path(gc, files.folder, "libvirt knows no such VM");
}

/* Old, and nobody holds a lock on it. */
static bool is_abandoned(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (lstat(path, &st) < 0 || vmb_realtime_us() / 1000000 - st.st_mtim.tv_sec < TMP_AGE_S)
		return false;
	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0;
}

static int collect_tmp(struct gc *gc, const char *folder, const char *name)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (!strstr(name, ".tmp-"))
		return 0;
	r = vmb_asprintf(&path, "%s/%s", folder, name);
	if (r < 0)
		return r;
	return is_abandoned(path) ? remove_path(gc, path, "half-made, and nobody works on it") : 0;
}

/* Calls fn for each entry of a folder in the store; a folder that is not there has none. */
static int each_entry(struct gc *gc, const char *sub,
		      int (*fn)(struct gc *gc, const char *folder, const char *name))
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_free_ char *path = NULL;
	struct dirent *ent;
	int r;

	r = vmb_asprintf(&path, "%s/%s", gc->vm->store.path, sub);
	if (r < 0)
		return r;
	dir = opendir(path);
	while (dir && r == 0 && (ent = readdir(dir)))
		if (ent->d_name[0] != '.')
			r = fn(gc, path, ent->d_name);
	return r;
}

static int collect_vm_folder(struct gc *gc, const char *folder VMB_UNUSED, const char *name)
{
	return strchr(name, '.') ? 0 : collect_folder(gc, name);
}

/* What a name moved away from while a VM used it, and that VM is gone. */
static int collect_images(struct gc *gc)
{
	_cleanup_list_ char **digests = NULL;
	int r;

	r = vmb_image_unused(&gc->vm->store, &digests);
	for (char **d = digests; d && *d && r >= 0; d++) {
		r = gc->dry ? 1 : vmb_image_drop(&gc->vm->store, *d);
		if (r > 0)
			report(gc, "image", *d, "it has no name, and no VM uses it");
	}
	return r < 0 ? r : 0;
}

/* What was fetched and no image has: of a removed image, or of a fetch that was not tried again. */
static int collect_blobs(struct gc *gc)
{
	const struct vmb_store *store = &gc->vm->store;
	_cleanup_free_ char *path = NULL, *why = NULL;
	uint64_t bytes = 0;
	int n = vmb_blobs_collect(store, gc->dry, &bytes);
	int r = n < 0 ? n : vmb_asprintf(&path, "%s/blobs/sha256", store->path);

	if (r == 0)
		r = vmb_asprintf(&why, "%d fetched blobs, %llu bytes, that no image has", n,
				 (unsigned long long)bytes);
	if (r == 0 && n > 0)
		report(gc, "blobs", path, why);
	return r;
}

static bool is_listed(char **list, const char *s)
{
	while (*list && !vmb_streq(*list, s))
		list++;
	return *list;
}

/* With the lock of who made it, if it has one, which nobody holds while all are seized. */
static int remove_shared(struct gc *gc, const char *path)
{
	_cleanup_free_ char *lock = NULL;
	int r = vmb_asprintf(&lock, "%s.lock", path);

	if (r == 0)
		r = remove_path(gc, path, "no VM uses it, and a new one would not");
	if (r == 0 && !gc->dry)
		unlink(lock);
	return r;
}

/* Kernels, initramfs files and kernel disks of kernels that were replaced. */
static int collect_shared(struct gc *gc)
{
	const struct vmb_store *store = &gc->vm->store;
	_cleanup_list_ char **unused = NULL, **usual = NULL;
	_cleanup_free_ char *silent = NULL;
	_cleanup_close_ int lock = -1;
	int r = vmb_facts_usual_files(store, &usual);

	if (r == 0)
		r = vmb_shared_seize(store, SEIZE_MS, &lock);
	if (r == -ETIMEDOUT) {
		vmb_log(&gc->vm->log, VMBOOT_LOG_WARNING,
			"a VM is being made: kernels that no VM uses are left for another time");
		return 0;
	}
	if (r == 0)
		r = vmb_shared_unused(store, &unused, &silent);
	if (silent)
		vmb_log(&gc->vm->log, VMBOOT_LOG_WARNING,
			"the VM %s does not say which kernel it uses, as those of an older "
			"version: no kernel is removed",
			silent);
	for (char **path = unused; path && *path && r == 0; path++)
		if (!is_listed(usual, *path))
			r = remove_shared(gc, *path);
	return r;
}

static int collect(struct gc *gc)
{
	static const char *const folders[] = {"images",	   "names",   "kernels", "memo",
					      "initramfs", "overlay", "vms"};
	int r;

	r = vmb_domains_list(gc->vm->conn, &gc->domains);
	for (size_t i = 0; i < gc->domains.n && r == 0; i++)
		r = collect_domain(gc, &gc->domains.list[i]);
	if (r < 0 || !vmb_exists(gc->vm->store.path))
		return r; /* no store, nothing in it */
	r = each_entry(gc, "vms", collect_vm_folder);
	for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++)
		r = each_entry(gc, folders[i], collect_tmp);
	if (r == 0)
		r = collect_images(gc);
	if (r == 0)
		r = collect_blobs(gc);
	return r < 0 ? r : collect_shared(gc);
}

int vmboot_gc(const struct vmboot_opts *where, unsigned flags, char **ret_json)
{
	VMB_NO_SIGPIPE;
	_cleanup_vm_ struct vmboot_vm *vm = NULL;
	_cleanup_json_ struct json_object *list = NULL;
	struct gc gc = {.dry = flags & VMBOOT_GC_DRY_RUN};
	int r;

	if (flags & ~VMBOOT_GC_DRY_RUN)
		return vmb_error(EINVAL, "unknown flags %#x", flags);
	list = json_object_new_array();
	if (!list)
		return vmb_oom();
	r = vmb_vm_find(where, "", &vm);
	if (r < 0 && r != -VMBOOT_ENOVM)
		return r;
	gc.vm = vm;
	gc.report = list;
	r = vm ? collect(&gc) : 0;
	vmb_domains_done(&gc.domains);
	if (r == 0 && ret_json)
		r = vmb_json_text(list, ret_json);
	return r < 0 ? r : gc.removed;
}
