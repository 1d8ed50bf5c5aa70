/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The headers of a tar that may be a saved image. */
#include "fuzz.h"

#include <string.h>

#include "image/saved.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vmb_saved saved = {0};
	unsigned char block[VMB_SAVED_BLOCK];
	uint64_t skip = 0;

	for (size_t at = 0; n - at >= sizeof(block); at += sizeof(block)) {
		memcpy(block, data + at, sizeof(block));
		if (vmb_saved_header(&saved, block, &skip) <= 0)
			break;
		FUZZ_CHECK(skip % VMB_SAVED_BLOCK == 0 && skip <= INT64_MAX);
	}
	(void)vmb_saved_kind(&saved);
	return 0;
}
