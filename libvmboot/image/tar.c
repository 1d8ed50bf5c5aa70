/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/digest.h"
#include "base/error.h"
#include "image/flatten.h"
#include "image/oci-json.h"
#include "image/source.h"

/* tar: a root file system in one archive, with any compression; .wh. names are plain names. */

static int resolve(const struct vmb_source *source, const struct vmb_store *store,
		   struct vmb_image *image)
{
	char hex[VMB_SHA256_HEX + 1];
	struct stat st;
	int r = vmb_file_digest(store, source->path, hex, &st);

	if (r == 0)
		r = vmb_asprintf(&image->digest, "sha256:%s", hex);
	return r < 0 ? r : vmb_strdup("squashfs", &image->fstype);
}

static int build(const struct vmb_source *source, const struct vmb_image *image, const char *disk,
		 struct vmb_progress_count *import)
{
	struct vmb_layer layer = {.path = source->path, .what = source->path, .any_filter = true};
	struct vmb_layers layers = {&layer, 1};
	struct stat st;

	if (stat(source->path, &st) < 0)
		return vmb_errno(errno, "cannot read %s", source->path);
	layer.size = (uint64_t)st.st_size;
	vmb_strlcpy(layer.hex, vmb_digest_hex(image->digest), sizeof(layer.hex));
	return vmb_flatten(&layers, disk, import);
}

const struct vmb_source_kind vmb_source_tar = {
	.prefix = "tar:",
	.usage = "tar:FILE",
	.type = S_IFREG,
	.resolve = resolve,
	.build = build,
};
