/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_STORE_STORE_H
#define VMB_STORE_STORE_H

/*
 * The store: one folder, of which this header is the map. In: the caller's choice or none. Out:
 * paths, locks, and files that appear whole or not at all.
 *
 *   images/sha256-<hex>/      one imported image: root.<fstype>, image.json; <hex> is of what it
 *                             was made from. Its lock, images/sha256-<hex>.lock, is held by who
 *                             makes, names, uses or removes it. One that was fetched is an OCI
 *                             layout, too: index.json, oci-layout, and blobs, a link to ../../blobs
 *   blobs/sha256/<hex>        what was fetched; blobs.lock is held, by many at once, while something
 *                             is, and by who removes what no image has any more
 *   names/<name, / as %2F>    a link to ../images/sha256-<hex>
 *   kernels/<key>/            vmlinuz: our own copy, so that no one re-labels the host's; vmlinux:
 *                             the same kernel, unpacked; packed-<version>: why that is not there
 *   kernels/<key>.squashfs    the kernel disk: modules and headers
 *   initramfs/<key>.cpio
 *   kernels.lock              is held by who finds, makes or removes one of these three; see
 *                             store/shared.h
 *   overlay/<key>.img         an empty overlay disk, cloned for each VM
 *   memo/<what>               what was found out about this host
 *   vms/<name>/               overlay.img config.img console.log stdout.log stderr.log events
 *                             ledger lock; image, a link to ../../images/sha256-<hex>, which
 *                             keeps that image from being removed; so do kernel, initramfs and
 *                             kernel-disk, links to these files; libvirt, a link whose text is
 *                             the URI of the libvirt that has its domain. The folder itself is
 *                             locked by who starts the VM, cuts its power or removes it
 *   embed/                    root of libvirt's embedded driver
 *
 * Anything called *.tmp-XXXXXX is half-made; gc removes it when nobody holds its lock any more.
 */

#include "base/cleanup.h"
#include "base/str.h"

struct vmb_store {
	char *path; /* absolute, without links: each store has one, and VMs are known by it */
};

/*
 * Opens the store and makes it if it is not there. path NULL: $VMBOOT_STORE; else /var/lib/vmboot
 * for root and $XDG_DATA_HOME/vmboot (~/.local/share/vmboot) for others. One that belongs to another
 * user, or that others can write to, is refused: -EPERM.
 */
int vmb_store_open(const char *path, struct vmb_store *ret);

/* For who only looks: the same, but makes nothing and need not write. 0: it is not there; its path is
 * returned all the same; 1: it is. */
int vmb_store_find(const char *path, struct vmb_store *ret);
void vmb_store_done(struct vmb_store *store);
#define _cleanup_store_ vmb_cleanup(vmb_store_done)

/* <store>/<formatted>; the folder above it is made. */
int vmb_store_path(const struct vmb_store *store, char **ret, const char *fmt, ...)
	VMB_PRINTF(3, 4);

/*
 * A lock on <store>/<name>.lock, waited for at most timeout_ms; closing the descriptor gives it
 * back. Its holder may remove the file, alone or with its folder: those who wait then start anew.
 * -ETIMEDOUT when another holds it that long.
 */
int vmb_store_lock(const struct vmb_store *store, const char *name, int timeout_ms, int *ret_fd);

/* The same lock, which others may hold too, but nobody alone. */
int vmb_store_lock_shared(const struct vmb_store *store, const char *name, int timeout_ms,
			  int *ret_fd);

/*
 * The lock of a folder itself, waited for likewise; it goes with the folder. -ENOENT if there is
 * none, or it was removed or became another meanwhile.
 */
int vmb_store_lock_folder(const char *path, int timeout_ms, int *ret_fd);

/*
 * Makes the folder <path>.tmp-XXXXXX, to work in until what it is for is renamed to path. Its
 * descriptor holds its lock: as long as it is open, gc leaves the folder alone.
 */
int vmb_store_tmp_folder(const char *path, char **ret, int *ret_fd);

/* Removes the folder, unless it was handed over; errors are not touched. */
void vmb_store_tmp_folder_done(char **path);
#define _cleanup_tmp_folder_ vmb_cleanup(vmb_store_tmp_folder_done)

/* Puts letters that no one foresees over the XXXXXX at the end of a name. */
int vmb_store_make_unique(char *name);

/* Removes a folder, out of sight first, so that no one finds half of it; one that is gone is gone. */
int vmb_store_remove_folder(const char *path);

/*
 * An image's, kernel's or VM's name as one file name: '/' and '%' are %-encoded, and the dots that
 * would make it hidden, half-made or a lock.
 */
int vmb_store_encode(const char *name, char **ret);
int vmb_store_decode(const char *file, char **ret);

#endif
