/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/evloop.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "virt/libvirt.h"

/* A handle or a timer of libvirt's. Its owner's free function runs in the loop, without the lock,
 * when no callback of it can run any more. */
struct source {
	struct source *next;
	int id;
	bool removed;
	int fd; /* -1: a timer */
	short events;
	int interval_ms; /* -1: not now */
	int64_t due_us;
	virEventHandleCallback on_fd;
	virEventTimeoutCallback on_time;
	void *opaque;
	virFreeCallback free_opaque;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool registered; /* by us */
	int refs;
	pid_t pid; /* of the process in which the thread runs: a fork has no thread */
	enum { NOT_RUNNING, RUNNING, ENDED } state;
	pthread_t thread;
	int wake_fd;
	int last_id;
	struct source *sources;
} loop = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.ended = PTHREAD_COND_INITIALIZER,
	.wake_fd = -1,
};

static void wake_loop(void)
{
	const uint64_t one = 1;
	ssize_t n;

	if (loop.state != RUNNING || pthread_equal(pthread_self(), loop.thread))
		return;
	do
		n = write(loop.wake_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

static struct source *find_source(int id)
{
	struct source *s = loop.sources;

	while (s && (s->id != id || s->removed))
		s = s->next;
	return s;
}

static bool any_source(void)
{
	for (struct source *s = loop.sources; s; s = s->next)
		if (!s->removed)
			return true;
	return false;
}

/* ---- the thread; the lock is held, but for callbacks ---- */

static const struct {
	short poll;
	int libvirt;
} event_bits[] = {
	{POLLIN, VIR_EVENT_HANDLE_READABLE}, {POLLOUT, VIR_EVENT_HANDLE_WRITABLE},
	{POLLERR, VIR_EVENT_HANDLE_ERROR},   {POLLNVAL, VIR_EVENT_HANDLE_ERROR},
	{POLLHUP, VIR_EVENT_HANDLE_HANGUP},
};

static short to_poll(int events)
{
	int bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(event_bits); i++)
		if (events & event_bits[i].libvirt)
			bits |= event_bits[i].poll;
	return (short)bits;
}

static int to_libvirt(short events)
{
	int bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(event_bits); i++)
		if (events & event_bits[i].poll)
			bits |= event_bits[i].libvirt;
	return bits;
}

static void call_source(struct source *s, short events)
{
	pthread_mutex_unlock(&loop.lock);
	if (s->fd >= 0)
		s->on_fd(s->id, s->fd, to_libvirt(events), s->opaque);
	else
		s->on_time(s->id, s->opaque);
	pthread_mutex_lock(&loop.lock);
}

static void free_removed(void)
{
	struct source **p = &loop.sources, *s;

	while ((s = *p)) {
		if (!s->removed) {
			p = &s->next;
			continue;
		}
		*p = s->next;
		if (s->free_opaque) {
			pthread_mutex_unlock(&loop.lock);
			s->free_opaque(s->opaque);
			pthread_mutex_lock(&loop.lock);
			p = &loop.sources; /* another may have changed the list */
		}
		free(s);
	}
}

/* What is waited for now: the wake descriptor first. Returns how many, and until when. */
static size_t collect_fds(struct pollfd *fds, int *ids, size_t max, int *ret_timeout)
{
	int64_t now = vmb_monotonic_us(), next = -1;
	size_t n = 1;

	fds[0] = (struct pollfd){.fd = loop.wake_fd, .events = POLLIN};
	for (struct source *s = loop.sources; s; s = s->next) {
		if (s->removed)
			continue;
		if (s->fd < 0 && s->interval_ms >= 0 && (next < 0 || s->due_us < next))
			next = s->due_us;
		if (s->fd >= 0 && s->events && n < max) {
			fds[n] = (struct pollfd){.fd = s->fd, .events = s->events};
			ids[n++] = s->id;
		}
	}
	*ret_timeout = next < 0 ? -1 : next <= now ? 0 : (int)((next - now + 999) / 1000);
	return n;
}

static void call_due_timers(void)
{
	int64_t now = vmb_monotonic_us();
	int newest = loop.last_id;

	/* a callback may change the list: begin again, each timer is due once */
	for (struct source *s = loop.sources; s;) {
		if (s->removed || s->fd >= 0 || s->interval_ms < 0 || s->due_us > now ||
		    s->id > newest) {
			s = s->next;
			continue;
		}
		s->due_us = now + 1 + (int64_t)s->interval_ms * 1000;
		call_source(s, 0);
		s = loop.sources;
	}
}

static size_t count_sources(void)
{
	size_t n = 1;

	for (struct source *s = loop.sources; s; s = s->next)
		n++;
	return n;
}

/* 0, or -1 if there is no memory to go on. */
static int poll_once(struct pollfd **fds, int **ids, size_t *size)
{
	struct source *s;
	uint64_t drop;
	size_t n = count_sources();
	int timeout;

	if (n > *size) {
		void *more_fds = realloc(*fds, n * 2 * sizeof(**fds));
		void *more_ids = realloc(*ids, n * 2 * sizeof(**ids));

		*fds = more_fds ? more_fds : *fds;
		*ids = more_ids ? more_ids : *ids;
		*size = more_fds && more_ids ? n * 2 : *size;
	}
	if (*size == 0)
		return -1;
	n = collect_fds(*fds, *ids, *size, &timeout);
	pthread_mutex_unlock(&loop.lock);
	if (poll(*fds, n, timeout) < 0)
		memset(*fds, 0, n * sizeof(**fds));
	pthread_mutex_lock(&loop.lock);
	if ((*fds)[0].revents && read(loop.wake_fd, &drop, sizeof(drop)) < 0)
		drop = 0; /* not blocking: nothing there is as good */
	call_due_timers();
	for (size_t i = 1; i < n; i++)
		if ((*fds)[i].revents && (s = find_source((*ids)[i])) && s->events)
			call_source(s, (*fds)[i].revents);
	free_removed();
	return 0;
}

static void *run_loop(void *arg VMB_UNUSED)
{
	struct pollfd *fds = NULL;
	size_t size = 0;
	int *ids = NULL;

	pthread_mutex_lock(&loop.lock);
	free_removed();
	while (loop.refs > 0 || any_source())
		if (poll_once(&fds, &ids, &size) < 0)
			break;
	free(fds);
	free(ids);
	loop.state = ENDED;
	pthread_cond_broadcast(&loop.ended);
	pthread_mutex_unlock(&loop.lock);
	return NULL;
}

static int start_thread(void)
{
	int r;

	if (loop.state == ENDED)
		pthread_join(loop.thread, NULL);
	loop.state = NOT_RUNNING;
	if (loop.wake_fd < 0)
		loop.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop.wake_fd < 0)
		return vmb_errno(errno, "cannot make libvirt's event loop");
	r = vmb_thread_start("vmboot-events", run_loop, NULL, &loop.thread);
	if (r < 0)
		return vmb_errno(r, "cannot start libvirt's event loop");
	loop.state = RUNNING;
	return 0;
}

/* The thread ends once nobody needs it; what is removed last is freed by it before. */
static void stop_thread(void)
{
	if (loop.state == NOT_RUNNING || pthread_equal(pthread_self(), loop.thread))
		return;
	wake_loop();
	while (loop.state == RUNNING && loop.refs == 0 && !any_source())
		pthread_cond_wait(&loop.ended, &loop.lock);
	if (loop.state != ENDED)
		return; /* a connection of the program's lives on it */
	pthread_join(loop.thread, NULL);
	loop.state = NOT_RUNNING;
	close(loop.wake_fd);
	loop.wake_fd = -1;
}

/* ---- what libvirt calls, from any thread ---- */

/* A fork has what its parent had, but not the thread. */
static void forget_parents(void)
{
	if (loop.pid == getpid())
		return;
	if (loop.wake_fd >= 0)
		close(loop.wake_fd);
	loop.wake_fd = -1;
	loop.sources = NULL;
	loop.refs = 0;
	loop.state = NOT_RUNNING;
	loop.ended = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	loop.pid = getpid();
}

static int add_source(const struct source *from)
{
	struct source *s = malloc(sizeof(*s));
	int id = -1;

	if (!s)
		return -1;
	*s = *from;
	pthread_mutex_lock(&loop.lock);
	forget_parents();
	if (loop.state == RUNNING || start_thread() == 0) {
		id = s->id = ++loop.last_id;
		s->next = loop.sources;
		loop.sources = s;
		s = NULL;
		wake_loop();
	}
	pthread_mutex_unlock(&loop.lock);
	free(s);
	return id;
}

static int mark_removed(int id)
{
	struct source *s;

	pthread_mutex_lock(&loop.lock);
	s = find_source(id);
	if (s)
		s->removed = true;
	wake_loop();
	pthread_mutex_unlock(&loop.lock);
	return s ? 0 : -1;
}

static int add_handle(int fd, int events, virEventHandleCallback fn, void *opaque,
		      virFreeCallback free_opaque)
{
	const struct source s = {
		.fd = fd,
		.events = to_poll(events),
		.on_fd = fn,
		.opaque = opaque,
		.free_opaque = free_opaque,
	};

	return fd < 0 ? -1 : add_source(&s);
}

static void update_handle(int watch, int events)
{
	struct source *s;

	pthread_mutex_lock(&loop.lock);
	s = find_source(watch);
	if (s)
		s->events = to_poll(events);
	wake_loop();
	pthread_mutex_unlock(&loop.lock);
}

static int add_timeout(int ms, virEventTimeoutCallback fn, void *opaque,
		       virFreeCallback free_opaque)
{
	const struct source s = {
		.fd = -1,
		.interval_ms = ms,
		.due_us = vmb_monotonic_us() + (int64_t)ms * 1000,
		.on_time = fn,
		.opaque = opaque,
		.free_opaque = free_opaque,
	};

	return add_source(&s);
}

static void update_timeout(int timer, int ms)
{
	struct source *s;

	pthread_mutex_lock(&loop.lock);
	s = find_source(timer);
	if (s) {
		s->interval_ms = ms;
		s->due_us = vmb_monotonic_us() + (int64_t)ms * 1000;
	}
	wake_loop();
	pthread_mutex_unlock(&loop.lock);
}

/* ---- the loop's life ---- */

static void ignore_timer(int timer VMB_UNUSED, void *opaque VMB_UNUSED)
{
}

/* True if the program has a loop of its own, which is the one that serves. */
static bool program_has_one(void)
{
	int timer = virEventAddTimeout(-1, ignore_timer, NULL, NULL);

	if (timer >= 0)
		virEventRemoveTimeout(timer);
	return timer >= 0;
}

static void lock_loop(void)
{
	pthread_mutex_lock(&loop.lock);
}

static void unlock_loop(void)
{
	pthread_mutex_unlock(&loop.lock);
}

static void watch_for_forks(void)
{
	/* a child is not to find the lock held by a thread that it does not have */
	(void)pthread_atfork(lock_loop, unlock_loop, unlock_loop);
}

/* 0: ours serves, and is registered now; 1: the program's does. */
static int choose_loop(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	bool theirs;

	pthread_once(&once, watch_for_forks);
	lock_loop();
	theirs = !loop.registered;
	unlock_loop();
	/* this may call the program, so it is not done under the lock */
	theirs = theirs && program_has_one();
	lock_loop();
	theirs = theirs && !loop.registered; /* by another thread of ours, meanwhile */
	if (!theirs && !loop.registered) {
		/* libvirt only keeps the functions */
		virEventRegisterImpl(add_handle, update_handle, mark_removed, add_timeout,
				     update_timeout, mark_removed);
		loop.registered = true;
	}
	unlock_loop();
	return theirs;
}

int vmb_evloop_ref(void)
{
	int r = 0;

	if (choose_loop())
		return 1;
	lock_loop();
	forget_parents();
	if (loop.state != RUNNING)
		r = start_thread();
	if (r == 0)
		loop.refs++;
	unlock_loop();
	return r;
}

void vmb_evloop_unref(void)
{
	pthread_mutex_lock(&loop.lock);
	if (loop.refs > 0 && loop.pid == getpid() && --loop.refs == 0)
		stop_thread();
	pthread_mutex_unlock(&loop.lock);
}
