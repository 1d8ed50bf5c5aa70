/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system's libvirt, as root: it re-owns nothing that VMs share, other processes find the VM,
 * and a handle outlives the daemon. Where no daemon runs, the program runs its own.
 */
#include <libvirt/libvirt.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "at-once.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "boot.h"

enum { DAEMON_MS = 120000 };

static char pid_files[64];
static bool own_daemon;

/* The daemon may be shared with another run of this program. */
static const char *own(const char *name)
{
	return test_path("%s-%d", name, (int)getpid());
}

static bool answers(void)
{
	virConnectPtr c = virConnectOpen("qemu:///system");

	if (c)
		virConnectClose(c);
	return c;
}

static pid_t daemon_pid(const char *name)
{
	char *text = NULL;
	pid_t pid = 0;

	if (vmb_read_file(test_path("%s/%s.pid", pid_files, name), 32, &text, NULL) == 0)
		pid = (pid_t)atol(text);
	free(text);
	return pid;
}

static void start_daemon(const char *name)
{
	const char *file = test_path("%s/%s.pid", pid_files, name);
	const char *const argv[] = {name, "-d", "-p", file, NULL};

	ASSERT_OK(vmb_run(argv, NULL));
}

static void await_libvirt(void)
{
	struct vmb_deadline deadline = vmb_deadline_in(DAEMON_MS);

	while (!answers() && !vmb_deadline_passed(deadline))
		poll(NULL, 0, 50);
	CU_ASSERT_FATAL(answers());
}

static void stop_daemon(const char *name)
{
	struct vmb_deadline deadline = vmb_deadline_in(DAEMON_MS);
	pid_t pid = daemon_pid(name);

	if (pid > 1)
		kill(pid, SIGTERM);
	while (pid > 1 && kill(pid, 0) == 0 && !vmb_deadline_passed(deadline))
		poll(NULL, 0, 20);
}

/* ---- what must stay as it is ---- */

struct mark {
	const char *path;
	struct stat st;
	char xattrs[1024];
	ssize_t n;
};

struct marks {
	struct mark list[16];
	size_t n;
};

static void add_mark(struct marks *m, const char *path)
{
	struct mark *mark = &m->list[m->n++];

	CU_ASSERT_FATAL(m->n <= 16);
	mark->path = path;
	CU_ASSERT_EQUAL_FATAL(stat(path, &mark->st), 0);
	mark->n = listxattr(path, mark->xattrs, sizeof(mark->xattrs));
}

/* A change of owner, mode or label shows in ctime, even if it was taken back since. */
static void assert_unchanged(const struct marks *m, const char *when)
{
	struct marks now = {0};

	for (size_t i = 0; i < m->n; i++) {
		const struct mark *a = &m->list[i], *b = &now.list[i];
		bool same;

		add_mark(&now, a->path);
		same = a->st.st_uid == b->st.st_uid && a->st.st_gid == b->st.st_gid &&
		       a->st.st_mode == b->st.st_mode && a->st.st_size == b->st.st_size &&
		       a->st.st_ctim.tv_sec == b->st.st_ctim.tv_sec &&
		       a->st.st_ctim.tv_nsec == b->st.st_ctim.tv_nsec && a->n == b->n &&
		       (a->n <= 0 || memcmp(a->xattrs, b->xattrs, (size_t)a->n) == 0);
		if (!same)
			fprintf(stderr, "%s changed %s: now %u:%u %o\n", a->path, when,
				(unsigned)b->st.st_uid, (unsigned)b->st.st_gid,
				(unsigned)b->st.st_mode);
		CU_ASSERT(same);
	}
}

/* The value of a key of the plan's, which is a path. */
static const char *plan_path(const char *plan, const char *key)
{
	const char *at = strstr(plan, test_path("\"%s\": \"", key));

	CU_ASSERT_PTR_NOT_NULL_FATAL(at);
	at += strlen(key) + strlen("\"\": \"");
	return test_path("%.*s", (int)strcspn(at, "\""), at);
}

static void mark_shared(const struct vmboot_opts *opts, struct marks *m)
{
	char *plan;

	ASSERT_OK(vmboot_plan(opts, &plan));
	add_mark(m, plan_path(plan, "disk"));
	add_mark(m, plan_path(plan, "source")); /* the host's own kernel */
	add_mark(m, plan_path(plan, "file"));	/* our copy of it */
	add_mark(m, plan_path(plan, "initramfs"));
	add_mark(m, plan_path(plan, "kernel_disk"));
	add_mark(m, boot_store());
	vmboot_free(plan);
}

static void run_once(const struct vmboot_opts *opts, const struct marks *m)
{
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	if (m)
		assert_unchanged(m, "while the VM ran");
	ASSERT_OK(vmboot_stop(vm, BOOT_TIMEOUT_MS));
	if (m)
		assert_unchanged(m, "when the VM stopped");
	ASSERT_OK(vmboot_start(vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void re_owns_nothing(void)
{
	struct vmboot_opts opts = boot_opts(own("system-owners"), "sleep 1000");
	struct marks m = {0};

	opts.skip_kernel_headers = false;
	run_once(&opts, NULL); /* fills the store */
	mark_shared(&opts, &m);
	run_once(&opts, &m);
	assert_unchanged(&m, "when the VM was removed");
	boot_assert_nothing_left(own("system-owners"));
}

static void a_handle_outlives_the_daemon(void)
{
	struct vmboot_opts opts = boot_opts(own("system-restart"), "sleep 1000");
	struct vmboot_info *info;
	struct vmboot_vm *vm;

	if (!own_daemon) {
		test_not_tried("the system's libvirt is not ours to restart");
		return;
	}
	ASSERT_OK(vmboot_create(&opts, &vm));
	stop_daemon("libvirtd");
	start_daemon("libvirtd");
	await_libvirt();
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_info(vm, &info));
	CU_ASSERT_EQUAL(info->state, VMBOOT_STATE_RUNNING);
	vmboot_info_free(info);
	CU_ASSERT_EQUAL(vmboot_stop(vm, BOOT_TIMEOUT_MS), 0);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* What another process does with it: finds it, waits for it, stops it. */
static int other_process(const char *name)
{
	struct vmboot_opts here = boot_where();
	struct vmboot_vm *vm;

	if (vmboot_open(&here, name, &vm) < 0)
		return 10;
	if (vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS) < 0)
		return 11;
	if (vmboot_stop(vm, BOOT_TIMEOUT_MS) != 0)
		return 12;
	vmboot_close(vm);
	return 0;
}

static void another_process_finds_the_vm(void)
{
	struct vmboot_opts opts = boot_opts(own("system-other"), "sleep 1000");
	struct vmboot_vm *vm;
	int status;
	pid_t pid;

	ASSERT_OK(vmboot_create(&opts, &vm));
	pid = fork();
	if (pid == 0)
		_exit(other_process(opts.name));
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void count_bytes(struct vmboot_vm *vm, enum vmboot_stream stream, const char *bytes,
			size_t n, void *data)
{
	size_t *counted = data;

	(void)vm;
	(void)stream;
	for (size_t i = 0; i < n; i++)
		*counted += bytes[i] == 'x';
}

/* virtlogd rotates logs at 2 MiB: whoever follows gets every byte all the same. */
static void follows_output_through_rotation(void)
{
	struct vmboot_opts opts =
		boot_opts(own("system-output"),
			  "head -c 12000000 /dev/zero | tr '\\0' x; echo; exit 0");
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct pollfd p = {.events = POLLIN};
	size_t counted = 0;
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_on_output(vm, VMBOOT_STREAM_STDOUT, count_bytes, &counted));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS));
	/* it comes through virtlogd, and the end of the program by another way, which is faster */
	p.fd = vmboot_event_fd(vm);
	while (counted < 12000000 && poll(&p, 1, vmb_deadline_poll(deadline, -1)) > 0)
		ASSERT_OK(vmboot_dispatch(vm));
	CU_ASSERT_EQUAL(counted, 12000000);
	/* and it was rotated */
	CU_ASSERT(vmb_exists(
		test_path("%s/vms/%s/stdout.log.0", boot_store(), own("system-output"))));
	ASSERT_OK(vmboot_stop(vm, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_start(vm));
	CU_ASSERT_FALSE(vmb_exists(
		test_path("%s/vms/%s/stdout.log.0", boot_store(), own("system-output"))));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	boot_assert_nothing_left(own("system-output"));
}

/* A stream through a daemon is not one in our own process. Enough bytes for what is lost or stuck
 * now and then. */
static void echo_through(struct vmboot_vm *vm)
{
	enum { N = 16000000 };
	const char *const args[] = {"cat", NULL};
	uint8_t *bytes = test_alloc(N);
	struct vmboot_exec_opts opts =
		VMBOOT_EXEC_OPTS(.args = args, .input = bytes, .input_size = N,
				 .timeout_ms = BOOT_TIMEOUT_MS);
	struct vmboot_exec_result *result;

	for (size_t i = 0; i < N; i++)
		bytes[i] = (uint8_t)((i * 2654435761U) >> 13);
	ASSERT_OK(vmboot_exec(vm, &opts, &result));
	CU_ASSERT_EQUAL(result->exit_code, 0);
	CU_ASSERT_EQUAL_FATAL(result->out_size, N);
	CU_ASSERT_EQUAL(memcmp(result->out, bytes, N), 0);
	vmboot_exec_result_free(result);
}

static void *hold_the_stream(void *data)
{
	const char *const args[] = {"sleep", "100000", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	struct vmboot_exec_result *result;
	static int r;

	r = vmboot_exec(data, &opts, &result);
	return &r;
}

/* A second handle has a stream of its own while another one has the first. */
static void while_it_is_held(const char *name)
{
	const char *const args[] = {"sh", "-c", "exit 9", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	struct vmboot_opts here = boot_where();
	struct vmboot_vm *vm;
	int status = 0;

	ASSERT_OK(vmboot_open(&here, name, &vm));
	ASSERT_OK(vmboot_exec_stream(vm, &opts, (int[]){-1, -1, -1}, -1, &status));
	CU_ASSERT_EQUAL(status, 9);
	vmboot_close(vm);
}

/* As on another host: what goes through libvirt works, all else is refused in words. */
static void without_the_folder(const char *name)
{
	const char *folder = test_path("%s/vms/%s", boot_store(), name);
	const char *away = test_path("%s/away", boot_store());
	const char *const args[] = {"echo", "hi", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	struct vmboot_opts here = boot_where();
	struct vmboot_exec_result *result;
	struct vmboot_ledger *ledger;
	struct vmboot_info *info;
	struct vmboot_stat *st;
	struct vmboot_vm *vm;

	CU_ASSERT_EQUAL_FATAL(rename(folder, away), 0);
	ASSERT_OK(vmboot_open(&here, name, &vm));
	ASSERT_OK(vmboot_exec(vm, &opts, &result));
	ASSERT_STR(result->out, "hi\n");
	vmboot_exec_result_free(result);
	ASSERT_OK(vmboot_stat(vm, "/etc", false, &st));
	CU_ASSERT(st->exists);
	vmboot_stat_free(st);
	ASSERT_OK(vmboot_copy_from(vm, "/etc/greeting", test_tmpdir()));
	CU_ASSERT(vmb_exists(test_path("%s/greeting", test_tmpdir())));
	ASSERT_OK(vmboot_info(vm, &info));
	CU_ASSERT_EQUAL(info->state, VMBOOT_STATE_RUNNING);
	vmboot_info_free(info);
	ASSERT_ERROR(vmboot_ledger(vm, &ledger), VMBOOT_EHOST, "are not on this host");
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_AGENT, 0), VMBOOT_EHOST, folder);
	ASSERT_ERROR(vmboot_start(vm), VMBOOT_EHOST, folder);
	ASSERT_ERROR(vmboot_destroy(vm), VMBOOT_EHOST, folder);
	vmboot_close(vm);
	CU_ASSERT_FALSE(vmb_exists(folder));
	CU_ASSERT_EQUAL_FATAL(rename(away, folder), 0);
}

static void runs_programs_through_the_daemon(void)
{
	struct vmboot_opts opts = boot_opts("system-exec", "sleep 100000");
	pthread_t thread;
	struct vmboot_vm *vm;
	int *r;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	echo_through(vm);
	echo_through(vm);
	boot_exec_often(vm, 60);
	without_the_folder("system-exec");
	at_once_run("system-exec");
	CU_ASSERT_EQUAL(pthread_create(&thread, NULL, hold_the_stream, vm), 0);
	echo_through(vm); /* the thread has begun by now, and goes on */
	while_it_is_held("system-exec");
	CU_ASSERT_EQUAL(vmboot_stop(vm, 0), 1);
	pthread_join(thread, (void **)&r);
	CU_ASSERT_EQUAL(*r, -VMBOOT_EENDED);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void await_output(struct vmboot_vm *vm, const char *words)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);

	while (strcmp(boot_output(vm, VMBOOT_STREAM_STDOUT), words) != 0 &&
	       !vmb_deadline_passed(deadline))
		(void)vmboot_wait(vm, VMBOOT_PHASE_STOPPED, 50);
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), words);
}

/* Somebody else's client of our agent; then a reboot and a shutdown through it. */
static void serves_virsh(void)
{
	struct vmboot_opts opts =
		boot_opts(own("system-virsh"),
			  "echo up >>/ups; sync; echo up $(wc -l </ups); sleep 100000");
	const char *const check[] = {"sh", TEST_SRCDIR "/boot/virsh.sh", opts.name, NULL};
	const char *const shutdown[] = {"virsh",   "-c",     "qemu:///system", "shutdown",
					opts.name, "--mode", "agent",	       NULL};
	struct vmboot_ledger *ledger;
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	await_output(vm, "up 1\n");
	ASSERT_OK(vmb_run(check, NULL));
	await_output(vm, "up 1\nup 2\n");
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	/* libvirt may see QEMU's end before it has passed on the event that the guest is shutting down */
	if (vmb_run(shutdown, NULL) < 0)
		CU_ASSERT_PTR_NOT_NULL(
			strstr(vmboot_last_error()->message, "End of file from agent socket"));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	ASSERT_STR(boot_event(ledger, VMBOOT_PHASE_FIRMWARE)->detail,
		   "the agent was asked to reboot");
	ASSERT_STR(boot_event(ledger, VMBOOT_PHASE_POWEROFF)->detail,
		   "the agent was asked to power off");
	ASSERT_STR(boot_event(ledger, VMBOOT_PHASE_STOPPED)->detail, "shutdown");
	vmboot_ledger_free(ledger);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* A store that libvirt's user cannot reach is a clear error, before anything starts. */
static void names_the_folder_that_is_in_the_way(void)
{
	struct vmboot_opts opts = boot_opts(own("system-closed"), "true");

	CU_ASSERT_EQUAL_FATAL(chmod(boot_store(), 0700), 0);
	ASSERT_ERROR(vmboot_create(&opts, NULL), VMBOOT_EHOST, boot_store());
	CU_ASSERT_EQUAL_FATAL(chmod(boot_store(), 0711), 0);
	boot_assert_nothing_left(own("system-closed"));
}

/* ---- a daemon that does not answer ---- */

enum { HANDLES = 20, STALLED_S = 120 };

static pid_t stopped_daemon;
static volatile sig_atomic_t hung;

/* Lets go whoever waits for the daemon, after a time that no call here may take. */
static void wake_daemon(int number)
{
	(void)number;
	hung = 1;
	kill(stopped_daemon, SIGCONT);
}

static bool is_stopped(pid_t pid)
{
	const char *stat = test_read(test_path("/proc/%d/stat", (int)pid));
	const char *state = strrchr(stat, ')');

	return state && state[2] == 'T';
}

static void note_stopped(struct vmboot_vm *vm, const struct vmboot_event *e, void *data)
{
	(void)vm;
	if (e->phase == VMBOOT_PHASE_STOPPED)
		*(bool *)data = true;
}

static void dispatch_until(struct vmboot_vm *vm, const bool *done)
{
	struct pollfd fd = {.fd = vmboot_event_fd(vm), .events = POLLIN};

	while (!*done && poll(&fd, 1, BOOT_TIMEOUT_MS) == 1)
		ASSERT_OK(vmboot_dispatch(vm));
	CU_ASSERT(*done);
}

static void a_stopped_daemon_stalls_no_dispatch(void)
{
	struct vmboot_opts opts = boot_opts(own("system-stalled"), "sleep 1000");
	struct sigaction on_alarm = {.sa_handler = wake_daemon, .sa_flags = SA_RESTART};
	struct vmboot_opts where = boot_where();
	struct vmboot_vm *vm, *handles[HANDLES];
	bool stopped[HANDLES] = {false};

	if (!own_daemon) {
		printf("(the system's libvirt is not ours to stop) ");
		return;
	}
	ASSERT_OK(vmboot_create(&opts, &vm));
	for (int i = 0; i < HANDLES; i++) {
		ASSERT_OK(vmboot_open(&where, opts.name, &handles[i]));
		ASSERT_OK(vmboot_on_event(handles[i], note_stopped, &stopped[i]));
	}
	sigaction(SIGALRM, &on_alarm, NULL);
	alarm(STALLED_S);
	stopped_daemon = daemon_pid("libvirtd");
	kill(stopped_daemon, SIGSTOP);
	while (!is_stopped(stopped_daemon) && !hung)
		sched_yield();
	for (int i = 0; i < HANDLES; i++) {
		CU_ASSERT(vmboot_event_fd(handles[i]) >= 0);
		ASSERT_OK(vmboot_dispatch(handles[i]));
	}
	/* the guest's files say what it does; only what libvirt alone knows has to wait */
	ASSERT_OK(vmboot_wait(handles[0], VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	ASSERT_ERROR(vmboot_wait(handles[1], VMBOOT_PHASE_EXIT, 50), ETIMEDOUT, "not reached");
	vmboot_close(handles[HANDLES - 1]);
	CU_ASSERT(is_stopped(stopped_daemon) && !hung);
	kill(stopped_daemon, SIGCONT);
	alarm(0);
	CU_ASSERT(vmboot_stop(vm, 0) >= 0);
	for (int i = 0; i < HANDLES - 1; i++) {
		dispatch_until(handles[i], &stopped[i]);
		vmboot_close(handles[i]);
	}
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void begin(void)
{
	strcpy(pid_files, "/tmp/vmbt-pid-XXXXXX");
	CU_ASSERT_FATAL(mkdtemp(pid_files) != NULL);
	if (answers())
		return;
	own_daemon = true;
	start_daemon("virtlogd");
	start_daemon("libvirtd");
	await_libvirt();
}

static void end(void)
{
	if (own_daemon) {
		boot_destroy_all();
		stop_daemon("libvirtd");
		stop_daemon("virtlogd");
	}
	ASSERT_OK(vmb_rm_rf(pid_files));
}

int main(void)
{
	static const struct test_case cases[] = {
		{"the system's libvirt is there, or started", begin},
		{"re-owns nothing", re_owns_nothing},
		{"a handle outlives the daemon", a_handle_outlives_the_daemon},
		{"another process finds the VM", another_process_finds_the_vm},
		{"follows output through rotation", follows_output_through_rotation},
		{"runs programs through the daemon", runs_programs_through_the_daemon},
		{"serves virsh", serves_virsh},
		{"the system's libvirt, stopped, stalls no dispatch",
		 a_stopped_daemon_stalls_no_dispatch},
		{"names the folder that is in the way", names_the_folder_that_is_in_the_way},
		{"and is stopped again", end},
	};
	int r;

	if (geteuid() != 0)
		test_skip("qemu:///system needs root here");
	boot_set_uri("qemu:///system");
	boot_setup();
	r = test_run("boot/system", cases, sizeof(cases) / sizeof(cases[0]));
	boot_teardown();
	return r;
}
