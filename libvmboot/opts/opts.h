/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_OPTS_OPTS_H
#define VMB_OPTS_OPTS_H

/*
 * What the caller wants. In: a struct of any version of the header, JSON, or text. Out: a struct
 * of our own version in which every member was checked and every default filled in. One table
 * (table.c) drives it all.
 */

#include <vmboot/opts.h>

#include "wire/config.h"

enum {
	VMB_OPTS_LIST_MAX = VMB_CONFIG_LIST_MAX, /* strings in a LIST */
	VMB_OPTS_HEALTH_RETRIES = 3,
	VMB_OPTS_LOG_MAX_MIB = 64,   /* log_max_mib's default */
	VMB_OPTS_LABELS_MAX = 65536, /* bytes of all labels */
};

/* A row of the table: the public part and the rule that words cannot check. */
struct vmb_field {
	struct vmboot_field pub;
	bool (*accepts)(const char *value); /* STRING, and each of a LIST; NULL: any text */
	bool required;			    /* vmboot_create() needs it */
	bool secret;			    /* no message shows its value */
};

const struct vmb_field *vmb_fields(size_t *ret_n);
const struct vmb_field *vmb_field_find(const char *name); /* NULL if there is none */

/* The member of opts that the field describes. */
void *vmb_field_member(const struct vmb_field *field, struct vmboot_opts *opts);
const void *vmb_field_member_const(const struct vmb_field *field, const struct vmboot_opts *opts);

/* The name of an enum member's value, e.g. "poweroff". */
const char *vmb_field_choice(const struct vmb_field *field, const struct vmboot_opts *opts);

/* -VMBOOT_EOPTS with field, value and rule in the error. */
int vmb_field_refuse(const struct vmb_field *field, const char *value);

/* The same for a value in JSON, of another type than the field's. */
int vmb_field_refuse_json(const struct vmb_field *field, const char *json);

/* Checks one text by a STRING's or LIST's rule, one number by a UINT's, and how long a LIST is. */
int vmb_field_check_text(const struct vmb_field *field, const char *value);
int vmb_field_check_uint(const struct vmb_field *field, uint64_t value);
int vmb_field_check_length(const struct vmb_field *field, size_t length);

/*
 * Copies the caller's struct, whatever version of the header it is from, into ours. The strings
 * stay the caller's. opts NULL: all default. Members are checked; with need_all, required ones
 * must be there and defaults are filled in.
 */
int vmb_opts_read(const struct vmboot_opts *opts, bool need_all, struct vmboot_opts *ret);

#endif
