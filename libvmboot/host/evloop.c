/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "host/evloop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "host/libvirt.h"

static struct {
	pthread_mutex_t lock;
	bool registered; /* by us */
	int refs;
	pid_t pid; /* of the process in which the thread runs: a fork has no thread */
	pthread_t thread;
	int wake_timer;
	atomic_bool quit;
} loop = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void wake(int timer, void *opaque VMB_UNUSED)
{
	virEventUpdateTimeout(timer, -1);
}

static void *run(void *arg VMB_UNUSED)
{
	while (!atomic_load(&loop.quit))
		if (virEventRunDefaultImpl() < 0)
			break;
	return NULL;
}

/* Signals belong to the program: its own threads are to get them. */
static int start_thread(void)
{
	sigset_t all, before;
	int r;

	atomic_store(&loop.quit, false);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&loop.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r ? vmb_errno(r, "cannot start libvirt's event loop") : 0;
}

/* 0: we run it; 1: the program does. */
static int register_loop(void)
{
	int timer = -1;

	if (!loop.registered) {
		timer = virEventAddTimeout(-1, wake, NULL, NULL);
		if (timer >= 0) {
			virEventRemoveTimeout(timer);
			return 1;
		}
		if (virEventRegisterDefaultImpl() < 0)
			return vmb_libvirt_error("cannot register libvirt's event loop");
		loop.registered = true;
		loop.wake_timer = virEventAddTimeout(-1, wake, NULL, NULL);
		if (loop.wake_timer < 0)
			return vmb_libvirt_error("cannot use libvirt's event loop");
	}
	return 0;
}

int vmb_evloop_ref(void)
{
	int r = 0;

	pthread_mutex_lock(&loop.lock);
	if (loop.refs == 0 || loop.pid != getpid()) {
		r = register_loop();
		if (r == 0) {
			r = start_thread();
			loop.refs = 0;
			loop.pid = getpid();
		}
	}
	if (r == 0)
		loop.refs++;
	pthread_mutex_unlock(&loop.lock);
	return r < 0 ? r : 0;
}

void vmb_evloop_unref(void)
{
	pthread_mutex_lock(&loop.lock);
	if (loop.refs > 0 && loop.pid == getpid() && --loop.refs == 0) {
		atomic_store(&loop.quit, true);
		virEventUpdateTimeout(loop.wake_timer, 0);
		pthread_join(loop.thread, NULL);
	}
	pthread_mutex_unlock(&loop.lock);
}
