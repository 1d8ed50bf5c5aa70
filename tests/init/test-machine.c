/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an image's init system finds, made on a folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "guest.h"
#include "test.h"

#define UNITS "run/systemd/system"

static struct init_ops ops;
static char mounts[2048]; /* "FROM>TO " of each, below the root */

static int note_mount(const char *source, const char *target, const char *type, unsigned long flags,
		      const char *data)
{
	const char *root = test_path("%s/guest", test_tmpdir());
	size_t n = strlen(root);

	(void)type, (void)data;
	if (flags & MS_REMOUNT)
		return 0;
	if (strncmp(source, root, n) == 0)
		source += n;
	strcat(strcat(strcat(strcat(mounts, source), ">"), target + n), " ");
	return 0;
}

/* A guest in systemd mode, as after switch-root. */
static struct init *machine(const char *program)
{
	static const char *const folders[] = {"run", "sbin", "bin", "overlay/upper/etc",
					      "sys/class/dmi/id"};
	struct init *init = guest_new();

	ops = guest_ops;
	ops.mount = note_mount;
	mounts[0] = '\0';
	init->ops = &ops;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		CU_ASSERT_FATAL(vmb_mkdir_p(test_path("%s/%s", init->root, folders[i]), 0755) >= 0);
	init->config.init_mode = VMBOOT_INIT_SYSTEMD;
	init->config.hostname = "box";
	init->config.address = init->config.gateway = init->config.nameserver = "";
	init->config.args = TEST_LIST(program);
	init->config.env = TEST_LIST(NULL);
	init->agent.wanted = true;
	init->overlay = open(test_path("%s/overlay", init->root), O_RDONLY | O_CLOEXEC);
	init->self = open("/", O_RDONLY | O_CLOEXEC);
	guest_write(init, "11223344-5566-7788-99AA-BBCCDDEEFF00\n",
		    "sys/class/dmi/id/product_uuid");
	guest_write(init, "", "sbin/systemd");
	return init;
}

static void machine_free(struct init *init)
{
	vmb_closep(&init->overlay);
	vmb_closep(&init->self);
	guest_free(init);
}

static bool there(const struct init *init, const char *path)
{
	struct stat st;

	return lstat(test_path("%s/%s", init->root, path), &st) == 0;
}

static void finds_the_init_system(void)
{
	struct init *init = machine("/sbin/systemd");
	const char *root = init->root;

	CU_ASSERT_EQUAL(symlink("systemd", test_path("%s/sbin/init", root)), 0);
	CU_ASSERT_EQUAL(init_system_find(init, "/sbin/init"), INIT_SYSTEM_SYSTEMD);
	CU_ASSERT_EQUAL(init_system_find(init, "/sbin/openrc-init"), INIT_SYSTEM_OPENRC);
	CU_ASSERT_EQUAL(init_system_find(init, "busybox"), INIT_SYSTEM_BUSYBOX);
	/* another name of the same file */
	guest_write(init, "", "bin/busybox");
	CU_ASSERT_EQUAL(link(test_path("%s/bin/busybox", root), test_path("%s/bin/init", root)), 0);
	CU_ASSERT_EQUAL(init_system_find(init, "/bin/init"), INIT_SYSTEM_BUSYBOX);
	guest_write(init, "", "sbin/other");
	CU_ASSERT_EQUAL(init_system_find(init, "/sbin/other"), INIT_SYSTEM_SYSV);
	machine_free(init);
}

static void gives_the_machine_its_id(void)
{
	struct init *init = machine("/sbin/systemd");
	struct init_report report = {0};

	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	ASSERT_STR(test_read(test_path("%s/run/machine-id", init->root)),
		   "112233445566778899aabbccddeeff00\n");
	ASSERT_STR(test_read(test_path("%s/etc/machine-id", init->root)), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(mounts, "/run/machine-id>/etc/machine-id "));
	CU_ASSERT_PTR_NOT_NULL(strstr(mounts, ">/run/initramfs "));
	machine_free(init);
}

static void leaves_the_id_that_a_guest_gave_itself(void)
{
	struct init *init = machine("/sbin/systemd");
	struct init_report report = {0};

	guest_write(init, "0123456789abcdef0123456789abcdef\n", "overlay/upper/etc/machine-id");
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_FALSE(there(init, "run/machine-id"));
	CU_ASSERT_PTR_NULL(strstr(mounts, "machine-id"));
	/* systemd's word for none */
	guest_write(init, "uninitialized\n", "overlay/upper/etc/machine-id");
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(mounts, "/run/machine-id>/etc/machine-id "));
	machine_free(init);
}

static void makes_an_id_where_there_is_no_uuid(void)
{
	struct init *init = machine("/sbin/systemd");
	struct init_report report = {0};
	const char *id;

	guest_write(init, "00000000-0000-0000-0000-000000000000\n",
		    "sys/class/dmi/id/product_uuid");
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	id = test_read(test_path("%s/run/machine-id", init->root));
	CU_ASSERT_EQUAL(strlen(id), 33);
	CU_ASSERT_EQUAL(strspn(id, "0123456789abcdef"), 32);
	CU_ASSERT_EQUAL(id[12], '4');
	machine_free(init);
}

static void makes_units_for_systemd_only(void)
{
	struct init *init = machine("/sbin/systemd");
	struct init_report report = {0};

	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT(there(init, UNITS "/vmboot-agent.service"));
	CU_ASSERT(there(init, UNITS "/sysinit.target.wants/vmboot-agent.service"));
	CU_ASSERT(there(init, UNITS "/qemu-guest-agent.service.d/50-vmboot.conf"));
	CU_ASSERT(there(init, UNITS "/default.target.wants/vmboot-ready.service"));
	CU_ASSERT(there(init, UNITS "/emergency.target.wants/vmboot-emergency.service"));
	machine_free(init);

	init = machine("/sbin/other");
	vmb_rm_rf(test_path("%s/run", init->root));
	vmb_mkdir_p(test_path("%s/run", init->root), 0755);
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_FALSE(there(init, "run/systemd"));
	machine_free(init);
}

static void makes_no_unit_of_an_agent_that_is_skipped(void)
{
	struct init *init = machine("/sbin/systemd");
	struct init_report report = {0};

	init->agent.wanted = false;
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_FALSE(there(init, UNITS "/vmboot-agent.service"));
	CU_ASSERT_FALSE(there(init, UNITS "/sysinit.target.wants"));
	CU_ASSERT_FALSE(there(init, UNITS "/qemu-guest-agent.service.d"));
	CU_ASSERT_FALSE(there(init, "run/vmboot/environment"));
	CU_ASSERT(there(init, UNITS "/vmboot-ready.service"));
	machine_free(init);
}

static void hides_containers_from_init_systems(void)
{
	struct init *init = machine("/sbin/systemd");
	struct init_report report = {0};
	char **env;

	init->config.env = TEST_LIST("container=docker", "A=1", "LD_PRELOAD=/x.so");
	env = init_system_environment(&init->config);
	CU_ASSERT_PTR_NOT_NULL_FATAL(env);
	ASSERT_STR(env[0], "A=1");
	for (char **e = env; *e; e++)
		CU_ASSERT(strncmp(*e, "container", 9) != 0 && strncmp(*e, "LD_", 3) != 0);
	for (char **e = env + 1; *e; e++)
		free(*e); /* PATH, HOME and TERM */
	free(env);
	/* programs that the agent starts have all of it */
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	ASSERT_STR(test_read(test_path("%s/run/vmboot/environment", init->root)),
		   "container=docker");
	machine_free(init);
}

/* Each opens the port for itself, and goes on where the one before it stopped. */
static void late_events_are_one_sequence(void)
{
	struct init *init = machine("/sbin/systemd");
	struct init_report report = {.detail = "why"};
	uint8_t records[3 * VMB_EVENT_SIZE];
	struct vmb_event e;
	int fd;

	vmb_mkdir_p(test_path("%s/run/vmboot", init->root), 0755);
	guest_write(init, VMB_EVENT_PORT "\n", "sys/class/virtio-ports/vport1p1/name");
	guest_write(init, "", "dev/vport1p1");
	init->events.seq = 12;
	CU_ASSERT_EQUAL(init_late_begin(init), 0);
	init->events.seq = 0;
	CU_ASSERT(init_late_start(init) > 0);
	init_late_tell(init, VMBOOT_PHASE_AGENT, 0, 0, &report);
	CU_ASSERT_EQUAL(init->events.fd, -1);
	fd = open(test_path("%s/dev/vport1p1", init->root), O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(read(fd, records, sizeof(records)), VMB_EVENT_SIZE);
	CU_ASSERT_EQUAL_FATAL(vmb_event_decode(records, &e), 0);
	CU_ASSERT_EQUAL(e.seq, 12);
	ASSERT_STR(e.detail, "why");
	init_late_tell(init, VMBOOT_PHASE_READY, 0, 0, &report);
	CU_ASSERT_EQUAL(pread(fd, records, sizeof(records), 0), VMB_EVENT_SIZE);
	CU_ASSERT_EQUAL_FATAL(vmb_event_decode(records, &e), 0);
	CU_ASSERT_EQUAL(e.seq, 13);
	CU_ASSERT_EQUAL(e.phase, VMBOOT_PHASE_READY);
	close(fd);
	machine_free(init);
}

static void asks_openrc_by_its_fifo(void)
{
	struct init *init = machine("/sbin/openrc-init");
	const char *fifo = test_path("%s/run/openrc/init.ctl", init->root);
	char text[32] = "";
	int fd;

	CU_ASSERT_FALSE(init_system_end(init, INIT_SYSTEM_OPENRC, RB_AUTOBOOT));
	vmb_mkdir_p(test_path("%s/run/openrc", init->root), 0755);
	CU_ASSERT_EQUAL(mkfifo(fifo, 0600), 0);
	fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	CU_ASSERT(init_system_end(init, INIT_SYSTEM_OPENRC, RB_AUTOBOOT));
	CU_ASSERT_EQUAL(read(fd, text, sizeof(text) - 1), 6);
	ASSERT_STR(text, "reboot");
	close(fd);
	machine_free(init);
}

/* ---- what systemd is spared: spare.c ---- */

#define STOCK "usr/lib/systemd/system"
#define TRIGGER_UNIT "systemd-udev-trigger.service"
#define GENERATORS "run/systemd/system-generators"

static struct init *machine_with_units(void)
{
	static const char *const units[] = {"dev-mqueue.mount",
					    "dev-hugepages.mount",
					    "sysinit.target.wants/dev-mqueue.mount",
					    "sysinit.target.wants/dev-hugepages.mount",
					    "sys-kernel-debug.mount",
					    "sys-fs-fuse-connections.mount",
					    "sysinit.target.wants/sys-fs-fuse-connections.mount",
					    "e2scrub_reap.service",
					    "modprobe@.service",
					    "systemd-remount-fs.service"};
	struct init *init = machine("/sbin/systemd");

	vmb_rm_rf(test_path("%s/run", init->root));
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		guest_write(init, "", STOCK "/%s", units[i]);
	guest_write(init,
		    "[Service]\nType=oneshot\n"
		    "ExecStart=-udevadm trigger --type=all --action=add\n",
		    STOCK "/" TRIGGER_UNIT);
	guest_write(init, "# nothing\n \n\t# at all", "etc/fstab");
	guest_write(init, "", "etc/crypttab");
	guest_write(init, "0\n", "sys/kernel/rcu_expedited");
	vmb_mkdir_p(test_path("%s/run", init->root), 0755);
	return init;
}

static bool masked(const struct init *init, const char *generator)
{
	return there(init, test_path(GENERATORS "/systemd-%s-generator", generator));
}

static void spares_systemd_what_would_do_nothing(void)
{
	struct init *init = machine_with_units();
	struct init_report report = {0};
	const char *text;

	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(mounts, "mqueue>/dev/mqueue "));
	CU_ASSERT_PTR_NOT_NULL(strstr(mounts, "hugetlbfs>/dev/hugepages "));
	CU_ASSERT_PTR_NULL(strstr(mounts, "debugfs")); /* which nothing wants */
	CU_ASSERT(masked(init, "veritysetup") && masked(init, "run"));
	CU_ASSERT_FALSE(masked(init, "cryptsetup")); /* which has a table */
	CU_ASSERT(there(init, UNITS "/systemd-remount-fs.service.d"));
	CU_ASSERT(there(init, UNITS "/e2scrub_reap.service.d"));
	CU_ASSERT(there(init, UNITS "/modprobe@efi_pstore.service.d"));
	CU_ASSERT(there(init, UNITS "/modprobe@fuse.service.d"));
	CU_ASSERT(there(init, UNITS "/modprobe@.service.d"));
	text = test_read(test_path("%s/" UNITS "/" TRIGGER_UNIT ".d/50-vmboot.conf", init->root));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nExecStart=\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "--type=all --action=add $VMBOOT_LATER\n"));
	CU_ASSERT(there(init, UNITS "/default.target.wants/vmboot-later.service"));
	text = test_read(test_path("%s/run/vmboot/starting", init->root));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "VMBOOT_LATER=\"--subsystem-nomatch=acpi "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " --subsystem-nomatch=module "));
	text = test_read(test_path("%s/sys/kernel/rcu_expedited", init->root));
	ASSERT_STR(text, "1");
	/* and gives it back */
	CU_ASSERT_EQUAL(init_generator_main(init, 0, NULL), 0);
	CU_ASSERT_FALSE(masked(init, "veritysetup") || there(init, GENERATORS "/vmboot"));
	CU_ASSERT_EQUAL(init_later_main(init, 0, NULL), 0);
	CU_ASSERT_FALSE(there(init, "run/vmboot/starting"));
	text = test_read(test_path("%s/sys/kernel/rcu_expedited", init->root));
	ASSERT_STR(text, "0");
	CU_ASSERT_EQUAL(init_later_main(init, 0, NULL), 0);
	machine_free(init);
}

/* rcupdate.rcu_expedited=1 on the kernel's command line */
static void leaves_a_kernel_in_its_hurry(void)
{
	struct init *init = machine_with_units();
	struct init_report report = {0};

	guest_write(init, "1\n", "sys/kernel/rcu_expedited");
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_EQUAL(init_later_main(init, 0, NULL), 0);
	ASSERT_STR(test_read(test_path("%s/sys/kernel/rcu_expedited", init->root)), "1\n");
	machine_free(init);
}

static void leaves_what_somebody_has_changed(void)
{
	struct init *init = machine_with_units();
	struct init_report report = {0};

	guest_write(init, "hugetlbfs /dev/hugepages hugetlbfs gid=78 0 0\n", "etc/fstab");
	guest_write(init, "", "etc/systemd/system/dev-mqueue.mount");
	guest_write(init, "", "etc/systemd/system-generators/systemd-run-generator");
	guest_write(init, "", "etc/systemd/system/modprobe@.service.d/own.conf");
	guest_write(init, "ExecStart=-/bin/other trigger\n", STOCK "/" TRIGGER_UNIT);
	guest_write(init, "# how often\nperiodic_e2scrub=1\n", "etc/e2scrub.conf");
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_PTR_NULL(strstr(mounts, "mqueue"));
	CU_ASSERT_PTR_NULL(strstr(mounts, "hugetlbfs"));
	CU_ASSERT(masked(init, "veritysetup"));
	CU_ASSERT_FALSE(masked(init, "run"));
	CU_ASSERT_FALSE(there(init, UNITS "/modprobe@efi_pstore.service.d"));
	CU_ASSERT_FALSE(there(init, UNITS "/systemd-remount-fs.service.d"));
	CU_ASSERT_FALSE(there(init, UNITS "/e2scrub_reap.service.d"));
	CU_ASSERT_FALSE(there(init, UNITS "/" TRIGGER_UNIT ".d"));
	CU_ASSERT_FALSE(there(init, UNITS "/vmboot-later.service"));
	CU_ASSERT_FALSE(there(init, "run/vmboot/starting"));
	machine_free(init);
}

static void loads_no_module_whose_mount_is_masked(void)
{
	struct init *init = machine_with_units();
	struct init_report report = {0};

	guest_write(init, "", "etc/systemd/system/sys-fs-fuse-connections.mount");
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT(there(init, UNITS "/modprobe@dm_mod.service.d"));
	CU_ASSERT_FALSE(there(init, UNITS "/modprobe@fuse.service.d"));
	machine_free(init);
}

static void splits_no_coldplug_with_own_rules(void)
{
	struct init *init = machine_with_units();
	struct init_report report = {0};

	guest_write(init, "", "etc/udev/rules.d/99-own.rules");
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_FALSE(there(init, UNITS "/" TRIGGER_UNIT ".d"));
	CU_ASSERT_FALSE(there(init, UNITS "/modprobe@dm_mod.service.d"));
	CU_ASSERT_FALSE(there(init, UNITS "/modprobe@fuse.service.d"));
	CU_ASSERT(there(init, UNITS "/modprobe@efi_pstore.service.d"));
	machine_free(init);
}

static void spares_nothing_if_the_kernel_is_told_more(void)
{
	struct init *init = machine_with_units();
	struct init_report report = {0};

	guest_write(init, "console=ttyS0 systemd.run=/bin/x\n", "proc/cmdline");
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_PTR_NULL(strstr(mounts, "mqueue"));
	CU_ASSERT_FALSE(there(init, GENERATORS));
	CU_ASSERT_FALSE(there(init, "run/vmboot/starting"));
	CU_ASSERT(there(init, UNITS "/vmboot-ready.service"));
	machine_free(init);
}

/* ---- an image without udev and kmod: without.c ---- */

#define TTY_DATA "run/udev/data/c4:64"
#define KMOD_CONDITION UNITS "/kmod-static-nodes.service.d/50-vmboot.conf"

static struct init *machine_with_devices(void)
{
	struct init *init = machine("/sbin/systemd");

	init->config.address = "10.0.2.15/24";
	init->config.gateway = "10.0.2.2";
	init->config.nameserver = "10.0.2.3";
	guest_write(init, "tty0 ttyS0\n", "sys/class/tty/console/active");
	guest_write(init, "4:64\n", "sys/class/tty/ttyS0/dev");
	guest_write(init, "0x1af4", "sys/class/net/eth0/device/vendor");
	guest_write(init, "2\n", "sys/class/net/eth0/ifindex");
	guest_write(init, "52:54:00:01:02:03\n", "sys/class/net/eth0/address");
	return init;
}

static void announces_devices_where_no_udev_does(void)
{
	struct init *init = machine_with_devices();
	struct init_report report = {0};

	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(test_read(test_path("%s/" TTY_DATA, init->root)), "\nG:systemd\n"));
	CU_ASSERT(there(init, "run/udev/tags/systemd/c4:64"));
	CU_ASSERT(there(init, "run/udev/data/n2"));
	CU_ASSERT(there(init, KMOD_CONDITION));
	machine_free(init);
}

static void leaves_devices_to_udev_and_kmod(void)
{
	struct init *init = machine_with_devices();
	struct init_report report = {0};

	guest_write(init, "", "lib/systemd/systemd-udevd");
	guest_write(init, "", "bin/kmod");
	CU_ASSERT_EQUAL(chmod(test_path("%s/lib/systemd/systemd-udevd", init->root), 0755), 0);
	CU_ASSERT_EQUAL(chmod(test_path("%s/bin/kmod", init->root), 0755), 0);
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_FALSE(there(init, "run/udev"));
	CU_ASSERT_FALSE(there(init, KMOD_CONDITION));
	machine_free(init);
}

/* ---- files for networkd and resolved: netfiles.c ---- */

static void writes_the_network_down(void)
{
	struct init *init = machine_with_devices();
	struct init_report report = {0};
	const char *network = test_path("%s/run/systemd/network/zz-vmboot.network", init->root);

	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(test_read(network),
				      "[Match]\nMACAddress=52:54:00:01:02:03\n\n"
				      "[Network]\nAddress=10.0.2.15/24\n"
				      "Gateway=10.0.2.2\nDNS=10.0.2.3\n"));
	CU_ASSERT(there(init, "run/systemd/network/98-vmboot.link"));
	CU_ASSERT_PTR_NOT_NULL(strstr(
		test_read(test_path("%s/run/systemd/resolved.conf.d/50-vmboot.conf", init->root)),
		"[Resolve]\nFallbackDNS=10.0.2.3\n"));
	/* a network without a way out */
	init->config.gateway = init->config.nameserver = "";
	vmb_rm_rf(test_path("%s/run/systemd", init->root));
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_PTR_NULL(strstr(test_read(network), "Gateway"));
	CU_ASSERT_PTR_NULL(strstr(test_read(network), "DNS"));
	CU_ASSERT_FALSE(there(init, "run/systemd/resolved.conf.d"));
	/* none at all */
	vmb_rm_rf(test_path("%s/run", init->root));
	vmb_mkdir_p(test_path("%s/run", init->root), 0755);
	init->config.address = "";
	CU_ASSERT_EQUAL(init_machine(init, &report), 0);
	CU_ASSERT_FALSE(there(init, "run/systemd/network"));
	CU_ASSERT_FALSE(there(init, "run/udev/data/n2"));
	machine_free(init);
}

static int copy_run(const struct init *init, const char *folder)
{
	return init_copy_up(init,
			    open(test_path("%s/%s", init->root, folder),
				 O_RDONLY | O_DIRECTORY | O_CLOEXEC),
			    "/run", true, true);
}

static void copies_the_images_run(void)
{
	struct init *init = machine("/sbin/systemd");
	const char *root = init->root;
	struct stat st;

	guest_write(init, "1\n", "old/sshd/keys/pid");
	ASSERT_OK(chmod(test_path("%s/old/sshd", root), 01770) < 0 ? -errno : 0);
	ASSERT_OK(chmod(test_path("%s/old/sshd/keys/pid", root), 0640) < 0 ? -errno : 0);
	ASSERT_OK(symlink("sshd/none", test_path("%s/old/link", root)) < 0 ? -errno : 0);
	ASSERT_OK(mkfifo(test_path("%s/old/initctl", root), 0600) < 0 ? -errno : 0);
	if (geteuid() == 0)
		ASSERT_OK(lchown(test_path("%s/old/link", root), 70, 71) < 0 ? -errno : 0);
	ASSERT_OK(copy_run(init, "old"));
	CU_ASSERT(stat(test_path("%s/run/sshd", root), &st) == 0 && (st.st_mode & 07777) == 01770);
	CU_ASSERT(stat(test_path("%s/run/sshd/keys/pid", root), &st) == 0 &&
		  (st.st_mode & 07777) == 0640);
	ASSERT_STR(test_read(test_path("%s/run/sshd/keys/pid", root)), "1\n");
	CU_ASSERT(lstat(test_path("%s/run/link", root), &st) == 0 && S_ISLNK(st.st_mode) &&
		  (geteuid() != 0 || (st.st_uid == 70 && st.st_gid == 71)));
	CU_ASSERT_FALSE(there(init, "run/initctl"));
	machine_free(init);
}

/* An image cannot fill the memory of the guest that way. */
static void copies_no_more_than_a_bound(void)
{
	struct init *init = machine("/sbin/systemd");
	const char *deep = "old";

	guest_write(init, "", "old/file");
	ASSERT_OK(truncate(test_path("%s/old/file", init->root), (16 << 20) + 1) < 0 ? -errno : 0);
	CU_ASSERT_EQUAL(copy_run(init, "old"), -EFBIG);
	for (int i = 0; i < 17; i++)
		deep = test_path("%s/d", deep);
	guest_write(init, "", "%s/file", deep);
	CU_ASSERT_EQUAL(unlink(test_path("%s/old/file", init->root)), 0);
	CU_ASSERT_EQUAL(copy_run(init, "old"), -ELOOP);
	machine_free(init);
}

TEST_MAIN("init/machine", {"finds the init system", finds_the_init_system},
	  {"gives the machine its id", gives_the_machine_its_id},
	  {"copies the image's /run", copies_the_images_run},
	  {"copies no more than a bound", copies_no_more_than_a_bound},
	  {"leaves the id that a guest gave itself", leaves_the_id_that_a_guest_gave_itself},
	  {"makes an id where there is no UUID", makes_an_id_where_there_is_no_uuid},
	  {"makes units for systemd only", makes_units_for_systemd_only},
	  {"makes no unit of an agent that is skipped", makes_no_unit_of_an_agent_that_is_skipped},
	  {"hides containers from init systems", hides_containers_from_init_systems},
	  {"late events are one sequence", late_events_are_one_sequence},
	  {"asks OpenRC by its fifo", asks_openrc_by_its_fifo},
	  {"spares systemd what would do nothing", spares_systemd_what_would_do_nothing},
	  {"leaves a kernel in its hurry", leaves_a_kernel_in_its_hurry},
	  {"leaves what somebody has changed", leaves_what_somebody_has_changed},
	  {"loads no module whose mount is masked", loads_no_module_whose_mount_is_masked},
	  {"splits no coldplug with own rules", splits_no_coldplug_with_own_rules},
	  {"announces devices where no udev does", announces_devices_where_no_udev_does},
	  {"leaves devices to udev and kmod", leaves_devices_to_udev_and_kmod},
	  {"writes the network down", writes_the_network_down},
	  {"spares nothing if the kernel is told more", spares_nothing_if_the_kernel_is_told_more})
