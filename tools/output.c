/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common.h"

enum { WAITING_MAX = 64 << 20, GRACE_MS = 1000, SLICE_MS = 1000 };

struct piece {
	struct piece *next;
	int fd;
	size_t n;
	char bytes[];
};

/* It lives as long as the process: the thread may be writing to somebody who never reads. */
struct output {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct piece *first, **end;
	size_t waiting; /* bytes that are not written yet */
	int error;
	int drained_fd; /* an eventfd: waiting became 0 */
};

static struct piece *next_piece(struct output *o)
{
	pthread_mutex_lock(&o->lock);
	while (!o->first)
		pthread_cond_wait(&o->changed, &o->lock);
	pthread_mutex_unlock(&o->lock);
	return o->first;
}

static void drop_piece(struct output *o, struct piece *piece, int error)
{
	pthread_mutex_lock(&o->lock);
	o->first = piece->next;
	if (!o->first)
		o->end = &o->first;
	o->waiting -= piece->n;
	if (error && !o->error)
		o->error = error;
	if (!o->waiting)
		eventfd_write(o->drained_fd, 1);
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
	free(piece);
}

static void *write_pieces(void *arg)
{
	struct output *o = arg;

	for (;;) {
		struct piece *piece = next_piece(o);
		int error = output_error(o);

		drop_piece(o, piece, error ? 0 : write_all(piece->fd, piece->bytes, piece->n));
	}
	return NULL;
}

/* Signals are for the thread that waits for the guest. */
static int start_thread(struct output *o)
{
	sigset_t all, before;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = pthread_create(&thread, NULL, write_pieces, o);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		pthread_detach(thread);
	return r;
}

struct output *output_start(void)
{
	struct output *o = xrealloc(NULL, 1, sizeof(*o));
	int r;

	*o = (struct output){.end = &o->first};
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->changed, NULL);
	o->drained_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = o->drained_fd < 0 ? errno : start_thread(o);
	if (r == 0)
		return o;
	if (o->drained_fd >= 0)
		close(o->drained_fd);
	free(o);
	errno = r;
	return NULL;
}

void output_put(struct output *o, int fd, const char *bytes, size_t n)
{
	struct piece *piece = xrealloc(NULL, 1, sizeof(*piece) + n);

	*piece = (struct piece){.fd = fd, .n = n};
	memcpy(piece->bytes, bytes, n);
	pthread_mutex_lock(&o->lock);
	while (o->waiting > WAITING_MAX && !o->error)
		pthread_cond_wait(&o->changed, &o->lock);
	if (o->error) {
		free(piece);
	} else {
		*o->end = piece;
		o->end = &piece->next;
		o->waiting += n;
		pthread_cond_broadcast(&o->changed);
	}
	pthread_mutex_unlock(&o->lock);
}

int output_error(struct output *o)
{
	int error;

	pthread_mutex_lock(&o->lock);
	error = o->error;
	pthread_mutex_unlock(&o->lock);
	return error;
}

static bool is_drained(struct output *o)
{
	bool drained;

	pthread_mutex_lock(&o->lock);
	drained = !o->waiting || o->error;
	pthread_mutex_unlock(&o->lock);
	return drained;
}

bool output_drain(struct output *o, const volatile sig_atomic_t *interrupted)
{
	struct pollfd p = {.fd = o->drained_fd, .events = POLLIN};
	eventfd_t count;

	while (!is_drained(o)) {
		bool over = *interrupted;
		int r = poll(&p, 1, over ? GRACE_MS : SLICE_MS);

		if (r > 0)
			eventfd_read(o->drained_fd, &count);
		if (r == 0 && over)
			return false;
	}
	return true;
}
