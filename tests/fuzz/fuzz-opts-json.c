/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "opts/opts.h"
#include <vmboot/error.h>

/* What is taken keeps to the rules, and is the same request when it is written and read again. */
static void check_same(const struct vmboot_opts *o)
{
	_cleanup_free_ char *json = NULL, *again = NULL;
	struct vmboot_opts own, *back;

	FUZZ_CHECK(vmb_opts_read(o, false, &own) == 0);
	FUZZ_CHECK(vmboot_opts_to_json(o, &json) == 0);
	FUZZ_CHECK(vmboot_opts_from_json(json, &back) == 0);
	FUZZ_CHECK(vmboot_opts_to_json(back, &again) == 0);
	FUZZ_CHECK(strcmp(json, again) == 0);
	FUZZ_CHECK(vmb_list_len(o->cmd) == vmb_list_len(back->cmd));
	FUZZ_CHECK(vmb_streq(o->name, back->name) && vmb_streq(o->image, back->image));
	vmboot_opts_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_cleanup_free_ char *text = malloc(n + 1);
	struct vmboot_opts *o = NULL;
	int r;

	FUZZ_CHECK(text);
	memcpy(text, data, n);
	text[n] = '\0';
	r = vmboot_opts_from_json(text, &o);
	FUZZ_CHECK(r == 0 || r == -VMBOOT_EOPTS || r == -E2BIG);
	FUZZ_CHECK((r == 0) == (o != NULL));
	if (o)
		check_same(o);
	vmboot_opts_free(o);
	return 0;
}
