/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_COMMAND_H
#define VMB_IMAGE_COMMAND_H

/*
 * What runs in the guest, from what the image says and what the caller asks for, by the rules that
 * container users know:
 *
 *   - an entrypoint of the caller's replaces the image's, and the image's cmd does not count then;
 *   - a cmd of the caller's replaces the image's;
 *   - env is the image's with the caller's over it, by key; PATH is there in any case;
 *   - workdir and user are the caller's, else the image's, else "/" and "" (root).
 *
 * No I/O.
 */

#include "image/image.h"

struct vmb_command {
	char **args; /* at least one */
	char **env;
	char *workdir; /* absolute */
	char *user;
};

void vmb_command_done(struct vmb_command *command);
#define _cleanup_command_ vmb_cleanup(vmb_command_done)

/* -VMBOOT_EIMAGE: there is nothing to run. */
int vmb_image_command(const struct vmb_image *image, const struct vmboot_opts *opts,
		      struct vmb_command *ret);

#endif
