/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "agent/stream-private.h"
#include "base/error.h"

enum {
	CREDIT_STEP = 65536,
	LATE_FRAMES = 8, /* without payload, for a session that is closed */
};

static void session_free(struct vmb_session *x)
{
	struct vmb_piece *next;

	for (struct vmb_piece *p = x->first; p; p = next) {
		next = p->next;
		free(p);
	}
	vmb_closep(&x->event);
	free(x);
}

/* As many frames as it takes; the lock is held. */
static void send_request(struct vmb_stream *s, uint32_t id, const uint8_t *request, size_t n)
{
	size_t piece;

	do {
		piece = n < VMB_FRAME_PAYLOAD_MAX ? n : VMB_FRAME_PAYLOAD_MAX;
		n -= piece;
		vmb_stream_send(s, VMB_FRAME_EXEC, id, (uint32_t)n, request, piece);
		request += piece;
	} while (n > 0);
}

/* The lock is held. */
static int add_session(struct vmb_stream *s, struct vmb_session *x, const uint8_t *request,
		       size_t n)
{
	if (s->broken)
		return vmb_stream_broken_error(s);
	if (s->n_sessions == VMB_STREAM_SESSIONS_MAX || s->last_id == UINT32_MAX)
		return vmb_error(EAGAIN, "%d programs run in the VM by this handle already",
				 VMB_STREAM_SESSIONS_MAX);
	if (vmb_stream_out_waiting(s) > VMB_STREAM_STUCK_MAX)
		return vmb_error(EAGAIN, "the guest's agent takes nothing more");
	x->id = ++s->last_id;
	x->next = s->sessions;
	s->sessions = x;
	s->n_sessions++;
	send_request(s, x->id, request, n);
	return 0;
}

/* 1: it runs; 0: not known yet. The lock is held. */
static int look_started(const struct vmb_session *x)
{
	switch (x->state) {
	case OPENING:
		return x->stream->broken ? vmb_stream_broken_error(x->stream) : 0;
	case FAILED:
		vmb_errno(x->status, "in the guest: %s",
			  *x->words ? x->words : "cannot start the program");
		vmb_error_boot("", "", x->status, "");
		return -x->status;
	default:
		return 1;
	}
}

static int wait_started(struct vmb_session *x, struct vmb_deadline until)
{
	struct pollfd fd = {.fd = x->event, .events = POLLIN};
	int r;

	for (;;) {
		vmb_session_clear(x);
		pthread_mutex_lock(&x->stream->lock);
		r = look_started(x);
		pthread_mutex_unlock(&x->stream->lock);
		if (r != 0)
			return r < 0 ? r : 0;
		if (vmb_deadline_passed(until))
			return vmb_error(ETIMEDOUT, "the guest's agent does not start it in time");
		poll(&fd, 1, vmb_deadline_poll(until, -1));
	}
}

static int encode_request(const struct vmb_exec_request *request, uint8_t **ret, size_t *ret_n)
{
	long n = vmb_exec_request_encode(request, NULL, 0);

	if (n == -E2BIG)
		return vmb_error(E2BIG,
				 "an argument or variable is over %d bytes, or all are over %d",
				 VMB_CONFIG_STRING_MAX, VMB_EXEC_REQUEST_MAX);
	if (n < 0)
		return vmb_error((int)-n, "a program, variable or folder is none");
	*ret = malloc((size_t)n);
	if (!*ret)
		return vmb_oom();
	vmb_exec_request_encode(request, *ret, (size_t)n);
	*ret_n = (size_t)n;
	return 0;
}

int vmb_session_open(struct vmb_stream *s, const struct vmb_exec_request *request,
		     struct vmb_deadline until, struct vmb_session **ret)
{
	_cleanup_free_ uint8_t *payload = NULL;
	struct vmb_session *x;
	size_t n = 0;
	int r = encode_request(request, &payload, &n);

	if (r < 0)
		return r;
	x = calloc(1, sizeof(*x));
	if (!x)
		return vmb_oom();
	x->stream = s;
	x->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = x->event < 0 ? vmb_errno(errno, "cannot make an eventfd") : 0;
	pthread_mutex_lock(&s->lock);
	if (r == 0)
		r = add_session(s, x, payload, n);
	pthread_mutex_unlock(&s->lock);
	if (r < 0) {
		session_free(x);
		return r;
	}
	r = wait_started(x, until);
	if (r < 0) {
		vmb_session_close(x);
		return r;
	}
	*ret = x;
	return 0;
}

void vmb_session_close(struct vmb_session *x)
{
	struct vmb_stream *s = x->stream;
	struct vmb_session **p;

	pthread_mutex_lock(&s->lock);
	for (p = &s->sessions; *p != x; p = &(*p)->next)
		;
	*p = x->next;
	s->n_sessions--;
	s->late += x->out_credit + LATE_FRAMES;
	vmb_stream_send(s, VMB_FRAME_CLOSE, x->id, 0, NULL, 0);
	pthread_mutex_unlock(&s->lock);
	session_free(x);
}

int vmb_session_fd(const struct vmb_session *x)
{
	return x->event;
}

void vmb_session_clear(struct vmb_session *x)
{
	uint64_t count;

	(void)!read(x->event, &count, sizeof(count));
}

struct vmb_piece *vmb_session_take(struct vmb_session *x)
{
	struct vmb_piece *piece;

	pthread_mutex_lock(&x->stream->lock);
	piece = x->first;
	if (piece) {
		x->first = piece->next;
		x->n_pieces--;
	}
	pthread_mutex_unlock(&x->stream->lock);
	return piece;
}

void vmb_session_give_back(struct vmb_session *x, struct vmb_piece *piece)
{
	pthread_mutex_lock(&x->stream->lock);
	x->owed += piece->n;
	if (x->state == RUNNING && x->owed >= CREDIT_STEP) {
		vmb_stream_send(x->stream, VMB_FRAME_CREDIT, x->id, (uint32_t)x->owed, NULL, 0);
		x->out_credit += x->owed;
		x->owed = 0;
	}
	pthread_mutex_unlock(&x->stream->lock);
	free(piece);
}

int vmb_session_status(struct vmb_session *x, int *ret_status)
{
	int r = 0;

	pthread_mutex_lock(&x->stream->lock);
	if (x->first) {
		r = 0;
	} else if (x->state == ENDED) {
		*ret_status = x->status;
		r = 1;
	} else if (x->stream->broken) {
		r = vmb_stream_broken_error(x->stream);
	}
	pthread_mutex_unlock(&x->stream->lock);
	return r;
}

/* The lock is held. Whoever is refused is rung when there is room again. */
static bool queue_is_full(struct vmb_stream *s)
{
	bool full = vmb_stream_out_waiting(s) >= VMB_STREAM_OUT_MAX;

	s->starved |= full;
	return full;
}

size_t vmb_session_room(struct vmb_session *x)
{
	size_t room = 0;

	pthread_mutex_lock(&x->stream->lock);
	if (!x->stream->broken && x->state == RUNNING && !x->in_ended && !queue_is_full(x->stream))
		room = x->in_credit < VMB_FRAME_PAYLOAD_MAX ? x->in_credit : VMB_FRAME_PAYLOAD_MAX;
	pthread_mutex_unlock(&x->stream->lock);
	return room;
}

bool vmb_session_can_control(struct vmb_session *x)
{
	bool can;

	pthread_mutex_lock(&x->stream->lock);
	can = !queue_is_full(x->stream);
	pthread_mutex_unlock(&x->stream->lock);
	return can;
}

void vmb_session_send(struct vmb_session *x, const void *bytes, size_t n)
{
	pthread_mutex_lock(&x->stream->lock);
	if (n && n <= x->in_credit && !x->in_ended) {
		x->in_credit -= n;
		vmb_stream_send(x->stream, VMB_FRAME_STDIN, x->id, 0, bytes, n);
	}
	pthread_mutex_unlock(&x->stream->lock);
}

void vmb_session_send_end(struct vmb_session *x)
{
	pthread_mutex_lock(&x->stream->lock);
	if (!x->in_ended && x->state == RUNNING)
		vmb_stream_send(x->stream, VMB_FRAME_STDIN, x->id, 0, NULL, 0);
	x->in_ended = true;
	pthread_mutex_unlock(&x->stream->lock);
}

static void control(struct vmb_session *x, enum vmb_frame_type type, uint32_t value)
{
	pthread_mutex_lock(&x->stream->lock);
	if (x->state == RUNNING)
		vmb_stream_send(x->stream, type, x->id, value, NULL, 0);
	pthread_mutex_unlock(&x->stream->lock);
}

void vmb_session_signal(struct vmb_session *x, int number)
{
	control(x, VMB_FRAME_SIGNAL, (uint32_t)number);
}

void vmb_session_resize(struct vmb_session *x, uint32_t columns_rows)
{
	control(x, VMB_FRAME_RESIZE, columns_rows);
}
