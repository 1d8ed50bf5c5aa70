/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program's three streams, signals and deadline, in the thread that asked for it. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <vmboot/exec.h>

#include "agent/agent.h"
#include "base/error.h"
#include "base/sigpipe.h"

enum {
	KILLED_MS = 2000, /* how long a program that was killed may take to be gone */
};

struct move {
	struct vmb_session *session;
	struct vmb_streams *run;
	struct vmb_piece *piece; /* being written, */
	size_t done;		 /* so far */
	size_t in_done;
	bool in_open, control_open, killed;
	uint8_t control[sizeof(struct vmboot_exec_control)];
	size_t control_n;
};

/* ---- out ---- */

static void keep(struct vmb_sink *sink, const struct vmb_piece *piece)
{
	size_t room = sink->max - sink->buf.len;
	size_t n = piece->n < room ? piece->n : room;

	vmb_buf_add(&sink->buf, piece->bytes, n);
	sink->cut |= n < piece->n;
}

/*
 * Writes without waiting, though the descriptor may block: it is ready, and then a file takes all,
 * and a pipe PIPE_BUF bytes.
 */
static ssize_t write_ready(int fd, const uint8_t *bytes, size_t n)
{
	struct pollfd ready = {.fd = fd, .events = POLLOUT};
	struct stat st;

	if (poll(&ready, 1, 0) <= 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return -1;
	if (S_ISSOCK(st.st_mode))
		return send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!S_ISREG(st.st_mode) && n > PIPE_BUF)
		n = PIPE_BUF;
	return write(fd, bytes, n);
}

/* 1: the piece is written; 0: the reader is not ready. */
static int write_piece(struct move *m, int fd)
{
	while (m->done < m->piece->n) {
		ssize_t n = write_ready(fd, m->piece->bytes + m->done, m->piece->n - m->done);

		if (n == 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
			return 0;
		if (n < 0)
			return vmb_errno(errno, "cannot pass on what the program writes");
		m->done += (size_t)n;
	}
	return 1;
}

/* 0, or the error of a reader that is gone. */
static int move_out(struct move *m)
{
	struct vmb_sink *sink;
	int r;

	for (;;) {
		if (!m->piece)
			m->piece = vmb_session_take(m->session);
		if (!m->piece)
			return 0;
		sink = &m->run->out[m->piece->err];
		if (sink->fd >= 0) {
			r = write_piece(m, sink->fd);
			if (r <= 0)
				return r;
		} else {
			keep(sink, m->piece);
		}
		vmb_session_give_back(m->session, m->piece);
		m->piece = NULL;
		m->done = 0;
	}
}

/* ---- in ---- */

static void end_input(struct move *m)
{
	vmb_session_send_end(m->session);
	m->in_open = false;
}

static void send_input(struct move *m)
{
	struct vmb_streams *run = m->run;
	size_t room, n;

	while (m->in_open && m->in_done < run->input_size &&
	       (room = vmb_session_room(m->session)) > 0) {
		n = run->input_size - m->in_done;
		n = n < room ? n : room;
		vmb_session_send(m->session, run->input + m->in_done, n);
		m->in_done += n;
	}
	if (m->in_open && m->in_done == run->input_size)
		end_input(m);
}

/* It is ready for reading. A terminal that hung up is an end, too. */
static void read_input(struct move *m)
{
	uint8_t buf[VMB_FRAME_PAYLOAD_MAX];
	size_t room = vmb_session_room(m->session);
	ssize_t n;

	if (room == 0)
		return;
	n = read(m->run->in_fd, buf, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		end_input(m);
	else
		vmb_session_send(m->session, buf, (size_t)n);
}

static int do_control(struct move *m)
{
	struct vmboot_exec_control c;

	memcpy(&c, m->control, sizeof(c));
	m->control_n = 0;
	if (c.action == VMBOOT_EXEC_SIGNAL && c.value > 0 && c.value <= 64)
		vmb_session_signal(m->session, (int)c.value);
	else if (c.action == VMBOOT_EXEC_RESIZE)
		vmb_session_resize(m->session, c.value);
	else
		return vmb_error(EINVAL, "the control pipe says what is no action: %u %u", c.action,
				 c.value);
	return 0;
}

static int read_control(struct move *m)
{
	ssize_t n = read(m->run->control_fd, m->control + m->control_n,
			 sizeof(m->control) - m->control_n);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	m->control_open = n > 0;
	m->control_n += n > 0 ? (size_t)n : 0;
	return m->control_n == sizeof(m->control) ? do_control(m) : 0;
}

/* ---- both ---- */

/* 1: the program was killed and does not go; 0: go on. */
static int meet_deadline(struct move *m)
{
	if (!vmb_deadline_passed(m->run->until))
		return 0;
	m->run->timed_out = true;
	if (m->killed)
		return 1;
	vmb_session_signal(m->session, SIGKILL);
	m->killed = true;
	m->run->until = vmb_deadline_in(m->run->killed_ms ? m->run->killed_ms : KILLED_MS);
	return 0;
}

static int wait_and_read(struct move *m)
{
	bool in = m->in_open && m->run->in_fd >= 0 && vmb_session_room(m->session) > 0;
	bool control = m->control_open && vmb_session_can_control(m->session);
	struct pollfd fds[] = {
		{.fd = vmb_session_fd(m->session), .events = POLLIN},
		{.fd = in ? m->run->in_fd : -1, .events = POLLIN},
		{.fd = control ? m->run->control_fd : -1, .events = POLLIN},
		{.fd = m->piece ? m->run->out[m->piece->err].fd : -1, .events = POLLOUT},
	};

	if (poll(fds, ARRAY_SIZE(fds), vmb_deadline_poll(m->run->until, -1)) <= 0)
		return 0;
	if (fds[1].revents)
		read_input(m);
	return fds[2].revents ? read_control(m) : 0;
}

static int run(struct move *m)
{
	int r, out;

	for (;;) {
		vmb_session_clear(m->session);
		r = move_out(m);
		if (r < 0)
			return r;
		if (!m->piece) {
			r = vmb_session_status(m->session, &m->run->status);
			/* what came between our two looks came before the end */
			out = r ? move_out(m) : 0;
			if (out < 0)
				return out;
			if (r != 0 && !m->piece)
				return r < 0 ? r : 0;
		}
		if (meet_deadline(m)) {
			m->run->status = 256 + SIGKILL;
			return 0;
		}
		if (m->run->in_fd < 0)
			send_input(m);
		r = wait_and_read(m);
		if (r < 0)
			return r;
	}
}

int vmb_session_run(struct vmb_session *session, struct vmb_streams *what)
{
	VMB_NO_SIGPIPE; /* a reader that went away is an error of write, not the end of the caller */
	struct move m = {.session = session,
			 .run = what,
			 .in_open = true,
			 .control_open = what->control_fd >= 0};
	int r = run(&m);

	free(m.piece);
	return r;
}
