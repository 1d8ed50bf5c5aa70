/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "image/oci-json.h"
#include "image/source.h"
#include "wire/bytes.h"

/* disk: a file system image that the guest mounts as it is; known by its superblock. */

enum { SUPER_BYTES = 4096 };

/* What a superblock tells: how long the file system is, and whether it can be used. */
struct super {
	uint64_t bytes;
	const char *obstacle;
};

static void read_squashfs(const uint8_t *b, struct super *s)
{
	s->bytes = vmb_get_le(b + 40, 8);
	if (vmb_get_le(b + 28, 2) != 4)
		s->obstacle = "only version 4 of squashfs can be mounted";
}

static void read_erofs(const uint8_t *b, struct super *s)
{
	unsigned bits = b[1024 + 12];

	s->bytes = bits < 32 ? vmb_get_le(b + 1024 + 36, 4) << bits : UINT64_MAX;
}

static void read_ext4(const uint8_t *b, struct super *s)
{
	uint64_t blocks = vmb_get_le(b + 1024 + 4, 4), incompat = vmb_get_le(b + 1024 + 96, 4);
	unsigned bits = 10 + (unsigned)vmb_get_le(b + 1024 + 24, 4);

	if (incompat & 0x80)
		blocks |= vmb_get_le(b + 1024 + 0x150, 4) << 32;
	s->bytes = bits <= 16 && blocks < UINT64_MAX >> bits ? blocks << bits : UINT64_MAX;
	if (incompat & 0x4)
		s->obstacle = "it was not unmounted, and a read-only disk cannot be recovered; run "
			      "e2fsck -p on it first";
	else if (incompat & 0x8)
		s->obstacle = "it is a journal, not a file system";
}

static const struct {
	const char *fstype;
	unsigned at;
	unsigned n;
	uint32_t magic;
	void (*read)(const uint8_t *b, struct super *s);
} fstypes[] = {
	{"squashfs", 0, 4, 0x73717368, read_squashfs},
	{"erofs", 1024, 4, 0xe0f5e1e2, read_erofs},
	{"ext4", 1024 + 56, 2, 0xef53, read_ext4},
};

static int check_super(const char *path, const uint8_t *b, uint64_t size, const char **ret_fstype)
{
	for (size_t i = 0; i < ARRAY_SIZE(fstypes); i++) {
		struct super s = {0};

		if (vmb_get_le(b + fstypes[i].at, (int)fstypes[i].n) != fstypes[i].magic)
			continue;
		fstypes[i].read(b, &s);
		if (s.obstacle)
			return vmb_error(VMBOOT_EIMAGE, "disk:%s: %s", path, s.obstacle);
		if (s.bytes > size)
			return vmb_error(
				VMBOOT_EIMAGE,
				"disk:%s is cut off: its %s needs %llu bytes, and there are "
				"%llu",
				path, fstypes[i].fstype, (unsigned long long)s.bytes,
				(unsigned long long)size);
		*ret_fstype = fstypes[i].fstype;
		return 0;
	}
	return vmb_error(VMBOOT_EIMAGE,
			 "disk:%s is not a squashfs, erofs or ext4 file system; a disk with "
			 "partitions cannot be used",
			 path);
}

static int tell_fstype(const char *path, const char **ret)
{
	_cleanup_close_ int fd = -1;
	uint8_t b[SUPER_BYTES] = {0};
	struct stat st;
	int r = vmb_open_regular(path, &fd, &st);

	if (r < 0)
		return r;
	if (pread(fd, b, sizeof(b), 0) < 0)
		return vmb_errno(errno, "cannot read %s", path);
	return check_super(path, b, (uint64_t)st.st_size, ret);
}

static int resolve(const struct vmb_source *source, const struct vmb_store *store,
		   struct vmb_image *image)
{
	char hex[VMB_SHA256_HEX + 1];
	const char *fstype;
	struct stat st;
	int r = tell_fstype(source->path, &fstype);

	if (r == 0)
		r = vmb_file_digest(store, source->path, hex, &st);
	if (r == 0)
		r = vmb_asprintf(&image->digest, "sha256:%s", hex);
	return r < 0 ? r : vmb_strdup(fstype, &image->fstype);
}

/* The copy is what will be mounted, so it is the copy that has to have the digest. */
static int check_copy(const struct vmb_source *source, const struct vmb_image *image,
		      const char *disk)
{
	char hex[VMB_SHA256_HEX + 1];
	int r = vmb_hash_file(disk, hex);

	if (r == 0 && !vmb_streq(hex, vmb_digest_hex(image->digest)))
		r = vmb_error(VMBOOT_EIMAGE, "disk:%s changed while it was imported; try again",
			      source->path);
	return r;
}

static int build(const struct vmb_source *source, const struct vmb_image *image, const char *disk,
		 struct vmb_progress_count *import)
{
	_cleanup_close_ int from = -1, to = -1;
	struct stat st;
	int r = vmb_open_regular(source->path, &from, &st);

	if (r < 0)
		return r;
	to = open(disk, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return vmb_errno(errno, "cannot make %s", disk);
	import->total = (uint64_t)st.st_size;
	r = vmb_copy_sparse(from, to, source->path);
	if (r == 0)
		r = check_copy(source, image, disk);
	if (r == 0)
		vmb_progress_add(import, import->total);
	return r;
}

const struct vmb_source_kind vmb_source_disk = {
	.prefix = "disk:",
	.usage = "disk:FILE",
	.type = S_IFREG,
	.resolve = resolve,
	.build = build,
};
