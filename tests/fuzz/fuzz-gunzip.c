/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <stdlib.h>

#include "archive/gunzip.h"

/* A gzip file: its first byte says how large the pieces are in which it is fed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_gunzip_ struct vmb_gunzip *g = NULL;
	size_t piece = size ? data[0] + 1U : 1, at = 1, n, total = 0;
	enum vmb_gunzip_state state = VMB_GUNZIP_OUTPUT;
	const char *why;
	uint8_t out[512];

	if (size < 1 || !vmb_gunzip_is_for(data + 1, size - 1) || vmb_gunzip_new(&g) < 0)
		return 0;
	while (total < 1 << 20 && state != VMB_GUNZIP_END && state != VMB_GUNZIP_BROKEN) {
		state = vmb_gunzip_step(g, out, sizeof(out), &n, &why);
		if (n > sizeof(out))
			abort();
		total += n;
		if (state == VMB_GUNZIP_HUNGRY) {
			size_t take = size - at < piece ? size - at : piece;

			vmb_gunzip_feed(g, data + at, take);
			at += take;
		}
	}
	return 0;
}
