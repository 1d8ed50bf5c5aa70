/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/link.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/str.h"

enum {
	PIECE = 65536,
	FLUSH_MS = 1000, /* for what is under way to the guest, at the end */
};

/* Bytes on their way in one direction. */
struct way {
	char bytes[PIECE];
	size_t at, n;
};

struct vmb_link {
	virStreamPtr stream;
	int fd; /* the link's end of the socket pair */
	/* by threads */
	bool threads;
	pthread_t from_guest_thread, to_guest_thread;
	/* by the event loop */
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	int refs; /* the owner's, and one for each callback */
	int watch;
	bool eof, ended;
	struct way from_guest, to_guest;
};

static bool is_empty(const struct way *way)
{
	return way->at == way->n;
}

static void link_free(struct vmb_link *link)
{
	if (link->stream)
		virStreamFree(link->stream);
	vmb_closep(&link->fd);
	pthread_cond_destroy(&link->changed);
	pthread_mutex_destroy(&link->lock);
	free(link);
}

static void link_unref(void *data)
{
	struct vmb_link *link = data;
	bool last;

	pthread_mutex_lock(&link->lock);
	last = --link->refs == 0;
	pthread_mutex_unlock(&link->lock);
	if (last)
		link_free(link);
}

/* ---- by the event loop ---- */

/* What the client has not read yet stays readable for it. */
static void end(struct vmb_link *link)
{
	link->ended = true;
	shutdown(link->fd, SHUT_RDWR);
	pthread_cond_broadcast(&link->changed);
}

static void pull_from_guest(struct vmb_link *link)
{
	struct way *way = &link->from_guest;
	int n;

	if (link->eof || !is_empty(way))
		return;
	n = virStreamRecv(link->stream, way->bytes, sizeof(way->bytes));
	if (n == -2)
		return;
	way->at = 0;
	way->n = n > 0 ? (size_t)n : 0;
	link->eof = n <= 0;
}

static void push_to_client(struct vmb_link *link)
{
	struct way *way = &link->from_guest;
	ssize_t n;

	if (!is_empty(way)) {
		n = send(link->fd, way->bytes + way->at, way->n - way->at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			end(link);
			return;
		}
		way->at += n > 0 ? (size_t)n : 0;
	}
	if (link->eof && is_empty(way))
		end(link);
}

static void pull_from_client(struct vmb_link *link)
{
	struct way *way = &link->to_guest;
	ssize_t n;

	if (!is_empty(way))
		return;
	n = recv(link->fd, way->bytes, sizeof(way->bytes), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	way->at = 0;
	way->n = n > 0 ? (size_t)n : 0;
	if (n <= 0)
		end(link);
}

static void push_to_guest(struct vmb_link *link)
{
	struct way *way = &link->to_guest;
	int n;

	if (is_empty(way))
		return;
	n = virStreamSend(link->stream, way->bytes + way->at, way->n - way->at);
	if (n < 0 && n != -2)
		end(link);
	way->at += n > 0 ? (size_t)n : 0;
}

/* Each end is watched for what it can do next, and no more. */
static void watch_for_next(struct vmb_link *link)
{
	bool in = is_empty(&link->from_guest), out = is_empty(&link->to_guest);
	int stream = 0, fd = 0;

	if (!link->ended) {
		if (in && !link->eof)
			stream |= VIR_STREAM_EVENT_READABLE | VIR_STREAM_EVENT_HANGUP |
				  VIR_STREAM_EVENT_ERROR;
		if (!out)
			stream |= VIR_STREAM_EVENT_WRITABLE;
		fd = (in ? 0 : VIR_EVENT_HANDLE_WRITABLE) | (out ? VIR_EVENT_HANDLE_READABLE : 0);
	}
	virStreamEventUpdateCallback(link->stream, stream);
	virEventUpdateHandle(link->watch, fd);
}

static void move(struct vmb_link *link)
{
	pthread_mutex_lock(&link->lock);
	if (!link->ended) {
		pull_from_guest(link);
		push_to_client(link);
	}
	if (!link->ended) {
		pull_from_client(link);
		if (!link->ended)
			push_to_guest(link);
	}
	watch_for_next(link);
	pthread_mutex_unlock(&link->lock);
}

static void on_stream(virStreamPtr st VMB_UNUSED, int events VMB_UNUSED, void *data)
{
	move(data);
}

static void on_fd(int watch VMB_UNUSED, int fd VMB_UNUSED, int events VMB_UNUSED, void *data)
{
	move(data);
}

static int start_events(struct vmb_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->refs++;
	link->watch = virEventAddHandle(link->fd, 0, on_fd, link, link_unref);
	if (link->watch < 0)
		link->refs--;
	pthread_mutex_unlock(&link->lock);
	if (link->watch < 0)
		return vmb_libvirt_error("cannot use libvirt's event loop");
	pthread_mutex_lock(&link->lock);
	link->refs++;
	pthread_mutex_unlock(&link->lock);
	if (virStreamEventAddCallback(link->stream, VIR_STREAM_EVENT_READABLE, on_stream, link,
				      link_unref) < 0) {
		virEventRemoveHandle(link->watch);
		pthread_mutex_lock(&link->lock);
		link->refs--;
		pthread_mutex_unlock(&link->lock);
		return vmb_libvirt_error("cannot watch the stream of a channel");
	}
	move(link);
	return 0;
}

/* The client closed its end; once the guest has taken what it said last, the link ends by itself. */
static void stop_events(struct vmb_link *link)
{
	const int64_t until = vmb_monotonic_us() + FLUSH_MS * 1000;
	const struct timespec at = {until / 1000000, until % 1000000 * 1000};
	int r = 0;

	pthread_mutex_lock(&link->lock);
	while (!link->ended && r == 0)
		r = pthread_cond_timedwait(&link->changed, &link->lock, &at);
	end(link);
	pthread_mutex_unlock(&link->lock);
	virStreamEventRemoveCallback(link->stream);
	virEventRemoveHandle(link->watch);
}

/* ---- by threads ---- */

static void *from_guest(void *data)
{
	struct vmb_link *link = data;
	struct way *way = &link->from_guest;
	ssize_t sent = 0;
	int n;

	while (sent >= 0 && (n = virStreamRecv(link->stream, way->bytes, sizeof(way->bytes))) > 0)
		for (ssize_t at = 0; at < n && sent >= 0; at += sent)
			sent = send(link->fd, way->bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
	shutdown(link->fd, SHUT_RDWR);
	return NULL;
}

static void *to_guest(void *data)
{
	struct vmb_link *link = data;
	struct way *way = &link->to_guest;
	int sent = 0;
	ssize_t n;

	while (sent >= 0 && (n = recv(link->fd, way->bytes, sizeof(way->bytes), 0)) > 0)
		for (ssize_t at = 0; at < n && sent >= 0; at += sent)
			sent = virStreamSend(link->stream, way->bytes + at, (size_t)(n - at));
	shutdown(link->fd, SHUT_RDWR);
	return NULL;
}

static void stop_threads(struct vmb_link *link)
{
	pthread_join(link->to_guest_thread, NULL); /* the client closed its end */
	virStreamAbort(link->stream);		   /* wakes the other */
	pthread_join(link->from_guest_thread, NULL);
}

/* Signals belong to the program: its own threads are to get them. */
static int start_threads(struct vmb_link *link)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&link->to_guest_thread, NULL, to_guest, link);
	if (r == 0) {
		r = pthread_create(&link->from_guest_thread, NULL, from_guest, link);
		if (r != 0) {
			shutdown(link->fd, SHUT_RDWR);
			pthread_join(link->to_guest_thread, NULL);
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r ? vmb_errno(r, "cannot start a thread for a channel") : 0;
}

/* ---- both ---- */

static int open_channel(virDomainPtr d, const char *channel, virStreamPtr st)
{
	if (virDomainOpenChannel(d, channel, st, 0) == 0)
		return 0;
	switch (vmb_libvirt_code()) {
	case VIR_ERR_OPERATION_FAILED:
		return vmb_error(EBUSY,
				 "another program (vmboot exec, vmboot cp or virsh) is using the "
				 "channel %s of the VM \"%s\", which serves one at a time",
				 channel, virDomainGetName(d));
	case VIR_ERR_OPERATION_INVALID:
		return vmb_error(VMBOOT_EENDED, "the VM \"%s\" is not running",
				 virDomainGetName(d));
	case VIR_ERR_INTERNAL_ERROR:
		if (strstr(virGetLastErrorMessage(), "cannot find"))
			return vmb_error(ENOENT, "the VM \"%s\" has no channel %s",
					 virDomainGetName(d), channel);
		break;
	default:
		break;
	}
	return vmb_libvirt_error("cannot open the channel %s of the VM \"%s\"", channel,
				 virDomainGetName(d));
}

static int new_link(struct vmb_link **ret, int *ret_fd)
{
	struct vmb_link *link = calloc(1, sizeof(*link));
	pthread_condattr_t attr;
	int fds[2];

	if (!link)
		return vmb_oom();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		free(link);
		return vmb_errno(errno, "cannot make a pair of sockets");
	}
	fcntl(fds[1], F_SETFL, fcntl(fds[1], F_GETFL) | O_NONBLOCK);
	pthread_mutex_init(&link->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&link->changed, &attr);
	pthread_condattr_destroy(&attr);
	link->refs = 1;
	link->fd = fds[0];
	*ret = link;
	*ret_fd = fds[1];
	return 0;
}

int vmb_link_open(virDomainPtr d, const char *channel, bool in_process, struct vmb_link **ret,
		  int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct vmb_link *link = NULL;
	int r;

	r = new_link(&link, &fd);
	if (r < 0)
		return r;
	link->threads = !in_process;
	link->stream = virStreamNew(virDomainGetConnect(d), in_process ? VIR_STREAM_NONBLOCK : 0);
	if (!link->stream)
		r = vmb_libvirt_error("cannot make a stream");
	if (r == 0)
		r = open_channel(d, channel, link->stream);
	if (r == 0) {
		r = in_process ? start_events(link) : start_threads(link);
		if (r < 0)
			virStreamAbort(link->stream);
	}
	if (r < 0) {
		link_unref(link);
		return r;
	}
	*ret = link;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void vmb_link_close(struct vmb_link *link)
{
	if (link->threads) {
		stop_threads(link);
	} else {
		stop_events(link);
		virStreamAbort(link->stream);
	}
	link_unref(link);
}
