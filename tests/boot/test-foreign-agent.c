/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest whose image brings an agent of its own, Debian's qemu-ga: what our client can do with it,
 * and what it says where it cannot. The tests share a VM, and the agent in it ends now and then.
 */
#include <libvirt/libvirt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "boot.h"

/* No udev runs here to name the port. An agent that ended is started again two seconds later. */
#define AGENT                                                                                      \
	"for p in /sys/class/virtio-ports/*; do "                                                  \
	"  test \"$(cat $p/name)\" = org.qemu.guest_agent.0 && port=/dev/${p##*/}; done; "         \
	"while :; do "                                                                             \
	"  /usr/sbin/qemu-ga -m virtio-serial -p $port -t /run $(cat /run/args 2>/dev/null); "     \
	"  echo agent ended; sleep 2; done"

enum { IN_TIME_MS = BOOT_TIMEOUT_MS };

static struct vmboot_vm *shared;

/* The VM that tests share, with an agent in it. */
static struct vmboot_vm *vm(void)
{
	static const char *const env[] = {"FROM_REQUEST=yes", NULL};
	struct vmboot_opts opts = boot_opts("foreign", AGENT);

	if (!shared) {
		boot_import_debian();
		opts.image = "debian";
		opts.guest_agent = VMBOOT_AGENT_IMAGE;
		opts.env = env;
		ASSERT_OK(vmboot_create(&opts, &shared));
	}
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	return shared;
}

/* The result, freed when the program ends: few are large. */
static const struct vmboot_exec_result *run(const struct vmboot_exec_opts *opts)
{
	static struct vmboot_exec_result *last;

	vmboot_exec_result_free(last);
	last = NULL;
	ASSERT_OK(vmboot_exec(vm(), opts, &last));
	return last;
}

static const struct vmboot_exec_result *run_sh(const char *script)
{
	const struct vmboot_exec_opts opts = boot_sh(script);

	return run(&opts);
}

/* ---- the way to it ---- */

static void the_choice_goes_all_the_way(void)
{
	const struct vmboot_event *event;
	struct vmboot_ledger *ledger;
	char *xml = NULL;

	ASSERT_OK(vmboot_xml(vm(), &xml));
	CU_ASSERT_PTR_NOT_NULL(strstr(xml, "<vmboot:guest_agent>image<"));
	CU_ASSERT_PTR_NOT_NULL(strstr(xml, "'org.qemu.guest_agent.0' state='connected'"));
	CU_ASSERT_PTR_NULL(strstr(xml, "org.vmboot.stream.0"));
	vmboot_free(xml);
	ASSERT_OK(vmboot_ledger(vm(), &ledger));
	event = boot_event(ledger, VMBOOT_PHASE_AGENT);
	CU_ASSERT_PTR_NOT_NULL_FATAL(event);
	ASSERT_STR(event->detail, "the image brings its own agent");
	vmboot_ledger_free(ledger);
	CU_ASSERT_PTR_NOT_NULL(strstr(boot_output(vm(), VMBOOT_STREAM_CONSOLE),
				      "vmboot: the image brings its own agent"));
	/* and nothing of ours runs but init */
	ASSERT_STR(run_sh("grep -lz vmboot /proc/[0-9]*/comm | wc -l")->out, "0\n");
}

/* Another process' handle knows it from the metadata. */
static void another_handle_knows(void)
{
	struct vmboot_exec_opts opts = boot_sh("exit 3");
	struct vmboot_exec_result *result = NULL;
	struct vmboot_opts where = boot_where();
	struct vmboot_vm *fresh = NULL;

	ASSERT_OK(vmboot_open(&where, vmboot_name(vm()), &fresh));
	ASSERT_OK(vmboot_wait(fresh, VMBOOT_PHASE_AGENT, 0));
	ASSERT_OK(vmboot_exec(fresh, &opts, &result));
	CU_ASSERT_EQUAL(result->exit_code, 3);
	vmboot_exec_result_free(result);
	vmboot_close(fresh);
}

/* ---- programs ---- */

static void how_programs_end(void)
{
	const char *const missing[] = {"/no/such", NULL}, *const folder[] = {"/etc", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = missing);
	const struct vmboot_exec_result *result = run_sh("echo out; echo err >&2; exit 255");
	struct vmboot_exec_result *none = NULL;

	CU_ASSERT_EQUAL(result->exit_code, 255);
	CU_ASSERT_EQUAL(result->exit_signal, 0);
	ASSERT_STR(result->out, "out\n");
	ASSERT_STR(result->err, "err\n");
	result = run_sh("kill -TERM $$");
	CU_ASSERT_EQUAL(result->exit_code, -1);
	CU_ASSERT_EQUAL(result->exit_signal, SIGTERM);
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &none), ENOENT, "/no/such");
	opts.args = folder;
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &none), EACCES, "/etc");
	opts.user = "nobody";
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &none), ENOTSUP, "another user");
}

/* Laid over that of the VM's program, as with our own agent. */
static void the_environment(void)
{
	static const char *const env[] = {"A=a b", "B=", NULL};
	static const char *const over[] = {"FROM_REQUEST=no", NULL};
	struct vmboot_exec_opts opts = boot_sh("echo \"$A-$B-$FROM_REQUEST\"; command -v ls");

	ASSERT_STR(run(&opts)->out, "--yes\n/usr/bin/ls\n");
	opts.env = env;
	ASSERT_STR(run(&opts)->out, "a b--yes\n/usr/bin/ls\n");
	opts.env = over;
	ASSERT_STR(run(&opts)->out, "--no\n/usr/bin/ls\n");
}

static void input_and_output_are_bytes(void)
{
	enum { N = 65536 };
	struct vmboot_exec_opts opts = boot_sh("cat; head -c 5 /dev/zero >&2");
	const struct vmboot_exec_result *result;
	const char *args[] = {"/bin/sh", "-c", NULL, NULL};
	struct vmboot_exec_result *none = NULL;
	uint8_t *bytes = test_alloc(N + 1);

	for (size_t i = 0; i < N; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	opts.input = bytes;
	opts.input_size = N;
	result = run(&opts);
	CU_ASSERT_EQUAL_FATAL(result->out_size, N);
	CU_ASSERT_EQUAL(memcmp(result->out, bytes, N), 0);
	CU_ASSERT_EQUAL(result->err_size, 5);
	CU_ASSERT_FALSE(result->out_cut);
	opts.output_max = 1000;
	result = run(&opts);
	CU_ASSERT_EQUAL(result->out_size, 1000);
	CU_ASSERT(result->out_cut);
	CU_ASSERT_FALSE(result->err_cut);
	CU_ASSERT_EQUAL(run_sh("head -c 4000000 /dev/zero")->out_size, 4000000);
	opts.input_size = N + 1;
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &none), ENOTSUP, "input of over 64 KiB");
	args[2] = test_alloc(200000);
	memset((char *)(uintptr_t)args[2], 'x', 199999);
	opts = (struct vmboot_exec_opts)VMBOOT_EXEC_OPTS(.args = args);
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &none), E2BIG, "over 131072 bytes");
}

static void a_deadline_is_met(void)
{
	struct vmboot_exec_opts opts = boot_sh("trap '' TERM; echo begun; while :; do :; done");
	struct vmboot_exec_result *result;
	int64_t began = vmb_monotonic_us();

	opts.timeout_ms = 300;
	result = boot_time_out(vm(), opts);
	CU_ASSERT(result->timed_out);
	CU_ASSERT_EQUAL(result->exit_signal, SIGKILL);
	ASSERT_STR(result->out, "begun\n");
	CU_ASSERT(vmb_monotonic_us() - began >= 300000);
	vmboot_exec_result_free(result);
}

/* ---- what it lacks ---- */

static void streams_and_copies_say_what_is_lacking(void)
{
	const struct vmboot_exec_opts opts = boot_sh("echo never >/run/never");
	struct vmboot_exec_opts tty = opts;
	const int fds[3] = {-1, STDOUT_FILENO, STDERR_FILENO};
	int status = -1;

	tty.tty = true;
	ASSERT_ERROR(vmboot_exec_stream(vm(), &opts, fds, -1, &status), ENOTSUP, "(qemu-ga 7.2.");
	CU_ASSERT(test_error_is(-ENOTSUP, "cannot pass on what a program reads and writes"));
	ASSERT_ERROR(vmboot_exec_stream(vm(), &tty, fds, -1, &status), ENOTSUP,
		     "cannot give a program a terminal: it has no port org.vmboot.stream.0");
	ASSERT_ERROR(vmboot_copy_to(vm(), "/etc/hosts", "/run"), ENOTSUP,
		     "cannot copy files with their owners, modes and times");
	ASSERT_ERROR(vmboot_copy_from(vm(), "/etc/debian_version", test_tmpdir()), ENOTSUP,
		     "cannot copy files with their owners, modes and times");
	CU_ASSERT_EQUAL(status, -1);
	CU_ASSERT_EQUAL(run_sh("test -e /run/never")->exit_code, 1);
}

/* It has no such command, so the guest's own program is asked, if there is one. */
static void stat_asks_the_guests_own(void)
{
	struct vmboot_stat *st = NULL;

	run_sh("ln -sf /etc/passwd /run/link; touch -d @1234567 /run/file; chmod 4751 /run/file");
	ASSERT_OK(vmboot_stat(vm(), "/run/file", false, &st));
	CU_ASSERT(st->exists && st->mode == (S_IFREG | 04751) && st->uid == 0 && st->bytes == 0);
	CU_ASSERT_EQUAL(st->mtime_ns, 1234567000000000);
	vmboot_stat_free(st);
	ASSERT_OK(vmboot_stat(vm(), "/run/link", false, &st));
	CU_ASSERT(S_ISLNK(st->mode));
	ASSERT_STR(st->target, "/etc/passwd");
	vmboot_stat_free(st);
	ASSERT_OK(vmboot_stat(vm(), "/run/link", true, &st));
	CU_ASSERT(S_ISREG(st->mode));
	vmboot_stat_free(st);
	ASSERT_OK(vmboot_stat(vm(), "/no/such", true, &st));
	CU_ASSERT_FALSE(st->exists);
	vmboot_stat_free(st);
	st = NULL;
	run_sh("mv /usr/bin/stat /usr/bin/stat.away");
	ASSERT_ERROR(vmboot_stat(vm(), "/run/file", false, &st), ENOENT,
		     "has no __org.vmboot_stat, and the guest's own stat cannot be asked");
	CU_ASSERT(test_error_is(-ENOENT, "(qemu-ga 7.2."));
	CU_ASSERT_PTR_NULL(st);
	run_sh("mv /usr/bin/stat.away /usr/bin/stat");
}

/* ---- an agent that goes and comes ---- */

/* Its call ends when the agent does, not at its deadline. */
static void kill_agent(const char *before)
{
	const struct vmboot_exec_opts opts =
		boot_sh(test_path("%s kill -KILL $PPID; sleep 1000", before));
	struct vmboot_exec_result *result = NULL;

	ASSERT_ERROR(vmboot_exec(vm(), &opts, &result), VMBOOT_ENOAGENT,
		     "the program was started, but how it went cannot be known");
	CU_ASSERT_PTR_NULL(result);
}

static void one_that_is_killed_and_comes_again(void)
{
	struct vmboot_exec_opts opts = boot_sh("echo again");
	struct vmboot_exec_result *result = NULL;

	kill_agent("");
	ASSERT_ERROR(vmboot_wait(shared, VMBOOT_PHASE_AGENT, 0), ETIMEDOUT,
		     "phase agent was not reached");
	ASSERT_ERROR(vmboot_exec(shared, &opts, &result), VMBOOT_ENOAGENT, "no agent answers");
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_AGENT, IN_TIME_MS));
	ASSERT_STR(run(&opts)->out, "again\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(boot_output(shared, VMBOOT_STREAM_STDOUT), "agent ended"));
}

/*
 * libvirt takes replies of 10 MiB, and then nothing more from that agent. When the agent has sent
 * that much, the program waits as long again, for libvirt to have it all, and sees to it that
 * another comes.
 */
static void one_that_says_too_much(void)
{
	const struct vmboot_exec_opts much =
		boot_sh("agent=$PPID; (read -r began rest </proc/uptime; "
			"while w=$(grep ^wchar /proc/$agent/io); "
			"test ${w#*: } -lt 10500000; do sleep 0.2; done; "
			"read -r now rest </proc/uptime; sleep $((3 + ${now%.*} - ${began%.*})); "
			"kill -KILL $agent) >/dev/null 2>&1 & head -c 8000000 /dev/zero");
	const struct vmboot_exec_opts little = boot_sh("exit 4");
	struct vmb_deadline until = vmb_deadline_in(IN_TIME_MS);
	struct vmboot_exec_result *result = NULL;
	int r;

	ASSERT_ERROR(vmboot_exec(vm(), &much, &result), VMBOOT_EGUEST,
		     "says more at once than libvirt takes");
	/* until libvirt's own thread has noted that the agent is broken, it repeats itself */
	do
		r = vmboot_exec(vm(), &little, &result);
	while (r == -VMBOOT_EGUEST && !vmb_deadline_passed(until));
	ASSERT_ERROR(r, VMBOOT_ENOAGENT, "due to an error");
	while (!result && !vmb_deadline_passed(until)) {
		usleep(100000);
		(void)vmboot_exec(shared, &little, &result);
	}
	CU_ASSERT(result && result->exit_code == 4);
	vmboot_exec_result_free(result);
}

/* As some distributions ship it. */
static void one_that_may_not_run_programs(void)
{
	struct vmboot_exec_opts opts = boot_sh("echo never");
	struct vmboot_exec_result *result = NULL;
	struct vmboot_stat *st = NULL;

	kill_agent("echo -b guest-exec >/run/args;");
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_AGENT, IN_TIME_MS));
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &result), ENOTSUP, "has disabled guest-exec");
	ASSERT_ERROR(vmboot_stat(vm(), "/", false, &st), ENOTSUP, "has no __org.vmboot_stat");
}

/* ---- one that never comes ---- */

static void none_at_all(void)
{
	struct vmboot_opts opts = boot_opts("none", "sleep 1000");
	struct vmboot_exec_opts exec = boot_sh("echo never");
	struct vmboot_exec_result *result = NULL;
	struct vmboot_vm *none;

	opts.guest_agent = VMBOOT_AGENT_IMAGE;
	ASSERT_OK(vmboot_create(&opts, &none));
	ASSERT_OK(vmboot_wait(none, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	ASSERT_ERROR(vmboot_wait(none, VMBOOT_PHASE_AGENT, 100), ETIMEDOUT, "in time");
	ASSERT_ERROR(vmboot_exec(none, &exec, &result), VMBOOT_ENOAGENT, "no agent answers");
	CU_ASSERT_EQUAL(vmboot_stop(none, 0), 1);
	ASSERT_ERROR(vmboot_wait(none, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS), VMBOOT_EENDED,
		     "before that happened");
	ASSERT_OK(vmboot_destroy(none));
	vmboot_close(none);
}

static void the_end(void)
{
	vmboot_close(shared);
	shared = NULL;
}

BOOT_MAIN("foreign-agent", {"the choice goes all the way", the_choice_goes_all_the_way},
	  {"another handle knows", another_handle_knows}, {"how programs end", how_programs_end},
	  {"the environment", the_environment},
	  {"input and output are bytes", input_and_output_are_bytes},
	  {"a deadline is met", a_deadline_is_met},
	  {"streams and copies say what is lacking", streams_and_copies_say_what_is_lacking},
	  {"stat asks the guest's own", stat_asks_the_guests_own},
	  {"one that is killed and comes again", one_that_is_killed_and_comes_again},
	  {"one that says too much", one_that_says_too_much},
	  {"one that may not run programs", one_that_may_not_run_programs},
	  {"none at all", none_at_all}, {"the end", the_end})
