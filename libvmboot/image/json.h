/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_JSON_H
#define VMB_IMAGE_JSON_H

/*
 * Reading JSON strictly: a member has the type that it must have and is within bounds, or it is
 * refused by name with -VMBOOT_EIMAGE. null counts as absent. Bytes in, no I/O.
 */

#include "base/json.h"
#include "base/str.h"

enum {
	VMB_IMAGE_JSON_MAX = 4 << 20, /* bytes of any JSON document of an image */
	VMB_IMAGE_JSON_DEPTH = 32,
};

/* One object and nothing behind it but the 0 that ends it, which n does not count. */
int vmb_json_document(const char *json, size_t n, struct json_object **ret);

/* Borrowed: each gives 1 if the member is there, 0 if not. */
int vmb_json_object(struct json_object *o, const char *key, struct json_object **ret);
int vmb_json_array(struct json_object *o, const char *key, size_t max, struct json_object **ret);
int vmb_json_u64(struct json_object *o, const char *key, uint64_t *ret);

/* Copies; NULL if the member is absent. Strings have no 0 inside and at most max bytes. */
int vmb_json_string(struct json_object *o, const char *key, size_t max, char **ret);
int vmb_json_strings(struct json_object *o, const char *key, size_t max_n, size_t max, char ***ret);

/* The names of an object's members; and a list of name, value, name, value, … of strings. */
int vmb_json_keys(struct json_object *o, const char *key, size_t max_n, size_t max, char ***ret);
int vmb_json_pairs(struct json_object *o, const char *key, size_t max_n, size_t max, char ***ret);

/* Writing: 0 or -ENOMEM; NULL values are left out. */
int vmb_json_add(struct json_object *o, const char *key, struct json_object *value);
int vmb_json_add_string(struct json_object *o, const char *key, const char *value);
int vmb_json_add_strings(struct json_object *o, const char *key, const char *const *list);
int vmb_json_add_pairs(struct json_object *o, const char *key, const char *const *list);

/* A new array as a member; and a new object at the end of one. Both are borrowed. */
int vmb_json_add_array(struct json_object *o, const char *key, struct json_object **ret);
int vmb_json_append_object(struct json_object *array, struct json_object **ret);
int vmb_json_add_u64(struct json_object *o, const char *key, uint64_t value); /* 0 is left out */

#endif
