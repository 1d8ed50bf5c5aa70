/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/console.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "test.h"

static const char *log_path(void)
{
	return test_path("%s/console.log", test_tmpdir());
}

static const char *tail_of(const char *bytes, size_t n)
{
	static char buf[4096];

	ASSERT_OK(vmb_write_file_atomic(log_path(), bytes, n, 0644));
	memset(buf, 0xaa, sizeof(buf));
	vmb_console_tail(log_path(), buf, sizeof(buf));
	return buf;
}

static void a_few_lines(void)
{
	static const struct {
		const char *text, *tail;
	} rows[] = {
		{"", ""},
		{"\n", ""},
		{"\r\n\r\n", ""},
		{"a", "a"},
		{"a\n", "a"},
		{"a\r\nb\r\n", "a\nb"},
		{"a\n\nb\n\n\n", "a\n\nb"},
		{"\na", "a"},
		{"é – 𝄞\n", "é – 𝄞"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ASSERT_STR(tail_of(rows[i].text, strlen(rows[i].text)), rows[i].tail);
}

static void twelve_lines_at_most(void)
{
	static const char twelve[] = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12";

	ASSERT_STR(tail_of(twelve, strlen(twelve)), twelve);
	ASSERT_STR(tail_of("0\r\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n\r\n", 32), twelve);
}

/* The trace behind it would push out what it was. */
static void the_line_of_a_panic_stays(void)
{
	char text[1000] = "before\n[ 1.0] Kernel panic - not syncing: first\nbetween\n"
			  "[ 2.0] Kernel panic - not syncing: why\n";
	char expected[1000] = "[ 2.0] Kernel panic - not syncing: why\n";

	ASSERT_STR(tail_of("Kernel panic - at once\nend\n", 27), "Kernel panic - at once\nend");
	for (int i = 0; i < 20; i++) {
		snprintf(text + strlen(text), 20, "trace %d\n", i);
		if (i >= 8)
			snprintf(expected + strlen(expected), 20, "trace %d\n", i);
	}
	expected[strlen(expected) - 1] = '\0';
	ASSERT_STR(tail_of(text, strlen(text)), expected);
}

static void nothing_that_a_terminal_would_obey(void)
{
	static const struct {
		const char *text;
		size_t n;
		const char *tail;
	} rows[] = {
#define ROW(text, tail) {text, sizeof(text) - 1, tail}
		ROW("\033[31mred\033[0m\n", "red"),
		ROW("\033]0;title\a\n", ""),
		ROW("a\tb\bc\177\n", "a?b?c?"),
		ROW("a\rb\r\n", "a?b"),
		ROW("a\0b\0\0c\n", "a?b??c"),
		ROW("\0\0\n", "??"),
		ROW("\xc2\x9b"
		    "31m\n",
		    "??31m"),
		ROW("[\033[0;32m  OK  \033[0m] Reached\r\n\033[0;1;39mmulti\033[0m\r\n",
		    "[  OK  ] Reached\nmulti"),
		ROW("\033]0;no\nend\a\n", "?]0;no\nend?"),
		ROW("\xff\xfe bad\n", "?? bad"),
		ROW("cut \xe2\x80", "cut ??"),
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ASSERT_STR(tail_of(rows[i].text, rows[i].n), rows[i].tail);
}

static void of_a_long_line_the_end(void)
{
	char *text = test_alloc(10001);
	const char *tail;

	memset(text, 'x', 10000);
	memcpy(text + 9996, "end\n", 4);
	tail = tail_of(text, 10000);
	CU_ASSERT_EQUAL(strlen(tail), 4094); /* the buffer, less the newline */
	ASSERT_STR(tail + 4091, "end");
	/* where the cut is within a character */
	for (int i = 0; i < 10000; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	tail = tail_of(text, 10000);
	CU_ASSERT_EQUAL(strlen(tail), 4095);
	CU_ASSERT_EQUAL(strncmp(tail, "?\xc3\xa9", 3), 0);
}

static void long_lines_are_cut_at_the_front(void)
{
	char *text = test_alloc(12001);
	const char *tail;

	for (int i = 0; i < 12000; i++)
		text[i] = i % 1000 == 999 ? '\n' : (char)('a' + i / 1000);
	tail = tail_of(text, 12000);
	CU_ASSERT_EQUAL(strlen(tail), 4094);
	CU_ASSERT_EQUAL(tail[0], 'h');
	CU_ASSERT_EQUAL(tail[4093], 'l');
}

static void a_small_buffer_is_enough(void)
{
	char buf[4] = "xxx", one[1] = {'x'};

	tail_of("abcdef\n", 7);
	vmb_console_tail(log_path(), buf, sizeof(buf));
	ASSERT_STR(buf, "ef");
	vmb_console_tail(log_path(), one, sizeof(one));
	ASSERT_STR(one, "");
}

static void no_log_no_lines(void)
{
	char buf[16] = "x";

	vmb_console_tail(log_path(), buf, sizeof(buf));
	ASSERT_STR(buf, "");
	strcpy(buf, "x");
	vmb_console_tail(test_tmpdir(), buf, sizeof(buf));
	ASSERT_STR(buf, "");
	strcpy(buf, "x");
	CU_ASSERT_EQUAL(symlink("/etc/passwd", log_path()), 0);
	vmb_console_tail(log_path(), buf, sizeof(buf));
	ASSERT_STR(buf, "");
}

TEST_MAIN("guest/console", {"a few lines", a_few_lines},
	  {"twelve lines at most", twelve_lines_at_most},
	  {"the line of a panic stays", the_line_of_a_panic_stays},
	  {"nothing that a terminal would obey", nothing_that_a_terminal_would_obey},
	  {"of a long line the end", of_a_long_line_the_end},
	  {"long lines are cut at the front", long_lines_are_cut_at_the_front},
	  {"a small buffer is enough", a_small_buffer_is_enough},
	  {"no log, no lines", no_log_no_lines})
