/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"
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

static void a_whole_boot(void)
{
	struct vmb_event e[] = {
		event(VMBOOT_PHASE_KERNEL, 0, 600000),
		event(VMBOOT_PHASE_PROGRAM, 790000, 791000),
		event(VMBOOT_PHASE_EXIT, 791000, 991000),
	};
	_cleanup_ledger_ struct vmboot_ledger *l = NULL;

	e[2].value = 7;
	l = make(&host, e, ARRAY_SIZE(e), 252000);
	CU_ASSERT_EQUAL(l->size, sizeof(*l));
	ASSERT_STR(l->name, "my-instance");
	CU_ASSERT_EQUAL(l->n_events, 6 + 1 + 3);
	CU_ASSERT_PTR_NULL(l->events[l->n_events]);
	CU_ASSERT_EQUAL(l->program_us, 791000 + 252000);
	CU_ASSERT_EQUAL(l->clock_error_us, 37);
	CU_ASSERT_TRUE(l->exited);
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
	vmboot_ledger_free(l);
	/* nobody saw it end, or begin; or it has said nothing yet */
	boot.stopped_us = boot.reset_us = -1;
	ASSERT_OK(vmb_ledger_make("my-instance", &host, &boot, &l));
	CU_ASSERT_EQUAL_FATAL(l->n_events, 5);
	CU_ASSERT_EQUAL(l->events[1]->start_us, 0);
	CU_ASSERT_EQUAL(l->events[4]->phase, VMBOOT_PHASE_STOPPED);
	CU_ASSERT_EQUAL(l->events[4]->start_us, 991000);
	vmboot_ledger_free(l);
	boot.n = 0;
	boot.stopped = NULL;
	ASSERT_OK(vmb_ledger_make("my-instance", &host, &boot, &l));
	CU_ASSERT_EQUAL(l->n_events, 1);
	CU_ASSERT_EQUAL(l->program_us, -1);
	vmboot_ledger_free(l);
}

static void before_the_guest_says_anything(void)
{
	_cleanup_ledger_ struct vmboot_ledger *l = make(&host, NULL, 0, 0);
	_cleanup_free_ char *table = NULL;

	CU_ASSERT_EQUAL(l->n_events, 6);
	CU_ASSERT(!l->exited && l->exit_code == -1 && l->exit_signal == 0 && l->program_us == -1);
	ASSERT_OK(vmboot_ledger_table(l, &table));
	CU_ASSERT_PTR_NULL(strstr(table, "program started"));
	CU_ASSERT_PTR_NULL(strstr(table, "firmware"));
}

static void without_the_hosts_half(void)
{
	const struct vmb_host_phases none = {0};
	struct vmb_event e = event(VMBOOT_PHASE_KERNEL, 0, 10);
	_cleanup_ledger_ struct vmboot_ledger *l = make(&none, &e, 1, 0), *empty = NULL;

	CU_ASSERT_EQUAL_FATAL(l->n_events, 2);
	CU_ASSERT_EQUAL(l->events[0]->phase, VMBOOT_PHASE_FIRMWARE);
	CU_ASSERT(l->events[0]->start_us == 0 && l->events[0]->end_us == 0);
	empty = make(&none, NULL, 0, 0);
	CU_ASSERT_EQUAL(empty->n_events, 0);
}

/* The guest's clock begins when its kernel does; what was between is the firmware's. */
static void firmware_lies_between_libvirt_and_the_kernel(void)
{
	static const struct {
		int64_t offset, start, end;
	} rows[] = {
		{252000, 245000, 252000},
		{245000, 245000, 245000},
		/* the guest ran before libvirt said so */
		{200000, 200000, 200000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vmb_event e = event(VMBOOT_PHASE_KERNEL, 0, 10);
		_cleanup_ledger_ struct vmboot_ledger *l = make(&host, &e, 1, rows[i].offset);
		const struct vmboot_event *row = l->events[6];

		CU_ASSERT_EQUAL(row->phase, VMBOOT_PHASE_FIRMWARE);
		CU_ASSERT_FALSE(row->guest);
		CU_ASSERT_EQUAL(row->start_us, rows[i].start);
		CU_ASSERT_EQUAL(row->end_us, rows[i].end);
	}
}

static void rows_go_by_their_start(void)
{
	/* a phase that took long is told after those that ran meanwhile */
	struct vmb_event e[] = {
		event(VMBOOT_PHASE_KERNEL, 0, 100),
		event(VMBOOT_PHASE_AGENT, 300, 400),
		event(VMBOOT_PHASE_SWITCH, 300, 500),
		event(VMBOOT_PHASE_MODULES, 200, 600),
	};
	_cleanup_ledger_ struct vmboot_ledger *l = make(&host, e, ARRAY_SIZE(e), 300000);
	const struct vmboot_event *const *row = l->events + 7;

	CU_ASSERT_EQUAL_FATAL(l->n_events, 11);
	for (size_t i = 1; i < l->n_events; i++)
		CU_ASSERT(l->events[i - 1]->start_us <= l->events[i]->start_us);
	CU_ASSERT_EQUAL(row[1]->phase, VMBOOT_PHASE_MODULES);
	/* of two that began together, the one told first */
	CU_ASSERT_EQUAL(row[2]->phase, VMBOOT_PHASE_AGENT);
	CU_ASSERT_EQUAL(row[3]->phase, VMBOOT_PHASE_SWITCH);
}

static void how_the_program_ended(void)
{
	static const struct {
		int64_t value;
		int error, code, signal;
		bool exited;
		const char *words;
	} rows[] = {
		{0, 0, 0, 0, true, "  code 0\n"},
		{255, 0, 255, 0, true, "  code 255\n"},
		{256 + 9, 0, -1, 9, true, "  signal 9\n"},
		{256 + 64, 0, -1, 64, true, "  signal 64\n"},
		/* no program ends like that */
		{256, 0, -1, 0, true, "  signal 0\n"},
		{256 + 65, 0, -1, 0, true, "  signal 65\n"},
		{-1, 0, -1, 0, true, "  code -1\n"},
		{INT64_MAX, 0, -1, 0, true, ""},
		{INT64_MIN, 0, -1, 0, true, ""},
		{((int64_t)1 << 32) + 256 + 9, 0, -1, 0, true, ""},
		/* nor is this an end */
		{0, ECHILD, -1, 0, false, " 0.010  FAILED: No child processes\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vmb_event e = event(VMBOOT_PHASE_EXIT, 10, 20);
		_cleanup_ledger_ struct vmboot_ledger *l = NULL;
		_cleanup_free_ char *table = NULL;

		e.value = rows[i].value;
		e.error = rows[i].error;
		l = make(&host, &e, 1, 0);
		CU_ASSERT_EQUAL(l->exited, rows[i].exited);
		CU_ASSERT_EQUAL(l->exit_code, rows[i].code);
		CU_ASSERT_EQUAL(l->exit_signal, rows[i].signal);
		ASSERT_OK(vmboot_ledger_table(l, &table));
		CU_ASSERT_PTR_NOT_NULL(strstr(table, rows[i].words));
	}
}

static void a_program_that_did_not_start(void)
{
	struct vmb_event e = event(VMBOOT_PHASE_PROGRAM, 10, 20);
	_cleanup_ledger_ struct vmboot_ledger *l = NULL;

	e.error = ENOENT;
	l = make(&host, &e, 1, 0);
	CU_ASSERT_EQUAL(l->program_us, -1);
}

/* The largest times that an event can have, and the offsets that go with them, do not wrap. */
static void a_guests_clock_may_be_absurd(void)
{
	struct vmb_event e = event(VMBOOT_PHASE_PROGRAM, 0, INT64_MAX / 2);
	_cleanup_ledger_ struct vmboot_ledger *l = make(&host, &e, 1, -INT64_MAX / 2);
	_cleanup_free_ char *table = NULL, *json = NULL;

	CU_ASSERT_EQUAL(l->program_us, 0);
	ASSERT_OK(vmboot_ledger_table(l, &table));
	ASSERT_OK(vmboot_ledger_json(l, &json));
}

static void the_strings_are_the_ledgers_own(void)
{
	struct vmb_event e = event(VMBOOT_PHASE_SETTLE_ROOT, 0, 10);
	_cleanup_ledger_ struct vmboot_ledger *l = NULL;

	strcpy(e.device, "vda");
	strcpy(e.detail, "late");
	l = make(&host, &e, 1, 300000);
	memset(&e, 'x', sizeof(e));
	ASSERT_STR(l->events[7]->device, "vda");
	ASSERT_STR(l->events[7]->detail, "late");
	vmboot_ledger_free(NULL);
}

/* ---- the host's phases ---- */

static void marks_follow_each_other(void)
{
	struct vmb_host_phases p;

	vmb_host_phases_begin(&p);
	CU_ASSERT(p.start_mono_us > 0 && p.start_real_us > 0 && p.n == 0);
	for (int i = 0; i < VMB_HOST_PHASES_MAX; i++)
		vmb_host_phases_mark(&p, VMBOOT_PHASE_VALIDATE);
	CU_ASSERT_EQUAL(p.n, VMB_HOST_PHASES_MAX);
	CU_ASSERT_EQUAL(p.list[0].start_us, 0);
	for (size_t i = 0; i < p.n; i++) {
		CU_ASSERT(p.list[i].end_us >= p.list[i].start_us);
		CU_ASSERT(i == 0 || p.list[i].start_us == p.list[i - 1].end_us);
	}
	CU_ASSERT(p.list[p.n - 1].end_us <= vmb_monotonic_us() - p.start_mono_us);
	vmb_host_phases_mark(&p, VMBOOT_PHASE_LIBVIRT); /* there is no place for it */
	CU_ASSERT_EQUAL(p.n, VMB_HOST_PHASES_MAX);
	CU_ASSERT_EQUAL(p.list[p.n - 1].phase, VMBOOT_PHASE_VALIDATE);
}

static void saved_and_loaded(void)
{
	const char *path = test_path("%s/ledger", test_tmpdir());
	struct vmb_host_phases back;
	struct stat st;

	ASSERT_OK(vmb_host_phases_save(&host, path));
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	test_golden("guest/host-phases.json", test_read(path));
	memset(&back, 0xaa, sizeof(back));
	ASSERT_OK(vmb_host_phases_load(path, &back));
	CU_ASSERT_EQUAL(back.start_mono_us, 0);
	CU_ASSERT_EQUAL(back.start_real_us, host.start_real_us);
	CU_ASSERT_EQUAL_FATAL(back.n, host.n);
	for (size_t i = 0; i < host.n; i++) {
		CU_ASSERT_EQUAL(back.list[i].phase, host.list[i].phase);
		CU_ASSERT_EQUAL(back.list[i].start_us, host.list[i].start_us);
		CU_ASSERT_EQUAL(back.list[i].end_us, host.list[i].end_us);
	}
}

#define ROW(phase, start, end)                                                                     \
	"{\"phase\": \"" phase "\", \"start_us\": " start ", \"end_us\": " end "}"
#define FILE_OF(rows) "{\"start_real_us\": 1700000000000000, \"phases\": [" rows "]}"
#define XML_ROW ROW("xml", "0", "1")

/* The guest's clock stood still while its state was saved: the rows before that keep their times. */
static void a_boot_that_was_resumed(void)
{
	const char *path = test_path("%s/ledger", test_tmpdir());
	struct vmb_event e[] = {
		{.phase = VMBOOT_PHASE_PROGRAM, .start_us = 1000, .end_us = 2000},
		{.phase = VMBOOT_PHASE_EXIT, .start_us = 5000, .end_us = 5000},
	};
	struct vmb_host_phases h = {.start_real_us = 1}, loaded;
	struct vmb_resume resume = {.start_us = 3600000000,
				    .end_us = 3600500000,
				    .boot = 1,
				    .events = 1,
				    .offset_us = 7000};
	struct vmb_boot boot = {.events = e, .n = 2, .number = 1, .offset_us = 3600400000};
	_cleanup_ledger_ struct vmboot_ledger *l = NULL;

	for (int i = 0; i < 2 * VMB_RESUMES_MAX; i++)
		vmb_host_phases_add_resume(&h, &resume);
	CU_ASSERT_EQUAL(h.n_resumes, VMB_RESUMES_MAX);
	h.n_resumes = 1;
	ASSERT_OK(vmb_host_phases_save(&h, path));
	ASSERT_OK(vmb_host_phases_load(path, &loaded));
	CU_ASSERT_EQUAL_FATAL(loaded.n_resumes, 1);
	CU_ASSERT_EQUAL(memcmp(loaded.resumes, h.resumes, sizeof(resume)), 0);
	boot.resumes = loaded.resumes;
	boot.n_resumes = loaded.n_resumes;
	ASSERT_OK(vmb_ledger_make("resumed", &loaded, &boot, &l));
	CU_ASSERT_EQUAL_FATAL(l->n_events, 4);
	CU_ASSERT_EQUAL(l->events[0]->phase, VMBOOT_PHASE_FIRMWARE);
	CU_ASSERT_EQUAL(l->events[0]->end_us, 7000);
	CU_ASSERT_EQUAL(l->events[1]->start_us, 8000);
	CU_ASSERT_EQUAL(l->program_us, 9000);
	CU_ASSERT_EQUAL(l->events[2]->phase, VMBOOT_PHASE_RESUMED);
	CU_ASSERT_EQUAL(l->events[2]->start_us, resume.start_us);
	CU_ASSERT_EQUAL(l->events[3]->phase, VMBOOT_PHASE_EXIT);
	CU_ASSERT_EQUAL(l->events[3]->start_us, 3600405000);
}

static void what_is_no_ledger(void)
{
	static const struct {
		const char *text, *words;
	} rows[] = {
		{"", "not valid JSON"},
		{"{", "not valid JSON"},
		{FILE_OF("") "x", "not valid JSON"},
		{"null", "has no start"},
		{"[]", "has no start"},
		{"{}", "has no start"},
		{"{\"start_real_us\": 0, \"phases\": []}", "has no start"},
		{"{\"start_real_us\": -1, \"phases\": []}", "has no start"},
		{"{\"start_real_us\": 9223372036854775807, \"phases\": []}", "has no start"},
		{"{\"start_real_us\": \"1\", \"phases\": []}", "has no start"},
		{"{\"start_real_us\": 1}", "has no phases"},
		{"{\"start_real_us\": 1, \"phases\": {}}", "has no phases"},
		{FILE_OF("1"), "its phase 0 is none"},
		{FILE_OF("null"), "its phase 0 is none"},
		{FILE_OF("{}"), "its phase 0 is none"},
		{FILE_OF(XML_ROW ", []"), "its phase 1 is none"},
		{FILE_OF(ROW("nonsense", "0", "1")), "its phase 0 is none"},
		{FILE_OF(ROW("none", "0", "1")), "its phase 0 is none"},
		{FILE_OF(ROW("kernel", "0", "1")), "its phase 0 is none"},
		{FILE_OF(ROW("xml", "-1", "1")), "its phase 0 is none"},
		{FILE_OF(ROW("xml", "2", "1")), "its phase 0 is none"},
		{FILE_OF(ROW("xml", "0", "9223372036854775807")), "its phase 0 is none"},
		{FILE_OF(ROW("xml", "0", "99999999999999999999")), "its phase 0 is none"},
		{FILE_OF(ROW("xml", "0.5", "1")), "its phase 0 is none"},
		{FILE_OF(XML_ROW "," XML_ROW "," XML_ROW "," XML_ROW "," XML_ROW "," XML_ROW
				 "," XML_ROW "," XML_ROW "," XML_ROW),
		 "its phase 8 is none"},
	};
	const char *path = test_path("%s/ledger", test_tmpdir());
	struct vmb_host_phases p = {.n = 77};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		test_write(path, rows[i].text);
		ASSERT_ERROR(vmb_host_phases_load(path, &p), EBADMSG, rows[i].words);
		CU_ASSERT(test_error_is(-EBADMSG, path));
		CU_ASSERT_EQUAL(p.n, 77);
	}
	test_write(path, FILE_OF(""));
	ASSERT_OK(vmb_host_phases_load(path, &p));
	CU_ASSERT_EQUAL(p.n, 0);
}

static void a_file_that_cannot_be_read(void)
{
	const char *path = test_path("%s/ledger", test_tmpdir());
	struct vmb_host_phases p;
	char *big = test_alloc(16386);

	ASSERT_ERROR(vmb_host_phases_load(path, &p), ENOENT, path);
	memset(big, ' ', 16385);
	test_write(path, big);
	ASSERT_ERROR(vmb_host_phases_load(path, &p), EFBIG, path);
}

TEST_MAIN("guest/ledger", {"a whole boot", a_whole_boot},
	  {"a boot after a reboot", a_boot_after_a_reboot},
	  {"before the guest says anything", before_the_guest_says_anything},
	  {"without the host's half", without_the_hosts_half},
	  {"firmware lies between libvirt and the kernel",
	   firmware_lies_between_libvirt_and_the_kernel},
	  {"rows go by their start", rows_go_by_their_start},
	  {"how the program ended", how_the_program_ended},
	  {"a program that did not start", a_program_that_did_not_start},
	  {"a guest's clock may be absurd", a_guests_clock_may_be_absurd},
	  {"the strings are the ledger's own", the_strings_are_the_ledgers_own},
	  {"marks follow each other", marks_follow_each_other},
	  {"saved and loaded", saved_and_loaded}, {"what is no ledger", what_is_no_ledger},
	  {"a boot that was resumed", a_boot_that_was_resumed},
	  {"a file that cannot be read", a_file_that_cannot_be_read})
