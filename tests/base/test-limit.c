/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/limit.h"
#include "base/process.h"
#include "store/store.h"
#include "test.h"

static struct vmboot_cancel *new_cancel(void)
{
	struct vmboot_cancel *c = NULL;

	ASSERT_OK(vmboot_cancel_new(&c));
	return c;
}

static void without_a_limit_all_goes_on(void)
{
	ASSERT_OK(vmb_limit_step("looking"));
	ASSERT_OK(vmb_limit_check());
	ASSERT_OK(vmb_limit_poll(NULL, vmb_deadline_in(1)));
	vmboot_cancel(NULL);
	vmboot_cancel_free(NULL);
}

static void a_deadline_ends_steps_and_waits(void)
{
	struct vmboot_opts opts = VMBOOT_OPTS(.timeout_ms = 20);
	VMB_LIMIT(&opts, "beginning");

	ASSERT_OK(vmb_limit_step("working"));
	ASSERT_ERROR(vmb_limit_poll(NULL, vmb_deadline_in(-1)), ETIMEDOUT,
		     "the 20 ms of timeout_ms have passed while working");
	ASSERT_ERROR(vmb_limit_step("cleaning"), ETIMEDOUT, "while cleaning");
}

static void the_waits_own_deadline_comes_first(void)
{
	struct vmboot_opts opts = VMBOOT_OPTS(.timeout_ms = 600000);
	VMB_LIMIT(&opts, "waiting");

	CU_ASSERT_EQUAL(vmb_limit_poll(NULL, vmb_deadline_in(1)), 0);
}

/* As a call in the progress function of another. */
static int check_inside(void)
{
	struct vmboot_opts other = VMBOOT_OPTS();
	VMB_LIMIT(&other, "inside");

	return vmb_limit_check();
}

static void limits_nest(void)
{
	struct vmboot_cancel *cancel = new_cancel();
	struct vmboot_opts opts = VMBOOT_OPTS(.cancel = cancel);
	VMB_LIMIT(&opts, "outside");

	vmboot_cancel(cancel);
	ASSERT_OK(check_inside());
	ASSERT_ERROR(vmb_limit_check(), ECANCELED, "cancelled while outside");
	vmboot_cancel_free(cancel);
}

static void *cancel_soon(void *cancel)
{
	poll(NULL, 0, 20);
	vmboot_cancel(cancel);
	return NULL;
}

/* Another thread's cancel wakes each kind of wait. */
static void run_cancelled(int (*wait)(void), const char *words)
{
	struct vmboot_cancel *cancel = new_cancel();
	struct vmboot_opts opts = VMBOOT_OPTS(.cancel = cancel);
	pthread_t thread;
	VMB_LIMIT(&opts, "waiting");

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, cancel_soon, cancel), 0);
	ASSERT_ERROR(wait(), ECANCELED, words);
	pthread_join(thread, NULL);
	vmboot_cancel_free(cancel);
}

static int wait_for_nothing(void)
{
	return vmb_limit_poll(NULL, vmb_deadline_in(-1));
}

static int run_silent_tool(void)
{
	static const char *const argv[] = {"sleep", "1000", NULL};

	return vmb_run(argv, NULL);
}

static int read_silent_tool(void)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	char *out = NULL;

	return vmb_run(argv, &out);
}

static int wait_for_a_lock(void)
{
	_cleanup_store_ struct vmb_store store = {0};
	_cleanup_close_ int held = -1, mine = -1;

	ASSERT_OK(vmb_store_open(test_tmpdir(), &store));
	ASSERT_OK(vmb_store_lock(&store, "x", 0, &held));
	return vmb_store_lock(&store, "x", -1, &mine);
}

static void a_cancel_wakes_what_waits(void)
{
	run_cancelled(wait_for_nothing, "cancelled while waiting");
	run_cancelled(run_silent_tool, "cancelled while waiting");
	run_cancelled(read_silent_tool, "cancelled while waiting");
	run_cancelled(wait_for_a_lock, "cancelled while waiting");
	CU_ASSERT(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static struct vmboot_cancel *in_handler;

static void on_alarm(int signal)
{
	(void)signal;
	vmboot_cancel(in_handler);
}

static void a_signal_handler_may_cancel(void)
{
	struct sigaction action = {.sa_handler = on_alarm}, old;
	struct vmboot_opts opts;

	in_handler = new_cancel();
	opts = (struct vmboot_opts)VMBOOT_OPTS(.cancel = in_handler);
	VMB_LIMIT(&opts, "waiting");
	sigaction(SIGUSR1, &action, &old);
	raise(SIGUSR1);
	ASSERT_ERROR(wait_for_nothing(), ECANCELED, "cancelled while waiting");
	sigaction(SIGUSR1, &old, NULL);
	vmboot_cancel_free(in_handler);
}

TEST_MAIN("base/limit", {"without a limit all goes on", without_a_limit_all_goes_on},
	  {"a deadline ends steps and waits", a_deadline_ends_steps_and_waits},
	  {"the wait's own deadline comes first", the_waits_own_deadline_comes_first},
	  {"limits nest", limits_nest}, {"a cancel wakes what waits", a_cancel_wakes_what_waits},
	  {"a signal handler may cancel", a_signal_handler_may_cancel})
