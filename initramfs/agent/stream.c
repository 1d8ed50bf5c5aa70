/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "agent.h"

enum { IN_SIZE = 2 * (VMB_FRAME_HEAD + VMB_FRAME_PAYLOAD_MAX) };

static void drop_all(struct agent_stream *s)
{
	for (size_t i = 0; i < VMB_STREAM_SESSIONS_MAX; i++)
		agent_session_drop(&s->sessions[i]);
}

void agent_stream_free(struct agent_stream *s)
{
	drop_all(s);
	vmb_closep(&s->port.fd);
	free(s->port.out);
	free(s->in);
	free(s);
}

struct agent_stream *agent_stream_new(const struct init *init, const char *const *env)
{
	struct agent_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->init = init;
	s->env = env;
	s->lost = true;
	s->in = malloc(IN_SIZE);
	if (agent_port_init(&s->port, NULL, AGENT_STREAM_OUT) == 0 && s->in)
		return s;
	agent_stream_free(s);
	return NULL;
}

void agent_stream_send(struct agent_stream *s, enum vmb_frame_type type, uint32_t session,
		       uint32_t value, const void *payload, size_t n)
{
	const struct vmb_frame frame = {type, session, value, payload, n};
	uint8_t *tail;

	if (agent_port_room(&s->port) < VMB_FRAME_HEAD + n)
		return;
	tail = agent_port_tail(&s->port, VMB_FRAME_HEAD + n);
	/* output was read to its place; musl would move it there byte by byte once more */
	if (n > 0 && payload != tail + VMB_FRAME_HEAD)
		memcpy(tail + VMB_FRAME_HEAD, payload, n);
	vmb_frame_head(&frame, tail);
	agent_port_queued(&s->port, VMB_FRAME_HEAD + n);
}

/*
 * To a host that may be in the middle of a frame of an agent that is no more: what fills up the
 * longest frame, and then makes no sense, ends the connection too.
 */
static void say_hello_anew(struct agent_stream *s)
{
	for (int i = 0; i <= VMB_FRAME_PAYLOAD_MAX / VMB_FRAME_HEAD; i++)
		agent_stream_send(s, VMB_FRAME_HELLO, 0, 0, NULL, 0);
}

int agent_stream_open(struct agent_stream *s, const char *path)
{
	int r = agent_port_open_path(&s->port, path);

	if (r < 0)
		return r;
	say_hello_anew(s);
	agent_port_flush(&s->port);
	return 0;
}

/* ---- what comes ---- */

static void end_connection(struct agent_stream *s)
{
	drop_all(s);
	s->lost = true;
	agent_stream_send(s, VMB_FRAME_HELLO, 0, 0, NULL, 0);
}

static struct agent_session *find(struct agent_stream *s, uint32_t id)
{
	for (size_t i = 0; i < VMB_STREAM_SESSIONS_MAX; i++)
		if (s->sessions[i].state != AGENT_SESSION_FREE && s->sessions[i].id == id)
			return &s->sessions[i];
	return NULL;
}

static struct agent_session *find_free(struct agent_stream *s)
{
	for (size_t i = 0; i < VMB_STREAM_SESSIONS_MAX; i++)
		if (s->sessions[i].state == AGENT_SESSION_FREE)
			return &s->sessions[i];
	return NULL;
}

/* False: it broke the rules. More sessions than there may be do, too: the host can count. */
static bool take_frame(struct agent_stream *s, const struct vmb_frame *f)
{
	struct agent_session *session;

	if (f->type == VMB_FRAME_HELLO) {
		drop_all(s);
		agent_stream_send(s, VMB_FRAME_HELLO, 0, f->value, NULL, 0);
		return f->session == 0 && f->length == 0;
	}
	session = f->session ? find(s, f->session) : NULL;
	if (f->type == VMB_FRAME_EXEC) {
		if (!f->session || (!session && !(session = find_free(s))))
			return false;
		if (session->state == AGENT_SESSION_FREE)
			agent_session_begin(session, f->session);
		return agent_session_ask(s, session, f);
	}
	return session && agent_session_take(s, session, f);
}

/* Bytes that are done with. */
static size_t take_bytes(struct agent_stream *s, const uint8_t *bytes, size_t n)
{
	struct vmb_frame frame;
	size_t skipped = s->lost ? vmb_frame_skip_to_hello(bytes, n) : 0;
	long r = vmb_frame_decode(bytes + skipped, n - skipped, &frame);

	if (r == 0)
		return skipped;
	if (r < 0 && s->lost)
		return skipped + 1;
	s->lost = false;
	if (r < 0 || !take_frame(s, &frame)) {
		end_connection(s);
		return r < 0 ? skipped + 1 : skipped + (size_t)r;
	}
	return skipped + (size_t)r;
}

/* What a frame makes us say is short; that there is room for it comes before we take one. */
static bool may_take(const struct agent_stream *s)
{
	return agent_port_room(&s->port) >= AGENT_STREAM_ROOM / 2;
}

static void take_input(struct agent_stream *s)
{
	size_t at = 0, n;

	while (may_take(s) && at < s->n) {
		n = take_bytes(s, s->in + at, s->n - at);
		if (n == 0)
			break;
		at += n;
	}
	if (at == 0)
		return;
	memmove(s->in, s->in + at, s->n - at);
	s->n -= at;
}

static void receive(struct agent_stream *s)
{
	size_t n;

	do {
		take_input(s);
		n = may_take(s) ? agent_port_read(&s->port, s->in + s->n, IN_SIZE - s->n) : 0;
		s->n += n;
	} while (n > 0);
}

/* ---- the loop's side ---- */

void agent_stream_poll(struct agent_stream *s, struct agent_polls *polls)
{
	agent_port_poll(&s->port, polls, may_take(s));
	for (size_t i = 0; i < VMB_STREAM_SESSIONS_MAX; i++)
		agent_session_poll(s, &s->sessions[i], polls);
}

int agent_stream_wait_ms(const struct agent_stream *s)
{
	struct vmb_deadline first = vmb_deadline_in(-1), until;

	for (size_t i = 0; i < VMB_STREAM_SESSIONS_MAX; i++) {
		until = agent_session_until(&s->sessions[i]);
		if (until.at_us < first.at_us)
			first = until;
	}
	return vmb_deadline_poll(first, -1);
}

void agent_stream_serve(struct agent_stream *s, const struct agent_polls *polls)
{
	if (agent_port_went(&s->port, polls)) {
		drop_all(s);
		s->lost = true;
		s->n = 0;
	}
	if (agent_poll_hit(polls, s->port.slot))
		receive(s);
	for (size_t i = 0; i < VMB_STREAM_SESSIONS_MAX; i++)
		agent_session_serve(s, &s->sessions[(s->first + i) % VMB_STREAM_SESSIONS_MAX],
				    polls);
	s->first = (s->first + 1) % VMB_STREAM_SESSIONS_MAX;
	agent_port_flush(&s->port);
	/* what waited for room */
	if (s->n > 0 && may_take(s)) {
		take_input(s);
		agent_port_flush(&s->port);
	}
}

bool agent_stream_reap(struct agent_stream *s, pid_t pid, uint32_t status)
{
	for (size_t i = 0; i < VMB_STREAM_SESSIONS_MAX; i++) {
		struct agent_session *session = &s->sessions[i];

		if (session->state == AGENT_SESSION_FREE || session->exited ||
		    session->child.pid != pid)
			continue;
		session->exited = true;
		session->status = status;
		return true;
	}
	return false;
}

void agent_stream_kill(const struct agent_stream *s, int sig)
{
	for (size_t i = 0; i < VMB_STREAM_SESSIONS_MAX; i++)
		if (s->sessions[i].state != AGENT_SESSION_FREE && !s->sessions[i].exited)
			agent_kill(s->sessions[i].child.pid, sig);
}

bool agent_stream_busy(const struct agent_stream *s)
{
	for (size_t i = 0; i < VMB_STREAM_SESSIONS_MAX; i++)
		if (s->sessions[i].state != AGENT_SESSION_FREE &&
		    s->sessions[i].state != AGENT_SESSION_OVER)
			return true;
	return s->port.n > 0;
}
