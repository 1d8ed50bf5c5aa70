/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>

#include "domain/domain.h"
#include <vmboot/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_cleanup_free_ char *xml = malloc(n + 1);
	struct vmb_metadata m = {0};
	int r;

	FUZZ_CHECK(xml);
	memcpy(xml, data, n);
	xml[n] = '\0';
	r = vmb_metadata_parse(xml, &m);
	FUZZ_CHECK(r == 0 || r == -VMBOOT_ELIBVIRT);
	if (r == 0) {
		/* no entity may make more of it than it was */
		FUZZ_CHECK(m.store[0] == '/' && m.image && m.digest);
		FUZZ_CHECK(strlen(m.store) + strlen(m.image) < n);
	} else {
		FUZZ_CHECK(!m.store && !m.image);
	}
	vmb_metadata_done(&m);
	return 0;
}
