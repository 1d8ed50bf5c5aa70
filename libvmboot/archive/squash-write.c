/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/squash-write.h"

#include <archive.h>
#include <search.h>
#include <sqfs/block_processor.h>
#include <sqfs/block_writer.h>
#include <sqfs/dir_writer.h>
#include <sqfs/frag_table.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/meta_writer.h>
#include <sqfs/super.h>
#include <sqfs/xattr_writer.h>
#include <sys/stat.h>

#include "archive/squash-file.h"
#include "base/error.h"
#include "base/str.h"

enum {
	SECTOR = 4096,	     /* the file's size is a multiple */
	BLOCKS_PER_CPU = 10, /* that wait to be compressed or written */
	CPUS_MAX = 16,
	XATTRS_NONE = -1,
};

struct node {
	struct node *parent; /* these two are what it is found by */
	const char *name;
	struct node *children, *next;
	struct node *first; /* a hard link: what it is another name of */
	sqfs_inode_generic_t *inode;
	uint64_t ref; /* where its inode is, once it is written */
	uint32_t number, links, uid, gid, mtime, xattrs, n_children;
	uint16_t mode;
	bool is_known; /* an entry said what it is */
	char text[];
};

struct vmb_squash_writer {
	const char *path;
	struct vmb_squash_file *file;
	sqfs_compressor_t *lz4, *unpack, *plain;
	sqfs_block_writer_t *block_writer;
	sqfs_frag_table_t *fragments;
	sqfs_block_processor_t *blocks;
	sqfs_id_table_t *ids;
	sqfs_xattr_writer_t *xattrs;
	sqfs_meta_writer_t *inode_table, *folder_table;
	sqfs_dir_writer_t *folders;
	sqfs_super_t super;
	void *tree;	   /* all nodes, for tsearch(3) */
	struct node *root; /* of the file system */
	struct node *open; /* the file that data belongs to */
	uint32_t n_inodes;
};

static const struct {
	int code, error;
	const char *words;
} failures[] = {
	{SQFS_ERROR_ALLOC, ENOMEM, "out of memory"},
	{SQFS_ERROR_COMPRESSOR, VMBOOT_EHOST, "lz4 failed"},
	{SQFS_ERROR_UNSUPPORTED, VMBOOT_EHOST, "libsquashfs was built without lz4"},
	{SQFS_ERROR_OVERFLOW, VMBOOT_EIMAGE, "there is more than squashfs can hold"},
};

/* Passes 0 on; what libsquashfs says otherwise becomes an error. */
static int check(const struct vmb_squash_writer *w, int code)
{
	if (code >= 0)
		return 0;
	if (code == SQFS_ERROR_IO && w->file && w->file->error)
		return vmb_errno(w->file->error, "cannot write %s", w->path);
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (failures[i].code == code)
			return vmb_error(failures[i].error, "cannot write %s: %s", w->path,
					 failures[i].words);
	return vmb_error(VMBOOT_EHOST, "cannot write %s: libsquashfs reports error %d", w->path,
			 code);
}

/* ---- nodes ---- */

static int compare_nodes(const void *left, const void *right)
{
	const struct node *a = left, *b = right;

	if (a->parent != b->parent)
		return a->parent < b->parent ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* A folder, until an entry says otherwise. */
static struct node *new_node(struct node *parent, const char *name, size_t n)
{
	struct node *node = calloc(1, sizeof(*node) + n + 1);

	if (!node)
		return NULL;
	memcpy(node->text, name, n);
	node->name = node->text;
	node->mode = S_IFDIR | 0755;
	node->links = 1;
	node->xattrs = (uint32_t)XATTRS_NONE;
	node->parent = parent;
	if (!parent)
		return node;
	node->next = parent->children;
	parent->children = node;
	parent->n_children++;
	return node;
}

static struct node *find_child(struct vmb_squash_writer *w, struct node *parent, const char *name)
{
	struct node key = {.parent = parent, .name = name};
	struct node *const *found = tfind(&key, &w->tree, compare_nodes);

	return found ? *found : NULL;
}

static int find_or_add_child(struct vmb_squash_writer *w, struct node *parent, const char *name,
			     struct node **ret)
{
	struct node *node = find_child(w, parent, name);

	if (!node) {
		node = new_node(parent, name, strlen(name));
		if (!node || !tsearch(node, &w->tree, compare_nodes))
			return vmb_oom();
	}
	*ret = node;
	return 0;
}

/* add: a node that is missing is added, as are the folders above it; else it is an error. */
static int find_path(struct vmb_squash_writer *w, const char *path, bool add, struct node **ret)
{
	_cleanup_free_ char *copy = NULL;
	struct node *node = w->root;
	char *rest, *name;
	int r = vmb_strdup(path, &copy);

	for (rest = copy; r == 0 && node && (name = strsep(&rest, "/"));) {
		if (!S_ISDIR(node->mode) || node->first)
			return vmb_error(VMBOOT_EHOST, "%s leads through a file", path);
		if (add)
			r = find_or_add_child(w, node, name, &node);
		else
			node = find_child(w, node, name);
	}
	if (r == 0 && !node)
		r = vmb_error(VMBOOT_EHOST, "%s is linked to before it is there", path);
	if (r == 0)
		*ret = node;
	return r;
}

/* ---- entries ---- */

static int add_xattrs(struct vmb_squash_writer *w, struct node *node, struct archive_entry *e)
{
	const char *name;
	const void *value;
	size_t n;
	int r = sqfs_xattr_writer_begin(w->xattrs, 0);

	archive_entry_xattr_reset(e);
	while (r == 0 && archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK)
		r = sqfs_xattr_writer_add(w->xattrs, name, value, n);
	if (r == 0)
		r = sqfs_xattr_writer_end(w->xattrs, &node->xattrs);
	return check(w, r);
}

/* An inode with room behind it. */
static sqfs_inode_generic_t *new_inode(struct node *node, unsigned type, size_t room)
{
	node->inode = calloc(1, sizeof(*node->inode) + room);
	if (node->inode)
		node->inode->base.type = (uint16_t)type;
	return node->inode;
}

static int begin_file(struct vmb_squash_writer *w, struct node *node)
{
	int r = sqfs_block_processor_begin_file(w->blocks, &node->inode, NULL, 0);

	if (r == 0)
		w->open = node;
	return check(w, r);
}

static int add_symlink(struct node *node, const char *target)
{
	size_t n = strlen(target);
	sqfs_inode_generic_t *inode = new_inode(node, SQFS_INODE_SLINK, n);

	if (!inode)
		return vmb_oom();
	memcpy(inode->extra, target, n);
	inode->data.slink.target_size = (uint32_t)n;
	return 0;
}

/* The number as Linux has it on disk: 12 bits of the major and 20 of the minor one. */
static int add_device(struct node *node, unsigned type, struct archive_entry *e)
{
	unsigned major = (unsigned)archive_entry_rdevmajor(e);
	unsigned minor = (unsigned)archive_entry_rdevminor(e);
	sqfs_inode_generic_t *inode = new_inode(node, type, 0);

	if (!inode)
		return vmb_oom();
	inode->data.dev.devno = (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12;
	return 0;
}

/* The inode of a folder is made at the end. */
static int add_inode(struct vmb_squash_writer *w, struct node *node, struct archive_entry *e)
{
	const char *target = archive_entry_symlink(e);

	switch (node->mode & S_IFMT) {
	case S_IFREG:
		return begin_file(w, node);
	case S_IFDIR:
		return 0;
	case S_IFLNK:
		return add_symlink(node, target ? target : "");
	case S_IFCHR:
		return add_device(node, SQFS_INODE_CDEV, e);
	case S_IFBLK:
		return add_device(node, SQFS_INODE_BDEV, e);
	case S_IFIFO:
		return new_inode(node, SQFS_INODE_FIFO, 0) ? 0 : vmb_oom();
	default:
		return vmb_error(VMBOOT_EHOST, "%s is of a kind that squashfs cannot have",
				 node->name);
	}
}

static int add_hard_link(struct vmb_squash_writer *w, struct node *node, const char *target)
{
	struct node *first;
	int r = find_path(w, target, false, &first);

	if (r < 0)
		return r;
	if (first->first)
		first = first->first;
	if (S_ISDIR(first->mode) || first == node)
		return vmb_error(VMBOOT_EHOST, "a hard link to %s, which is a folder", target);
	node->first = first;
	first->links++;
	return 0;
}

static int add_own(struct vmb_squash_writer *w, struct node *node, struct archive_entry *e)
{
	node->mode = (uint16_t)archive_entry_mode(e);
	if (S_ISLNK(node->mode))
		node->mode = S_IFLNK | 0777;
	node->uid = (uint32_t)archive_entry_uid(e);
	node->gid = (uint32_t)archive_entry_gid(e);
	node->mtime = (uint32_t)archive_entry_mtime(e);
	return add_inode(w, node, e);
}

static int end_file(struct vmb_squash_writer *w)
{
	if (!w->open)
		return 0;
	w->open = NULL;
	return check(w, sqfs_block_processor_end_file(w->blocks));
}

int vmb_squash_writer_entry(struct vmb_squash_writer *w, struct archive_entry *e)
{
	const char *path = archive_entry_pathname(e), *target = archive_entry_hardlink(e);
	struct node *node;
	int r = end_file(w);

	if (r == 0)
		r = find_path(w, path, true, &node);
	if (r < 0)
		return r;
	if (node->is_known || (node->children && (target || !S_ISDIR(archive_entry_mode(e)))))
		return vmb_error(VMBOOT_EHOST, "%s comes twice", path);
	node->is_known = true;
	if (target)
		return add_hard_link(w, node, target);
	r = add_own(w, node, e);
	return r < 0 ? r : add_xattrs(w, node, e);
}

int vmb_squash_writer_data(struct vmb_squash_writer *w, const void *data, size_t n)
{
	if (!w->open)
		return vmb_error(VMBOOT_EHOST, "there is content, and no file that it is of");
	return check(w, sqfs_block_processor_append(w->blocks, data, n));
}

/* ---- tables ---- */

/* Folders say their parent's number, and come before it: so numbers are given first. */
static void number_inodes(struct vmb_squash_writer *w, struct node *folder)
{
	for (struct node *c = folder->children; c; c = c->next)
		if (!c->first)
			c->number = ++w->n_inodes;
	for (struct node *c = folder->children; c; c = c->next)
		number_inodes(w, c);
}

static int write_inode(struct vmb_squash_writer *w, struct node *node)
{
	sqfs_inode_generic_t *inode = node->inode;
	sqfs_u64 block;
	sqfs_u32 offset;
	int r = sqfs_id_table_id_to_index(w->ids, node->uid, &inode->base.uid_idx);

	if (r == 0)
		r = sqfs_id_table_id_to_index(w->ids, node->gid, &inode->base.gid_idx);
	inode->base.mode = node->mode;
	inode->base.mod_time = node->mtime;
	inode->base.inode_number = node->number;
	sqfs_meta_writer_get_position(w->inode_table, &block, &offset);
	node->ref = block << 16 | offset;
	if (r == 0)
		r = sqfs_meta_writer_write_inode(w->inode_table, inode);
	sqfs_free(TAKE_PTR(node->inode));
	return check(w, r);
}

/* The larger form of a file's inode has room for the number of its links. */
static int set_links(struct node *node)
{
	sqfs_inode_generic_t *inode = node->inode;
	int r = 0;

	if (S_ISREG(node->mode) && node->links > 1) {
		r = sqfs_inode_make_extended(inode);
		if (r == 0)
			inode->data.file_ext.nlink = node->links;
	} else if (S_ISLNK(node->mode)) {
		inode->data.slink.nlink = node->links;
	} else if (S_ISCHR(node->mode) || S_ISBLK(node->mode)) {
		inode->data.dev.nlink = node->links;
	} else if (S_ISFIFO(node->mode)) {
		inode->data.ipc.nlink = node->links;
	}
	return r;
}

static int write_leaf(struct vmb_squash_writer *w, struct node *node)
{
	int r = set_links(node);

	if (r == 0)
		r = sqfs_inode_set_xattr_index(node->inode, node->xattrs);
	r = check(w, r);
	return r < 0 ? r : write_inode(w, node);
}

static int compare_names(const void *left, const void *right)
{
	const struct node *const *a = left, *const *b = right;

	return strcmp((*a)->name, (*b)->name);
}

static struct node **sort_children(const struct node *folder)
{
	struct node **sorted = calloc((size_t)folder->n_children + 1, sizeof(struct node *));
	size_t n = 0;

	for (struct node *c = folder->children; sorted && c; c = c->next)
		sorted[n++] = c;
	if (sorted)
		qsort(sorted, n, sizeof(struct node *), compare_names);
	return sorted;
}

static int write_entries(struct vmb_squash_writer *w, struct node *const *sorted)
{
	int r = check(w, sqfs_dir_writer_begin(w->folders, 0));

	for (; r == 0 && *sorted; sorted++) {
		struct node *own = (*sorted)->first ? (*sorted)->first : *sorted;

		if (own->inode)
			r = write_leaf(w, own);
		if (r == 0)
			r = check(w, sqfs_dir_writer_add_entry(w->folders, (*sorted)->name,
							       own->number, own->ref, own->mode));
	}
	return r < 0 ? r : check(w, sqfs_dir_writer_end(w->folders));
}

/* All that is in a folder, then the folder. */
static int write_folder(struct vmb_squash_writer *w, struct node *folder)
{
	_cleanup_free_ struct node **sorted = sort_children(folder);
	uint32_t parent = folder->parent ? folder->parent->number : w->n_inodes + 1;
	uint32_t links = 2;
	int r = sorted ? 0 : vmb_oom();

	for (size_t i = 0; r == 0 && sorted[i]; i++) {
		if (!S_ISDIR(sorted[i]->mode) || sorted[i]->first)
			continue;
		links++;
		r = write_folder(w, sorted[i]);
	}
	if (r == 0)
		r = write_entries(w, sorted);
	if (r < 0)
		return r;
	folder->inode = sqfs_dir_writer_create_inode(w->folders, links, folder->xattrs, parent);
	return folder->inode ? write_inode(w, folder) : vmb_oom();
}

static int write_tables(struct vmb_squash_writer *w)
{
	sqfs_file_t *file = &w->file->file;
	int r = sqfs_meta_writer_flush(w->inode_table);

	if (r == 0)
		r = sqfs_meta_writer_flush(w->folder_table);
	w->super.directory_table_start = file->get_size(file);
	if (r == 0)
		r = sqfs_meta_write_write_to_file(w->folder_table);
	if (r == 0)
		r = sqfs_frag_table_write(w->fragments, file, &w->super, w->lz4);
	if (r == 0)
		r = sqfs_id_table_write(w->ids, file, &w->super, w->lz4);
	if (r == 0)
		r = sqfs_xattr_writer_flush(w->xattrs, file, &w->super, w->lz4);
	return check(w, r);
}

static int write_super(struct vmb_squash_writer *w)
{
	sqfs_file_t *file = &w->file->file;
	int r;

	w->super.inode_count = w->n_inodes;
	w->super.root_inode_ref = w->root->ref;
	w->super.flags |= SQFS_FLAG_UNCOMPRESSED_INODES;
	w->super.bytes_used = file->get_size(file);
	r = sqfs_super_write(&w->super, file);
	if (r == 0)
		r = file->truncate(file, (w->super.bytes_used + SECTOR - 1) / SECTOR * SECTOR);
	return check(w, r);
}

int vmb_squash_writer_finish(struct vmb_squash_writer *w)
{
	int r = end_file(w);

	if (r == 0)
		r = check(w, sqfs_block_processor_finish(w->blocks));
	if (r < 0)
		return r;
	w->super.inode_table_start = w->file->file.get_size(&w->file->file);
	number_inodes(w, w->root);
	w->root->number = ++w->n_inodes;
	r = write_folder(w, w->root);
	if (r == 0)
		r = write_tables(w);
	return r < 0 ? r : write_super(w);
}

/* ---- start and end ---- */

static unsigned count_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > CPUS_MAX ? CPUS_MAX : (unsigned)n;
}

/* The super block's place is taken; behind it are the compressor's options. */
static int write_head(struct vmb_squash_writer *w)
{
	sqfs_file_t *file = &w->file->file;
	int r = sqfs_super_init(&w->super, VMB_SQUASH_BLOCK, 0, SQFS_COMP_LZ4);

	if (r == 0)
		r = sqfs_super_write(&w->super, file);
	if (r == 0)
		r = w->lz4->write_options(w->lz4, file);
	if (r > 0)
		w->super.flags |= SQFS_FLAG_COMPRESSOR_OPTIONS;
	return r < 0 ? r : 0;
}

static int start_blocks(struct vmb_squash_writer *w)
{
	unsigned cpus = count_cpus();
	sqfs_block_processor_desc_t desc = {
		.size = sizeof(desc),
		.max_block_size = VMB_SQUASH_BLOCK,
		.num_workers = cpus,
		.max_backlog = cpus * BLOCKS_PER_CPU,
		.cmp = w->lz4,
		.tbl = w->fragments = sqfs_frag_table_create(0),
		.wr = w->block_writer = sqfs_block_writer_create(&w->file->file, SECTOR, 0),
		.file = &w->file->file, /* what looks the same is compared */
		.uncmp = w->unpack,
	};

	if (!desc.tbl || !desc.wr)
		return SQFS_ERROR_ALLOC;
	return sqfs_block_processor_create_ex(&desc, &w->blocks);
}

static int new_tables(struct vmb_squash_writer *w)
{
	sqfs_file_t *file = &w->file->file;

	w->ids = sqfs_id_table_create(0);
	w->xattrs = sqfs_xattr_writer_create(0);
	w->inode_table = sqfs_meta_writer_create(file, w->plain, 0);
	w->folder_table = sqfs_meta_writer_create(file, w->lz4, SQFS_META_WRITER_KEEP_IN_MEMORY);
	if (w->folder_table)
		w->folders = sqfs_dir_writer_create(w->folder_table, 0);
	return w->ids && w->xattrs && w->inode_table && w->folders ? 0 : SQFS_ERROR_ALLOC;
}

static int set_up(struct vmb_squash_writer *w)
{
	int r = vmb_squash_new_lz4(false, &w->lz4);

	if (r == 0)
		r = vmb_squash_new_lz4(true, &w->unpack);
	if (r == 0)
		r = vmb_squash_new_plain(&w->plain);
	if (r == 0)
		r = write_head(w);
	if (r == 0)
		r = start_blocks(w);
	if (r == 0)
		r = new_tables(w);
	return check(w, r);
}

static int add_root(struct vmb_squash_writer *w, const struct vmb_squash_root *root)
{
	w->root = new_node(NULL, "", 0);
	if (!w->root)
		return vmb_oom();
	w->root->mode = (uint16_t)(S_IFDIR | (root->mode & 07777));
	w->root->uid = root->uid;
	w->root->gid = root->gid;
	w->root->mtime = root->mtime;
	return 0;
}

int vmb_squash_writer_new(const char *path, const struct vmb_squash_root *root,
			  struct vmb_squash_writer **ret)
{
	vmb_cleanup(vmb_squash_writer_freep) struct vmb_squash_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return vmb_oom();
	w->path = path;
	r = vmb_squash_file_new(path, &w->file);
	if (r == 0)
		r = set_up(w);
	if (r == 0)
		r = add_root(w, root);
	if (r == 0)
		*ret = TAKE_PTR(w);
	return r;
}

static void free_node(void *data)
{
	struct node *node = data;

	sqfs_free(node->inode);
	free(node);
}

void vmb_squash_writer_free(struct vmb_squash_writer *w)
{
	if (!w)
		return;
	sqfs_destroy(w->blocks); /* ends its threads, which write to the inodes */
	sqfs_destroy(w->block_writer);
	sqfs_destroy(w->fragments);
	sqfs_destroy(w->folders);
	sqfs_destroy(w->inode_table);
	sqfs_destroy(w->folder_table);
	sqfs_destroy(w->xattrs);
	sqfs_destroy(w->ids);
	sqfs_destroy(w->plain);
	sqfs_destroy(w->unpack);
	sqfs_destroy(w->lz4);
	sqfs_destroy(w->file);
	tdestroy(w->tree, free_node);
	if (w->root)
		free_node(w->root);
	free(w);
}
