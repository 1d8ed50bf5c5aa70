/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_IMAGE_H
#define VMBOOT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include <vmboot/export.h>
#include <vmboot/opts.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * An image in the store. Since 0.1.
 *
 * config_json is an object of what the image has of these members: "entrypoint", "cmd", "env" (lists
 * of strings), "workdir" and "user"; and since 0.2 "stop_signal" (a string), "exposed_ports" and
 * "volumes" (lists of strings), "labels" (an object of strings) and "healthcheck" (an object: "test",
 * a list of strings, "interval_ms", "timeout_ms", "start_period_ms", "start_interval_ms", "retries").
 */
struct vmboot_image {
	size_t size;		 /**< of this struct in the library that filled it */
	const char *name;	 /**< in full, e.g. "localhost/node:20" */
	const char *digest;	 /**< "sha256:…" of what it was made from */
	const char *disk;	 /**< path of the root disk */
	const char *format;	 /**< of the root disk: "squashfs", "erofs", "ext4" */
	uint64_t bytes;		 /**< of the root disk */
	int64_t imported;	 /**< when, seconds since 1970 */
	const char *config_json; /**< what it says about its program, see below */

	/** Since 0.2. */
	const char *created; /**< when it was built, as it says: RFC 3339; NULL: it does not say */
	const char *const *users; /**< names of the VMs in this store that use it; NULL-ended */
};

/**
 * vmboot_image_import: import an image into the store.
 * @where: opts of which store, log, progress, timeout_ms, cancel and what vmboot_image_pull() takes are
 * read; NULL: defaults.
 * @source: "oci:DIR[:TAG]", "dir:DIR", "tar:FILE" or "disk:FILE"; or by skopeo, since 0.2, "docker://NAME",
 * "docker-archive:FILE[:NAME]", "oci-archive:FILE[:TAG]", "containers-storage:NAME",
 * "docker-daemon:NAME" or "skopeo-dir:DIR".
 * @name: the name to give it; NULL: made from @source. A name without a registry, such as "node:20",
 * becomes localhost/node:20, and "node:20" finds it.
 * @ret_image: (out, may be NULL) freed with vmboot_image_free().
 *
 * An import that fails leaves nothing. An image that the store already has is not imported again. Two
 * imports at the same time do no harm. The source is only read.
 *
 * Returns: 0; -VMBOOT_EIMAGE, the source cannot be used; -VMBOOT_EHOST, a tool or permission is
 * missing; -ENOMEM, it takes more memory to unpack than an import may have; -ETIMEDOUT, -ECANCELED; or
 * another negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_image_import(const struct vmboot_opts *where, const char *source,
				   const char *name, struct vmboot_image **ret_image);

/**
 * vmboot_image_pull: fetch an image from a registry into the store.
 * @where: opts of which store, log, progress, timeout_ms, cancel, platform, authfile, creds, cert_dir and
 * tls_verify are read; NULL: defaults.
 * @image: a name such as "node:20" or "docker.io/library/node@sha256:…", or any source of
 * vmboot_image_import().
 * @name: the name to give it; NULL: the name that it has in the registry, "docker.io/library/node:20".
 * @ret_image: (out, may be NULL) freed with vmboot_image_free().
 *
 * vmboot_create() does this by itself, as its opts' `pull` says. The registry is asked in any case, and only
 * layers that the store does not have are fetched. skopeo does it, as registries.conf, auth.json, certs.d,
 * policy.json and the proxy variables say. A name without a registry is looked for where registries.conf
 * says, else at docker.io. Progress reports the layers' bytes, then the making of the disk. A pull that
 * fails or is cancelled leaves only whole layers, which the next one uses.
 *
 * Returns: 0; -VMBOOT_ENOIMAGE, no registry has it; -EACCES, a password is missing or wrong;
 * -VMBOOT_EIMAGE, it cannot be read or used; -VMBOOT_EHOST, skopeo or another tool is missing;
 * -VMBOOT_EOPTS, a wrong platform; -ENOSPC, -ENOMEM, -ETIMEDOUT, -ECANCELED; or another negative
 * errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_image_pull(const struct vmboot_opts *where, const char *image,
				 const char *name, struct vmboot_image **ret_image);

/**
 * vmboot_image_list: all images in the store, by name.
 * @where: as above.
 * @ret_images: (out) NULL-ended; freed with vmboot_image_list_free().
 *
 * A store that does not exist has no images, and is not created. An image that lost its last name while
 * a VM used it has the name "" and is at the end.
 *
 * Returns: how many, or a negative errno. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_image_list(const struct vmboot_opts *where,
				 struct vmboot_image ***ret_images);

/**
 * vmboot_image_remove: remove a name from the store; the disk is removed with its last name, unless a VM
 * uses it.
 * @where: as above.
 * @name: e.g. "node:20"; it is looked up as in vmboot_create().
 *
 * Returns: 0; -VMBOOT_ENOIMAGE; -EBUSY, a VM in this store uses it; or a negative errno.
 * Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_image_remove(const struct vmboot_opts *where, const char *name);

/**
 * vmboot_image_inspect: all that the store knows about an image.
 * @where: as above.
 * @name: e.g. "node:20"; it is looked up as in vmboot_create().
 * @ret_json: (out) an object, described in vmboot-json(5); freed with vmboot_free().
 *
 * Returns: 0; -VMBOOT_ENOIMAGE; or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_image_inspect(const struct vmboot_opts *where, const char *name,
				    char **ret_json);

/**
 * vmboot_image_tag: give an image one more name.
 * @where: as above.
 * @name: one that it has, e.g. "node:20"; it is looked up as in vmboot_create().
 * @new_name: the name to give it. One without a registry becomes localhost/…. If another image has
 * this name, it loses it, as when an import takes a name over.
 *
 * Returns: 0; -VMBOOT_ENOIMAGE; -VMBOOT_EIMAGE, new_name is no name; or a negative errno.
 * Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_image_tag(const struct vmboot_opts *where, const char *name,
				const char *new_name);

/**
 * vmboot_image_save: write an image as an OCI image with one layer, which skopeo and others read.
 * @where: opts of which store, log, timeout_ms and cancel are read; NULL: defaults.
 * @name: e.g. "node:20"; it is looked up as in vmboot_create().
 * @target: "oci:DIR[:TAG]" or "oci-archive:FILE[:TAG]". DIR or FILE must not exist. Without a tag it
 * gets that of the image's name.
 *
 * Owners, modes, times and extended attributes are kept, and so is the config. The steps of the history
 * remain, but not the layers that they made. It needs the tool sqfs2tar. If it fails it leaves nothing.
 *
 * Returns: 0; -VMBOOT_ENOIMAGE; -VMBOOT_EIMAGE, the image is a disk whose file system is not squashfs;
 * -VMBOOT_EOPTS, the target is none of these; -VMBOOT_EHOST, sqfs2tar is missing; -EEXIST; -ETIMEDOUT,
 * -ECANCELED; or another negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_image_save(const struct vmboot_opts *where, const char *name,
				 const char *target);

/** For vmboot_image_prune(): remove images that have names, too. Since 0.2. */
#define VMBOOT_PRUNE_ALL 1U
/** For vmboot_image_prune(): remove nothing, and report what would be removed. Since 0.2. */
#define VMBOOT_PRUNE_DRY_RUN 2U

/**
 * vmboot_image_prune: remove images that no VM in this store uses.
 * @where: as above.
 * @flags: 0: only images without a name; or VMBOOT_PRUNE_ALL, VMBOOT_PRUNE_DRY_RUN.
 * @before: only images that were imported before this time, in seconds since 1970; 0: any.
 * @ret_json: (out, may be NULL) what was removed, described in vmboot-json(5); freed with vmboot_free().
 *
 * Returns: how many images were removed; -EINVAL, unknown flags; or another negative errno: what was
 * removed before the failure stays removed. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_image_prune(const struct vmboot_opts *where, unsigned flags, int64_t before,
				  char **ret_json);

/**
 * vmboot_df: what takes how much disk space in the store.
 * @where: opts of which uri, connection, store and log are read; NULL: defaults.
 * @ret_json: (out) an array of objects, described in vmboot-json(5); freed with vmboot_free().
 *
 * libvirt is asked which VMs run. If it cannot be asked, no VM's space counts as reclaimable.
 *
 * Returns: 0 or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_df(const struct vmboot_opts *where, char **ret_json);

/**
 * vmboot_image_free: free one image record; the image stays.
 * @image: or NULL.
 *
 * Thread-safe. Since 0.1.
 */
VMBOOT_API void vmboot_image_free(struct vmboot_image *image);

/**
 * vmboot_image_list_free: free a list of image records; the images stay.
 * @images: from vmboot_image_list(), or NULL.
 *
 * Thread-safe. Since 0.1.
 */
VMBOOT_API void vmboot_image_list_free(struct vmboot_image **images);

#ifdef __cplusplus
}
#endif
#endif
