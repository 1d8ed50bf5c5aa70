/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "guest/ledger.h"
#include "test.h"

VMB_DEFINE_CLEANUP(ledger_freep, struct vmboot_ledger *, vmboot_ledger_free)
#define _cleanup_ledger_ vmb_cleanup(ledger_freep)

static const struct vmb_host_phases host = {
	.start_real_us = 1700000000000000,
	.n = 6,
	.list = {{VMBOOT_PHASE_VALIDATE, 0, 1200},
		 {VMBOOT_PHASE_IMAGE, 1200, 5400},
		 {VMBOOT_PHASE_INITRAMFS, 5400, 6000},
		 {VMBOOT_PHASE_DISKS, 6000, 9750},
		 {VMBOOT_PHASE_XML, 9750, 9999},
		 {VMBOOT_PHASE_LIBVIRT, 9999, 245000}},
};

static struct vmb_event event(enum vmboot_phase phase, uint64_t start, uint64_t end)
{
	return (struct vmb_event){
		.kind = VMB_EVENT_PHASE, .phase = phase, .start_us = start, .end_us = end};
}

static struct vmboot_ledger *make(const struct vmb_host_phases *h, struct vmb_event *events,
				  size_t n, int64_t offset)
{
	const struct vmb_boot boot = {
		.events = events, .n = n, .offset_us = offset, .spread_us = 37};
	struct vmboot_ledger *l = NULL;

	ASSERT_OK(vmb_ledger_make("my-instance", h, &boot, &l));
	return l;
}

static void check(const char *name, const struct vmboot_ledger *l)
{
	_cleanup_free_ char *json = NULL, *table = NULL, *chart = NULL, *svg = NULL;

	ASSERT_OK(vmboot_ledger_json(l, &json));
	test_golden(test_path("report/%s.json", name), json);
	ASSERT_OK(vmboot_ledger_table(l, &table));
	test_golden(test_path("report/%s.txt", name), table);
	ASSERT_OK(vmboot_ledger_chart(l, 100, &chart));
	test_golden(test_path("report/%s.chart.txt", name), chart);
	ASSERT_OK(vmboot_ledger_svg(l, &svg));
	test_golden(test_path("report/%s.svg", name), svg);
}

static void a_whole_boot(void)
{
	struct vmb_event e[] = {
		event(VMBOOT_PHASE_KERNEL, 0, 600000),
		event(VMBOOT_PHASE_MOUNTS, 600000, 601000),
		event(VMBOOT_PHASE_MODULES, 601000, 750500),
		event(VMBOOT_PHASE_SETTLE_ROOT, 750500, 750600),
		event(VMBOOT_PHASE_HEADERS, 760000, 760001),
		event(VMBOOT_PHASE_PROGRAM, 790000, 791000),
		event(VMBOOT_PHASE_EXIT, 791000, 991000),
		event(VMBOOT_PHASE_POWEROFF, 991000, 995000),
	};
	_cleanup_ledger_ struct vmboot_ledger *l = NULL;

	e[2].value = 11;
	strcpy(e[3].device, "vda vmboot-root");
	strcpy(e[4].detail, "skipping kernel headers setup");
	e[5].value = 117;
	e[6].value = 7;
	l = make(&host, e, ARRAY_SIZE(e), 252000);
	CU_ASSERT_EQUAL(l->size, sizeof(*l));
	ASSERT_STR(l->name, "my-instance");
	CU_ASSERT_EQUAL(l->n_events, 6 + 1 + 8);
	CU_ASSERT_PTR_NULL(l->events[l->n_events]);
	CU_ASSERT_EQUAL(l->program_us, 791000 + 252000);
	CU_ASSERT_EQUAL(l->clock_error_us, 37);
	CU_ASSERT_TRUE(l->exited);
	check("whole", l);
}

/* The host did nothing for it but to live on: an hour after the start, 250 ms of firmware. */
static void a_boot_after_a_reboot(void)
{
	struct vmb_event e[] = {
		event(VMBOOT_PHASE_KERNEL, 0, 600000),
		event(VMBOOT_PHASE_PROGRAM, 790000, 791000),
		event(VMBOOT_PHASE_POWEROFF, 900000, 991000),
	};
	struct vmb_boot boot = {.events = e,
				.n = 3,
				.number = 3,
				.reset_us = 3600000000,
				.reset_why = "the agent was asked to reboot",
				.offset_us = 3600250000,
				.stopped = "shutdown",
				.stopped_us = 3601300000};
	struct vmboot_ledger *l = NULL;

	e[2].value = VMBOOT_POWEROFF_HALT;
	strcpy(e[2].detail, "the agent was asked to halt");
	ASSERT_OK(vmb_ledger_make("my-instance", &host, &boot, &l));
	CU_ASSERT_EQUAL(l->program_us, 250000 + 791000);
	check("reboot", l);
	vmboot_ledger_free(l);
}

static void a_boot_that_failed(void)
{
	struct vmb_event e[] = {
		event(VMBOOT_PHASE_KERNEL, 0, 600000),
		event(VMBOOT_PHASE_SETTLE_OVERLAY, 600000, 2600000),
	};
	_cleanup_ledger_ struct vmboot_ledger *l = NULL;

	e[1].error = ENODEV;
	strcpy(e[1].device, "vdb vmboot-overlay");
	strcpy(e[1].detail, "not there after 2 s; there are: vda, vdc");
	l = make(&host, e, ARRAY_SIZE(e), 252000);
	CU_ASSERT_FALSE(l->exited);
	CU_ASSERT_EQUAL(l->program_us, -1);
	check("failed", l);
}

/* Nothing failed; longer than what is told in milliseconds; labels on both sides of the line. */
static void a_slow_boot(void)
{
	struct vmb_event e[] = {
		event(VMBOOT_PHASE_KERNEL, 0, 11900000),
		event(VMBOOT_PHASE_MODULES, 11900000, 14100000),
		event(VMBOOT_PHASE_SETTLE_ROOT, 14100000, 14100100),
		event(VMBOOT_PHASE_PROGRAM, 20800000, 20900000),
		event(VMBOOT_PHASE_AGENT, 20900000, 21000000),
		event(VMBOOT_PHASE_READY, 20900000, 34000000),
	};
	_cleanup_ledger_ struct vmboot_ledger *l = make(&host, e, ARRAY_SIZE(e), 10252000);

	check("slow", l);
}

/* A program may fill the events itself, as Python does of what it kept. */
static void guest_words_cannot_steer_the_terminal(void)
{
	static const struct vmboot_event event = {
		.size = sizeof(event),
		.phase = VMBOOT_PHASE_SETTLE_ROOT,
		.guest = true,
		.device = "v\033[31mda",
		.detail = "a\u202eb\u2028c\nd",
	};
	static const struct vmboot_event *const events[] = {&event, NULL};
	const struct vmboot_ledger l = {
		.size = sizeof(l), .name = "x", .n_events = 1, .events = events, .program_us = -1};
	_cleanup_free_ char *table = NULL, *chart = NULL, *svg = NULL;

	ASSERT_OK(vmboot_ledger_table(&l, &table));
	CU_ASSERT_PTR_NOT_NULL(strstr(table, "  vda  a???b???c?d\n"));
	ASSERT_OK(vmboot_ledger_svg(&l, &svg));
	CU_ASSERT_PTR_NOT_NULL(strstr(svg, "vda  a???b???c?d"));
	ASSERT_OK(vmboot_ledger_chart(&l, 100, &chart));
}

TEST_MAIN("report", {"a whole boot", a_whole_boot},
	  {"a boot after a reboot", a_boot_after_a_reboot},
	  {"a boot that failed", a_boot_that_failed}, {"a slow boot", a_slow_boot},
	  {"guest words cannot steer the terminal", guest_words_cannot_steer_the_terminal})
