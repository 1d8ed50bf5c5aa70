/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of VMs: all or nothing, many at once, guests that die, hang or talk nonsense, and what a
 * killed program leaves. libvirt's calls fail on demand in this program's own versions of them.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "boot.h"
#include "initrd/kernel.h"
#include "store/shared.h"

static enum { NOTHING, FAIL, DIE, CANCEL } in_define, in_create;
static struct vmboot_cancel *cancel;

virDomainPtr virDomainDefineXML(virConnectPtr conn, const char *xml)
{
	virDomainPtr (*real)(virConnectPtr, const char *);

	*(void **)&real = dlsym(RTLD_NEXT, "virDomainDefineXML");
	if (in_define == DIE)
		raise(SIGKILL);
	if (in_define == CANCEL)
		vmboot_cancel(cancel);
	return in_define == FAIL ? NULL : real(conn, xml);
}

int virDomainCreate(virDomainPtr d)
{
	int (*real)(virDomainPtr);

	*(void **)&real = dlsym(RTLD_NEXT, "virDomainCreate");
	if (in_create == DIE)
		raise(SIGKILL);
	if (in_create == CANCEL)
		vmboot_cancel(cancel);
	return in_create == FAIL ? -1 : real(d);
}

static void leaves_nothing_when_libvirt_refuses(void)
{
	struct vmboot_opts opts = boot_opts("life-refused", "true");
	struct vmboot_vm *vm = NULL;

	in_define = FAIL;
	CU_ASSERT_EQUAL(vmboot_create(&opts, &vm), -VMBOOT_ELIBVIRT);
	in_define = NOTHING;
	boot_assert_nothing_left("life-refused");
	in_create = FAIL;
	CU_ASSERT_EQUAL(vmboot_create(&opts, &vm), -VMBOOT_ELIBVIRT);
	in_create = NOTHING;
	boot_assert_nothing_left("life-refused");
	CU_ASSERT_PTR_NULL(vm);
}

static void leaves_nothing_when_it_is_cancelled(void)
{
	struct vmboot_opts opts = boot_opts("life-cancelled", "true");

	opts.timeout_ms = 1;
	ASSERT_ERROR(vmboot_create(&opts, NULL), ETIMEDOUT, "the 1 ms of timeout_ms have passed");
	boot_assert_nothing_left("life-cancelled");
	opts.timeout_ms = 0;
	for (int i = 0; i < 2; i++) {
		/* while libvirt works: once it has answered, the guest is up */
		ASSERT_OK(vmboot_cancel_new(&cancel));
		opts.cancel = cancel;
		*(i ? &in_create : &in_define) = CANCEL;
		ASSERT_ERROR(vmboot_create(&opts, NULL), ECANCELED,
			     "cancelled while starting the VM");
		in_define = in_create = NOTHING;
		vmboot_cancel_free(TAKE_PTR(cancel));
		boot_assert_nothing_left("life-cancelled");
	}
}

/* QEMU itself refuses: libvirt's words reach the caller. */
static void tells_what_libvirt_said(void)
{
	struct vmboot_opts opts = boot_opts("life-memory", "true");

	opts.memory_mib = 16777216;
	CU_ASSERT_EQUAL(vmboot_create(&opts, NULL), -VMBOOT_ELIBVIRT);
	CU_ASSERT(vmboot_last_error()->libvirt_code != 0);
	CU_ASSERT(*vmboot_last_error()->libvirt_message != '\0');
	boot_assert_nothing_left("life-memory");
}

static void refuses_a_name_that_is_taken(void)
{
	struct vmboot_opts opts = boot_opts("life-taken", "sleep 1000");
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_ERROR(vmboot_create(&opts, NULL), EEXIST, "life-taken");
	/* and the VM that has the name is none the worse for it */
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_destroy(vm));
	ASSERT_OK(vmboot_destroy(vm)); /* gone already: no error */
	vmboot_close(vm);
}

static void opens_and_lists_by_name(void)
{
	struct vmboot_opts opts = boot_opts("life-list", "sleep 1000"), here = boot_where();
	struct vmboot_info **infos, *info;
	struct vmboot_vm *vm, *again;

	ASSERT_OK(vmboot_create(&opts, &vm));
	vmboot_close(vm); /* the VM goes on */
	CU_ASSERT_EQUAL_FATAL(vmboot_list(&here, &infos), 1);
	ASSERT_STR(infos[0]->name, "life-list");
	ASSERT_STR(infos[0]->image, "localhost/test:latest");
	CU_ASSERT_EQUAL(infos[0]->state, VMBOOT_STATE_RUNNING);
	CU_ASSERT_EQUAL(infos[0]->memory_mib, 256);
	vmboot_list_free(infos);
	ASSERT_ERROR(vmboot_open(&here, NULL, &again), EINVAL, "which VM?");
	ASSERT_OK(vmboot_open(&here, "life-list", &again));
	ASSERT_OK(vmboot_wait(again, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_info(again, &info));
	ASSERT_STR(info->accel, "tcg");
	vmboot_info_free(info);
	ASSERT_OK(vmboot_destroy(again));
	vmboot_close(again);
}

static void an_ephemeral_vm_leaves_nothing(void)
{
	struct vmboot_opts opts = boot_opts("life-ephemeral", "sleep 1000");
	struct vmboot_vm *vm;

	opts.ephemeral = true;
	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_stop(vm, BOOT_TIMEOUT_MS));
	vmboot_close(vm);
	boot_assert_nothing_left("life-ephemeral");
}

/* libvirt's embedded driver can be registered a few times only in a process. */
static void opens_and_closes_many_times(void)
{
	struct vmboot_opts here = boot_where();
	struct vmboot_info **infos;

	for (int i = 0; i < 50; i++) {
		CU_ASSERT_EQUAL_FATAL(vmboot_list(&here, &infos), 0);
		vmboot_list_free(infos);
	}
}

struct heard {
	int host, guest, program, agent;
	char out[64];
};

static void hear_event(struct vmboot_vm *vm, const struct vmboot_event *e, void *data)
{
	struct heard *h = data;

	(void)vm;
	h->host += !e->guest;
	h->guest += e->guest;
	h->program += e->phase == VMBOOT_PHASE_PROGRAM;
	h->agent += e->phase == VMBOOT_PHASE_AGENT;
}

static void hear_output(struct vmboot_vm *vm, enum vmboot_stream stream, const char *bytes,
			size_t n, void *data)
{
	struct heard *h = data;

	(void)vm;
	CU_ASSERT_EQUAL(stream, VMBOOT_STREAM_STDOUT);
	snprintf(h->out + strlen(h->out), sizeof(h->out) - strlen(h->out), "%.*s", (int)n, bytes);
}

/* Until all has come that comes from this boot, in whatever order. */
static void loop_until_up(struct vmboot_vm *vm, const struct heard *h)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct pollfd p = {.fd = vmboot_event_fd(vm), .events = POLLIN};

	while ((!strstr(h->out, "two") || !h->program || !h->agent) &&
	       poll(&p, 1, vmb_deadline_poll(deadline, -1)) > 0)
		ASSERT_OK(vmboot_dispatch(vm));
	ASSERT_STR(h->out, "one\ntwo\n");
	CU_ASSERT_EQUAL(h->program, 1);
}

/* The caller's own loop: poll the descriptor, dispatch, and never call vmboot_wait(). */
static void serves_an_event_loop_of_the_callers_own(void)
{
	struct vmboot_opts opts = boot_opts("life-loop", "echo one; echo two; sleep 1000");
	struct vmboot_opts here = boot_where();
	struct vmboot_ledger *mine, *theirs;
	struct pollfd p = {.events = POLLIN};
	struct heard h = {0};
	struct vmboot_vm *vm, *other;
	int64_t began;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_on_event(vm, hear_event, &h));
	ASSERT_OK(vmboot_on_output(vm, VMBOOT_STREAM_STDOUT, hear_output, &h));
	p.fd = vmboot_event_fd(vm);
	CU_ASSERT_FATAL(p.fd >= 0);
	loop_until_up(vm, &h);
	CU_ASSERT_EQUAL(h.host, 7);
	CU_ASSERT(h.guest > 10);
	/* a new boot comes through the same descriptor, and to who listened to the old one */
	ASSERT_OK(vmboot_open(&here, "life-loop", &other));
	ASSERT_OK(vmboot_wait(other, VMBOOT_PHASE_PROGRAM, 0));
	CU_ASSERT(vmboot_stop(vm, 0) >= 0);
	memset(&h, 0, sizeof(h));
	began = vmb_monotonic_us();
	ASSERT_OK(vmboot_start(vm));
	CU_ASSERT_EQUAL(vmboot_wait(other, VMBOOT_PHASE_PROGRAM, 0), -ETIMEDOUT);
	loop_until_up(vm, &h);
	began = vmb_monotonic_us() - began;
	CU_ASSERT_EQUAL(h.host, 2);
	ASSERT_OK(vmboot_wait(other, VMBOOT_PHASE_PROGRAM, 0));
	ASSERT_OK(vmboot_ledger(vm, &mine));
	ASSERT_OK(vmboot_ledger(other, &theirs));
	CU_ASSERT_EQUAL(theirs->n_events, mine->n_events);
	/* by the file's time, or by its arrival here: within this boot */
	CU_ASSERT(mine->program_us > 0 && mine->program_us <= began);
	CU_ASSERT(theirs->program_us > 0 && theirs->program_us <= began);
	vmboot_ledger_free(mine);
	vmboot_ledger_free(theirs);
	vmboot_close(other);
	/* nothing more to say: the descriptor is quiet */
	CU_ASSERT_EQUAL(vmboot_dispatch(vm), 0);
	CU_ASSERT_EQUAL(poll(&p, 1, 0), 0);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* The program's own connection serves, and is the program's still when we are done. */
static void boots_on_a_connection_that_is_lent(void)
{
	struct vmboot_opts opts = boot_opts("life-lent", "exit 6"), here = boot_where();
	struct vmboot_info **infos;
	virConnectPtr conn;
	struct vmboot_vm *vm;

	/* this program has no event loop; the library's serves, once it has needed one */
	ASSERT_OK(vmboot_list(&here, &infos));
	vmboot_list_free(infos);
	conn = virConnectOpen(test_path("qemu:///embed?root=%s/embed", boot_store()));
	CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
	opts.uri = NULL;
	opts.connection = conn;
	vm = boot_run(&opts, 6);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	CU_ASSERT_EQUAL(virConnectIsAlive(conn), 1);
	CU_ASSERT_EQUAL(virConnectNumOfDomains(conn), 0);
	virConnectClose(conn);
}

/* Of init and what it forked, from its first to the start of the program; none if it is not asked. */
static unsigned calls_of_init(struct vmboot_vm *vm)
{
	struct vmboot_ledger *ledger;
	unsigned calls = 0;

	ASSERT_OK(vmboot_ledger(vm, &ledger));
	sscanf(boot_event(ledger, VMBOOT_PHASE_PROGRAM)->detail, "%u system calls: ", &calls);
	vmboot_ledger_free(ledger);
	return calls;
}

/* A console that one can sit at; what it says is in the log all the same. */
static void debug_talks(void)
{
	struct vmboot_opts opts = boot_opts("life-debug", "exit 0");
	const char *console;
	struct vmboot_vm *vm;

	opts.debug = true;
	vm = boot_run(&opts, 0);
	console = boot_output(vm, VMBOOT_STREAM_CONSOLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(console, "Linux version"));
	CU_ASSERT_PTR_NOT_NULL(strstr(console, "settle-overlay: "));
	CU_ASSERT(calls_of_init(vm) > 100);
	CU_ASSERT(calls_of_init(vm) < 600);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static pid_t qemu_pid(const char *name)
{
	char *text;
	pid_t pid;

	ASSERT_OK(vmb_read_file(test_path("%s/embed/run/qemu/%s.pid", boot_store(), name), 32,
				&text, NULL));
	pid = (pid_t)atol(text);
	free(text);
	CU_ASSERT_FATAL(pid > 1);
	return pid;
}

static void a_guest_that_dies_ends_the_wait(void)
{
	struct vmboot_opts opts = boot_opts("life-dies", "sleep 1000");
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	kill(qemu_pid("life-dies"), SIGKILL);
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS), VMBOOT_EENDED, "ended");
	ASSERT_STR(vmboot_last_error()->phase, "program");
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	boot_assert_nothing_left("life-dies");
}

static void a_guest_that_hangs_meets_the_deadline(void)
{
	struct vmboot_opts opts = boot_opts("life-hangs", "sleep 1000");
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(&opts, &vm));
	kill(qemu_pid("life-hangs"), SIGSTOP);
	CU_ASSERT_EQUAL(vmboot_wait(vm, VMBOOT_PHASE_EXIT, 500), -ETIMEDOUT);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	boot_assert_nothing_left("life-hangs");
}

/* The image's program takes the place of init on the boot event port, as root in a guest can. */
static void a_guest_that_talks_nonsense_is_an_error(void)
{
	struct vmboot_opts opts = boot_opts("life-nonsense", "sleep 1000");
	const char *events = test_path("%s/vms/life-nonsense/events", boot_store());
	struct vmboot_vm *vm;
	char junk[4096];
	int fd;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	fd = open(events, O_WRONLY | O_APPEND);
	CU_ASSERT_FATAL(fd >= 0);
	memset(junk, 'x', sizeof(junk));
	CU_ASSERT_EQUAL(write(fd, junk, sizeof(junk)), (ssize_t)sizeof(junk));
	close(fd);
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS), VMBOOT_EGUEST,
		     "no boot event");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* A child makes a VM and is killed in the middle; returns when it is dead. */
static void killed_creator(const char *name, bool defined)
{
	struct vmboot_opts opts = boot_opts(name, "true");
	int status;
	pid_t pid;

	/* an embedded libvirt serves one process: this one has given it back by now */
	pid = fork();
	if (pid == 0) {
		in_define = defined ? NOTHING : DIE;
		in_create = DIE;
		vmboot_create(&opts, NULL);
		_exit(0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFSIGNALED(status));
}

static void gc_removes_what_a_killed_program_left(void)
{
	struct vmboot_opts here = boot_where(), opts = boot_opts("life-kept", "sleep 1000");
	struct vmboot_vm *vm;
	char *json;

	killed_creator("life-killed-1", false);
	killed_creator("life-killed-2", true);
	CU_ASSERT(vmb_exists(test_path("%s/vms/life-killed-1", boot_store())));
	CU_ASSERT(vmb_exists(test_path("%s/vms/life-killed-2", boot_store())));
	ASSERT_OK(vmboot_create(&opts, &vm));
	CU_ASSERT_EQUAL(vmboot_gc(&here, VMBOOT_GC_DRY_RUN, NULL), 2);
	CU_ASSERT(vmb_exists(test_path("%s/vms/life-killed-1", boot_store())));
	CU_ASSERT_EQUAL(vmboot_gc(&here, 0, &json), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "life-killed-1"));
	CU_ASSERT_PTR_NOT_NULL(strstr(json, "life-killed-2"));
	vmboot_free(json);
	boot_assert_nothing_left("life-killed-1");
	boot_assert_nothing_left("life-killed-2");
	/* what is in use stays */
	CU_ASSERT_EQUAL(vmboot_gc(&here, 0, NULL), 0);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* A name that moves on while a VM uses what it meant leaves an image that nobody can name. */
static void gc_removes_an_image_that_lost_its_name(void)
{
	struct vmboot_opts here = boot_where(), opts = boot_opts("life-moved", "true");
	const char *folder = test_path("%s/root", test_tmpdir());
	const char *source = test_path("dir:%s", folder);
	struct vmboot_image *old;
	struct vmboot_vm *vm;

	ASSERT_OK(vmb_mkdir_p(folder, 0755));
	test_write(test_path("%s/version", folder), "1");
	ASSERT_OK(vmboot_image_import(&here, source, "moving", &old));
	opts.image = "moving";
	ASSERT_OK(vmboot_create(&opts, &vm));
	test_write(test_path("%s/version", folder), "2");
	ASSERT_OK(vmboot_image_import(&here, source, "moving", NULL));
	CU_ASSERT_EQUAL(vmboot_gc(&here, 0, NULL), 0); /* the VM uses it */
	CU_ASSERT(vmb_exists(old->disk));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	CU_ASSERT_EQUAL(vmboot_gc(&here, VMBOOT_GC_DRY_RUN, NULL), 1);
	CU_ASSERT(vmb_exists(old->disk));
	CU_ASSERT_EQUAL(vmboot_gc(&here, 0, NULL), 1);
	CU_ASSERT_FALSE(vmb_exists(old->disk));
	CU_ASSERT_EQUAL(vmboot_gc(&here, 0, NULL), 0);
	vmboot_image_free(old);
}

static unsigned made_shared, seized_shared;

/* Called while a VM is being made: nobody may remove what it finds or makes. */
static void try_to_seize(enum vmboot_log_level level, const char *message, void *data)
{
	const struct vmb_store store = {.path = (char *)boot_store()};
	int fd = -1;

	(void)level, (void)data;
	if (!strstr(message, "ing the kernel ") && !strstr(message, "making the overlay template "))
		return;
	made_shared++;
	seized_shared += vmb_shared_seize(&store, 0, &fd) == 0;
	if (fd >= 0)
		close(fd);
}

/* Of a kernel that is nobody's choice any more, as of one that an update took away. */
static void gc_removes_a_kernel_that_no_vm_uses(void)
{
	const char *copy = test_path("%s/vmlinuz", test_tmpdir()), *ours;
	struct vmboot_opts here = boot_where(), opts = boot_opts("life-kernel", "true");
	_cleanup_kernel_ struct vmb_kernel kernel = {0}, same = {0};
	struct vmboot_vm *vm;

	ASSERT_OK(vmb_kernel_find("", NULL, &kernel));
	test_copy(kernel.path, copy);
	ASSERT_OK(vmb_kernel_find("", copy, &same));
	ours = test_path("%s/kernels/%s", boot_store(), same.key);
	opts.kernel = copy;
	opts.overlay_mib = 300; /* no other VM's */
	opts.log = try_to_seize;
	ASSERT_OK(vmboot_create(&opts, &vm));
	CU_ASSERT(made_shared >= 2);
	CU_ASSERT_EQUAL(seized_shared, 0);
	CU_ASSERT(vmb_exists(test_path("%s/vms/life-kernel/kernel", boot_store())));
	CU_ASSERT_EQUAL(unlink(copy), 0);
	CU_ASSERT_EQUAL(vmboot_gc(&here, 0, NULL), 0); /* the VM uses it */
	ASSERT_OK(vmboot_stop(vm, 0));
	CU_ASSERT_EQUAL(vmboot_gc(&here, 0, NULL), 0);
	CU_ASSERT(vmb_exists(ours));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	CU_ASSERT_EQUAL(vmboot_gc(&here, VMBOOT_GC_DRY_RUN, NULL), 1);
	CU_ASSERT(vmb_exists(ours));
	CU_ASSERT_EQUAL(vmboot_gc(&here, 0, NULL), 1);
	CU_ASSERT_FALSE(vmb_exists(ours));
	CU_ASSERT_EQUAL(vmboot_gc(&here, 0, NULL), 0);
}

struct racer {
	pthread_t thread;
	pthread_barrier_t *created;
	struct vmboot_opts opts;
	int result;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct vmboot_vm *vm = NULL;

	r->result = vmboot_create(&r->opts, &vm);
	pthread_barrier_wait(r->created); /* none is gone before all have tried */
	if (r->result == 0)
		r->result = vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS);
	if (vm && vmboot_destroy(vm) < 0)
		r->result = -1;
	vmboot_close(vm);
	return NULL;
}

static void run_race(struct racer *racers, int n)
{
	pthread_barrier_t created;

	pthread_barrier_init(&created, NULL, (unsigned)n);
	for (int i = 0; i < n; i++) {
		racers[i].created = &created;
		CU_ASSERT_EQUAL_FATAL(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < n; i++)
		pthread_join(racers[i].thread, NULL);
	pthread_barrier_destroy(&created);
}

static void four_threads_make_four_vms(void)
{
	struct racer racers[4] = {0};

	for (int i = 0; i < 4; i++)
		racers[i].opts = boot_opts(test_path("life-thread-%d", i), "true");
	run_race(racers, 4);
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL(racers[i].result, 0);
}

static void one_of_three_gets_the_name(void)
{
	struct racer racers[3] = {0};
	int won = 0, refused = 0;

	for (int i = 0; i < 3; i++)
		racers[i].opts = boot_opts("life-race", "true");
	run_race(racers, 3);
	for (int i = 0; i < 3; i++) {
		won += racers[i].result == 0;
		refused += racers[i].result == -EEXIST;
	}
	CU_ASSERT_EQUAL(won, 1);
	CU_ASSERT_EQUAL(refused, 2);
	boot_assert_nothing_left("life-race");
}

/* One request, from JSON to PID 1's own words. */
static void both_skips_travel_the_whole_way(void)
{
	struct vmboot_opts *request, opts;
	struct vmboot_ledger *ledger;
	char *plan, *xml;
	const char *console;
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_opts_from_json("{\"name\": \"life-skips\", \"image\": \"test\","
					" \"skip_kernel_headers\": true,"
					" \"skip_guest_agent\": true}",
					&request));
	opts = *request;
	opts.store = boot_store();
	opts.uri = "embed";
	ASSERT_OK(vmboot_plan(&opts, &plan));
	CU_ASSERT_PTR_NOT_NULL(strstr(plan, "\"skip_kernel_headers\": true"));
	CU_ASSERT_PTR_NOT_NULL(strstr(plan, "\"skip_guest_agent\": true"));
	vmboot_free(plan);
	ASSERT_OK(vmboot_render_xml(&opts, &xml));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(xml, "<vmboot:skip_kernel_headers>true</vmboot:skip_kernel_headers>"));
	vmboot_free(xml);
	vm = boot_run(&opts, 0);
	console = boot_output(vm, VMBOOT_STREAM_CONSOLE);
	CU_ASSERT_PTR_NOT_NULL(strstr(console, "skipping kernel headers setup"));
	CU_ASSERT_PTR_NOT_NULL(strstr(console, "skipping guest agent"));
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(boot_event(ledger, VMBOOT_PHASE_HEADERS)->detail, "skipping"));
	CU_ASSERT_PTR_NOT_NULL(strstr(boot_event(ledger, VMBOOT_PHASE_AGENT)->detail, "skipping"));
	vmboot_ledger_free(ledger);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	vmboot_opts_free(request);

	/* and without them, no such words */
	opts = boot_opts("life-noskips", "true");
	opts.skip_kernel_headers = false;
	vm = boot_run(&opts, 0);
	CU_ASSERT_PTR_NULL(strstr(boot_output(vm, VMBOOT_STREAM_CONSOLE), "skipping"));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void the_same_request_gives_the_same_bytes(void)
{
	struct vmboot_opts opts = boot_opts("life-plan", "true");
	const char *file = test_path("%s/plan.xml", test_tmpdir());
	const char *const validate[] = {"virt-xml-validate", file, "domain", NULL};
	char *a, *b;

	ASSERT_OK(vmboot_plan(&opts, &a));
	ASSERT_OK(vmboot_plan(&opts, &b));
	ASSERT_STR(a, b);
	vmboot_free(a);
	vmboot_free(b);
	ASSERT_OK(vmboot_render_xml(&opts, &a));
	ASSERT_OK(vmboot_render_xml(&opts, &b));
	ASSERT_STR(a, b);
	test_write(file, a);
	ASSERT_OK(vmb_run(validate, NULL));
	vmboot_free(a);
	vmboot_free(b);
	boot_assert_nothing_left("life-plan");
}

/* The overlay costs what is written to it, and the config disk is for its owner alone. */
static void a_vm_costs_little_disk_and_hides_its_config(void)
{
	struct vmboot_opts opts = boot_opts("life-disk", "true");
	struct vmboot_vm *vm;
	struct stat st;

	ASSERT_OK(vmboot_create(&opts, &vm));
	CU_ASSERT_EQUAL_FATAL(stat(test_path("%s/vms/life-disk/overlay.img", boot_store()), &st),
			      0);
	CU_ASSERT_EQUAL(st.st_size, 10240LL << 20);
	CU_ASSERT(st.st_blocks * 512 < 1 << 20);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT_EQUAL_FATAL(stat(test_path("%s/vms/life-disk/config.img", boot_store()), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	CU_ASSERT(st.st_size <= 4096 * 2);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

BOOT_MAIN("boot/life",
	  {"gc removes what a killed program left", gc_removes_what_a_killed_program_left},
	  {"gc removes an image that lost its name", gc_removes_an_image_that_lost_its_name},
	  {"gc removes a kernel that no VM uses", gc_removes_a_kernel_that_no_vm_uses},
	  {"leaves nothing when libvirt refuses", leaves_nothing_when_libvirt_refuses},
	  {"leaves nothing when it is cancelled", leaves_nothing_when_it_is_cancelled},
	  {"tells what libvirt said", tells_what_libvirt_said},
	  {"refuses a name that is taken", refuses_a_name_that_is_taken},
	  {"opens and lists by name", opens_and_lists_by_name},
	  {"serves an event loop of the caller's own", serves_an_event_loop_of_the_callers_own},
	  {"boots on a connection that is lent", boots_on_a_connection_that_is_lent},
	  {"debug talks", debug_talks},
	  {"opens and closes many times", opens_and_closes_many_times},
	  {"an ephemeral VM leaves nothing", an_ephemeral_vm_leaves_nothing},
	  {"a guest that dies ends the wait", a_guest_that_dies_ends_the_wait},
	  {"a guest that hangs meets the deadline", a_guest_that_hangs_meets_the_deadline},
	  {"a guest that talks nonsense is an error", a_guest_that_talks_nonsense_is_an_error},
	  {"four threads make four VMs", four_threads_make_four_vms},
	  {"one of three gets the name", one_of_three_gets_the_name},
	  {"both skips travel the whole way", both_skips_travel_the_whole_way},
	  {"the same request gives the same bytes", the_same_request_gives_the_same_bytes},
	  {"a VM costs little disk and hides its config",
	   a_vm_costs_little_disk_and_hides_its_config})
