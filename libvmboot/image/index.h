/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_INDEX_H
#define VMB_IMAGE_INDEX_H

/*
 * The images and names of a store, see the map in store/store.h. Who adds or takes away a name,
 * an image or a VM's link to one holds the lock of the image's digest; who only reads holds none,
 * and takes what is not whole for absent.
 */

#include "image/source.h"

/* The lock of one digest, waited for as long as an import may take. */
int vmb_index_lock(const struct vmb_store *store, const char *digest, int *ret_fd);

/*
 * Fills image from images/<digest>, which has the digest and perhaps more: 1. Not there, or not
 * whole: 0, and disk says where it will be.
 */
int vmb_index_find(const struct vmb_store *store, struct vmb_image *image);

/* images/<digest><suffix> */
int vmb_index_path(const struct vmb_store *store, const char *digest, const char *suffix,
		   char **ret);

/* Removes images/<digest>, used or not. This and the next two are for who holds its lock. */
int vmb_index_delete(const struct vmb_store *store, const char *digest);

/* Removes the lock's file, where there is no images/<digest> to lock. */
void vmb_index_drop_lock(const struct vmb_store *store, const char *digest);

/* Makes images/<digest> from the source, whole or not at all. In import.c. */
int vmb_index_import(const struct vmb_store *store, const struct vmb_source *source,
		     const struct vmb_log *log, struct vmb_image *image);

/* The digest that a full name leads to: 1, or 0 if there is no such name. */
int vmb_index_resolve(const struct vmb_store *store, const char *full, char **ret_digest);

/* Makes a full name lead to a digest, whose lock the caller holds. */
int vmb_index_name(const struct vmb_store *store, const char *full, const char *digest);

/* All full names, sorted; of one digest, or NULL: of all. */
int vmb_index_names(const struct vmb_store *store, const char *digest, char ***ret);

/* The names of the VMs that use the image, sorted. */
int vmb_index_users(const struct vmb_store *store, const char *digest, char ***ret);

/* The digests of all images, sorted. */
int vmb_index_digests(const struct vmb_store *store, char ***ret);

/* Of those, the ones that VMs use and that have no name. */
int vmb_index_nameless(const struct vmb_store *store, char ***ret);

/* What to remove of the images that no VM uses. */
struct vmb_prune {
	bool named;	/* also those that have names */
	int64_t before; /* only what was imported before that time; 0: all */
	bool dry;	/* remove nothing */
};

/* Removes one image with its names, if it may: 1, and what it was; 0 if it stays. */
int vmb_index_prune(const struct vmb_store *store, const char *digest,
		    const struct vmb_prune *prune, struct vmb_image *ret, char ***ret_names);

/* Takes away a name, and with the last one the image: 0, -VMBOOT_ENOIMAGE or -EBUSY. */
int vmb_index_remove(const struct vmb_store *store, const char *full);

#endif
