/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>
#include <sys/stat.h>
#include <vmboot/error.h>

#include "archive/path.h"
#include "image/tree.h"

/*
 * Layers as lines: "f PATH", "d PATH", "l PATH TARGET" (symbolic), "h PATH TARGET" (hard), "w PATH"
 * (whiteout), "o PATH" (opaque), "-" (the next layer).
 */

static int add_line(struct vmb_tree *tree, char *line)
{
	char path[PATH_MAX], clean[PATH_MAX],
		*name = line[0] && line[1] ? line + 2 : line + strlen(line);
	char *target = strchr(name, ' ');
	int r;

	if (line[0] == '-') {
		r = vmb_tree_layer_end(tree);
		vmb_tree_layer(tree);
		return r;
	}
	if (target)
		*target++ = '\0';
	r = vmb_path_clean(name, path);
	if (r == 0 && line[0] == 'h')
		r = vmb_path_clean(target, clean);
	if (r < 0)
		return r;
	switch (line[0]) {
	case 'f':
		return vmb_tree_add(tree, path, S_IFREG, NULL);
	case 'd':
		return vmb_tree_add(tree, path, S_IFDIR, NULL);
	case 'l':
		return vmb_tree_add(tree, path, S_IFLNK, target);
	case 'h':
		return vmb_tree_link(tree, path, clean);
	case 'w':
		return vmb_tree_whiteout(tree, path);
	case 'o':
		return vmb_tree_opaque(tree, path);
	default:
		return vmb_tree_skip(tree);
	}
}

/* Each node comes once, below the root. */
static void check_node(const struct vmb_tree *tree, uint32_t node)
{
	char path[PATH_MAX], clean[PATH_MAX];

	vmb_tree_path(tree, node, path);
	FUZZ_CHECK(vmb_path_clean(path, clean) == 0 && strcmp(path, clean) == 0);
}

static void check_tree(const struct vmb_tree *tree, uint32_t n)
{
	size_t nodes = 0;

	for (uint32_t seq = 1; seq <= n; seq++)
		for (uint32_t node = vmb_tree_first(tree, seq); node;
		     node = vmb_tree_next(tree, node)) {
			check_node(tree, node);
			FUZZ_CHECK(++nodes <= n);
		}
	for (uint32_t node = 0; (node = vmb_tree_next_implicit(tree, node));)
		check_node(tree, node);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_cleanup_tree_ struct vmb_tree *tree = NULL;
	_cleanup_free_ char *text = malloc(n + 1);
	char *save = NULL;
	uint32_t lines = 0;
	int r;

	FUZZ_CHECK(text && vmb_tree_new(&tree) == 0);
	memcpy(text, data, n);
	text[n] = '\0';
	vmb_tree_layer(tree);
	r = 0;
	for (char *line = strtok_r(text, "\n", &save); line && r == 0; lines++) {
		r = add_line(tree, line);
		line = strtok_r(NULL, "\n", &save);
	}
	if (r == 0)
		r = vmb_tree_layer_end(tree);
	FUZZ_CHECK(r == 0 || r == -VMBOOT_EIMAGE);
	if (r < 0)
		return 0;
	FUZZ_CHECK(vmb_tree_finish(tree) == 0);
	check_tree(tree, lines);
	return 0;
}
