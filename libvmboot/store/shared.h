/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_STORE_SHARED_H
#define VMB_STORE_SHARED_H

/*
 * What VMs share beside images: kernels, initramfs files and kernel disks, see the map in
 * store/store.h. In: paths of these, and a VM's folder. Out: the folder's links to what the VM uses,
 * and what no folder has a link to. Anyone may find and make such a file, and so may another at the
 * same time: who does holds them from then until the link is there; who removes some seizes them.
 */

#include "store/store.h"

struct vmb_shared {
	const char *kernel, *initramfs; /* paths in the store */
	const char *kernel_disk;	/* or NULL */
};

/*
 * Until the descriptor is closed, nobody removes a shared file; many may hold them. Or: nobody
 * finds, makes or removes one. Waited for at most timeout_ms: -ETIMEDOUT.
 */
int vmb_shared_hold(const struct vmb_store *store, int timeout_ms, int *ret_lock);
int vmb_shared_seize(const struct vmb_store *store, int timeout_ms, int *ret_lock);

/* Makes the links in folder, a VM's (vms/<name>), for who holds the files. */
int vmb_shared_use(const struct vmb_store *store, const struct vmb_shared *files,
		   const char *folder);

/*
 * The paths of what no VM uses, for who seized the files; what is not called as ours are, or is a
 * link, is not among them. None if some VM's folder does not say what it uses, as those of older
 * versions: then *ret_silent is its name, else NULL.
 */
int vmb_shared_unused(const struct vmb_store *store, char ***ret_paths, char **ret_silent);

/* How many shared files there are, used or not. */
int vmb_shared_count(const struct vmb_store *store);

#endif
