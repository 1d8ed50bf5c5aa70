/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/disk.h"

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"

/* Raise it when the same size shall give other bytes. */
#define FORMAT "ext4-2"

/* Every overlay has it; no guest ever sees two. */
#define FS_UUID "3d8f5a86-6a1c-4f0e-9d27-5c9be7d0a3b1"

/*
 * All features by name (and no mke2fs.conf), so that neither the host's configuration nor a newer
 * e2fsprogs adds one that an older guest kernel does not know. sparse_super2 keeps two copies of
 * the superblock instead of a dozen, and without resize_inode nothing is set aside for growing in
 * place: so a clone of 10 GiB is 84 KiB of real disk. It can be grown, unmounted, by resize2fs.
 */
#define FEATURES                                                                                   \
	"none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super2,"         \
	"large_file,huge_file,dir_nlink,extra_isize,metadata_csum"

/*
 * lazy_itable_init=0: the inode tables count as zeroed (they are holes, so nothing is written) and
 * the guest's kernel has nothing left to do. lazy_journal_init=1: so does the journal.
 */
#define EXTENDED "lazy_itable_init=0,lazy_journal_init=1,hash_seed=" FS_UUID

enum { LOCK_TIMEOUT_MS = 60000 };

/* MiB. A journal goes round, so in time all of it is real disk on the host. */
static uint64_t journal_size(uint64_t size_mib)
{
	const uint64_t min = 4, max = 64;
	uint64_t want = size_mib / 64;

	return want < min ? min : want > max ? max : want;
}

/*
 * An inode for each 16 KiB, which is mke2fs's rule; but a small overlay is to take a node_modules or a
 * maildir all the same: up to 2^18, one for each block. Tables are holes until an inode is used, and
 * take 1/16 of a small overlay's room.
 */
static uint64_t inode_count(uint64_t size_mib)
{
	const uint64_t per_block = size_mib << 8, usual = size_mib << 6, enough = 1 << 18;
	uint64_t small = per_block < enough ? per_block : enough;

	return usual > small ? usual : small;
}

static bool is_dense(uint64_t size_mib)
{
	return inode_count(size_mib) > size_mib << 6;
}

/*
 * How many groups' tables lie together. resize2fs (1.47) damages a file system that has both dense
 * tables and many of them together.
 */
#define USUAL_GROUPS "256"
#define DENSE_GROUPS "16"

/* mke2fs on a file that has its size. Fixed time, no mke2fs.conf: the same bytes on every host. */
static int make_file_system(const char *file, uint64_t size_mib)
{
	_cleanup_free_ char *mke2fs = vmb_find_tool("mke2fs"), *journal = NULL, *inodes = NULL;

	if (!mke2fs)
		return vmb_error(VMBOOT_EHOST,
				 "the tool mke2fs is not installed; on Debian, install e2fsprogs");
	if (vmb_asprintf(&journal, "size=%llu", (unsigned long long)journal_size(size_mib)) < 0 ||
	    vmb_asprintf(&inodes, "%llu", (unsigned long long)inode_count(size_mib)) < 0)
		return -ENOMEM;
	/* clang-format off */
	const char *const argv[] = {
		"env", "MKE2FS_CONFIG=/dev/null", "SOURCE_DATE_EPOCH=1", "E2FSPROGS_FAKE_TIME=1",
		mke2fs, "-q", "-F",
		"-b", "4096", /* bytes a block */
		"-I", "256",  /* bytes an inode */
		"-N", inodes,
		"-m", "0", /* per cent kept for root */
		"-G", is_dense(size_mib) ? DENSE_GROUPS : USUAL_GROUPS,
		"-J", journal,
		"-L", "vmboot-overlay",
		"-U", FS_UUID,
		"-O", FEATURES,
		"-E", EXTENDED,
		file, NULL,
	};
	/* clang-format on */
	return vmb_run(argv, NULL);
}

static int make_template(const char *path, uint64_t size_mib, const struct vmb_log *log)
{
	_cleanup_unlink_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	vmb_log(log, VMBOOT_LOG_INFO, "making the overlay template %s", path);
	r = vmb_open_tmp(path, 0600, &fd, &tmp);
	if (r < 0)
		return r;
	if (ftruncate(fd, (off_t)(size_mib << 20)) < 0)
		return vmb_errno(errno, "cannot make a disk of %llu MiB in the store",
				 (unsigned long long)size_mib);
	r = make_file_system(tmp, size_mib);
	if (r < 0)
		return vmb_error_prefix("cannot make an overlay of %llu MiB",
					(unsigned long long)size_mib);
	return vmb_publish_tmp(fd, &tmp, path);
}

static int open_template(const struct vmb_store *store, uint64_t size_mib,
			 const struct vmb_log *log, int *ret_fd)
{
	_cleanup_free_ char *name = NULL, *path = NULL;
	_cleanup_close_ int lock = -1;
	int fd, r;

	r = vmb_asprintf(&name, "overlay/" FORMAT "-%llu", (unsigned long long)size_mib);
	if (r == 0)
		r = vmb_store_path(store, &path, "%s.img", name);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		r = vmb_store_lock(store, name, LOCK_TIMEOUT_MS, &lock);
		if (r == 0 && !vmb_exists(path))
			r = make_template(path, size_mib, log);
		if (r < 0)
			return r;
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return vmb_errno(errno, "cannot open the overlay template %s", path);
	*ret_fd = fd;
	return 0;
}

int vmb_overlay_create(const struct vmb_store *store, const char *path, uint64_t size_mib,
		       const struct vmb_log *log)
{
	_cleanup_unlink_ char *half_made = NULL;
	_cleanup_close_ int from = -1, to = -1;
	_cleanup_free_ char *name = NULL;
	int r;

	if (size_mib == 0 || size_mib > (uint64_t)INT64_MAX >> 20)
		return vmb_error(EINVAL, "an overlay of %llu MiB cannot be made",
				 (unsigned long long)size_mib);
	r = vmb_strdup(path, &name);
	if (r == 0)
		r = open_template(store, size_mib, log, &from);
	if (r < 0)
		return r;
	to = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return vmb_errno(errno, "cannot make the overlay disk %s", path);
	half_made = TAKE_PTR(name);
	r = vmb_copy_sparse(from, to, path);
	if (r < 0)
		return r;
	free(TAKE_PTR(half_made));
	return 0;
}
