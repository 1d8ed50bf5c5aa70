/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

#include "../../tools/text.h"
#include "wire/text.h"

static void knows_utf8(void)
{
	uint32_t c = 0;

	CU_ASSERT_EQUAL(text_utf8("a", &c), 1);
	CU_ASSERT_EQUAL(c, 'a');
	CU_ASSERT_EQUAL(text_utf8("\xc3\xa9", &c), 2);
	CU_ASSERT_EQUAL(c, 0xe9);
	CU_ASSERT_EQUAL(text_utf8("\xe2\x82\xac", &c), 3);
	CU_ASSERT_EQUAL(c, 0x20ac);
	CU_ASSERT_EQUAL(text_utf8("\xf0\x9f\x90\xa7", &c), 4);
	CU_ASSERT_EQUAL(c, 0x1f427);
}

static void refuses_what_is_not_utf8(void)
{
	static const char *const bad[] = {
		"\x80",			/* a continuation alone */
		"\xc3",			/* cut short */
		"\xc0\xaf",		/* overlong */
		"\xe0\x80\xaf",		/* overlong */
		"\xed\xa0\x80",		/* a surrogate */
		"\xf4\x90\x80\x80",	/* above U+10FFFF */
		"\xf8\x88\x80\x80\x80", /* five bytes */
		"\xff",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(text_utf8(bad[i], NULL), 0);
}

static void what_steers_a_terminal_is_not_printable(void)
{
	CU_ASSERT_EQUAL(text_printable("a"), 1);
	CU_ASSERT_EQUAL(text_printable(" "), 1);
	CU_ASSERT_EQUAL(text_printable("\xc3\xa9"), 2);
	CU_ASSERT_EQUAL(text_printable("\033[2J"), 0);
	CU_ASSERT_EQUAL(text_printable("\r"), 0);
	CU_ASSERT_EQUAL(text_printable("\n"), 0);
	CU_ASSERT_EQUAL(text_printable("\x7f"), 0);
	CU_ASSERT_EQUAL(text_printable("\xc2\x9b"), 0);	    /* CSI in one character */
	CU_ASSERT_EQUAL(text_printable("\xe2\x80\xae"), 0); /* right to left from here */
	CU_ASSERT_EQUAL(text_printable(""), 0);
}

static size_t encode(unsigned c, char s[5])
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		s[i] = (char)(0x80 | (c & 0x3f));
	s[0] = (char)(lead[n] | c);
	s[n] = '\0';
	return n;
}

/* The command escapes what the library would replace, and nothing else. */
static void agrees_with_the_library(void)
{
	unsigned differ = 0;
	char s[5];

	for (unsigned c = 1; c < 0x11000; c++) {
		size_t n = encode(c, s);

		differ += (text_printable(s) == n) != vmb_wire_is_line(s, n);
	}
	CU_ASSERT_EQUAL(differ, 0);
}

static void counts_characters(void)
{
	CU_ASSERT_EQUAL(text_width(""), 0);
	CU_ASSERT_EQUAL(text_width("abc"), 3);
	CU_ASSERT_EQUAL(text_width("\xc3\xa9t\xc3\xa9"), 3);
}

static void measures_how_far_words_are_apart(void)
{
	CU_ASSERT_EQUAL(text_distance("run", "run"), 0);
	CU_ASSERT_EQUAL(text_distance("rn", "run"), 1);
	CU_ASSERT_EQUAL(text_distance("runs", "run"), 1);
	CU_ASSERT_EQUAL(text_distance("rum", "run"), 1);
	CU_ASSERT_EQUAL(text_distance("urn", "run"), 1);
	CU_ASSERT_EQUAL(text_distance("", "run"), 3);
	CU_ASSERT_EQUAL(text_distance("wait", "stop"), 4);
	CU_ASSERT(text_distance("a-word-that-is-longer-than-any-that-we-have-ever-had", "run") >
		  10);
}

TEST_MAIN("tools/text", {"knows UTF-8", knows_utf8},
	  {"refuses what is not UTF-8", refuses_what_is_not_utf8},
	  {"what steers a terminal is not printable", what_steers_a_terminal_is_not_printable},
	  {"agrees with the library", agrees_with_the_library},
	  {"counts characters", counts_characters},
	  {"measures how far words are apart", measures_how_far_words_are_apart})
