/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_TREE_PRIVATE_H
#define VMB_IMAGE_TREE_PRIVATE_H

/* The nodes of a tree and the way to one of them: what tree.c and tree-nodes.c share. */

#include "image/tree.h"

enum vmb_tree_kind {
	GONE,
	IMPLICIT, /* a folder that only the paths of others name */
	FOLDER,
	OTHER,
};

struct vmb_tree_node {
	uint32_t parent;
	uint32_t name; /* where in names */
	uint32_t
		symlink; /* where in names its target is, with a 0 behind it; 0: it is no symlink */
	uint32_t seq;	 /* when it came to be what it is */
	uint32_t
		content; /* the entry that has its content: not seq for a hard link; 0: see waiting */
	uint32_t barrier; /* older children are gone */
	uint32_t next;	  /* same content */
	uint16_t path_len;
	uint8_t name_len;
	uint8_t kind;
};

/* A hard link that came before its target. */
struct vmb_tree_waiting {
	uint32_t node, seq;
	uint32_t target;  /* where in names, with a 0 behind it */
	uint32_t visited; /* by the search that began at link number visited - 1 */
};

enum {
	ROOT = 0,
};

struct vmb_tree {
	struct vmb_tree_node *nodes;
	uint32_t n_nodes, cap_nodes;
	char *names;
	size_t names_len, names_cap;
	uint32_t *slots; /* open hash of (parent, name): node + 1, or 0 */
	uint32_t n_slots;
	uint64_t seed; /* names are hostile: no one shall foresee where they collide */
	uint32_t seq;
	uint32_t layer_start;
	struct vmb_tree_waiting *waiting; /* of this layer */
	uint32_t n_waiting, cap_waiting;
	uint32_t *first; /* after finish, by seq */
};

/* A place in the tree: barrier is the highest one of the folders above the node. */
struct vmb_tree_step {
	uint32_t node, barrier;
};

struct vmb_tree_step vmb_tree_step_to(const struct vmb_tree *t, struct vmb_tree_step above,
				      uint32_t child);
struct vmb_tree_step vmb_tree_step_up(const struct vmb_tree *t, uint32_t node);
bool vmb_tree_is_alive(const struct vmb_tree *t, struct vmb_tree_step s);

int vmb_tree_add_name(struct vmb_tree *t, const char *name, size_t n, uint32_t *ret);

/*
 * Where a path leads, as the kernel would walk it in a chroot: symbolic links are followed within
 * the root, and what is above the root is the root. last: also one that is the last part. make: what
 * is missing is made, and what is above becomes folders; else -ENOENT, without an error set.
 */
int vmb_tree_walk(struct vmb_tree *t, const char *path, bool make, bool last,
		  struct vmb_tree_step *ret);

#endif
