/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many VMs at once in an event loop of one's own: poll IMAGE [N].
 *
 * The loop polls a descriptor for each VM, and vmboot_dispatch() never waits. What does wait,
 * vmboot_create() and vmboot_exec(), runs in threads, which report through a pipe. Each VM is asked
 * for its host name and destroyed. At the end it tells what memory that took in this process.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

enum { MANY = 20, MOST = 100, SECONDS = 600 };

struct machine {
	char name[32];
	const char *image;
	struct vmboot_vm *vm;
	bool up, failed, gone;
	pthread_t thread;
};

static int reports[2]; /* a pipe of pointers to machines whose thread has ended */

static void *report(struct machine *m, int r)
{
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", m->name, vmboot_last_error()->message);
		m->failed = true;
	}
	if (write(reports[1], &m, sizeof(m)) != (ssize_t)sizeof(m))
		abort();
	return NULL;
}

static void *create(void *data)
{
	struct machine *m = data;
	struct vmboot_opts opts = VMBOOT_OPTS(.name = m->name, .image = m->image, .memory_mib = 128,
					      .skip_kernel_headers = true, .ephemeral = true);

	return report(m, vmboot_create(&opts, &m->vm));
}

static void *talk(void *data)
{
	static const char *const args[] = {"hostname", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args, .timeout_ms = SECONDS * 1000);
	struct vmboot_exec_result *result = NULL;
	struct machine *m = data;
	int r = vmboot_exec(m->vm, &opts, &result);

	if (r == 0)
		printf("%s answers: %s", m->name, result->out);
	vmboot_exec_result_free(result);
	if (r == 0)
		r = vmboot_destroy(m->vm);
	m->gone = true;
	return report(m, r);
}

/* Runs in the loop's own thread. */
static void on_event(struct vmboot_vm *vm, const struct vmboot_event *event, void *data)
{
	struct machine *m = data;

	(void)vm;
	if (event->phase == VMBOOT_PHASE_PROGRAM)
		m->up = true;
}

/* A thread has ended; 1: there is nothing more to do for its machine. */
static int next_step(struct machine *m)
{
	pthread_join(m->thread, NULL);
	if (!m->failed && !m->gone) {
		vmboot_on_event(m->vm, on_event, m);
		return 0; /* from now on its descriptor is polled */
	}
	if (m->failed && m->vm)
		vmboot_destroy(m->vm);
	vmboot_close(m->vm);
	m->vm = NULL;
	return 1;
}

/* What the guest said; once its program runs, a thread talks with it. */
static void listen_to(struct machine *m)
{
	if (vmboot_dispatch(m->vm) < 0) {
		fprintf(stderr, "%s: %s\n", m->name, vmboot_last_error()->message);
		exit(1);
	}
	if (m->up)
		pthread_create(&m->thread, NULL, talk, m);
}

static int loop(struct machine *machines, int n)
{
	struct pollfd fds[MOST + 1] = {{.fd = reports[0], .events = POLLIN}};
	struct machine *m;
	int left = n;

	for (int i = 0; i < n; i++)
		fds[i + 1] = (struct pollfd){.fd = -1, .events = POLLIN};
	while (left > 0) {
		if (poll(fds, (nfds_t)n + 1, SECONDS * 1000) <= 0)
			return -1;
		if (fds[0].revents && read(reports[0], &m, sizeof(m)) == (ssize_t)sizeof(m)) {
			if (next_step(m))
				left--;
			else
				fds[m - machines + 1].fd = vmboot_event_fd(m->vm);
		}
		for (int i = 0; i < n; i++) {
			if (fds[i + 1].fd < 0 || !fds[i + 1].revents)
				continue;
			listen_to(&machines[i]);
			if (machines[i].up)
				fds[i + 1].fd = -1;
		}
	}
	return 0;
}

static long peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : MANY, failed = 0;
	struct machine machines[MOST] = {{.vm = NULL}};
	struct vmboot_info **infos;
	long before;

	if (argc < 2 || n < 1 || n > MOST || pipe(reports) < 0) {
		fprintf(stderr, "usage: %s IMAGE [1-%d]\n", argv[0], MOST);
		return 2;
	}
	/* what libvirt itself costs, once */
	if (vmboot_list(NULL, &infos) >= 0)
		vmboot_list_free(infos);
	before = peak_kib();
	for (int i = 0; i < n; i++) {
		snprintf(machines[i].name, sizeof(machines[i].name), "poll-%d", i + 1);
		machines[i].image = argv[1];
		pthread_create(&machines[i].thread, NULL, create, &machines[i]);
	}
	if (loop(machines, n) < 0)
		fprintf(stderr, "nothing happened for %d seconds\n", SECONDS), failed = 1;
	for (int i = 0; i < n; i++)
		failed |= machines[i].failed;
	printf("%d VMs: peak memory of this process %ld KiB, %ld KiB of it before the first; "
	       "%ld KiB for each VM\n",
	       n, peak_kib(), before, (peak_kib() - before) / n);
	fflush(stdout);
	_exit(failed);
}
