/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "guest/ledger.h"

/* What is taken can be shown, with a guest at either end of time. */
static void show(const struct vmb_host_phases *p, int64_t offset)
{
	struct vmb_event e = {.kind = VMB_EVENT_PHASE,
			      .phase = VMBOOT_PHASE_PROGRAM,
			      .end_us = offset < 0 ? INT64_MAX / 2 : 0};
	const struct vmb_boot boot = {.events = &e, .n = 1, .offset_us = offset};
	_cleanup_free_ char *json = NULL, *table = NULL;
	struct vmboot_ledger *l;

	FUZZ_CHECK(vmb_ledger_make("fuzz", p, &boot, &l) == 0);
	FUZZ_CHECK(l->n_events == p->n + 2);
	for (size_t i = 1; i < l->n_events; i++)
		FUZZ_CHECK(l->events[i - 1]->start_us <= l->events[i]->start_us);
	FUZZ_CHECK(vmboot_ledger_json(l, &json) == 0 && vmboot_ledger_table(l, &table) == 0);
	vmboot_ledger_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_cleanup_free_ char *text = malloc(n + 1);
	struct vmb_host_phases p = {0};
	int r;

	FUZZ_CHECK(text);
	memcpy(text, data, n);
	text[n] = '\0';
	r = vmb_host_phases_parse(text, n, "it", &p);
	FUZZ_CHECK(r == 0 || r == -EBADMSG);
	if (r < 0)
		return 0;
	FUZZ_CHECK(p.start_real_us > 0 && p.n <= VMB_HOST_PHASES_MAX);
	for (size_t i = 0; i < p.n; i++) {
		FUZZ_CHECK(p.list[i].phase > 0 && p.list[i].phase < VMBOOT_PHASE_FIRMWARE);
		FUZZ_CHECK(p.list[i].start_us >= 0 && p.list[i].end_us >= p.list[i].start_us);
	}
	show(&p, 0);
	show(&p, -INT64_MAX / 2);
	show(&p, INT64_MAX / 2);
	return 0;
}
