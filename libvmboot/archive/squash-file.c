/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/squash-file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"

/* ---- the file ---- */

static void destroy_file(sqfs_object_t *object)
{
	struct vmb_squash_file *f = (struct vmb_squash_file *)object;

	close(f->fd);
	free(f);
}

static int failed(struct vmb_squash_file *f, int error)
{
	if (!f->error)
		f->error = error;
	return SQFS_ERROR_IO;
}

static int read_at(sqfs_file_t *file, sqfs_u64 at, void *data, size_t n)
{
	struct vmb_squash_file *f = (struct vmb_squash_file *)file;
	uint8_t *p = data;

	while (n > 0) {
		ssize_t r = pread(f->fd, p, n, (off_t)at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return failed(f, r < 0 ? errno : EIO);
		p += r;
		at += (uint64_t)r;
		n -= (size_t)r;
	}
	return 0;
}

static int write_at(sqfs_file_t *file, sqfs_u64 at, const void *data, size_t n)
{
	struct vmb_squash_file *f = (struct vmb_squash_file *)file;
	const uint8_t *p = data;

	while (n > 0) {
		ssize_t r = pwrite(f->fd, p, n, (off_t)at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return failed(f, r < 0 ? errno : ENOSPC);
		p += r;
		at += (uint64_t)r;
		n -= (size_t)r;
	}
	if (at > f->size)
		f->size = at;
	return 0;
}

static sqfs_u64 get_size(const sqfs_file_t *file)
{
	return ((const struct vmb_squash_file *)file)->size;
}

static int truncate_file(sqfs_file_t *file, sqfs_u64 size)
{
	struct vmb_squash_file *f = (struct vmb_squash_file *)file;

	if (ftruncate(f->fd, (off_t)size) < 0)
		return failed(f, errno);
	f->size = size;
	return 0;
}

int vmb_squash_file_new(const char *path, struct vmb_squash_file **ret)
{
	_cleanup_free_ struct vmb_squash_file *f = calloc(1, sizeof(*f));

	if (!f)
		return vmb_oom();
	f->file = (sqfs_file_t){
		.base = {.destroy = destroy_file},
		.read_at = read_at,
		.write_at = write_at,
		.get_size = get_size,
		.truncate = truncate_file,
	};
	f->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (f->fd < 0)
		return vmb_errno(errno, "cannot create %s", path);
	*ret = TAKE_PTR(f);
	return 0;
}

/* ---- compressors ---- */

static sqfs_s32 (*lz4_do_block)(sqfs_compressor_t *, const sqfs_u8 *, sqfs_u32, sqfs_u8 *,
				sqfs_u32);

/*
 * libsquashfs 1.2's own gives back what is longer than its input, as long as there is room for it;
 * tables of a few bytes became longer, and unsquashfs refuses such.
 */
static sqfs_s32 shorten_block(sqfs_compressor_t *c, const sqfs_u8 *in, sqfs_u32 n, sqfs_u8 *out,
			      sqfs_u32 room)
{
	return n < 2 ? 0 : lz4_do_block(c, in, n, out, room < n ? room : n - 1);
}

static sqfs_s32 keep_block(sqfs_compressor_t *c, const sqfs_u8 *in, sqfs_u32 n, sqfs_u8 *out,
			   sqfs_u32 room)
{
	(void)c, (void)in, (void)n, (void)out, (void)room;
	return 0;
}

int vmb_squash_new_lz4(bool unpack, sqfs_compressor_t **ret)
{
	sqfs_compressor_config_t config;
	int r = sqfs_compressor_config_init(&config, SQFS_COMP_LZ4, VMB_SQUASH_BLOCK,
					    unpack ? SQFS_COMP_FLAG_UNCOMPRESS : 0);

	if (r == 0)
		r = sqfs_compressor_create(&config, ret);
	if (r < 0 || unpack)
		return r;
	lz4_do_block = (*ret)->do_block;
	(*ret)->do_block = shorten_block;
	return 0;
}

int vmb_squash_new_plain(sqfs_compressor_t **ret)
{
	int r = vmb_squash_new_lz4(false, ret);

	if (r == 0)
		(*ret)->do_block = keep_block;
	return r;
}
