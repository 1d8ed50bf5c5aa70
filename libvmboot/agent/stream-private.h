/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_STREAM_PRIVATE_H
#define VMB_AGENT_STREAM_PRIVATE_H

/* What stream.c, which moves frames, and session.c, which uses them, share. */

#include <pthread.h>

#include "agent/stream.h"
#include "base/str.h"

enum {
	VMB_STREAM_IN_MAX = 2 * (VMB_FRAME_HEAD + VMB_FRAME_PAYLOAD_MAX),
	/* frames to the guest that wait; above it no session sends input */
	VMB_STREAM_OUT_MAX = 1 << 20,
	/* above it no session is opened */
	VMB_STREAM_STUCK_MAX = 16 << 20,
	VMB_STREAM_WORDS_MAX = 1024,
};

enum session_state { OPENING, RUNNING, FAILED, ENDED };

struct vmb_session {
	struct vmb_stream *stream;
	struct vmb_session *next;
	uint32_t id;
	int event; /* eventfd */
	enum session_state state;
	int status;			  /* exit, or errno of FAILED */
	char words[VMB_STREAM_WORDS_MAX]; /* of FAILED */
	size_t out_credit;		  /* bytes that the guest may still send */
	size_t owed;	  /* bytes given back, of which the guest was not told yet */
	size_t in_credit; /* bytes that we may still send */
	bool in_ended;
	struct vmb_piece *first;
	size_t n_pieces;
};

struct vmb_stream {
	pthread_mutex_t lock; /* of all but what the thread has for itself */
	pthread_cond_t changed;
	pthread_t thread;
	int wake; /* eventfd */
	bool quit, ready, starved;
	struct vmb_deadline flush; /* after quit */
	uint32_t nonce, last_id;
	size_t n_sessions;
	struct vmb_session *sessions;
	size_t late; /* what may still come for sessions that were closed */
	struct vmb_buf out;
	size_t out_at;
	int broken; /* negative code */
	char why[256];
	/* the thread's */
	int fd;
	bool deaf; /* the other side takes nothing any more */
	size_t in_n, stale;
	uint8_t in[VMB_STREAM_IN_MAX];
};

/* The lock is held in all of these. */
void vmb_stream_send(struct vmb_stream *s, enum vmb_frame_type type, uint32_t session,
		     uint32_t value, const void *payload, size_t n);
size_t vmb_stream_out_waiting(const struct vmb_stream *s);
int vmb_stream_broken_error(const struct vmb_stream *s);
/* What came from the guest; does no I/O. How many of n bytes are done with. */
size_t vmb_stream_take(struct vmb_stream *s, const uint8_t *bytes, size_t n);

/* A stream without a thread, for vmb_stream_open() and for tests. Takes fd, also on failure. */
struct vmb_stream *vmb_stream_new(int fd);
void vmb_stream_free(struct vmb_stream *s);

#endif
