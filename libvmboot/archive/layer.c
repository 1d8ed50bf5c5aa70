/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/layer.h"

#include "archive/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/limit.h"

enum { CHUNK = 1 << 17, TAR_BLOCK = 512 };

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

static la_ssize_t read_plain(struct archive *a, void *data, const void **ret)
{
	struct vmb_layer_reader *r = data;
	la_int64_t at;
	size_t n = 0;
	int e;

	while (!r->plain_ends && n == 0) {
		e = archive_read_data_block(r->packed, ret, &n, &at);
		if (e == ARCHIVE_EOF)
			return read_padding(r, ret);
		if (e < ARCHIVE_WARN) {
			archive_set_error(a, archive_errno(r->packed), "%s",
					  archive_error_string(r->packed));
			return -1;
		}
	}
	r->plain += n;
	return (la_ssize_t)n;
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

int vmb_layer_open(struct vmb_layer_reader *r, const struct vmb_layer *layer,
		   struct vmb_progress_count *import)
{
	int e;

	*r = (struct vmb_layer_reader){.layer = layer, .import = import, .fd = -1};
	vmb_hash_init(&r->hash);
	e = vmb_open_regular(layer->path, &r->fd, NULL);
	if (e < 0)
		return vmb_error_prefix("%s", layer->what);
	r->packed = archive_read_new();
	r->archive = archive_read_new();
	r->buf = malloc(CHUNK);
	if (!r->packed || !r->archive || !r->buf)
		return vmb_oom();
	if (support(r->packed, layer->any_filter) < ARCHIVE_WARN)
		return vmb_error(VMBOOT_EHOST, "libarchive lacks something: %s",
				 archive_error_string(r->packed));
	if (support_tar(r->archive) < ARCHIVE_WARN)
		return vmb_error(VMBOOT_EHOST, "libarchive lacks something: %s",
				 archive_error_string(r->archive));
	if (archive_read_open(r->packed, r, NULL, read_chunk, NULL) != ARCHIVE_OK)
		return broken(r, r->packed);
	e = archive_read_next_header(r->packed, &r->entry);
	r->plain_ends = e == ARCHIVE_EOF;
	if (e < ARCHIVE_WARN || archive_read_open(r->archive, r, NULL, read_plain, NULL))
		return broken(r, e < ARCHIVE_WARN ? r->packed : r->archive);
	return 0;
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
