/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/stream-private.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/error.h"
#include "wire/text.h"

enum {
	/* what may come before the guest's HELLO: left over by another program's sessions */
	STALE_MAX = 64 << 20,
	ERRNO_MAX = 4095,
	SIGNAL_MAX = 64,
	/* of one session; above it pieces that are apart are joined, and the order between standard
	 * output and error is lost, so that tiny ones cost no memory of note */
	PIECES_MAX = 1024,
	FLUSH_MS = 1000, /* for the last frames, at the end */
};

static void ring(int eventfd)
{
	uint64_t one = 1;

	(void)!write(eventfd, &one, sizeof(one));
}

static void ring_all(struct vmb_stream *s)
{
	for (struct vmb_session *x = s->sessions; x; x = x->next)
		ring(x->event);
	pthread_cond_broadcast(&s->changed);
}

/* The lock is held. The first reason stays. */
static void break_stream(struct vmb_stream *s, int code, const char *why)
{
	if (s->broken)
		return;
	s->broken = -code;
	vmb_strlcpy(s->why, why, sizeof(s->why));
	ring_all(s);
}

/* The lock is held. */
int vmb_stream_broken_error(const struct vmb_stream *s)
{
	return vmb_error(-s->broken, "%s", s->why);
}

/* ---- frames to the guest; the lock is held ---- */

size_t vmb_stream_out_waiting(const struct vmb_stream *s)
{
	return s->out.len - s->out_at;
}

void vmb_stream_send(struct vmb_stream *s, enum vmb_frame_type type, uint32_t session,
		     uint32_t value, const void *payload, size_t n)
{
	const struct vmb_frame frame = {type, session, value, payload, n};
	uint8_t head[VMB_FRAME_HEAD];

	if (s->broken)
		return;
	if (s->out_at == s->out.len)
		s->out_at = s->out.len = 0;
	vmb_frame_head(&frame, head);
	vmb_buf_add(&s->out, head, sizeof(head));
	if (n)
		vmb_buf_add(&s->out, payload, n);
	if (s->out.failed)
		break_stream(s, ENOMEM, "out of memory");
	ring(s->wake);
}

/*
 * False: the socket takes no more. If never again, then what the guest sent last is in it all the
 * same, and is read before the stream is broken.
 */
static bool write_some(struct vmb_stream *s)
{
	ssize_t n = send(s->fd, s->out.data + s->out_at, vmb_stream_out_waiting(s),
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0) {
		s->deaf = errno != EAGAIN;
		return false;
	}
	s->out_at += (size_t)n;
	/* what was sent goes when it is the greater part, so that each byte moves once or twice */
	if (s->out_at > s->out.len / 2) {
		memmove(s->out.data, s->out.data + s->out_at, vmb_stream_out_waiting(s));
		s->out.len -= s->out_at;
		s->out_at = 0;
	}
	if (s->starved && vmb_stream_out_waiting(s) < VMB_STREAM_OUT_MAX / 2) {
		s->starved = false;
		ring_all(s);
	}
	return true;
}

/* ---- frames from the guest; the lock is held ---- */

static const char *on_started(struct vmb_session *x, const struct vmb_frame *f)
{
	if (x->state != OPENING || f->length)
		return "started twice";
	x->state = RUNNING;
	x->out_credit = VMB_STREAM_WINDOW;
	vmb_stream_send(x->stream, VMB_FRAME_CREDIT, x->id, VMB_STREAM_WINDOW, NULL, 0);
	return NULL;
}

static const char *on_failed(struct vmb_session *x, const struct vmb_frame *f)
{
	size_t n = f->length < VMB_STREAM_WORDS_MAX - 1 ? f->length : VMB_STREAM_WORDS_MAX - 1;

	if (x->state != OPENING || f->value == 0 || f->value > ERRNO_MAX)
		return "failed without a reason";
	x->state = FAILED;
	x->status = (int)f->value;
	memcpy(x->words, f->payload, n);
	x->words[n] = '\0';
	vmb_wire_clean_line(x->words);
	return NULL;
}

/* Where the output goes: the link to a piece to append to, or to NULL for a new one. */
static struct vmb_piece **find_piece(struct vmb_session *x, bool err)
{
	struct vmb_piece **link = &x->first, **same = NULL;

	for (; *link; link = &(*link)->next)
		if ((*link)->err == err && (!(*link)->next || x->n_pieces >= PIECES_MAX))
			same = link;
	return same ? same : link;
}

static bool append(struct vmb_session *x, const struct vmb_frame *f)
{
	bool err = f->type == VMB_FRAME_STDERR;
	struct vmb_piece **link = find_piece(x, err), *piece = *link;
	size_t had = piece ? piece->n : 0, cap = piece ? piece->cap : 0;

	if (had + f->length > cap) {
		cap = piece ? 2 * (had + f->length) : f->length;
		piece = realloc(piece, sizeof(*piece) + cap);
		if (!piece)
			return false;
		if (!had) {
			piece->next = NULL;
			x->n_pieces++;
		}
		piece->err = err;
		piece->cap = cap;
		*link = piece;
	}
	memcpy(piece->bytes + had, f->payload, f->length);
	piece->n = had + f->length;
	return true;
}

static const char *on_output(struct vmb_session *x, const struct vmb_frame *f)
{
	if (x->state != RUNNING || f->length > x->out_credit)
		return "sent more output than it may";
	if (!f->length)
		return "sent output that is none"; /* and so could it for ever */
	x->out_credit -= f->length;
	if (!append(x, f))
		break_stream(x->stream, ENOMEM, "out of memory");
	return NULL;
}

static const char *on_credit(struct vmb_session *x, const struct vmb_frame *f)
{
	if (x->state == OPENING || x->state == FAILED || f->length || !f->value ||
	    f->value > VMB_STREAM_WINDOW - x->in_credit)
		return "gave more credit than it may, or none";
	x->in_credit += f->value;
	return NULL;
}

static const char *on_ended(struct vmb_session *x, const struct vmb_frame *f)
{
	if (x->state != RUNNING || f->length || f->value == 256 || f->value > 256 + SIGNAL_MAX)
		return "ended in a way that cannot be";
	x->state = ENDED;
	x->status = (int)f->value;
	return NULL;
}

/* What a guest may send for a session; each returns NULL, or what was wrong. */
static const struct {
	enum vmb_frame_type type;
	const char *(*fn)(struct vmb_session *x, const struct vmb_frame *f);
} handlers[] = {
	{VMB_FRAME_STARTED, on_started}, {VMB_FRAME_FAILED, on_failed},
	{VMB_FRAME_STDOUT, on_output},	 {VMB_FRAME_STDERR, on_output},
	{VMB_FRAME_CREDIT, on_credit},	 {VMB_FRAME_EXIT, on_ended},
};

/* It was under way when the session was closed. */
static const char *on_late_frame(struct vmb_stream *s, const struct vmb_frame *f)
{
	size_t cost = f->length ? f->length : 1;

	if (cost > s->late)
		return "goes on about programs that were closed";
	s->late -= cost;
	return NULL;
}

static const char *on_session_frame(struct vmb_stream *s, const struct vmb_frame *f)
{
	struct vmb_session *x = s->sessions;
	const char *wrong = "sent a frame that only hosts send";

	if (f->session > s->last_id)
		return "named a session that never was";
	while (x && x->id != f->session)
		x = x->next;
	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
		if (handlers[i].type == f->type)
			wrong = x ? handlers[i].fn(x, f) : on_late_frame(s, f);
	if (x)
		ring(x->event);
	return wrong;
}

static void nonsense(struct vmb_stream *s, const char *wrong)
{
	char words[128];

	snprintf(words, sizeof(words), "the guest's agent %s", wrong);
	break_stream(s, VMBOOT_EGUEST, words);
}

static void on_frame(struct vmb_stream *s, const struct vmb_frame *f)
{
	const char *wrong = NULL;

	if (!s->ready) {
		s->ready = f->type == VMB_FRAME_HELLO && f->session == 0 && f->value == s->nonce;
		if (s->ready)
			ring_all(s);
		return;
	}
	if (f->session)
		wrong = on_session_frame(s, f);
	else if (f->type == VMB_FRAME_HELLO)
		wrong = "was started again or gave up, and its programs with it";
	else
		wrong = "sent a frame without a session";
	if (wrong)
		nonsense(s, wrong);
}

/* Before HELLO anything may come; then only frames. */
size_t vmb_stream_take(struct vmb_stream *s, const uint8_t *bytes, size_t n)
{
	struct vmb_frame f;
	size_t at = 0;
	long r = 0;

	while (!s->broken && at < n) {
		if (!s->ready)
			at += vmb_frame_skip_to_hello(bytes + at, n - at);
		r = vmb_frame_decode(bytes + at, n - at, &f);
		if (r == 0)
			break;
		if (r > 0) {
			on_frame(s, &f);
			at += (size_t)r;
		} else if (s->ready) {
			nonsense(s, "sent what is no frame");
		} else {
			at++;
		}
	}
	return at;
}

/* ---- the thread ---- */

static void hung_up(struct vmb_stream *s)
{
	pthread_mutex_lock(&s->lock);
	break_stream(s, VMBOOT_EENDED, "the guest ended, or its channel did");
	pthread_mutex_unlock(&s->lock);
}

static void read_some(struct vmb_stream *s)
{
	ssize_t n = recv(s->fd, s->in + s->in_n, sizeof(s->in) - s->in_n, MSG_DONTWAIT);
	size_t done;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hung_up(s);
		return;
	}
	pthread_mutex_lock(&s->lock);
	s->in_n += (size_t)n;
	done = vmb_stream_take(s, s->in, s->in_n);
	memmove(s->in, s->in + done, s->in_n - done);
	s->in_n -= done;
	if (!s->ready && (s->stale += done) > STALE_MAX)
		nonsense(s, "sends what is no greeting");
	pthread_mutex_unlock(&s->lock);
}

static void write_all(struct vmb_stream *s)
{
	while (!s->broken && !s->deaf && vmb_stream_out_waiting(s) && write_some(s))
		;
	if (s->deaf)
		s->out.len = s->out_at = 0;
}

/* False when the thread is to end. */
static bool io_step(struct vmb_stream *s)
{
	struct pollfd fds[] = {{.fd = s->fd, .events = POLLIN}, {.fd = s->wake, .events = POLLIN}};
	uint64_t count;
	int wait_ms = -1;
	bool done;

	pthread_mutex_lock(&s->lock);
	write_all(s);
	if (vmb_stream_out_waiting(s))
		fds[0].events |= POLLOUT;
	done = s->broken ||
	       (s->quit && (!vmb_stream_out_waiting(s) || vmb_deadline_passed(s->flush)));
	if (s->quit)
		wait_ms = vmb_deadline_poll(s->flush, -1);
	if (s->deaf)
		wait_ms = 0; /* whoever took no more has sent all that it will */
	pthread_mutex_unlock(&s->lock);
	if (done)
		return false;
	if (poll(fds, 2, wait_ms) < 0)
		return true;
	if (fds[1].revents)
		(void)!read(s->wake, &count, sizeof(count));
	if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
		read_some(s);
	else if (s->deaf)
		hung_up(s);
	return true;
}

static void *io_thread(void *data)
{
	struct vmb_stream *s = data;

	while (io_step(s))
		;
	shutdown(s->fd, SHUT_RDWR);
	return NULL;
}

/* ---- the stream ---- */

void vmb_stream_free(struct vmb_stream *s)
{
	vmb_closep(&s->fd);
	vmb_closep(&s->wake);
	vmb_buf_done(&s->out);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct vmb_stream *vmb_stream_new(int fd)
{
	struct vmb_stream *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s) {
		close(fd);
		return NULL;
	}
	s->fd = fd;
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	return s;
}

/* Signals belong to the program: its own threads are to get them. */
static int start_thread(struct vmb_stream *s)
{
	sigset_t all, before;
	int r;

	if (s->wake < 0)
		return vmb_errno(errno, "cannot make an eventfd");
	if (getrandom(&s->nonce, sizeof(s->nonce), 0) != sizeof(s->nonce))
		s->nonce = (uint32_t)vmb_monotonic_us();
	s->nonce |= 1; /* 0 is the agent's own greeting */
	vmb_stream_send(s, VMB_FRAME_HELLO, 0, s->nonce, NULL, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&s->thread, NULL, io_thread, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r ? vmb_errno(r, "cannot start a thread") : 0;
}

static int wait_ready(struct vmb_stream *s, struct vmb_deadline until)
{
	const struct timespec at = {until.at_us / 1000000, until.at_us % 1000000 * 1000};
	int r = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->ready && !s->broken && r == 0)
		r = pthread_cond_timedwait(&s->changed, &s->lock, &at);
	if (s->broken)
		r = vmb_stream_broken_error(s);
	else
		r = s->ready ? 0 : vmb_error(ETIMEDOUT, "the guest's agent does not answer");
	pthread_mutex_unlock(&s->lock);
	return r;
}

int vmb_stream_open(int fd, struct vmb_deadline until, struct vmb_stream **ret)
{
	struct vmb_stream *s = vmb_stream_new(fd);
	int r;

	if (!s)
		return vmb_oom();
	r = start_thread(s);
	if (r < 0) {
		vmb_stream_free(s);
		return r;
	}
	r = wait_ready(s, until);
	if (r < 0) {
		vmb_stream_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

bool vmb_stream_is_broken(struct vmb_stream *s)
{
	bool broken;

	pthread_mutex_lock(&s->lock);
	broken = s->broken;
	pthread_mutex_unlock(&s->lock);
	return broken;
}

void vmb_stream_close(struct vmb_stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->quit = true;
	s->flush = vmb_deadline_in(s->ready ? FLUSH_MS : 0);
	ring(s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	vmb_stream_free(s);
}
