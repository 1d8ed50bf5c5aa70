/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/random.h>

#include "archive/path.h"
#include "base/error.h"
#include "image/tree-private.h"

enum {
	NONE = UINT32_MAX,
	SYMLINKS_MAX = 40, /* in one path, as Linux has it */
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
	const struct vmb_tree_node *node = &t->nodes[i];

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
	const struct vmb_tree_node *node = &t->nodes[i];
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
	struct vmb_tree_node *nodes;

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

int vmb_tree_add_name(struct vmb_tree *t, const char *name, size_t n, uint32_t *ret)
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
	struct vmb_tree_node node = {.parent = parent, .name_len = (uint8_t)n, .kind = GONE};
	size_t path_len = t->n_nodes ? t->nodes[parent].path_len + 1 + n : 0;
	int r = 0;

	if (path_len > PATH_MAX) /* links can make a short path a long one */
		return vmb_error(VMBOOT_EIMAGE, "a path has more than %d bytes", PATH_MAX - 1);
	node.path_len = (uint16_t)path_len;
	if (t->n_nodes == t->cap_nodes)
		r = grow_nodes(t);
	if (r == 0)
		r = vmb_tree_add_name(t, name, n, &node.name);
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
	t->names_len = 1; /* nothing is at 0 */
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
	free(tree->waiting);
	free(tree->first);
	free(tree);
}

/* ---- the way to a node ---- */

struct vmb_tree_step vmb_tree_step_to(const struct vmb_tree *t, struct vmb_tree_step above,
				      uint32_t child)
{
	uint32_t own = t->nodes[above.node].barrier;

	return (struct vmb_tree_step){child, own > above.barrier ? own : above.barrier};
}

struct vmb_tree_step vmb_tree_step_up(const struct vmb_tree *t, uint32_t node)
{
	struct vmb_tree_step at = {t->nodes[node].parent, 0};

	for (uint32_t i = at.node; i != ROOT; i = t->nodes[i].parent)
		if (t->nodes[t->nodes[i].parent].barrier > at.barrier)
			at.barrier = t->nodes[t->nodes[i].parent].barrier;
	return at;
}

bool vmb_tree_is_alive(const struct vmb_tree *t, struct vmb_tree_step s)
{
	return t->nodes[s.node].kind != GONE && t->nodes[s.node].seq >= s.barrier;
}

static const char *symlink_at(const struct vmb_tree *t, struct vmb_tree_step s)
{
	const struct vmb_tree_node *node = &t->nodes[s.node];

	return vmb_tree_is_alive(t, s) && node->kind == OTHER && node->symlink
		       ? t->names + node->symlink
		       : NULL;
}

/*
 * One path on its way down, as the kernel would walk it in a chroot: symbolic links are followed
 * within the root, and what is above the root is the root.
 */
struct walk {
	const char *path; /* for messages */
	struct vmb_tree_step at;
	unsigned n_symlinks;
	bool make;  /* what is missing, and the folders above */
	char *rest; /* of the path, at the end of buf: a link's target is put before it */
	char buf[2 * PATH_MAX];
};

static void start_walk(struct walk *w, const char *path, bool make)
{
	size_t n = strnlen(path, PATH_MAX - 1) + 1; /* a clean path is no longer */

	w->path = path;
	w->at = (struct vmb_tree_step){ROOT, 0};
	w->n_symlinks = 0;
	w->make = make;
	w->rest = w->buf + sizeof(w->buf) - n;
	memcpy(w->rest, path, n - 1);
	w->rest[n - 1] = '\0';
}

/* Something is to be put below this node, so it has to be a folder. */
static int make_folder(struct vmb_tree *t, const struct walk *w)
{
	struct vmb_tree_node *node = &t->nodes[w->at.node];

	if (w->at.node == ROOT || (vmb_tree_is_alive(t, w->at) && node->kind != OTHER))
		return 0;
	if (vmb_tree_is_alive(t, w->at) && node->seq >= t->layer_start)
		return vmb_error(VMBOOT_EIMAGE, "%s lies below something that is not a folder",
				 vmb_show(w->path).text);
	node->kind = IMPLICIT;
	node->seq = t->seq;
	node->symlink = 0;
	return 0;
}

static int follow(struct vmb_tree *t, struct walk *w, const char *target)
{
	size_t n = strlen(target);

	if (++w->n_symlinks > SYMLINKS_MAX)
		return vmb_error(VMBOOT_EIMAGE, "%s has more than %d symbolic links on its way",
				 vmb_show(w->path).text, SYMLINKS_MAX);
	if (n + 1 > (size_t)(w->rest - w->buf))
		return vmb_error(VMBOOT_EIMAGE, "%s is too long with its symbolic links followed",
				 vmb_show(w->path).text);
	w->rest -= n + 1;
	memcpy(w->rest, target, n);
	w->rest[n] = '/';
	w->at = *target == '/' ? (struct vmb_tree_step){ROOT, 0} : vmb_tree_step_up(t, w->at.node);
	return 0;
}

/* One part of the path: 0, or -ENOENT without an error set if it is not there. */
static int walk_part(struct vmb_tree *t, struct walk *w, const char *part, size_t n)
{
	uint32_t child;
	int r = w->make ? make_folder(t, w) : 0;

	if (r < 0)
		return r;
	child = find_child(t, w->at.node, part, n);
	if (child == NONE && !w->make)
		return -ENOENT;
	if (child == NONE)
		r = add_node(t, w->at.node, part, n, &child);
	if (r == 0)
		w->at = vmb_tree_step_to(t, w->at, child);
	return r;
}

/* Takes the first part of the rest, which has one. */
static int walk_on(struct vmb_tree *t, struct walk *w)
{
	const char *part = w->rest;
	size_t n = strcspn(part, "/");

	w->rest += n + strspn(part + n, "/");
	if (n == 0 || (n == 1 && part[0] == '.'))
		return 0;
	if (n == 2 && part[0] == '.' && part[1] == '.') {
		w->at = vmb_tree_step_up(t, w->at.node);
		return 0;
	}
	if (n > NAME_MAX)
		return vmb_error(VMBOOT_EIMAGE, "%s leads to a name that is too long",
				 vmb_show(w->path).text);
	return walk_part(t, w, part, n);
}

/* Where a path leads. last: follow a symbolic link that is its last part, too. */
int vmb_tree_walk(struct vmb_tree *t, const char *path, bool make, bool last,
		  struct vmb_tree_step *ret)
{
	struct walk w;
	int r = 0;

	start_walk(&w, path, make);
	while (r == 0) {
		const char *target = *w.rest || last ? symlink_at(t, w.at) : NULL;

		if (target)
			r = follow(t, &w, target);
		else if (*w.rest)
			r = walk_on(t, &w);
		else
			break;
	}
	if (r == 0)
		*ret = w.at;
	return r;
}
