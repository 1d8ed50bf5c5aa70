/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_SKOPEO_H
#define VMB_IMAGE_SKOPEO_H

/*
 * Running skopeo, which reads registries and other engines' images with all that a user has
 * configured for them: registries.conf, auth.json, certs.d, policy.json, proxies. It is started by
 * vmboot-import, so that it ends if this process does. References are skopeo's: "docker://NAME".
 *
 * Errors: -VMBOOT_EHOST, there is no skopeo; -VMBOOT_ENOIMAGE, the registry does not have it; -EACCES, a
 * password is missing or wrong; -VMBOOT_EIMAGE, with skopeo's words; as base/limit.h.
 */

#include <stdint.h>
#include <vmboot/opts.h>

#include "base/log.h"
#include "image/oci-json.h"

enum { VMB_SKOPEO_STALL_MS = 120000 }; /* with neither a byte nor a word, a registry hangs */

/* The manifest or index of ref as it stands there, and a 0 behind it. registry: NULL, or for whom
 * opts->creds are. */
int vmb_skopeo_inspect(const struct vmboot_opts *opts, const char *ref, const char *registry,
		       char **ret, size_t *ret_n);

/* One copy, and what is told about it meanwhile. */
struct vmb_skopeo_copy {
	const struct vmboot_opts *opts;
	const char *ref, *registry;
	const char *layout; /* the folder, which is there and becomes an OCI layout without blobs */
	const char *blobs;  /* the folder that has sha256/HEX, which is filled */
	const struct vmb_log *log;
	const char *what;		    /* for messages: "docker.io/library/node:20" */
	const struct vmb_oci_index *layers; /* that the image has, or NULL if that is not known */
	int stall_ms;
};

/*
 * Copies an image: layers that are in blobs already are not fetched. One that is half fetched is in
 * the layout's folder. Fetching more than the layers say, or than the disk can hold, ends it.
 */
int vmb_skopeo_copy(const struct vmb_skopeo_copy *copy);

#endif
