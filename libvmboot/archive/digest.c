/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/digest.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

/* A file that changed this lately may change again without a new time stamp. */
enum { SETTLED_S = 2 };

int vmb_open_regular(const char *path, int *ret_fd, struct stat *ret_st)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return vmb_error(VMBOOT_EIMAGE, "%s does not exist", path);
	if (fd < 0)
		return vmb_errno(errno, "cannot open %s", path);
	if (fstat(fd, &st) < 0)
		return vmb_errno(errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return vmb_error(VMBOOT_EIMAGE, "%s is not a regular file", path);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	*ret_fd = TAKE_FD(fd);
	if (ret_st)
		*ret_st = st;
	return 0;
}

void vmb_hash_stat(struct vmb_hash *h, const struct stat *st)
{
	const int64_t facts[] = {
		(int64_t)st->st_size,	      (int64_t)st->st_mtim.tv_sec,
		(int64_t)st->st_mtim.tv_nsec, (int64_t)st->st_ctim.tv_sec,
		(int64_t)st->st_ctim.tv_nsec,
	};

	vmb_hash_add(h, facts, sizeof(facts));
}

static int memo_path(const struct vmb_store *store, const struct stat *st, char **ret)
{
	const uint64_t id[] = {(uint64_t)st->st_dev, (uint64_t)st->st_ino};
	char key[VMB_SHA256_HEX + 1];
	struct vmb_hash h;

	vmb_hash_init(&h);
	vmb_hash_add(&h, id, sizeof(id));
	vmb_hash_stat(&h, st);
	vmb_hash_hex(&h, key);
	return vmb_store_path(store, ret, "memo/file-%.32s", key);
}

static bool read_memo(const char *path, char hex[VMB_SHA256_HEX + 1])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[VMB_SHA256_HEX + 1] = "";

	if (fd < 0 || read(fd, text, VMB_SHA256_HEX) != VMB_SHA256_HEX ||
	    strspn(text, "0123456789abcdef") != VMB_SHA256_HEX)
		return false;
	memcpy(hex, text, sizeof(text));
	return true;
}

static bool is_settled(const struct stat *st)
{
	int64_t now = vmb_realtime_us() / 1000000;

	return st->st_ctim.tv_sec + SETTLED_S < now && st->st_mtim.tv_sec + SETTLED_S < now;
}

int vmb_file_digest(const struct vmb_store *store, const char *path, char hex[VMB_SHA256_HEX + 1],
		    struct stat *ret_st)
{
	_cleanup_free_ char *memo = NULL;
	_cleanup_close_ int fd = -1;
	char found[VMB_SHA256_HEX + 1];
	struct stat st;
	int r;

	r = vmb_open_regular(path, &fd, &st);
	if (r == 0)
		r = memo_path(store, &st, &memo);
	if (r < 0)
		return r;
	if (!read_memo(memo, found)) {
		r = vmb_hash_fd(fd, path, found);
		if (r == 0 && is_settled(&st))
			r = vmb_write_file_atomic(memo, found, VMB_SHA256_HEX, 0600);
		if (r < 0)
			return r;
	}
	memcpy(hex, found, sizeof(found));
	*ret_st = st;
	return 0;
}
