/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_TREE_H
#define VMB_IMAGE_TREE_H

/*
 * What the root file system looks like after layer upon layer. In: the entries of all layers, from
 * the lowest up, each with a number of its own (1, 2, …). Out: which entries are still to be seen
 * at the end, and under which paths. Names only, no content, no I/O.
 *
 * A path may lead through symbolic links, of its own layer or of lower ones. As containerd, umoci
 * and GNU tar do, they are followed, and never lead out of the root: "lib/x" is "usr/lib/x" where
 * lib is a link to usr/lib. A hard link may come before its target in a layer.
 *
 * A folder's `barrier` is the number of an entry: all below the folder that is older is gone. So
 * a whiteout, an opaque folder or a file in a folder's place costs one store, not a walk.
 */

#include <limits.h>

#include "base/cleanup.h"
#include "base/str.h"

enum {
	VMB_TREE_ENTRIES_MAX = 4 << 20, /* of all layers together; and of paths */
	VMB_TREE_NAMES_MAX = 256 << 20, /* bytes of all names together */
};

struct vmb_tree;

int vmb_tree_new(struct vmb_tree **ret);
void vmb_tree_free(struct vmb_tree *tree);
VMB_DEFINE_CLEANUP(vmb_tree_freep, struct vmb_tree *, vmb_tree_free)
#define _cleanup_tree_ vmb_cleanup(vmb_tree_freep)

/* What comes now belongs to the next layer; and that was all of it. */
void vmb_tree_layer(struct vmb_tree *tree);
int vmb_tree_layer_end(struct vmb_tree *tree);

/*
 * The next entry: counts it (call exactly one of these for each), then takes it in. Paths are
 * clean, see path.h. -VMBOOT_EIMAGE for what cannot be. mode has the entry's type, and target is a
 * symbolic link's.
 */
int vmb_tree_add(struct vmb_tree *tree, const char *path, unsigned mode, const char *target);
int vmb_tree_link(struct vmb_tree *tree, const char *path, const char *target);
int vmb_tree_whiteout(struct vmb_tree *tree, const char *path); /* path in lower layers is gone */
int vmb_tree_opaque(struct vmb_tree *tree, const char *path); /* so is what lower ones have in it */
int vmb_tree_skip(struct vmb_tree *tree);

/* Is there a file or folder of that path now? */
bool vmb_tree_has(struct vmb_tree *tree, const char *path);
bool vmb_tree_is_empty(const struct vmb_tree *tree); /* no entry named any path yet */

/* All layers are in: sorts out what is seen. */
int vmb_tree_finish(struct vmb_tree *tree);

/*
 * After finish. The paths of entry number seq: the first, then by next; 0 is none. More than one
 * are hard links to the first.
 */
uint32_t vmb_tree_first(const struct vmb_tree *tree, uint32_t seq);
uint32_t vmb_tree_next(const struct vmb_tree *tree, uint32_t node);
void vmb_tree_path(const struct vmb_tree *tree, uint32_t node, char path[PATH_MAX]);

/* The folders that only the paths of other entries name; start with 0, ends with 0. */
uint32_t vmb_tree_next_implicit(const struct vmb_tree *tree, uint32_t node);

#endif
