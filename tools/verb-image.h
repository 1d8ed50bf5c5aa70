/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_VERB_IMAGE_H
#define VMBOOT_TOOLS_VERB_IMAGE_H

/* An image as JSON, as import and images print it. */

#include "verbs.h"

struct json_object *image_json(const struct vmboot_image *image);

#endif
