/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/tree.h"

#include <sys/random.h>

#include "archive/path.h"
#include "base/error.h"

enum kind {
	GONE,
	IMPLICIT, /* a folder that only the paths of others name */
	FOLDER,
	OTHER,
};

struct node {
	uint32_t parent;
	uint32_t name;	  /* where in names */
	uint32_t seq;	  /* when it came to be what it is */
	uint32_t content; /* the entry that has its content: not seq for a hard link */
	uint32_t barrier; /* older children are gone */
	uint32_t next;	  /* same content */
	uint8_t name_len;
	uint8_t kind;
};

enum { ROOT = 0, NONE = UINT32_MAX };

struct vmb_tree {
	struct node *nodes;
	uint32_t n_nodes, cap_nodes;
	char *names;
	size_t names_len, names_cap;
	uint32_t *slots; /* open hash of (parent, name): node + 1, or 0 */
	uint32_t n_slots;
	uint64_t seed; /* names are hostile: no one shall foresee where they collide */
	uint32_t seq;
	uint32_t layer_start;
	uint32_t *first; /* after finish, by seq */
};

static uint64_t mix(uint64_t h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ h >> 32;
}

static uint32_t slot_of(const struct vmb_tree *t, uint32_t parent, const char *name, size_t n)
{
	uint64_t h = mix(t->seed ^ parent), word;

	while (n > 0) {
		size_t take = n < sizeof(word) ? n : sizeof(word);

		word = 0;
		memcpy(&word, name, take);
		h = mix(h ^ word) + t->seed;
		name += take;
		n -= take;
	}
	return (uint32_t)h & (t->n_slots - 1);
}

static bool is_named(const struct vmb_tree *t, uint32_t i, uint32_t parent, const char *name,
		     size_t n)
{
	const struct node *node = &t->nodes[i];

	return node->parent == parent && node->name_len == n &&
	       memcmp(t->names + node->name, name, n) == 0;
}

/* The child's node, whatever became of it, or NONE. */
static uint32_t find_child(const struct vmb_tree *t, uint32_t parent, const char *name, size_t n)
{
	uint32_t s = slot_of(t, parent, name, n);

	for (; t->slots[s]; s = (s + 1) & (t->n_slots - 1))
		if (is_named(t, t->slots[s] - 1, parent, name, n))
			return t->slots[s] - 1;
	return NONE;
}

static void put_in_slot(struct vmb_tree *t, uint32_t i)
{
	const struct node *node = &t->nodes[i];
	uint32_t s = slot_of(t, node->parent, t->names + node->name, node->name_len);

	while (t->slots[s])
		s = (s + 1) & (t->n_slots - 1);
	t->slots[s] = i + 1;
}

static int grow_slots(struct vmb_tree *t, uint32_t n)
{
	uint32_t *slots = calloc(n, sizeof(*slots));

	if (!slots)
		return vmb_oom();
	free(t->slots);
	t->slots = slots;
	t->n_slots = n;
	for (uint32_t i = 1; i < t->n_nodes; i++)
		put_in_slot(t, i);
	return 0;
}

static int grow_nodes(struct vmb_tree *t)
{
	uint32_t cap = t->cap_nodes ? t->cap_nodes * 2 : 1024;
	struct node *nodes;

	if (t->n_nodes >= VMB_TREE_ENTRIES_MAX)
		return vmb_error(VMBOOT_EIMAGE, "there are more than %d paths",
				 VMB_TREE_ENTRIES_MAX);
	nodes = reallocarray(t->nodes, cap, sizeof(*nodes));
	if (!nodes)
		return vmb_oom();
	t->nodes = nodes;
	t->cap_nodes = cap;
	return grow_slots(t, cap * 2);
}

static int add_name(struct vmb_tree *t, const char *name, size_t n, uint32_t *ret)
{
	size_t cap = t->names_cap ? t->names_cap : 1 << 16;
	char *names;

	while (cap < t->names_len + n)
		cap *= 2;
	if (cap > VMB_TREE_NAMES_MAX)
		return vmb_error(VMBOOT_EIMAGE, "the names take more than %d MiB",
				 VMB_TREE_NAMES_MAX >> 20);
	if (cap != t->names_cap) {
		names = realloc(t->names, cap);
		if (!names)
			return vmb_oom();
		t->names = names;
		t->names_cap = cap;
	}
	memcpy(t->names + t->names_len, name, n);
	*ret = (uint32_t)t->names_len;
	t->names_len += n;
	return 0;
}

static int add_node(struct vmb_tree *t, uint32_t parent, const char *name, size_t n, uint32_t *ret)
{
	struct node node = {.parent = parent, .name_len = (uint8_t)n, .kind = GONE};
	int r = 0;

	if (t->n_nodes == t->cap_nodes)
		r = grow_nodes(t);
	if (r == 0)
		r = add_name(t, name, n, &node.name);
	if (r < 0)
		return r;
	t->nodes[t->n_nodes] = node;
	*ret = t->n_nodes++;
	if (*ret != ROOT)
		put_in_slot(t, *ret);
	return 0;
}

int vmb_tree_new(struct vmb_tree **ret)
{
	_cleanup_tree_ struct vmb_tree *t = calloc(1, sizeof(*t));
	uint32_t root;
	int r;

	if (!t)
		return vmb_oom();
	if (getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed))
		return vmb_errno(errno, "cannot get random bytes");
	r = add_node(t, ROOT, "", 0, &root);
	if (r < 0)
		return r;
	t->nodes[root].kind = IMPLICIT;
	*ret = TAKE_PTR(t);
	return 0;
}

void vmb_tree_free(struct vmb_tree *tree)
{
	if (!tree)
		return;
	free(tree->nodes);
	free(tree->names);
	free(tree->slots);
	free(tree->first);
	free(tree);
}

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

/* A step down a path: barrier is the highest one of the folders above the node. */
struct step {
	uint32_t node, barrier;
};

static struct step step_to(const struct vmb_tree *t, struct step above, uint32_t child)
{
	uint32_t own = t->nodes[above.node].barrier;

	return (struct step){child, own > above.barrier ? own : above.barrier};
}

static bool is_alive(const struct vmb_tree *t, struct step s)
{
	return t->nodes[s.node].kind != GONE && t->nodes[s.node].seq >= s.barrier;
}

static int find(const struct vmb_tree *t, const char *path, struct step *ret)
{
	struct step at = {ROOT, 0};

	while (*path) {
		size_t n = strcspn(path, "/");
		uint32_t child = find_child(t, at.node, path, n);

		if (child == NONE)
			return -ENOENT;
		at = step_to(t, at, child);
		path += n + (path[n] == '/');
	}
	*ret = at;
	return 0;
}

bool vmb_tree_has(const struct vmb_tree *tree, const char *path)
{
	struct step at;

	return find(tree, path, &at) == 0 && is_alive(tree, at);
}

bool vmb_tree_is_empty(const struct vmb_tree *tree)
{
	return tree->n_nodes == 1;
}

/* Something is to be put below this node, so it has to be a folder. */
static int make_folder(struct vmb_tree *t, struct step at, const char *path)
{
	struct node *node = &t->nodes[at.node];

	if (at.node == ROOT || (is_alive(t, at) && node->kind != OTHER))
		return 0;
	if (is_alive(t, at) && node->seq >= t->layer_start)
		return vmb_error(VMBOOT_EIMAGE, "%s lies below something that is not a folder",
				 vmb_show(path).text);
	node->kind = IMPLICIT;
	node->seq = t->seq;
	return 0;
}

/* The node of a path; what is above it becomes folders. */
static int reach(struct vmb_tree *t, const char *path, struct step *ret)
{
	struct step at = {ROOT, 0};
	const char *p = path;
	uint32_t child;
	int r;

	while (*p) {
		size_t n = strcspn(p, "/");

		r = make_folder(t, at, path);
		if (r < 0)
			return r;
		child = find_child(t, at.node, p, n);
		if (child == NONE) {
			r = add_node(t, at.node, p, n, &child);
			if (r < 0)
				return r;
		}
		at = step_to(t, at, child);
		p += n + (p[n] == '/');
	}
	*ret = at;
	return 0;
}

static int put(struct vmb_tree *t, const char *path, enum kind kind, uint32_t content)
{
	struct step at;
	struct node *node;
	int r;

	r = reach(t, path, &at);
	if (r < 0)
		return r;
	if (at.node == ROOT && kind != FOLDER)
		return vmb_error(VMBOOT_EIMAGE, "the root is not a folder");
	node = &t->nodes[at.node];
	node->kind = (uint8_t)kind;
	node->seq = t->seq;
	node->content = content;
	if (kind == OTHER)
		node->barrier = t->seq;
	return 0;
}

int vmb_tree_add(struct vmb_tree *tree, const char *path, bool folder)
{
	int r = vmb_tree_skip(tree);

	return r < 0 ? r : put(tree, path, folder ? FOLDER : OTHER, tree->seq);
}

int vmb_tree_link(struct vmb_tree *tree, const char *path, const char *target)
{
	struct step at;
	int r = vmb_tree_skip(tree);

	if (r < 0)
		return r;
	if (find(tree, target, &at) < 0 || !is_alive(tree, at))
		return vmb_error(VMBOOT_EIMAGE, "%s is a hard link to %s, which is not there",
				 vmb_show(path).text, vmb_show(target).text);
	if (tree->nodes[at.node].kind != OTHER)
		return vmb_error(VMBOOT_EIMAGE, "%s is a hard link to %s, which is a folder",
				 vmb_show(path).text, vmb_show(target).text);
	if (vmb_streq(path, target))
		return 0;
	return put(tree, path, OTHER, tree->nodes[at.node].content);
}

static void raise_barrier(struct vmb_tree *t, struct node *node)
{
	if (node->barrier < t->layer_start)
		node->barrier = t->layer_start;
}

int vmb_tree_whiteout(struct vmb_tree *tree, const char *path)
{
	struct step at;
	int r = vmb_tree_skip(tree);

	if (r < 0 || find(tree, path, &at) < 0)
		return r;
	raise_barrier(tree, &tree->nodes[at.node]);
	if (tree->nodes[at.node].seq < tree->layer_start)
		tree->nodes[at.node].kind = GONE;
	return 0;
}

int vmb_tree_opaque(struct vmb_tree *tree, const char *path)
{
	struct step at;
	int r = vmb_tree_skip(tree);

	if (r < 0 || find(tree, path, &at) < 0)
		return r;
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
		struct step above = {tree->nodes[i].parent, barriers[tree->nodes[i].parent]};
		struct step at = step_to(tree, above, i);

		barriers[i] = at.barrier;
		if (!is_alive(tree, at) || tree->nodes[above.node].kind == GONE ||
		    tree->nodes[above.node].kind == OTHER)
			tree->nodes[i].kind = GONE;
	}
	for (uint32_t i = tree->n_nodes - 1; i > 0; i--) {
		struct node *node = &tree->nodes[i];

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
		const struct node *n = &tree->nodes[node];

		if (at != end)
			path[--at] = '/';
		at -= n->name_len;
		memcpy(path + at, tree->names + n->name, n->name_len);
	}
	memmove(path, path + at, end - at);
	path[end - at] = '\0';
}
