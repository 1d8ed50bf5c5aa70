/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TEST_PEER_H
#define TEST_PEER_H

/* The guest's side of a stream, by hand: what is sent, and what is expected, is up to the test. */

#include <stdint.h>

#include "agent/agent.h"
#include "test.h"

enum { PEER_MS = 60000 };

struct peer {
	int fd;
	size_t n;
	uint8_t in[4 * (VMB_FRAME_HEAD + VMB_FRAME_PAYLOAD_MAX)];
	uint8_t payload[VMB_FRAME_PAYLOAD_MAX];
	pthread_t thread;
	void (*script)(struct peer *p);
};

/* A stream with a peer that greets, then does what the script says in a thread of its own. */
struct vmb_stream *peer_connect(struct peer *p, void (*script)(struct peer *p));

/* Without a greeting: the script does all. Returns the host's end. */
int peer_start(struct peer *p, void (*script)(struct peer *p));
void peer_join(struct peer *p);

void peer_send(struct peer *p, enum vmb_frame_type type, uint32_t session, uint32_t value,
	       const void *payload, size_t n);
void peer_raw(struct peer *p, const void *bytes, size_t n);
/* The next frame, or type 0 at the end; the payload lives until the next call. */
struct vmb_frame peer_next(struct peer *p);
/* The next frame of this type; others are dropped. */
struct vmb_frame peer_expect(struct peer *p, enum vmb_frame_type type);
/* Answers EXEC, and takes the credit that follows; returns the session. */
uint32_t peer_started(struct peer *p);
/* Reads until the host's end. */
void peer_drain(struct peer *p);

#endif
