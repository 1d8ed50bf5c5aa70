/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_RECORD_PARTS_H
#define VMB_IMAGE_RECORD_PARTS_H

/* The config and the origin of an image in its record, see record.h. No I/O. */

#include "base/json.h"
#include "image/image.h"

/* The object under "config"; and back into an empty struct, which is the caller's also on failure. */
int vmb_record_config(const struct vmb_image_config *c, struct json_object **ret);
int vmb_record_read_config(struct json_object *o, struct vmb_image_config *c);

/* The members "created", "author", "architecture", "variant", "layers" and "history" of o. */
int vmb_record_add_origin(struct json_object *o, const struct vmb_image_origin *origin);
int vmb_record_read_origin(struct json_object *o, struct vmb_image_origin *origin);

#endif
