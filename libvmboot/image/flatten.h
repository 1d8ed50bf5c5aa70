/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_FLATTEN_H
#define VMB_IMAGE_FLATTEN_H

/*
 * Layers in, one root disk out. Each layer is read twice: first for names only, to know which
 * entries are still there at the end (tree.h); then those are written, from the lowest layer up,
 * each with all its hard links at once. What the first reading unpacked and checked is in a spool
 * (archive/spool.h), from which the second one reads.
 */

#include "archive/layer.h"

/* Adds twice the size of all layers to import->total, and makes disk, a new squashfs file. */
int vmb_flatten(const struct vmb_layers *layers, const char *disk,
		struct vmb_progress_count *import);

#endif
