/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "initrd/vmlinux.h"

#include <archive.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "initrd/bzimage.h"
#include "initrd/elf.h"

enum {
	/* The payload ends with the size of what is packed; but for gzip, whose own trailer that
	 * is, it is no part of the packed data. */
	SIZE_FIELD = 4,

	MAGIC_MAX = 6,
	CHUNK = 1 << 17,
	PAGE = 4096,
	UNPACK_TIMEOUT_MS = 60000,
};

_Static_assert((int)VMB_PAYLOAD_MIN == SIZE_FIELD + MAGIC_MAX, "a payload has both");

#define BROKEN "its payload cannot be unpacked"

/* What kernels are packed with: one of these, and nothing inside of it again. */
static const struct packing {
	unsigned char magic[MAGIC_MAX];
	size_t n;
	int (*support)(struct archive *a);
	bool size_is_its_own;
} packings[] = {
	{{0x1f, 0x8b}, 2, archive_read_support_filter_gzip, true},
	{{0xfd, '7', 'z', 'X', 'Z', 0}, 6, archive_read_support_filter_xz, false},
	{{0x28, 0xb5, 0x2f, 0xfd}, 4, archive_read_support_filter_zstd, false},
	{{0x02, 0x21, 0x4c, 0x18}, 4, archive_read_support_filter_lz4, false},
	{{'B', 'Z', 'h'}, 3, archive_read_support_filter_bzip2, false},
	{{0x5d, 0, 0}, 3, archive_read_support_filter_lzma, false},
};

static const struct packing *find_packing(const unsigned char magic[MAGIC_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(packings); i++)
		if (memcmp(magic, packings[i].magic, packings[i].n) == 0)
			return &packings[i];
	return NULL;
}

/* ---- the packed bytes, as libarchive asks for them ---- */

struct unpacker {
	int from, to;
	const char *what, *why;
	uint64_t at, end; /* of packed data, in the file */
	uint64_t size;	  /* unpacked */
	uint64_t done;
	int read_errno;
	struct vmb_deadline deadline;
	struct archive *archive;
	struct vmb_elf elf;
	unsigned char head[VMB_ELF_HEAD];
	unsigned char packed[CHUNK], chunk[CHUNK];
};

static int cannot(struct unpacker *u, const char *why)
{
	u->why = why;
	return 0;
}

static la_ssize_t read_packed(struct archive *a, void *data, const void **ret)
{
	struct unpacker *u = data;
	uint64_t left = u->end - u->at;
	ssize_t n;

	n = pread(u->from, u->packed, left < CHUNK ? left : CHUNK, (off_t)u->at);
	if (n < 0) {
		u->read_errno = errno;
		archive_set_error(a, errno, "read error");
		return -1;
	}
	u->at += (uint64_t)n;
	*ret = u->packed;
	return n;
}

static int read_failed(struct unpacker *u)
{
	if (u->read_errno)
		return vmb_errno(u->read_errno, "cannot read the kernel %s", u->what);
	return cannot(u, BROKEN);
}

/* Fills buf as long as there is something: what is short of n is the end. 1, or as the whole. */
static int unpack_some(struct unpacker *u, void *buf, size_t n, size_t *ret)
{
	la_ssize_t got = archive_read_data(u->archive, buf, n);

	if (got < 0)
		return read_failed(u);
	if (vmb_deadline_passed(u->deadline))
		return cannot(u, "unpacking takes too long");
	u->done += (uint64_t)got;
	if (u->done > u->size)
		return cannot(u, "it is larger than it says");
	*ret = (size_t)got;
	return 1;
}

/* ---- the unpacked ones ---- */

static int write_at(struct unpacker *u, const unsigned char *p, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t done = pwrite(u->to, p, n, (off_t)at);

		if (done < 0)
			return vmb_errno(errno, "cannot write what the kernel %s unpacks to",
					 u->what);
		p += done;
		at += (uint64_t)done;
		n -= (size_t)done;
	}
	return 1;
}

static bool is_zero(const unsigned char *p, size_t n)
{
	return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Pages of zeros stay holes. */
static int write_sparse(struct unpacker *u, const unsigned char *p, size_t n, uint64_t at)
{
	int r = 1;

	while (n > 0 && r > 0) {
		size_t step = PAGE - at % PAGE;

		step = step < n ? step : n;
		if (!is_zero(p, step))
			r = write_at(u, p, step, at);
		p += step;
		at += step;
		n -= step;
	}
	return r;
}

/* What of the n bytes, which are at `at` in the ELF file, is in a segment. */
static int keep(struct unpacker *u, const unsigned char *p, size_t n, uint64_t at)
{
	int r = 1;

	for (size_t i = 0; i < u->elf.n && r > 0; i++) {
		const struct vmb_elf_segment *s = &u->elf.segments[i];
		uint64_t start = s->offset > at ? s->offset : at;
		uint64_t end = s->offset + s->size < at + n ? s->offset + s->size : at + n;

		if (start < end)
			r = write_sparse(u, p + (start - at), (size_t)(end - start), start);
	}
	return r;
}

static int take_head(struct unpacker *u)
{
	size_t n;
	int r;

	r = unpack_some(u, u->head, sizeof(u->head), &n);
	if (r <= 0)
		return r;
	if (vmb_elf_decode(u->head, n, u->size, &u->elf, &u->why) < 0)
		return 0;
	return keep(u, u->head, n, 0);
}

static int take_rest(struct unpacker *u)
{
	size_t n = 1;
	int r = 1;

	while (n > 0) {
		uint64_t at = u->done;

		r = unpack_some(u, u->chunk, sizeof(u->chunk), &n);
		if (r > 0)
			r = keep(u, u->chunk, n, at);
		if (r <= 0)
			return r;
	}
	return u->done == u->size ? 1 : cannot(u, "it is smaller than it says");
}

/* Header and program headers are no part of a segment in a kernel. */
static int put_head(struct unpacker *u)
{
	size_t n = u->elf.end < sizeof(u->head) ? (size_t)u->elf.end : sizeof(u->head);

	vmb_elf_drop_sections(u->head);
	if (ftruncate(u->to, (off_t)u->elf.end) < 0)
		return vmb_errno(errno, "cannot write what the kernel %s unpacks to", u->what);
	return write_at(u, u->head, n, 0);
}

static int find_entry(struct unpacker *u)
{
	uint32_t entry;

	_Static_assert((int)VMB_ELF_NOTES_MAX <= (int)CHUNK, "notes fit");
	for (size_t i = 0; i < u->elf.n; i++) {
		const struct vmb_elf_segment *s = &u->elf.segments[i];
		ssize_t n;

		if (!s->note)
			continue;
		n = pread(u->to, u->chunk, s->size, (off_t)s->offset);
		if (n < 0)
			return vmb_errno(errno, "cannot read what the kernel %s unpacks to",
					 u->what);
		if (vmb_elf_pvh_entry(&u->elf, u->chunk, (size_t)n, &entry))
			return 1;
	}
	return cannot(u, "it has no PVH entry");
}

/* ---- all of it ---- */

static int find_payload(struct unpacker *u, const struct packing **ret)
{
	unsigned char magic[MAGIC_MAX];
	struct vmb_payload payload;
	struct stat st;
	uint32_t size;
	ssize_t n;

	n = pread(u->from, u->head, sizeof(u->head), 0);
	if (n < 0 || fstat(u->from, &st) < 0)
		return vmb_errno(errno, "cannot read the kernel %s", u->what);
	if (vmb_payload_decode(u->head, (size_t)n, &payload) < 0)
		return cannot(u, "it does not tell where its payload is");
	u->at = payload.offset;
	u->end = payload.offset + payload.length;
	if (u->end > (uint64_t)st.st_size ||
	    pread(u->from, magic, sizeof(magic), (off_t)u->at) != sizeof(magic) ||
	    pread(u->from, &size, sizeof(size), (off_t)u->end - SIZE_FIELD) != sizeof(size))
		return cannot(u, "its payload is not in the file");
	u->size = le32toh(size);
	if (u->size > VMB_ELF_SIZE_MAX)
		return cannot(u, "it is too large");
	*ret = find_packing(magic);
	if (!*ret)
		return cannot(u, "its compression is unknown");
	if (!(*ret)->size_is_its_own)
		u->end -= SIZE_FIELD;
	return 1;
}

/* libarchive would start a program for what it was built without; the kernel is used as it is. */
static int open_payload(struct unpacker *u, const struct packing *packing)
{
	struct archive_entry *entry;

	u->archive = archive_read_new();
	if (!u->archive)
		return vmb_oom();
	if (packing->support(u->archive) != ARCHIVE_OK ||
	    archive_read_support_format_raw(u->archive) != ARCHIVE_OK)
		return cannot(u, "libarchive lacks its compression");
	if (archive_read_open(u->archive, u, NULL, read_packed, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(u->archive, &entry) != ARCHIVE_OK ||
	    archive_filter_count(u->archive) != 2) /* this one, and the file */
		return read_failed(u);
	return 1;
}

static int unpack(struct unpacker *u)
{
	const struct packing *packing = NULL;
	int r;

	r = find_payload(u, &packing);
	if (r > 0)
		r = open_payload(u, packing);
	if (r > 0)
		r = take_head(u);
	if (r > 0)
		r = take_rest(u);
	if (r > 0)
		r = find_entry(u);
	return r > 0 ? put_head(u) : r;
}

int vmb_vmlinux_unpack(int from, const char *what, int to, const char **ret_why)
{
	_cleanup_free_ struct unpacker *u = malloc(sizeof(*u));
	int r;

	if (!u)
		return vmb_oom();
	*u = (struct unpacker){
		.from = from,
		.to = to,
		.what = what,
		.deadline = vmb_deadline_in(UNPACK_TIMEOUT_MS),
	};
	r = unpack(u);
	if (u->archive)
		archive_read_free(u->archive);
	if (r == 0)
		*ret_why = u->why;
	return r;
}
