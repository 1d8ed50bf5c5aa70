/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wall-ours REQUEST [END]: creates the VM of a JSON request once, and prints what it took, a line
 * each: a key, a blank, a number. Times are nanoseconds since the call of vmboot_create(). END is
 * "line", the program's first line (the default); "agent", which also asks the agent; or "ready".
 *
 * The connection is open before the call, as it is in a program that makes many VMs: a VM that is
 * prepared, but never started, keeps it. What libvirt takes of the calling thread's processor time
 * is told apart: its functions are found here first, and passed on.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

#define LINE "vmboot-bench"

enum { DEADLINE_MS = 300000, REQUEST_MAX = 65536 };

typedef long long ns_t;

static ns_t read_clock(clockid_t id)
{
	struct timespec t = {0};

	clock_gettime(id, &t);
	return (ns_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static ns_t children_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return ((ns_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000 +
	       ((ns_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

/* ---- libvirt's share ---- */

static __thread ns_t in_libvirt;
static ns_t libvirt_children;

struct share {
	ns_t thread, children;
};

static struct share enter(void)
{
	return (struct share){read_clock(CLOCK_THREAD_CPUTIME_ID), children_ns()};
}

static void leave(struct share s)
{
	in_libvirt += read_clock(CLOCK_THREAD_CPUTIME_ID) - s.thread;
	libvirt_children += children_ns() - s.children;
}

#define PASS_ON(type, name, params, args)                                                          \
	__attribute__((visibility("default"))) type name params                                    \
	{                                                                                          \
		type(*real) params = (type(*) params)dlsym(RTLD_NEXT, #name);                      \
		struct share s = enter();                                                          \
		type r = real args;                                                                \
                                                                                                   \
		leave(s);                                                                          \
		return r;                                                                          \
	}

PASS_ON(int, virConnectIsAlive, (virConnectPtr c), (c))
PASS_ON(char *, virConnectGetCapabilities, (virConnectPtr c), (c))
PASS_ON(char *, virConnectGetURI, (virConnectPtr c), (c))
PASS_ON(int, virConnectGetLibVersion, (virConnectPtr c, unsigned long *v), (c, v))
PASS_ON(virDomainPtr, virDomainLookupByName, (virConnectPtr c, const char *n), (c, n))
PASS_ON(virDomainPtr, virDomainDefineXML, (virConnectPtr c, const char *x), (c, x))
PASS_ON(virDomainPtr, virDomainCreateXML, (virConnectPtr c, const char *x, unsigned f), (c, x, f))
PASS_ON(int, virDomainCreate, (virDomainPtr d), (d))
PASS_ON(int, virConnectDomainEventRegisterAny,
	(virConnectPtr c, virDomainPtr d, int id, virConnectDomainEventGenericCallback fn, void *o,
	 virFreeCallback f),
	(c, d, id, fn, o, f))

/* ---- the boot ---- */

struct run {
	struct vmboot_vm *vm;
	ns_t start;
	enum vmboot_phase last; /* after which nothing is waited for, if there was a line too */
	bool done_line, done_phase;
	size_t matched;
	pid_t qemu;
};

static void say(const char *key, ns_t value)
{
	printf("%s %lld\n", key, value);
}

static ns_t since(const struct run *r)
{
	return read_clock(CLOCK_MONOTONIC) - r->start;
}

static void __attribute__((noreturn)) failed(struct run *r, const char *what)
{
	fprintf(stderr, "wall-ours: %s: %s\n", what, vmboot_last_error()->message);
	if (r->vm)
		vmboot_destroy(r->vm);
	_exit(1);
}

/* Peak of resident memory, in KiB. */
static ns_t peak(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static void say_costs(const struct run *r)
{
	clockid_t id;

	say("host_cpu", read_clock(CLOCK_PROCESS_CPUTIME_ID) + children_ns());
	say("host_peak_kib", peak(getpid()));
	if (r->qemu <= 0 || clock_getcpuclockid(r->qemu, &id) != 0)
		return;
	say("qemu_cpu", read_clock(id));
	say("qemu_peak_kib", peak(r->qemu));
}

/* A console's bytes come one by one: how many of the line's are there. */
static size_t match(size_t matched, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n && matched < strlen(LINE); i++)
		matched = bytes[i] == LINE[matched] ? matched + 1 : bytes[i] == LINE[0];
	return matched;
}

static void on_line(struct vmboot_vm *vm, enum vmboot_stream stream, const char *bytes, size_t n,
		    void *data)
{
	struct run *r = data;
	bool ready = r->last == VMBOOT_PHASE_READY;

	(void)vm;
	if (r->done_line || stream != (ready ? VMBOOT_STREAM_CONSOLE : VMBOOT_STREAM_STDOUT))
		return;
	r->matched = match(r->matched, bytes, n);
	if (r->matched < strlen(LINE))
		return;
	r->done_line = true;
	say("line", since(r));
	say_costs(r);
}

static void on_event(struct vmboot_vm *vm, const struct vmboot_event *event, void *data)
{
	struct run *r = data;
	char key[64];

	(void)vm;
	if (event->guest) {
		snprintf(key, sizeof(key), "event_%s", vmboot_phase_name(event->phase));
		say(key, since(r));
	}
	if (event->phase == r->last)
		r->done_phase = true;
}

static void follow(struct run *r)
{
	struct pollfd fd = {.fd = vmboot_event_fd(r->vm), .events = POLLIN};

	vmboot_on_event(r->vm, on_event, r);
	vmboot_on_output(r->vm, VMBOOT_STREAM_STDOUT, on_line, r);
	vmboot_on_output(r->vm, VMBOOT_STREAM_CONSOLE, on_line, r);
	while (!r->done_line || !r->done_phase) {
		if (vmboot_dispatch(r->vm) < 0)
			failed(r, "the boot");
		if (r->done_line && r->done_phase)
			break;
		if (poll(&fd, 1, DEADLINE_MS) <= 0) {
			fprintf(stderr, "wall-ours: nothing came in time\n");
			vmboot_destroy(r->vm);
			_exit(1);
		}
	}
}

/* All that is on disk for this VM alone. */
static ns_t real_disk(const char *folder)
{
	const struct dirent *entry;
	DIR *dir = opendir(folder);
	struct stat st;
	ns_t sum = 0;

	while (dir && (entry = readdir(dir)))
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_nlink == 1)
			sum += (ns_t)st.st_blocks * 512;
	if (dir)
		closedir(dir);
	return sum;
}

static pid_t find_qemu(const char *store, const char *name)
{
	char path[4096];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/embed/run/qemu/%s.pid", store, name);
	f = fopen(path, "re");
	if (f && fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

static void create(struct run *r, const struct vmboot_opts *opts)
{
	ns_t thread, children = children_ns(), before;
	struct vmboot_info *info;

	in_libvirt = libvirt_children = 0;
	before = read_clock(CLOCK_PROCESS_CPUTIME_ID) + children;
	r->start = read_clock(CLOCK_MONOTONIC);
	thread = read_clock(CLOCK_THREAD_CPUTIME_ID);
	if (vmboot_create(opts, &r->vm) < 0)
		failed(r, "create");
	thread = read_clock(CLOCK_THREAD_CPUTIME_ID) - thread;
	say("created", since(r));
	say("create_cpu", thread - in_libvirt + children_ns() - children - libvirt_children);
	say("libvirt_cpu", in_libvirt + libvirt_children);
	say("host_cpu_before", before);
	r->qemu = find_qemu(opts->store, opts->name);
	if (vmboot_info(r->vm, &info) < 0)
		failed(r, "info");
	say("disk_bytes", real_disk(info->folder));
	vmboot_info_free(info);
}

/* The agent's first answer, to a question that asks nothing of the image. */
static void ask_agent(struct run *r)
{
	struct vmboot_stat *st;

	if (vmboot_stat(r->vm, "/", true, &st) < 0)
		failed(r, "the agent");
	say("answer", since(r));
	vmboot_stat_free(st);
}

static struct vmboot_opts *read_request(const char *path)
{
	static char json[REQUEST_MAX];
	struct vmboot_opts *opts = NULL;
	FILE *f = fopen(path, "re");

	if (!f || fread(json, 1, sizeof(json) - 1, f) == 0 ||
	    vmboot_opts_from_json(json, &opts) < 0)
		fprintf(stderr, "wall-ours: %s: no request: %s\n", path,
			vmboot_last_error()->message);
	if (f)
		fclose(f);
	return opts;
}

/* Opens the connection; returns who keeps it. */
static struct vmboot_vm *open_connection(const struct vmboot_opts *opts)
{
	struct vmboot_opts own = *opts;
	struct vmboot_vm *anchor = NULL;
	char *xml = NULL;
	ns_t start = read_clock(CLOCK_MONOTONIC);

	own.name = "anchor";
	if (vmboot_prepare(&own, &anchor, &xml) < 0)
		failed(&(struct run){0}, "prepare");
	say("first_prepare", read_clock(CLOCK_MONOTONIC) - start);
	vmboot_free(xml);
	vmboot_destroy(anchor);
	return anchor;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		enum vmboot_phase last;
	} ends[] = {{"line", VMBOOT_PHASE_PROGRAM},
		    {"agent", VMBOOT_PHASE_AGENT},
		    {"ready", VMBOOT_PHASE_READY}};
	struct run r = {.last = VMBOOT_PHASE_PROGRAM};
	struct vmboot_opts *opts = argc > 1 ? read_request(argv[1]) : NULL;
	struct vmboot_ledger *ledger;
	struct vmboot_vm *anchor;
	char *json;

	if (!opts)
		return 2;
	for (size_t i = 0; argc > 2 && i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strcmp(ends[i].name, argv[2]) == 0)
			r.last = ends[i].last;
	anchor = open_connection(opts);
	create(&r, opts);
	follow(&r);
	if (r.last == VMBOOT_PHASE_AGENT)
		ask_agent(&r);
	if (vmboot_ledger(r.vm, &ledger) == 0 && vmboot_ledger_json(ledger, &json) == 0) {
		printf("ledger %s\n", json);
		vmboot_free(json);
		vmboot_ledger_free(ledger);
	}
	if (r.qemu > 0)
		kill(r.qemu, SIGKILL); /* libvirt would wait for it, while the machine idles */
	if (vmboot_destroy(r.vm) < 0)
		failed(&(struct run){0}, "destroy");
	fflush(stdout);
	vmboot_close(r.vm);
	vmboot_close(anchor);
	_exit(0); /* the embedded driver's threads would outlive the libraries' data */
}
