/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/digest.h"
#include "archive/path.h"
#include "base/error.h"
#include "base/file.h"
#include "image/flatten.h"
#include "image/json.h"
#include "image/oci-json.h"
#include "image/platform.h"
#include "image/source.h"

/* oci: an image layout on disk. Each blob is named by its digest, which is checked. */

enum { NESTING_MAX = 4 };

static int parse(const char *rest, struct vmb_source *source)
{
	return vmb_source_split(source->kind, rest, &source->path, &source->tag);
}

static int read_json(const char *path, char **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = -1;
	int r = vmb_open_regular(path, &fd, NULL);

	if (r == 0)
		r = vmb_read_fd(fd, path, VMB_IMAGE_JSON_MAX, ret, ret_n);
	return r == -EFBIG ? vmb_error(VMBOOT_EIMAGE, "%s is larger than %d bytes", path,
				       VMB_IMAGE_JSON_MAX)
			   : r;
}

static int read_blob(const char *dir, const struct vmb_oci_blob *blob, char **ret, size_t *ret_n)
{
	_cleanup_free_ char *path = NULL, *json = NULL;
	char hex[VMB_SHA256_HEX + 1];
	struct vmb_hash h;
	size_t n;
	int r;

	r = vmb_asprintf(&path, "%s/blobs/sha256/%s", dir, blob->hex);
	if (r == 0)
		r = read_json(path, &json, &n);
	if (r < 0)
		return r;
	vmb_hash_init(&h);
	vmb_hash_add(&h, json, n);
	vmb_hash_hex(&h, hex);
	if (!vmb_streq(hex, blob->hex))
		return vmb_error(VMBOOT_EIMAGE, "%s is damaged: its sha256 is %s", path, hex);
	if (n != blob->size)
		return vmb_error(VMBOOT_EIMAGE, "%s has %zu bytes, not %llu", path, n,
				 (unsigned long long)blob->size);
	*ret = TAKE_PTR(json);
	*ret_n = n;
	return 0;
}

/* "1.0, 2.0, (no tag)": what a caller can choose from. */
static void list_tags(const struct vmb_oci_index *index, char *out, size_t size)
{
	*out = '\0';
	for (size_t i = 0; i < index->n; i++) {
		const char *tag = index->blobs[i].tag;

		vmb_strlcat(out, *out ? ", " : "", size);
		vmb_strlcat(out, vmb_show(tag ? tag : "(no tag)").text, size);
	}
	if (!*out)
		vmb_strlcpy(out, "nothing", size);
}

static bool has_tag(const struct vmb_oci_index *index, const char *tag)
{
	for (size_t i = 0; i < index->n; i++)
		if (!tag || vmb_streq(index->blobs[i].tag, tag))
			return true;
	return !tag;
}

static int choose(const struct vmb_oci_index *index, const struct vmb_source *source, bool top,
		  const struct vmb_oci_blob **ret)
{
	const char *dir = source->path, *tag = top ? source->tag : NULL;
	const struct vmb_oci_blob *found;
	struct vmb_platform platform;
	char words[600];
	size_t n;
	int r = vmb_platform_parse(source->opts ? source->opts->platform : NULL, &platform);

	if (r < 0)
		return r;
	found = vmb_platform_choose(&platform, index, tag, &n);
	if (!has_tag(index, tag)) {
		list_tags(index, words, sizeof(words));
		return vmb_error(VMBOOT_EIMAGE, "oci:%s has no tag %s; it has: %s", dir,
				 vmb_show(tag).text, words);
	}
	if (!found) {
		vmb_platform_list(index, words, sizeof(words));
		return vmb_error(VMBOOT_EIMAGE, "oci:%s has no image for %s; it has: %s", dir,
				 vmb_platform_name(&platform).text, words);
	}
	if (n > 1 && top) {
		list_tags(index, words, sizeof(words));
		return vmb_error(
			VMBOOT_EIMAGE,
			"oci:%s has more than one image; choose one with oci:%s:TAG from: %s", dir,
			dir, words);
	}
	*ret = found;
	return 0;
}

/* What it takes to read a blob, and no strings to free. */
static struct vmb_oci_blob bare(const struct vmb_oci_blob *from)
{
	struct vmb_oci_blob b = {.type = from->type, .size = from->size};

	memcpy(b.hex, from->hex, sizeof(b.hex));
	return b;
}

/* index.json, and the indexes that it may lead to, down to the manifest. */
static int find_manifest(const struct vmb_source *source, struct vmb_oci_blob *ret)
{
	const char *dir = source->path;
	_cleanup_free_ char *top = NULL;
	struct vmb_oci_blob at = {0};
	int r = vmb_asprintf(&top, "%s/index.json", dir);

	for (int depth = 0; r == 0 && depth < NESTING_MAX; depth++) {
		_cleanup_oci_index_ struct vmb_oci_index index = {0};
		const struct vmb_oci_blob *found = NULL;
		_cleanup_free_ char *json = NULL;
		size_t n;

		r = depth ? read_blob(dir, &at, &json, &n) : read_json(top, &json, &n);
		if (r == 0) {
			r = vmb_oci_index_decode(json, n, &index);
			if (r < 0)
				vmb_error_prefix("%s%s in %s",
						 depth ? "index sha256:" : "index.json", at.hex,
						 dir);
		}
		if (r == 0)
			r = choose(&index, source, depth == 0, &found);
		if (r < 0)
			return r;
		at = bare(found);
		if (at.type == VMB_OCI_MANIFEST) {
			*ret = at;
			return 0;
		}
	}
	return r < 0 ? r : vmb_error(VMBOOT_EIMAGE, "oci:%s has indexes in indexes, too deep", dir);
}

static int check_layout(const char *dir)
{
	_cleanup_free_ char *path = NULL, *version = NULL, *json = NULL;
	_cleanup_json_ struct json_object *o = NULL;
	size_t n;
	int r = vmb_asprintf(&path, "%s/oci-layout", dir);

	if (r < 0)
		return r;
	if (!vmb_exists(path))
		return vmb_error(
			VMBOOT_EIMAGE,
			"%s is not an OCI layout: it has no file oci-layout; a plain folder "
			"is imported as dir:",
			dir);
	r = read_json(path, &json, &n);
	if (r == 0)
		r = vmb_json_document(json, n, &o);
	if (r == 0)
		r = vmb_json_string(o, "imageLayoutVersion", VMB_OCI_WORD_MAX, &version);
	if (r < 0)
		return vmb_error_prefix("%s", path);
	if (!version || !vmb_skip_prefix(version, "1."))
		return vmb_error(VMBOOT_EIMAGE, "%s: only version 1 of the layout is read here",
				 path);
	return 0;
}

static int read_manifest(const char *dir, const struct vmb_oci_blob *blob,
			 struct vmb_oci_manifest *ret)
{
	_cleanup_free_ char *json = NULL;
	size_t n;
	int r = read_blob(dir, blob, &json, &n);

	if (r == 0) {
		r = vmb_oci_manifest_decode(json, n, ret);
		if (r < 0)
			vmb_error_prefix("manifest sha256:%s in %s", blob->hex, dir);
	}
	return r;
}

static int read_config(const char *dir, const struct vmb_oci_blob *blob, struct vmb_image *image)
{
	_cleanup_free_ char *json = NULL;
	size_t n;
	int r = read_blob(dir, blob, &json, &n);

	if (r < 0)
		return r;
	r = vmb_oci_config_decode(json, n, &image->config, &image->origin);
	if (r < 0)
		return vmb_error_prefix("config sha256:%s in %s", blob->hex, dir);
	return 0;
}

/* The layers, for the record. */
static int note_layers(const struct vmb_oci_index *layers, struct vmb_image_origin *origin)
{
	int r = 0;

	origin->layers = calloc(layers->n ? layers->n : 1, sizeof(*origin->layers));
	if (!origin->layers)
		return vmb_oom();
	for (size_t i = 0; r == 0 && i < layers->n; i++) {
		struct vmb_image_layer *l = &origin->layers[origin->n_layers++];

		l->bytes = layers->blobs[i].size;
		r = vmb_asprintf(&l->digest, "sha256:%s", layers->blobs[i].hex);
		if (r == 0)
			r = vmb_strdup(layers->blobs[i].media_type, &l->media_type);
	}
	return r;
}

int vmb_oci_read(const struct vmb_source *source, struct vmb_image *image)
{
	_cleanup_oci_manifest_ struct vmb_oci_manifest manifest = {0};
	struct vmb_oci_blob blob;
	int r;

	r = check_layout(source->path);
	if (r == 0)
		r = find_manifest(source, &blob);
	if (r == 0)
		r = read_manifest(source->path, &blob, &manifest);
	if (r == 0)
		r = read_config(source->path, &manifest.config, image);
	if (r == 0)
		r = note_layers(&manifest.layers, &image->origin);
	if (r == 0)
		r = vmb_asprintf(&image->digest, "sha256:%s", blob.hex);
	return r < 0 ? r : vmb_strdup("squashfs", &image->fstype);
}

static int resolve(const struct vmb_source *source, const struct vmb_store *store,
		   struct vmb_image *image)
{
	int r = vmb_oci_read(source, image);

	(void)store;
	if (r < 0)
		return r;
	r = vmb_platform_check_image(source->opts ? source->opts->platform : NULL,
				     image->origin.arch);
	return r < 0 ? vmb_error_prefix("oci:%s", source->path) : 0;
}

static int list_layers(const char *dir, const struct vmb_oci_index *blobs,
		       struct vmb_layers *layers)
{
	int r = 0;

	layers->v = calloc(blobs->n ? blobs->n : 1, sizeof(*layers->v));
	if (!layers->v)
		return vmb_oom();
	for (; r == 0 && layers->n < blobs->n; layers->n++) {
		const struct vmb_oci_blob *b = &blobs->blobs[layers->n];
		struct vmb_layer *l = &layers->v[layers->n];

		memcpy(l->hex, b->hex, sizeof(l->hex));
		l->size = b->size;
		l->whiteouts = true;
		r = vmb_asprintf(&l->path, "%s/blobs/sha256/%s", dir, b->hex);
		if (r == 0)
			r = vmb_asprintf(&l->what, "layer %zu of %zu (sha256:%.12s…)",
					 layers->n + 1, blobs->n, b->hex);
	}
	return r;
}

static int build(const struct vmb_source *source, const struct vmb_image *image, const char *disk,
		 struct vmb_progress_count *import)
{
	_cleanup_oci_manifest_ struct vmb_oci_manifest manifest = {0};
	_cleanup_layers_ struct vmb_layers layers = {0};
	struct vmb_oci_blob blob;
	int r;

	r = find_manifest(source, &blob);
	if (r < 0)
		return r;
	if (!vmb_streq(blob.hex, vmb_digest_hex(image->digest)))
		return vmb_error(VMBOOT_EIMAGE, "oci:%s changed while it was imported; try again",
				 source->path);
	r = read_manifest(source->path, &blob, &manifest);
	if (r == 0)
		r = list_layers(source->path, &manifest.layers, &layers);
	return r < 0 ? r : vmb_flatten(&layers, disk, import);
}

const struct vmb_source_kind vmb_source_oci = {
	.prefix = "oci:",
	.usage = "oci:DIR[:TAG]",
	.type = S_IFDIR,
	.parse = parse,
	.resolve = resolve,
	.build = build,
};
