/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The version, of the headers for #if, and of the library that runs. */
#include <stdio.h>
#include <string.h>
#include <vmboot/version.h>

#include "test.h"

#if !VMBOOT_CHECK_VERSION(VMBOOT_VERSION_MAJOR, VMBOOT_VERSION_MINOR, VMBOOT_VERSION_MICRO)
#error "the headers are not of their own version"
#endif
#if VMBOOT_CHECK_VERSION(VMBOOT_VERSION_MAJOR, VMBOOT_VERSION_MINOR, VMBOOT_VERSION_MICRO + 1) ||  \
	VMBOOT_CHECK_VERSION(VMBOOT_VERSION_MAJOR, VMBOOT_VERSION_MINOR + 1, 0) ||                 \
	VMBOOT_CHECK_VERSION(VMBOOT_VERSION_MAJOR + 1, 0, 0)
#error "the headers are of a later version than their own"
#endif

static void versions_are_in_order(void)
{
	CU_ASSERT(VMBOOT_VERSION_ENCODE(1, 2, 3) == 1002003);
	CU_ASSERT(VMBOOT_VERSION_ENCODE(0, 9, 99) < VMBOOT_VERSION_ENCODE(0, 10, 0));
	CU_ASSERT(VMBOOT_VERSION_ENCODE(1, 99, 9) < VMBOOT_VERSION_ENCODE(2, 0, 0));
}

static void the_library_is_of_the_headers_version(void)
{
	int n = vmboot_version_number();
	char text[32];

	CU_ASSERT_EQUAL(n, VMBOOT_VERSION_NUMBER);
	snprintf(text, sizeof(text), "%d.%d.%d", n / 1000000, n / 1000 % 1000, n % 1000);
	ASSERT_STR(vmboot_version(), text);
	ASSERT_STR(vmboot_version(), VMBOOT_VERSION_STRING);
}

TEST_MAIN("abi/version", {"versions are in order", versions_are_in_order},
	  {"the library is of the headers' version", the_library_is_of_the_headers_version})
