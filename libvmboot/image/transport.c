/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/path.h"
#include "base/error.h"
#include "base/file.h"
#include "image/blobs.h"
#include "image/json.h"
#include "image/name.h"
#include "image/platform.h"
#include "image/skopeo.h"
#include "image/source.h"

/*
 * What skopeo reads, a row for each of its transports. The digest is that of the manifest as the source
 * has it; the layout that skopeo makes may have another, if it converts Docker's manifest to OCI's.
 */

enum { NESTING_MAX = 4 };

static const struct vmboot_opts all_default = VMBOOT_OPTS(.name = NULL);

static const struct vmboot_opts *opts_of(const struct vmb_source *source)
{
	return source->opts ? source->opts : &all_default;
}

/* ---- references ---- */

static int parse_file(const char *rest, struct vmb_source *source)
{
	return vmb_source_split(source->kind, rest, &source->path, &source->tag);
}

/* "//alpine" is docker.io's, as in skopeo. */
static int parse_docker(const char *rest, struct vmb_source *source)
{
	return vmb_name_on_hub(rest, &source->path);
}

static int parse_all(const char *rest, struct vmb_source *source)
{
	return vmb_strdup(rest, &source->path);
}

static int name_docker(const struct vmb_source *source, char **ret)
{
	return vmb_strdup(source->path, ret);
}

/* Of a storage: what is behind "[driver@folder]"; an ID is no name. */
static int name_other(const struct vmb_source *source, char **ret)
{
	const char *name = source->path, *end = name[0] == '[' ? strchr(name, ']') : NULL;

	name = end ? end + 1 : name;
	if (vmb_name_on_hub(name, ret) == 0)
		return 0;
	return vmb_name_make(name, NULL, ret);
}

/* The reference that an archive has its image under, or the file's name. */
static int name_archive(const struct vmb_source *source, char **ret)
{
	if (source->tag && vmb_name_on_hub(source->tag, ret) == 0)
		return 0;
	return vmb_source_file_name(source, ret);
}

/* What skopeo calls dir: is something else than our dir: */
static const char *transport_of(const struct vmb_source *source)
{
	const char *own = vmb_skip_prefix(source->kind->prefix, "skopeo-");

	return own ? own : source->kind->prefix;
}

/* As skopeo takes it: "docker://NAME@DIGEST" without a tag. hex: the image of an index, or NULL. */
static int reference_of(const struct vmb_source *source, const char *hex, char **ret)
{
	const char *digest = vmb_name_digest(source->path), *name = source->path;
	_cleanup_free_ char *bare = NULL;
	int r;

	if (!source->kind->registry || (!digest && !hex))
		return vmb_asprintf(ret, "%s%s%s%s", transport_of(source), source->path,
				    source->tag ? ":" : "", source->tag ? source->tag : "");
	r = vmb_name_without_tag(name, &bare);
	if (r < 0)
		return r;
	return vmb_asprintf(ret, "%s%s@sha256:%s", source->kind->prefix, bare,
			    hex ? hex : vmb_digest_hex(digest));
}

/* "docker.io", for which a password is. Freed by the caller; NULL where there is none. */
static int registry_of(const struct vmb_source *source, char **ret)
{
	const char *slash = source->kind->registry ? strchr(source->path, '/') : NULL;

	*ret = NULL;
	return slash ? vmb_asprintf(ret, "%.*s", (int)(slash - source->path), source->path) : 0;
}

/* ---- resolve ---- */

/* A manifest or index, whose digest is hex if that is not NULL. */
static int inspect(const struct vmb_source *source, const char *hex, char **ret, size_t *ret_n,
		   char ret_hex[VMB_SHA256_HEX + 1])
{
	_cleanup_free_ char *ref = NULL, *registry = NULL, *json = NULL;
	struct vmb_hash h;
	int r = reference_of(source, hex, &ref);

	if (r == 0)
		r = registry_of(source, &registry);
	if (r == 0)
		r = vmb_skopeo_inspect(opts_of(source), ref, registry, &json, ret_n);
	if (r < 0)
		return r;
	vmb_hash_init(&h);
	vmb_hash_add(&h, json, *ret_n);
	vmb_hash_hex(&h, ret_hex);
	if (source->kind->registry && !hex && vmb_name_digest(source->path))
		hex = vmb_digest_hex(vmb_name_digest(source->path));
	if (hex && !vmb_streq(hex, ret_hex))
		return vmb_error(VMBOOT_EIMAGE, "%s: what came has the sha256 %s", ref, ret_hex);
	*ret = TAKE_PTR(json);
	return 0;
}

static int is_index(const char *json, size_t n)
{
	_cleanup_json_ struct json_object *o = NULL;
	struct json_object *v;
	int r = vmb_json_document(json, n, &o);

	return r < 0 ? r : json_object_object_get_ex(o, "manifests", &v);
}

static int choose(const struct vmb_source *source, const char *json, size_t n,
		  char ret_hex[VMB_SHA256_HEX + 1])
{
	_cleanup_oci_index_ struct vmb_oci_index index = {0};
	const struct vmb_oci_blob *found;
	struct vmb_platform platform;
	char words[600];
	size_t n_found;
	int r = vmb_platform_parse(opts_of(source)->platform, &platform);

	if (r == 0)
		r = vmb_oci_index_decode(json, n, &index);
	if (r < 0)
		return r;
	found = vmb_platform_choose(&platform, &index, NULL, &n_found);
	if (found) {
		vmb_strlcpy(ret_hex, found->hex, VMB_SHA256_HEX + 1);
		return 0;
	}
	vmb_platform_list(&index, words, sizeof(words));
	return vmb_error(VMBOOT_EIMAGE, "there is no image for %s; there is: %s",
			 vmb_platform_name(&platform).text, words);
}

/* Down to the manifest. Only a registry has those of an index by their digest. */
static int find_manifest(const struct vmb_source *source, struct vmb_image *image,
			 char hex[VMB_SHA256_HEX + 1])
{
	char child[VMB_SHA256_HEX + 1] = "";

	for (int depth = 0; depth < NESTING_MAX; depth++) {
		_cleanup_free_ char *json = NULL;
		size_t n;
		int r = inspect(source, depth ? child : NULL, &json, &n, hex);

		if (r < 0)
			return r;
		r = is_index(json, n);
		if (r == 0) {
			image->manifest = TAKE_PTR(json);
			image->n_manifest = n;
			return 0;
		}
		if (r > 0)
			r = choose(source, json, n, child);
		if (r < 0)
			return vmb_error_prefix("%s%s", source->kind->prefix, source->path);
		if (!source->kind->registry) {
			vmb_strlcpy(hex, child, VMB_SHA256_HEX + 1);
			return 0;
		}
	}
	return vmb_error(VMBOOT_EIMAGE, "it has indexes in indexes, too deep");
}

static int resolve(const struct vmb_source *source, const struct vmb_store *store,
		   struct vmb_image *image)
{
	_cleanup_oci_manifest_ struct vmb_oci_manifest manifest = {0};
	char hex[VMB_SHA256_HEX + 1];
	int r = find_manifest(source, image, hex);

	(void)store;
	if (r < 0)
		return r;
	if (image->manifest &&
	    vmb_oci_manifest_decode(image->manifest, image->n_manifest, &manifest) < 0)
		return vmb_error_prefix("%s%s", source->kind->prefix, source->path);
	r = vmb_asprintf(&image->digest, "sha256:%s", hex);
	return r < 0 ? r : vmb_strdup("squashfs", &image->fstype);
}

/* ---- fetch ---- */

static int fetch(const struct vmb_source *source, const struct vmb_store *store,
		 const struct vmb_image *image, const char *folder,
		 struct vmb_progress_count *import)
{
	_cleanup_oci_manifest_ struct vmb_oci_manifest manifest = {0};
	_cleanup_free_ char *ref = NULL, *registry = NULL, *blobs = NULL;
	struct vmb_skopeo_copy copy = {
		.opts = opts_of(source),
		.layout = folder,
		.log = import->log,
		.what = image->name,
		.stall_ms = VMB_SKOPEO_STALL_MS,
	};
	int r = reference_of(source, vmb_digest_hex(image->digest), &ref);

	if (r == 0)
		r = registry_of(source, &registry);
	if (r == 0)
		r = vmb_blobs_link(store, folder, &blobs);
	if (r == 0 && source->kind->registry)
		r = vmb_oci_manifest_decode(image->manifest, image->n_manifest, &manifest);
	if (r < 0)
		return r;
	copy.ref = ref;
	copy.registry = registry;
	copy.blobs = blobs;
	copy.layers = source->kind->registry ? &manifest.layers : NULL;
	return vmb_skopeo_copy(&copy);
}

#define BY_SKOPEO .remote = true, .resolve = resolve, .fetch = fetch

const struct vmb_source_kind vmb_source_docker = {
	.prefix = "docker://",
	.usage = "docker://NAME",
	.registry = true,
	.parse = parse_docker,
	.name = name_docker,
	BY_SKOPEO,
};

const struct vmb_source_kind vmb_source_docker_archive = {
	.prefix = "docker-archive:",
	.usage = "docker-archive:FILE[:NAME]",
	.type = S_IFREG,
	.parse = parse_file,
	.name = name_archive,
	BY_SKOPEO,
};

const struct vmb_source_kind vmb_source_oci_archive = {
	.prefix = "oci-archive:",
	.usage = "oci-archive:FILE[:TAG]",
	.type = S_IFREG,
	.parse = parse_file,
	BY_SKOPEO,
};

const struct vmb_source_kind vmb_source_storage = {
	.prefix = "containers-storage:",
	.usage = "containers-storage:NAME",
	.parse = parse_all,
	.name = name_other,
	BY_SKOPEO,
};

const struct vmb_source_kind vmb_source_docker_daemon = {
	.prefix = "docker-daemon:",
	.usage = "docker-daemon:NAME",
	.parse = parse_all,
	.name = name_other,
	BY_SKOPEO,
};

const struct vmb_source_kind vmb_source_skopeo_dir = {
	.prefix = "skopeo-dir:",
	.usage = "skopeo-dir:DIR",
	.type = S_IFDIR,
	BY_SKOPEO,
};
