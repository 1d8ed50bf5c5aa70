/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "test.h"

static int parse(const char *text, struct json_object **ret)
{
	return vmb_json_parse(text, strlen(text), 4, EBADMSG, "the text", ret);
}

static void takes_any_one_value(void)
{
	static const char *const good[] = {
		"{}",
		"[]",
		"1",
		"-1",
		"1.5e3",
		"1E3",
		"\"\"",
		"\"a\"",
		"true",
		"false",
		" {} \r\n\t",
		"[[[1]]]",
		"[\"'NI\"]",
		"\"é…𝄞\"",
		"\"\\u00e9\"",
		"\"\\\\u0000\"",
		"[\"\\\"\\u0000\"]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_json_ struct json_object *o = NULL;

		CU_ASSERT_EQUAL(parse(good[i], &o), 0);
		if (!o)
			fprintf(stderr, "%s: %s\n", good[i], vmboot_last_error()->message);
		CU_ASSERT_PTR_NOT_NULL(o);
	}
}

static void takes_null(void)
{
	struct json_object *o = (struct json_object *)&o;

	ASSERT_OK(parse("null", &o));
	CU_ASSERT_PTR_NULL(o);
}

static const struct {
	const char *text, *words;
} bad[] = {
	{"", "ends too early"},
	{" ", "ends too early"},
	{"{", "ends too early"},
	{"{\"a\":", "ends too early"},
	{"{\"a\"", "ends too early"},
	{"\"a", "ends too early"},
	{"tru", "ends too early"},
	{"[1,]", "at byte 3: unexpected character"},
	{"{\"a\":1,}", "at byte 7"},
	{"{} x", "at byte 3"},
	{"{}{}", "at byte 2"},
	{"1 2", "at byte 2"},
	{"{a:1}", "at byte 1"},
	{"{'a':1}", "at byte 1: unexpected character"},
	{"['a']", "at byte 1"},
	{"[NaN]", "at byte 1: unexpected character"},
	{"[-Infinity]", "unexpected character"},
	{"Infinity", "at byte 0"},
	{"[nUll]", "at byte 2"},
	{"[01]", "at byte 3"},
	{"[+1]", "at byte 1"},
	{"[0x10]", "at byte 2"},
	{"/* */ {}", "at byte 0"},
	{"[\"\\x\"]", "at byte 3"},
	{"[\"a\tb\"]", "at byte 3: control character in a string"},
	{"{\"a\nb\":1}", "at byte 3: control character in a string"},
	{"{\"name\\u0000x\":1}", "at byte 1: 0 byte in a name"},
	{"[{\"\\\\\\u0000\" : 1}]", "at byte 2: 0 byte in a name"},
	{"[\"\xff\"]", "not UTF-8"},
	{"[\"\xc0\x80\"]", "not UTF-8"},
	{"{\"\xed\xa0\x80\":1}", "not UTF-8"},
	{"\xef\xbb\xbf{}", "at byte 0"},
	{"[[[[1]]]]", "nesting too deep"},
	{"{\"a\":{\"a\":{\"a\":{\"a\":1}}}}", "nesting too deep"},
};

static void refuses_all_else(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct json_object *o = NULL;

		ASSERT_ERROR(parse(bad[i].text, &o), EBADMSG, bad[i].words);
		CU_ASSERT(test_error_is(-EBADMSG, "the text is not valid JSON"));
		if (o)
			fprintf(stderr, "%s was taken\n", bad[i].text);
		CU_ASSERT_PTR_NULL(o);
	}
}

static void refuses_a_0_byte_in_the_text(void)
{
	static const char *const texts[] = {"{}\0{}", "[1\0 ]", "12\0 3", "\0{}"};
	struct json_object *o = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		ASSERT_ERROR(vmb_json_parse(texts[i], 5 - (i == 3) * 2, 4, EBADMSG, "it", &o),
			     EBADMSG, "it is not valid JSON");
	CU_ASSERT_PTR_NULL(o);
}

static const char *repeated(const char *text)
{
	_cleanup_json_ struct json_object *o = NULL;
	char *name = NULL;
	const char *copy;
	int r;

	ASSERT_OK(parse(text, &o));
	r = vmb_json_repeated(text, &name);
	CU_ASSERT_EQUAL(r, name ? 1 : 0);
	copy = name ? test_path("%s", name) : NULL;
	free(name);
	return copy;
}

static void finds_a_name_given_twice(void)
{
	static const struct {
		const char *text, *name;
	} rows[] = {
		{"{\"a\":1,\"a\":2}", "a"},	  {"{\"a\":1,\"b\":[{}],\"a\" :2}", "a"},
		{"{\"a\":1,\"\\u0061\":2}", "a"}, {"{\"\\\"\":null , \"\\\"\":null}", "\""},
		{"{\"\":1,\"\":2}", ""},	  {"{\"é\":\"}\",\"x\":\"{\",\"\\u00e9\":1}", "é"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		ASSERT_STR(repeated(rows[i].text), rows[i].name);
}

static void other_names_are_not_twice(void)
{
	static const char *const texts[] = {
		"{}",
		"1",
		"[\"a\",\"a\"]",
		"{\"a\":\"a\",\"b\":\"a\"}",
		"{\"a\":{\"a\":1},\"b\":[\"a\",{\"a\":2}]}",
		"{\"a\":\"\\\",\\\"a\\\":\"}",
		"{\"a\":1,\"A\":1,\"a \":1}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		CU_ASSERT_PTR_NULL(repeated(texts[i]));
}

static void writes_text(void)
{
	static const char *const list[] = {"x", "y\"z", NULL};
	_cleanup_json_ struct json_object *o = json_object_new_object();
	_cleanup_free_ char *text = NULL;

	vmb_json_str(o, "path", "/a/b");
	vmb_json_str(o, "none", NULL);
	vmb_json_int(o, "int", INT64_MIN);
	vmb_json_bool(o, "bool", 1);
	vmb_json_list(o, "list", list);
	vmb_json_list(o, "no_list", NULL);
	ASSERT_OK(vmb_json_text(o, &text));
	ASSERT_STR(text, "{\n  \"path\": \"/a/b\",\n  \"none\": null,\n"
			 "  \"int\": -9223372036854775808,\n  \"bool\": true,\n"
			 "  \"list\": [\n    \"x\",\n    \"y\\\"z\"\n  ],\n"
			 "  \"no_list\": null\n}\n");
	ASSERT_ERROR(vmb_json_text(NULL, &text), ENOMEM, "out of memory");
}

static void reads_members_of_the_right_type_only(void)
{
	_cleanup_json_ struct json_object *o = NULL;

	ASSERT_OK(parse("{\"s\": \"x\", \"i\": -7, \"n\": null}", &o));
	ASSERT_STR(vmb_json_get_str(o, "s"), "x");
	CU_ASSERT_PTR_NULL(vmb_json_get_str(o, "i"));
	CU_ASSERT_PTR_NULL(vmb_json_get_str(o, "n"));
	CU_ASSERT_PTR_NULL(vmb_json_get_str(o, "absent"));
	CU_ASSERT_PTR_NULL(vmb_json_get_str(NULL, "s"));
	CU_ASSERT_PTR_NULL(vmb_json_get(vmb_json_get(o, "s"), "s"));
	CU_ASSERT_EQUAL(vmb_json_get_int(o, "i", 3), -7);
	CU_ASSERT_EQUAL(vmb_json_get_int(o, "s", 3), 3);
	CU_ASSERT_EQUAL(vmb_json_get_int(o, "absent", 3), 3);
}

TEST_MAIN("base/json", {"takes any one value", takes_any_one_value}, {"takes null", takes_null},
	  {"refuses all else", refuses_all_else},
	  {"refuses a 0 byte in the text", refuses_a_0_byte_in_the_text},
	  {"finds a name given twice", finds_a_name_given_twice},
	  {"other names are not twice", other_names_are_not_twice}, {"writes text", writes_text},
	  {"reads members of the right type only", reads_members_of_the_right_type_only})
