/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "guest.h"
#include "test.h"

/*
 * A process that does what PID 1 does from the program's start to power-off. It is a subreaper, so
 * orphans come to it as they come to PID 1.
 */
struct vm {
	struct init *init;
	pid_t pid;
	int events, out, err;
};

static void pid1(struct init *init)
{
	struct init_report report = {0};
	uint64_t start = init_now_us();
	int r;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); /* what the test's own parent left open */
	r = init_program(init, &report);
	init_tell(init, VMBOOT_PHASE_PROGRAM, start, r, &report);
	if (r == 0)
		init_serve(init);
	init_power_off(init);
	_exit(0);
}

static struct vm vm_start(struct init *init)
{
	struct vm vm = {.init = init};
	int events[2], out[2], err[2];

	CU_ASSERT_FATAL(pipe2(events, O_NONBLOCK) == 0 && pipe2(out, 0) == 0 && pipe2(err, 0) == 0);
	fcntl(out[1], F_SETFL, O_NONBLOCK);
	fcntl(err[1], F_SETFL, O_NONBLOCK);
	vm.pid = fork();
	if (vm.pid == 0) {
		close(events[0]);
		close(out[0]);
		close(err[0]);
		init->events.fd = init->ports[INIT_PORT_EVENTS] = events[1];
		init->ports[INIT_PORT_STDOUT] = out[1];
		init->ports[INIT_PORT_STDERR] = err[1];
		pid1(init);
	}
	close(events[1]);
	close(out[1]);
	close(err[1]);
	vm.events = events[0];
	vm.out = out[0];
	vm.err = err[0];
	return vm;
}

/* Waits for the event of a phase. */
static bool vm_event(struct vm *vm, enum vmboot_phase phase, struct vmb_event *ret)
{
	struct vmb_deadline until = vmb_deadline_in(GUEST_MS);

	while (!vmb_deadline_passed(until)) {
		struct pollfd p = {.fd = vm->events, .events = POLLIN};

		if (poll(&p, 1, 100) > 0 && !guest_event(vm->events, ret))
			return false;
		if (p.revents && ret->phase == phase)
			return true;
	}
	return false;
}

/* All that comes until the other end closes, or until the text is there. */
static const char *vm_read(int fd, const char *text)
{
	struct vmb_deadline until = vmb_deadline_in(GUEST_MS);
	char buf[8192];
	size_t n = 0;
	ssize_t r;

	buf[0] = '\0';
	while (n < sizeof(buf) - 1 && !vmb_deadline_passed(until)) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (poll(&p, 1, 100) <= 0)
			continue;
		r = read(fd, buf + n, sizeof(buf) - 1 - n);
		if (r <= 0)
			break;
		n += (size_t)r;
		buf[n] = '\0';
		if (text && strstr(buf, text))
			break;
	}
	return test_path("%s", buf);
}

static void vm_end(struct vm *vm)
{
	struct vmb_deadline until = vmb_deadline_in(GUEST_MS);
	int status = -1;
	pid_t pid;

	while ((pid = waitpid(vm->pid, &status, WNOHANG)) == 0 && !vmb_deadline_passed(until))
		usleep(1000);
	if (pid == 0) {
		kill(vm->pid, SIGKILL);
		waitpid(vm->pid, NULL, 0);
	}
	CU_ASSERT_EQUAL(pid, vm->pid);
	CU_ASSERT_EQUAL(status, 0);
	close(vm->events);
	close(vm->out);
	close(vm->err);
	guest_free(vm->init);
}

static struct init *guest_with(const char *command)
{
	struct init *init = guest_new();

	init->config = (struct vmb_guest_config){
		.hostname = "web",
		.init_mode = VMBOOT_INIT_EXEC,
		.on_exit = VMBOOT_ON_EXIT_POWEROFF,
		.kernel_note = "",
		.user = "",
		.workdir = "/",
		.args = TEST_LIST("/bin/sh", "-c", command),
		.env = TEST_LIST(NULL),
	};
	return init;
}

/* The exit event's value of a shell command. */
static int64_t run(const char *command)
{
	struct vm vm = vm_start(guest_with(command));
	struct vmb_event e = {0};

	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_PROGRAM, &e));
	CU_ASSERT_EQUAL(e.error, 0);
	CU_ASSERT(e.value > 1);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	vm_end(&vm);
	return e.value;
}

static void codes_and_signals_are_told(void)
{
	CU_ASSERT_EQUAL(run("exit 0"), 0);
	CU_ASSERT_EQUAL(run("exit 137"), 137);
	CU_ASSERT_EQUAL(run("kill -KILL $$"), 256 + SIGKILL);
	CU_ASSERT_EQUAL(run("kill -SEGV $$"), 256 + SIGSEGV);
}

static void how_it_ends_is_told(void)
{
	struct vm vm = vm_start(guest_with("exit 0"));
	struct vmb_event e = {0};

	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_POWEROFF, &e));
	CU_ASSERT_EQUAL(e.value, VMBOOT_POWEROFF_OFF);
	ASSERT_STR(e.detail, "the program ended");
	vm_end(&vm);
	vm = vm_start(guest_with("exec sleep 1000"));
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_PROGRAM, &e));
	kill(vm.pid, SIGPWR);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(e.value, 256 + SIGTERM);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_POWEROFF, &e));
	ASSERT_STR(e.detail, "SIGPWR came");
	vm_end(&vm);
}

/* ---- restarts ---- */

static struct init *guest_restarting(const char *policy, const char *command)
{
	struct init *init = guest_with(command);

	init->config.restart = policy;
	return init;
}

static void a_failed_program_is_started_again(void)
{
	struct vm vm = vm_start(guest_restarting("on-failure:2", "echo run; exit 3"));
	struct vmb_event e = {0};

	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_PROGRAM, &e));
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_RESTART, &e));
	CU_ASSERT_EQUAL(e.value, 3);
	ASSERT_STR(e.detail, "attempt 1 after 100 ms");
	CU_ASSERT(e.end_us >= e.start_us + 100000);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_RESTART, &e));
	ASSERT_STR(e.detail, "attempt 2 after 200 ms");
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(e.value, 3);
	ASSERT_STR(vm_read(vm.out, NULL), "run\nrun\nrun\n");
	vm_end(&vm);
	vm = vm_start(guest_restarting("on-failure", "exit 0"));
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(e.value, 0);
	vm_end(&vm);
}

static void a_stop_ends_restarts(void)
{
	struct init *init = guest_restarting("always", "test -e made || { >made; exit 0; }; "
						       "trap 'exit 9' TERM; echo on; "
						       "while :; do sleep 0.1; done");
	struct vmb_event e = {0};
	struct vm vm;

	vm = vm_start(init);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_RESTART, &e));
	CU_ASSERT_EQUAL(e.value, 0);
	ASSERT_STR(vm_read(vm.out, "on"), "on\n");
	kill(vm.pid, SIGPWR);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(e.value, 9);
	vm_end(&vm);
	/* and one between two attempts: what cannot be run waits longer and longer */
	vm = vm_start(guest_restarting("always", "exit 5"));
	for (int i = 0; i < 4; i++)
		CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_RESTART, &e));
	kill(vm.pid, SIGPWR);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT(e.value == 5 || e.value == 256 + SIGTERM); /* which had just started */
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_POWEROFF, &e));
	vm_end(&vm);
}

/* ---- health ---- */

static struct init *guest_checked(const char *check)
{
	struct init *init = guest_with("trap 'exit 0' TERM; while :; do sleep 0.1; done");

	init->config.health_cmd = TEST_LIST("/bin/sh", "-c", check);
	init->config.health_interval_ms = 20;
	init->config.health_timeout_ms = GUEST_MS;
	init->config.health_retries = 2;
	return init;
}

/* Each change is told once, however often it is checked. */
static void changes_of_health_are_told(void)
{
	struct vm vm = vm_start(guest_checked("test ! -e sick"));
	struct vmb_event e = {0};

	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_HEALTHY, &e));
	guest_write(vm.init, "", "sick");
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_UNHEALTHY, &e));
	CU_ASSERT_EQUAL(e.value, 1);
	ASSERT_STR(e.detail, "2 checks in a row failed");
	CU_ASSERT_EQUAL(unlink(test_path("%s/sick", vm.init->root)), 0);
	CU_ASSERT(guest_event(vm.events, &e));
	CU_ASSERT_EQUAL(e.phase, VMBOOT_PHASE_HEALTHY);
	kill(vm.pid, SIGPWR);
	CU_ASSERT(guest_event(vm.events, &e));
	CU_ASSERT_EQUAL(e.phase, VMBOOT_PHASE_EXIT);
	CU_ASSERT_EQUAL(e.value, 0);
	vm_end(&vm);
}

static void a_check_that_hangs_has_failed(void)
{
	struct init *init = guest_checked("sleep 1000");
	struct vmb_event e = {0};
	struct vm vm;

	init->config.health_timeout_ms = 50;
	vm = vm_start(init);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_UNHEALTHY, &e));
	CU_ASSERT_EQUAL(e.value, 256 + SIGKILL);
	kill(vm.pid, SIGPWR);
	vm_end(&vm);
	/* what cannot be run has, too; but not while it may still start */
	init = guest_checked("");
	init->config.health_cmd = TEST_LIST("/nowhere/check");
	vm = vm_start(init);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_UNHEALTHY, &e));
	kill(vm.pid, SIGPWR);
	vm_end(&vm);
	init = guest_checked(
		"test -e well || { echo >>tries; test $(wc -l <tries) -lt 6 || >well; false; }");
	init->config.health_start_period_ms = GUEST_MS;
	vm = vm_start(init);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_PROGRAM, &e));
	CU_ASSERT(guest_event(vm.events, &e));
	CU_ASSERT_EQUAL(e.phase, VMBOOT_PHASE_HEALTHY);
	kill(vm.pid, SIGPWR);
	vm_end(&vm);
}

/* ---- out of memory ---- */

#define KMSG(text) "3,723,5000000,-;" text "\n"

static void reads_the_kernels_word(void)
{
	static const char *const bad[] = {
		"",
		"3,1,5,-",
		KMSG("Killed process 7 (x)"),
		KMSG("init: Out of memory: Killed process 7 (x)"),
		/* of a program, by /dev/kmsg */
		"12,723,5000000,-;Out of memory: Killed process 7 (x) total-vm:1kB\n",
		KMSG("Out of memory: Killed process x (x)"),
		KMSG("Out of memory: Killed process 7 (a name that is longer than any name can "
		     "be)"),
	};
	struct init_oom oom;

	CU_ASSERT(init_oom_parse(KMSG("Out of memory: Killed process 7 (a b) total-vm:1kB"), &oom));
	CU_ASSERT(oom.pid == 7 && oom.us == 5000000);
	ASSERT_STR(oom.name, "a b");
	CU_ASSERT(init_oom_parse(KMSG("Memory cgroup out of memory: Killed process 8 (x)"), &oom));
	CU_ASSERT_EQUAL(oom.pid, 8);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_FALSE(init_oom_parse(bad[i], &oom));
}

static void an_end_for_want_of_memory_is_told(void)
{
	static const char *const commands[] = {"exit 137", "kill -KILL $$", "exit 0"};
	struct vmb_event e = {0};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		struct init *init = guest_with(commands[i]);
		struct vm vm;

		guest_write(init,
			    test_path("3,1,%llu,-;Out of memory: Killed process 7 (node) x\n",
				      (unsigned long long)init_now_us() + 60000000),
			    "dev/kmsg");
		vm = vm_start(init);
		CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
		ASSERT_STR(e.detail, i < 2 ? "out of memory: the kernel killed node (7)" : "");
		vm_end(&vm);
	}
}

/* A program that is ended for a reboot has no end: it starts again. */
static void a_reboot_is_no_exit(void)
{
	struct init *init = guest_with("exec sleep 1000");
	struct vmb_event e = {0};
	int pair[2];
	struct vm vm;

	CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	init->agent.control = pair[0];
	vm = vm_start(init);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_PROGRAM, &e));
	CU_ASSERT_EQUAL(send(pair[1], "R", 1, 0), 1); /* what the agent says */
	CU_ASSERT(guest_event(vm.events, &e));
	CU_ASSERT_EQUAL(e.phase, VMBOOT_PHASE_POWEROFF);
	CU_ASSERT_EQUAL(e.value, VMBOOT_POWEROFF_REBOOT);
	ASSERT_STR(e.detail, "the agent was asked to reboot");
	vm_end(&vm);
	close(pair[0]);
	close(pair[1]);
}

/* The program is in a session of its own, with default signals and nothing of ours open. */
static void ignore(int sig)
{
	(void)sig;
}

static void the_program_starts_clean(void)
{
	struct init *init = guest_with(
		"ls /proc/self/fd | tr '\\n' ' '; echo; grep -E 'Sig(Blk|Ign)' /proc/self/status; "
		"[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leads; cat; umask");
	struct vm vm;
	const char *out, *ignored;

	signal(SIGUSR1, ignore);
	vm = vm_start(init);
	signal(SIGUSR1, SIG_DFL);
	out = vm_read(vm.out, NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "0 1 2 3 \n")); /* 3: that of ls */
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "SigBlk:\t0000000000000000"));
	ignored = strstr(out, "SigIgn:\t");
	CU_ASSERT_PTR_NOT_NULL_FATAL(ignored);
	/* but for what libc keeps to itself */
	CU_ASSERT_EQUAL(strtoull(ignored + 8, NULL, 16) & 0x7fffffff, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "leads\n0022\n"));
	vm_end(&vm);
}

static void output_is_carried(void)
{
	struct vm vm = vm_start(guest_with("echo out; echo err >&2; echo again >/dev/stdout; "
					   "echo twice >>/dev/stderr"));

	ASSERT_STR(vm_read(vm.out, NULL), "out\nagain\n");
	ASSERT_STR(vm_read(vm.err, NULL), "err\ntwice\n");
	vm_end(&vm);
}

/* More than pipes hold, to a reader that is slow. */
static void much_output_is_carried_whole(void)
{
	struct vm vm = vm_start(guest_with("seq 200000"));
	char *expected = malloc(2000000), *got = malloc(2000000), *end = expected;
	size_t n = 0;
	ssize_t r;

	for (int i = 1; i <= 200000; i++)
		end += sprintf(end, "%d\n", i);
	usleep(200000);
	while (n < 1900000 && (r = read(vm.out, got + n, 10000)) > 0)
		n += (size_t)r;
	CU_ASSERT_EQUAL(n, (size_t)(end - expected));
	CU_ASSERT_EQUAL(memcmp(got, expected, n), 0);
	free(got);
	free(expected);
	vm_end(&vm);
}

static void output_comes_before_the_end(void)
{
	struct vm vm = vm_start(guest_with("sleep 0.2; head -c 60000 /dev/zero"));
	struct vmb_event e = {0};
	int n = 0;

	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_PROGRAM, &e));
	kill(vm.pid, SIGSTOP); /* it wakes to find the output and the end at once */
	usleep(500000);
	kill(vm.pid, SIGCONT);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(ioctl(vm.out, FIONREAD, &n), 0);
	CU_ASSERT_EQUAL(n, 60000);
	vm_end(&vm);
}

static void a_closed_port_stops_nobody(void)
{
	struct init *init = guest_with("head -c 1000000 /dev/zero; exit 4");
	struct vmb_event e = {0};
	struct vm vm = vm_start(init);

	close(vm.out);
	vm.out = dup(vm.err);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(e.value, 4);
	vm_end(&vm);
}

static void orphans_are_reaped(void)
{
	struct vm vm = vm_start(guest_with(
		"p=$(cut -d' ' -f4 /proc/$$/stat); for i in $(seq 500); do ( ( exit 1 ) & ); done; "
		"for i in $(seq 600); do "
		"z=$(wc -w < /proc/$p/task/$p/children); [ $z = 1 ] && break; sleep 0.1; done; "
		"echo children $z; exit 33"));
	struct vmb_event e = {0};

	ASSERT_STR(vm_read(vm.out, NULL), "children 1\n");
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(e.value, 33);
	vm_end(&vm);
}

/* ---- what goes wrong before the program runs ---- */

static void expect_failure(struct init *init, int err, const char *words)
{
	struct vm vm = vm_start(init);
	struct vmb_event e = {0};

	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_PROGRAM, &e));
	CU_ASSERT_EQUAL(e.error, err);
	CU_ASSERT_PTR_NOT_NULL(strstr(e.detail, words));
	if (!strstr(e.detail, words))
		fprintf(stderr, "\"%s\" is not \"%s\"\n", e.detail, words);
	ASSERT_STR(e.device, "");
	vm_end(&vm);
}

static struct init *guest_running(const char *name)
{
	struct init *init = guest_with("");

	init->config.args = TEST_LIST(name);
	return init;
}

static const char *tmp_file(const char *name, const char *text, mode_t mode)
{
	const char *path = test_path("%s/%s", test_tmpdir(), name);

	test_write(path, text);
	CU_ASSERT_EQUAL(chmod(path, mode), 0);
	return path;
}

static void what_cannot_run_is_named(void)
{
	const char *no_exec = tmp_file("noexec", "x", 0644);
	const char *no_format = tmp_file("noformat", "junk", 0755);
	const char *orphan = tmp_file("script", "#!/nowhere/sh\n", 0755);

	expect_failure(guest_running("/nowhere/prog"), ENOENT, "cannot run \"/nowhere/prog\"");
	expect_failure(guest_running("nosuchprogram"), ENOENT, "cannot run \"nosuchprogram\"");
	expect_failure(guest_running(""), ENOENT, "cannot run \"\"");
	expect_failure(guest_running("/etc"), EACCES, "cannot run \"/etc\"");
	expect_failure(guest_running(no_exec), EACCES, "noexec");
	expect_failure(guest_running(no_format), ENOEXEC, "noformat");
	if (!getenv("TEST_VALGRIND")) /* which ends when an exec fails that looked good */
		expect_failure(guest_running(orphan), ENOENT, "the interpreter of");
	expect_failure(guest_running(NULL), EINVAL, "no command");
}

static void other_failures_are_no_missing_command(void)
{
	struct init *init = guest_with("exit 0");

	init->config.user = "ghost";
	expect_failure(init, EINVAL, "no user \"ghost\"");
	CU_ASSERT_EQUAL(vmb_rm_rf(test_path("%s/guest", test_tmpdir())), 0);
	init = guest_with("exit 0");
	init->config.workdir = "relative";
	expect_failure(init, EINVAL, "the working folder \"relative\"");
	CU_ASSERT_EQUAL(vmb_rm_rf(test_path("%s/guest", test_tmpdir())), 0);
	init = guest_with("exit 0");
	guest_write(init, "", "file");
	init->config.workdir = "/file/below";
	expect_failure(init, ENOTDIR, "the working folder \"/file/below\"");
	CU_ASSERT_EQUAL(vmb_rm_rf(test_path("%s/guest", test_tmpdir())), 0);
	init = guest_with("exit 0");
	CU_ASSERT_EQUAL(symlink("/nowhere", test_path("%s/link", init->root)), 0);
	init->config.workdir = "/link";
	expect_failure(init, ENOTDIR, "the working folder \"/link\"");
}

/* ---- environment, PATH, folder, user ---- */

static void the_environment_has_defaults(void)
{
	const struct vmb_guest_config bare = {.hostname = "web", .env = TEST_LIST("PATHX=x")};
	const struct vmb_guest_config full = {.hostname = "web",
					      .env = TEST_LIST("HOME=/mine", "A=1", "PATH=/p",
							       "HOSTNAME=", "PATHS=x")};
	char **env = init_environment(&bare);

	ASSERT_STR(env[0], "PATHX=x");
	ASSERT_STR(env[1], "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	ASSERT_STR(env[2], "HOSTNAME=web");
	CU_ASSERT_PTR_NULL(env[3]);
	for (int i = 1; i < 3; i++)
		free(env[i]);
	free(env);
	env = init_environment(&full);
	for (int i = 0; i < 5; i++)
		CU_ASSERT_PTR_EQUAL(env[i], full.env[i]);
	CU_ASSERT_PTR_NULL(env[5]);
	free(env);
}

static void path_is_searched_in_order(void)
{
	const char *dir = test_tmpdir();
	struct init *init = guest_with("");
	struct vm vm;

	for (const char *p = "abc"; *p; p++)
		CU_ASSERT_EQUAL(mkdir(test_path("%s/%c", dir, *p), 0755), 0);
	tmp_file("a/prog", "#!/bin/sh\necho a $PWD\n", 0644); /* not executable: passed over */
	tmp_file("b/prog", "#!/bin/sh\necho b $HOME\n", 0755);
	tmp_file("c/prog", "#!/bin/sh\necho c\n", 0755);
	init->config.args = TEST_LIST("prog");
	init->config.env =
		TEST_LIST(test_path("PATH=/nowhere:%s/a:%s/b:%s/c", dir, dir, dir), "HOME=/there");
	vm = vm_start(init);
	ASSERT_STR(vm_read(vm.out, NULL), "b /there\n");
	vm_end(&vm);
}

static void refused_in_path_is_told(void)
{
	struct init *init = guest_running("onlyhere");

	CU_ASSERT_EQUAL(mkdir(test_path("%s/a", test_tmpdir()), 0755), 0);
	tmp_file("a/onlyhere", "x", 0644);
	init->config.env = TEST_LIST(test_path("PATH=%s/a:/nowhere", test_tmpdir()));
	expect_failure(init, EACCES, "cannot run \"onlyhere\"");
}

static void the_folder_is_made(void)
{
	struct init *init = guest_with("pwd; stat -c %a .");
	const char *expected = test_path("%s/srv/new/app\n755\n", init->root);
	struct vm vm;

	init->config.workdir = "/srv/new/app";
	vm = vm_start(init);
	ASSERT_STR(vm_read(vm.out, NULL), expected);
	vm_end(&vm);
}

static void the_user_is_taken_on(void)
{
	struct init *init;
	struct vm vm;

	if (geteuid() != 0) {
		test_not_tried("it takes root");
		return;
	}
	init = guest_with("id -u; id -g; id -G; echo $HOME; echo mine >/dev/stdout");
	guest_write(init, "app:x:4242:4243::/home/app:/bin/sh\n", "etc/passwd");
	guest_write(init, "extra:x:4250:app\n", "etc/group");
	init->config.user = "app";
	vm = vm_start(init);
	ASSERT_STR(vm_read(vm.out, "mine\n"), "4242\n4243\n4243 4250\n/home/app\nmine\n");
	vm_end(&vm);
}

/* ---- signals, stop, keep ---- */

/* What the guest's /proc says of this process, which sends the signals. */
static void send_as(const struct init *init, const char *command)
{
	guest_write(init, command, "proc/%d/comm", (int)getpid());
}

static void signals_go_on_to_the_group(void)
{
	/* a child in the same group gets it, too */
	struct init *init = guest_with("trap 'echo usr1' USR1; trap 'echo hup; exit 5' HUP; "
				       "sh -c 'trap \"echo child; exit\" USR1; echo ready; "
				       "while :; do sleep 0.05; done' & "
				       "while :; do sleep 0.05; done");
	struct vmb_event e = {0};
	const char *out;
	struct vm vm;

	send_as(init, "sh\n");
	vm = vm_start(init);
	vm_read(vm.out, "ready\n");
	kill(vm.pid, SIGUSR1);
	out = vm_read(vm.out, "usr1\n");
	if (!strstr(out, "child"))
		out = vm_read(vm.out, "child\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "child\n"));
	kill(vm.pid, SIGHUP);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(e.value, 5);
	vm_end(&vm);
}

/* The last row: the sender is gone, and the program does not handle the signal. */
static void commands_end_the_machine(void)
{
	static const struct {
		const char *command;
		int sig;
		int64_t how;
	} rows[] = {
		{"poweroff\n", SIGUSR2, VMBOOT_POWEROFF_OFF},
		{"reboot\n", SIGTERM, VMBOOT_POWEROFF_REBOOT},
		{"halt\n", SIGUSR1, VMBOOT_POWEROFF_HALT},
		{"busybox\n", SIGUSR2, VMBOOT_POWEROFF_OFF},
		{"", SIGUSR2, VMBOOT_POWEROFF_OFF},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct init *init = guest_with("echo ready; exec sleep 100");
		struct vmb_event e = {0};
		struct vm vm;

		send_as(init, rows[i].command);
		vm = vm_start(init);
		vm_read(vm.out, "ready\n");
		kill(vm.pid, rows[i].sig);
		if (rows[i].how != VMBOOT_POWEROFF_REBOOT) {
			CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
			CU_ASSERT_EQUAL(e.value, 0); /* not that it was killed */
		}
		CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_POWEROFF, &e));
		CU_ASSERT_EQUAL(e.value, rows[i].how);
		vm_end(&vm);
	}
}

static void kept_until_a_stop_is_asked_for(void)
{
	struct init *init = guest_with("sh -c 'trap \"echo term; exit\" TERM; echo up; "
				       "while :; do sleep 0.02; done' & sleep 0.3; exit 6");
	struct vmb_event e = {0};
	struct vm vm;

	init->config.on_exit = VMBOOT_ON_EXIT_KEEP;
	send_as(init, "sh\n");
	vm = vm_start(init);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(e.value, 6);
	usleep(200000);
	CU_ASSERT_EQUAL(waitpid(vm.pid, NULL, WNOHANG), 0);
	kill(vm.pid, SIGTERM); /* the program is gone: this goes nowhere */
	usleep(200000);
	ASSERT_STR(vm_read(vm.out, "up\n"), "up\n");
	CU_ASSERT_EQUAL(waitpid(vm.pid, NULL, WNOHANG), 0);
	kill(vm.pid, SIGPWR);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_POWEROFF, &e));
	vm_end(&vm);
}

static void a_stop_asks_the_program_first(void)
{
	struct init *init = guest_with("trap 'echo term; exit 7' TERM; echo ready; "
				       "while :; do sleep 0.05; done");
	struct vmb_event e = {0};
	struct vm vm;

	init->config.on_exit = VMBOOT_ON_EXIT_KEEP;
	vm = vm_start(init);
	vm_read(vm.out, "ready\n");
	kill(vm.pid, SIGPWR);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_EXIT, &e));
	CU_ASSERT_EQUAL(e.value, 7);
	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_POWEROFF, &e));
	ASSERT_STR(vm_read(vm.out, NULL), "term\n");
	vm_end(&vm);
}

/* What the program leaves running is ended, and given time to end by itself, but not all of it. */
static void the_rest_is_ended(void)
{
	struct vm vm = vm_start(
		guest_with(test_path("sh -c 'trap \"echo rest; exit\" TERM; echo up; : >%s/up; "
				     "while :; do sleep 0.05; done' & "
				     "until [ -e %s/up ]; do sleep 0.02; done; exit 8",
				     test_tmpdir(), test_tmpdir())));
	struct vmb_deadline until = vmb_deadline_in(GUEST_MS);
	struct vmb_event e = {0};

	CU_ASSERT(vm_event(&vm, VMBOOT_PHASE_POWEROFF, &e));
	ASSERT_STR(vm_read(vm.out, NULL), "up\nrest\n");
	CU_ASSERT_FALSE(vmb_deadline_passed(until));
	vm_end(&vm);
}

TEST_MAIN("init/program", {"exit codes and signals are told", codes_and_signals_are_told},
	  {"how it ends is told", how_it_ends_is_told},
	  {"a failed program is started again", a_failed_program_is_started_again},
	  {"a stop ends restarts", a_stop_ends_restarts},
	  {"changes of health are told", changes_of_health_are_told},
	  {"a check that hangs has failed", a_check_that_hangs_has_failed},
	  {"reads the kernel's word", reads_the_kernels_word},
	  {"an end for want of memory is told", an_end_for_want_of_memory_is_told},
	  {"a reboot is no exit", a_reboot_is_no_exit},
	  {"the program starts clean", the_program_starts_clean},
	  {"output is carried", output_is_carried},
	  {"much output is carried whole", much_output_is_carried_whole},
	  {"output comes before the end", output_comes_before_the_end},
	  {"a closed port stops nobody", a_closed_port_stops_nobody},
	  {"500 orphans are reaped", orphans_are_reaped},
	  {"what cannot run is named", what_cannot_run_is_named},
	  {"other failures are no missing command", other_failures_are_no_missing_command},
	  {"the environment has defaults", the_environment_has_defaults},
	  {"PATH is searched in order", path_is_searched_in_order},
	  {"refused in PATH is told", refused_in_path_is_told},
	  {"the working folder is made", the_folder_is_made},
	  {"the user is taken on", the_user_is_taken_on},
	  {"signals go on to the group", signals_go_on_to_the_group},
	  {"commands end the machine", commands_end_the_machine},
	  {"kept until a stop is asked for", kept_until_a_stop_is_asked_for},
	  {"a stop asks the program first", a_stop_asks_the_program_first},
	  {"the rest is ended", the_rest_is_ended})
