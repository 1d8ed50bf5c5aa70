/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_JSON_H
#define VMB_BASE_JSON_H

/* json-c with our error rule, bounds and cleanup. */

#include <json.h>

#include "base/cleanup.h"

static inline void vmb_json_putp(struct json_object **o)
{
	if (*o)
		json_object_put(*o);
}
#define _cleanup_json_ vmb_cleanup(vmb_json_putp)

/*
 * One strict JSON value and nothing behind it but white space; nested at most depth deep, valid
 * UTF-8, no name with a 0 byte in it. Else -code, with the words "<what> is not valid JSON at
 * byte N: …". text: n bytes and a 0. Of a name that is given twice the last value counts.
 */
int vmb_json_parse(const char *text, size_t n, int depth, int code, const char *what,
		   struct json_object **ret);

/*
 * 1 and a name that the outermost object of text gives twice, freed by the caller; 0 if there is
 * none; or -ENOMEM. text: what vmb_json_parse() has taken, which keeps only one of the two.
 */
int vmb_json_repeated(const char *text, char **ret_name);

/* Indented text that ends with a newline; freed by the caller. root NULL: out of memory. */
int vmb_json_text(struct json_object *root, char **ret);

/* Add a member; NULL values are JSON's null. */
void vmb_json_str(struct json_object *o, const char *key, const char *value);
void vmb_json_int(struct json_object *o, const char *key, int64_t value);
void vmb_json_bool(struct json_object *o, const char *key, int value);
void vmb_json_list(struct json_object *o, const char *key, const char *const *list);

/* Read a member: NULL or the fallback if it is not there or of another type. */
const char *vmb_json_get_str(struct json_object *o, const char *key);
int64_t vmb_json_get_int(struct json_object *o, const char *key, int64_t fallback);
struct json_object *vmb_json_get(struct json_object *o, const char *key);

#endif
