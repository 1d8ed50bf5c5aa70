/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "guest.h"
#include "test.h"
#include "wire/disks.h"

typedef int (*phase_fn)(struct init *init, struct init_report *report);

/* The contract's, and one that the config names, whose kind init knows nothing of. */
enum { N_DISKS = INIT_N_CONTRACT + 1 };
#define SERIAL_OTHER "vmboot-vol-1"

static const struct vmb_config_disk other_row = {SERIAL_OTHER, "vdd", "ext4", "rw", "/data"};

static int settle_other(struct init *init, struct init_report *report)
{
	return init_settle(init, init_disk_find(init, SERIAL_OTHER), report);
}

static const phase_fn phases[N_DISKS] = {init_settle_root, init_settle_overlay, init_settle_config,
					 settle_other};
static const char *const serials[N_DISKS] = {VMB_SERIAL_ROOT, VMB_SERIAL_OVERLAY, VMB_SERIAL_CONFIG,
					     SERIAL_OTHER};
static const char *const letters[N_DISKS] = {"vda", "vdb", "vdc", "vdd"};

static void by_serial_whatever_the_letter(void)
{
	static const char *const names[N_DISKS] = {"vdc", "vda", "vdd", "vdb"};
	struct init *init = guest_new();

	guest_config_disk(init, &other_row);
	for (int i = 0; i < N_DISKS; i++)
		guest_disk(init, names[i], serials[i]);
	guest_disk(init, "vde", NULL);
	for (int i = 0; i < N_DISKS; i++) {
		struct init_report report = {0};

		CU_ASSERT_EQUAL(phases[i](init, &report), 0);
		ASSERT_STR(init->disks[i].name, names[i]);
		ASSERT_STR(report.device, test_path("%s %s", names[i], serials[i]));
		ASSERT_STR(report.detail, "");
	}
	guest_free(init);
}

static void by_letter_without_serials(void)
{
	struct init *init = guest_new();

	guest_config_disk(init, &other_row);
	guest_disk(init, "vda", NULL);
	guest_disk(init, "vdb", "");
	guest_disk(init, "vdc", NULL);
	guest_disk(init, "vdd", NULL);
	for (int i = 0; i < N_DISKS; i++) {
		struct init_report report = {0};

		CU_ASSERT_EQUAL(phases[i](init, &report), 0);
		ASSERT_STR(init->disks[i].name, letters[i]);
		ASSERT_STR(report.detail, "no serial: taken by its letter");
	}
	guest_free(init);
}

/* A serial may be shown a moment after the disk: then it decides, not the letter. */
static void no_letter_at_the_first_look(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	init->uevents = pair[0];
	guest_disk(init, "vda", NULL);
	guest_disk(init, "vdb", VMB_SERIAL_OVERLAY);
	CU_ASSERT_EQUAL(init_settle_overlay(init, &report), 0);
	guest_write(init, VMB_SERIAL_CONFIG, "sys/block/vda/serial");
	CU_ASSERT_EQUAL(init_settle_config(init, &report), 0);
	ASSERT_STR(init->disks[INIT_DISK_CONFIG].name, "vda");
	init->seen[0].blank = 10; /* nor later, once there is one */
	guest_disk(init, "vdz", VMB_SERIAL_ROOT);
	CU_ASSERT_EQUAL(init_settle_root(init, &report), 0);
	ASSERT_STR(init->disks[INIT_DISK_ROOT].name, "vdz");
	close(pair[1]);
	guest_free(init);
}

/* Runs the phase while another process makes the disk after_ms later, long before the deadline. */
static void settle_late(int role, int after_ms, bool tell, bool node_last)
{
	struct init *init = guest_new();
	struct init_report report = {0};
	struct vmb_deadline until = vmb_deadline_in(GUEST_MS);
	int64_t start = vmb_monotonic_us();
	int pair[2], r;
	pid_t pid;

	guest_config_disk(init, &other_row);
	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
	init->uevents = pair[0];
	if (node_last)
		guest_write(init, serials[role], "sys/block/%s/serial", letters[role]);
	pid = fork();
	if (pid == 0) {
		usleep((useconds_t)after_ms * 1000);
		guest_disk(init, letters[role], serials[role]);
		if (tell && write(pair[1], "add@/block", 11) != 11)
			_exit(1);
		_exit(0);
	}
	r = phases[role](init, &report);
	CU_ASSERT(vmb_monotonic_us() - start >= after_ms * 1000);
	CU_ASSERT_FALSE(vmb_deadline_passed(until));
	CU_ASSERT_EQUAL(r, 0);
	ASSERT_STR(report.device, test_path("%s %s", letters[role], serials[role]));
	waitpid(pid, NULL, 0);
	close(pair[1]);
	guest_free(init);
	CU_ASSERT_EQUAL(vmb_rm_rf(test_path("%s/guest", test_tmpdir())), 0);
}

static void late_disks_are_waited_for(void)
{
	for (int i = 0; i < N_DISKS; i++)
		settle_late(i, 300, true, false);
}

static void lost_events_do_no_harm(void)
{
	settle_late(INIT_DISK_CONFIG, 100, false, false);
}

static void the_node_is_waited_for(void)
{
	settle_late(INIT_DISK_OVERLAY, 100, true, true);
}

/*
 * Stops this process, as a busy host stops a guest, for longer than it would wait for a disk. The disk
 * comes a moment after it goes on.
 */
static pid_t stop_meanwhile(const struct init *init)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	usleep(50 * 1000);
	kill(getppid(), SIGSTOP);
	usleep((useconds_t)init->patience.disk * 1000);
	kill(getppid(), SIGCONT);
	usleep(20 * 1000);
	guest_disk(init, "vda", VMB_SERIAL_ROOT);
	_exit(0);
}

static void time_without_a_cpu_does_not_count(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};
	pid_t pid;

	init->patience.disk = 1000;
	pid = stop_meanwhile(init);
	CU_ASSERT_EQUAL(init_settle_root(init, &report), 0);
	waitpid(pid, NULL, 0);
	guest_free(init);
}

static void a_missing_disk_is_named(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};
	int64_t start;

	init->patience.disk = 500;
	guest_disk(init, "vda", VMB_SERIAL_ROOT);
	guest_disk(init, "vdb", "some-other-disk");
	guest_disk(init, "vdc", VMB_SERIAL_CONFIG);
	guest_disk(init, "loop0", NULL);
	start = vmb_monotonic_us();
	CU_ASSERT_EQUAL(init_settle_overlay(init, &report), -ENODEV);
	CU_ASSERT(vmb_monotonic_us() - start >= 500000);
	ASSERT_STR(report.device, "vdb vmboot-overlay");
	ASSERT_STR(report.detail, "seen: vda=vmboot-root vdb=some-other-disk vdc=vmboot-config");
	guest_free(init);
}

static void a_missing_disk_of_the_config_is_named(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};

	init->patience.disk = 50;
	guest_config_disk(init, &other_row);
	guest_disk(init, "vda", VMB_SERIAL_ROOT);
	CU_ASSERT_EQUAL(settle_other(init, &report), -ENODEV);
	ASSERT_STR(report.device, "vdd " SERIAL_OTHER);
	ASSERT_STR(report.detail, "seen: vda=vmboot-root");
	guest_free(init);
}

static void too_many_disks_fit_the_report(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};

	init->patience.disk = 0;
	for (int i = 0; i < INIT_SEEN_MAX + 10; i++)
		guest_disk(init, test_path("vd%03d", i), "a-serial-of-20-bytes");
	CU_ASSERT_EQUAL(init_settle_root(init, &report), -ENODEV);
	CU_ASSERT_EQUAL(strlen(report.detail), VMB_EVENT_DETAIL_MAX);
	guest_free(init);
}

/* ---- mounting ---- */

static const char *mounted; /* "source target type flags data" of the last mount */

static int record_mount(const char *source, const char *target, const char *type,
			unsigned long flags, const char *data)
{
	mounted = test_path("%s %s %s %lx %s", source, target, type, flags, data ? data : "-");
	return 0;
}

static void a_disk_is_mounted_as_the_config_says(void)
{
	static const struct {
		const char *options;
		unsigned long flags;
		const char *data;
		bool nofail;
	} rows[] = {
		{"ro", MS_RDONLY, "-", false},
		{"rw,noatime,noinit_itable", MS_NOATIME, "noinit_itable", false},
		{"ro,nofail,nodev,a=b,nosuid,c", MS_RDONLY | MS_NODEV | MS_NOSUID, "a=b,c", true},
		{"rw,nofailure,ro2", 0, "nofailure,ro2", false},
		{",,rw,", 0, "-", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vmb_config_disk row = {SERIAL_OTHER, "vdd", "ext4", "", "/data"};
		struct init *init = guest_new();
		struct init_ops ops = guest_ops;
		struct init_report report = {0};

		ops.mount = record_mount;
		init->ops = &ops;
		strcpy(row.options, rows[i].options);
		guest_config_disk(init, &row);
		guest_disk(init, "vdx", SERIAL_OTHER);
		CU_ASSERT_EQUAL(settle_other(init, &report), 0);
		CU_ASSERT_EQUAL(init_disk_mount(init, init_disk_find(init, SERIAL_OTHER),
						test_path("%s/data", init->root), &report),
				0);
		ASSERT_STR(mounted, test_path("%s/dev/vdx %s/data ext4 %lx %s", init->root,
					      init->root, rows[i].flags, rows[i].data));
		ASSERT_STR(report.device, "vdx " SERIAL_OTHER);
		CU_ASSERT_EQUAL(init_disk_has_option(init_disk_find(init, SERIAL_OTHER), "nofail"),
				rows[i].nofail);
		guest_free(init);
	}
}

static void a_config_without_a_needed_disk(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};

	CU_ASSERT_PTR_NULL(init_disk_find(init, VMB_SERIAL_KERNEL));
	CU_ASSERT_EQUAL(init_root(init, &report), -EBADMSG);
	ASSERT_STR(report.device, "vda vmboot-root");
	ASSERT_STR(report.detail, "the config does not say how to mount it");
	guest_free(init);
}

static void two_disks_of_one_serial_are_refused(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};

	guest_config_disk(init, &other_row);
	init->disks[INIT_N_CONTRACT].config = NULL;
	init->config.disks[init->config.n_disks++] = other_row;
	CU_ASSERT_EQUAL(init_disks_add(init, &report), -EBADMSG);
	ASSERT_STR(report.detail, "two disks are called " SERIAL_OTHER);
	guest_free(init);
}

/* ---- ports ---- */

static void guest_port(const struct init *init, int i, const char *name)
{
	guest_write(init, "", "dev/vport0p%d", i);
	guest_write(init, "0", "sys/class/virtio-ports/vport0p%d/dev", i);
	if (name)
		guest_write(init, test_path("%s\n", name), "sys/class/virtio-ports/vport0p%d/name",
			    i);
}

static void queued_events_go_out_when_the_port_comes(void)
{
	struct init *init = guest_new();
	struct vmb_event e = {.kind = VMB_EVENT_PHASE, .phase = VMBOOT_PHASE_KERNEL};
	_cleanup_close_ int fd = -1;

	init_event_push(&init->events, &e);
	init_event_push(&init->events, &e);
	CU_ASSERT(!init_ports_look(init));
	guest_port(init, 1, "org.qemu.guest_agent.0");
	guest_port(init, 2, VMB_EVENT_PORT);
	CU_ASSERT(init_ports_look(init));
	CU_ASSERT_EQUAL(init->events.n, 0);
	fd = open(test_path("%s/dev/vport0p2", init->root), O_RDONLY);
	for (uint32_t i = 0; i < 2; i++) {
		CU_ASSERT(guest_event(fd, &e));
		CU_ASSERT_EQUAL(e.seq, i);
	}
	CU_ASSERT_EQUAL(init->ports[INIT_PORT_STDOUT], -1);
	guest_free(init);
}

static void all_three_ports_are_opened(void)
{
	struct init *init = guest_new();

	guest_port(init, 3, VMB_EVENT_PORT);
	guest_port(init, 1, VMB_STDOUT_PORT);
	guest_port(init, 2, VMB_STDERR_PORT);
	CU_ASSERT(init_ports_look(init));
	for (int i = 0; i < INIT_N_PORTS; i++)
		CU_ASSERT(init->ports[i] >= 0);
	guest_free(init);
}

static void a_wait_for_ports_ends(void)
{
	struct vmb_deadline until = vmb_deadline_in(GUEST_MS);
	struct init *init = guest_new();

	/* no device: none can come */
	init_ports_wait(init, until);
	CU_ASSERT_FALSE(vmb_deadline_passed(until));
	/* ours is there, and one that never gets a name */
	guest_write(init, "", "sys/bus/virtio/drivers/virtio_console/virtio3");
	guest_port(init, 1, VMB_EVENT_PORT);
	guest_port(init, 2, NULL);
	until = vmb_deadline_in(GUEST_MS);
	init_ports_wait(init, until);
	CU_ASSERT(init->events.fd >= 0);
	CU_ASSERT_FALSE(vmb_deadline_passed(until));
	guest_free(init);
}

TEST_MAIN("init/settle", {"by serial, whatever the letter", by_serial_whatever_the_letter},
	  {"by letter where there is no serial", by_letter_without_serials},
	  {"no letter is believed at the first look", no_letter_at_the_first_look},
	  {"late disks are waited for", late_disks_are_waited_for},
	  {"lost events do no harm", lost_events_do_no_harm},
	  {"the device node is waited for", the_node_is_waited_for},
	  {"time without a CPU does not count", time_without_a_cpu_does_not_count},
	  {"a missing disk is named, with what was seen", a_missing_disk_is_named},
	  {"a missing disk of the config is named", a_missing_disk_of_the_config_is_named},
	  {"too many disks fit the report", too_many_disks_fit_the_report},
	  {"a disk is mounted as the config says", a_disk_is_mounted_as_the_config_says},
	  {"a config without a disk that is needed", a_config_without_a_needed_disk},
	  {"two disks of one serial are refused", two_disks_of_one_serial_are_refused},
	  {"queued events go out when the port comes", queued_events_go_out_when_the_port_comes},
	  {"all three ports are opened", all_three_ports_are_opened},
	  {"a wait for ports ends", a_wait_for_ports_ends})
