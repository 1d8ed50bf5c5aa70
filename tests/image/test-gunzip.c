/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <unistd.h>

#include "archive/gunzip.h"
#include "archive/spool.h"
#include "base/error.h"
#include "base/str.h"
#include "test.h"

#define HELLO "\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\x57\0\0\xf6\xf9\x81\xed\x06\0\0\0"
#define WORLD "\x1f\x8b\x08\0\0\0\0\0\x02\x03\x2b\xcf\x2f\xca\x49\x01\0\x43\x11\x77\x3a\x05\0\0\0"

/* All of the file, fed in pieces: its text, or "broken: WHY". */
static const char *unpack(const char *file, size_t n, size_t piece)
{
	_cleanup_gunzip_ struct vmb_gunzip *g = NULL;
	enum vmb_gunzip_state state;
	const char *text = "", *why = NULL;
	size_t at = 0, got;
	char out[4];

	ASSERT_OK(vmb_gunzip_new(&g));
	while ((state = vmb_gunzip_step(g, (uint8_t *)out, sizeof(out), &got, &why)) !=
	       VMB_GUNZIP_END) {
		size_t take = n - at < piece ? n - at : piece;

		if (state == VMB_GUNZIP_BROKEN)
			return test_path("broken: %s", why);
		text = test_path("%s%.*s", text, (int)got, out);
		if (state == VMB_GUNZIP_HUNGRY) {
			vmb_gunzip_feed(g, (const uint8_t *)file + at, take);
			at += take;
		}
	}
	return text;
}

static void files_in_pieces_of_any_size(void)
{
	static const struct {
		const char *file;
		size_t n;
		const char *text;
	} table[] = {
		{HELLO, sizeof(HELLO) - 1, "hello "},
		{HELLO WORLD, sizeof(HELLO WORLD) - 1, "hello world"},
		{HELLO WORLD "\0\0junk", sizeof(HELLO WORLD) + 5, "hello world"},
		{HELLO, sizeof(HELLO) - 2, "broken: truncated gzip input"},
		{HELLO, 12, "broken: truncated gzip input"},
		{HELLO "\x1f", sizeof(HELLO), "broken: truncated gzip input"},
		{"\x1f\x8b\x08\0\0\0\0\0\x02\x03\x07\xff\xff\xff", 14, "broken: invalid gzip data"},
		{"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\x57\0\0\xf6\xf9\x81\xee\x06\0"
		 "\0\0",
		 26, "broken: gzip checksum is wrong"},
	};

	if (!vmb_gunzip_is_for((const uint8_t *)HELLO, sizeof(HELLO))) {
		test_not_tried("built without ISA-L");
		return;
	}
	CU_ASSERT_FALSE(vmb_gunzip_is_for((const uint8_t *)"\x1f\x8b", 2));
	CU_ASSERT_FALSE(vmb_gunzip_is_for((const uint8_t *)"plain tar", 9));
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		for (size_t piece = 1; piece <= table[i].n; piece += piece < 4 ? 1 : 7)
			ASSERT_STR(unpack(table[i].file, table[i].n, piece), table[i].text);
}

static void a_spool_gives_up_what_is_too_large(void)
{
	_cleanup_spool_ struct vmb_spool spool = VMB_SPOOL_INIT;
	struct vmb_spool_part first, large, last;
	char text[8] = "";

	vmb_spool_open(&spool, test_path("%s/disk", test_tmpdir()));
	if (spool.fd < 0) {
		test_not_tried("the file system has no O_TMPFILE");
		return;
	}
	spool.max = 6;
	vmb_spool_begin(&spool, &first);
	vmb_spool_add(&spool, &first, "ab", 2);
	vmb_spool_begin(&spool, &large);
	vmb_spool_add(&spool, &large, "cdef", 4);
	vmb_spool_add(&spool, &large, "g", 1);
	vmb_spool_add(&spool, &large, "h", 1);
	vmb_spool_begin(&spool, &last);
	vmb_spool_add(&spool, &last, "xyz", 3);
	CU_ASSERT_TRUE(first.whole && !large.whole && last.whole);
	CU_ASSERT_EQUAL(last.at, 2);
	CU_ASSERT_EQUAL(last.n, 3);
	CU_ASSERT_EQUAL(pread(spool.fd, text, sizeof(text), 0), 5);
	ASSERT_STR(text, "abxyz");
}

TEST_MAIN("image/gunzip", {"files in pieces of any size", files_in_pieces_of_any_size},
	  {"a spool gives up what is too large", a_spool_gives_up_what_is_too_large})
