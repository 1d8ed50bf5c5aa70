/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/link.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/str.h"
#include "domain/domain.h"

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
	struct vmb_link *next; /* of the open links */
	uintptr_t id;
	int refs; /* the owner's, and one for each callback that runs; under links.lock */
	virStreamPtr stream;
	int fd; /* the link's end of the socket pair */
	int watch;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	bool eof, ended;
	bool closed; /* libvirt is asked for no more callbacks */
	bool deaf;   /* the guest takes no more, though what it said last may still come */
	struct way from_guest, to_guest;
};

/*
 * The open links. A callback is given an id and not a pointer, because libvirt does not say reliably
 * when the last callback has returned: its remote driver calls the free function of a stream's
 * callback never (before 11.6) or with locks held, and its file streams may call it while another
 * thread, which ends the stream, is still in the callback. A callback that comes late finds no link.
 */
static struct {
	pthread_mutex_t lock; /* held for moments, and over no call of libvirt's */
	uintptr_t last_id;
	struct vmb_link *first;
} links = {.lock = PTHREAD_MUTEX_INITIALIZER};

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

static void link_register(struct vmb_link *link)
{
	pthread_mutex_lock(&links.lock);
	link->id = ++links.last_id;
	link->next = links.first;
	links.first = link;
	pthread_mutex_unlock(&links.lock);
}

static void link_unregister(struct vmb_link *link)
{
	struct vmb_link **p = &links.first;

	pthread_mutex_lock(&links.lock);
	while (*p && *p != link)
		p = &(*p)->next;
	if (*p)
		*p = link->next;
	pthread_mutex_unlock(&links.lock);
}

/* For link_unref(); NULL if it is closed. */
static struct vmb_link *link_of(const void *id)
{
	struct vmb_link *link;

	pthread_mutex_lock(&links.lock);
	link = links.first;
	while (link && link->id != (uintptr_t)id)
		link = link->next;
	if (link)
		link->refs++;
	pthread_mutex_unlock(&links.lock);
	return link;
}

static void link_unref(struct vmb_link *link)
{
	bool last;

	pthread_mutex_lock(&links.lock);
	last = --link->refs == 0;
	pthread_mutex_unlock(&links.lock);
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

	if (link->closed)
		return;
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

static void move_by_id(const void *id)
{
	struct vmb_link *link = link_of(id);

	if (!link)
		return;
	move(link);
	link_unref(link);
}

static void on_stream(virStreamPtr st VMB_UNUSED, int events VMB_UNUSED, void *id)
{
	move_by_id(id);
}

static void on_fd(int watch VMB_UNUSED, int fd VMB_UNUSED, int events VMB_UNUSED, void *id)
{
	move_by_id(id);
}

static int start(struct vmb_link *link)
{
	void *id;

	link_register(link);
	id = (void *)link->id;
	link->watch = virEventAddHandle(link->fd, 0, on_fd, id, NULL);
	if (link->watch < 0)
		return vmb_libvirt_error("cannot use libvirt's event loop");
	if (virStreamEventAddCallback(link->stream, VIR_STREAM_EVENT_READABLE, on_stream, id,
				      NULL) < 0) {
		virEventRemoveHandle(link->watch);
		return vmb_libvirt_error("cannot watch the stream of a channel");
	}
	move(link);
	return 0;
}

/* The client closed its end; once the guest has taken what it said last, the link ends by itself. */
static void flush(struct vmb_link *link)
{
	const int64_t until = vmb_monotonic_us() + FLUSH_MS * 1000;
	const struct timespec at = {until / 1000000, until % 1000000 * 1000};
	int r = 0;

	pthread_mutex_lock(&link->lock);
	while (!link->ended && r == 0)
		r = pthread_cond_timedwait(&link->changed, &link->lock, &at);
	end(link);
	link->closed = true;
	pthread_mutex_unlock(&link->lock);
}

/* ---- open and close ---- */

/* libvirt has no code for that. */
bool vmb_link_is_missing(virDomainPtr d, const char *channel)
{
	struct vmb_saved_error *saved = vmb_error_save();
	_cleanup_free_ char *xml = virDomainGetXMLDesc(d, 0);
	bool has = true;

	if (xml)
		(void)vmb_domain_has_channel(xml, channel, &has);
	vmb_error_restore(saved);
	return !has;
}

static int open_channel(virDomainPtr d, const char *channel, virStreamPtr st)
{
	const char *name = virDomainGetName(d); /* now: it forgets libvirt's last error */

	if (virDomainOpenChannel(d, channel, st, 0) == 0)
		return 0;
	switch (vmb_libvirt_code()) {
	case VIR_ERR_OPERATION_FAILED:
		return vmb_error(EBUSY, "another process is using the channel %s of the VM \"%s\"",
				 channel, name);
	case VIR_ERR_OPERATION_INVALID:
		return vmb_error(VMBOOT_EENDED, "the VM \"%s\" is not running", name);
	default:
		break;
	}
	vmb_libvirt_error("cannot open the channel %s of the VM \"%s\"", channel, name);
	if (vmb_link_is_missing(d, channel))
		return vmb_error(ENOENT, "the VM \"%s\" has no channel %s", name, channel);
	return -VMBOOT_ELIBVIRT;
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
	init_cond(&link->changed);
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
		link_unregister(link);
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
	link_unregister(link);
	link_unref(link);
}
