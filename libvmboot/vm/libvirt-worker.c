/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/libvirt-worker.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/str.h"
#include "vm/vm.h"

enum {
	/* Between two questions for the state, and after one that failed. */
	PACE_US = 20000,
	RETRY_US = 1000000,
	/* The domain of an ephemeral VM is gone with it: the event says why, and is on its way. */
	REASON_MS = 200,
	RELEASE = 8, /* after enum vmb_work */
};

struct vmb_worker {
	pthread_mutex_t lock; /* of all that follows but the target, which does not change */
	pthread_cond_t changed;
	bool owned;   /* by a handle */
	bool running; /* the thread is there */
	bool joinable;
	pthread_t thread;
	unsigned wanted, busy;		 /* bits */
	int wake;			 /* eventfd */
	int64_t ask_at_us, listen_at_us; /* not before */
	struct vmb_domain_events *events;
	struct vmb_answers answers;
	struct vmb_conn *release[VMB_WORKER_CONNS];
	struct vmb_conn *conn;
	char *name, *lock_path;
	dev_t dev;
	ino_t ino;
};

static void free_worker(struct vmb_worker *w)
{
	vmb_closep(&w->wake);
	free(w->answers.words);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w->lock_path);
	free(w->name);
	free(w);
}

int vmb_worker_new(const struct vmb_worker_target *target, struct vmb_worker **ret)
{
	struct vmb_worker *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int r;

	if (!w)
		return vmb_oom();
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	w->owned = true;
	w->conn = target->conn;
	w->dev = target->dev;
	w->ino = target->ino;
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = w->wake < 0 ? vmb_errno(errno, "cannot make an eventfd") : 0;
	if (r == 0)
		r = vmb_strdup(target->name, &w->name);
	if (r == 0)
		r = vmb_strdup(target->lock_path, &w->lock_path);
	if (r < 0) {
		free_worker(w);
		return r;
	}
	*ret = w;
	return 0;
}

/* ---- the thread; the lock is not held ---- */

/* As vmb_vm_check_same(), of what is known here. */
static int check_same(const struct vmb_worker *w)
{
	struct stat st;

	if (!w->ino || stat(w->lock_path, &st) < 0 || (st.st_dev == w->dev && st.st_ino == w->ino))
		return 0;
	return vmb_error(VMBOOT_ENOVM,
			 "the VM \"%s\" was removed, and another has its name now: open that",
			 w->name);
}

static int find_domain(const struct vmb_worker *w, virDomainPtr *ret)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	int r = vmb_conn_domain(w->conn, w->name, &d);

	if (r == 0)
		r = check_same(w);
	if (r == 0)
		*ret = TAKE_PTR(d);
	return r;
}

static void set_events(struct vmb_worker *w, struct vmb_domain_events *events)
{
	struct vmb_domain_events *before;

	pthread_mutex_lock(&w->lock);
	before = w->events;
	w->events = events;
	pthread_mutex_unlock(&w->lock);
	vmb_domain_events_close(before);
}

/* Without events a wait still ends; it only learns of less, or later. */
static void listen_to_domain(struct vmb_worker *w)
{
	struct vmb_domain_events *events = NULL;

	if (vmb_domain_events_open(w->conn, w->name, &events) == 0)
		set_events(w, events);
	pthread_mutex_lock(&w->lock);
	w->listen_at_us = vmb_monotonic_us() + RETRY_US;
	pthread_mutex_unlock(&w->lock);
}

static void await_reason(const struct vmb_worker *w)
{
	struct pollfd p = {.fd = -1, .events = POLLIN};

	if (!w->events)
		return;
	p.fd = vmb_domain_events_fd(w->events);
	(void)poll(&p, 1, REASON_MS);
}

static void ask_for_state(struct vmb_worker *w, struct vmb_answers *ret)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	enum vmboot_state state;
	int r;

	ret->asked_us = vmb_monotonic_us();
	/* libvirt was restarted */
	if (w->events && !vmb_domain_events_alive(w->events)) {
		set_events(w, NULL);
		listen_to_domain(w);
	}
	r = find_domain(w, &d);
	if (r == 0)
		r = vmb_vm_state(d, &state, &ret->reason);
	if (r == -VMBOOT_ENOVM) {
		ret->answer = VMB_MONITOR_ANSWER_GONE;
		await_reason(w);
	} else if (r < 0) {
		ret->answer = VMB_MONITOR_ANSWER_FAILED;
		ret->error = r;
		ret->words = vmb_error_save();
	} else if (state != VMBOOT_STATE_STOPPED) {
		ret->answer = VMB_MONITOR_ANSWER_RUNNING;
	} else {
		ret->answer = r > 0 ? VMB_MONITOR_ANSWER_LEAVING : VMB_MONITOR_ANSWER_STOPPED;
	}
}

static void cut_power(struct vmb_worker *w)
{
	_cleanup_domain_ virDomainPtr d = NULL;

	if (find_domain(w, &d) == 0)
		(void)vmb_vm_cut_power(w->name, d);
}

static void release(struct vmb_worker *w)
{
	set_events(w, NULL);
	for (int i = 0; i < VMB_WORKER_CONNS; i++)
		if (w->release[i])
			vmb_conn_unref(w->release[i]);
}

static void do_work(struct vmb_worker *w, unsigned work, struct vmb_answers *ret)
{
	switch (work) {
	case VMB_WORK_LISTEN:
		listen_to_domain(w);
		break;
	case VMB_WORK_STATE:
		ask_for_state(w, ret);
		break;
	case VMB_WORK_CUT_POWER:
		cut_power(w);
		break;
	default:
		release(w);
	}
}

/* ---- the thread's queue; the lock is held ---- */

static void ring(const struct vmb_worker *w)
{
	const uint64_t one = 1;

	(void)!write(w->wake, &one, sizeof(one));
}

static void keep_answers(struct vmb_worker *w, unsigned work, const struct vmb_answers *answers)
{
	unsigned done = w->answers.done | work;

	if (work == VMB_WORK_STATE) {
		free(w->answers.words);
		w->answers = *answers;
		w->ask_at_us = vmb_monotonic_us() + (answers->error ? RETRY_US : PACE_US);
	}
	w->answers.done = done;
}

/* The lowest bit is first, but a question for the state that has to wait lets others by. */
static unsigned next_work(struct vmb_worker *w)
{
	unsigned work = w->wanted & -w->wanted;
	struct timespec at;

	if (work != VMB_WORK_STATE || vmb_monotonic_us() >= w->ask_at_us)
		return work;
	if (w->wanted != work)
		return (w->wanted & ~work) & -(w->wanted & ~work);
	at = (struct timespec){w->ask_at_us / 1000000, w->ask_at_us % 1000000 * 1000};
	(void)pthread_cond_timedwait(&w->changed, &w->lock, &at);
	return 0;
}

static void *serve_libvirt_calls(void *arg)
{
	struct vmb_worker *w = arg;
	struct vmb_answers answers;
	bool last;

	pthread_mutex_lock(&w->lock);
	while (w->wanted) {
		unsigned work = next_work(w);

		w->wanted &= ~work;
		w->busy = work;
		if (!work)
			continue;
		answers = (struct vmb_answers){0};
		pthread_mutex_unlock(&w->lock);
		do_work(w, work, &answers);
		pthread_mutex_lock(&w->lock);
		w->busy = 0;
		keep_answers(w, work, &answers);
		ring(w);
	}
	w->running = false;
	last = !w->owned;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	if (last)
		free_worker(w);
	return NULL;
}

/* Signals belong to the program: its own threads are to get them. */
static void start_thread(struct vmb_worker *w)
{
	sigset_t all, before;

	if (w->joinable)
		pthread_join(w->thread, NULL); /* it has let go of the lock for the last time */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	w->running = pthread_create(&w->thread, NULL, serve_libvirt_calls, w) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->joinable = w->running;
	if (w->running)
		pthread_setname_np(w->thread, "vmboot-libvirt");
}

static void want(struct vmb_worker *w, unsigned work)
{
	w->wanted |= work & ~w->busy;
	if (w->wanted && !w->running)
		start_thread(w);
	else
		pthread_cond_broadcast(&w->changed);
}

/* ---- the handle's side ---- */

void vmb_worker_want(struct vmb_worker *w, unsigned work)
{
	pthread_mutex_lock(&w->lock);
	if (w->events || vmb_monotonic_us() < w->listen_at_us)
		work &= ~(unsigned)VMB_WORK_LISTEN;
	want(w, work);
	pthread_mutex_unlock(&w->lock);
}

int vmb_worker_fd(const struct vmb_worker *w)
{
	return w->wake;
}

void vmb_worker_ring(struct vmb_worker *w)
{
	ring(w);
}

void vmb_worker_clear(struct vmb_worker *w)
{
	uint64_t count;

	(void)!read(w->wake, &count, sizeof(count));
}

struct vmb_answers vmb_worker_take(struct vmb_worker *w)
{
	struct vmb_answers answers;

	pthread_mutex_lock(&w->lock);
	answers = w->answers;
	w->answers = (struct vmb_answers){0};
	pthread_mutex_unlock(&w->lock);
	return answers;
}

int vmb_worker_events_fd(struct vmb_worker *w)
{
	int fd;

	pthread_mutex_lock(&w->lock);
	fd = w->events ? vmb_domain_events_fd(w->events) : -1;
	pthread_mutex_unlock(&w->lock);
	return fd;
}

struct vmb_newest vmb_worker_take_events(struct vmb_worker *w)
{
	struct vmb_newest newest = {0};

	pthread_mutex_lock(&w->lock);
	if (w->events)
		newest = vmb_domain_events_take(w->events);
	pthread_mutex_unlock(&w->lock);
	return newest;
}

void vmb_worker_forget(struct vmb_worker *w)
{
	vmb_closep(&w->wake);
}

void vmb_worker_release(struct vmb_worker *w, struct vmb_conn *const conns[VMB_WORKER_CONNS],
			int timeout_ms)
{
	struct vmb_deadline until = vmb_deadline_in(timeout_ms);
	const struct timespec at = {until.at_us / 1000000, until.at_us % 1000000 * 1000};
	bool no_thread, abandoned;

	pthread_mutex_lock(&w->lock);
	memcpy(w->release, conns, sizeof(w->release));
	w->wanted = 0;
	want(w, RELEASE);
	no_thread = !w->running;
	while (w->running && pthread_cond_timedwait(&w->changed, &w->lock, &at) != ETIMEDOUT)
		;
	w->owned = false;
	abandoned = w->running;
	if (abandoned)
		pthread_detach(w->thread);
	pthread_mutex_unlock(&w->lock);
	if (abandoned)
		return;
	if (w->joinable)
		pthread_join(w->thread, NULL);
	if (no_thread)
		release(w);
	free_worker(w);
}
