/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/layer.h"

#include "archive/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limit.h"

enum { CHUNK = 1 << 17, INFLATED = 1 << 18, TAR_BLOCK = 512 };

void vmb_layers_done(struct vmb_layers *layers)
{
	for (size_t i = 0; i < layers->n; i++) {
		free(layers->v[i].path);
		free(layers->v[i].what);
	}
	free(TAKE_PTR(layers->v));
	layers->n = 0;
}

int vmb_c_locale_enter(struct vmb_c_locale *l)
{
	l->c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (l->c == (locale_t)0)
		return vmb_oom();
	l->old = uselocale(l->c);
	return 0;
}

void vmb_c_locale_leave(struct vmb_c_locale *l)
{
	if (l->c == (locale_t)0)
		return;
	uselocale(l->old);
	freelocale(l->c);
	l->c = (locale_t)0;
}

static la_ssize_t read_chunk(struct archive *a, void *data, const void **ret)
{
	struct vmb_layer_reader *r = data;
	ssize_t n;

	r->limit = vmb_limit_check();
	if (r->limit < 0) {
		archive_set_error(a, -r->limit, "no longer wanted");
		return -1;
	}
	if (r->head) { /* read and counted before */
		*ret = r->buf;
		n = (ssize_t)r->head;
		r->head = 0;
		return n;
	}
	do
		n = read(r->fd, r->buf, CHUNK);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		r->read_errno = errno;
		archive_set_error(a, errno, "read error");
		return -1;
	}
	vmb_hash_add(&r->hash, r->buf, (size_t)n);
	r->bytes += (uint64_t)n;
	vmb_progress_add(r->import, (uint64_t)n);
	*ret = r->buf;
	return n;
}

/*
 * Zeros to the end of the last block and of the archive, where a layer ends with the last file's
 * bytes: `umoci insert` and others leave both out, and whoever unpacks images takes it.
 */
static la_ssize_t read_padding(struct vmb_layer_reader *r, const void **ret)
{
	static const uint8_t zeros[3 * TAR_BLOCK];
	size_t lacking = (TAR_BLOCK - r->plain % TAR_BLOCK) % TAR_BLOCK;

	r->plain_ends = true;
	if (r->layer->any_filter || lacking == 0)
		return 0;
	*ret = zeros;
	return (la_ssize_t)(lacking + sizeof(zeros) - TAR_BLOCK);
}

/* The next bytes without compression, by libarchive: 1; 0 at the end; -1 with a's error set. */
static int unpack_by_libarchive(struct archive *a, struct vmb_layer_reader *r, const void **ret,
				size_t *ret_n)
{
	la_int64_t at;
	int e;

	do {
		e = archive_read_data_block(r->packed, ret, ret_n, &at);
		if (e == ARCHIVE_EOF)
			return 0;
		if (e < ARCHIVE_WARN) {
			archive_set_error(a, archive_errno(r->packed), "%s",
					  archive_error_string(r->packed));
			return -1;
		}
	} while (*ret_n == 0);
	return 1;
}

/* The same for gzip. */
static int unpack_gzip(struct archive *a, struct vmb_layer_reader *r, const void **ret,
		       size_t *ret_n)
{
	const char *why;
	const void *more;
	la_ssize_t n;

	*ret = r->inflated;
	for (;;) {
		switch (vmb_gunzip_step(r->gunzip, r->inflated, INFLATED, ret_n, &why)) {
		case VMB_GUNZIP_OUTPUT:
			if (*ret_n)
				return 1;
			break;
		case VMB_GUNZIP_HUNGRY:
			n = read_chunk(a, r, &more);
			if (n < 0)
				return -1;
			vmb_gunzip_feed(r->gunzip, more, (size_t)n);
			break;
		case VMB_GUNZIP_END:
			return 0;
		case VMB_GUNZIP_BROKEN:
			archive_set_error(a, EILSEQ, "%s", why);
			return -1;
		}
	}
}

static la_ssize_t read_plain(struct archive *a, void *data, const void **ret)
{
	struct vmb_layer_reader *r = data;
	size_t n = 0;
	int e;

	if (r->plain_ends)
		return 0;
	e = r->gunzip ? unpack_gzip(a, r, ret, &n) : unpack_by_libarchive(a, r, ret, &n);
	if (e < 0)
		return -1;
	if (e == 0)
		return read_padding(r, ret);
	r->plain += n;
	if (r->spool)
		vmb_spool_add(r->spool, r->part, *ret, n);
	return (la_ssize_t)n;
}

/* A part of the spool stands for the layer's file, in the progress, too. */
static void advance_spooled(struct vmb_layer_reader *r, uint64_t n)
{
	uint64_t size = r->layer->size, before = r->bytes;

	r->spooled += n;
	r->bytes = (uint64_t)((double)size * (double)r->spooled / (double)r->part->n);
	if (r->spooled == r->part->n)
		r->bytes = size;
	vmb_progress_add(r->import, r->bytes - before);
}

/* From the spool, in place of the layer's file. */
static la_ssize_t read_spooled(struct archive *a, void *data, const void **ret)
{
	struct vmb_layer_reader *r = data;
	uint64_t left = r->part->n - r->spooled;
	ssize_t n;

	r->limit = vmb_limit_check();
	if (r->limit < 0) {
		archive_set_error(a, -r->limit, "no longer wanted");
		return -1;
	}
	if (r->plain_ends)
		return 0;
	if (left == 0)
		return read_padding(r, ret);
	do
		n = pread(r->spool->fd, r->inflated, left < INFLATED ? (size_t)left : INFLATED,
			  (off_t)(r->part->at + r->spooled));
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		r->read_errno = n < 0 ? errno : EIO;
		archive_set_error(a, r->read_errno, "read error");
		return -1;
	}
	advance_spooled(r, (uint64_t)n);
	r->plain += (uint64_t)n;
	*ret = r->inflated;
	return n;
}

/* What is not wanted need not be read. */
static la_int64_t skip_spooled(struct archive *a, void *data, la_int64_t n)
{
	struct vmb_layer_reader *r = data;
	uint64_t left = r->part->n - r->spooled, skip = (uint64_t)n < left ? (uint64_t)n : left;

	(void)a;
	advance_spooled(r, skip);
	r->plain += skip;
	return (la_int64_t)skip;
}

static int support(struct archive *a, bool any_filter)
{
	int r = archive_read_support_format_raw(a);

	if (r >= ARCHIVE_WARN)
		r = archive_read_support_format_empty(a);
	if (r >= ARCHIVE_WARN)
		r = archive_read_support_filter_gzip(a);
	if (r >= ARCHIVE_WARN)
		r = archive_read_support_filter_zstd(a);
	if (!any_filter)
		return r;
	if (r >= ARCHIVE_WARN)
		r = archive_read_support_filter_bzip2(a);
	if (r >= ARCHIVE_WARN)
		r = archive_read_support_filter_xz(a);
	if (r >= ARCHIVE_WARN)
		r = archive_read_support_filter_lzma(a);
	if (r >= ARCHIVE_WARN)
		r = archive_read_support_filter_lz4(a);
	if (r >= ARCHIVE_WARN)
		r = archive_read_support_filter_compress(a);
	return r;
}

static int support_tar(struct archive *a)
{
	int r = archive_read_support_format_tar(a);

	return r >= ARCHIVE_WARN ? archive_read_support_format_empty(a) : r;
}

/*
 * The archive cannot be read on. If that is because the file is not the one that was promised, say
 * so rather than what it did to libarchive.
 */
static int check_whole(struct vmb_layer_reader *r)
{
	char hex[VMB_SHA256_HEX + 1];
	const void *data;
	la_ssize_t n;

	if (r->from_spool) { /* it was checked when it was written there */
		vmb_progress_add(r->import, r->layer->size - r->bytes);
		r->bytes = r->layer->size;
		return 0;
	}
	r->head = 0;
	do
		n = read_chunk(r->archive, r, &data);
	while (n > 0);
	if (r->limit < 0)
		return r->limit;
	if (n < 0)
		return vmb_errno(r->read_errno, "cannot read %s", r->layer->path);
	if (r->bytes != r->layer->size)
		return vmb_error(VMBOOT_EIMAGE, "%s is damaged: %s has %llu bytes, not %llu",
				 r->layer->what, r->layer->path, (unsigned long long)r->bytes,
				 (unsigned long long)r->layer->size);
	vmb_hash_hex(&r->hash, hex);
	if (!vmb_streq(hex, r->layer->hex))
		return vmb_error(VMBOOT_EIMAGE, "%s is damaged: the sha256 of %s is %s",
				 r->layer->what, r->layer->path, hex);
	return 0;
}

static int broken(struct vmb_layer_reader *r, struct archive *a)
{
	bool no_memory = archive_errno(a) == ENOMEM;
	char words[256];
	int e;

	if (r->limit < 0)
		return r->limit;
	if (r->read_errno)
		return vmb_errno(r->read_errno, "cannot read %s", r->layer->path);
	vmb_strlcpy(words, archive_error_string(a) ? archive_error_string(a) : "", sizeof(words));
	e = check_whole(r);
	if (e == 0 && no_memory)
		return vmb_error(ENOMEM, "%s cannot be read: %s", r->layer->what, words);
	return e < 0 ? e
		     : vmb_error(VMBOOT_EIMAGE, "%s cannot be read as an archive: %s",
				 r->layer->what, words);
}

static int no_support(struct archive *a)
{
	return vmb_error(VMBOOT_EHOST, "libarchive lacks something: %s", archive_error_string(a));
}

static int open_archives(struct vmb_layer_reader *r)
{
	r->packed = archive_read_new();
	r->archive = archive_read_new();
	r->buf = malloc(CHUNK);
	r->inflated = malloc(INFLATED);
	if (!r->packed || !r->archive || !r->buf || !r->inflated)
		return vmb_oom();
	if (support(r->packed, r->layer->any_filter) < ARCHIVE_WARN)
		return no_support(r->packed);
	return support_tar(r->archive) < ARCHIVE_WARN ? no_support(r->archive) : 0;
}

/* What takes the compression off: gzip has a way of its own. */
static int open_packed(struct vmb_layer_reader *r)
{
	const void *head;
	la_ssize_t n = read_chunk(r->archive, r, &head);
	int e;

	if (n < 0)
		return broken(r, r->archive);
	r->head = (size_t)n;
	if (vmb_gunzip_is_for(r->buf, r->head))
		return vmb_gunzip_new(&r->gunzip);
	if (archive_read_open(r->packed, r, NULL, read_chunk, NULL) != ARCHIVE_OK)
		return broken(r, r->packed);
	e = archive_read_next_header(r->packed, &r->entry);
	r->plain_ends = e == ARCHIVE_EOF;
	return e < ARCHIVE_WARN ? broken(r, r->packed) : 0;
}

int vmb_layer_open_spooling(struct vmb_layer_reader *r, const struct vmb_layer *layer,
			    struct vmb_progress_count *import, struct vmb_spool *spool,
			    struct vmb_spool_part *part)
{
	int e;

	*r = (struct vmb_layer_reader){
		.layer = layer, .import = import, .fd = -1, .spool = spool, .part = part};
	vmb_hash_init(&r->hash);
	if (spool)
		vmb_spool_begin(spool, part);
	e = vmb_open_regular(layer->path, &r->fd, NULL);
	if (e < 0)
		return vmb_error_prefix("%s", layer->what);
	e = open_archives(r);
	if (e == 0)
		e = open_packed(r);
	if (e < 0)
		return e;
	return archive_read_open(r->archive, r, NULL, read_plain, NULL) ? broken(r, r->archive) : 0;
}

int vmb_layer_open(struct vmb_layer_reader *r, const struct vmb_layer *layer,
		   struct vmb_progress_count *import)
{
	return vmb_layer_open_spooling(r, layer, import, NULL, NULL);
}

int vmb_layer_open_spooled(struct vmb_layer_reader *r, const struct vmb_layer *layer,
			   struct vmb_progress_count *import, struct vmb_spool *spool,
			   struct vmb_spool_part *part)
{
	int e;

	if (!part->whole)
		return vmb_layer_open(r, layer, import);
	*r = (struct vmb_layer_reader){.layer = layer,
				       .import = import,
				       .fd = -1,
				       .spool = spool,
				       .part = part,
				       .from_spool = true};
	e = open_archives(r);
	if (e < 0)
		return e;
	r->plain_ends = part->n == 0;
	return archive_read_open2(r->archive, r, NULL, read_spooled, skip_spooled, NULL)
		       ? broken(r, r->archive)
		       : 0;
}

void vmb_layer_done(struct vmb_layer_reader *r)
{
	if (r->archive)
		archive_read_free(TAKE_PTR(r->archive));
	if (r->packed)
		archive_read_free(TAKE_PTR(r->packed));
	if (r->fd >= 0)
		close(TAKE_FD(r->fd));
	free(TAKE_PTR(r->buf));
	free(TAKE_PTR(r->inflated));
	vmb_gunzip_free(TAKE_PTR(r->gunzip));
}

int vmb_layer_next(struct vmb_layer_reader *r)
{
	int e = archive_read_next_header(r->archive, &r->entry);

	if (e == ARCHIVE_OK || e == ARCHIVE_WARN)
		return 1;
	return e == ARCHIVE_EOF ? check_whole(r) : broken(r, r->archive);
}

/* Whether the zeros that we added became content. At an entry's end its padding has been read. */
static bool is_cut(const struct vmb_layer_reader *r)
{
	int64_t more = archive_filter_bytes(r->archive, 0) - (int64_t)r->plain;
	int64_t padding = 0;

	/* of a sparse one the entry tells no size in the archive: what is added is too much */
	if (archive_entry_sparse_count(r->entry) == 0)
		padding = (TAR_BLOCK - archive_entry_size(r->entry) % TAR_BLOCK) % TAR_BLOCK;
	return r->plain_ends && more > padding;
}

int vmb_layer_data(struct vmb_layer_reader *r, const void **ret, size_t *ret_n, int64_t *ret_at)
{
	int e = archive_read_data_block(r->archive, ret, ret_n, ret_at);

	if (e == ARCHIVE_OK || e == ARCHIVE_WARN)
		return 1;
	if (e != ARCHIVE_EOF)
		return broken(r, r->archive);
	if (is_cut(r))
		return vmb_error(VMBOOT_EIMAGE, "%s ends within the file %s", r->layer->what,
				 archive_entry_pathname(r->entry));
	return 0;
}
