/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/text.h"

#include <string.h>

#include "test.h"

static const struct {
	const char *text, *cleaned; /* cleaned NULL: it is clean */
} rows[] = {
	{"", NULL},
	{"plain ~ text", NULL},
	{"é € 𝄞 \xc2\xa0", NULL},
	{"\xef\xbf\xbd\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", NULL},
	/* control characters: C0, DEL, C1 */
	{"a\nb\tc\rd", "a?b?c?d"},
	{"\x1f\x7f", "??"},
	{"\xc2\x80\xc2\x9f", "????"},
	/* what changes how the text around it is shown, and what starts a line */
	{"a\u202eb", "a???b"},
	{"\u2028\u2029", "??????"},
	{"\u2066x\u2069", "???x???"},
	{"\u200e\u200f", "??????"},
	{"\xd8\x9c", "??"},
	{"\u200d\u2030\u202f\u2065\u206a", NULL},
	/* escape sequences: whole ones are dropped */
	{"\033[2J", ""},
	{"\033[0;1;31mred\033[0m.", "red."},
	{"\033]0;title\ax\033]8;;url\033\\y", "xy"},
	{"\033(B\033=\0337a", "a"},
	{"\033P1$r\033\\\033_x\033\\b", "b"},
	{"a\033[?25l\033[1 qb", "ab"},
	{"\033", "?"},
	{"\033[31", "?[31"},
	{"\033[3\001m", "?[3?m"},
	{"\033]0;no end", "?]0;no end"},
	{"\033]0;a\033b\a", "?]0;a?"},
	{"\033\033[1mx", "?x"},
	/* no UTF-8 */
	{"\x80", "?"},
	{"\xff\xfe", "??"},
	{"a\xc3", "a?"},
	{"\xe2\x82", "??"},
	{"\xf0\x9d\x84", "???"},
	{"\xc3(", "?("},
	{"\xe2\x28\xa1", "?(?"},
	/* longer than need be */
	{"\xc0\x80", "??"},
	{"\xc1\xbf", "??"},
	{"\xe0\x80\xaf", "???"},
	{"\xe0\x9f\xbf", "???"},
	{"\xf0\x80\x80\xaf", "????"},
	{"\xf0\x8f\xbf\xbf", "????"},
	/* surrogates, and above U+10FFFF */
	{"\xed\xa0\x80", "???"},
	{"\xed\xbf\xbf", "???"},
	{"\xf4\x90\x80\x80", "????"},
	{"\xf5\x80\x80\x80", "????"},
};

static void lines_are_told_from_others(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(vmb_wire_is_line(rows[i].text, strlen(rows[i].text)),
				rows[i].cleaned == NULL);
	CU_ASSERT(!vmb_wire_is_line("a\0b", 3));
	CU_ASSERT(vmb_wire_is_line("a\xc3\xa9", 1));
	CU_ASSERT(!vmb_wire_is_line("a\xc3\xa9", 2));
}

static void utf8_may_have_control_characters(void)
{
	CU_ASSERT(vmb_wire_is_utf8("a\n\x1b\x7f\xc2\x80é", 8));
	CU_ASSERT(vmb_wire_is_utf8("", 0));
	CU_ASSERT(!vmb_wire_is_utf8("a\xc3", 2));
	CU_ASSERT(!vmb_wire_is_utf8("\xed\xa0\x80", 3));
}

static void what_offends_becomes_a_question_mark(void)
{
	char s[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(s, rows[i].text);
		vmb_wire_clean_line(s);
		ASSERT_STR(s, rows[i].cleaned ? rows[i].cleaned : rows[i].text);
		CU_ASSERT(vmb_wire_is_line(s, strlen(s)));
	}
}

/* Many strings of four bytes, most of which start like a long character. */
static void cleaned_is_always_clean(void)
{
	unsigned bad = 0;
	char s[5] = "";

	for (unsigned v = 0; v < 1U << 24; v += 7) {
		s[0] = (char)(0xe0 | (v & 15));
		s[1] = (char)(v >> 8);
		s[2] = (char)(v >> 16);
		s[3] = (char)(v >> 4);
		vmb_wire_clean_line(s);
		bad += !vmb_wire_is_line(s, strlen(s));
	}
	CU_ASSERT_EQUAL(bad, 0);
}

TEST_MAIN("wire/text", {"lines are told from others", lines_are_told_from_others},
	  {"UTF-8 may have control characters", utf8_may_have_control_characters},
	  {"what offends becomes a question mark", what_offends_becomes_a_question_mark},
	  {"cleaned is always clean", cleaned_is_always_clean})
