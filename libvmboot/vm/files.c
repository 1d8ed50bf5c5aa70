/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/files.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/file.h"
#include "disk/disk.h"
#include "guest/tail.h"
#include "initrd/initrd.h"
#include "store/shared.h"

#define LIBVIRT_LINK "libvirt"

enum {
	FOLDER_MODE = 0711,
	HOLD_MS = 60000, /* who removes shared files does so in less */
};

static int parse_id(const char *s, const char **ret_rest, unsigned *ret)
{
	char *end;
	unsigned long v;

	if (*s == '+')
		s++;
	if (*s < '0' || *s > '9') /* strtoul() takes blanks and signs, too */
		return -EINVAL;
	errno = 0;
	v = strtoul(s, &end, 10);
	if (errno || v >= (unsigned)-1)
		return -EINVAL;
	*ret_rest = end;
	*ret = (unsigned)v;
	return 0;
}

int vmb_files_parse_label(const char *label, uid_t *ret_uid, gid_t *ret_gid)
{
	const char *rest;
	unsigned uid, gid;

	if (parse_id(label, &rest, &uid) < 0 || *rest != ':' ||
	    parse_id(rest + 1, &rest, &gid) < 0 || *rest)
		return -EINVAL;
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

int vmb_files_give(const char *path, const char *dac_label)
{
	uid_t uid;
	gid_t gid;

	if (!dac_label)
		return 0;
	if (vmb_files_parse_label(dac_label, &uid, &gid) < 0)
		return vmb_error(VMBOOT_ELIBVIRT, "libvirt's DAC label \"%s\" is no user and group",
				 dac_label);
	if (lchown(path, uid, gid) < 0)
		return vmb_errno(errno, "cannot give %s to libvirt's user", path);
	return 0;
}

int vmb_files_create(const char *path, const char *dac_label)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return vmb_errno(errno, "cannot make %s", path);
	return vmb_files_give(path, dac_label);
}

static int files_are_gone(const char *folder)
{
	return vmb_error(VMBOOT_ENOVM,
			 "the VM's files are gone from %s; `virsh destroy` ends it if it "
			 "runs, and `vmboot gc` removes the rest",
			 folder);
}

int vmb_files_lock(const char *folder, int operation, int *ret_lock)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct stat ours, now;
	int r;

	r = vmb_asprintf(&path, "%s/lock", folder);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == ENOENT)
		return files_are_gone(folder);
	if (fd < 0)
		return vmb_errno(errno, "cannot open %s", path);
	if (flock(fd, operation | LOCK_NB) < 0)
		return vmb_errno(errno == EWOULDBLOCK ? EBUSY : errno, "cannot lock %s", path);
	/* what was opened may have been removed before it was locked, and another be there now */
	if (fstat(fd, &ours) < 0 || stat(path, &now) < 0 || ours.st_ino != now.st_ino ||
	    ours.st_dev != now.st_dev)
		return files_are_gone(folder);
	*ret_lock = TAKE_FD(fd);
	return 0;
}

/* A name in vms/ is there with its lock held, or not at all: gc takes what nobody holds. */
int vmb_files_claim(const struct vmb_plan *plan, int *ret_lock)
{
	const char *folder = plan->files.folder;
	_cleanup_free_ char *above = NULL;
	_cleanup_tmp_folder_ char *tmp = NULL;
	_cleanup_close_ int held = -1, lock = -1;
	int r;

	r = vmb_asprintf(&above, "%s/vms", plan->facts.store);
	if (r == 0)
		r = vmb_mkdir_p(above, FOLDER_MODE);
	if (r == 0)
		r = vmb_store_tmp_folder(folder, &tmp, &held);
	if (r == 0)
		r = vmb_files_lock(tmp, LOCK_EX, &lock);
	if (r < 0)
		return r;
	/* whatever the program's umask is: QEMU's user must get through */
	if (chmod(tmp, FOLDER_MODE) < 0)
		return vmb_errno(errno, "cannot set the mode of %s", tmp);
	if (rename(tmp, folder) < 0) {
		if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR)
			return vmb_error(EEXIST,
					 "the VM \"%s\" has files in %s already: choose another "
					 "name, or remove it (`vmboot rm`, or `vmboot gc` if "
					 "nobody uses it)",
					 plan->name, folder);
		return vmb_errno(errno, "cannot make %s", folder);
	}
	free(TAKE_PTR(tmp));
	*ret_lock = TAKE_FD(lock);
	return 0;
}

int vmb_files_note_libvirt(const char *folder, const char *uri)
{
	_cleanup_free_ char *link = NULL;
	int r = vmb_asprintf(&link, "%s/" LIBVIRT_LINK, folder);

	if (r == 0 && symlink(uri, link) < 0)
		r = vmb_errno(errno, "cannot make the link %s", link);
	return r;
}

int vmb_files_read_libvirt(const char *folder, char **ret_uri)
{
	_cleanup_free_ char *link = NULL;
	char uri[PATH_MAX];
	ssize_t n;
	int r = vmb_asprintf(&link, "%s/" LIBVIRT_LINK, folder);

	if (r < 0)
		return r;
	n = readlink(link, uri, sizeof(uri) - 1);
	if (n < 0 && errno != ENOENT && errno != EINVAL)
		return vmb_errno(errno, "cannot read %s", link);
	if (n < 0)
		return 0;
	uri[n] = '\0';
	r = vmb_strdup(uri, ret_uri);
	return r < 0 ? r : 1;
}

static int make_config(const struct vmb_plan *plan)
{
	_cleanup_free_ struct vmb_guest_config *config = malloc(sizeof(*config));
	int r;

	if (!config)
		return vmb_oom();
	r = vmb_plan_guest_config(plan, config);
	if (r == 0)
		r = vmb_config_disk_create(plan->files.config, config);
	return r;
}

int vmb_files_share(const struct vmb_store *store, struct vmb_facts *f, const struct vmb_log *log,
		    int *ret_held)
{
	_cleanup_close_ int held = -1;
	int r = vmb_shared_hold(store, HOLD_MS, &held);

	if (r == 0)
		r = vmb_kernel_ensure(store, &f->kernel, log, &f->kernel_direct, &f->kernel_copy);
	if (r == 0)
		r = vmb_initrd_ensure(store, &f->kernel, &f->modules, f->init, log);
	if (r == 0)
		*ret_held = TAKE_FD(held);
	return r;
}

int vmb_files_make(const struct vmb_plan *plan, const struct vmb_store *store,
		   const struct vmb_log *log)
{
	const struct vmb_plan_files *f = &plan->files;
	const char *label = plan->facts.dac_label;
	const char *logs[] = {f->console, f->out, f->err, f->events};
	const struct vmb_shared shared = {
		.kernel = plan->facts.kernel_copy,
		.initramfs = plan->facts.initramfs,
		.kernel_disk = plan->facts.kernel_disk,
	};
	int r;

	r = vmb_image_use(store, &plan->facts.image, f->folder);
	if (r == 0)
		r = vmb_shared_use(store, &shared, f->folder);
	if (r == 0)
		r = vmb_overlay_create(store, f->overlay, plan->overlay_mib, log);
	if (r == 0)
		r = make_config(plan);
	for (size_t i = 0; i < plan->n_disks && r == 0; i++)
		if (!plan->disks[i].shared)
			r = vmb_files_give(plan->disks[i].file, label);
	for (size_t i = 0; i < ARRAY_SIZE(logs) && r == 0; i++)
		r = vmb_files_create(logs[i], label);
	return r;
}

/* In one step: whoever begins to listen at this moment finds a file, and so does he after a crash. */
static int empty_log(const char *path, const char *dac_label)
{
	_cleanup_unlink_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	int r = vmb_tail_remove_rotated(path);

	if (r == 0)
		r = vmb_open_tmp(path, 0600, &fd, &tmp);
	if (r == 0)
		r = vmb_files_give(tmp, dac_label);
	if (r == 0)
		r = vmb_rename(tmp, path);
	if (r == 0)
		free(TAKE_PTR(tmp));
	return r;
}

int vmb_files_reset(const struct vmb_plan_files *f, const char *dac_label)
{
	const char *logs[] = {f->console, f->out, f->err, f->events};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(logs) && r == 0; i++)
		r = empty_log(logs[i], dac_label);
	return r;
}

/* By its mode bits. An ACL may allow more or less: then libvirt tells. */
static bool forbidden(const char *path, uid_t uid, gid_t gid, mode_t bit)
{
	struct stat st;

	if (uid == 0 || stat(path, &st) < 0)
		return false;
	if (st.st_uid == uid)
		bit <<= 6;
	else if (st.st_gid == gid)
		bit <<= 3;
	return !(st.st_mode & bit) && getxattr(path, "system.posix_acl_access", NULL, 0) <= 0;
}

int vmb_files_obstacle(const char *path, const char *dac_label, char **ret_part)
{
	_cleanup_free_ char *part = NULL;
	uid_t uid;
	gid_t gid;
	int found = 0;

	if (!dac_label || vmb_files_parse_label(dac_label, &uid, &gid) < 0)
		return 0;
	if (vmb_strdup(path, &part) < 0)
		return -ENOMEM;
	for (char *p = part + 1; !found && (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (forbidden(part, uid, gid, S_IXOTH))
			found = 'x';
		else
			*p = '/';
	}
	if (!found && !vmb_ends_with(path, "/") && forbidden(path, uid, gid, S_IROTH))
		found = 'r';
	if (found)
		*ret_part = TAKE_PTR(part);
	return found;
}

static int check_reach(const char *path, const char *dac_label)
{
	const char *user = dac_label + (*dac_label == '+');
	_cleanup_free_ char *part = NULL;
	int r = vmb_files_obstacle(path, dac_label, &part);

	if (r == 'x')
		return vmb_error(VMBOOT_EHOST,
				 "libvirt's user (uid %.*s) cannot reach %s: it may not pass "
				 "through %s; `chmod o+x %s`, or choose another store",
				 (int)strcspn(user, ":"), user, path, part, part);
	if (r == 'r')
		return vmb_error(VMBOOT_EHOST, "libvirt's user (uid %.*s) cannot read %s",
				 (int)strcspn(user, ":"), user, path);
	return r;
}

int vmb_files_check_access(const struct vmb_plan *plan)
{
	const struct vmb_facts *f = &plan->facts;
	const char *paths[] = {f->firmware, f->kernel_copy, f->initramfs};
	int r = 0;

	for (size_t i = 0; f->dac_label && i < plan->n_disks && r == 0; i++)
		r = check_reach(plan->disks[i].file, f->dac_label);
	for (size_t i = 0; f->dac_label && i < ARRAY_SIZE(paths) && r == 0; i++)
		if (paths[i])
			r = check_reach(paths[i], f->dac_label);
	return r;
}
