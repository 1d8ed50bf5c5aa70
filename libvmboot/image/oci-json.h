/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_OCI_JSON_H
#define VMB_IMAGE_OCI_JSON_H

/*
 * The three JSON documents of an OCI image (and Docker's forms of them). Bytes in, structs out, or
 * -VMBOOT_EIMAGE with what is wrong; no I/O. Behind the n bytes there has to be a 0. As podman does,
 * this reads documents whose descriptors have no media type, or that have no schemaVersion, and
 * refuses one that could be an index as well as a manifest.
 */

#include "base/hash.h"
#include "image/image.h"

enum {
	VMB_OCI_LAYERS_MAX = 1000,
	VMB_OCI_MANIFESTS_MAX = 10000, /* of one index */
	VMB_OCI_HISTORY_MAX = 10000,   /* steps */
	VMB_OCI_MEMBERS_MAX = 10000,   /* of each: ports, volumes, labels */
	VMB_OCI_WORD_MAX = 1024,       /* bytes of media types, tags and the like */
};

enum vmb_oci_type {
	VMB_OCI_UNKNOWN,
	VMB_OCI_INDEX,
	VMB_OCI_MANIFEST,
	VMB_OCI_CONFIG,
	VMB_OCI_LAYER,
};

struct vmb_oci_blob {
	enum vmb_oci_type type;
	char *media_type;
	char hex[VMB_SHA256_HEX + 1]; /* of its sha256 */
	uint64_t size;
	char *tag; /* org.opencontainers.image.ref.name, or NULL */
	char *os;  /* of its platform, or NULL; so are the next two */
	char *arch;
	char *variant; /* "v3" */
};

struct vmb_oci_index {
	struct vmb_oci_blob *blobs;
	size_t n;
};

struct vmb_oci_manifest {
	struct vmb_oci_blob config;
	struct vmb_oci_index layers; /* the lowest first */
};

void vmb_oci_blob_done(struct vmb_oci_blob *blob);
void vmb_oci_index_done(struct vmb_oci_index *index);
void vmb_oci_manifest_done(struct vmb_oci_manifest *manifest);
#define _cleanup_oci_index_ vmb_cleanup(vmb_oci_index_done)
#define _cleanup_oci_manifest_ vmb_cleanup(vmb_oci_manifest_done)

int vmb_oci_index_decode(const char *json, size_t n, struct vmb_oci_index *ret);
int vmb_oci_manifest_decode(const char *json, size_t n, struct vmb_oci_manifest *ret);

/*
 * The config: what it says about the program and about itself, but for origin's layers, which the
 * manifest lists.
 */
int vmb_oci_config_decode(const char *json, size_t n, struct vmb_image_config *ret_config,
			  struct vmb_image_origin *ret_origin);

/* The part of it that is about itself: into an empty struct, which is the caller's also on failure. */
struct json_object;
int vmb_oci_origin_decode(struct json_object *config, struct vmb_image_origin *origin);

/* "sha256:" and 64 lower-case hex digits: those digits, else NULL. Sets no error. */
const char *vmb_digest_hex(const char *digest);

#endif
