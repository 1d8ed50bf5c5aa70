/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "peer.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *run(void *data)
{
	struct peer *p = data;

	p->script(p);
	shutdown(p->fd, SHUT_RDWR);
	return NULL;
}

int peer_start(struct peer *p, void (*script)(struct peer *p))
{
	int fds[2];

	memset(p, 0, sizeof(*p));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		abort();
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	p->fd = fds[0];
	p->script = script;
	if (pthread_create(&p->thread, NULL, run, p))
		abort();
	return fds[1];
}

void peer_join(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->fd);
}

void peer_raw(struct peer *p, const void *bytes, size_t n)
{
	const char *from = bytes;

	while (n) {
		ssize_t done = send(p->fd, from, n, MSG_NOSIGNAL);

		if (done < 0)
			return; /* the host hung up, which tests look for elsewhere */
		from += done;
		n -= (size_t)done;
	}
}

void peer_send(struct peer *p, enum vmb_frame_type type, uint32_t session, uint32_t value,
	       const void *payload, size_t n)
{
	const struct vmb_frame frame = {type, session, value, payload, n};
	uint8_t head[VMB_FRAME_HEAD];

	vmb_frame_head(&frame, head);
	peer_raw(p, head, sizeof(head));
	if (n)
		peer_raw(p, payload, n);
}

struct vmb_frame peer_next(struct peer *p)
{
	struct pollfd fd = {.fd = p->fd, .events = POLLIN};
	struct vmb_frame f = {0};
	long r;

	for (;;) {
		r = vmb_frame_decode(p->in, p->n, &f);
		if (r != 0)
			break;
		if (poll(&fd, 1, PEER_MS) <= 0)
			return (struct vmb_frame){0};
		r = recv(p->fd, p->in + p->n, sizeof(p->in) - p->n, 0);
		if (r <= 0)
			return (struct vmb_frame){0};
		p->n += (size_t)r;
	}
	if (r < 0)
		abort(); /* the host sends frames and nothing else */
	memcpy(p->payload, f.payload, f.length);
	f.payload = p->payload;
	p->n -= (size_t)r;
	memmove(p->in, p->in + r, p->n);
	return f;
}

struct vmb_frame peer_expect(struct peer *p, enum vmb_frame_type type)
{
	struct vmb_frame f;

	do
		f = peer_next(p);
	while (f.type && f.type != type);
	return f;
}

uint32_t peer_started(struct peer *p)
{
	uint32_t session = peer_expect(p, VMB_FRAME_EXEC).session;

	peer_send(p, VMB_FRAME_STARTED, session, 100, NULL, 0);
	peer_expect(p, VMB_FRAME_CREDIT);
	return session;
}

void peer_drain(struct peer *p)
{
	while (peer_next(p).type)
		;
}

static void (*after_greeting)(struct peer *p);

static void greet(struct peer *p)
{
	struct vmb_frame f = peer_expect(p, VMB_FRAME_HELLO);

	peer_send(p, VMB_FRAME_HELLO, 0, f.value, NULL, 0);
	after_greeting(p);
}

struct vmb_stream *peer_connect(struct peer *p, void (*script)(struct peer *p))
{
	struct vmb_stream *s = NULL;

	after_greeting = script;
	CU_ASSERT_EQUAL_FATAL(vmb_stream_open(peer_start(p, greet), vmb_deadline_in(PEER_MS), &s),
			      0);
	return s;
}
