/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* registries.conf: what is read of it. */
#include "fuzz.h"

#include <string.h>

#include "base/str.h"
#include "image/registries.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct vmb_registries registries = {0};
	char *text = malloc(n + 1);

	FUZZ_CHECK(text);
	memcpy(text, data, n);
	text[n] = '\0';
	FUZZ_CHECK(vmb_registries_decode(text, n, &registries) == 0);
	for (char **alias = registries.aliases; alias && *alias; alias++)
		FUZZ_CHECK(strchr(*alias, '='));
	vmb_registries_done(&registries);
	free(text);
	return 0;
}
