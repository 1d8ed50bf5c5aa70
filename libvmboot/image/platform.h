/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_PLATFORM_H
#define VMB_IMAGE_PLATFORM_H

/*
 * Platforms as OCI names them, "linux/amd64" or "linux/arm64/v8": which one is wanted, and which image
 * of an index fits it. No I/O.
 */

#include <stdbool.h>

#include "image/oci-json.h"

struct vmb_platform {
	char os[32], arch[32];
	char variant[32]; /* "": any that this CPU runs */
	bool host;	  /* guests of this host run it */
};

/* text NULL: this host's. -VMBOOT_EOPTS, with the field "platform", if it is none. */
int vmb_platform_parse(const char *text, struct vmb_platform *ret);

/* The same as text, without the variant "". */
struct vmb_platform_name {
	char text[100];
};
struct vmb_platform_name vmb_platform_name(const struct vmb_platform *p);

/* -VMBOOT_EOPTS, in words, if guests of this host do not run what text names; NULL: 0. */
int vmb_platform_check(const char *text);

/*
 * -VMBOOT_EIMAGE, in words, if an image for arch (NULL: it does not say) is not for what text (NULL:
 * this host) names.
 */
int vmb_platform_check_image(const char *text, const char *arch);

/*
 * How well an image fits, of which the highest is wanted; negative: it does not. An image that does not
 * say what it is for fits.
 */
int vmb_platform_rank(const struct vmb_platform *p, const struct vmb_oci_blob *image);

/*
 * The image of an index that is wanted: the first with the highest rank and the tag (NULL: any). NULL:
 * there is none. *ret_n: how many different ones have that rank.
 */
const struct vmb_oci_blob *vmb_platform_choose(const struct vmb_platform *p,
					       const struct vmb_oci_index *index, const char *tag,
					       size_t *ret_n);

/* "linux/amd64, linux/arm64/v8": for which platforms an index has something. */
void vmb_platform_list(const struct vmb_oci_index *index, char *out, size_t size);

#endif
