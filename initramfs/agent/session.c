/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "agent.h"

enum {
	CHUNK = 32768,
	END_OF_FILE = 4, /* Ctrl-D */
	END_AGAIN_MS = 1000,
};

/* ---- start and end ---- */

static void fail(struct agent_stream *s, struct agent_session *session, int err, const char *words)
{
	session->state = AGENT_SESSION_OVER;
	init_child_done(&session->child);
	agent_stream_send(s, VMB_FRAME_FAILED, session->id, (uint32_t)err, words, strlen(words));
}

void agent_session_begin(struct agent_session *session, uint32_t id)
{
	memset(session, 0, sizeof(*session));
	session->id = id;
	session->state = AGENT_SESSION_ASKED;
	session->exited = true; /* nothing runs yet */
	session->child = INIT_CHILD_NONE;
	session->slot_start = session->slot_in = session->slot_out = session->slot_err = -1;
}

/* As podman's exec: where the request says nothing, the user and the folder of the VM's program. */
static void take_defaults(const struct vmb_guest_config *config, struct init_start *what)
{
	if (!what->user[0] && config->user) {
		what->user = config->user;
		what->keeps_home = true;
	}
	if (!what->workdir[0] && config->workdir)
		what->workdir = config->workdir;
}

static void start(struct agent_stream *s, struct agent_session *session, const uint8_t *bytes,
		  size_t n)
{
	struct vmb_exec_request request;
	struct init_start what = {.base = s->env, .in = true, .out = true};
	int r = vmb_exec_request_decode(bytes, n, &request);

	if (r < 0) {
		fail(s, session, EBADMSG, "the request cannot be read");
		return;
	}
	what.args = request.args;
	what.env = request.env;
	what.user = request.user;
	what.workdir = request.workdir;
	if (!agent_is_built_in(request.args))
		take_defaults(&s->init->config, &what);
	what.tty = session->tty = request.tty;
	what.rows = request.rows;
	what.columns = request.columns;
	r = agent_spawn(s->init, &what, &session->child);
	session->exited = r < 0;
	session->state = AGENT_SESSION_STARTING;
	if (r < 0)
		fail(s, session, -r, "making pipes, a terminal or a process");
}

static void drop_request(struct agent_session *session)
{
	free(session->request);
	session->request = NULL;
}

bool agent_session_ask(struct agent_stream *s, struct agent_session *session,
		       const struct vmb_frame *f)
{
	if (session->state == AGENT_SESSION_OVER)
		return true;
	if (session->state != AGENT_SESSION_ASKED)
		return false;
	if (!session->request && f->value == 0) {
		start(s, session, f->payload, f->length);
		return true;
	}
	if (f->value > VMB_EXEC_REQUEST_MAX - VMB_FRAME_PAYLOAD_MAX)
		return false;
	if (!session->request) {
		session->request_size = f->length + f->value;
		session->request = malloc(session->request_size);
	}
	if (!session->request) {
		fail(s, session, ENOMEM, "keeping the request");
		return true;
	}
	if (session->request_n + f->length + f->value != session->request_size)
		return false;
	memcpy(session->request + session->request_n, f->payload, f->length);
	session->request_n += f->length;
	if (f->value == 0) {
		start(s, session, session->request, session->request_n);
		drop_request(session);
	}
	return true;
}

static void see_start(struct agent_stream *s, struct agent_session *session)
{
	struct init_start_failure failure;

	if (!init_child_started(&session->child, &failure)) {
		fail(s, session, failure.err, failure.words);
		return;
	}
	session->state = AGENT_SESSION_RUNNING;
	session->may_come = AGENT_STDIN_WINDOW;
	agent_stream_send(s, VMB_FRAME_STARTED, session->id, (uint32_t)session->child.pid, NULL, 0);
	agent_stream_send(s, VMB_FRAME_CREDIT, session->id, AGENT_STDIN_WINDOW, NULL, 0);
}

void agent_session_drop(struct agent_session *session)
{
	if (session->state == AGENT_SESSION_FREE)
		return;
	if (!session->exited)
		agent_kill(session->child.pid, SIGKILL);
	init_child_done(&session->child);
	drop_request(session);
	free(session->in);
	session->in = NULL;
	session->state = AGENT_SESSION_FREE;
}

/* ---- its input ---- */

static void close_input(struct agent_session *session)
{
	if (session->child.in >= 0)
		close(session->child.in);
	session->child.in = -1;
}

/* What goes into the program now; all of it if there is none that reads. */
static size_t write_some(struct agent_session *session, const uint8_t *bytes, size_t n)
{
	size_t done = 0;

	while (done < n && session->child.in >= 0) {
		ssize_t r = write(session->child.in, bytes + done, n - done);

		if (r < 0 && errno == EAGAIN)
			return done;
		if (r < 0)
			close_input(session);
		else
			done += (size_t)r;
	}
	return n;
}

/* True if the program reads keys and not lines, as shells with an editor of their own do. */
static bool reads_keys(int tty)
{
	struct termios t;

	return tcgetattr(tty, &t) == 0 && !(t.c_lflag & ICANON);
}

/*
 * A terminal has no end: it is a key, which ends the input only on an empty line. By lines, a first
 * one hands over what was typed of the line. By keys, the line is ended as a user would.
 */
static void type_end(struct agent_session *session)
{
	static const uint8_t keys[] = {END_OF_FILE, END_OF_FILE}, line[] = {'\r', END_OF_FILE};
	const uint8_t *what = keys + !session->in_line;
	size_t n = sizeof(keys) - !session->in_line;

	if (session->in_line && reads_keys(session->child.in)) {
		what = line;
		session->in_line = false;
	}
	write_some(session, what, n);
}

static bool types_end(const struct agent_session *session)
{
	return session->state == AGENT_SESSION_RUNNING && session->tty_ended && !session->exited &&
	       session->child.in >= 0;
}

/*
 * A pipe that has ended stays so for each program that reads it. So does the terminal: the key is
 * typed again while the program runs, for the next program that reads, and for one that has gone
 * over from lines to keys since, which takes no notice of the first.
 */
static void end_input_again(struct agent_session *session)
{
	if (!types_end(session) || !vmb_deadline_passed(session->end_again))
		return;
	type_end(session);
	session->end_again = vmb_deadline_in(END_AGAIN_MS);
}

static void end_input(struct agent_session *session)
{
	if (!session->in_end || session->in_n > 0)
		return;
	free(session->in);
	session->in = NULL;
	session->in_end = false;
	if (session->tty && session->child.in >= 0 && !session->exited) {
		type_end(session);
		session->tty_ended = true;
		session->end_again = vmb_deadline_in(END_AGAIN_MS);
	} else {
		close_input(session);
	}
}

static bool keep(struct agent_session *session, const uint8_t *bytes, size_t n)
{
	if (n == 0)
		return true;
	if (!session->in)
		session->in = malloc(AGENT_STDIN_WINDOW);
	if (!session->in)
		return false;
	memmove(session->in, session->in + session->in_at, session->in_n);
	session->in_at = 0;
	memcpy(session->in + session->in_n, bytes, n);
	session->in_n += n;
	return true;
}

static bool take_input(struct agent_session *session, const struct vmb_frame *f)
{
	size_t n = 0;

	if (f->length > session->may_come)
		return false;
	if (f->length == 0)
		session->in_end = true;
	else
		session->in_line =
			f->payload[f->length - 1] != '\n' && f->payload[f->length - 1] != '\r';
	session->may_come -= (uint32_t)f->length;
	if (session->in_n == 0)
		n = write_some(session, f->payload, f->length);
	session->done += (uint32_t)n;
	if (!keep(session, f->payload + n, f->length - n))
		close_input(session); /* no memory: as if it had closed it */
	end_input(session);
	return true;
}

static void pass_input(struct agent_session *session)
{
	size_t n = write_some(session, session->in + session->in_at, session->in_n);

	session->in_at += n;
	session->in_n -= n;
	session->done += (uint32_t)n;
	end_input(session);
}

static void give_credit(struct agent_stream *s, struct agent_session *session)
{
	if (session->done < AGENT_STDIN_WINDOW / 4 ||
	    agent_port_room(&s->port) < VMB_FRAME_HEAD + AGENT_STREAM_ROOM / 2)
		return;
	agent_stream_send(s, VMB_FRAME_CREDIT, session->id, session->done, NULL, 0);
	session->may_come += session->done;
	session->done = 0;
}

/* ---- frames ---- */

static void resize(struct agent_session *session, uint32_t value)
{
	const struct winsize size = {.ws_col = (unsigned short)(value >> 16),
				     .ws_row = (unsigned short)value};

	if (session->tty && session->child.out >= 0)
		ioctl(session->child.out, TIOCSWINSZ, &size);
}

static bool take_credit(struct agent_session *session, uint32_t value)
{
	if (value > VMB_STREAM_WINDOW - session->credit)
		return false;
	session->credit += value;
	return true;
}

bool agent_session_take(struct agent_stream *s, struct agent_session *session,
			const struct vmb_frame *f)
{
	bool over = session->state == AGENT_SESSION_OVER;

	(void)s;
	if (f->type != VMB_FRAME_STDIN && f->length > 0)
		return false;
	switch (f->type) {
	case VMB_FRAME_STDIN:
		return over || take_input(session, f);
	case VMB_FRAME_CREDIT:
		return over || take_credit(session, f->value);
	case VMB_FRAME_RESIZE:
		resize(session, f->value);
		return true;
	case VMB_FRAME_SIGNAL:
		if (!session->exited && f->value > 0 && f->value < NSIG)
			agent_kill(session->child.pid, (int)f->value);
		return f->value > 0 && f->value < NSIG;
	case VMB_FRAME_CLOSE:
		agent_session_drop(session);
		return true;
	default:
		return false;
	}
}

/* ---- its output ---- */

/* How much of it can go now. */
static size_t may_send(const struct agent_stream *s, const struct agent_session *session)
{
	size_t room = agent_port_room(&s->port);

	room = room > AGENT_STREAM_ROOM + VMB_FRAME_HEAD ? room - AGENT_STREAM_ROOM - VMB_FRAME_HEAD
							 : 0;
	if (room > session->credit)
		room = session->credit;
	return room < CHUNK ? room : CHUNK;
}

/* Straight from the pipe into the port's queue. It closes at its end. */
static void send_output(struct agent_stream *s, struct agent_session *session, int *fd,
			enum vmb_frame_type type)
{
	size_t n = *fd < 0 ? 0 : may_send(s, session);
	uint8_t *tail;
	ssize_t r;

	if (n == 0)
		return;
	tail = agent_port_tail(&s->port, VMB_FRAME_HEAD + n);
	r = read(*fd, tail + VMB_FRAME_HEAD, n);
	if (r > 0) {
		session->credit -= (uint32_t)r;
		agent_stream_send(s, type, session->id, 0, tail + VMB_FRAME_HEAD, (size_t)r);
	} else if (r == 0 || errno != EAGAIN || session->exited) {
		close(*fd);
		*fd = -1;
	}
}

static bool has_output(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN);
}

static void see_end(struct agent_stream *s, struct agent_session *session)
{
	if (has_output(session->child.out) || has_output(session->child.err) ||
	    agent_port_room(&s->port) < VMB_FRAME_HEAD + AGENT_STREAM_ROOM / 2)
		return;
	session->state = AGENT_SESSION_OVER;
	init_child_done(&session->child);
	free(session->in);
	session->in = NULL;
	agent_stream_send(s, VMB_FRAME_EXIT, session->id, session->status, NULL, 0);
}

/* ---- the loop's side ---- */

struct vmb_deadline agent_session_until(const struct agent_session *session)
{
	return types_end(session) ? session->end_again : vmb_deadline_in(-1);
}

void agent_session_poll(struct agent_stream *s, struct agent_session *session,
			struct agent_polls *polls)
{
	short out = 0;

	if (session->state == AGENT_SESSION_FREE || session->state == AGENT_SESSION_OVER)
		return;
	session->slot_start = agent_poll_add(polls, session->child.start, POLLIN);
	if (session->state == AGENT_SESSION_RUNNING && may_send(s, session))
		out = POLLIN;
	session->slot_out = agent_poll_add(polls, session->child.out, out);
	session->slot_err = agent_poll_add(polls, session->child.err, out);
	session->slot_in =
		agent_poll_add(polls, session->child.in, session->in_n > 0 ? POLLOUT : 0);
}

void agent_session_serve(struct agent_stream *s, struct agent_session *session,
			 const struct agent_polls *polls)
{
	if (session->state == AGENT_SESSION_STARTING && agent_poll_hit(polls, session->slot_start))
		see_start(s, session);
	if (session->state != AGENT_SESSION_RUNNING)
		return;
	if (session->in_n > 0 && (agent_poll_hit(polls, session->slot_in) || session->exited))
		pass_input(session);
	end_input_again(session);
	if (agent_poll_hit(polls, session->slot_out))
		send_output(s, session, &session->child.out, VMB_FRAME_STDOUT);
	if (agent_poll_hit(polls, session->slot_err))
		send_output(s, session, &session->child.err, VMB_FRAME_STDERR);
	give_credit(s, session);
	if (session->exited)
		see_end(s, session);
}
