/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an administrator of the host does with a VM by libvirt's own tools, and what the library does of
 * the same: pause, save, restore, snapshots, removal. One boot on the system's libvirt; where no daemon
 * runs, the program runs its own.
 */
#include <libvirt/libvirt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "boot.h"

enum { DAEMON_MS = 120000, STOOD_STILL_MS = 3000, SECOND_US = 1000000 };

static char pid_files[64];
static bool own_daemon;
static struct vmboot_vm *vm;
static const char *name;

static const char *const daemons[] = {"virtlogd", "libvirtd"};

static bool answers(void)
{
	virConnectPtr c = virConnectOpen("qemu:///system");

	if (c)
		virConnectClose(c);
	return c;
}

static void start_daemons(void)
{
	struct vmb_deadline deadline = vmb_deadline_in(DAEMON_MS);

	strcpy(pid_files, "/tmp/vmbt-pid-XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(pid_files) != NULL);
	if (answers())
		return;
	own_daemon = true;
	for (size_t i = 0; i < ARRAY_SIZE(daemons); i++) {
		const char *file = test_path("%s/%s.pid", pid_files, daemons[i]);
		const char *const argv[] = {daemons[i], "-d", "-p", file, NULL};

		ASSERT_OK(vmb_run(argv, NULL));
	}
	while (!answers() && !vmb_deadline_passed(deadline))
		poll(NULL, 0, 50);
	CU_ASSERT_FATAL(answers());
}

static void stop_daemons(void)
{
	for (size_t i = ARRAY_SIZE(daemons); own_daemon && i-- > 0;) {
		struct vmb_deadline deadline = vmb_deadline_in(DAEMON_MS);
		pid_t pid = (pid_t)atol(test_read(test_path("%s/%s.pid", pid_files, daemons[i])));

		kill(pid, SIGTERM);
		while (kill(pid, 0) == 0 && !vmb_deadline_passed(deadline))
			poll(NULL, 0, 20);
	}
	ASSERT_OK(vmb_rm_rf(pid_files));
}

/* ---- events ---- */

static struct vmboot_events *events;

/* The types that come, up to the last of them. */
static const char *types_up_to(const char *last)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct pollfd p = {.fd = vmboot_events_fd(events), .events = POLLIN};
	const char *types = "";
	char *json, type[32];
	int r;

	while (!vmb_deadline_passed(deadline)) {
		r = vmboot_events_next(events, &json);
		ASSERT_OK(r);
		if (r == 0) {
			poll(&p, 1, vmb_deadline_poll(deadline, 1000));
			continue;
		}
		CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"name\": \"host\""));
		CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"team\": \"b=c\""));
		CU_ASSERT_EQUAL_FATAL(
			sscanf(strstr(json, "\"type\""), "\"type\": \"%31[a-z]", type), 1);
		vmboot_free(json);
		types = test_path("%s%s ", types, type);
		if (strcmp(type, last) == 0)
			break;
	}
	return types;
}

static void begin(void)
{
	struct vmboot_opts opts = boot_opts(
		"host", "echo up; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo on; sleep 1000");

	static const char *const label[] = {"team=b=c", NULL}, *const env[] = {"SECRET=1", NULL};

	opts.label = label;
	struct vmboot_opts where = boot_where();

	opts.env = env;
	start_daemons();
	ASSERT_OK(vmboot_events_open(&where, &events));
	ASSERT_OK(vmboot_create(&opts, &vm));
	name = "host";
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	ASSERT_STR(types_up_to("program"), "created started program ");
}

static bool inspect_has(const char *words)
{
	char *json;
	bool has;

	ASSERT_OK(vmboot_inspect(vm, &json));
	has = strstr(json, words);
	if (!has)
		fprintf(stderr, "no %s in %s\n", words, json);
	vmboot_free(json);
	return has;
}

/* The request with its secrets, which are in a file that is its owner's only. */
static void is_inspected(void)
{
	const char *request = test_path("%s/vms/%s/request.json", boot_store(), name);
	struct vmboot_info *info;
	struct stat st;

	CU_ASSERT(inspect_has("\"state\": \"running\""));
	CU_ASSERT(inspect_has("\"team\": \"b=c\""));
	CU_ASSERT(inspect_has("\"SECRET=1\""));
	CU_ASSERT(inspect_has("\"last_phase\": \"agent\""));
	CU_ASSERT(inspect_has("\"vmboot-overlay\""));
	CU_ASSERT_EQUAL(stat(request, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL(st.st_uid, geteuid());
	ASSERT_OK(vmboot_info(vm, &info));
	ASSERT_STR(info->labels[0], "team=b=c");
	CU_ASSERT_PTR_NULL(info->labels[1]);
	vmboot_info_free(info);
	CU_ASSERT_EQUAL(unlink(request), 0);
	CU_ASSERT(inspect_has("\"request\": null"));
}

static void is_measured(void)
{
	struct vmboot_opts where = boot_where();
	char *json;

	ASSERT_OK(vmboot_stats(&where, VMBOOT_STATS_GUEST, &json));
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"name\": \"host\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"memory_limit\": 268435456"));
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "\"available\""));
	CU_ASSERT_PTR_NULL(strstr(json, "\"cpu_ns\": 0"));
	CU_ASSERT_PTR_NULL(strstr(json, "\"disk_read\": 0"));
	vmboot_free(json);
	ASSERT_OK(vmboot_top(vm, &json));
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "/tmp/go"));
	CU_ASSERT_PTR_NULL(strstr(json, "kthreadd"));
	vmboot_free(json);
}

static void end(void)
{
	boot_destroy_all();
	stop_daemons();
}

static void virsh(const char *command)
{
	const char *const argv[] = {"virsh", "-q", "-c", "qemu:///system", command, name, NULL};

	ASSERT_OK(vmb_run(argv, NULL));
}

static const char *in_guest(const char *script)
{
	struct vmboot_exec_opts opts = boot_sh(script);
	struct vmboot_exec_result *result;
	const char *text;

	ASSERT_OK(vmboot_exec(vm, &opts, &result));
	CU_ASSERT_EQUAL(result->exit_code, 0);
	text = test_path("%s", result->out);
	vmboot_exec_result_free(result);
	return text;
}

/* How far the guest's clock is behind; at most, for asking takes time. */
static int64_t lag_us(void)
{
	int64_t guest = atoll(in_guest("date +%s")) * SECOND_US;

	return vmb_realtime_us() - guest;
}

/* date shows whole seconds, and an emulated guest on a busy machine takes its time to show them. */
static bool is_right(void)
{
	int64_t before = vmb_realtime_us(), lag = lag_us();

	return lag < 2 * SECOND_US + (vmb_realtime_us() - before) && lag > -SECOND_US;
}

static bool becomes_right(void)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);

	while (!is_right() && !vmb_deadline_passed(deadline))
		poll(NULL, 0, 100);
	return is_right();
}

static enum vmboot_state state(void)
{
	struct vmboot_info *info;
	enum vmboot_state found;

	ASSERT_OK(vmboot_info(vm, &info));
	found = info->state;
	vmboot_info_free(info);
	return found;
}

/* The guest sleeps: nothing but the agent's own look sets its clock. */
static void the_clock_is_right_after_virsh_resume(void)
{
	CU_ASSERT(becomes_right());
	virsh("suspend");
	CU_ASSERT_EQUAL(state(), VMBOOT_STATE_PAUSED);
	poll(NULL, 0, STOOD_STILL_MS);
	virsh("resume");
	CU_ASSERT(becomes_right());
	ASSERT_STR(types_up_to("unpaused"), "paused unpaused ");
}

static void the_clock_is_right_after_unpause(void)
{
	ASSERT_OK(vmboot_pause(vm));
	CU_ASSERT_EQUAL(state(), VMBOOT_STATE_PAUSED);
	poll(NULL, 0, STOOD_STILL_MS);
	ASSERT_OK(vmboot_unpause(vm));
	CU_ASSERT_EQUAL(state(), VMBOOT_STATE_RUNNING);
	CU_ASSERT(is_right());
	ASSERT_STR(types_up_to("unpaused"), "paused unpaused ");
}

static int64_t end_of(const struct vmboot_ledger *ledger, enum vmboot_phase phase)
{
	const struct vmboot_event *event = boot_event(ledger, phase);

	CU_ASSERT_PTR_NOT_NULL_FATAL(event);
	return event->end_us;
}

/* A new handle, as another process would have it after the host was started again. */
static void open_again(void)
{
	struct vmboot_opts where = boot_where();

	vmboot_close(vm);
	ASSERT_OK(vmboot_open(&where, name, &vm));
}

static void a_managed_save_goes_on_with_its_boot(void)
{
	struct vmboot_ledger *before, *after;

	open_again();
	ASSERT_OK(vmboot_ledger(vm, &before));
	virsh("managedsave");
	CU_ASSERT_EQUAL(state(), VMBOOT_STATE_STOPPED);
	poll(NULL, 0, STOOD_STILL_MS);
	open_again();
	ASSERT_OK(vmboot_start(vm));
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "up\n");
	in_guest("touch /tmp/go");
	CU_ASSERT(becomes_right());
	open_again();
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_ledger(vm, &after));
	CU_ASSERT(end_of(after, VMBOOT_PHASE_RESUMED) >
		  end_of(after, VMBOOT_PHASE_PROGRAM) + (int64_t)STOOD_STILL_MS * 1000);
	CU_ASSERT_EQUAL(end_of(after, VMBOOT_PHASE_PROGRAM), end_of(before, VMBOOT_PHASE_PROGRAM));
	CU_ASSERT_PTR_NULL(boot_event(after, VMBOOT_PHASE_STOPPED));
	vmboot_ledger_free(before);
	vmboot_ledger_free(after);
	ASSERT_STR(types_up_to("restored"), "paused stopped restored ");
}

/* libvirt's record of one; making it would need tools that not each host has. */
static void record_snapshot(void)
{
	virConnectPtr c = virConnectOpen("qemu:///system");
	virDomainPtr d = virDomainLookupByName(c, name);
	virDomainSnapshotPtr snapshot;
	char *xml;

	ASSERT_OK(vmboot_xml(vm, &xml));
	snapshot = virDomainSnapshotCreateXML(
		d,
		test_path("<domainsnapshot><name>s</name><creationTime>1</creationTime>"
			  "<state>shutoff</state>%s</domainsnapshot>",
			  xml),
		VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE);
	CU_ASSERT_PTR_NOT_NULL(snapshot);
	virDomainSnapshotFree(snapshot);
	virDomainFree(d);
	virConnectClose(c);
	vmboot_free(xml);
}

static void what_libvirt_keeps_goes_with_the_vm(void)
{
	virsh("managedsave");
	record_snapshot();
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	boot_assert_nothing_left(name);
	ASSERT_STR(types_up_to("removed"), "paused stopped removed ");
	vmboot_events_close(events);
}

int main(void)
{
	static const struct test_case cases[] = {
		{"a VM of the system's libvirt", begin},
		{"is inspected", is_inspected},
		{"is measured", is_measured},
		{"the clock is right after virsh resume", the_clock_is_right_after_virsh_resume},
		{"the clock is right after unpause", the_clock_is_right_after_unpause},
		{"a managed save goes on with its boot", a_managed_save_goes_on_with_its_boot},
		{"what libvirt keeps goes with the VM", what_libvirt_keeps_goes_with_the_vm},
		{"and all is stopped again", end},
	};
	int r;

	if (geteuid() != 0)
		test_skip("qemu:///system needs root here");
	boot_set_uri("qemu:///system");
	boot_setup();
	r = test_run("boot/host", cases, sizeof(cases) / sizeof(cases[0]));
	boot_teardown();
	return r;
}
