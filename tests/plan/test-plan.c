/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "opts/opts.h"
#include "plan/cmdline.h"
#include "test.h"

static const char *plan_json(const struct vmboot_opts *opts, struct vmb_facts facts)
{
	_cleanup_plan_ struct vmb_plan plan = test_plan(opts, facts);
	_cleanup_free_ char *json = NULL;

	ASSERT_OK(vmb_plan_json(&plan, &json));
	return test_path("%s", json);
}

/* The request's check, the image's in Docker's three forms, and none. */
static void checks_of_health(void)
{
	static const struct {
		const char *asked, *test[4], *expected[4];
	} rows[] = {
		{NULL, {NULL}, {NULL}},
		{NULL, {"NONE"}, {NULL}},
		{NULL, {"CMD", "curl", "-f"}, {"curl", "-f"}},
		{NULL, {"CMD-SHELL", "exit 1"}, {"/bin/sh", "-c", "exit 1"}},
		{"true", {"CMD", "curl"}, {"/bin/sh", "-c", "true"}},
		{"none", {"CMD", "curl"}, {NULL}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct vmboot_opts o =
			VMBOOT_OPTS(.health_cmd = rows[i].asked, .health_timeout = "2s",
				    .health_retries = 7);
		struct vmb_image_health image = {.test = (char **)(uintptr_t)rows[i].test,
						 .interval_ms = 5000,
						 .timeout_ms = 1000,
						 .retries = 2};
		_cleanup_settings_ struct vmb_settings s = {0};
		struct vmb_guest_config config = {0};
		size_t n = 0;

		ASSERT_OK(vmb_settings_make(&o, &image, &s));
		vmb_settings_fill(&s, &config);
		for (; rows[i].expected[n]; n++)
			ASSERT_STR(config.health_cmd[n], rows[i].expected[n]);
		CU_ASSERT_EQUAL(vmb_list_len(config.health_cmd), n);
		CU_ASSERT_EQUAL(config.health_interval_ms, n ? 5000 : 0);
		CU_ASSERT_EQUAL(config.health_timeout_ms, n ? 2000 : 0);
		CU_ASSERT_EQUAL(config.health_retries, n ? 7 : 0);
	}
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void a_plain_request(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "my-instance", .image = "node:20");

	test_golden("plan/plain.json", plan_json(&o, test_facts()));
}

/* Everything that a caller can ask for, and an image that is not there yet. */
static void everything_asked_for(void)
{
	static const char *const entrypoint[] = {"/bin/sh", "-c", NULL};
	static const char *const cmd[] = {"echo \"$A\"; exit 7", NULL};
	static const char *const env[] = {"A=a b", "PATH=/bin", NULL};
	const struct vmboot_opts o =
		VMBOOT_OPTS(.name = "all", .image = "oci:/srv/web", .skip_kernel_headers = true,
			    .skip_guest_agent = true, .vcpus = 4, .memory_mib = 2048,
			    .overlay_mib = 64, .entrypoint = entrypoint, .cmd = cmd, .env = env,
			    .workdir = "/srv", .user = "1000:www",
			    .on_exit = VMBOOT_ON_EXIT_POWEROFF, .network = VMBOOT_NETWORK_USER,
			    .kernel_args = "loglevel=7 x=y", .ephemeral = true, .debug = true,
			    .skip_module_signatures = true, .log_max_mib = 2, .shm_size = "64m",
			    .tmpfs = LIST("/cache:size=1m"),
			    .sysctl = LIST("kernel.domainname=x y"), .ulimit = LIST("nofile=64"),
			    .ttl = "1h30m", .read_only = true);
	struct vmb_facts f = test_facts();

	f.accel = VMBOOT_ACCEL_KVM;
	f.image.present = false;
	f.kernel_direct = false;
	test_facts_set(&f.kernel_copy, "/var/lib/vmboot/kernels/6.1.0-9-amd64-0123abcd/vmlinuz");
	free(TAKE_PTR(f.firmware));
	test_golden("plan/everything.json", plan_json(&o, f));
}

static void an_agent_of_the_images(void)
{
	const struct vmboot_opts o =
		VMBOOT_OPTS(.name = "a", .image = "node:20", .guest_agent = VMBOOT_AGENT_IMAGE);

	CU_ASSERT_PTR_NOT_NULL(strstr(plan_json(&o, test_facts()), "\"guest_agent\": \"image\""));
}

static void an_init_system(void)
{
	static const char *const cmd[] = {"/sbin/init", NULL};
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "sys", .image = "debian", .cmd = cmd);
	struct vmb_facts f = test_facts();

	vmb_list_free(f.image.config.entrypoint);
	f.image.config.entrypoint = NULL;
	test_golden("plan/systemd.json", plan_json(&o, f));
}

static void same_input_same_bytes(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "a", .image = "b");
	const char *first = plan_json(&o, test_facts());

	ASSERT_STR(plan_json(&o, test_facts()), first);
}

static void who_is_pid_1(void)
{
	static const struct {
		const char *program;
		enum vmboot_init_mode asked, expected;
	} rows[] = {
		{"/sbin/init", VMBOOT_INIT_AUTO, VMBOOT_INIT_SYSTEMD},
		{"/usr/sbin/init", VMBOOT_INIT_AUTO, VMBOOT_INIT_SYSTEMD},
		{"/bin/init", VMBOOT_INIT_AUTO, VMBOOT_INIT_SYSTEMD},
		{"/init", VMBOOT_INIT_AUTO, VMBOOT_INIT_PID1},
		{"/init", VMBOOT_INIT_SYSTEMD, VMBOOT_INIT_SYSTEMD},
		{"/lib/systemd/systemd", VMBOOT_INIT_AUTO, VMBOOT_INIT_SYSTEMD},
		{"/usr/lib/systemd/systemd", VMBOOT_INIT_AUTO, VMBOOT_INIT_SYSTEMD},
		{"/bin/systemd", VMBOOT_INIT_AUTO, VMBOOT_INIT_SYSTEMD},
		{"/usr/bin/systemd", VMBOOT_INIT_AUTO, VMBOOT_INIT_SYSTEMD},
		{"/sbin/openrc-init", VMBOOT_INIT_AUTO, VMBOOT_INIT_SYSTEMD},
		{"/usr/sbin/openrc-init", VMBOOT_INIT_AUTO, VMBOOT_INIT_SYSTEMD},
		/* helpers that container images run are no init systems */
		{"/sbin/tini", VMBOOT_INIT_AUTO, VMBOOT_INIT_EXEC},
		{"/usr/bin/dumb-init", VMBOOT_INIT_AUTO, VMBOOT_INIT_EXEC},
		{"/sbin/init2", VMBOOT_INIT_AUTO, VMBOOT_INIT_EXEC},
		{"/opt/sbin/init", VMBOOT_INIT_AUTO, VMBOOT_INIT_EXEC},
		{"/bin/sh", VMBOOT_INIT_AUTO, VMBOOT_INIT_EXEC},
		{"/sbin/init", VMBOOT_INIT_EXEC, VMBOOT_INIT_EXEC},
		{"/bin/sh", VMBOOT_INIT_SYSTEMD, VMBOOT_INIT_SYSTEMD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *const entrypoint[] = {rows[i].program, NULL};
		const struct vmboot_opts o =
			VMBOOT_OPTS(.name = "a", .image = "b", .entrypoint = entrypoint,
				    .init_mode = rows[i].asked);
		_cleanup_plan_ struct vmb_plan plan = test_plan(&o, test_facts());
		_cleanup_free_ struct vmb_guest_config *config = malloc(sizeof(*config));

		CU_ASSERT_EQUAL(plan.init_mode, rows[i].expected);
		ASSERT_OK(vmb_plan_guest_config(&plan, config));
		CU_ASSERT_EQUAL(config->init_mode, rows[i].expected);
	}
}

/* Each of the two skips and on_exit reaches the guest by itself. */
static void switches_reach_the_guest(void)
{
	for (unsigned bits = 0; bits < 8; bits++) {
		const struct vmboot_opts o =
			VMBOOT_OPTS(.name = "a", .image = "b", .skip_kernel_headers = bits & 1,
				    .skip_guest_agent = bits & 2,
				    .on_exit = bits & 4 ? VMBOOT_ON_EXIT_POWEROFF
							: VMBOOT_ON_EXIT_KEEP);
		_cleanup_plan_ struct vmb_plan plan = test_plan(&o, test_facts());
		_cleanup_free_ struct vmb_guest_config *config = malloc(sizeof(*config));

		ASSERT_OK(vmb_plan_guest_config(&plan, config));
		CU_ASSERT_EQUAL(config->skip_kernel_headers, (bits & 1) != 0);
		CU_ASSERT_EQUAL(config->skip_guest_agent, (bits & 2) != 0);
		CU_ASSERT_EQUAL(config->on_exit,
				bits & 4 ? VMBOOT_ON_EXIT_POWEROFF : VMBOOT_ON_EXIT_KEEP);
		ASSERT_STR(config->hostname, "a");
		ASSERT_STR(config->disks[0].fstype, "squashfs");
	}
}

/* What each case adds to the words that every boot has; the caller's come last. */
static void the_callers_kernel_arguments_come_last(void)
{
#define ALL "console=ttyS0 panic=-1 cryptomgr.notests"
	static const struct {
		const char *args;
		bool debug;
		unsigned vcpus, memory_mib;
		enum vmboot_accel accel;
		unsigned tsc_khz;
		const char *expected;
		bool skip_module_signatures;
	} rows[] = {
		{NULL, false, 1, 512, VMBOOT_ACCEL_KVM, 0, ALL " quiet", false},
		{"", false, 4, 2815, VMBOOT_ACCEL_KVM, 0, ALL " quiet", false},
		{NULL, false, 1, 512, VMBOOT_ACCEL_TCG, 0,
		 ALL " no_timer_check noreplace-smp noapictimer quiet", false},
		{NULL, false, 2, 512, VMBOOT_ACCEL_TCG, 2596110,
		 ALL " no_timer_check quiet tsc_early_khz=2596110", false},
		{"swiotlb=force", false, 1, 2816, VMBOOT_ACCEL_KVM, 1,
		 ALL " swiotlb=2048 quiet swiotlb=force", false},
		{"panic=0 a", false, 1, 512, VMBOOT_ACCEL_KVM, 0, ALL " quiet panic=0 a", false},
		{"quiet", true, 1, 512, VMBOOT_ACCEL_KVM, 0, ALL " vmboot.debug vmboot-trace quiet",
		 false},
		{"a", false, 1, 512, VMBOOT_ACCEL_KVM, 0,
		 ALL " quiet vmboot.skip_module_signatures a", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct vmboot_opts o =
			VMBOOT_OPTS(.name = "a", .image = "b", .vcpus = rows[i].vcpus,
				    .memory_mib = rows[i].memory_mib, .kernel_args = rows[i].args,
				    .debug = rows[i].debug,
				    .skip_module_signatures = rows[i].skip_module_signatures);
		const struct vmb_facts f = {.kernel.arch = vmb_arch_find("x86_64"),
					    .accel = rows[i].accel,
					    .tsc_khz = rows[i].tsc_khz};
		_cleanup_free_ char *line = NULL;

		ASSERT_OK(vmb_cmdline(&o, &f, &line));
		ASSERT_STR(line, rows[i].expected);
	}
#undef ALL
}

static void files_of_a_vm(void)
{
	_cleanup_plan_files_ struct vmb_plan_files f = {0};

	ASSERT_OK(vmb_plan_files("/s", "a-1", &f));
	ASSERT_STR(f.folder, "/s/vms/a-1");
	ASSERT_STR(f.overlay, "/s/vms/a-1/overlay.img");
	ASSERT_STR(f.config, "/s/vms/a-1/config.img");
	ASSERT_STR(f.console, "/s/vms/a-1/console.log");
	ASSERT_STR(f.out, "/s/vms/a-1/stdout.log");
	ASSERT_STR(f.err, "/s/vms/a-1/stderr.log");
	ASSERT_STR(f.events, "/s/vms/a-1/events");
	ASSERT_STR(f.ledger, "/s/vms/a-1/ledger");
}

/* Facts are taken over in any case, and nothing is returned of a plan that cannot be. */
static int make(const struct vmboot_opts *opts, struct vmb_facts facts)
{
	static const struct vmb_facts empty;
	struct vmb_plan plan = {0};
	struct vmboot_opts own;
	int r;

	ASSERT_OK(vmb_opts_read(opts, true, &own));
	r = vmb_plan_make(&own, &facts, &plan);
	CU_ASSERT_EQUAL(memcmp(&facts, &empty, sizeof(empty)), 0);
	CU_ASSERT_EQUAL(plan.name != NULL, r == 0);
	vmb_plan_done(&plan);
	return r;
}

static const char *const *many(size_t n, const char *fmt)
{
	const char **list = test_alloc((n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		char *s = test_alloc(32);

		snprintf(s, 32, "%.8s%zu=", fmt, i);
		list[i] = s;
	}
	return list;
}

/* Each is counted with its 0 and a pointer, as exec(2) does. */
static void as_many_as_linux_takes(void)
{
	const size_t most = (VMB_CONFIG_STRINGS_MAX - 8192) / (sizeof("V100000=") + 8);
	const struct vmboot_opts full =
		VMBOOT_OPTS(.name = "a", .image = "b", .env = many(most - 1000, "V"));
	const struct vmboot_opts over =
		VMBOOT_OPTS(.name = "a", .image = "b", .env = many(most + 12000, "V"));
	const struct vmboot_opts args =
		VMBOOT_OPTS(.name = "a", .image = "b", .entrypoint = many(50000, "x"),
			    .cmd = many(100000, "x"));

	ASSERT_OK(make(&full, test_facts()));
	ASSERT_ERROR(make(&over, test_facts()), E2BIG, "larger than Linux takes");
	ASSERT_ERROR(make(&args, test_facts()), E2BIG, "larger than Linux takes");
}

static void too_much_in_all_is_refused(void)
{
	const char **env = test_alloc(17 * sizeof(*env));
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "a", .image = "b", .env = env);

	for (int i = 0; i < 16; i++) {
		char *s = test_alloc(131072);

		memset(s, 'x', 131071);
		s[0] = (char)('A' + i);
		s[1] = '=';
		env[i] = s;
	}
	ASSERT_ERROR(make(&o, test_facts()), E2BIG, "larger than Linux takes, 2088960 bytes");
	env[15] = NULL;
	ASSERT_OK(make(&o, test_facts()));
}

static void an_image_without_a_program_needs_one(void)
{
	static const char *const cmd[] = {"true", NULL}, *const none[] = {NULL};
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "a", .image = "b", .entrypoint = none);
	const struct vmboot_opts given =
		VMBOOT_OPTS(.name = "a", .image = "b", .entrypoint = none, .cmd = cmd);

	ASSERT_ERROR(make(&o, test_facts()), VMBOOT_EIMAGE, "has no entrypoint or cmd");
	ASSERT_OK(make(&given, test_facts()));
}

static void memory_must_hold_the_kernel(void)
{
	static const struct {
		bool direct;
		unsigned vcpus, least;
	} rows[] = {{true, 1, 74}, {true, 4, 77}, {false, 1, 82}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct vmboot_opts enough =
			VMBOOT_OPTS(.name = "a", .image = "b", .vcpus = rows[i].vcpus,
				    .memory_mib = rows[i].least);
		const struct vmboot_opts less =
			VMBOOT_OPTS(.name = "a", .image = "b", .vcpus = rows[i].vcpus,
				    .memory_mib = rows[i].least - 1);
		struct vmb_facts f;

		for (int k = 0; k < 2; k++) {
			f = test_facts();
			f.kernel.memory = 53968896;
			f.initramfs_bytes = 1089300;
			f.kernel_direct = rows[i].direct;
			if (k == 0)
				ASSERT_OK(make(&enough, f));
			else
				ASSERT_ERROR(
					make(&less, f), VMBOOT_EOPTS,
					test_path("memory_mib: %u MiB cannot hold the kernel "
						  "6.1.0-9-amd64 (51 MiB) and its initramfs; the "
						  "least is %u",
						  rows[i].least - 1, rows[i].least));
		}
		ASSERT_STR(vmboot_last_error()->field, "memory_mib");
	}
}

/* ---- disks ---- */

static void the_kernels_letters(void)
{
	static const struct {
		unsigned number;
		const char *target;
	} rows[] = {{0, "vda"},	  {1, "vdb"},	{25, "vdz"},   {26, "vdaa"},
		    {51, "vdaz"}, {52, "vdba"}, {701, "vdzz"}, {702, "vdaaa"}};
	char target[8];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		vmb_disk_target(rows[i].number, target);
		ASSERT_STR(target, rows[i].target);
	}
}

static const char *disks_of(const struct vmb_guest_config *c)
{
	const char *all = "";

	for (size_t i = 0; i < c->n_disks; i++) {
		const struct vmb_config_disk *d = &c->disks[i];

		all = test_path("%s%s %s %s %s %s\n", all, d->serial, d->target, d->fstype,
				d->options, d->point);
	}
	return all;
}

/* init waits for the first three of them before it can read this. */
static void the_guest_is_told_of_each_disk(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "a", .image = "b");
	const struct vmb_disk volume = {
		.serial = "vmboot-vol-1",
		.file = "/srv/data.img",
		.format = "qcow2",
		.fstype = "xfs",
		.point = "/srv/my data",
		.options = "nosuid",
		.writable = true,
	};
	_cleanup_plan_ struct vmb_plan plan = test_plan(&o, test_facts());
	_cleanup_free_ struct vmb_guest_config *config = malloc(sizeof(*config));
	_cleanup_free_ char *json = NULL;

	ASSERT_OK(vmb_plan_add_disk(&plan, &volume));
	ASSERT_OK(vmb_plan_guest_config(&plan, config));
	ASSERT_STR(disks_of(config), "vmboot-root vda squashfs ro lower\n"
				     "vmboot-overlay vdb ext4 rw,noatime,noinit_itable overlay\n"
				     "vmboot-config vdc none ro none\n"
				     "vmboot-kernel vdd squashfs ro kernel\n"
				     "vmboot-vol-1 vde xfs rw,nofail,nosuid /srv/my data\n");
	ASSERT_OK(vmb_plan_json(&plan, &json));
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"file\": \"/srv/data.img\""));
}

/* Importing the image, for one, renews the facts, while the disks are to be as planned. */
static void facts_that_change_later_change_no_disk(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "a", .image = "b");
	_cleanup_plan_ struct vmb_plan plan = test_plan(&o, test_facts());

	plan.facts.image.fstype[0] = 'X';
	plan.facts.image.disk[0] = 'X';
	plan.facts.kernel_disk[0] = 'X';
	plan.files.overlay[0] = 'X';
	ASSERT_STR(plan.disks[0].fstype, "squashfs");
	for (size_t i = 0; i < plan.n_disks; i++)
		CU_ASSERT_EQUAL(plan.disks[i].file[0], '/');
}

static void too_many_disks_are_refused(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "a", .image = "b");
	const struct vmb_disk volume = {.serial = "vmboot-vol-1",
					.file = "/v",
					.format = "raw",
					.fstype = "none",
					.point = "none"};
	_cleanup_plan_ struct vmb_plan plan = test_plan(&o, test_facts());

	while (plan.n_disks < VMB_CONFIG_DISKS_MAX)
		ASSERT_OK(vmb_plan_add_disk(&plan, &volume));
	ASSERT_STR(plan.disks[plan.n_disks - 1].target, "vdbt");
	ASSERT_ERROR(vmb_plan_add_disk(&plan, &volume), E2BIG, "more than 72 disks");
}

static void what_the_guest_config_cannot_hold_of_a_disk(void)
{
	const struct vmboot_opts o = VMBOOT_OPTS(.name = "a", .image = "b");
	_cleanup_free_ struct vmb_guest_config *config = malloc(sizeof(*config));
	_cleanup_plan_ struct vmb_plan plan = test_plan(&o, test_facts());
	char options[125];

	memset(options, 'o', 124);
	options[124] = '\0';
	plan.disks[0].options = options;
	plan.disks[0].serial = "serial-of-20-bytes-x";
	ASSERT_OK(vmb_plan_guest_config(&plan, config));
	plan.disks[0].serial = "serial-of-21-bytes-xy";
	ASSERT_ERROR(vmb_plan_guest_config(&plan, config), E2BIG, "serial-of-21-bytes-xy");
	plan.disks[0].serial = "s";
	plan.disks[0].required = false;
	ASSERT_ERROR(vmb_plan_guest_config(&plan, config), E2BIG, "mount options of the disk s");
}

TEST_MAIN("plan/plan", {"checks of health", checks_of_health}, {"a plain request", a_plain_request},
	  {"everything asked for", everything_asked_for},
	  {"an agent of the image's", an_agent_of_the_images}, {"an init system", an_init_system},
	  {"same input, same bytes", same_input_same_bytes}, {"who is PID 1", who_is_pid_1},
	  {"switches reach the guest", switches_reach_the_guest},
	  {"the caller's kernel arguments come last", the_callers_kernel_arguments_come_last},
	  {"memory must hold the kernel", memory_must_hold_the_kernel},
	  {"files of a VM", files_of_a_vm}, {"the kernel's letters", the_kernels_letters},
	  {"the guest is told of each disk", the_guest_is_told_of_each_disk},
	  {"facts that change later change no disk", facts_that_change_later_change_no_disk},
	  {"too many disks are refused", too_many_disks_are_refused},
	  {"what the guest config cannot hold of a disk",
	   what_the_guest_config_cannot_hold_of_a_disk},
	  {"as many as Linux takes", as_many_as_linux_takes},
	  {"too much in all is refused", too_much_in_all_is_refused},
	  {"an image without a program needs one", an_image_without_a_program_needs_one})
