/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's event loop, which a thread of ours runs, through libvirt's own functions. */
#include "virt/evloop.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "test.h"
#include "virt/libvirt.h"

enum { PATIENCE_S = 60 };

/* What a callback is given: how often it ran, in which thread, and whether it was freed since. */
struct called {
	sem_t sem, freed;
	atomic_int n, events;
	pthread_t thread;
	int id, fd;
};

static struct called *called_new(void)
{
	struct called *c = test_alloc(sizeof(*c));

	sem_init(&c->sem, 0, 0);
	sem_init(&c->freed, 0, 0);
	return c;
}

static void await(sem_t *sem)
{
	while (sem_wait(sem) < 0 && errno == EINTR)
		;
}

static void on_free(void *data)
{
	sem_post(&((struct called *)data)->freed);
}

static void on_timer(int id, void *data)
{
	struct called *c = data;

	c->thread = pthread_self();
	c->n++;
	virEventRemoveTimeout(id);
	sem_post(&c->sem);
}

static void on_readable(int id VMB_UNUSED, int fd, int events, void *data)
{
	struct called *c = data;
	char byte;

	c->events = events;
	c->n += (int)(read(fd, &byte, 1) > 0);
	sem_post(&c->sem);
}

static void its_thread_ends_with_its_last_user(void)
{
	const size_t before = test_own_threads();

	CU_ASSERT_EQUAL_FATAL(vmb_evloop_ref(), 0);
	CU_ASSERT_EQUAL_FATAL(vmb_evloop_ref(), 0);
	CU_ASSERT_EQUAL(test_own_threads(), before + 1);
	vmb_evloop_unref();
	CU_ASSERT_EQUAL(test_own_threads(), before + 1);
	vmb_evloop_unref();
	/* joined; the kernel may list it a moment longer */
	while (test_own_threads() > before)
		sched_yield();
}

static void a_timer_runs_in_its_thread(void)
{
	struct called *c = called_new();

	CU_ASSERT_EQUAL_FATAL(vmb_evloop_ref(), 0);
	CU_ASSERT_FATAL(virEventAddTimeout(0, on_timer, c, on_free) >= 0);
	await(&c->sem);
	await(&c->freed); /* it removed itself */
	CU_ASSERT_EQUAL(atomic_load(&c->n), 1);
	CU_ASSERT_FALSE(pthread_equal(c->thread, pthread_self()));
	vmb_evloop_unref();
}

static void a_timer_that_is_off_waits_to_be_set(void)
{
	struct called *c = called_new();
	int id;

	CU_ASSERT_EQUAL_FATAL(vmb_evloop_ref(), 0);
	id = virEventAddTimeout(-1, on_timer, c, on_free);
	CU_ASSERT_FATAL(id >= 0);
	CU_ASSERT_EQUAL(atomic_load(&c->n), 0);
	virEventUpdateTimeout(id, 1);
	await(&c->freed);
	CU_ASSERT_EQUAL(atomic_load(&c->n), 1);
	vmb_evloop_unref();
}

static void a_descriptor_is_watched_for_what_was_asked(void)
{
	struct called *c = called_new();
	int pipes[2], id;

	CU_ASSERT_FATAL(pipe(pipes) == 0 && write(pipes[1], "ab", 2) == 2);
	CU_ASSERT_EQUAL_FATAL(vmb_evloop_ref(), 0);
	id = virEventAddHandle(pipes[0], 0, on_readable, c, on_free);
	CU_ASSERT_FATAL(id >= 0);
	CU_ASSERT_EQUAL(atomic_load(&c->n), 0);
	virEventUpdateHandle(id, VIR_EVENT_HANDLE_READABLE);
	await(&c->sem);
	await(&c->sem); /* there is more, so it is called again */
	CU_ASSERT_EQUAL(atomic_load(&c->events), VIR_EVENT_HANDLE_READABLE);
	close(pipes[1]);
	await(&c->sem);
	CU_ASSERT(atomic_load(&c->events) & VIR_EVENT_HANDLE_HANGUP);
	CU_ASSERT_EQUAL(virEventRemoveHandle(id), 0);
	CU_ASSERT_EQUAL(virEventRemoveHandle(id), -1);
	await(&c->freed);
	close(pipes[0]);
	vmb_evloop_unref();
}

/* A connection of the program's that lives on our loop keeps the thread. */
static void it_stays_while_somebody_is_served(void)
{
	const size_t before = test_own_threads();
	struct called *c = called_new();
	int id;

	CU_ASSERT_EQUAL_FATAL(vmb_evloop_ref(), 0);
	id = virEventAddTimeout(-1, on_timer, c, on_free);
	vmb_evloop_unref();
	CU_ASSERT_EQUAL(test_own_threads(), before + 1);
	virEventRemoveTimeout(id);
	await(&c->freed);
	while (test_own_threads() > before)
		sched_yield();
	/* and starts again when it is needed again */
	a_timer_runs_in_its_thread();
}

static void a_child_gets_its_own_thread(void)
{
	pid_t pid;

#ifdef __SANITIZE_THREAD__
	test_not_tried("the thread sanitizer follows no threads of a forked child");
	return;
#endif
	CU_ASSERT_EQUAL_FATAL(vmb_evloop_ref(), 0);
	pid = test_fork();
	if (pid == 0) {
		struct called *c = called_new();

		alarm(PATIENCE_S);
		vmb_evloop_unref(); /* its parent's, of which it has nothing */
		if (vmb_evloop_ref() != 0 || virEventAddTimeout(0, on_timer, c, on_free) < 0)
			test_child_exit(1);
		await(&c->freed);
		vmb_evloop_unref();
		while (test_own_threads() > 0)
			sched_yield();
		test_child_exit(0);
	}
	CU_ASSERT_EQUAL(test_child_code(pid), 0);
	a_timer_runs_in_its_thread();
	vmb_evloop_unref();
}

static atomic_bool stop_forking;

static void *ref_and_unref(void *data VMB_UNUSED)
{
	while (!atomic_load(&stop_forking)) {
		vmb_evloop_ref();
		vmb_evloop_unref();
	}
	return NULL;
}

/* The loop's lock is never left with a thread that the child does not have. */
static void a_fork_finds_no_lock_taken(void)
{
	pthread_t thread;
	int status = 0;

	CU_ASSERT_FATAL(pthread_create(&thread, NULL, ref_and_unref, NULL) == 0);
	for (int i = 0; i < 50 && status == 0; i++) {
		pid_t pid = test_fork();

		if (pid == 0) {
			alarm(PATIENCE_S);
			vmb_evloop_unref();
			test_child_exit(0);
		}
		status = test_child_code(pid);
	}
	CU_ASSERT_EQUAL(status, 0);
	atomic_store(&stop_forking, true);
	pthread_join(thread, NULL);
}

TEST_MAIN("virt/evloop", {"its thread ends with its last user", its_thread_ends_with_its_last_user},
	  {"a timer runs in its thread", a_timer_runs_in_its_thread},
	  {"a timer that is off waits to be set", a_timer_that_is_off_waits_to_be_set},
	  {"a descriptor is watched for what was asked",
	   a_descriptor_is_watched_for_what_was_asked},
	  {"it stays while somebody is served", it_stays_while_somebody_is_served},
	  {"a child gets a thread of its own", a_child_gets_its_own_thread},
	  {"a fork finds no lock taken", a_fork_finds_no_lock_taken})
