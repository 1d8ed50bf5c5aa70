/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_TREE_H
#define VMB_AGENT_TREE_H

/*
 * Trees of files as pax archives, by libarchive. In: a path of the host's, and functions that move
 * the archive's bytes. Out: the archive, or the files. An archive from a guest is hostile: nothing
 * that it says writes outside the folder that it is extracted in.
 */

#include <stddef.h>
#include <sys/types.h>

/* The next bytes of an archive, theirs until the next call; 0 at the end; negative with the error
 * set. */
typedef ssize_t (*vmb_tree_read_fn)(void *data, const void **ret_bytes);

/* Takes all n bytes; 0, or negative with the error set. */
typedef int (*vmb_tree_write_fn)(void *data, const void *bytes, size_t n);

/* Archives path, whose own name is given as name. */
int vmb_tree_pack(const char *path, const char *name, vmb_tree_write_fn write, void *data);

/*
 * Passes on what a tar archive holds that is read from fd, of any of tar's formats and compressed or
 * not, as that which vmb_tree_pack() would have made of it.
 */
int vmb_tree_repack(int fd, vmb_tree_write_fn write, void *data);

/*
 * Extracts in the open folder, in a thread of its own, in which read runs, too. from: the name that
 * every entry must begin with, and which becomes name; both ".": what is in the archive's "." goes
 * into the folder. -VMBOOT_EGUEST for what no honest guest would send.
 */
int vmb_tree_extract(int folder, const char *from, const char *name, vmb_tree_read_fn read,
		     void *data);

#endif
