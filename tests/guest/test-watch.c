/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "guest/tail.h"
#include "test.h"

VMB_DEFINE_CLEANUP(watch_closep, struct vmb_watch *, vmb_watch_close)
#define _cleanup_watch_ vmb_cleanup(watch_closep)

/* ---- the guest's side ---- */

static struct vmb_watch_paths files(void)
{
	struct vmb_watch_paths p = {.events = test_path("%s/events", test_tmpdir())};

	test_write(p.events, "");
	for (int i = 0; i < VMB_WATCH_STREAMS; i++) {
		p.streams[i] = test_path("%s/stream%d", test_tmpdir(), i);
		test_write(p.streams[i], "");
	}
	return p;
}

static void append(const char *path, const void *bytes, size_t n)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(write(fd, bytes, n), (ssize_t)n);
}

static void say(const char *path, uint32_t seq, enum vmboot_phase phase, uint64_t end_us)
{
	const struct vmb_event e = {.kind = VMB_EVENT_PHASE,
				    .phase = phase,
				    .seq = seq,
				    .start_us = end_us,
				    .end_us = end_us};
	uint8_t record[VMB_EVENT_SIZE];

	vmb_event_encode(&e, record);
	append(path, record, sizeof(record));
}

static void say_note(const char *path, uint32_t seq)
{
	const struct vmb_event e = {.kind = VMB_EVENT_NOTE,
				    .phase = VMBOOT_PHASE_MODULES,
				    .seq = seq};
	uint8_t record[VMB_EVENT_SIZE];

	vmb_event_encode(&e, record);
	append(path, record, sizeof(record));
}

/* When the file was written, as far as anybody can tell afterwards. */
static void set_mtime(const char *path, int64_t us)
{
	const struct timespec t[2] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000},
	};

	CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, t, 0), 0);
}

static struct vmb_watch *listen_to(const struct vmb_watch_paths *p)
{
	struct vmb_watch *w = NULL;

	ASSERT_OK(vmb_watch_open(p, &w));
	return w;
}

static bool is_readable(const struct vmb_watch *w)
{
	struct pollfd fd = {.fd = vmb_watch_fd(w), .events = POLLIN};

	return poll(&fd, 1, 0) == 1;
}

/* ---- events ---- */

static void nothing_yet(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_host_phases host = {0};

	CU_ASSERT_FALSE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).n, 0);
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).number, 0);
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).offset_us, 0);
}

static void each_event_is_taken_once(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = NULL;
	struct vmb_host_phases host = {0};
	struct vmb_boot boot;

	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10); /* before anybody listens */
	w = listen_to(&p);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 1);
	CU_ASSERT_FALSE(is_readable(w));
	say(p.events, 1, VMBOOT_PHASE_MOUNTS, 20);
	say(p.events, 2, VMBOOT_PHASE_MODULES, 30);
	CU_ASSERT_TRUE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 2);
	CU_ASSERT_FALSE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	boot = vmb_watch_boot(w, &host);
	CU_ASSERT_EQUAL_FATAL(boot.n, 3);
	CU_ASSERT_EQUAL(boot.number, 1);
	CU_ASSERT_EQUAL(boot.events[0].phase, VMBOOT_PHASE_KERNEL);
	CU_ASSERT_EQUAL(boot.events[2].phase, VMBOOT_PHASE_MODULES);
	CU_ASSERT_EQUAL(boot.events[2].end_us, 30);
}

static void half_an_event_is_not_there_yet(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	const struct vmb_event e = {.kind = VMB_EVENT_PHASE, .phase = VMBOOT_PHASE_KERNEL};
	uint8_t record[VMB_EVENT_SIZE];

	vmb_event_encode(&e, record);
	append(p.events, record, 1);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	append(p.events, record + 1, sizeof(record) - 2);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	append(p.events, record + sizeof(record) - 1, 1);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 1);
}

static void nonsense_is_an_error_for_ever(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_host_phases host = {0};
	const uint8_t garbage[VMB_EVENT_SIZE] = "Booting…";

	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	append(p.events, garbage, sizeof(garbage));
	ASSERT_ERROR(vmb_watch_take(w, NULL), VMBOOT_EGUEST, "what is no boot event");
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	ASSERT_ERROR(vmb_watch_take(w, NULL), VMBOOT_EGUEST, "no boot event");
	/* what came before it still counts: it tells how far the boot got */
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).n, 1);
}

static void only_the_newest_boot_counts(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_host_phases host = {0};
	struct vmb_boot boot;

	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	say(p.events, 1, VMBOOT_PHASE_MOUNTS, 20);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 2);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 11);
	say(p.events, 1, VMBOOT_PHASE_MOUNTS, 21);
	say(p.events, 2, VMBOOT_PHASE_MODULES, 31);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 3);
	boot = vmb_watch_boot(w, &host);
	CU_ASSERT_EQUAL_FATAL(boot.n, 3);
	CU_ASSERT_EQUAL(boot.events[0].end_us, 11);
	/* as many events as before or more: only the number tells that it is another boot */
	CU_ASSERT_EQUAL(boot.number, 2);
}

static void notes_are_no_phases(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_host_phases host = {0};

	say_note(p.events, 0);
	say(p.events, 1, VMBOOT_PHASE_MODULES, 10);
	say_note(p.events, 2);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 1);
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).n, 1);
}

static void too_many_events_are_nonsense(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_host_phases host = {0};

	for (uint32_t i = 0; i < VMB_EVENT_MAX_PER_BOOT; i++)
		say(p.events, i, VMBOOT_PHASE_MOUNTS, i);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), VMB_EVENT_MAX_PER_BOOT);
	say(p.events, VMB_EVENT_MAX_PER_BOOT, VMBOOT_PHASE_MOUNTS, 0);
	ASSERT_ERROR(vmb_watch_take(w, NULL), VMBOOT_EGUEST, "too many events");
	ASSERT_ERROR(vmb_watch_take(w, NULL), VMBOOT_EGUEST, "");
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).n, VMB_EVENT_MAX_PER_BOOT);
}

/* Notes and reboots have no bound each, but the file has one. */
static void a_file_without_end_is_nonsense(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	const struct vmb_event e = {.kind = VMB_EVENT_NOTE, .phase = VMBOOT_PHASE_MODULES};
	const size_t n = 64 * VMB_EVENT_MAX_PER_BOOT + 2;
	uint8_t *records = test_alloc(n * VMB_EVENT_SIZE);

	for (size_t i = 0; i < n; i++)
		vmb_event_encode(&e, records + i * VMB_EVENT_SIZE);
	append(p.events, records, (n - 1) * VMB_EVENT_SIZE);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	append(p.events, records, VMB_EVENT_SIZE);
	ASSERT_ERROR(vmb_watch_take(w, NULL), VMBOOT_EGUEST, "far too many events");
}

/* ---- resets ---- */

static void say_why(const char *path, uint32_t seq, const char *why)
{
	struct vmb_event e = {.kind = VMB_EVENT_PHASE, .phase = VMBOOT_PHASE_POWEROFF, .seq = seq};
	uint8_t record[VMB_EVENT_SIZE];

	snprintf(e.detail, sizeof(e.detail), "%s", why);
	vmb_event_encode(&e, record);
	append(path, record, sizeof(record));
}

static struct vmb_boot take(struct vmb_watch *w, int events)
{
	static const struct vmb_host_phases host;

	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), events);
	return vmb_watch_boot(w, &host);
}

/* libvirt's news come first, as they mostly do, or last: the same boots. */
static void a_reset_is_the_end_of_a_boot(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_boot boot;

	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	say(p.events, 1, VMBOOT_PHASE_PROGRAM, 20);
	take(w, 2);
	vmb_watch_reset(w, NULL, 0);
	boot = take(w, 0);
	CU_ASSERT(boot.n == 0 && boot.number == 2 && !boot.aborted);
	ASSERT_STR(boot.reset_why, "reset");
	say_why(p.events, 2, "was on its way");
	boot = take(w, 0);
	CU_ASSERT(boot.n == 0 && boot.number == 2);
	ASSERT_STR(boot.reset_why, "was on its way");
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	boot = take(w, 1);
	CU_ASSERT(boot.n == 1 && boot.number == 2);
	say(p.events, 1, VMBOOT_PHASE_PROGRAM, 20);
	say_why(p.events, 2, "asked to");
	take(w, 2);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	boot = take(w, 1);
	CU_ASSERT(boot.n == 1 && boot.number == 3 && !boot.aborted);
	ASSERT_STR(boot.reset_why, "asked to");
	vmb_watch_reset(w, NULL, 0); /* which this boot began with */
	boot = take(w, 0);
	CU_ASSERT(boot.n == 1 && boot.number == 3 && !boot.aborted);
	vmb_watch_reset(w, NULL, 0); /* and another */
	CU_ASSERT(take(w, 0).aborted);
}

static void a_reset_before_the_program_is_a_failure(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_boot boot;

	vmb_watch_reset(w, NULL, 0); /* of a kernel that never spoke */
	CU_ASSERT(take(w, 0).aborted);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	say(p.events, 1, VMBOOT_PHASE_MOUNTS, 20);
	boot = take(w, 2);
	CU_ASSERT(boot.aborted && boot.number == 2);
	say(p.events, 2, VMBOOT_PHASE_PROGRAM, 30);
	CU_ASSERT_FALSE(take(w, 1).aborted); /* it came up after all */
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	say(p.events, 1, VMBOOT_PHASE_MOUNTS, 20);
	CU_ASSERT_FALSE(take(w, 2).aborted);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10); /* nobody but the guest tells */
	boot = take(w, 1);
	CU_ASSERT(boot.aborted && boot.number == 4);
}

/* A boot that failed and said so has powered off; somebody started the VM again. */
static void a_boot_that_gave_up_was_not_reset(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_event e = {.kind = VMB_EVENT_PHASE, .phase = VMBOOT_PHASE_ROOT, .error = 5};
	uint8_t record[VMB_EVENT_SIZE];

	e.seq = 1;
	vmb_event_encode(&e, record);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	append(p.events, record, sizeof(record));
	take(w, 2);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	CU_ASSERT_FALSE(take(w, 1).aborted);
	say_why(p.events, 1, "the power button was pressed");
	take(w, 1);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	CU_ASSERT_FALSE(take(w, 1).aborted);
}

/* The last events of a boot are not lost to who comes late, and the times go on. */
static void stops_between_two_boots(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_host_phases host;
	struct vmb_boot boot;
	int64_t end;

	vmb_host_phases_begin(&host);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	say(p.events, 1, VMBOOT_PHASE_PROGRAM, 1000);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	say(p.events, 1, VMBOOT_PHASE_MOUNTS, 20);
	set_mtime(p.events, vmb_realtime_us() + 3600000000);
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 2);
	CU_ASSERT_TRUE(vmb_watch_more(w));
	boot = vmb_watch_boot(w, &host);
	CU_ASSERT(boot.n == 2 && boot.number == 1);
	end = boot.offset_us + 1000;
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 2);
	CU_ASSERT_FALSE(vmb_watch_more(w));
	boot = vmb_watch_boot(w, &host);
	CU_ASSERT(boot.n == 2 && boot.number == 2);
	CU_ASSERT_EQUAL(boot.reset_us, end); /* the best that is known */
}

static void news_of_a_reset_say_when(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_host_phases host;
	int64_t before, after;

	vmb_host_phases_begin(&host);
	say(p.events, 0, VMBOOT_PHASE_PROGRAM, 10);
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 1);
	before = vmb_host_phases_now(&host);
	vmb_watch_reset(w, &host, 300000);
	after = vmb_host_phases_now(&host);
	CU_ASSERT(vmb_watch_boot(w, &host).reset_us >= before - 300000);
	CU_ASSERT(vmb_watch_boot(w, &host).reset_us <= after - 300000);
}

/* ---- clocks ---- */

static void an_event_that_comes_while_we_listen_tells_the_offset(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	const int64_t later = 3600000000;
	struct vmb_host_phases host;
	struct vmb_boot boot;
	int64_t before, after;

	vmb_host_phases_begin(&host);
	host.start_real_us -= 3600000000; /* wrong, to see that it is not used */
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 500000);
	set_mtime(p.events, vmb_realtime_us() + 3600000000); /* fresh, however slow we are */
	before = vmb_monotonic_us() - host.start_mono_us;
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 1);
	after = vmb_monotonic_us() - host.start_mono_us;
	boot = vmb_watch_boot(w, &host);
	CU_ASSERT(boot.offset_us + 500000 >= before && boot.offset_us + 500000 <= after);
	CU_ASSERT_EQUAL(boot.spread_us, 0);

	/* an hour later for the guest: the second event came sooner after it was sent, so it counts */
	say(p.events, 1, VMBOOT_PHASE_MOUNTS, later);
	set_mtime(p.events, vmb_realtime_us() + 3600000000);
	before = vmb_monotonic_us() - host.start_mono_us;
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 1);
	after = vmb_monotonic_us() - host.start_mono_us;
	boot = vmb_watch_boot(w, &host);
	CU_ASSERT(boot.offset_us + later >= before && boot.offset_us + later <= after);
	CU_ASSERT(boot.spread_us > 0 && boot.spread_us <= later - 500000);

	/* and one that came late changes neither */
	say(p.events, 2, VMBOOT_PHASE_MODULES, 1);
	set_mtime(p.events, vmb_realtime_us() + 3600000000);
	before = boot.offset_us;
	after = boot.spread_us;
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 1);
	boot = vmb_watch_boot(w, &host);
	CU_ASSERT(boot.offset_us == before && boot.spread_us == after);
}

static void what_came_before_is_placed_by_the_files_time(void)
{
	const struct vmb_watch_paths p = files();
	struct vmb_host_phases host;
	struct vmb_boot boot;

	vmb_host_phases_begin(&host);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 500000);
	say(p.events, 1, VMBOOT_PHASE_MOUNTS, 600000);
	set_mtime(p.events, host.start_real_us - 3600000000 + 850000);
	host.start_real_us -= 3600000000; /* an hour ago */
	for (int known = 0; known < 2; known++) {
		_cleanup_watch_ struct vmb_watch *w = listen_to(&p);

		/* another process knows no monotonic start; the one that does is late */
		host.start_mono_us = known ? host.start_mono_us : 0;
		CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 2);
		boot = vmb_watch_boot(w, &host);
		CU_ASSERT_EQUAL(boot.offset_us, 250000);
		CU_ASSERT_EQUAL(boot.spread_us, 4000);
		vmb_host_phases_begin(&host);
		host.start_real_us -= 3600000000 + 1000;
		set_mtime(p.events, host.start_real_us + 850000);
	}
}

/* A VM whose own ledger is damaged has no beginning: not one in 1970, either. */
static void without_a_beginning_the_guests_clock_stands(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	const struct vmb_host_phases none = {0};

	say(p.events, 0, VMBOOT_PHASE_KERNEL, 500000);
	CU_ASSERT_EQUAL(vmb_watch_take(w, &none), 1);
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &none).offset_us, 0);
}

static void a_reboot_is_placed_anew(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_host_phases host;
	struct vmb_boot boot;

	vmb_host_phases_begin(&host);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 5000000000);
	set_mtime(p.events, vmb_realtime_us() + 3600000000);
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 1);
	CU_ASSERT(vmb_watch_boot(w, &host).offset_us < -4000000000);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	set_mtime(p.events, vmb_realtime_us() + 3600000000);
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 1);
	boot = vmb_watch_boot(w, &host);
	CU_ASSERT(boot.offset_us >= -10 && boot.spread_us == 0);
}

/* ---- streams and the writer ---- */

static const char *read_some(struct vmb_watch *w, int stream, size_t size)
{
	char *buf = test_alloc(size + 1);
	ssize_t n = vmb_watch_read(w, stream, buf, size);

	CU_ASSERT_FATAL(n >= 0);
	buf[n] = '\0';
	return buf;
}

static void output_is_read_as_it_comes(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);

	ASSERT_STR(read_some(w, 0, 100), "");
	for (int i = 0; i < VMB_WATCH_STREAMS; i++) {
		append(p.streams[i], "hello", 5);
		CU_ASSERT_TRUE(is_readable(w));
		CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
		CU_ASSERT_FALSE(is_readable(w));
	}
	ASSERT_STR(read_some(w, 0, 2), "he");
	ASSERT_STR(read_some(w, 1, 100), "hello");
	ASSERT_STR(read_some(w, 0, 100), "llo");
	append(p.streams[0], " world", 6);
	ASSERT_STR(read_some(w, 0, 100), " world");
	ASSERT_STR(read_some(w, 0, 100), "");
	ASSERT_STR(read_some(w, 2, 100), "hello");
}

static void tells_once_that_the_writer_left(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	int fd = open(p.events, O_WRONLY | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_FALSE(vmb_watch_writer_left(w));
	close(fd);
	CU_ASSERT_TRUE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_TRUE(vmb_watch_writer_left(w));
	CU_ASSERT_FALSE(vmb_watch_writer_left(w));
	/* a reader or a writer of output that leaves is nobody */
	close(open(p.events, O_RDONLY | O_CLOEXEC));
	append(p.streams[0], "x", 1);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_FALSE(vmb_watch_writer_left(w));
}

static void files_that_are_not_there(void)
{
	struct vmb_watch_paths p = files();
	struct vmb_watch *w = NULL;

	unlink(p.streams[1]);
	ASSERT_ERROR(vmb_watch_open(&p, &w), ENOENT, p.streams[1]);
	p.events = "/nowhere/events";
	ASSERT_ERROR(vmb_watch_open(&p, &w), ENOENT, "cannot watch /nowhere");
	CU_ASSERT_PTR_NULL(w);
	vmb_watch_close(NULL);
}

/* The descriptor is in the caller's event loop: it must go on to mean this VM. */
static void a_new_boot_has_new_files_and_the_old_descriptor(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	const uint8_t garbage[VMB_EVENT_SIZE] = "x";
	struct vmb_host_phases host = {0};
	const int fd = vmb_watch_fd(w);

	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	append(p.events, garbage, sizeof(garbage));
	append(p.streams[0], "old", 3);
	ASSERT_STR(read_some(w, 0, 1), "o");
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), -VMBOOT_EGUEST);
	files(); /* each a new file */
	ASSERT_OK(vmb_watch_restart(w));
	CU_ASSERT_EQUAL(vmb_watch_fd(w), fd);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_FALSE(vmb_watch_writer_left(w));
	CU_ASSERT_FALSE(vmb_watch_renewed(w)); /* we knew */
	CU_ASSERT_FALSE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).n, 0);
	ASSERT_STR(read_some(w, 0, 10), "");

	say(p.events, 0, VMBOOT_PHASE_KERNEL, 20);
	CU_ASSERT_TRUE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 1);
	CU_ASSERT_TRUE(vmb_watch_writer_left(w));
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).events[0].end_us, 20);
	append(p.streams[0], "new", 3);
	CU_ASSERT_TRUE(is_readable(w));
	ASSERT_STR(read_some(w, 0, 10), "new");

	/* the same files once more: all is told again */
	ASSERT_OK(vmb_watch_restart(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 1);
	unlink(p.events);
	ASSERT_ERROR(vmb_watch_restart(w), ENOENT, p.events);
}

/* Another process starts the VM anew: whoever listened to the old boot hears the new one. */
static void somebody_elses_start_is_noticed(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	struct vmb_host_phases host;
	struct vmb_boot boot;

	vmb_host_phases_begin(&host);
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	say(p.events, 1, VMBOOT_PHASE_MOUNTS, 20);
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 2);
	CU_ASSERT_FALSE(vmb_watch_renewed(w));
	unlink(p.events);
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 0);
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).n, 2); /* until there is something newer */
	files();
	CU_ASSERT_TRUE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 0);
	CU_ASSERT_TRUE(vmb_watch_renewed(w));
	CU_ASSERT_FALSE(vmb_watch_renewed(w));
	CU_ASSERT_EQUAL(vmb_watch_boot(w, &host).n, 0);
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 0); /* the old file is gone for good */
	CU_ASSERT_FALSE(is_readable(w));

	append(p.streams[1], "new", 3);
	CU_ASSERT_TRUE(is_readable(w));
	files();
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 500000);
	set_mtime(p.events, vmb_realtime_us() + 3600000000);
	CU_ASSERT_EQUAL(vmb_watch_take(w, &host), 1);
	CU_ASSERT_TRUE(vmb_watch_renewed(w));
	boot = vmb_watch_boot(w, &host);
	CU_ASSERT(boot.n == 1 && boot.number == 1);
	CU_ASSERT_EQUAL(boot.spread_us, 4000); /* the host's clock is of another start: not used */
}

/* As virtlogd does it, under the reader's feet. */
/* Of the file before nothing was read yet; on ext4 the new one gets its number. */
static void somebody_elses_start_is_noticed_at_once(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);

	unlink(p.events);
	test_write(p.events, "");
	CU_ASSERT_TRUE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_TRUE(vmb_watch_renewed(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0); /* the old file is gone for good */
	CU_ASSERT_FALSE(is_readable(w));
	say(p.events, 0, VMBOOT_PHASE_KERNEL, 10);
	CU_ASSERT_TRUE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 1);
}

/* As vmboot_start() does it. */
static void a_new_file_in_the_place_of_the_old_is_noticed(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	const char *next = test_path("%s/next", test_tmpdir());

	test_write(next, "");
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_EQUAL(rename(next, p.events), 0);
	CU_ASSERT_TRUE(is_readable(w));
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_TRUE(vmb_watch_renewed(w));
	test_write(next, "");
	CU_ASSERT_EQUAL(rename(next, p.streams[0]), 0);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0); /* the old file is gone for good */
	CU_ASSERT_FALSE(is_readable(w));
	append(p.streams[0], "new", 3);
	CU_ASSERT_TRUE(is_readable(w));
	ASSERT_STR(read_some(w, 0, 10), "new");
}

static void output_goes_on_through_rotation(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p), *late = NULL;
	const char *log = p.streams[0];

	append(log, "one ", 4);
	ASSERT_STR(read_some(w, 0, 2), "on");
	CU_ASSERT_EQUAL(rename(log, test_path("%s.0", log)), 0);
	ASSERT_STR(read_some(w, 0, 100), "e ");
	ASSERT_STR(read_some(w, 0, 100), "");
	test_write(log, "two ");
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_EQUAL(rename(test_path("%s.0", log), test_path("%s.1", log)), 0);
	CU_ASSERT_EQUAL(rename(log, test_path("%s.0", log)), 0);
	test_write(log, "three ");
	ASSERT_STR(read_some(w, 0, 100), "two ");
	ASSERT_STR(read_some(w, 0, 100), "three ");
	ASSERT_STR(read_some(w, 0, 100), "");
	/* the new file wakes, too */
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_FALSE(is_readable(w));
	append(log, "four", 4);
	CU_ASSERT_TRUE(is_readable(w));
	ASSERT_STR(read_some(w, 0, 100), "four");
	/* who comes late gets all that is left, oldest first */
	late = listen_to(&p);
	ASSERT_STR(read_some(late, 0, 100), "one ");
	CU_ASSERT_EQUAL(unlink(test_path("%s.1", log)), 0);
	CU_ASSERT_EQUAL(unlink(test_path("%s.0", log)), 0);
	ASSERT_STR(read_some(late, 0, 100), "two "); /* it is open */
	ASSERT_STR(read_some(late, 0, 100), "three four");
}

/* As virtlogd does, which keeps two backups here. */
static void rotate(const char *log, const char *text)
{
	if (access(test_path("%s.0", log), F_OK) == 0)
		CU_ASSERT_EQUAL(rename(test_path("%s.0", log), test_path("%s.1", log)), 0);
	CU_ASSERT_EQUAL(rename(log, test_path("%s.0", log)), 0);
	test_write(log, text);
}

static void a_slow_reader_keeps_what_is_dropped(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	const char *log = p.streams[0];

	append(log, "0 ", 2);
	ASSERT_STR(read_some(w, 0, 1), "0");
	for (int i = 1; i < 8; i++) {
		rotate(log, test_path("%d ", i));
		/* one byte at a time: it never comes up with the writer */
		ASSERT_STR(read_some(w, 0, 1), i % 2 ? " " : test_path("%d", i / 2));
	}
	CU_ASSERT_EQUAL(vmb_watch_unread(w, 0), 8);
	ASSERT_STR(read_some(w, 0, 100), "4 ");
	ASSERT_STR(read_some(w, 0, 100), "5 ");
	ASSERT_STR(read_some(w, 0, 100), "6 ");
	ASSERT_STR(read_some(w, 0, 100), "7 ");
	ASSERT_STR(read_some(w, 0, 100), "");
	CU_ASSERT_EQUAL(vmb_watch_unread(w, 0), 0);
}

static void a_gap_is_an_error_that_is_told_once(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	const char *log = p.streams[0];
	char buf[8];

	append(log, "first", 5);
	ASSERT_STR(read_some(w, 0, 2), "fi");
	for (int i = 1; i < 8; i++)
		rotate(log, test_path("%d ", i));
	ASSERT_STR(read_some(w, 0, 100), "rst");
	ASSERT_ERROR((int)vmb_watch_read(w, 0, buf, sizeof(buf)), VMBOOT_ELOST, "stream0");
	ASSERT_STR(read_some(w, 0, 100), "5 ");
	ASSERT_STR(read_some(w, 0, 100), "6 ");
	ASSERT_STR(read_some(w, 0, 100), "7 ");
	ASSERT_STR(read_some(w, 0, 100), "");
}

/* More rotations than are kept open. */
static void what_is_kept_open_is_bounded(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	char *line = test_alloc(101), buf[8];
	const char *log = p.streams[0];
	int seen = 0;

	memset(line, '.', 100);
	append(log, line, 100);
	for (int i = 0; i < 60; i++) {
		ASSERT_STR(read_some(w, 0, 1), ".");
		rotate(log, "x");
	}
	ASSERT_STR(read_some(w, 0, 100), line + 60);
	while (vmb_watch_read(w, 0, buf, sizeof(buf)) == 1)
		seen++;
	CU_ASSERT_EQUAL(seen, VMB_TAIL_HELD_MAX - 1);
	CU_ASSERT(test_error_is(-VMBOOT_ELOST, "stream0"));
	CU_ASSERT_EQUAL(vmb_watch_read(w, 0, buf, sizeof(buf)), 1);
}

/* Somebody starts the VM again: its logs are new files, and no backups are left. */
static void a_new_boots_log_is_no_gap(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	const char *log = p.streams[0];

	append(log, "old", 3);
	ASSERT_STR(read_some(w, 0, 1), "o");
	rotate(log, "older");
	unlink(test_path("%s.0", log));
	unlink(log);
	test_write(log, "new");
	ASSERT_STR(read_some(w, 0, 100), "ld");
	ASSERT_STR(read_some(w, 0, 100), "new");
}

/* The file's beginning was freed under the reader. */
static void a_hole_is_a_gap(void)
{
	enum { PAGE = 65536 };
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p), *late = NULL;
	const char *log = p.streams[0];
	_cleanup_close_ int fd = open(log, O_RDWR | O_CLOEXEC);
	char *text = test_alloc(4 * PAGE + 1), *buf = test_alloc(PAGE);

	memset(text, 'a', 4 * PAGE);
	append(log, text, 4 * PAGE);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) < 0)
		test_skip("this file system has no holes in files");
	/* who begins, begins after it */
	CU_ASSERT_EQUAL(vmb_watch_read(w, 0, buf, 10), 10);
	CU_ASSERT_EQUAL(buf[0], 'a');
	CU_ASSERT_EQUAL(vmb_watch_unread(w, 0), 4 * PAGE - 4096 - 10);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE);
	ASSERT_ERROR((int)vmb_watch_read(w, 0, buf, PAGE), VMBOOT_ELOST,
		     test_path("%d bytes", 2 * PAGE - 4096 - 10));
	CU_ASSERT_EQUAL(vmb_watch_read(w, 0, buf, PAGE), PAGE);
	CU_ASSERT_EQUAL(buf[0], 'a');
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * PAGE);
	ASSERT_ERROR((int)vmb_watch_read(w, 0, buf, PAGE), VMBOOT_ELOST,
		     test_path("%d bytes", PAGE));
	CU_ASSERT_EQUAL(vmb_watch_read(w, 0, buf, PAGE), 0);
	append(log, "end", 3);
	ASSERT_STR(read_some(w, 0, 100), "end");
	late = listen_to(&p);
	ASSERT_STR(read_some(late, 0, 100), "end");
}

static bool has_holes(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
}

/* Of a log that nobody rotates the newest part is kept; what this reader has not read stays. */
static void a_log_without_rotation_is_limited(void)
{
	enum { MIB = 1 << 20, MAX = 16, SIZE = MAX + 12 };
	struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = NULL, *unlimited = NULL;
	char *text = test_alloc(MIB);
	struct stat st;

	unlimited = listen_to(&p);
	p.log_max_mib = MAX;
	w = listen_to(&p);
	append(p.streams[1], "x", 1);
	ASSERT_STR(read_some(w, 1, 1), "x");
	memset(text, 'a', MIB);
	for (int i = 0; i < SIZE; i++)
		for (int k = 0; k < 2; k++)
			append(p.streams[k], text, MIB);
	CU_ASSERT_EQUAL(vmb_watch_take(unlimited, NULL), 0);
	CU_ASSERT_EQUAL(stat(p.streams[0], &st), 0);
	CU_ASSERT(st.st_blocks * 512 >= (off_t)SIZE * MIB);
	CU_ASSERT_EQUAL(vmb_watch_take(w, NULL), 0);
	CU_ASSERT_EQUAL(stat(p.streams[0], &st), 0);
	CU_ASSERT_EQUAL(st.st_size, (off_t)SIZE * MIB);
	if (st.st_blocks * 512 >= st.st_size && !has_holes(p.streams[2]))
		test_skip("this file system has no holes in files");
	CU_ASSERT(st.st_blocks * 512 <= (MAX + 1) * MIB);
	CU_ASSERT_EQUAL(stat(p.streams[1], &st), 0);
	CU_ASSERT(st.st_blocks * 512 >= (off_t)SIZE * MIB);
	append(p.streams[0], "end", 3);
	CU_ASSERT_EQUAL(vmb_watch_read(w, 0, text, MIB), MIB);
	CU_ASSERT_EQUAL(text[0], 'a');
}

/* Events that are not read any more take no room. */
static void a_flood_of_events_takes_no_room(void)
{
	enum { MIB = 1 << 20 };
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	char *text = test_alloc(MIB);
	struct stat st;

	for (uint32_t i = 0; i < VMB_EVENT_MAX_PER_BOOT; i++)
		say_note(p.events, i);
	for (int i = 0; i < 24; i++)
		append(p.events, text, MIB);
	ASSERT_ERROR(vmb_watch_take(w, NULL), VMBOOT_EGUEST, "event");
	CU_ASSERT_EQUAL(stat(p.events, &st), 0);
	CU_ASSERT(st.st_blocks * 512 < 6 * MIB);
	append(p.events, text, MIB);
	ASSERT_ERROR(vmb_watch_take(w, NULL), VMBOOT_EGUEST, "event");
}

static void links_are_not_followed(void)
{
	const struct vmb_watch_paths p = files();
	_cleanup_watch_ struct vmb_watch *w = listen_to(&p);
	char buf[8];

	unlink(p.streams[0]);
	CU_ASSERT_EQUAL(symlink("/etc/passwd", p.streams[0]), 0);
	ASSERT_ERROR((int)vmb_watch_read(w, 0, buf, sizeof(buf)), ELOOP, p.streams[0]);
}

TEST_MAIN("guest/watch", {"a reset is the end of a boot", a_reset_is_the_end_of_a_boot},
	  {"a reset before the program is a failure", a_reset_before_the_program_is_a_failure},
	  {"a boot that gave up was not reset", a_boot_that_gave_up_was_not_reset},
	  {"stops between two boots", stops_between_two_boots},
	  {"news of a reset say when", news_of_a_reset_say_when}, {"nothing yet", nothing_yet},
	  {"each event is taken once", each_event_is_taken_once},
	  {"half an event is not there yet", half_an_event_is_not_there_yet},
	  {"nonsense is an error for ever", nonsense_is_an_error_for_ever},
	  {"only the newest boot counts", only_the_newest_boot_counts},
	  {"notes are no phases", notes_are_no_phases},
	  {"too many events are nonsense", too_many_events_are_nonsense},
	  {"a file without end is nonsense", a_file_without_end_is_nonsense},
	  {"an event that comes while we listen tells the offset",
	   an_event_that_comes_while_we_listen_tells_the_offset},
	  {"what came before is placed by the file's time",
	   what_came_before_is_placed_by_the_files_time},
	  {"without a beginning the guest's clock stands",
	   without_a_beginning_the_guests_clock_stands},
	  {"a reboot is placed anew", a_reboot_is_placed_anew},
	  {"output is read as it comes", output_is_read_as_it_comes},
	  {"tells once that the writer left", tells_once_that_the_writer_left},
	  {"files that are not there", files_that_are_not_there},
	  {"a new boot has new files and the old descriptor",
	   a_new_boot_has_new_files_and_the_old_descriptor},
	  {"somebody else's start is noticed", somebody_elses_start_is_noticed},
	  {"somebody else's start is noticed at once", somebody_elses_start_is_noticed_at_once},
	  {"a new file in the place of the old is noticed",
	   a_new_file_in_the_place_of_the_old_is_noticed},
	  {"output goes on through rotation", output_goes_on_through_rotation},
	  {"a slow reader keeps what is dropped", a_slow_reader_keeps_what_is_dropped},
	  {"a gap is an error that is told once", a_gap_is_an_error_that_is_told_once},
	  {"what is kept open is bounded", what_is_kept_open_is_bounded},
	  {"a new boot's log is no gap", a_new_boots_log_is_no_gap},
	  {"a hole is a gap", a_hole_is_a_gap},
	  {"a log without rotation is limited", a_log_without_rotation_is_limited},
	  {"a flood of events takes no room", a_flood_of_events_takes_no_room},
	  {"links are not followed", links_are_not_followed})
