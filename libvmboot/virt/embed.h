/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VIRT_EMBED_H
#define VMB_VIRT_EMBED_H

/*
 * libvirt's embedded driver, whose root is a folder of the store. In: a store. Out: the root, with
 * its configuration, and the URI that opens it.
 */

#include "store/store.h"
#include "virt/libvirt.h"

/* Makes the driver's root in the store, and its configuration. */
int vmb_embed_prepare(const struct vmb_store *store, char **ret_uri);

/* Whether the URI is that of an embedded driver, of whatever root. */
bool vmb_embed_is_uri(const char *uri);

/* Whether another process uses the URI's root. Not to be asked of a root that this process uses. */
bool vmb_embed_is_taken(const char *uri);

/* Waits until the driver, which was opened just now, knows the state of the guests that it found. */
void vmb_embed_wait_for_guests(virConnectPtr c);

#endif
