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
};

/**
 * vmboot_image_import: import an image into the store.
 * @where: opts of which store, log, progress, timeout_ms and cancel are read; NULL: defaults.
 * @source: "oci:DIR[:TAG]", "dir:DIR", "tar:FILE" or "disk:FILE".
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
 * vmboot_image_list: all images in the store, by name.
 * @where: as above.
 * @ret_images: (out) NULL-ended; freed with vmboot_image_list_free().
 *
 * A store that does not exist has no images, and is not created.
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
