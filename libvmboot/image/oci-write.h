/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_OCI_WRITE_H
#define VMB_IMAGE_OCI_WRITE_H

/* The JSON documents of an OCI image with one layer, of an image in the store. No I/O. */

#include "base/hash.h"
#include "image/image.h"

struct vmb_oci_written {
	char hex[VMB_SHA256_HEX + 1]; /* of its sha256 */
	uint64_t size;
};

/* layer: an uncompressed tar. What the image says of its layers' steps becomes steps without one. */
int vmb_oci_config_encode(const struct vmb_image *image, const struct vmb_oci_written *layer,
			  char **ret);
int vmb_oci_manifest_encode(const struct vmb_oci_written *config,
			    const struct vmb_oci_written *layer, char **ret);
int vmb_oci_index_encode(const struct vmb_oci_written *manifest, const char *tag, char **ret);

#endif
