/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/record.h"

#include "base/error.h"
#include "image/json.h"
#include "image/oci-json.h"
#include "image/record-parts.h"
#include "wire/config.h"

enum { FORMAT = 1 };

static int to_text(struct json_object *o, int flags, char **ret)
{
	const char *s = json_object_to_json_string_ext(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE);

	return s ? vmb_strdup(s, ret) : vmb_oom();
}

int vmb_config_json(const struct vmb_image_config *config, char **ret)
{
	_cleanup_json_ struct json_object *o = NULL;
	int r = vmb_record_config(config, &o);

	return r < 0 ? r : to_text(o, JSON_C_TO_STRING_PLAIN, ret);
}

int vmb_record_encode(const struct vmb_image *image, char **ret)
{
	_cleanup_json_ struct json_object *o = json_object_new_object(), *config = NULL;
	_cleanup_free_ char *text = NULL;
	int r;

	if (!o)
		return vmb_oom();
	r = vmb_json_add(o, "format", json_object_new_int(FORMAT));
	if (r == 0)
		r = vmb_json_add_string(o, "digest", image->digest);
	if (r == 0)
		r = vmb_json_add_string(o, "source", image->source);
	if (r == 0)
		r = vmb_json_add_string(o, "fstype", image->fstype);
	if (r == 0)
		r = vmb_json_add(o, "bytes", json_object_new_uint64(image->bytes));
	if (r == 0)
		r = vmb_json_add(o, "imported", json_object_new_int64(image->imported));
	if (r == 0)
		r = vmb_record_add_origin(o, &image->origin);
	if (r == 0)
		r = vmb_record_config(&image->config, &config);
	if (r == 0)
		r = vmb_json_add(o, "config", TAKE_PTR(config));
	if (r == 0)
		r = to_text(o, JSON_C_TO_STRING_PRETTY, &text);
	if (r < 0)
		return r;
	if (strlen(text) > VMB_IMAGE_JSON_MAX)
		return vmb_error(VMBOOT_EIMAGE,
				 "what the image says about itself takes more than %d bytes",
				 VMB_IMAGE_JSON_MAX);
	*ret = TAKE_PTR(text);
	return 0;
}

static int decode_members(struct json_object *o, struct vmb_image *image)
{
	uint64_t format = 0, imported = 0;
	struct json_object *config;
	int r = vmb_json_u64(o, "format", &format);

	if (r >= 0 && format != FORMAT)
		return vmb_error(VMBOOT_EIMAGE, "it has the format %llu, not %d",
				 (unsigned long long)format, FORMAT);
	if (r >= 0)
		r = vmb_json_string(o, "digest", VMB_OCI_WORD_MAX, &image->digest);
	if (r >= 0)
		r = vmb_json_string(o, "source", VMB_CONFIG_STRING_MAX, &image->source);
	if (r >= 0)
		r = vmb_json_string(o, "fstype", VMB_OCI_WORD_MAX, &image->fstype);
	if (r >= 0)
		r = vmb_json_u64(o, "bytes", &image->bytes);
	if (r >= 0)
		r = vmb_json_u64(o, "imported", &imported);
	image->imported = (int64_t)imported;
	if (r >= 0)
		r = vmb_record_read_origin(o, &image->origin);
	if (r >= 0)
		r = vmb_json_object(o, "config", &config);
	if (r > 0)
		r = vmb_record_read_config(config, &image->config);
	return r < 0 ? r : 0;
}

static bool is_fstype(const char *s)
{
	const char *const *known = vmb_config_root_fstypes;

	while (*known && !vmb_streq(*known, s))
		known++;
	return *known;
}

int vmb_record_decode(const char *json, size_t n, struct vmb_image *ret)
{
	_cleanup_json_ struct json_object *o = NULL;
	_cleanup_image_ struct vmb_image image = {0};
	int r = vmb_json_document(json, n, &o);

	if (r == 0)
		r = decode_members(o, &image);
	if (r < 0)
		return r;
	if (!vmb_digest_hex(image.digest) || !is_fstype(image.fstype))
		return vmb_error(VMBOOT_EIMAGE, "its digest or fstype is missing or wrong");
	*ret = image;
	image = (struct vmb_image){0};
	return 0;
}
