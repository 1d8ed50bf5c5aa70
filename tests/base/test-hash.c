/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hash.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "test.h"

static void hex_of(const char *text, size_t n, char hex[VMB_SHA256_HEX + 1])
{
	struct vmb_hash h;

	vmb_hash_init(&h);
	vmb_hash_add(&h, text, n);
	vmb_hash_hex(&h, hex);
}

/* The test vectors of FIPS 180-2. */
static void the_standard_vectors(void)
{
	char hex[VMB_SHA256_HEX + 1];

	hex_of("", 0, hex);
	ASSERT_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	hex_of("abc", 3, hex);
	ASSERT_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void parts_stay_apart(void)
{
	char ab_c[VMB_SHA256_HEX + 1], a_bc[VMB_SHA256_HEX + 1];
	struct vmb_hash h;

	vmb_hash_init(&h);
	vmb_hash_str(&h, "ab");
	vmb_hash_str(&h, "c");
	vmb_hash_hex(&h, ab_c);
	vmb_hash_init(&h);
	vmb_hash_str(&h, "a");
	vmb_hash_str(&h, "bc");
	vmb_hash_hex(&h, a_bc);
	CU_ASSERT_STRING_NOT_EQUAL(ab_c, a_bc);
	hex_of("ab\0c", 5, a_bc);
	ASSERT_STR(ab_c, a_bc);
}

/* Larger than what is read at once, and not a multiple of it; against another program. */
static void a_file_as_sha256sum_sees_it(void)
{
	const char *path = test_path("%s/data", test_tmpdir());
	const char *const argv[] = {"sha256sum", path, NULL};
	_cleanup_free_ char *said = NULL;
	char hex[VMB_SHA256_HEX + 1], data[700001];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * i >> 7);
	ASSERT_OK(vmb_write_file_atomic(path, data, sizeof(data), 0600));
	ASSERT_OK(vmb_hash_file(path, hex));
	ASSERT_OK(vmb_run(argv, &said));
	CU_ASSERT_EQUAL(strncmp(said, hex, VMB_SHA256_HEX), 0);
	CU_ASSERT_EQUAL(strlen(hex), VMB_SHA256_HEX);
}

static void what_cannot_be_read_is_an_error(void)
{
	char hex[VMB_SHA256_HEX + 1];

	ASSERT_ERROR(vmb_hash_file(test_path("%s/none", test_tmpdir()), hex), ENOENT,
		     "cannot open");
	ASSERT_ERROR(vmb_hash_file(test_tmpdir(), hex), EISDIR, "cannot read");
}

TEST_MAIN("base/hash", {"the standard vectors", the_standard_vectors},
	  {"parts stay apart", parts_stay_apart},
	  {"a file as sha256sum sees it", a_file_as_sha256sum_sees_it},
	  {"what cannot be read is an error", what_cannot_be_read_is_an_error})
