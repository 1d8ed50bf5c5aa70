/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/crc32.h"

#include <string.h>

#include "test.h"

static void the_known_values(void)
{
	static const struct {
		const char *text;
		uint32_t crc;
	} rows[] = {
		{"", 0x00000000},
		{"a", 0xe8b7be43},
		{"123456789", 0xcbf43926},
		{"The quick brown fox jumps over the lazy dog", 0x414fa339},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		CU_ASSERT_EQUAL(vmb_crc32(0, rows[i].text, strlen(rows[i].text)), rows[i].crc);
	CU_ASSERT_EQUAL(vmb_crc32(0, "\0\0\0\0", 4), 0x2144df1c);
	CU_ASSERT_EQUAL(vmb_crc32(0, "\xff\xff\xff\xff", 4), 0xffffffff);
}

static void parts_make_the_whole(void)
{
	const char *text = "123456789";

	for (size_t cut = 0; cut <= 9; cut++)
		CU_ASSERT_EQUAL(vmb_crc32(vmb_crc32(0, text, cut), text + cut, 9 - cut),
				0xcbf43926);
}

TEST_MAIN("wire/crc32", {"the known values", the_known_values},
	  {"parts make the whole", parts_make_the_whole})
