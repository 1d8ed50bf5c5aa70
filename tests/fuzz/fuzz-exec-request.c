/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>

#include "wire/stream.h"

static bool inside(const char *s, const uint8_t *data, size_t n)
{
	return !*s || ((const uint8_t *)s >= data && (const uint8_t *)s < data + n);
}

/* What is taken can be sent again, and is then the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t again[VMB_EXEC_REQUEST_MAX], third[VMB_EXEC_REQUEST_MAX];
	static struct vmb_exec_request r, s;
	long length;

	if (vmb_exec_request_decode(data, n, &r) < 0)
		return 0;
	FUZZ_CHECK(r.args[0] && r.args[0][0]);
	FUZZ_CHECK(inside(r.user, data, n) && inside(r.workdir, data, n));
	for (size_t i = 0; r.args[i]; i++)
		FUZZ_CHECK(inside(r.args[i], data, n));
	length = vmb_exec_request_encode(&r, again, sizeof(again));
	/* what was left out is written: that may be more than there is room for */
	if (length < 0)
		return 0;
	FUZZ_CHECK(vmb_exec_request_decode(again, (size_t)length, &s) == 0);
	FUZZ_CHECK(vmb_exec_request_encode(&s, third, sizeof(third)) == length);
	FUZZ_CHECK(memcmp(again, third, (size_t)length) == 0);
	return 0;
}
