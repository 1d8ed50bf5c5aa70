/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "guest.h"
#include "test.h"
#include "wire/disks.h"

/* ---- events ---- */

static struct vmb_event event_of(int64_t value)
{
	return (struct vmb_event){.kind = VMB_EVENT_PHASE,
				  .phase = VMBOOT_PHASE_MOUNTS,
				  .value = value};
}

static void a_full_queue_drops_the_oldest(void)
{
	struct init *init = guest_new();
	struct vmb_event e;
	int p[2];

	for (int i = 0; i < INIT_EVENTS_MAX + 5; i++) {
		e = event_of(i);
		init_event_push(&init->events, &e);
	}
	CU_ASSERT_EQUAL_FATAL(pipe2(p, O_NONBLOCK), 0);
	init->events.fd = p[1];
	CU_ASSERT(init_event_flush(&init->events, 0));
	for (int i = 5; i < INIT_EVENTS_MAX + 5; i++) {
		CU_ASSERT(guest_event(p[0], &e));
		CU_ASSERT(e.value == i && e.seq == (uint32_t)i);
	}
	close(p[0]);
	close(p[1]);
	guest_free(init);
}

/*
 * A host that takes nothing costs one short wait, then none: here each would be one of 1200. What
 * it missed comes later, whole.
 */
static void a_deaf_host_does_not_hold_up(void)
{
	enum { N = 1200 };
	struct vmb_deadline until = vmb_deadline_in(GUEST_MS / 2);
	struct init *init = guest_new();
	char junk[4096] = {0};
	struct vmb_event e;
	int p[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(p, O_NONBLOCK), 0);
	CU_ASSERT(fcntl(p[1], F_SETPIPE_SZ, 4096) == 4096);
	CU_ASSERT_EQUAL(write(p[1], junk, sizeof(junk) - 100), sizeof(junk) - 100);
	init->events.fd = p[1];
	for (int i = 0; i < N; i++) {
		e = event_of(i);
		init_event_push(&init->events, &e);
	}
	CU_ASSERT_FALSE(vmb_deadline_passed(until));
	CU_ASSERT_EQUAL(init->events.n, INIT_EVENTS_MAX);
	CU_ASSERT_EQUAL(read(p[0], junk, sizeof(junk)), sizeof(junk) - 100);
	for (int i = N - INIT_EVENTS_MAX; i < N; i++) {
		init_event_flush(&init->events, 0);
		CU_ASSERT(guest_event(p[0], &e));
		CU_ASSERT_EQUAL(e.value, i);
	}
	CU_ASSERT_EQUAL(init->events.n, 0);
	close(p[0]);
	close(p[1]);
	guest_free(init);
}

static void records_are_clean_whatever_is_told(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};
	struct vmb_event e;
	char text[1024];
	int p[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(p, O_NONBLOCK), 0);
	init->events.fd = p[1];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "a\x1b[31m\n\xff", 8);
	/* the bound falls inside a character of two bytes */
	memcpy(text + VMB_EVENT_DETAIL_MAX - 1, "\xc3\xa9", 2);
	CU_ASSERT_EQUAL(init_failed(&report, ENOENT, "%s", text), -ENOENT);
	init_tell(init, VMBOOT_PHASE_PROGRAM, 0, -ENOENT, &report);
	CU_ASSERT(guest_event(p[0], &e));
	CU_ASSERT_EQUAL(e.error, ENOENT);
	CU_ASSERT_EQUAL(strlen(e.detail), VMB_EVENT_DETAIL_MAX - 5); /* less the colour */
	CU_ASSERT_EQUAL(strncmp(e.detail, "a??x", 4), 0);
	close(p[0]);
	close(p[1]);
	guest_free(init);
}

/* ---- config ---- */

static const struct vmb_guest_config sample = {
	.hostname = "web",
	.init_mode = VMBOOT_INIT_EXEC,
	.on_exit = VMBOOT_ON_EXIT_KEEP,
	.kernel_note = "",
	.skip_guest_agent = true,
	.guest_agent = VMBOOT_AGENT_VMBOOT,
	.user = "app",
	.workdir = "/srv",
	.args = (const char *const[]){"node", "app.js", NULL},
	.env = (const char *const[]){"A=1", NULL},
	.disks = {{"vmboot-root", "vda", "squashfs", "ro", "lower"},
		  {"vmboot-vol-1", "vdd", "ext4", "rw", "/a b"}},
	.n_disks = 2,
};

static int read_config(struct init *init, const void *bytes, size_t n, struct init_report *report)
{
	strcpy(init->disks[INIT_DISK_CONFIG].name, "vdc");
	init_disks_begin(init);
	if (vmb_write_file_atomic(test_path("%s/dev/vdc", init->root), bytes, n, 0600) < 0)
		abort();
	memset(report, 0, sizeof(*report));
	return init_config(init, report);
}

static void a_config_disk_is_read(void)
{
	struct init *init = guest_new();
	struct init_report report;
	static uint8_t disk[65536];
	long n = vmb_config_encode(&sample, disk, sizeof(disk));

	CU_ASSERT_FATAL(n > 0);
	CU_ASSERT_EQUAL(read_config(init, disk, (size_t)n, &report), 0);
	ASSERT_STR(report.device, "vdc vmboot-config");
	ASSERT_STR(init->config.args[1], "app.js");
	ASSERT_STR(init->config.workdir, "/srv");
	CU_ASSERT(init->config.skip_guest_agent && !init->config.skip_kernel_headers);
	CU_ASSERT_EQUAL(init->n_disks, INIT_N_CONTRACT + 1);
	ASSERT_STR(init->disks[INIT_DISK_ROOT].config->fstype, "squashfs");
	CU_ASSERT_PTR_NULL(init->disks[INIT_DISK_OVERLAY].config);
	ASSERT_STR(init_disk_find(init, "vmboot-vol-1")->config->point, "/a b");
	guest_free(init);
}

static void a_damaged_config_is_named(void)
{
	struct init *init = guest_new();
	struct init_report report;
	static uint8_t disk[65536];
	long n = vmb_config_encode(&sample, disk, sizeof(disk));

	CU_ASSERT_EQUAL(read_config(init, disk, 100, &report), -EBADMSG);
	CU_ASSERT_EQUAL(read_config(init, disk, 520, &report), -EBADMSG);
	CU_ASSERT_PTR_NOT_NULL(strstr(report.detail, "bytes that it says it has"));
	disk[600] ^= 1;
	CU_ASSERT_EQUAL(read_config(init, disk, (size_t)n, &report), -EBADMSG);
	ASSERT_STR(report.detail, "damaged: the checksum differs");
	ASSERT_STR(report.device, "vdc vmboot-config");
	disk[0] ^= 1;
	CU_ASSERT_EQUAL(read_config(init, disk, (size_t)n, &report), -EBADMSG);
	ASSERT_STR(report.detail, "not a config disk");
	guest_free(init);
}

/* ---- skips ---- */

static void skips_are_told(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};
	char line[256] = "";
	int p[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(p, O_NONBLOCK), 0);
	init->console = p[1];
	init->config.init_mode = VMBOOT_INIT_EXEC;
	CU_ASSERT_EQUAL(init_headers(init, &report), 0);
	CU_ASSERT_EQUAL(init_agent(init, &report), INIT_LATER);
	CU_ASSERT(init->agent.wanted);
	close(init->agent.self);
	CU_ASSERT_EQUAL(read(p[0], line, sizeof(line) - 1), -1);
	init->config.skip_kernel_headers = init->config.skip_guest_agent = true;
	CU_ASSERT_EQUAL(init_headers(init, &report), 0);
	ASSERT_STR(report.detail, "skipping kernel headers setup");
	CU_ASSERT_EQUAL(init_agent(init, &report), 0);
	ASSERT_STR(report.detail, "skipping guest agent");
	CU_ASSERT(read(p[0], line, sizeof(line) - 1) > 0);
	ASSERT_STR(line, "vmboot: skipping kernel headers setup\nvmboot: skipping guest agent\n");
	init->config.skip_guest_agent = init->agent.wanted = false;
	init->config.guest_agent = VMBOOT_AGENT_IMAGE;
	CU_ASSERT_EQUAL(init_agent(init, &report), 0);
	ASSERT_STR(report.detail, "the image brings its own agent");
	CU_ASSERT_FALSE(init->agent.wanted);
	close(p[0]);
	close(p[1]);
	guest_free(init);
}

/* ---- power button ---- */

/* Messages as the kernel sends them, put together from its structs. */
struct message {
	_Alignas(8) uint8_t bytes[512];
	size_t n;
};

static void put_attr(struct message *m, unsigned type, const void *data, size_t n)
{
	struct nlattr a = {.nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = (uint16_t)type};

	memcpy(m->bytes + m->n, &a, sizeof(a));
	memcpy(m->bytes + m->n + NLA_HDRLEN, data, n);
	m->n += NLA_ALIGN(NLA_HDRLEN + n);
}

static void finish(struct message *m, unsigned command)
{
	struct nlmsghdr nl = {.nlmsg_len = (uint32_t)m->n, .nlmsg_type = 0x1b};
	struct genlmsghdr genl = {.cmd = (uint8_t)command, .version = 1};

	memcpy(m->bytes, &nl, sizeof(nl));
	memcpy(m->bytes + NLMSG_HDRLEN, &genl, sizeof(genl));
}

static struct message button(const char *class)
{
	struct message m = {.n = NLMSG_HDRLEN + GENL_HDRLEN};
	char event[44] = {0};

	strncpy(event, class, 20);
	put_attr(&m, 9, "other", 6);
	put_attr(&m, 1, event, sizeof(event));
	finish(&m, 1);
	return m;
}

static void the_power_button_is_known(void)
{
	struct message m = button("button/power");
	struct message other = button("button/sleep");

	CU_ASSERT(init_acpi_is_power(m.bytes, m.n));
	CU_ASSERT(!init_acpi_is_power(other.bytes, other.n));
	other = button("button/powerful");
	CU_ASSERT(!init_acpi_is_power(other.bytes, other.n));
	for (size_t n = 0; n < m.n; n++) {
		uint8_t *exact = malloc(n + 1); /* a read beyond n shows under the sanitizer */

		memcpy(exact, m.bytes, n);
		CU_ASSERT(!init_acpi_is_power(exact, n));
		free(exact);
	}
	/* an attribute that claims to be longer than the message */
	for (unsigned len = 0; len < 4096; len++) {
		struct nlattr a = {.nla_len = (uint16_t)len, .nla_type = 1};
		size_t head = NLMSG_HDRLEN + GENL_HDRLEN;
		uint8_t *exact = malloc(head + 12);

		memcpy(exact, m.bytes, head + 12);
		((struct nlmsghdr *)(void *)exact)->nlmsg_len = (uint32_t)(head + 12);
		memcpy(exact + head, &a, sizeof(a));
		memcpy(exact + head + NLA_HDRLEN, "button/p", 8);
		CU_ASSERT(!init_acpi_is_power(exact, head + 12));
		free(exact);
	}
}

static void the_events_group_is_found(void)
{
	struct message one = {0}, two = {0}, groups = {0}, m = {.n = NLMSG_HDRLEN + GENL_HDRLEN};
	uint32_t id = 3, wrong = 4;

	put_attr(&one, CTRL_ATTR_MCAST_GRP_ID, &wrong, 4);
	put_attr(&one, CTRL_ATTR_MCAST_GRP_NAME, "other", 6);
	put_attr(&two, CTRL_ATTR_MCAST_GRP_ID, &id, 4);
	put_attr(&two, CTRL_ATTR_MCAST_GRP_NAME, "acpi_mc_group", 14);
	put_attr(&groups, 1 | NLA_F_NESTED, one.bytes, one.n);
	put_attr(&groups, 2 | NLA_F_NESTED, two.bytes, two.n);
	put_attr(&m, CTRL_ATTR_FAMILY_NAME, "acpi_event", 11);
	put_attr(&m, CTRL_ATTR_MCAST_GROUPS, groups.bytes, groups.n);
	finish(&m, CTRL_CMD_NEWFAMILY);
	CU_ASSERT_EQUAL(init_acpi_group(m.bytes, m.n), 3);
	for (size_t n = 0; n < m.n; n++) {
		uint8_t *exact = malloc(n + 1);

		memcpy(exact, m.bytes, n);
		CU_ASSERT(init_acpi_group(exact, n) < 0);
		free(exact);
	}
}

/* ---- small things ---- */

static void words_are_whole(void)
{
	CU_ASSERT(init_has_word("quiet vmboot.debug panic=-1\n", "vmboot.debug"));
	CU_ASSERT(init_has_word("vmboot.debug", "vmboot.debug"));
	CU_ASSERT(!init_has_word("quiet vmboot.debugger", "vmboot.debug"));
	CU_ASSERT(!init_has_word("xvmboot.debug", "vmboot.debug"));
	CU_ASSERT(!init_has_word("", "vmboot.debug"));
}

static void calls_are_told_by_name(void)
{
	static struct init_trace trace;
	char text[VMB_EVENT_DETAIL_MAX + 1];

	init_trace_words(&trace, text, sizeof(text));
	ASSERT_STR(text, "0 system calls");
	trace.calls[SYS_openat] = 40;
	trace.calls[SYS_mount] = 41;
	trace.calls[INIT_TRACE_CALLS - 2] = 39;
	trace.calls[INIT_TRACE_CALLS - 1] = 1;
	init_trace_words(&trace, text, sizeof(text));
	ASSERT_STR(text, "121 system calls: mount 41, openat 40, number 510 39, number 511 1");
	init_trace_words(&trace, text, 40); /* whole names only */
	ASSERT_STR(text, "121 system calls: mount 41, openat 40");
}

static void formats_as_printf_does(void)
{
	char ours[128], libc[128];

	for (size_t size = 1; size <= sizeof(ours); size++) {
		size_t n = init_format(ours, size, "%s-%.*s-%d-%d-%ld-%zu-%llu-%%-é", "text", 3,
				       "abcdef", -17, 0, LONG_MIN, (size_t)42, ~0ULL);
		int m = snprintf(libc, size, "%s-%.*s-%d-%d-%ld-%zu-%llu-%%-é", "text", 3, "abcdef",
				 -17, 0, LONG_MIN, (size_t)42, ~0ULL);

		CU_ASSERT_EQUAL(n, (size_t)m);
		ASSERT_STR(ours, libc);
	}
}

static void a_path_that_does_not_fit_is_none(void)
{
	struct init *init = guest_new();
	char path[INIT_PATH_MAX], name[INIT_PATH_MAX];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ASSERT_STR(init_path(init, path, "/%s", name), "");
	guest_free(init);
}

TEST_MAIN("init/parts", {"a full queue drops the oldest", a_full_queue_drops_the_oldest},
	  {"a deaf host does not hold up the boot", a_deaf_host_does_not_hold_up},
	  {"records are clean, whatever is told", records_are_clean_whatever_is_told},
	  {"a config disk is read", a_config_disk_is_read},
	  {"a damaged config is named", a_damaged_config_is_named},
	  {"skips are told", skips_are_told},
	  {"the power button is known", the_power_button_is_known},
	  {"the events' group is found", the_events_group_is_found},
	  {"words are whole", words_are_whole}, {"calls are told by name", calls_are_told_by_name},
	  {"formats as printf does", formats_as_printf_does},
	  {"a path that does not fit is none", a_path_that_does_not_fit_is_none})
