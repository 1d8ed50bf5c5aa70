/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <json.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/str.h"
#include "opts/opts.h"
#include "opts/set.h"

enum { REQUEST_DEPTH = 4 };

VMB_DEFINE_CLEANUP(opts_freep, struct vmboot_opts *, vmboot_opts_free)

static int refuse_type(const struct vmb_field *field, struct json_object *value)
{
	return vmb_field_refuse_json(field,
				     json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
}

/* A JSON string without a 0 byte inside, or NULL. */
static const char *plain_string(struct json_object *value)
{
	const char *s;

	if (!json_object_is_type(value, json_type_string))
		return NULL;
	s = json_object_get_string(value);
	return strlen(s) == (size_t)json_object_get_string_len(value) ? s : NULL;
}

static int take_list(struct vmboot_opts *opts, const struct vmb_field *field,
		     struct json_object *value)
{
	int r;

	if (!json_object_is_type(value, json_type_array))
		return refuse_type(field, value);
	r = vmb_field_check_length(field, json_object_array_length(value));
	if (r == 0)
		r = vmb_opts_empty(opts, field);
	for (size_t i = 0; i < json_object_array_length(value) && r == 0; i++) {
		const char *s = plain_string(json_object_array_get_idx(value, i));

		r = s ? vmb_opts_add(opts, field, s) : refuse_type(field, value);
	}
	return r;
}

static int take_uint(struct vmboot_opts *opts, const struct vmb_field *field,
		     struct json_object *value)
{
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return refuse_type(field, value);
	return vmb_opts_set_uint(opts, field, json_object_get_uint64(value));
}

static int take_field(struct vmboot_opts *opts, const struct vmb_field *field,
		      struct json_object *value)
{
	const char *s = plain_string(value);

	if (!value) /* null: the default */
		return 0;
	switch (field->pub.type) {
	case VMBOOT_FIELD_STRING:
		return s ? vmb_opts_set_string(opts, field, s) : refuse_type(field, value);
	case VMBOOT_FIELD_ENUM:
		return s ? vmb_opts_set_choice(opts, field, s) : refuse_type(field, value);
	case VMBOOT_FIELD_UINT:
		return take_uint(opts, field, value);
	case VMBOOT_FIELD_LIST:
		return take_list(opts, field, value);
	case VMBOOT_FIELD_BOOL:
		if (!json_object_is_type(value, json_type_boolean))
			return refuse_type(field, value);
		*(bool *)vmb_field_member(field, opts) = json_object_get_boolean(value);
		return 0;
	}
	return 0;
}

static int refuse_unknown(const char *name)
{
	vmb_error(
		VMBOOT_EOPTS,
		"the request has an unknown field \"%s\"; vmboot-request(5) lists those there are",
		name);
	vmb_error_field(name);
	return -VMBOOT_EOPTS;
}

/* Which of two values is meant, nobody knows. */
static int check_once(const char *json)
{
	_cleanup_free_ char *name = NULL;
	int r = vmb_json_repeated(json, &name);

	if (r <= 0)
		return r;
	vmb_error(VMBOOT_EOPTS, "the request has the field \"%s\" twice", name);
	vmb_error_field(name);
	return -VMBOOT_EOPTS;
}

int vmboot_opts_from_json(const char *json, struct vmboot_opts **ret_opts)
{
	vmb_cleanup(opts_freep) struct vmboot_opts *opts = NULL;
	_cleanup_json_ struct json_object *root = NULL;
	struct json_object_iter it;
	int r;

	if (strlen(json) > VMBOOT_REQUEST_MAX)
		return vmb_error(E2BIG, "the request is larger than %d bytes", VMBOOT_REQUEST_MAX);
	r = vmb_json_parse(json, strlen(json), REQUEST_DEPTH, VMBOOT_EOPTS, "the request", &root);
	if (r < 0)
		return r;
	if (!json_object_is_type(root, json_type_object))
		return vmb_error(VMBOOT_EOPTS, "the request is not a JSON object");
	r = check_once(json);
	if (r == 0)
		r = vmboot_opts_new(&opts);
	if (r < 0)
		return r;
	json_object_object_foreachC(root, it)
	{
		const struct vmb_field *field = vmb_field_find(it.key);

		r = field ? take_field(opts, field, it.val) : refuse_unknown(it.key);
		if (r < 0)
			return r;
	}
	*ret_opts = TAKE_PTR(opts);
	return 0;
}

static struct json_object *list_json(const char *const *list)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; array && list[i]; i++)
		json_object_array_add(array, json_object_new_string(list[i]));
	return array;
}

/* The field's value, or NULL if it is default. */
static struct json_object *field_json(const struct vmb_field *field, const struct vmboot_opts *opts)
{
	const void *member = vmb_field_member_const(field, opts);
	const char *const *list;
	const char *text;
	uint64_t number;

	switch (field->pub.type) {
	case VMBOOT_FIELD_STRING:
		text = *(const char *const *)member;
		return text ? json_object_new_string(text) : NULL;
	case VMBOOT_FIELD_BOOL:
		return *(const bool *)member ? json_object_new_boolean(1) : NULL;
	case VMBOOT_FIELD_UINT:
		number = *(const uint64_t *)member;
		return number && number != field->pub.default_value ? json_object_new_uint64(number)
								    : NULL;
	case VMBOOT_FIELD_ENUM:
		return *(const unsigned *)member
			       ? json_object_new_string(vmb_field_choice(field, opts))
			       : NULL;
	case VMBOOT_FIELD_LIST:
		list = *(const char *const *const *)member;
		return list ? list_json(list) : NULL;
	}
	return NULL;
}

int vmboot_opts_to_json(const struct vmboot_opts *opts, char **ret_json)
{
	_cleanup_json_ struct json_object *root = json_object_new_object();
	struct vmboot_opts own;
	size_t n;
	const struct vmb_field *fields = vmb_fields(&n);
	int r;

	r = vmb_opts_read(opts, false, &own);
	if (r < 0)
		return r;
	for (size_t i = 0; root && i < n; i++) {
		struct json_object *value = field_json(&fields[i], &own);

		if (value)
			json_object_object_add(root, fields[i].pub.name, value);
	}
	return vmb_json_text(root, ret_json);
}
