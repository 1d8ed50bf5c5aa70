/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_OPTS_SET_H
#define VMB_OPTS_SET_H

/* Setters for opts that own their strings. Each checks by the field's rule first. */

#include "opts/opts.h"

int vmb_opts_set_string(struct vmboot_opts *opts, const struct vmb_field *field, const char *value);
int vmb_opts_set_uint(struct vmboot_opts *opts, const struct vmb_field *field, uint64_t value);
int vmb_opts_set_choice(struct vmboot_opts *opts, const struct vmb_field *field, const char *value);
int vmb_opts_add(struct vmboot_opts *opts, const struct vmb_field *field, const char *value);
int vmb_opts_empty(struct vmboot_opts *opts, const struct vmb_field *field); /* a list */

#endif
