/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "image/oci-json.h"
#include "image/oci-write.h"
#include "image/record.h"

/*
 * One JSON document, read as each of those that an image has. A config that can be read has to come
 * back from our record, and from the config that we write, as the same.
 */

static void compare(const struct vmb_image_config *a, const struct vmb_image_config *b)
{
	_cleanup_free_ char *one = NULL, *other = NULL;

	if (vmb_config_json(a, &one) < 0 || vmb_config_json(b, &other) < 0 ||
	    strcmp(one, other) != 0)
		abort();
}

static void through_record(const struct vmb_image *image)
{
	_cleanup_image_ struct vmb_image back = {0};
	_cleanup_free_ char *json = NULL;

	if (vmb_record_encode(image, &json) < 0)
		return;
	if (vmb_record_decode(json, strlen(json), &back) < 0)
		abort();
	compare(&image->config, &back.config);
}

static void through_config(const struct vmb_image *image)
{
	static const struct vmb_oci_written layer = {
		.hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
	_cleanup_image_config_ struct vmb_image_config config = {0};
	_cleanup_image_origin_ struct vmb_image_origin origin = {0};
	_cleanup_free_ char *json = NULL;

	if (vmb_oci_config_encode(image, &layer, &json) < 0)
		return;
	/* larger than what we read, or a time that is too long to be written: nothing to compare */
	if (vmb_oci_config_decode(json, strlen(json), &config, &origin) < 0)
		return;
	if (origin.n_history != image->origin.n_history + 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_image_ struct vmb_image image = {
		.digest =
			strdup("sha256:"
			       "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
		.fstype = strdup("squashfs")};
	_cleanup_oci_manifest_ struct vmb_oci_manifest manifest = {0};
	_cleanup_oci_index_ struct vmb_oci_index index = {0};
	_cleanup_image_ struct vmb_image record = {0};
	_cleanup_free_ char *text = malloc(size + 1);

	if (!text || !image.digest || !image.fstype)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	(void)vmb_oci_index_decode(text, size, &index);
	(void)vmb_oci_manifest_decode(text, size, &manifest);
	(void)vmb_record_decode(text, size, &record);
	if (vmb_oci_config_decode(text, size, &image.config, &image.origin) < 0)
		return 0;
	through_record(&image);
	through_config(&image);
	return 0;
}
