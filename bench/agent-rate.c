/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent-rate VM output MIB | exec N | parallel N: prints MiB, or programs, per second. Store and
 * libvirt are those of VMBOOT_STORE and LIBVIRT_DEFAULT_URI, or the defaults.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

enum { PARALLEL_MAX = 128 };

static struct vmboot_vm *vm;

static void __attribute__((noreturn)) failed(const char *what)
{
	fprintf(stderr, "agent-rate: %s: %s\n", what, vmboot_last_error()->message);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void output(int mib)
{
	char count[32];
	const char *const args[] = {"dd", "if=/dev/zero", "bs=65536", count, NULL};
	const struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC), status = -1;

	snprintf(count, sizeof(count), "count=%d", mib * 16);
	if (vmboot_exec_stream(vm, &opts, (const int[]){-1, null, null}, -1, &status) < 0 || status)
		failed("dd");
	close(null);
}

static void run_true(void)
{
	static const char *const args[] = {"true", NULL};
	const struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args);
	struct vmboot_exec_result *result;

	if (vmboot_exec(vm, &opts, &result) < 0)
		failed("true");
	vmboot_exec_result_free(result);
}

static void one_by_one(int n)
{
	for (int i = 0; i < n; i++)
		run_true();
}

static void *run_true_once(void *data)
{
	run_true();
	return data;
}

static void at_once(int n)
{
	pthread_t threads[PARALLEL_MAX];

	for (int i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, run_true_once, NULL))
			failed("a thread");
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

static const struct {
	const char *name;
	void (*fn)(int n);
} modes[] = {{"output", output}, {"exec", one_by_one}, {"parallel", at_once}};

int main(int argc, char **argv)
{
	int n = argc == 4 ? atoi(argv[3]) : 0;
	double start;

	for (size_t i = 0; n > 0 && n <= 1 << 20 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, argv[2]) != 0)
			continue;
		if (modes[i].fn == at_once && n > PARALLEL_MAX)
			break;
		if (vmboot_open(NULL, argv[1], &vm) < 0)
			failed(argv[1]);
		run_true(); /* the first connection is not what is measured */
		start = now();
		modes[i].fn(n);
		printf("%.2f\n", n / (now() - start));
		vmboot_close(vm);
		return 0;
	}
	fprintf(stderr, "usage: agent-rate VM output MIB | exec N | parallel N (at most %d)\n",
		PARALLEL_MAX);
	return 2;
}
