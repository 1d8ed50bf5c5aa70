/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an agent leaves on the disk, and what callers see when it ends: once, and for good. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "boot.h"

#define KILL_AGENT                                                                                 \
	"for p in /proc/[0-9]*; do grep -q ^vmboot-agent $p/cmdline && kill -9 ${p#/proc/}; "      \
	"done; sleep 100"

static struct vmboot_vm *shared;

static struct vmboot_vm *vm(void)
{
	struct vmboot_opts opts = boot_opts("ends", "echo kept >/written; sleep 100000");

	if (shared)
		return shared;
	ASSERT_OK(vmboot_create(&opts, &shared));
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	return shared;
}

static int exec_sh(const char *script, int timeout_ms, char out[256])
{
	const char *const args[] = {"/bin/sh", "-c", script, NULL};
	const struct vmboot_exec_opts opts =
		VMBOOT_EXEC_OPTS(.args = args, .timeout_ms = timeout_ms);
	struct vmboot_exec_result *result;
	int r = vmboot_exec(vm(), &opts, &result);

	if (r < 0)
		return r;
	snprintf(out, 256, "%s", result->out);
	vmboot_exec_result_free(result);
	return 0;
}

struct sleeper {
	pthread_t thread;
	int r;
	char error[256];
};

static void *sleep_in_guest(void *data)
{
	struct sleeper *s = data;
	char out[256];

	s->r = exec_sh("exec sleep 54326", 0, out);
	snprintf(s->error, sizeof(s->error), "%s", vmboot_last_error()->message);
	return NULL;
}

/* All sessions end with words, what they ran ends too, and the next agent serves at once. */
static void is_started_again(void)
{
	struct sleeper sleepers[4] = {0};
	struct vmb_deadline until;
	char out[256];

	vm();
	for (size_t i = 0; i < ARRAY_SIZE(sleepers); i++)
		CU_ASSERT_FATAL(pthread_create(&sleepers[i].thread, NULL, sleep_in_guest,
					       &sleepers[i]) == 0);
	do
		ASSERT_OK(exec_sh("ps -o args | grep -c '^sleep 5432[6]'", BOOT_TIMEOUT_MS, out));
	while (strcmp(out, "4\n") != 0);
	until = vmb_deadline_in(BOOT_TIMEOUT_MS);
	ASSERT_ERROR(exec_sh(KILL_AGENT, BOOT_TIMEOUT_MS, out), VMBOOT_EGUEST, "started again");
	for (size_t i = 0; i < ARRAY_SIZE(sleepers); i++) {
		pthread_join(sleepers[i].thread, NULL);
		CU_ASSERT_EQUAL(sleepers[i].r, -VMBOOT_EGUEST);
		CU_ASSERT_PTR_NOT_NULL(strstr(sleepers[i].error, "started again"));
	}
	CU_ASSERT_FALSE(vmb_deadline_passed(until)); /* the sleepers' own is never */
	ASSERT_OK(exec_sh("ps -o args | grep '^sleep 5432[6]' || echo none", BOOT_TIMEOUT_MS, out));
	ASSERT_STR(out, "none\n");
}

static void is_given_up(void)
{
	struct vmboot_stat *st = NULL;
	struct vmboot_ledger *ledger;
	const struct vmboot_event *e;
	struct vmb_deadline until = vmb_deadline_in(BOOT_TIMEOUT_MS);
	char out[256];
	int r = 0;

	while (r != -VMBOOT_ENOAGENT && !vmb_deadline_passed(until))
		r = exec_sh(KILL_AGENT, BOOT_TIMEOUT_MS, out);
	CU_ASSERT_EQUAL(r, -VMBOOT_ENOAGENT);
	/* all of them at once: each that waited for an answer would have other words */
	ASSERT_ERROR(exec_sh("true", BOOT_TIMEOUT_MS, out), VMBOOT_ENOAGENT, "ended too often");
	ASSERT_ERROR(vmboot_stat(shared, "/", true, &st), VMBOOT_ENOAGENT, "ended too often");
	ASSERT_ERROR(vmboot_copy_to(shared, "/etc/passwd", "/"), VMBOOT_ENOAGENT,
		     "ended too often");
	ASSERT_ERROR(vmboot_copy_from(shared, "/etc/passwd", test_tmpdir()), VMBOOT_ENOAGENT,
		     "ended too often");
	ASSERT_OK(vmboot_ledger(shared, &ledger));
	e = boot_event(ledger, VMBOOT_PHASE_AGENT);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT_PTR_NOT_NULL(strstr(e->detail, "ended too often"));
	vmboot_ledger_free(ledger);
}

/* Last. The program's file, the mount points that the image lacks, and the name of the VM. */
static void leaves_nothing_on_the_disk(void)
{
	const char *image = test_path("%s/vms/ends/overlay.img", boot_store());
	const char *const argv[] = {
		"sh", "-ec",
		test_path("debugfs -R 'rdump /upper %s' '%s' 2>/dev/null; cd %s; find upper | sort",
			  test_tmpdir(), image, test_tmpdir()),
		NULL};
	char *out = NULL;

	CU_ASSERT(vmboot_stop(shared, 20000) >= 0);
	ASSERT_OK(vmb_run(argv, &out));
	ASSERT_STR(out,
		   "upper\nupper/dev\nupper/etc\nupper/etc/hostname\nupper/etc/hosts\nupper/proc\n"
		   "upper/run\nupper/sys\nupper/written\n");
	free(out);
	ASSERT_OK(vmboot_destroy(shared));
	vmboot_close(shared);
	boot_assert_nothing_left("ends");
}

BOOT_MAIN("boot/agent-ends", {"is started again", is_started_again}, {"is given up", is_given_up},
	  {"leaves nothing on the disk", leaves_nothing_on_the_disk})
