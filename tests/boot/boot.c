/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "boot.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"

static char folder[64];
static char store[96];
static const char *uri = "embed";

static void __attribute__((noreturn)) cannot(const char *why)
{
	const char *ci = getenv("CI");

	printf("%s: %s\n", ci && *ci ? "FAIL" : "SKIP", why);
	boot_teardown();
	exit(ci && *ci ? 1 : 77);
}

static void make_image(void)
{
	const char *script = TEST_SRCDIR "/boot/mkimage.sh";
	const char *const argv[] = {"sh", script, folder, NULL};
	struct vmboot_opts where = VMBOOT_OPTS(.store = store);
	char source[160];

	if (vmb_run(argv, NULL) < 0)
		cannot(vmboot_last_error()->message);
	snprintf(source, sizeof(source), "oci:%s/image:test", folder);
	if (vmboot_image_import(&where, source, "test", NULL) < 0)
		cannot(vmboot_last_error()->message);
}

void boot_setup(void)
{
	char *qemu = vmb_find_tool("qemu-system-x86_64");

	strcpy(folder, "/tmp/vmbt-XXXXXX");
	if (!mkdtemp(folder) || chmod(folder, 0711) < 0)
		abort();
	snprintf(store, sizeof(store), "%s/s", folder);
	if (!qemu)
		cannot("qemu-system-x86_64 is not installed");
	free(qemu);
	setbuf(stdout, NULL);
	make_image();
}

/* It takes half a minute to make: `make check-boot` does so once for all programs. */
void boot_import_debian(void)
{
	const char *script = TEST_SRCDIR "/boot/mkdebian.sh";
	struct vmboot_opts where = VMBOOT_OPTS(.store = store);
	const char *tar = test_path("%s", TEST_BUILDDIR "/tests/boot/debian.tar");
	const char *const argv[] = {"sh", script, tar, NULL};

	if (!vmb_exists(tar) && vmb_run(argv, NULL) < 0)
		cannot(vmboot_last_error()->message);
	ASSERT_OK(vmboot_image_import(&where, test_path("tar:%s", tar), "debian", NULL));
}

void boot_set_uri(const char *chosen)
{
	uri = chosen;
}

struct vmboot_opts boot_where(void)
{
	return (struct vmboot_opts)VMBOOT_OPTS(.store = store, .uri = uri);
}

void boot_destroy_all(void)
{
	struct vmboot_opts where = boot_where();
	struct vmboot_info **infos = NULL;
	struct vmboot_vm *vm;

	if (vmboot_list(&where, &infos) < 0)
		return;
	for (struct vmboot_info **i = infos; *i; i++)
		if (vmboot_open(&where, (*i)->name, &vm) == 0) {
			vmboot_destroy(vm);
			vmboot_close(vm);
		}
	vmboot_list_free(infos);
}

void boot_teardown(void)
{
	if (vmb_exists(store))
		boot_destroy_all();
	if (vmb_rm_rf(folder) < 0)
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
}

const char *boot_store(void)
{
	return store;
}

struct vmboot_opts boot_opts(const char *name, const char *script)
{
	/* a list lives until the test ends */
	const char **cmd = (const char **)(void *)test_alloc(4 * sizeof(char *));
	struct vmboot_opts opts = VMBOOT_OPTS(.name = name, .image = "test", .uri = uri);

	cmd[0] = "/bin/sh";
	cmd[1] = "-c";
	cmd[2] = test_path("%s", script);
	opts.cmd = cmd;
	opts.store = store;
	opts.memory_mib = 256;
	opts.skip_kernel_headers = true; /* making that disk takes seconds: see test-kernel.c */
	return opts;
}

struct vmboot_exec_opts boot_sh(const char *script)
{
	const char **args = (const char **)(void *)test_alloc(4 * sizeof(char *));
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);

	args[0] = "/bin/sh";
	args[1] = "-c";
	args[2] = script;
	opts.timeout_ms = BOOT_TIMEOUT_MS;
	return opts;
}

struct vmboot_exec_result *boot_time_out(struct vmboot_vm *vm, struct vmboot_exec_opts opts)
{
	struct vmboot_exec_result *result = NULL;
	int r;

	for (;; opts.timeout_ms *= 4) {
		r = vmboot_exec(vm, &opts, &result);
		if (opts.timeout_ms > BOOT_TIMEOUT_MS || (r < 0 && r != -ETIMEDOUT))
			break;
		if (r == 0 && *result->out)
			break;
		if (r == 0)
			vmboot_exec_result_free(result);
	}
	ASSERT_OK(r);
	return result;
}

static void collect(struct vmboot_vm *vm, enum vmboot_stream stream, const char *bytes, size_t n,
		    void *data)
{
	(void)vm;
	(void)stream;
	vmb_buf_add(data, bytes, n);
}

const char *boot_output(struct vmboot_vm *vm, enum vmboot_stream stream)
{
	struct vmboot_opts where = boot_where();
	struct pollfd fd = {.events = POLLIN};
	struct vmb_buf buf = {0};
	struct vmboot_vm *fresh;
	const char *text;

	/* a handle of its own reads from the first byte */
	ASSERT_OK(vmboot_open(&where, vmboot_name(vm), &fresh));
	ASSERT_OK(vmboot_on_output(fresh, stream, collect, &buf));
	fd.fd = vmboot_event_fd(fresh);
	do
		ASSERT_OK(vmboot_dispatch(fresh));
	while (poll(&fd, 1, 0) == 1);
	vmboot_close(fresh);
	text = test_path("%s", buf.data ? buf.data : "");
	vmb_buf_done(&buf);
	return text;
}

enum {
	EXECS_BEFORE = 10, /* what is made once is there after these */
	EXEC_BYTES = 4096, /* what an exec may leave allocated: the allocator is not exact */
	LEFT_MS = 10000,   /* libvirt's event loop lets go of things a little later */
};

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

struct usage {
	int fds, threads;
	size_t bytes;
};

static struct usage measure_usage(void)
{
	struct mallinfo2 m = mallinfo2();

	return (struct usage){.fds = entries("/proc/self/fd"),
			      .threads = entries("/proc/self/task"),
			      .bytes = m.uordblks + m.hblkhd};
}

static void exec_true(struct vmboot_vm *vm, int n)
{
	const char *const args[] = {"true", NULL};
	const struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	struct vmboot_exec_result *result;

	for (int i = 0; i < n; i++) {
		ASSERT_OK(vmboot_exec(vm, &opts, &result));
		CU_ASSERT_EQUAL(result->exit_code, 0);
		vmboot_exec_result_free(result);
	}
}

void boot_exec_often(struct vmboot_vm *vm, int n)
{
	const char *wanted = getenv("BOOT_EXECS");
	struct usage before, after;
	struct vmb_deadline until;
	int64_t start;

	n = wanted ? atoi(wanted) : n;
	exec_true(vm, EXECS_BEFORE);
	before = measure_usage();
	start = vmb_monotonic_us();
	exec_true(vm, n);
	printf("(%d: %.1f ms each) ", n, (double)(vmb_monotonic_us() - start) / 1000 / n);
	until = vmb_deadline_in(LEFT_MS);
	do {
		after = measure_usage();
	} while ((after.fds > before.fds || after.threads > before.threads) &&
		 !vmb_deadline_passed(until) && poll(NULL, 0, 20) == 0);
	CU_ASSERT_EQUAL(after.fds, before.fds);
	CU_ASSERT_EQUAL(after.threads, before.threads);
	CU_ASSERT(after.bytes < before.bytes + 262144 + (size_t)n * EXEC_BYTES);
	if (after.fds != before.fds || after.threads != before.threads ||
	    after.bytes >= before.bytes + 262144 + (size_t)n * EXEC_BYTES)
		printf("descriptors %d -> %d, threads %d -> %d, bytes %zu -> %zu\n", before.fds,
		       after.fds, before.threads, after.threads, before.bytes, after.bytes);
}

struct vmboot_vm *boot_run(const struct vmboot_opts *opts, int exit_code)
{
	struct vmboot_ledger *ledger;
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	CU_ASSERT(ledger->exited);
	CU_ASSERT_EQUAL(ledger->exit_code, exit_code);
	vmboot_ledger_free(ledger);
	return vm;
}

const struct vmboot_event *boot_event(const struct vmboot_ledger *ledger, enum vmboot_phase phase)
{
	const struct vmboot_event *found = NULL;

	for (size_t i = 0; i < ledger->n_events; i++)
		if (ledger->events[i]->phase == phase)
			found = ledger->events[i];
	return found;
}

/* True if a process has this word in its command line. */
static bool process_with(const char *word)
{
	DIR *proc = opendir("/proc");
	struct dirent *ent;
	bool found = false;

	while (proc && !found && (ent = readdir(proc))) {
		char path[300], *text = NULL;
		size_t n;

		snprintf(path, sizeof(path), "/proc/%s/cmdline", ent->d_name);
		if (ent->d_name[0] < '0' || ent->d_name[0] > '9' ||
		    vmb_read_file(path, 1U << 20, &text, &n) < 0)
			continue;
		found = strstr(text, "qemu") && memmem(text, n, word, strlen(word));
		free(text);
	}
	if (proc)
		closedir(proc);
	return found;
}

void boot_assert_nothing_left(const char *name)
{
	struct vmboot_opts where = boot_where();
	struct vmboot_vm *vm = NULL;

	CU_ASSERT_EQUAL(vmboot_open(&where, name, &vm), -VMBOOT_ENOVM);
	vmboot_close(vm);
	CU_ASSERT_FALSE(vmb_exists(test_path("%s/vms/%s", store, name)));
	CU_ASSERT_FALSE(process_with(test_path("%s/vms/%s/", store, name)));
}
