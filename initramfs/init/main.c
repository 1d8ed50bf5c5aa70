/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent.h"
#include "init.h"
#include "wire/disks.h"

enum { LAST_WORDS_MS = 200, PROBE_MS = 500 };

/*
 * The boot, from first to last, and what the failure of a phase means. Every failure is told to the
 * host and on the console, and ends in power-off.
 */
static const struct phase {
	enum vmboot_phase phase;
	int (*run)(struct init *init, struct init_report *report);
	const char *failure;
} phases[] = {
	{VMBOOT_PHASE_MOUNTS, init_mounts, "the kernel lacks devtmpfs, proc or sysfs"},
	{VMBOOT_PHASE_MODULES, init_modules, "a module is damaged or another kernel's"},
	{VMBOOT_PHASE_SETTLE_ROOT, init_settle_root, "the domain lacks the root disk"},
	{VMBOOT_PHASE_SETTLE_OVERLAY, init_settle_overlay, "the domain lacks the overlay disk"},
	{VMBOOT_PHASE_SETTLE_CONFIG, init_settle_config, "the domain lacks the config disk"},
	{VMBOOT_PHASE_CONFIG, init_config, "the config disk is damaged or of another version"},
	{VMBOOT_PHASE_ROOT, init_root, "the root disk is damaged or not of that type"},
	{VMBOOT_PHASE_HEADERS, init_headers, "the kernel disk cannot be used"},
	{VMBOOT_PHASE_OVERLAY, init_overlay, "the overlay disk is damaged or full"},
	{VMBOOT_PHASE_NETWORK, init_network, "the kernel lacks what lo needs"},
	{VMBOOT_PHASE_SWITCH, init_switch, "the image has something else where mounts go"},
	{VMBOOT_PHASE_SETTINGS, init_settings, "the guest cannot have what the request asks for"},
	{VMBOOT_PHASE_AGENT, init_agent, "the agent did not start"},
	{VMBOOT_PHASE_PROGRAM, init_program, "the image cannot run what it was asked to"},
};

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE 4
#endif

static int load_module(int fd)
{
	if (syscall(SYS_finit_module, fd, "", 0) == 0)
		return 0;
	/* "not an ELF file": then it is compressed, which kernels from 5.17 on take */
	if (errno != ENOEXEC)
		return -errno;
	return syscall(SYS_finit_module, fd, "", MODULE_INIT_COMPRESSED_FILE) < 0 ? -errno : 0;
}

static int load_bytes(const void *module, size_t n)
{
	return syscall(SYS_init_module, module, n, "") < 0 ? -errno : 0;
}

static int become(const struct init_user *user)
{
	if (setgroups(user->n_groups, user->groups) < 0 || setgid(user->gid) < 0 ||
	    setuid(user->uid) < 0)
		return -errno;
	return 0;
}

static int do_mount(const char *source, const char *target, const char *type, unsigned long flags,
		    const char *data)
{
	return mount(source, target, type, flags, data) < 0 ? -errno : 0;
}

/* On a machine where this program is not PID 1, -1 would be everybody. */
static void kill_rest(int sig)
{
	if (getpid() == 1)
		kill(-1, sig);
}

/* PID 1 must not end, or the kernel panics: also when power-off fails. */
static void power_off(int how)
{
	if (getpid() != 1)
		_exit(1);
	for (;;) {
		reboot(how);
		pause();
	}
}

static const struct init_ops real = {load_module, load_bytes, become,	 do_mount,
				     mknod,	  kill_rest,  power_off, agent_streams_give_up};

/* 0 or -errno; the events say the rest. */
static int run_phase(struct init *init, const struct phase *phase)
{
	struct init_report report = {0};
	uint64_t start = init_now_us();
	int r = phase->run(init, &report);

	if (r == INIT_LATER)
		return 0;
	init_tell(init, phase->phase, start, r, &report);
	if (r < 0)
		init_log(init, "powering off: %s", phase->failure);
	return r;
}

static void boot(struct init *init)
{
	struct init_report report = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(phases); i++) {
		r = run_phase(init, &phases[i]);
		if (init->probe && phases[i].phase == VMBOOT_PHASE_MODULES) {
			init->why = "the probe ended";
			init_ports_wait(init, vmb_deadline_in(PROBE_MS));
			return;
		}
	}
	if (r == 0)
		init_modules_late(init);
	if (r == 0 && init->config.init_mode == VMBOOT_INIT_SYSTEMD) {
		uint64_t start = init_now_us();

		r = init_hand_over(init, &report);
		init_tell(init, VMBOOT_PHASE_PROGRAM, start, r, &report);
	}
	if (r == 0) {
		init_devices_late(init);
		init_agent_start(init);
		init->acpi = init_acpi_open();
		init_serve(init);
		return;
	}
	init->why = "the boot failed";
	init_ports_wait(init, vmb_deadline_in(LAST_WORDS_MS));
	init_shell(init);
}

/* What else this program is, by the name it is called by. */
static const struct {
	const char *name;
	int (*run)(struct init *init, int argc, char **argv);
} roles[] = {
	{AGENT_NAME, agent_main},
	{INIT_READY_NAME, init_ready_main},
	{INIT_LATER_NAME, init_later_main},
	{INIT_GENERATOR_NAME, init_generator_main},
	{INIT_SHUTDOWN_NAME, init_shutdown_main},
	{INIT_MODPROBE_NAME, init_modprobe_main},
	{INIT_MODPROBE_FILE, init_modprobe_main},
	{INIT_SELF, init_modprobe_main},
};

/* The first of the kernel's words for its init; see trace.c. */
static void take_word(struct init *init, char **argv)
{
	if (strcmp(argv[1], VMB_CMDLINE_TRACE) == 0)
		init_trace_begin(argv[0]);
	if (strcmp(argv[1], INIT_TRACED) == 0)
		init->trace = init_trace_go_on();
}

int main(int argc, char **argv)
{
	static uint8_t config_bytes[VMB_CONFIG_BLOCK + VMB_CONFIG_SIZE_MAX];
	static const struct init_report none;
	static struct init init;
	sigset_t all;

	for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(roles); i++)
		if (strcmp(argv[0], roles[i].name) == 0) {
			init_setup(&init, "", &real);
			return roles[i].run(&init, argc, argv);
		}
	if (getpid() != 1) {
		init.console = STDERR_FILENO;
		init_log(&init, "this is a guest's PID 1; it does not run on a host");
		return 1;
	}
	init_setup(&init, "", &real);
	if (argc > 1)
		take_word(&init, argv);
	init.config_bytes = config_bytes;
	init_tell(&init, VMBOOT_PHASE_KERNEL, 0, 0, &none);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	init_catch_crashes(&init);
	reboot(RB_DISABLE_CAD); /* Ctrl-Alt-Del comes as SIGINT */
	boot(&init);
	init_power_off(&init);
	return 1;
}
