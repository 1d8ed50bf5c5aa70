/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_BLOBS_H
#define VMB_IMAGE_BLOBS_H

/*
 * What was fetched from registries: <store>/blobs/sha256/<hex>, each a manifest, a config or a layer. An
 * image that was fetched is an OCI layout in images/sha256-<hex>: index.json, oci-layout, and blobs, a
 * link to the store's. So images share layers, and of an image that changed only new ones are fetched.
 * What a fetch that failed has left there is used by the next one.
 */

#include "store/store.h"

/* Held while an image is fetched, by any number at once: no blob is removed. */
int vmb_blobs_lock(const struct vmb_store *store, int *ret_fd);

/* Makes the folder's link, and the folder it leads to, whose path is returned. */
int vmb_blobs_link(const struct vmb_store *store, const char *folder, char **ret_blobs);

/*
 * Removes those blobs of the layout in images/<folder> that are not what their names say: they are fetched
 * again then. Returns how many.
 */
int vmb_blobs_drop_damaged(const struct vmb_store *store, const char *folder);

/*
 * Removes the blobs that no image has; dry: only counts them.
 * Does nothing while something is fetched, or where an image cannot be read. Returns how many, or a
 * negative errno; *ret_bytes (may be NULL): of these.
 */
int vmb_blobs_collect(const struct vmb_store *store, bool dry, uint64_t *ret_bytes);

#endif
