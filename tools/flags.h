/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_FLAGS_H
#define VMBOOT_TOOLS_FLAGS_H

/* Which flags there are: the tool's own table, and the fields that a verb takes. */

#include "args.h"

enum flag_kind {
	KIND_BOOL,
	KIND_TEXT,
	KIND_SECONDS,
	KIND_LIST,
	KIND_MEMORY,   /* sets the field memory_mib from "512m", "1g" */
	KIND_CPUS,     /* sets the field vcpus */
	KIND_ENV_FILE, /* variables: of the field env, or of a program in a VM */
};

struct flag {
	flag_set id;
	const char *name;
	char short_flag;
	enum flag_kind kind;
	size_t offset; /* in struct args */
	const char *metavar, *help;
};

/* One flag as it was found: the tool's own, or a field's. */
struct found {
	const struct flag *flag;
	const struct vmboot_field *field;
};

bool flag_find_long(const struct verb *verb, const char *name, struct found *ret);
bool flag_find_short(const struct verb *verb, char c, struct found *ret);

/* Tells fn each flag of the verb, by name, with what it does. */
void flag_each(const struct verb *verb, void (*fn)(const char *name, const char *help, void *data),
	       void *data);

/* Reports an unknown flag, with the one that was perhaps meant; EXIT_USAGE. */
int flag_unknown(const struct verb *verb, const char *name);
int flag_unknown_short(const struct verb *verb, char c);

/* The field's name as a flag: with dashes. Freed by free. */
char *flag_name(const struct vmboot_field *field);

#endif
