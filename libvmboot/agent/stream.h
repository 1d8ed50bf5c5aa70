/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_STREAM_H
#define VMB_AGENT_STREAM_H

/*
 * The host's side of wire/stream.h. In: a connected socket, at whose other end a guest's agent is;
 * all that comes from there is hostile. Out: sessions, each a program in the guest. A thread moves
 * frames while the stream is open; what a session gets and may send is bounded by its credit.
 *
 * When the other side ends, breaks the rules or was started anew, the stream is broken for good,
 * and each session's next call says why.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "wire/stream.h"

struct vmb_stream;
struct vmb_session;

/* Takes fd (non-blocking), also on failure; -ETIMEDOUT: nobody answered until then. */
int vmb_stream_open(int fd, struct vmb_deadline until, struct vmb_stream **ret);
bool vmb_stream_is_broken(struct vmb_stream *stream);
void vmb_stream_close(struct vmb_stream *stream); /* its sessions are closed */

/*
 * Starts a program. The guest's errno if it could not; -EAGAIN: too many at once; -ETIMEDOUT.
 */
int vmb_session_open(struct vmb_stream *stream, const struct vmb_exec_request *request,
		     struct vmb_deadline until, struct vmb_session **ret);
void vmb_session_close(struct vmb_session *session); /* kills the program if it runs */

/* Readable when something changed: then clear it, and try again whatever could not be done. */
int vmb_session_fd(const struct vmb_session *session);
void vmb_session_clear(struct vmb_session *session);

/* A piece of output; its bytes use up credit until it is given back. */
struct vmb_piece {
	struct vmb_piece *next;
	bool err; /* standard error */
	size_t n, cap;
	uint8_t bytes[];
};

/* The next piece, or NULL. */
struct vmb_piece *vmb_session_take(struct vmb_session *session);
void vmb_session_give_back(struct vmb_session *session, struct vmb_piece *piece);

/*
 * 1: the program ended (its exit code, or 256 + signal, is in *ret_status) and all its output was
 * taken; 0: not yet; negative: why it will never be known.
 */
int vmb_session_status(struct vmb_session *session, int *ret_status);

size_t vmb_session_room(struct vmb_session *session);	   /* bytes of input it would take now */
bool vmb_session_can_control(struct vmb_session *session); /* signals and sizes, likewise */

/* n: at most the room. Once the stream is broken these do nothing. */
void vmb_session_send(struct vmb_session *session, const void *bytes, size_t n);
void vmb_session_send_end(struct vmb_session *session);
void vmb_session_signal(struct vmb_session *session, int number);
void vmb_session_resize(struct vmb_session *session, uint32_t columns_rows);

#endif
