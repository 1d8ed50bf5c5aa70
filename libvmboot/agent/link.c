/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/link.h"

#include <pthread.h>
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
	int watch;
	/* libvirt gives a callback's reference back with locks of its own held, which it also takes
	 * in calls that are made under the other lock */
	pthread_mutex_t refs_lock;
	pthread_cond_t refs_changed;
	int refs;	      /* the owner's, and one for each callback */
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	bool eof, ended;
	bool deaf; /* the guest takes no more, though what it said last may still come */
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
	pthread_cond_destroy(&link->refs_changed);
	pthread_mutex_destroy(&link->lock);
	pthread_mutex_destroy(&link->refs_lock);
	free(link);
}

static void link_ref(struct vmb_link *link)
{
	pthread_mutex_lock(&link->refs_lock);
	link->refs++;
	pthread_mutex_unlock(&link->refs_lock);
}

static void link_unref(void *data)
{
	struct vmb_link *link = data;
	bool last;

	pthread_mutex_lock(&link->refs_lock);
	last = --link->refs == 0;
	pthread_cond_broadcast(&link->refs_changed);
	pthread_mutex_unlock(&link->refs_lock);
	if (last)
		link_free(link);
}

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

	if (link->deaf || !is_empty(way))
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
	if (n < 0 && n != -2) {
		link->deaf = true;
		way->at = way->n = 0;
		return;
	}
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
		fd = (in ? 0 : VIR_EVENT_HANDLE_WRITABLE) |
		     (out && !link->deaf ? VIR_EVENT_HANDLE_READABLE : 0);
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

static struct timespec flush_deadline(void)
{
	const int64_t until = vmb_monotonic_us() + FLUSH_MS * 1000;

	return (struct timespec){until / 1000000, until % 1000000 * 1000};
}

static int start(struct vmb_link *link)
{
	link_ref(link);
	link->watch = virEventAddHandle(link->fd, 0, on_fd, link, link_unref);
	if (link->watch < 0) {
		link_unref(link);
		return vmb_libvirt_error("cannot use libvirt's event loop");
	}
	link_ref(link);
	if (virStreamEventAddCallback(link->stream, VIR_STREAM_EVENT_READABLE, on_stream, link,
				      link_unref) < 0) {
		virEventRemoveHandle(link->watch);
		link_unref(link);
		return vmb_libvirt_error("cannot watch the stream of a channel");
	}
	move(link);
	return 0;
}

/* The client closed its end; once the guest has taken what it said last, the link ends by itself. */
static void flush(struct vmb_link *link)
{
	const struct timespec at = flush_deadline();
	int r = 0;

	pthread_mutex_lock(&link->lock);
	while (!link->ended && r == 0)
		r = pthread_cond_timedwait(&link->changed, &link->lock, &at);
	end(link);
	pthread_mutex_unlock(&link->lock);
}

/* The event loop, which may end with the link's owner, is to let go of the link before. */
static void await_callbacks(struct vmb_link *link)
{
	const struct timespec at = flush_deadline();
	int r = 0;

	pthread_mutex_lock(&link->refs_lock);
	while (link->refs > 1 && r == 0)
		r = pthread_cond_timedwait(&link->refs_changed, &link->refs_lock, &at);
	pthread_mutex_unlock(&link->refs_lock);
}

/* ---- open and close ---- */

static int open_channel(virDomainPtr d, const char *channel, virStreamPtr st)
{
	const char *name = virDomainGetName(d); /* now: it forgets libvirt's last error */

	if (virDomainOpenChannel(d, channel, st, 0) == 0)
		return 0;
	switch (vmb_libvirt_code()) {
	case VIR_ERR_OPERATION_FAILED:
		return vmb_error(EBUSY,
				 "another program (vmboot exec, vmboot cp or virsh) is using the "
				 "channel %s of the VM \"%s\", which serves one at a time",
				 channel, name);
	case VIR_ERR_OPERATION_INVALID:
		return vmb_error(VMBOOT_EENDED, "the VM \"%s\" is not running", name);
	case VIR_ERR_INTERNAL_ERROR:
		if (strstr(virGetLastErrorMessage(), "cannot find"))
			return vmb_error(ENOENT, "the VM \"%s\" has no channel %s", name, channel);
		break;
	default:
		break;
	}
	return vmb_libvirt_error("cannot open the channel %s of the VM \"%s\"", channel, name);
}

static void init_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

static int new_link(struct vmb_link **ret, int *ret_fd)
{
	struct vmb_link *link = calloc(1, sizeof(*link));
	int fds[2];

	if (!link)
		return vmb_oom();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
		free(link);
		return vmb_errno(errno, "cannot make a pair of sockets");
	}
	pthread_mutex_init(&link->lock, NULL);
	pthread_mutex_init(&link->refs_lock, NULL);
	init_cond(&link->changed);
	init_cond(&link->refs_changed);
	link->refs = 1;
	link->fd = fds[0];
	*ret = link;
	*ret_fd = fds[1];
	return 0;
}

int vmb_link_open(virDomainPtr d, const char *channel, struct vmb_link **ret, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	struct vmb_link *link = NULL;
	int r;

	r = new_link(&link, &fd);
	if (r < 0)
		return r;
	link->stream = virStreamNew(virDomainGetConnect(d), VIR_STREAM_NONBLOCK);
	if (!link->stream)
		r = vmb_libvirt_error("cannot make a stream");
	if (r == 0)
		r = open_channel(d, channel, link->stream);
	if (r == 0) {
		r = start(link);
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
	flush(link);
	virStreamEventRemoveCallback(link->stream);
	virEventRemoveHandle(link->watch);
	virStreamAbort(link->stream);
	await_callbacks(link);
	link_unref(link);
}
