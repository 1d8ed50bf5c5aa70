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
 * name that is looked for is localhost/NAME first, then docker.io/NAME, where a single part is in
 * library/. No tag and no digest means :latest. vmb_image_full_name() in image.h makes a name for
 * something new. No I/O.
 */

/* All names in full that name may mean, the best first. -VMBOOT_EIMAGE if it is no name. */
int vmb_name_candidates(const char *name, char ***ret);

/* "localhost/<base>:<tag>", whatever is in base and tag (NULL: latest), made to fit the rules. */
int vmb_name_make(const char *base, const char *tag, char **ret);

/* The digest in a full name, "sha256:…", or NULL. */
const char *vmb_name_digest(const char *full);

#endif
