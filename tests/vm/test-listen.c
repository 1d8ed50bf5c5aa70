/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Callbacks, deadlines and a libvirt that does not answer. libvirt's own test driver has the domain;
 * the guest's files are written here, and libvirt's calls wait on demand in this program's own versions
 * of them. What hangs is killed by an alarm.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

#include "base/file.h"
#include "domain/domain.h"
#include "store/store.h"
#include "test.h"
#include "vm/files.h"
#include "wire/event.h"

#define NAME "listen"

enum { HANG_S = 120 };

static struct vmb_store store;
static virConnectPtr conn;
static struct vmboot_vm *vm;

static const char *file(const char *name)
{
	return test_path("%s/vms/" NAME "/%s", store.path, name);
}

/* ---- libvirt ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool stalled;
static int waiting;		/* calls that do not come back */
static void (*in_create)(void); /* called by virDomainCreate() */

static void set_stalled(bool value)
{
	pthread_mutex_lock(&lock);
	stalled = value;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void stall(void)
{
	pthread_mutex_lock(&lock);
	waiting++;
	pthread_cond_broadcast(&changed);
	while (stalled)
		pthread_cond_wait(&changed, &lock);
	waiting--;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void await_a_stalled_call(void)
{
	pthread_mutex_lock(&lock);
	while (!waiting)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void await_no_stalled_call(void)
{
	pthread_mutex_lock(&lock);
	while (waiting)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

#define REAL(name)                                                                                 \
	__typeof__(name) *real;                                                                    \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

virDomainPtr virDomainLookupByName(virConnectPtr c, const char *name)
{
	REAL(virDomainLookupByName);
	stall();
	return real(c, name);
}

int virDomainCreate(virDomainPtr d)
{
	REAL(virDomainCreate);
	if (in_create)
		in_create();
	return real(d);
}

/* The test driver knows other machines than libvmboot does. */
char *virConnectGetCapabilities(virConnectPtr c)
{
	(void)c;
	return strdup("<capabilities><guest><os_type>hvm</os_type><arch name='x86_64'>"
		      "<machine>q35</machine></arch></guest></capabilities>");
}

/* ---- the VM ---- */

static void define(void)
{
	virDomainPtr d = virDomainDefineXML(
		conn,
		test_path("<domain type='test'><name>" NAME "</name><memory>9000</memory>"
			  "<os><type>hvm</type></os><metadata><v:vm xmlns:v='" VMB_DOMAIN_XMLNS
			  "'><v:store>%s</v:store></v:vm></metadata></domain>",
			  store.path));

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	virDomainFree(d);
}

static void make_vm(void)
{
	static const char *const files[] = {"events", "stdout.log", "stderr.log", "console.log"};
	int fd = -1;

	ASSERT_OK(vmb_mkdir_p(test_path("%s/vms/" NAME, store.path), 0711));
	ASSERT_OK(vmb_files_lock(test_path("%s/vms/" NAME, store.path), LOCK_EX, &fd));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		test_write(file(files[i]), "");
	test_write(file("ledger"), "{\"start_real_us\": 1, \"phases\": []}");
	define();
	close(fd);
}

static void begin(void)
{
	struct vmboot_opts where;

	alarm(HANG_S);
	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	where = (struct vmboot_opts)VMBOOT_OPTS(.store = store.path, .uri = "test:///default");
	conn = virConnectOpen("test:///default");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
	make_vm();
	ASSERT_OK(vmboot_open(&where, NAME, &vm));
	ASSERT_OK(vmboot_start(vm));
}

static void finish(void)
{
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	virConnectClose(conn);
	vmb_store_done(&store);
	alarm(0);
}

static void append(const char *name, const void *bytes, size_t n)
{
	_cleanup_close_ int fd = open(file(name), O_WRONLY | O_APPEND | O_CLOEXEC);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(write(fd, bytes, n), (ssize_t)n);
}

static void say(uint32_t seq, enum vmboot_phase phase, uint64_t end_us)
{
	const struct vmb_event e = {.kind = VMB_EVENT_PHASE,
				    .phase = phase,
				    .seq = seq,
				    .start_us = end_us,
				    .end_us = end_us};
	uint8_t record[VMB_EVENT_SIZE];

	vmb_event_encode(&e, record);
	append("events", record, sizeof(record));
}

static bool is_readable(void)
{
	struct pollfd p = {.fd = vmboot_event_fd(vm), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* ---- callbacks ---- */

static int calls;
static char trail[64];

static void leave_trail(char mark)
{
	trail[strlen(trail)] = mark;
}

static void call_everything(struct vmboot_vm *v, const struct vmboot_event *e, void *data)
{
	struct vmboot_ledger *ledger = NULL;
	struct vmboot_info *info = NULL;

	if (!e->guest)
		return;
	calls++;
	CU_ASSERT_EQUAL(vmboot_ledger(v, &ledger), 0);
	CU_ASSERT_EQUAL(vmboot_info(v, &info), 0);
	CU_ASSERT_EQUAL(vmboot_dispatch(v), 0);
	CU_ASSERT_EQUAL(vmboot_wait(v, VMBOOT_PHASE_KERNEL, 0), 0);
	CU_ASSERT_EQUAL(vmboot_wait(v, VMBOOT_PHASE_EXIT, 10), -ETIMEDOUT);
	CU_ASSERT_EQUAL(vmboot_on_event(v, call_everything, data), 0);
	vmboot_ledger_free(ledger);
	vmboot_info_free(info);
}

static void a_callback_may_call_the_library(void)
{
	begin();
	calls = 0;
	ASSERT_OK(vmboot_on_event(vm, call_everything, NULL));
	say(0, VMBOOT_PHASE_KERNEL, 1000);
	say(1, VMBOOT_PHASE_MODULES, 2000);
	CU_ASSERT_EQUAL(vmboot_dispatch(vm), 2);
	CU_ASSERT_EQUAL(calls, 2);
	say(2, VMBOOT_PHASE_PROGRAM, 3000);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, -1));
	CU_ASSERT_EQUAL(calls, 3);
	finish();
}

static void note_event(struct vmboot_vm *v, const struct vmboot_event *e, void *data)
{
	(void)v, (void)data;
	if (e->guest)
		leave_trail(e->phase == VMBOOT_PHASE_EXIT ? 'E' : 'e');
}

static void note_output(struct vmboot_vm *v, enum vmboot_stream stream, const char *bytes, size_t n,
			void *data)
{
	(void)v, (void)bytes, (void)n, (void)data;
	leave_trail(stream == VMBOOT_STREAM_STDOUT ? 'o' : 'r');
}

/* Who asks for a ledger in between takes nothing away from the callbacks. */
static void each_is_delivered_once_and_in_order(void)
{
	struct vmboot_ledger *ledger;

	begin();
	memset(trail, 0, sizeof(trail));
	ASSERT_OK(vmboot_on_event(vm, note_event, NULL));
	ASSERT_OK(vmboot_on_output(vm, VMBOOT_STREAM_STDOUT, note_output, NULL));
	ASSERT_OK(vmboot_on_output(vm, VMBOOT_STREAM_STDERR, note_output, NULL));
	ASSERT_OK(vmboot_dispatch(vm));
	append("stdout.log", "out", 3);
	append("stderr.log", "err", 3);
	say(0, VMBOOT_PHASE_KERNEL, 1000);
	say(1, VMBOOT_PHASE_EXIT, 2000);
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	vmboot_ledger_free(ledger);
	CU_ASSERT(is_readable());
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_EXIT, 0));
	ASSERT_STR(trail, "oreE");
	ASSERT_OK(vmboot_dispatch(vm));
	ASSERT_STR(trail, "oreE");
	finish();
}

/* A boot that a ledger has gone past: its events are delivered all the same. */
static void a_ledger_loses_no_boot(void)
{
	struct vmboot_ledger *ledger;

	begin();
	memset(trail, 0, sizeof(trail));
	ASSERT_OK(vmboot_on_event(vm, note_event, NULL));
	say(0, VMBOOT_PHASE_KERNEL, 1000);
	ASSERT_OK(vmboot_dispatch(vm));
	say(1, VMBOOT_PHASE_PROGRAM, 1500);
	say(2, VMBOOT_PHASE_EXIT, 2000);
	say(0, VMBOOT_PHASE_KERNEL, 1000);
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	vmboot_ledger_free(ledger);
	ASSERT_OK(vmboot_dispatch(vm));
	ASSERT_STR(trail, "eeEe");
	finish();
}

/* ---- output without end ---- */

static void write_more(struct vmboot_vm *v, enum vmboot_stream stream, const char *bytes, size_t n,
		       void *data)
{
	static char more[16384];

	(void)v, (void)stream, (void)bytes, (void)n, (void)data;
	append("stdout.log", more, sizeof(more));
}

static void output_without_end_meets_the_deadline(void)
{
	begin();
	append("stdout.log", "x", 1);
	ASSERT_OK(vmboot_on_output(vm, VMBOOT_STREAM_STDOUT, write_more, NULL));
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_EXIT, 50), ETIMEDOUT, "not reached in time");
	ASSERT_OK(vmboot_dispatch(vm));
	CU_ASSERT(is_readable());
	/* nor does it keep events back that came while it went on */
	say(0, VMBOOT_PHASE_EXIT, 2000);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_EXIT, -1));
	finish();
}

/* ---- a libvirt that does not answer ---- */

static void dispatch_waits_for_no_libvirt(void)
{
	begin();
	set_stalled(true);
	say(0, VMBOOT_PHASE_KERNEL, 1000);
	CU_ASSERT_EQUAL(vmboot_dispatch(vm), 1);
	await_a_stalled_call(); /* the worker's */
	CU_ASSERT(vmboot_event_fd(vm) >= 0);
	say(1, VMBOOT_PHASE_MODULES, 2000);
	CU_ASSERT_EQUAL(vmboot_dispatch(vm), 1);
	CU_ASSERT_EQUAL(waiting, 1);
	/* a wait meets its deadline */
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_EXIT, 50), ETIMEDOUT, "not reached in time");
	/* and its phase */
	say(2, VMBOOT_PHASE_PROGRAM, 3000);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, -1));
	set_stalled(false);
	await_no_stalled_call();
	say(3, VMBOOT_PHASE_EXIT, 4000);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_EXIT, -1));
	finish();
}

static void a_handle_is_closed_all_the_same(void)
{
	const struct vmboot_opts where = VMBOOT_OPTS(.store = store.path, .uri = "test:///default");
	struct vmboot_vm *other;

	begin();
	ASSERT_OK(vmboot_open(&where, NAME, &other));
	set_stalled(true);
	ASSERT_OK(vmboot_dispatch(other));
	await_a_stalled_call();
	vmboot_close(other);
	CU_ASSERT_EQUAL(waiting, 1); /* its thread has not come back, and ends when it does */
	set_stalled(false);
	await_no_stalled_call();
	finish();
}

static void dispatch_it(void)
{
	struct vmboot_ledger *ledger = NULL;

	CU_ASSERT(vmboot_event_fd(vm) >= 0);
	CU_ASSERT(vmboot_dispatch(vm) >= 0);
	CU_ASSERT_EQUAL(vmboot_ledger(vm, &ledger), 0);
	vmboot_ledger_free(ledger);
}

static void a_start_holds_no_lock_over_libvirt(void)
{
	begin();
	CU_ASSERT_EQUAL(vmboot_stop(vm, 0), 1);
	in_create = dispatch_it;
	ASSERT_OK(vmboot_start(vm));
	in_create = NULL;
	say(0, VMBOOT_PHASE_PROGRAM, 1000);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, -1));
	finish();
}

/* ---- a forked child ---- */

static int refused; /* calls of a child that said so */

static void check_refused(int r, const char *call)
{
	if (r == -EPERM && strstr(vmboot_last_error()->message, "forked"))
		refused++;
	else
		dprintf(STDERR_FILENO, "%s = %d: %s\n", call, r, vmboot_last_error()->message);
}

#define REFUSED(call) check_refused(call, #call)

static int use_parents_handle(void)
{
	const char *const args[] = {"true", NULL};
	const struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	struct vmboot_exec_result *result;
	struct vmboot_ledger *ledger;
	struct vmboot_info *info;
	struct vmboot_stat *st;
	char *xml;
	const int fds[3] = {0, 1, 2};
	int code;

	REFUSED(vmboot_info(vm, &info));
	REFUSED(vmboot_start(vm));
	REFUSED(vmboot_stop(vm, 0));
	REFUSED(vmboot_reboot(vm, 0));
	REFUSED(vmboot_destroy(vm));
	REFUSED(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, -1));
	REFUSED(vmboot_wait_next_boot(vm, VMBOOT_PHASE_PROGRAM, -1));
	REFUSED(vmboot_event_fd(vm));
	REFUSED(vmboot_dispatch(vm));
	REFUSED(vmboot_on_event(vm, note_event, NULL));
	REFUSED(vmboot_on_output(vm, VMBOOT_STREAM_STDOUT, note_output, NULL));
	REFUSED(vmboot_ledger(vm, &ledger));
	REFUSED(vmboot_xml(vm, &xml));
	REFUSED(vmboot_exec(vm, &opts, &result));
	REFUSED(vmboot_exec_stream(vm, &opts, fds, -1, &code));
	REFUSED(vmboot_stat(vm, "/", true, &st));
	REFUSED(vmboot_copy_to(vm, "/etc/hostname", "/"));
	REFUSED(vmboot_copy_from(vm, "/etc/hostname", "/nowhere"));
	REFUSED(vmboot_copy_archive_to(vm, 0, "/"));
	REFUSED(vmboot_copy_archive_from(vm, "/", 1));
	vmboot_close(vm);
	return refused == 20 ? 0 : 1;
}

/* A thread of the parent's holds what it can when the child is made. */
static void a_forked_child_is_refused(void)
{
	pid_t pid;

	begin();
	set_stalled(true);
	ASSERT_OK(vmboot_dispatch(vm));
	await_a_stalled_call();
	pid = test_fork();
	if (pid == 0) {
		alarm(HANG_S);
		test_child_exit(use_parents_handle());
	}
	CU_ASSERT_EQUAL(test_child_code(pid), 0);
	set_stalled(false);
	await_no_stalled_call();
	finish();
}

/* ---- another boot ---- */

static void waits_for_the_next_boot(void)
{
	begin();
	say(0, VMBOOT_PHASE_KERNEL, 1000);
	say(1, VMBOOT_PHASE_PROGRAM, 2000);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, -1));
	ASSERT_ERROR(vmboot_wait_next_boot(vm, VMBOOT_PHASE_PROGRAM, 10), ETIMEDOUT, "not reached");
	/* one that came since this handle has looked is the next one */
	say(0, VMBOOT_PHASE_KERNEL, 1000);
	say(1, VMBOOT_PHASE_PROGRAM, 2000);
	ASSERT_OK(vmboot_wait_next_boot(vm, VMBOOT_PHASE_PROGRAM, -1));
	ASSERT_ERROR(vmboot_wait_next_boot(vm, VMBOOT_PHASE_PROGRAM, 10), ETIMEDOUT, "not reached");
	finish();
}

TEST_MAIN("vm/listen", {"a callback may call the library", a_callback_may_call_the_library},
	  {"each is delivered once and in order", each_is_delivered_once_and_in_order},
	  {"a ledger loses no boot", a_ledger_loses_no_boot},
	  {"output without end meets the deadline", output_without_end_meets_the_deadline},
	  {"dispatch waits for no libvirt", dispatch_waits_for_no_libvirt},
	  {"a handle is closed all the same", a_handle_is_closed_all_the_same},
	  {"a start holds no lock over libvirt", a_start_holds_no_lock_over_libvirt},
	  {"a forked child is refused", a_forked_child_is_refused},
	  {"waits for the next boot", waits_for_the_next_boot})
