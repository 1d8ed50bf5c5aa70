/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "wire/text.h"

#define SPACE " \t\r\n"

VMB_DEFINE_CLEANUP(tokener_freep, struct json_tokener *, json_tokener_free)

/* Behind the string that begins at p, in text that json-c has taken. */
static const char *skip_string(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

/* True if the string that ends there is the name of a member. */
static bool is_name(const char *end)
{
	return end[strspn(end, SPACE)] == ':';
}

static bool has_nul(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p != '\\')
			continue;
		if (vmb_skip_prefix(p, "\\u0000"))
			return true;
		p++;
	}
	return false;
}

/*
 * Where the text is no JSON though json-c takes it, or what json-c would cut short; NULL if it is
 * all right. Outside of strings, JSON has no capitals but the E of numbers.
 */
static const char *find_lax(const char *p, const char **ret_why)
{
	while (*(p += strcspn(p, "\"'NI"))) {
		const char *start = p, *end;

		*ret_why = "unexpected character";
		if (*p != '"')
			return p;
		end = skip_string(p);
		*ret_why = "control character in a string";
		for (; p < end; p++)
			if ((unsigned char)*p < ' ')
				return p;
		*ret_why = "0 byte in a name";
		if (is_name(end) && has_nul(start, end))
			return start;
	}
	return NULL;
}

int vmb_json_parse(const char *text, size_t n, int depth, int code, const char *what,
		   struct json_object **ret)
{
	vmb_cleanup(tokener_freep) struct json_tokener *t = json_tokener_new_ex(depth);
	_cleanup_json_ struct json_object *root = NULL;
	const char *lax, *why;
	enum json_tokener_error e;
	size_t end;

	if (!t)
		return vmb_oom();
	if (n >= INT_MAX)
		return vmb_error(code, "%s is too large", what);
	if (!vmb_wire_is_utf8(text, n)) /* json-c takes overlong forms and surrogates */
		return vmb_error(code, "%s is not valid JSON: it is not UTF-8", what);
	json_tokener_set_flags(t, JSON_TOKENER_STRICT);
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
	end += strspn(text + end, SPACE);
	if (end < n)
		return vmb_error(code, "%s is not valid JSON at byte %zu: something follows it",
				 what, end);
	lax = find_lax(text, &why);
	if (lax)
		return vmb_error(code, "%s is not valid JSON at byte %zu: %s", what,
				 (size_t)(lax - text), why);
	*ret = TAKE_PTR(root);
	return 0;
}

/* 1 if the name, n bytes with its quotes, is in seen; else it is put there. */
static int see_name(struct json_object *seen, const char *name, size_t n, char **ret_name)
{
	vmb_cleanup(tokener_freep) struct json_tokener *t = json_tokener_new();
	_cleanup_json_ struct json_object *s = NULL;
	const char *key;
	int r;

	if (t)
		s = json_tokener_parse_ex(t, name, (int)n);
	if (!s)
		return vmb_oom();
	key = json_object_get_string(s);
	if (!json_object_object_get_ex(seen, key, NULL))
		return json_object_object_add(seen, key, NULL) < 0 ? vmb_oom() : 0;
	r = vmb_strdup(key, ret_name);
	return r < 0 ? r : 1;
}

int vmb_json_repeated(const char *text, char **ret_name)
{
	_cleanup_json_ struct json_object *seen = json_object_new_object();
	int depth = 0, r = 0;

	if (!seen)
		return vmb_oom();
	for (const char *p = text, *end; *p && r == 0; p = end) {
		end = p + 1;
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		else if (*p == '"')
			end = skip_string(p);
		if (*p == '"' && depth == 1 && is_name(end))
			r = see_name(seen, p, (size_t)(end - p), ret_name);
	}
	return r;
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
