/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/squash-root.h"

#include <fcntl.h>

#include "base/error.h"
#include "wire/bytes.h"

/* Offsets and sizes of squashfs 4.0, all numbers little-endian. */
enum {
	SUPER_SIZE = 96,
	SUPER_N_IDS = 26,
	SUPER_ROOT = 32, /* of the inode: block << 16 | offset in what the block holds */
	SUPER_IDS = 48,	 /* where pointers to blocks of ids are */
	SUPER_INODES = 64,
	BLOCK_SIZE = 8192,     /* of what a metadata block holds, behind its header */
	BLOCK_HEADER = 2,      /* length, and whether it is stored as it is */
	BLOCK_PLAIN = 1 << 15, /* it is */
	INODE_MODE = 2,
	INODE_UID = 4, /* this and the next: place in the list of ids */
	INODE_GID = 6,
	INODE_MTIME = 8,
	INODE_SIZE = 12, /* the part up to here */
	IDS_IN_BLOCK = BLOCK_SIZE / 4,
};

static int broken(const char *path)
{
	return vmb_error(VMBOOT_EHOST, "sqfstar made %s other than it was told", path);
}

static int read_at(int fd, const char *path, uint64_t at, uint8_t *data, size_t n)
{
	ssize_t r = pread(fd, data, n, (off_t)at);

	if (r < 0)
		return vmb_errno(errno, "cannot read %s", path);
	return (size_t)r == n ? 0 : broken(path);
}

static int write_at(int fd, const char *path, uint64_t at, const uint8_t *data, size_t n)
{
	ssize_t r = pwrite(fd, data, n, (off_t)at);

	if (r < 0 || (size_t)r != n)
		return vmb_errno(r < 0 ? errno : ENOSPC, "cannot write %s", path);
	return 0;
}

/* The length of the plain block at that place. */
static int check_block(int fd, const char *path, uint64_t at, size_t *ret_n)
{
	uint8_t h[BLOCK_HEADER];
	unsigned header;
	int r = read_at(fd, path, at, h, sizeof(h));

	if (r < 0)
		return r;
	header = (unsigned)vmb_get_le(h, BLOCK_HEADER);
	if (!(header & BLOCK_PLAIN) || (header & (BLOCK_PLAIN - 1)) > BLOCK_SIZE)
		return broken(path);
	*ret_n = header & (BLOCK_PLAIN - 1);
	return 0;
}

/* The place of id in the list of ids: 1, or 0 if it is not there. */
static int find_id(int fd, const char *path, const uint8_t *super, uint32_t id, uint16_t *ret)
{
	uint64_t n = vmb_get_le(super + SUPER_N_IDS, 2), table = vmb_get_le(super + SUPER_IDS, 8);
	uint8_t word[8];
	size_t len;
	int r;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t block;

		r = read_at(fd, path, table + i / IDS_IN_BLOCK * 8, word, 8);
		if (r < 0)
			return r;
		block = vmb_get_le(word, 8);
		if (i % IDS_IN_BLOCK == 0) {
			r = check_block(fd, path, block, &len);
			if (r < 0)
				return r;
		}
		r = read_at(fd, path, block + BLOCK_HEADER + i % IDS_IN_BLOCK * 4, word, 4);
		if (r < 0)
			return r;
		if (vmb_get_le(word, 4) == id) {
			*ret = (uint16_t)i;
			return 1;
		}
	}
	return 0;
}

/* An inode may start in one block and end in the next. */
struct pieces {
	uint64_t at[2];
	size_t n[2];
};

static int find_root(int fd, const char *path, const uint8_t *super, struct pieces *ret)
{
	uint64_t ref = vmb_get_le(super + SUPER_ROOT, 8);
	uint64_t block = vmb_get_le(super + SUPER_INODES, 8) + (ref >> 16);
	size_t offset = ref & 0xffff, len;
	int r = check_block(fd, path, block, &len);

	if (r < 0)
		return r;
	if (offset >= len)
		return broken(path);
	*ret = (struct pieces){{block + BLOCK_HEADER + offset, 0}, {INODE_SIZE, 0}};
	if (len - offset >= INODE_SIZE)
		return 0;
	ret->n[0] = len - offset;
	ret->n[1] = INODE_SIZE - ret->n[0];
	ret->at[1] = block + BLOCK_HEADER + len + BLOCK_HEADER;
	r = check_block(fd, path, ret->at[1] - BLOCK_HEADER, &len);
	return r < 0 || len >= ret->n[1] ? r : broken(path);
}

static int set_owner(int fd, const char *path, const uint8_t *super,
		     const struct vmb_squash_root *root, uint8_t *inode)
{
	uint16_t uid, gid;
	int r = find_id(fd, path, super, root->uid, &uid);

	if (r > 0)
		r = find_id(fd, path, super, root->gid, &gid);
	if (r <= 0)
		return r < 0 ? r : 1;
	vmb_put_le(inode + INODE_UID, uid, 2);
	vmb_put_le(inode + INODE_GID, gid, 2);
	return 0;
}

int vmb_squash_set_root(const char *path, const struct vmb_squash_root *root)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	uint8_t super[SUPER_SIZE], inode[INODE_SIZE];
	struct pieces p = {0};
	int r, owner;

	if (fd < 0)
		return vmb_errno(errno, "cannot open %s", path);
	r = read_at(fd, path, 0, super, sizeof(super));
	if (r == 0)
		r = find_root(fd, path, super, &p);
	if (r == 0)
		r = read_at(fd, path, p.at[0], inode, p.n[0]);
	if (r == 0)
		r = read_at(fd, path, p.at[1], inode + p.n[0], p.n[1]);
	if (r < 0)
		return r;
	vmb_put_le(inode + INODE_MODE, root->mode, 2);
	vmb_put_le(inode + INODE_MTIME, root->mtime, 4);
	owner = set_owner(fd, path, super, root, inode);
	if (owner < 0)
		return owner;
	r = write_at(fd, path, p.at[0], inode, p.n[0]);
	if (r == 0)
		r = write_at(fd, path, p.at[1], inode + p.n[0], p.n[1]);
	return r < 0 ? r : owner;
}
