/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "image/json.h"
#include "image/oci-json.h"
#include "image/record-parts.h"

static int add_layers(struct json_object *o, const struct vmb_image_origin *origin)
{
	struct json_object *list, *item;
	int r;

	if (!origin->layers)
		return 0;
	r = vmb_json_add_array(o, "layers", &list);
	for (size_t i = 0; r == 0 && i < origin->n_layers; i++) {
		const struct vmb_image_layer *layer = &origin->layers[i];

		r = vmb_json_append_object(list, &item);
		if (r == 0)
			r = vmb_json_add_string(item, "digest", layer->digest);
		if (r == 0)
			r = vmb_json_add_u64(item, "bytes", layer->bytes);
		if (r == 0)
			r = vmb_json_add_string(item, "media_type", layer->media_type);
	}
	return r;
}

static int add_history(struct json_object *o, const struct vmb_image_origin *origin)
{
	struct json_object *list, *item;
	int r;

	if (!origin->history)
		return 0;
	r = vmb_json_add_array(o, "history", &list);
	for (size_t i = 0; r == 0 && i < origin->n_history; i++) {
		const struct vmb_image_step *step = &origin->history[i];

		r = vmb_json_append_object(list, &item);
		if (r == 0)
			r = vmb_json_add_string(item, "created", step->created);
		if (r == 0)
			r = vmb_json_add_string(item, "created_by", step->created_by);
		if (r == 0)
			r = vmb_json_add_string(item, "comment", step->comment);
		if (r == 0 && step->empty)
			r = vmb_json_add(item, "empty_layer", json_object_new_boolean(1));
	}
	return r;
}

int vmb_record_add_origin(struct json_object *o, const struct vmb_image_origin *origin)
{
	int r;

	r = vmb_json_add_string(o, "created", origin->created);
	if (r == 0)
		r = vmb_json_add_string(o, "author", origin->author);
	if (r == 0)
		r = vmb_json_add_string(o, "architecture", origin->arch);
	if (r == 0)
		r = vmb_json_add_string(o, "variant", origin->variant);
	if (r == 0)
		r = add_layers(o, origin);
	return r < 0 ? r : add_history(o, origin);
}

static int read_layers(struct json_object *o, struct vmb_image_origin *origin)
{
	struct json_object *list;
	int r = vmb_json_array(o, "layers", VMB_OCI_LAYERS_MAX, &list);
	size_t n = r > 0 ? json_object_array_length(list) : 0;

	if (r <= 0)
		return r;
	origin->layers = calloc(n ? n : 1, sizeof(*origin->layers));
	if (!origin->layers)
		return vmb_oom();
	for (size_t i = 0; r >= 0 && i < n; i++) {
		struct json_object *item = json_object_array_get_idx(list, i);
		struct vmb_image_layer *layer = &origin->layers[origin->n_layers++];

		if (!json_object_is_type(item, json_type_object))
			return vmb_error(VMBOOT_EIMAGE, "a layer is not an object");
		r = vmb_json_string(item, "digest", VMB_OCI_WORD_MAX, &layer->digest);
		if (r >= 0 && !vmb_digest_hex(layer->digest))
			return vmb_error(VMBOOT_EIMAGE, "a layer's digest is missing or wrong");
		if (r >= 0)
			r = vmb_json_u64(item, "bytes", &layer->bytes);
		if (r >= 0)
			r = vmb_json_string(item, "media_type", VMB_OCI_WORD_MAX,
					    &layer->media_type);
	}
	return r;
}

int vmb_record_read_origin(struct json_object *o, struct vmb_image_origin *origin)
{
	int r = vmb_oci_origin_decode(o, origin);

	return r < 0 ? r : read_layers(o, origin);
}
