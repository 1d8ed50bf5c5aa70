/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_NAME_H
#define VMB_IMAGE_NAME_H

/*
 * Names of images, as container users write them:
 *
 *   [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]
 *
 * A first part with a dot or a port, or "localhost", is a host. A name without a host is a short
 * name. As with podman, what is imported under a short name is called localhost/NAME, and a short
 * name that is looked for is localhost/NAME first, then what registries.h makes of it, then
 * docker.io/NAME, where a single part is in library/. No tag and no digest means :latest. vmb_image_full_name() in image.h makes a name for
 * something new. No I/O.
 */

#include <stdbool.h>

/* localhost/NAME and docker.io/NAME for a short name, else the full one. -VMBOOT_EIMAGE: no name. */
int vmb_name_candidates(const char *name, char ***ret);

/* -VMBOOT_EIMAGE, or 0 and whether it is a short name. */
int vmb_name_check(const char *name, bool *ret_short);

/* "localhost/<base>:<tag>", whatever is in base and tag (NULL: latest), made to fit the rules. */
int vmb_name_make(const char *base, const char *tag, char **ret);

/* The name in full of what skopeo calls docker://name: a short name is docker.io's. */
int vmb_name_on_hub(const char *name, char **ret);

/* Host and path of a full name. */
int vmb_name_without_tag(const char *full, char **ret);

/* The digest in a full name, "sha256:…", or NULL. */
const char *vmb_name_digest(const char *full);

#endif
