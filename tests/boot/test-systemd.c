/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Guests whose image has an init system: a stock Debian, and one made by hand with busybox. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "boot.h"

static struct vmboot_vm *shared;

static struct vmboot_opts init_opts(const char *name, const char *image)
{
	static const char *const cmd[] = {"/sbin/init", NULL};
	struct vmboot_opts opts = boot_opts(name, "");

	opts.image = image;
	opts.cmd = cmd;
	opts.memory_mib = 512;
	opts.skip_kernel_headers = false;
	return opts;
}

/* The VM that tests share; made by the first that asks. */
static struct vmboot_vm *debian(void)
{
	static const char *const env[] = {"FROM_REQUEST=yes", "container=docker", NULL};
	struct vmboot_opts opts = init_opts("debian", "debian");

	if (shared)
		return shared;
	opts.env = env;
	opts.network = VMBOOT_NETWORK_USER;
	boot_import_debian();
	ASSERT_OK(vmboot_create(&opts, &shared));
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_READY, BOOT_TIMEOUT_MS));
	return shared;
}

/* Its standard output, without the newline at its end; it lives until the test ends. */
static char *run_in(struct vmboot_vm *vm, const char *script)
{
	const char *const args[] = {"/bin/sh", "-c", script, NULL};
	struct vmboot_exec_opts opts =
		VMBOOT_EXEC_OPTS(.args = args, .timeout_ms = BOOT_TIMEOUT_MS);
	struct vmboot_exec_result *result;
	char *out;

	ASSERT_OK(vmboot_exec(vm, &opts, &result));
	if (result->exit_code != 0)
		printf("exit %d of %s: %s%s\n", result->exit_code, script, result->out,
		       result->err);
	CU_ASSERT_EQUAL(result->exit_code, 0);
	out = test_alloc(result->out_size + 1);
	memcpy(out, result->out, result->out_size);
	if (result->out_size > 0 && out[result->out_size - 1] == '\n')
		out[result->out_size - 1] = '\0';
	vmboot_exec_result_free(result);
	return out;
}

static char *run(const char *script)
{
	return run_in(debian(), script);
}

static void assert_event(struct vmboot_vm *vm, enum vmboot_phase phase, const char *detail)
{
	struct vmboot_ledger *ledger;
	const struct vmboot_event *e;

	ASSERT_OK(vmboot_ledger(vm, &ledger));
	e = boot_event(ledger, phase);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	ASSERT_STR(e->detail, detail);
	vmboot_ledger_free(ledger);
}

/* Waits until the words are on the console. */
static bool console_says(struct vmboot_vm *vm, const char *words)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct pollfd p = {.fd = vmboot_event_fd(vm), .events = POLLIN};

	while (!strstr(boot_output(vm, VMBOOT_STREAM_CONSOLE), words)) {
		if (poll(&p, 1, vmb_deadline_poll(deadline, -1)) <= 0)
			return false;
		ASSERT_OK(vmboot_dispatch(vm));
	}
	return true;
}

/* ---- the machine that Debian finds ---- */

static void reaches_its_default_target(void)
{
	const struct vmboot_event *program, *agent, *ready;
	struct vmboot_ledger *ledger;

	debian();
	ASSERT_OK(vmboot_ledger(shared, &ledger));
	program = boot_event(ledger, VMBOOT_PHASE_PROGRAM);
	agent = boot_event(ledger, VMBOOT_PHASE_AGENT);
	ready = boot_event(ledger, VMBOOT_PHASE_READY);
	CU_ASSERT_FATAL(program && agent && ready);
	/* the agent comes early, and nobody waits for it */
	CU_ASSERT(program->end_us <= agent->start_us && agent->end_us < ready->end_us);
	CU_ASSERT(program->error == 0 && agent->error == 0 && ready->error == 0);
	vmboot_ledger_free(ledger);
	ASSERT_STR(run("systemctl is-system-running --wait"), "running");
	ASSERT_STR(run("systemctl --failed --no-legend --plain"), "");
	/* no unit waited for what is not there */
	ASSERT_STR(run("journalctl -b --no-pager | grep -i 'timed out' || true"), "");
}

/* What is put off comes as soon as the default target is there, and then all is as without us. */
static void puts_off_only_what_nobody_waits_for(void)
{
	/* what the kernel mounts for its interfaces */
	ASSERT_STR(run("systemctl is-active dev-hugepages.mount dev-mqueue.mount "
		       "sys-kernel-debug.mount sys-kernel-tracing.mount | sort -u"),
		   "active");
	/* terminals and CPUs have had their events */
	ASSERT_STR(run("systemctl is-system-running --wait; "
		       "while systemctl -q is-active vmboot-later; do sleep 0.1; done; "
		       "udevadm settle; stat -c %G:%a /dev/tty63"),
		   "running\ntty:620");
	ASSERT_STR(run("if grep -qw aes /proc/cpuinfo; then test -e /sys/module/aesni_intel; fi;"
		       "test -e /sys/module/dm_mod; echo $?; test -e /run/vmboot/starting; echo $?;"
		       "ls /run/systemd/system-generators"),
		   "0\n1");
	/* all of it is there for who asks */
	ASSERT_STR(run("chmod 600 /dev/tty63; systemctl restart systemd-udev-trigger; "
		       "udevadm settle; stat -c %G:%a /dev/tty63"),
		   "tty:620");
	ASSERT_STR(run("cat /sys/kernel/rcu_expedited"), "0");
	/* as the module does, its mount comes with an event */
	ASSERT_STR(run("systemctl is-active sys-fs-fuse-connections.mount; "
		       "systemctl show --value -p ConditionResult e2scrub_reap"),
		   "active\nno");
	ASSERT_STR(run("modprobe -r dm_mod; systemctl start modprobe@dm_mod; "
		       "test -e /sys/module/dm_mod; echo $?"),
		   "0");
	ASSERT_STR(run("printf '#!/bin/sh\\n' >/etc/rc.local; chmod 755 /etc/rc.local; "
		       "systemctl daemon-reload; rm /etc/rc.local; "
		       "ls /run/systemd/generator/multi-user.target.wants"),
		   "rc-local.service");
	ASSERT_STR(run("systemctl start systemd-remount-fs; "
		       "systemctl show --value -p ConditionResult systemd-remount-fs"),
		   "yes");
}

static void finds_a_machine(void)
{
	ASSERT_STR(run("systemd-detect-virt --container || true"), "none");
	ASSERT_STR(run("systemd-detect-virt --vm"), "qemu");
	ASSERT_STR(run("cat /proc/1/comm"), "systemd");
	ASSERT_STR(run("tr '\\0' '\\n' </proc/1/environ | grep -c container= || true"), "0");
	ASSERT_STR(run("uname -n; cat /etc/hostname"), "debian\ndebian");
	ASSERT_STR(run("stat -c %a /run"), "755");
	/* nothing of ours is in the image */
	ASSERT_STR(run("find / -xdev -name '*vmboot*' -not -path '/var/log/*'"), "");
}

static void has_the_vms_machine_id(void)
{
	struct vmboot_info *info;
	char id[64];
	size_t n = 0;

	ASSERT_OK(vmboot_info(debian(), &info));
	for (const char *p = info->uuid; *p; p++)
		if (*p != '-')
			id[n++] = *p;
	id[n] = '\0';
	vmboot_info_free(info);
	ASSERT_STR(run("cat /etc/machine-id"), id);
}

static void has_a_login_prompt(void)
{
	CU_ASSERT(console_says(debian(), "debian login:"));
	CU_ASSERT_PTR_NULL(strstr(boot_output(shared, VMBOOT_STREAM_CONSOLE), "vmboot: "));
}

/* ---- names and the network ---- */

static void can_be_renamed(void)
{
	ASSERT_STR(run("set -e; hostnamectl set-hostname other; uname -n; cat /etc/hostname; "
		       "hostnamectl set-hostname debian; uname -n"),
		   "other\nother\ndebian");
	ASSERT_STR(run("sed -i '$a192.0.2.7 seven' /etc/hosts && getent hosts seven"),
		   "192.0.2.7       seven");
}

/* No name is looked up, for what answers is the host's: what is asked is whether the server is known. */
static void resolved_knows_the_name_server(void)
{
	ASSERT_STR(run("readlink /etc/resolv.conf; systemctl is-active systemd-resolved"),
		   "../run/systemd/resolve/stub-resolv.conf\nactive");
	ASSERT_STR(run("grep '^nameserver' /run/systemd/resolve/resolv.conf"),
		   "nameserver 10.0.2.3");
	ASSERT_STR(run("getent hosts debian; ip -o -4 addr show dev eth0 | awk '{ print $4 }'"),
		   "127.0.1.1       debian\n10.0.2.15/24");
}

/* At the next boot; see reboots(). */
static void hands_the_network_to_networkd(void)
{
	run("systemctl enable --quiet systemd-networkd systemd-networkd-wait-online; "
	    "systemctl add-wants --quiet multi-user.target network-online.target");
}

static void networkd_has_the_network(void)
{
	ASSERT_STR(run("systemctl is-active network-online.target systemd-networkd-wait-online"),
		   "active\nactive");
	ASSERT_STR(run("networkctl status eth0 --no-pager | grep -E 'State: |DNS: ' | xargs"),
		   "State: routable (configured) DNS: 10.0.2.3");
	ASSERT_STR(
		run("ip -o -4 addr show dev eth0 | awk '{ print $4 }'; ip -4 route show default"),
		"10.0.2.15/24\ndefault via 10.0.2.2 dev eth0 proto static ");
	ASSERT_STR(run("grep '^nameserver' /run/systemd/resolve/resolv.conf"),
		   "nameserver 10.0.2.3");
	ASSERT_STR(run("systemctl --failed --no-legend --plain"), "");
	run("systemctl disable --quiet systemd-networkd systemd-networkd-wait-online; "
	    "rm /etc/systemd/system/multi-user.target.wants/network-online.target");
}

static double microseconds(const char *property)
{
	return strtod(run(test_path("systemctl show --value -p %s", property)), NULL);
}

/* systemd's clock is the kernel's, as ours is. It starts when its program is loaded. */
static void agrees_with_systemd_analyze(void)
{
	const struct vmboot_event *kernel, *program, *ready;
	double started = microseconds("UserspaceTimestampMonotonic");
	double finished = microseconds("FinishTimestampMonotonic"), handed, reached;
	struct vmboot_ledger *ledger;

	ASSERT_OK(vmboot_ledger(debian(), &ledger));
	kernel = boot_event(ledger, VMBOOT_PHASE_KERNEL);
	program = boot_event(ledger, VMBOOT_PHASE_PROGRAM);
	ready = boot_event(ledger, VMBOOT_PHASE_READY);
	CU_ASSERT_FATAL(kernel && program && ready);
	handed = (double)(program->end_us - kernel->start_us);
	reached = (double)(ready->end_us - kernel->start_us);
	printf("kernel and init: systemd %.0f ms, ledger %.0f ms; ready: %.0f ms, %.0f ms\n",
	       started / 1000, handed / 1000, finished / 1000, reached / 1000);
	CU_ASSERT(started >= handed && started < reached && started < finished);
	CU_ASSERT(finished < reached + BOOT_TIMEOUT_MS * 1e3); /* not another clock's */
	CU_ASSERT_PTR_NOT_NULL(strstr(run("systemd-analyze"), "Startup finished in"));
	vmboot_ledger_free(ledger);
}

/* ---- the agent as a unit ---- */

static void the_agent_works(void)
{
	struct vmboot_stat *st;

	ASSERT_STR(run("echo $FROM_REQUEST; pwd; id -u"), "yes\n/\n0");
	ASSERT_OK(vmboot_stat(debian(), "/etc/debian_version", true, &st));
	CU_ASSERT(st->exists);
	vmboot_stat_free(st);
	test_write(test_path("%s/up", test_tmpdir()), "there and back");
	ASSERT_OK(vmboot_copy_to(shared, test_path("%s/up", test_tmpdir()), "/root/up"));
	ASSERT_OK(vmboot_copy_from(shared, "/root/up", test_path("%s/down", test_tmpdir())));
	ASSERT_STR(test_read(test_path("%s/down", test_tmpdir())), "there and back");
	ASSERT_STR(run("systemctl show --value -p FragmentPath vmboot-agent"),
		   "/run/systemd/system/vmboot-agent.service");
	ASSERT_STR(run("systemctl is-active vmboot-agent"), "active");
	/* the overlay disk, of which nothing is mounted to be seen */
	ASSERT_STR(run("grep -c ext4 /proc/self/mounts; ls /run/vmboot/overlay/"),
		   "0\nlost+found\nnames\nupper\nwork");
}

static void debians_own_agent_is_skipped(void)
{
	ASSERT_STR(run("systemctl show --value -p ActiveState -p ConditionResult "
		       "qemu-guest-agent"),
		   "inactive\nno");
}

static void says_so_in_the_journal(void)
{
	CU_ASSERT_PTR_NOT_NULL(
		strstr(run("journalctl -b -t vmboot-agent -o cat"), "the port is open"));
}

/* Programs that were started through it go on. */
static void comes_again_when_it_is_killed(void)
{
	const char *pid = "systemctl show --value -p MainPID vmboot-agent";
	const char *first = run(pid);
	struct vmb_deadline until = vmb_deadline_in(BOOT_TIMEOUT_MS);

	run("setsid sleep 4711 >/dev/null 2>&1 </dev/null &");
	run("(sleep 0.5; kill -9 $(systemctl show --value -p MainPID vmboot-agent)) "
	    ">/dev/null 2>&1 </dev/null &");
	while (strcmp(first, "") != 0 && !vmb_deadline_passed(until)) {
		const char *const args[] = {"/bin/sh", "-c", pid, NULL};
		struct vmboot_exec_opts opts =
			VMBOOT_EXEC_OPTS(.args = args, .timeout_ms = BOOT_TIMEOUT_MS);
		struct vmboot_exec_result *result;

		/* one that runs while the agent ends has an error */
		if (vmboot_exec(shared, &opts, &result) < 0)
			continue;
		if (strncmp(result->out, first, strlen(first)) != 0)
			first = "";
		vmboot_exec_result_free(result);
	}
	ASSERT_STR(first, "");
	ASSERT_STR(run("systemctl show --value -p NRestarts vmboot-agent"), "1");
	ASSERT_STR(run("pgrep -x -f 'sleep 4711' | wc -l"), "1");
}

/* ---- a container ---- */

static void runs_a_container(void)
{
	ASSERT_STR(run("set -e; mkdir -p /root/b/rootfs; cd /root/b/rootfs\n"
		       "mkdir usr proc dev sys etc tmp\n"
		       "for l in bin lib lib64; do ln -s usr/$l $l; done\n"
		       "mount --bind /usr usr; cd ..; crun spec\n"
		       "sed -i 's/\"terminal\": true/\"terminal\": false/; "
		       "s/\"sh\"/\"sh\", \"-c\", \"echo $$ in $(hostname)\"/' config.json\n"
		       "crun run box; umount rootfs/usr"),
		   "1 in crun");
}

/* ---- ends ---- */

/* A boot's events begin when its init has found the port. */
static bool boots_anew(struct vmboot_vm *vm)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct pollfd p = {.fd = vmboot_event_fd(vm), .events = POLLIN};
	struct vmboot_ledger *ledger;
	bool over;

	do {
		ASSERT_OK(vmboot_dispatch(vm));
		ASSERT_OK(vmboot_ledger(vm, &ledger));
		over = boot_event(ledger, VMBOOT_PHASE_POWEROFF);
		vmboot_ledger_free(ledger);
	} while (over && poll(&p, 1, vmb_deadline_poll(deadline, -1)) > 0);
	return !over;
}

static void reboots(void)
{
	char *id = run("cat /etc/machine-id /proc/sys/kernel/random/boot_id");
	char *again;

	run("systemctl reboot");
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_POWEROFF, BOOT_TIMEOUT_MS));
	assert_event(shared, VMBOOT_PHASE_POWEROFF, "reboot");
	CU_ASSERT_FATAL(boots_anew(shared));
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_READY, BOOT_TIMEOUT_MS));
	again = run("cat /etc/machine-id /proc/sys/kernel/random/boot_id");
	CU_ASSERT(strncmp(id, again, 32) == 0); /* the same machine */
	CU_ASSERT(strcmp(id, again) != 0);	/* another boot */
}

/* The state of what is ours, once more at the next boots; see table(). */
static void leaves_a_probe(void)
{
	debian();
	ASSERT_OK(vmboot_copy_to(shared, TEST_SRCDIR "/boot/state.sh", "/root/state.sh"));
	run("cat >/etc/systemd/system/state.service <<END\n"
	    "[Unit]\nAfter=vmboot-agent.service\nDefaultDependencies=no\n"
	    "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'sh /root/state.sh >/dev/kmsg'\n"
	    "[Install]\nWantedBy=sysinit.target\nEND\n"
	    "systemctl enable --quiet state; sync");
}

static void stops_when_it_is_asked_to(void)
{
	const char *id = run("cat /etc/machine-id");
	int r;

	r = vmboot_stop(shared, BOOT_TIMEOUT_MS);
	CU_ASSERT_EQUAL(r, 0); /* it went by itself */
	assert_event(shared, VMBOOT_PHASE_POWEROFF, "poweroff");
	ASSERT_OK(vmboot_start(shared));
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_READY, BOOT_TIMEOUT_MS));
	ASSERT_STR(run("cat /etc/machine-id"), id);
	ASSERT_STR(run("systemctl --failed --no-legend --plain"), "");
}

static void tells_of_a_crash(void)
{
	debian();
	/* who starts it is told nothing: PID 1 is gone */
	run("kill -SEGV 1 & sleep 0.1");
	ASSERT_ERROR(vmboot_wait(shared, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS), VMBOOT_EBOOT,
		     "init system has crashed");
	/* what is there can be looked at */
	ASSERT_STR(run("systemctl is-system-running >/dev/null || echo gone"), "gone");
	ASSERT_OK(vmboot_stop(shared, 0));
}

static void powers_off_from_inside(void)
{
	debian();
	run("systemctl poweroff");
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS));
	assert_event(shared, VMBOOT_PHASE_POWEROFF, "poweroff");
}

/* As mmdebstrap's minbase with systemd-sysv and dbus, which brings neither udev nor kmod. */
static void takes_udev_and_kmod_away(void)
{
	debian();
	ASSERT_OK(vmboot_start(shared));
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_READY, BOOT_TIMEOUT_MS));
	run("rm /lib/systemd/systemd-udevd /bin/udevadm /bin/kmod /sbin/modprobe; "
	    "find /lib/systemd/system -name '*udev*' -delete; "
	    "systemctl disable --quiet state 2>/dev/null; sync");
}

static void waits_for_nothing_without_udev_and_kmod(void)
{
	ASSERT_OK(vmboot_start(shared));
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_READY, BOOT_TIMEOUT_MS));
	ASSERT_STR(run("systemctl is-system-running --wait"), "running");
	ASSERT_STR(run("journalctl -b --no-pager | grep -i 'timed out' || true"), "");
	ASSERT_STR(run("systemctl is-active serial-getty@ttyS0"), "active");
	ASSERT_STR(run("systemctl show --value -p ConditionResult kmod-static-nodes"), "no");
	/* what kmod would have made, and the kernel's own way to its modules */
	ASSERT_STR(run("stat -c %a /dev/fuse /dev/net/tun; : </dev/net/tun && test -e "
		       "/sys/module/tun"),
		   "666\n666");
	ASSERT_OK(vmboot_stop(shared, BOOT_TIMEOUT_MS));
}

/* ---- both skips, both modes ---- */

static void add_logged(struct vmb_buf *b, struct vmboot_vm *vm)
{
	static const enum vmboot_phase phases[] = {VMBOOT_PHASE_HEADERS, VMBOOT_PHASE_AGENT};
	const char *console = boot_output(vm, VMBOOT_STREAM_CONSOLE), *line = console;
	struct vmboot_ledger *ledger;

	ASSERT_OK(vmboot_ledger(vm, &ledger));
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		const struct vmboot_event *e = boot_event(ledger, phases[i]);

		vmb_buf_printf(b, "%-10s %s: %s\n", "ledger", vmboot_phase_name(phases[i]),
			       !e	    ? "none"
			       : *e->detail ? e->detail
					    : "there");
	}
	while ((line = strstr(line, "vmboot: "))) {
		vmb_buf_printf(b, "%-10s %.*s\n", "console", (int)strcspn(line, "\r\n"), line);
		line++;
	}
	vmboot_ledger_free(ledger);
}

/* The rows that state.sh wrote. */
static void add_state(struct vmb_buf *b, const char *text)
{
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "TABLE-END"));
	while ((text = strstr(text, "TABLE: "))) {
		text += strlen("TABLE: ");
		vmb_buf_printf(b, "%.*s\n", (int)strcspn(text, "\r\n"), text);
	}
}

static void add_exec(struct vmb_buf *b, struct vmboot_opts *opts)
{
	const char *const cmd[] = {"/bin/sh", "-c", test_read(TEST_SRCDIR "/boot/state.sh"), NULL};
	struct vmboot_vm *vm;

	opts->cmd = cmd;
	vm = boot_run(opts, 0);
	if (!opts->skip_guest_agent)
		ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	add_state(b, boot_output(vm, VMBOOT_STREAM_STDOUT));
	add_logged(b, vm);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* From the shared VM's disk: of what that had at its boots nothing may be left. */
static void add_systemd(struct vmb_buf *b, const struct vmboot_opts *opts)
{
	const char *from = test_path("%s/vms/debian/overlay.img", boot_store());
	const char *to = test_path("%s/vms/%s/overlay.img", boot_store(), opts->name);
	const char *const cp[] = {"cp", "--sparse=always", from, to, NULL};
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(opts, &vm));
	ASSERT_OK(vmboot_stop(vm, 0));
	ASSERT_OK(vmb_run(cp, NULL));
	ASSERT_OK(vmboot_start(vm));
	CU_ASSERT(console_says(vm, "TABLE-END"));
	if (!opts->skip_guest_agent)
		ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	add_state(b, boot_output(vm, VMBOOT_STREAM_CONSOLE));
	add_logged(b, vm);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void table(void)
{
	struct vmb_buf b = {0};
	struct vmboot_info *info;

	ASSERT_OK(vmboot_info(debian(), &info));
	if (info->state == VMBOOT_STATE_RUNNING) { /* only this test was asked for */
		leaves_a_probe();
		ASSERT_OK(vmboot_stop(shared, BOOT_TIMEOUT_MS));
	}
	vmboot_info_free(info);
	for (int i = 0; i < 8; i++) {
		const bool systemd = i >= 4;
		struct vmboot_opts opts = init_opts(test_path("table-%d", i), "debian");

		opts.skip_kernel_headers = i & 2;
		opts.skip_guest_agent = i & 1;
		vmb_buf_printf(&b, "%s%s, %s, %s\n", i ? "\n" : "", systemd ? "systemd" : "exec",
			       opts.skip_kernel_headers ? "skip_kernel_headers" : "headers",
			       opts.skip_guest_agent ? "skip_guest_agent" : "agent");
		if (systemd)
			add_systemd(&b, &opts);
		else
			add_exec(&b, &opts);
	}
	test_golden("boot/table.txt", b.data);
	vmb_buf_done(&b);
}

/* ---- another init system, in a root of another shape ---- */

/* Once the agent is another one; an answer that is lost with the old one is none. */
static bool answers_otherwise(struct vmboot_vm *vm, const char *script, const char *before)
{
	const struct vmboot_exec_opts opts = boot_sh(script);
	struct vmb_deadline until = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct vmboot_exec_result *result;
	bool other = false;

	while (!other && !vmb_deadline_passed(until)) {
		if (vmboot_exec(vm, &opts, &result) < 0)
			continue;
		other = *result->out && strncmp(result->out, before, strlen(before)) != 0;
		vmboot_exec_result_free(result);
	}
	return other;
}

static void busybox_as_init(void)
{
	const char *tar = test_path("%s/busybox.tar", test_tmpdir());
	const char *const argv[] = {"sh", TEST_SRCDIR "/boot/mkbusybox.sh", tar, NULL};
	struct vmboot_opts opts = init_opts("busybox", "busybox"), where = boot_where();
	struct vmboot_vm *vm;
	const char *agent, *find = "grep -l ^vmboot-agent /proc/[0-9]*/cmdline || true";
	int r;

	ASSERT_OK(vmb_run(argv, NULL));
	ASSERT_OK(vmboot_image_import(&where, test_path("tar:%s", tar), "busybox", NULL));
	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_READY, BOOT_TIMEOUT_MS));
	CU_ASSERT(console_says(vm, "the services of busybox run"));
	ASSERT_STR(run_in(vm, "readlink /proc/1/exe; hostname; ls /run"),
		   "/sbin/init\nbusybox\nmachine-id\nvmboot");
	agent = run_in(vm, find);
	run_in(vm, "(sleep 0.5; kill -9 $(grep -l ^vmboot-agent /proc/[0-9]*/cmdline | "
		   "cut -d/ -f3)) >/dev/null 2>&1 </dev/null &");
	CU_ASSERT(answers_otherwise(vm, find, agent));
	r = vmboot_stop(vm, BOOT_TIMEOUT_MS);
	CU_ASSERT_EQUAL(r, 0);
	CU_ASSERT(console_says(vm, "the services end"));
	assert_event(vm, VMBOOT_PHASE_POWEROFF, "power button");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

BOOT_MAIN("boot/systemd", {"reaches its default target", reaches_its_default_target},
	  {"puts off only what nobody waits for", puts_off_only_what_nobody_waits_for},
	  {"finds a machine", finds_a_machine}, {"has the VM's machine-id", has_the_vms_machine_id},
	  {"has a login prompt", has_a_login_prompt}, {"can be renamed", can_be_renamed},
	  {"resolved knows the name server", resolved_knows_the_name_server},
	  {"agrees with systemd-analyze", agrees_with_systemd_analyze},
	  {"the agent works", the_agent_works},
	  {"Debian's own agent is skipped", debians_own_agent_is_skipped},
	  {"the agent says so in the journal", says_so_in_the_journal},
	  {"the agent comes again when it is killed", comes_again_when_it_is_killed},
	  {"runs a container", runs_a_container},
	  {"hands the network to networkd", hands_the_network_to_networkd}, {"reboots", reboots},
	  {"networkd has the network", networkd_has_the_network},
	  {"leaves a probe", leaves_a_probe},
	  {"stops when it is asked to", stops_when_it_is_asked_to},
	  {"tells of a crash", tells_of_a_crash}, {"table of both skips", table},
	  {"takes udev and kmod away", takes_udev_and_kmod_away},
	  {"powers off from inside", powers_off_from_inside},
	  {"waits for nothing without udev and kmod", waits_for_nothing_without_udev_and_kmod},
	  {"busybox as init", busybox_as_init})
