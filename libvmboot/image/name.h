/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_NAME_H
#define VMB_IMAGE_NAME_H

/*
 * Names of images, as container users write them:
 *
 *   [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]
 *
 * A first part with a dot or a port, or "localhost", is a host; else it is docker.io, and a single
 * part is in its library/. No tag and no digest means :latest. vmb_image_full_name() in image.h
 * does that. No I/O.
 */

/* "localhost/<base>:<tag>", whatever is in base and tag (NULL: latest), made to fit the rules. */
int vmb_name_make(const char *base, const char *tag, char **ret);

/* The digest in a full name, "sha256:…", or NULL. */
const char *vmb_name_digest(const char *full);

#endif
