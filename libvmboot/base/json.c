/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

VMB_DEFINE_CLEANUP(tokener_freep, struct json_tokener *, json_tokener_free)

int vmb_json_parse(const char *text, size_t n, int depth, int code, const char *what,
		   struct json_object **ret)
{
	vmb_cleanup(tokener_freep) struct json_tokener *t = json_tokener_new_ex(depth);
	_cleanup_json_ struct json_object *root = NULL;
	enum json_tokener_error e;
	size_t end;

	if (!t)
		return vmb_oom();
	if (n >= INT_MAX)
		return vmb_error(code, "%s is too large", what);
	json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	root = json_tokener_parse_ex(t, text, (int)n);
	e = json_tokener_get_error(t);
	if (e == json_tokener_continue) {
		/* a number at the very end, or a text cut short: tell it that this is all */
		root = json_tokener_parse_ex(t, "", 1);
		e = json_tokener_get_error(t);
		if (e != json_tokener_success)
			return vmb_error(code, "%s is not valid JSON: it ends too early", what);
		end = n;
	} else {
		end = json_tokener_get_parse_end(t);
	}
	if (e != json_tokener_success)
		return vmb_error(code, "%s is not valid JSON at byte %zu: %s", what, end,
				 json_tokener_error_desc(e));
	end += strspn(text + end, " \t\r\n");
	if (end < n)
		return vmb_error(code, "%s is not valid JSON at byte %zu: something follows it",
				 what, end);
	*ret = TAKE_PTR(root);
	return 0;
}

int vmb_json_text(struct json_object *root, char **ret)
{
	const char *text;

	if (!root)
		return vmb_oom();
	text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY |
							    JSON_C_TO_STRING_SPACED |
							    JSON_C_TO_STRING_NOSLASHESCAPE);
	return text ? vmb_asprintf(ret, "%s\n", text) : vmb_oom();
}

void vmb_json_str(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

void vmb_json_int(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

void vmb_json_bool(struct json_object *o, const char *key, int value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

void vmb_json_list(struct json_object *o, const char *key, const char *const *list)
{
	struct json_object *array = list ? json_object_new_array() : NULL;

	for (size_t i = 0; array && list[i]; i++)
		json_object_array_add(array, json_object_new_string(list[i]));
	json_object_object_add(o, key, array);
}

struct json_object *vmb_json_get(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, key, &value)
		       ? value
		       : NULL;
}

const char *vmb_json_get_str(struct json_object *o, const char *key)
{
	struct json_object *value = vmb_json_get(o, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

int64_t vmb_json_get_int(struct json_object *o, const char *key, int64_t fallback)
{
	struct json_object *value = vmb_json_get(o, key);

	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : fallback;
}
