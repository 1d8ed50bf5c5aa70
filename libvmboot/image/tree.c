/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/stat.h>

#include "archive/path.h"
#include "base/error.h"
#include "image/tree-private.h"

void vmb_tree_layer(struct vmb_tree *tree)
{
	tree->layer_start = tree->seq + 1;
}

int vmb_tree_skip(struct vmb_tree *tree)
{
	if (tree->seq >= VMB_TREE_ENTRIES_MAX)
		return vmb_error(VMBOOT_EIMAGE, "there are more than %d entries",
				 VMB_TREE_ENTRIES_MAX);
	tree->seq++;
	return 0;
}

static int find(struct vmb_tree *t, const char *path, struct vmb_tree_step *ret)
{
	return vmb_tree_walk(t, path, false, false, ret);
}

bool vmb_tree_has(struct vmb_tree *tree, const char *path)
{
	struct vmb_tree_step at;

	return find(tree, path, &at) == 0 && vmb_tree_is_alive(tree, at);
}

bool vmb_tree_is_empty(const struct vmb_tree *tree)
{
	return tree->n_nodes == 1;
}

/* What a path becomes. */
struct thing {
	enum vmb_tree_kind kind;
	uint32_t content, symlink;
};

static int put_node(struct vmb_tree *t, const char *path, const struct thing *thing,
		    uint32_t *ret_node)
{
	struct vmb_tree_step at;
	struct vmb_tree_node *node;
	int r = vmb_tree_walk(t, path, true, false, &at);

	if (r < 0)
		return r;
	if (at.node == ROOT && thing->kind != FOLDER)
		return vmb_error(VMBOOT_EIMAGE, "the root is not a folder");
	node = &t->nodes[at.node];
	node->kind = (uint8_t)thing->kind;
	node->seq = t->seq;
	node->content = thing->content;
	node->symlink = thing->symlink;
	if (thing->kind == OTHER)
		node->barrier = t->seq;
	*ret_node = at.node;
	return 0;
}

int vmb_tree_add(struct vmb_tree *tree, const char *path, unsigned mode, const char *target)
{
	struct thing thing = {.kind = S_ISDIR(mode) ? FOLDER : OTHER};
	uint32_t node;
	int r = vmb_tree_skip(tree);

	thing.content = tree->seq;
	if (r == 0 && S_ISLNK(mode) && target && *target)
		r = vmb_tree_add_name(tree, target, strlen(target) + 1, &thing.symlink);
	return r < 0 ? r : put_node(tree, path, &thing, &node);
}

/* ---- hard links ---- */

static int no_target(const struct vmb_tree *t, const char *path, const char *target)
{
	(void)t;
	return vmb_error(VMBOOT_EIMAGE, "%s is a hard link to %s, which is not there",
			 vmb_show(path).text, vmb_show(target).text);
}

/* 1: the node of what is there for a hard link. 0: it is not there, or is waiting itself. */
static int find_target(struct vmb_tree *t, const char *path, const char *target,
		       struct vmb_tree_step *ret)
{
	int r = find(t, target, ret);

	if (r == -ENOENT || (r == 0 && !vmb_tree_is_alive(t, *ret)))
		return 0;
	if (r < 0)
		return r;
	if (t->nodes[ret->node].kind != OTHER)
		return vmb_error(VMBOOT_EIMAGE, "%s is a hard link to %s, which is a folder",
				 vmb_show(path).text, vmb_show(target).text);
	return t->nodes[ret->node].content != 0;
}

/* Some tools write a layer's links in any order, so the target may come later in the layer. */
static int wait_for_target(struct vmb_tree *t, const char *path, const char *target)
{
	struct vmb_tree_waiting *w;
	struct thing thing = {.kind = OTHER};
	int r;

	if (t->n_waiting == t->cap_waiting) {
		uint32_t cap = t->cap_waiting ? t->cap_waiting * 2 : 64;

		w = reallocarray(t->waiting, cap, sizeof(*w));
		if (!w)
			return vmb_oom();
		t->waiting = w;
		t->cap_waiting = cap;
	}
	w = &t->waiting[t->n_waiting];
	*w = (struct vmb_tree_waiting){.seq = t->seq};
	r = put_node(t, path, &thing, &w->node);
	if (r == 0)
		r = vmb_tree_add_name(t, target, strlen(target) + 1, &w->target);
	if (r < 0)
		return r;
	t->nodes[w->node].next = t->n_waiting++;
	return 0;
}

int vmb_tree_link(struct vmb_tree *tree, const char *path, const char *target)
{
	struct thing thing = {.kind = OTHER};
	struct vmb_tree_step at, here;
	uint32_t node;
	int r = vmb_tree_skip(tree);

	if (r == 0)
		r = find_target(tree, path, target, &at);
	if (r == 0)
		return wait_for_target(tree, path, target);
	if (r < 0)
		return r;
	thing.content = tree->nodes[at.node].content;
	thing.symlink = tree->nodes[at.node].symlink;
	if (find(tree, path, &here) == 0 && here.node == at.node)
		return 0; /* to itself */
	return put_node(tree, path, &thing, &node);
}

static bool is_waiting(const struct vmb_tree *t, const struct vmb_tree_waiting *w)
{
	const struct vmb_tree_node *node = &t->nodes[w->node];
	struct vmb_tree_step at = vmb_tree_step_to(t, vmb_tree_step_up(t, w->node), w->node);

	return node->kind == OTHER && node->content == 0 && node->seq == w->seq &&
	       vmb_tree_is_alive(t, at);
}

/* The end of a chain of waiting links that begins with number i. */
static int find_chain_end(struct vmb_tree *t, uint32_t i, uint32_t *ret_node)
{
	char path[PATH_MAX];
	struct vmb_tree_step at;

	for (uint32_t start = i + 1;;) {
		struct vmb_tree_waiting *w = &t->waiting[i];
		const char *target;
		int r;

		vmb_tree_path(t, w->node, path);
		target = t->names + w->target;
		if (w->visited == start)
			return no_target(t, path, target);
		w->visited = start;
		r = find_target(t, path, target, &at);
		if (r == 0 && (find(t, target, &at) < 0 || !vmb_tree_is_alive(t, at)))
			return no_target(t, path, target);
		if (r < 0)
			return r;
		if (r > 0) {
			*ret_node = at.node;
			return 0;
		}
		i = t->nodes[at.node].next;
	}
}

/* All links of that chain get what its end has, so each link is looked at twice at most. */
static void resolve_chain(struct vmb_tree *t, uint32_t i, uint32_t end)
{
	struct vmb_tree_step at;

	for (;;) {
		struct vmb_tree_waiting *w = &t->waiting[i];

		t->nodes[w->node].content = t->nodes[end].content;
		t->nodes[w->node].symlink = t->nodes[end].symlink;
		if (find(t, t->names + w->target, &at) < 0 || t->nodes[at.node].content != 0)
			return;
		i = t->nodes[at.node].next;
	}
}

int vmb_tree_layer_end(struct vmb_tree *tree)
{
	uint32_t end;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < tree->n_waiting; i++) {
		if (!is_waiting(tree, &tree->waiting[i]))
			continue;
		r = find_chain_end(tree, i, &end);
		if (r == 0)
			resolve_chain(tree, i, end);
	}
	tree->n_waiting = 0;
	return r;
}

/* ---- whiteouts ---- */

static void raise_barrier(struct vmb_tree *t, struct vmb_tree_node *node)
{
	if (node->barrier < t->layer_start)
		node->barrier = t->layer_start;
}

int vmb_tree_whiteout(struct vmb_tree *tree, const char *path)
{
	struct vmb_tree_step at;
	int r = vmb_tree_skip(tree);

	if (r == 0)
		r = find(tree, path, &at);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	raise_barrier(tree, &tree->nodes[at.node]);
	if (tree->nodes[at.node].seq < tree->layer_start)
		tree->nodes[at.node].kind = GONE;
	return 0;
}

int vmb_tree_opaque(struct vmb_tree *tree, const char *path)
{
	struct vmb_tree_step at;
	int r = vmb_tree_skip(tree);

	if (r == 0)
		r = vmb_tree_walk(tree, path, false, true, &at);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	raise_barrier(tree, &tree->nodes[at.node]);
	return 0;
}

/* Parents come before their children in nodes, so one pass tells who is alive. */
int vmb_tree_finish(struct vmb_tree *tree)
{
	_cleanup_free_ uint32_t *barriers = calloc(tree->n_nodes, sizeof(*barriers));

	tree->first = calloc((size_t)tree->seq + 1, sizeof(*tree->first));
	if (!barriers || !tree->first)
		return vmb_oom();
	for (uint32_t i = 1; i < tree->n_nodes; i++) {
		struct vmb_tree_step above = {tree->nodes[i].parent,
					      barriers[tree->nodes[i].parent]};
		struct vmb_tree_step at = vmb_tree_step_to(tree, above, i);

		barriers[i] = at.barrier;
		if (!vmb_tree_is_alive(tree, at) || tree->nodes[above.node].kind == GONE ||
		    tree->nodes[above.node].kind == OTHER)
			tree->nodes[i].kind = GONE;
	}
	for (uint32_t i = tree->n_nodes - 1; i > 0; i--) {
		struct vmb_tree_node *node = &tree->nodes[i];

		if (node->kind != FOLDER && node->kind != OTHER)
			continue;
		node->next = tree->first[node->content];
		tree->first[node->content] = i;
	}
	return 0;
}

uint32_t vmb_tree_first(const struct vmb_tree *tree, uint32_t seq)
{
	return seq <= tree->seq ? tree->first[seq] : 0;
}

uint32_t vmb_tree_next(const struct vmb_tree *tree, uint32_t node)
{
	return tree->nodes[node].next;
}

uint32_t vmb_tree_next_implicit(const struct vmb_tree *tree, uint32_t node)
{
	while (++node < tree->n_nodes)
		if (tree->nodes[node].kind == IMPLICIT)
			return node;
	return 0;
}

void vmb_tree_path(const struct vmb_tree *tree, uint32_t node, char path[PATH_MAX])
{
	size_t end = PATH_MAX - 1, at = end;

	for (; node != ROOT; node = tree->nodes[node].parent) {
		const struct vmb_tree_node *n = &tree->nodes[node];

		if (at != end)
			path[--at] = '/';
		at -= n->name_len;
		memcpy(path + at, tree->names + n->name, n->name_len);
	}
	memmove(path, path + at, end - at);
	path[end - at] = '\0';
}
