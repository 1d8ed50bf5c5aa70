/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/json.h"

#include "base/error.h"

int vmb_json_document(const char *json, size_t n, struct json_object **ret)
{
	_cleanup_json_ struct json_object *o = NULL;
	int r;

	if (n > VMB_IMAGE_JSON_MAX)
		return vmb_error(VMBOOT_EIMAGE, "it is larger than %d bytes", VMB_IMAGE_JSON_MAX);
	r = vmb_json_parse(json, n, VMB_IMAGE_JSON_DEPTH, VMBOOT_EIMAGE, "it", &o);
	if (r < 0)
		return r;
	if (!json_object_is_type(o, json_type_object))
		return vmb_error(VMBOOT_EIMAGE, "it is not a JSON object");
	*ret = TAKE_PTR(o);
	return 0;
}

static int member(struct json_object *o, const char *key, enum json_type type,
		  struct json_object **ret)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, key, &v) || !v)
		return 0;
	if (!json_object_is_type(v, type))
		return vmb_error(VMBOOT_EIMAGE, "its \"%s\" is not of the type %s", key,
				 json_type_to_name(type));
	*ret = v;
	return 1;
}

int vmb_json_object(struct json_object *o, const char *key, struct json_object **ret)
{
	return member(o, key, json_type_object, ret);
}

int vmb_json_array(struct json_object *o, const char *key, size_t max, struct json_object **ret)
{
	struct json_object *v;
	int r = member(o, key, json_type_array, &v);

	if (r <= 0)
		return r;
	if (json_object_array_length(v) > max)
		return vmb_error(VMBOOT_EIMAGE, "its \"%s\" has more than %zu elements", key, max);
	*ret = v;
	return 1;
}

int vmb_json_u64(struct json_object *o, const char *key, uint64_t *ret)
{
	struct json_object *v;
	int r = member(o, key, json_type_int, &v);

	if (r <= 0)
		return r;
	if (json_object_get_int64(v) < 0)
		return vmb_error(VMBOOT_EIMAGE, "its \"%s\" is negative", key);
	*ret = json_object_get_uint64(v);
	return 1;
}

/* The string of a value, still the value's own. */
static int text(struct json_object *v, const char *key, size_t max, const char **ret)
{
	const char *s;
	size_t n;

	if (!json_object_is_type(v, json_type_string))
		return vmb_error(VMBOOT_EIMAGE, "its \"%s\" has something that is not a string",
				 key);
	s = json_object_get_string(v);
	n = (size_t)json_object_get_string_len(v);
	if (strlen(s) != n)
		return vmb_error(VMBOOT_EIMAGE, "its \"%s\" has a 0 byte inside", key);
	if (n > max)
		return vmb_error(VMBOOT_EIMAGE, "its \"%s\" has a string of more than %zu bytes",
				 key, max);
	*ret = s;
	return 0;
}

int vmb_json_string(struct json_object *o, const char *key, size_t max, char **ret)
{
	struct json_object *v;
	const char *s = NULL;
	int r = member(o, key, json_type_string, &v);

	if (r > 0)
		r = text(v, key, max, &s);
	return r < 0 ? r : vmb_strdup(s, ret);
}

int vmb_json_strings(struct json_object *o, const char *key, size_t max_n, size_t max, char ***ret)
{
	_cleanup_list_ char **list = NULL;
	struct json_object *v;
	const char *s;
	size_t n;
	int r = vmb_json_array(o, key, max_n, &v);

	if (r < 0)
		return r;
	if (r > 0) {
		n = json_object_array_length(v);
		list = calloc(n + 1, sizeof(*list));
		if (!list)
			return vmb_oom();
		for (size_t i = 0; i < n; i++) {
			r = text(json_object_array_get_idx(v, i), key, max, &s);
			if (r == 0)
				r = vmb_strdup(s, &list[i]);
			if (r < 0)
				return r;
		}
	}
	*ret = TAKE_PTR(list);
	return 0;
}

/* values: with the value, a string, behind each name. */
static int list_members(struct json_object *o, const char *key, size_t max_n, size_t max,
			bool values, char ***ret)
{
	_cleanup_list_ char **list = NULL;
	struct json_object *v;
	size_t n = 0;
	int r = vmb_json_object(o, key, &v);

	if (r > 0 && (size_t)json_object_object_length(v) > max_n)
		return vmb_error(VMBOOT_EIMAGE, "its \"%s\" has more than %zu members", key, max_n);
	if (r > 0) {
		list = calloc(2 * (size_t)json_object_object_length(v) + 1, sizeof(*list));
		if (!list)
			return vmb_oom();
		json_object_object_foreach(v, name, value)
		{
			const char *s = NULL;

			if (strlen(name) > max)
				return vmb_error(VMBOOT_EIMAGE,
						 "its \"%s\" has a name of more than %zu bytes",
						 key, max);
			r = vmb_strdup(name, &list[n++]);
			if (r == 0 && values)
				r = text(value, key, max, &s);
			if (r == 0 && values)
				r = vmb_strdup(s, &list[n++]);
			if (r < 0)
				return r;
		}
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	return 0;
}

int vmb_json_keys(struct json_object *o, const char *key, size_t max_n, size_t max, char ***ret)
{
	return list_members(o, key, max_n, max, false, ret);
}

int vmb_json_pairs(struct json_object *o, const char *key, size_t max_n, size_t max, char ***ret)
{
	return list_members(o, key, max_n, max, true, ret);
}

int vmb_json_add(struct json_object *o, const char *key, struct json_object *value)
{
	if (!value || json_object_object_add(o, key, value) < 0) {
		json_object_put(value);
		return vmb_oom();
	}
	return 0;
}

int vmb_json_add_string(struct json_object *o, const char *key, const char *value)
{
	return value ? vmb_json_add(o, key, json_object_new_string(value)) : 0;
}

int vmb_json_add_strings(struct json_object *o, const char *key, const char *const *list)
{
	_cleanup_json_ struct json_object *array = NULL;

	if (!list)
		return 0;
	array = json_object_new_array();
	if (!array)
		return vmb_oom();
	for (; *list; list++) {
		struct json_object *s = json_object_new_string(*list);

		if (!s || json_object_array_add(array, s) < 0) {
			json_object_put(s);
			return vmb_oom();
		}
	}
	return vmb_json_add(o, key, TAKE_PTR(array));
}

int vmb_json_add_pairs(struct json_object *o, const char *key, const char *const *list)
{
	_cleanup_json_ struct json_object *pairs = NULL;
	int r = 0;

	if (!list)
		return 0;
	pairs = json_object_new_object();
	if (!pairs)
		return vmb_oom();
	for (; r == 0 && *list; list += 2)
		r = vmb_json_add_string(pairs, list[0], list[1]);
	return r < 0 ? r : vmb_json_add(o, key, TAKE_PTR(pairs));
}

int vmb_json_add_u64(struct json_object *o, const char *key, uint64_t value)
{
	return value ? vmb_json_add(o, key, json_object_new_uint64(value)) : 0;
}

int vmb_json_add_array(struct json_object *o, const char *key, struct json_object **ret)
{
	struct json_object *array = json_object_new_array();
	int r = vmb_json_add(o, key, array);

	if (r == 0)
		*ret = array;
	return r;
}

int vmb_json_append_object(struct json_object *array, struct json_object **ret)
{
	struct json_object *o = json_object_new_object();

	if (!o || json_object_array_add(array, o) < 0) {
		json_object_put(o);
		return vmb_oom();
	}
	*ret = o;
	return 0;
}
