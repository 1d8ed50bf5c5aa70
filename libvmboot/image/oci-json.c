/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/oci-json.h"

#include "archive/path.h"
#include "base/error.h"
#include "image/json.h"

#define OCI "application/vnd.oci.image."
#define DOCKER "application/vnd.docker."

static const struct {
	const char *name;
	enum vmb_oci_type type;
} media_types[] = {
	{OCI "index.v1+json", VMB_OCI_INDEX},
	{OCI "manifest.v1+json", VMB_OCI_MANIFEST},
	{OCI "config.v1+json", VMB_OCI_CONFIG},
	{OCI "layer.v1.tar", VMB_OCI_LAYER},
	{OCI "layer.v1.tar+gzip", VMB_OCI_LAYER},
	{OCI "layer.v1.tar+zstd", VMB_OCI_LAYER},
	{OCI "layer.nondistributable.v1.tar", VMB_OCI_LAYER},
	{OCI "layer.nondistributable.v1.tar+gzip", VMB_OCI_LAYER},
	{OCI "layer.nondistributable.v1.tar+zstd", VMB_OCI_LAYER},
	{DOCKER "distribution.manifest.list.v2+json", VMB_OCI_INDEX},
	{DOCKER "distribution.manifest.v2+json", VMB_OCI_MANIFEST},
	{DOCKER "container.image.v1+json", VMB_OCI_CONFIG},
	{DOCKER "image.rootfs.diff.tar", VMB_OCI_LAYER},
	{DOCKER "image.rootfs.diff.tar.gzip", VMB_OCI_LAYER},
	{DOCKER "image.rootfs.diff.tar.zstd", VMB_OCI_LAYER},
	{DOCKER "image.rootfs.foreign.diff.tar", VMB_OCI_LAYER},
	{DOCKER "image.rootfs.foreign.diff.tar.gzip", VMB_OCI_LAYER},
};

static enum vmb_oci_type type_of(const char *media_type)
{
	for (size_t i = 0; media_type && i < ARRAY_SIZE(media_types); i++)
		if (vmb_streq(media_types[i].name, media_type))
			return media_types[i].type;
	return VMB_OCI_UNKNOWN;
}

void vmb_oci_blob_done(struct vmb_oci_blob *blob)
{
	free(TAKE_PTR(blob->media_type));
	free(TAKE_PTR(blob->tag));
	free(TAKE_PTR(blob->os));
	free(TAKE_PTR(blob->arch));
	free(TAKE_PTR(blob->variant));
}

void vmb_oci_index_done(struct vmb_oci_index *index)
{
	for (size_t i = 0; i < index->n; i++)
		vmb_oci_blob_done(&index->blobs[i]);
	free(TAKE_PTR(index->blobs));
	index->n = 0;
}

void vmb_oci_manifest_done(struct vmb_oci_manifest *manifest)
{
	vmb_oci_blob_done(&manifest->config);
	vmb_oci_index_done(&manifest->layers);
}

const char *vmb_digest_hex(const char *digest)
{
	const char *hex = digest ? vmb_skip_prefix(digest, "sha256:") : NULL;

	if (!hex || strlen(hex) != VMB_SHA256_HEX ||
	    strspn(hex, "0123456789abcdef") != VMB_SHA256_HEX)
		return NULL;
	return hex;
}

static int decode_digest(struct json_object *o, struct vmb_oci_blob *b)
{
	_cleanup_free_ char *digest = NULL;
	int r = vmb_json_string(o, "digest", VMB_OCI_WORD_MAX, &digest);

	if (r < 0)
		return r;
	if (digest && !vmb_digest_hex(digest) && !vmb_skip_prefix(digest, "sha256:"))
		return vmb_error(VMBOOT_EIMAGE,
				 "the digest %s is not a sha256, which is the only "
				 "kind that is read here",
				 vmb_show(digest).text);
	if (!vmb_digest_hex(digest))
		return vmb_error(VMBOOT_EIMAGE, "a \"digest\" is missing or not a sha256");
	vmb_strlcpy(b->hex, vmb_digest_hex(digest), sizeof(b->hex));
	return 0;
}

static int decode_platform(struct json_object *o, struct vmb_oci_blob *b)
{
	struct json_object *v;
	int r;

	r = vmb_json_object(o, "annotations", &v);
	if (r > 0)
		r = vmb_json_string(v, "org.opencontainers.image.ref.name", VMB_OCI_WORD_MAX,
				    &b->tag);
	if (r < 0)
		return r;
	r = vmb_json_object(o, "platform", &v);
	if (r <= 0)
		return r;
	r = vmb_json_string(v, "os", VMB_OCI_WORD_MAX, &b->os);
	if (r == 0)
		r = vmb_json_string(v, "architecture", VMB_OCI_WORD_MAX, &b->arch);
	return r < 0 ? r : vmb_json_string(v, "variant", VMB_OCI_WORD_MAX, &b->variant);
}

/*
 * What the specification calls a descriptor; *b is the caller's to free, also on failure. type: what
 * it is if it does not say.
 */
static int decode_blob(struct json_object *o, enum vmb_oci_type type, struct vmb_oci_blob *b)
{
	int r;

	if (!json_object_is_type(o, json_type_object))
		return vmb_error(VMBOOT_EIMAGE, "a descriptor is not an object");
	r = vmb_json_string(o, "mediaType", VMB_OCI_WORD_MAX, &b->media_type);
	if (r == 0)
		r = decode_digest(o, b);
	if (r < 0)
		return r;
	b->type = b->media_type && *b->media_type ? type_of(b->media_type) : type;
	r = vmb_json_u64(o, "size", &b->size);
	if (r == 0)
		return vmb_error(VMBOOT_EIMAGE, "the descriptor of sha256:%s has no \"size\"",
				 b->hex);
	return r < 0 ? r : decode_platform(o, b);
}

static int decode_blobs(struct json_object *o, const char *key, size_t max, enum vmb_oci_type type,
			struct vmb_oci_index *ret)
{
	_cleanup_oci_index_ struct vmb_oci_index index = {0};
	struct json_object *v;
	size_t n;
	int r = vmb_json_array(o, key, max, &v);

	if (r < 0)
		return r;
	if (r == 0)
		return vmb_error(VMBOOT_EIMAGE, "it has no \"%s\"", key);
	n = json_object_array_length(v);
	index.blobs = calloc(n ? n : 1, sizeof(*index.blobs));
	if (!index.blobs)
		return vmb_oom();
	while (index.n < n) {
		r = decode_blob(json_object_array_get_idx(v, index.n), type, &index.blobs[index.n]);
		index.n++;
		if (r < 0)
			return vmb_error_prefix("%s[%zu]", key, index.n - 1);
	}
	*ret = index;
	index = (struct vmb_oci_index){0};
	return 0;
}

static int check_version(struct json_object *o)
{
	uint64_t version;
	int r = vmb_json_u64(o, "schemaVersion", &version);

	if (r > 0 && version != 2)
		return vmb_error(
			VMBOOT_EIMAGE,
			"its \"schemaVersion\" is not 2; `skopeo copy` to a new oci: folder "
			"converts it");
	return r < 0 ? r : 0;
}

/* Two readers could take such a document for two different things. */
static int check_lacks(struct json_object *o, const char *const *keys, const char *kind)
{
	struct json_object *v;

	for (; *keys; keys++)
		if (json_object_object_get_ex(o, *keys, &v) && v)
			return vmb_error(VMBOOT_EIMAGE, "it is ambiguous: %s has no \"%s\"", kind,
					 *keys);
	return 0;
}

int vmb_oci_index_decode(const char *json, size_t n, struct vmb_oci_index *ret)
{
	static const char *const others[] = {"config", "layers", "fsLayers", "history", NULL};
	_cleanup_json_ struct json_object *o = NULL;
	int r;

	r = vmb_json_document(json, n, &o);
	if (r == 0)
		r = check_version(o);
	if (r == 0)
		r = check_lacks(o, others, "an index");
	return r < 0 ? r
		     : decode_blobs(o, "manifests", VMB_OCI_MANIFESTS_MAX, VMB_OCI_MANIFEST, ret);
}

static int check_layers(const struct vmb_oci_index *layers)
{
	for (size_t i = 0; i < layers->n; i++)
		if (layers->blobs[i].type != VMB_OCI_LAYER)
			return vmb_error(VMBOOT_EIMAGE,
					 "layer %zu has the media type %s, which is not read here",
					 i + 1, vmb_show(layers->blobs[i].media_type).text);
	return 0;
}

int vmb_oci_manifest_decode(const char *json, size_t n, struct vmb_oci_manifest *ret)
{
	static const char *const others[] = {"manifests", "fsLayers", "history", NULL};
	_cleanup_oci_manifest_ struct vmb_oci_manifest m = {0};
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *v;
	int r;

	r = vmb_json_document(json, n, &o);
	if (r == 0)
		r = check_version(o);
	if (r == 0)
		r = check_lacks(o, others, "a manifest");
	if (r < 0)
		return r;
	r = vmb_json_object(o, "config", &v);
	if (r == 0)
		return vmb_error(VMBOOT_EIMAGE, "it has no \"config\"");
	if (r > 0)
		r = decode_blob(v, VMB_OCI_CONFIG, &m.config);
	if (r < 0)
		return r;
	if (m.config.type != VMB_OCI_CONFIG)
		return vmb_error(VMBOOT_EIMAGE,
				 "it is not a container image: its config has the media type %s",
				 vmb_show(m.config.media_type).text);
	r = decode_blobs(o, "layers", VMB_OCI_LAYERS_MAX, VMB_OCI_LAYER, &m.layers);
	if (r == 0)
		r = check_layers(&m.layers);
	if (r < 0)
		return r;
	*ret = m;
	m = (struct vmb_oci_manifest){0};
	return 0;
}
