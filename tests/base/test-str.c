/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/str.h"

#include <errno.h>

#include "test.h"

static void numbers_are_decimal_and_whole(void)
{
	static const struct {
		const char *text;
		int result;
		uint64_t value;
	} rows[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		{"184467440737095516150", -ERANGE, 0},
		{"", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"\xd9\xa1", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t v = 4711;

		CU_ASSERT_EQUAL(vmb_parse_u64(rows[i].text, &v), rows[i].result);
		CU_ASSERT_EQUAL(v, rows[i].result == 0 ? rows[i].value : 4711);
	}
}

static void copies_stop_at_the_end_of_the_buffer(void)
{
	char small[4] = "xyz", one[1] = {'x'}, sum[8] = "ab";

	vmb_strlcpy(small, "abcdef", sizeof(small));
	ASSERT_STR(small, "abc");
	vmb_strlcpy(one, "abc", sizeof(one));
	ASSERT_STR(one, "");
	vmb_strlcat(sum, "cd", sizeof(sum));
	ASSERT_STR(sum, "abcd");
	vmb_strlcat(sum, "efghijk", sizeof(sum));
	ASSERT_STR(sum, "abcdefg");
	vmb_strlcat(sum, "x", sizeof(sum));
	ASSERT_STR(sum, "abcdefg");
}

static void prefixes_and_suffixes(void)
{
	ASSERT_STR(vmb_skip_prefix("oci:dir", "oci:"), "dir");
	ASSERT_STR(vmb_skip_prefix("oci:", "oci:"), "");
	CU_ASSERT_PTR_NULL(vmb_skip_prefix("oc", "oci:"));
	CU_ASSERT(vmb_ends_with("a.ko.xz", ".xz"));
	CU_ASSERT(vmb_ends_with("", ""));
	CU_ASSERT(!vmb_ends_with("z", ".xz"));
	CU_ASSERT(vmb_streq(NULL, NULL));
	CU_ASSERT(!vmb_streq(NULL, ""));
	CU_ASSERT(!vmb_streq("", NULL));
	CU_ASSERT(vmb_streq("a", "a"));
}

static void lists_keep_null_and_empty_apart(void)
{
	_cleanup_list_ char **list = NULL, **copy = NULL;
	const char *const none[] = {NULL};

	ASSERT_OK(vmb_list_dup(NULL, &list));
	CU_ASSERT_PTR_NULL(list);
	ASSERT_OK(vmb_list_dup(none, &list));
	CU_ASSERT_PTR_NOT_NULL_FATAL(list);
	CU_ASSERT_PTR_NULL(list[0]);
	CU_ASSERT_EQUAL(vmb_list_len(NULL), 0);
	ASSERT_OK(vmb_list_add(&list, "a"));
	ASSERT_OK(vmb_list_add(&list, ""));
	ASSERT_OK(vmb_list_add(&list, "c"));
	ASSERT_OK(vmb_list_dup(vmb_list_const(list), &copy));
	CU_ASSERT_EQUAL(vmb_list_len(vmb_list_const(copy)), 3);
	CU_ASSERT_PTR_NOT_EQUAL(copy[0], list[0]);
	ASSERT_STR(copy[0], "a");
	ASSERT_STR(copy[1], "");
	ASSERT_STR(copy[2], "c");
}

static void an_empty_list_can_be_made(void)
{
	_cleanup_list_ char **list = NULL;

	ASSERT_OK(vmb_list_add(&list, NULL));
	CU_ASSERT_PTR_NOT_NULL_FATAL(list);
	CU_ASSERT_PTR_NULL(list[0]);
}

static void strdup_of_nothing_is_nothing(void)
{
	char here;
	char *s = &here;

	ASSERT_OK(vmb_strdup(NULL, &s));
	CU_ASSERT_PTR_NULL(s);
}

static void buffers_grow_and_are_handed_over(void)
{
	_cleanup_buf_ struct vmb_buf b = {0};
	_cleanup_free_ char *s = NULL;

	for (int i = 0; i < 1000; i++)
		vmb_buf_printf(&b, "%03d,", i);
	vmb_buf_add(&b, "\0x", 2);
	vmb_buf_add(&b, NULL, 0);
	CU_ASSERT_EQUAL(b.len, 4002);
	CU_ASSERT_EQUAL(b.data[b.len], '\0');
	ASSERT_OK(vmb_buf_take(&b, &s));
	CU_ASSERT_PTR_NULL(b.data);
	CU_ASSERT_EQUAL(b.len, 0);
	CU_ASSERT_EQUAL(memcmp(s, "000,001,", 8), 0);
	CU_ASSERT_EQUAL(memcmp(s + 3996, "999,\0x", 7), 0);
}

static void an_empty_buffer_is_an_empty_string(void)
{
	struct vmb_buf b = {0};
	_cleanup_free_ char *s = NULL;

	ASSERT_OK(vmb_buf_take(&b, &s));
	ASSERT_STR(s, "");
}

static void a_failed_buffer_stays_failed(void)
{
	_cleanup_buf_ struct vmb_buf b = {0};
	char *s = NULL;

	vmb_buf_str(&b, "text");
	vmb_buf_add(&b, "", SIZE_MAX / 2);
	vmb_buf_str(&b, "more");
	ASSERT_ERROR(vmb_buf_take(&b, &s), ENOMEM, "out of memory");
	CU_ASSERT_PTR_NULL(s);
	CU_ASSERT_PTR_NULL(b.data);
}

static void taken_is_gone(void)
{
	char *s = strdup("x"), *t;
	int fd = 77, taken;

	t = TAKE_PTR(s);
	CU_ASSERT_PTR_NULL(s);
	ASSERT_STR(t, "x");
	free(t);
	taken = TAKE_FD(fd);
	CU_ASSERT_EQUAL(taken, 77);
	CU_ASSERT_EQUAL(fd, -1);
}

TEST_MAIN("base/str", {"numbers are decimal and whole", numbers_are_decimal_and_whole},
	  {"copies stop at the end of the buffer", copies_stop_at_the_end_of_the_buffer},
	  {"prefixes and suffixes", prefixes_and_suffixes},
	  {"lists keep NULL and empty apart", lists_keep_null_and_empty_apart},
	  {"an empty list can be made", an_empty_list_can_be_made},
	  {"strdup of nothing is nothing", strdup_of_nothing_is_nothing},
	  {"buffers grow and are handed over", buffers_grow_and_are_handed_over},
	  {"an empty buffer is an empty string", an_empty_buffer_is_an_empty_string},
	  {"a failed buffer stays failed", a_failed_buffer_stays_failed},
	  {"taken is gone", taken_is_gone})
