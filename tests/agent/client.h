/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TEST_AGENT_CLIENT_H
#define TEST_AGENT_CLIENT_H

/*
 * An agent in a process of its own, whose ports are sockets, and a simple client of its. Waits end
 * after some seconds, and then fail the test.
 */

#include "loop.h"
#include "test.h"

enum { CLIENT_WAIT_MS = 60000 };

struct client {
	pid_t agent;
	struct init *init;	  /* its root is a folder */
	int stream, qga, control; /* our ends */
	size_t n;
	uint8_t in[4 * (VMB_FRAME_HEAD + VMB_FRAME_PAYLOAD_MAX)];
	size_t used; /* bytes at the start of in that the last frame took */
};

/* root: "" or a folder. With a connection that has said HELLO. */
struct client *client_new(const char *root);
/* The same; of config, the agent knows what agent_take_defaults() knows. */
struct client *client_new_for(const char *root, const struct vmb_guest_config *config);
void client_done(struct client *c); /* ends the agent, and checks that it ended well */

void client_send_all(int fd, const void *bytes, size_t n);
void client_send(struct client *c, enum vmb_frame_type type, uint32_t session, uint32_t value,
		 const void *payload, size_t n);
/* The next frame, valid until the next call. A type of 0: there is none within wait_ms. */
struct vmb_frame client_next(struct client *c, int wait_ms);
void client_hello(struct client *c, uint32_t nonce);
/* EXEC of sh -c SCRIPT, or of what request says. */
void client_exec(struct client *c, uint32_t session, const struct vmb_exec_request *request);
void client_sh(struct client *c, uint32_t session, const char *script);
void client_credit(struct client *c, uint32_t session, uint32_t n);

/* What a session said until it was over. */
struct said {
	uint32_t started; /* pid */
	int failed;	  /* errno */
	char words[200];
	size_t out_n, err_n;
	uint64_t out_sum;	   /* of its bytes, by their place */
	char out[4096], err[4096]; /* the first of them */
	uint32_t exit;
	bool over;
	uint32_t may_send; /* credit for input */
};

/* Reads until the session is over, giving credit; what comes for others is an error. */
void client_collect(struct client *c, uint32_t session, struct said *said);
/* Adds a frame to what was said, and gives credit for what it brought. */
void client_add(struct client *c, const struct vmb_frame *f, struct said *said);

#endif
