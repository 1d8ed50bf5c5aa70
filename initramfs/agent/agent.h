/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_H
#define VMB_AGENT_H

/*
 * The agent: one process, one poll loop, no threads, no write that blocks. It is the same program
 * as init, called "vmboot-agent". In: a socket to PID 1, a folder on the overlay disk, its
 * virtio-serial ports. Out: answers on the ports, and programs that it runs.
 *
 *   main.c     the loop             port.c    a port and what waits to be sent on it
 *   streams.c  the stream ports     stream.c  one of them
 *   session.c  one of its programs  spawn.c   what these have in common, see init/start.h
 *   qga.c      the port of the QEMU guest agent; see qga.h
 *   tar-*.c    the two programs for copying that wire/stream.h names
 *
 * Each server puts the descriptors that it waits for into the list of polls, and looks after the
 * poll what came of it.
 */

#include <poll.h>

#include "init.h"
#include "start.h"
#include "wire/stream.h"

#define AGENT_NAME "vmboot-agent"

/* What the agent tells PID 1: datagrams of one byte. */
enum {
	AGENT_SAYS_READY = 'A', /* the port is open */
	AGENT_SAYS_POWER_OFF = 'P',
	AGENT_SAYS_REBOOT = 'R',
	AGENT_SAYS_HALT = 'H',
};

/* ---- polls ---- */

/* four for each session, and what else there is */
enum { AGENT_POLLS_MAX = 4 * VMB_STREAM_PORTS_MAX * VMB_STREAM_SESSIONS_MAX + 512 };

struct agent_polls {
	size_t n;
	struct pollfd p[AGENT_POLLS_MAX];
};

/* Where it is in the list, or -1: no descriptor, nothing to wait for. */
static inline int agent_poll_add(struct agent_polls *polls, int fd, short events)
{
	if (fd < 0 || !events || polls->n == AGENT_POLLS_MAX)
		return -1;
	polls->p[polls->n] = (struct pollfd){.fd = fd, .events = events};
	return (int)polls->n++;
}

static inline bool agent_poll_hit(const struct agent_polls *polls, int slot)
{
	return slot >= 0 && polls->p[slot].revents;
}

/* ---- port.c ---- */

/*
 * A port whose host side is closed hangs up, and poll() would never wait: such a port is left out
 * of the polls, and SIGIO says when to look again.
 */
struct agent_port {
	const char *name;
	int fd;	 /* or -1: not there yet */
	bool up; /* the host side is open */
	int slot;
	uint8_t *out; /* of size bytes; n of them from at on wait to be sent */
	size_t size, at, n;
};

int agent_port_init(struct agent_port *port, const char *name, size_t size); /* 0 or -ENOMEM */
void agent_port_take(struct agent_port *port, int fd); /* from now on it is that one */
/* Calls fn for each port of the guest that has a name, with its path in /dev. */
void agent_ports_each(const struct init *init,
		      void (*fn)(const char *name, const char *path, void *data), void *data);
int agent_port_open_path(struct agent_port *port, const char *path); /* 0 or -errno */
/* True if it is open by now. */
bool agent_port_open(struct agent_port *port, const struct init *init);
/* Sees whether the host side is open, by the last polls if it was in them; true if it is not any
 * more. */
bool agent_port_went(struct agent_port *port, const struct agent_polls *polls);
void agent_port_poll(struct agent_port *port, struct agent_polls *polls, bool want_input);
/* Bytes; 0: nothing now. A hang-up shows in agent_port_went(). */
size_t agent_port_read(struct agent_port *port, void *bytes, size_t size);
/* Sends what it takes now. */
void agent_port_flush(struct agent_port *port);
/* How much can be queued, and where to: at the end. agent_port_queued() counts it in. */
size_t agent_port_room(const struct agent_port *port);
uint8_t *agent_port_tail(struct agent_port *port, size_t n);
void agent_port_queued(struct agent_port *port, size_t n);

/* ---- spawn.c ---- */

/* Whether a program is one of the agent's own: those run as root, at "/". */
bool agent_is_built_in(const char *const *args);
/* Starts a program of ours, see start.h; the members that are the same for all are set here. */
int agent_spawn(const struct init *init, struct init_start *what, struct init_child *ret);
void agent_kill(pid_t pid, int sig); /* its process group */

/* ---- streams.c, stream.c, session.c ---- */

enum agent_session_state {
	AGENT_SESSION_FREE,
	AGENT_SESSION_ASKED, /* the request is not complete */
	AGENT_SESSION_STARTING,
	AGENT_SESSION_RUNNING,
	AGENT_SESSION_OVER, /* FAILED or EXIT is sent; waits for CLOSE */
};

struct agent_session {
	enum agent_session_state state;
	uint32_t id;
	struct init_child child;
	bool tty, exited;
	uint8_t *request; /* of request_size bytes, request_n are there; NULL: it is in one frame */
	size_t request_size, request_n;
	uint32_t status;   /* as EXIT says it */
	uint32_t credit;   /* what the host takes of our output */
	uint32_t may_come; /* what the host may send of input */
	uint32_t done;	   /* input that went on, for which credit is due */
	uint8_t *in;	   /* input that the program has not taken: in_n bytes from in_at on */
	size_t in_at, in_n;
	bool in_end;  /* and then it ends */
	bool in_line; /* its last byte ends no line */
	bool tty_ended;
	struct vmb_deadline end_again; /* then the terminal's end is typed again */
	int slot_start, slot_in, slot_out, slot_err;
};

struct agent_stream {
	const struct init *init;
	const char *const *env; /* of the VM's program */
	struct agent_port port;
	bool lost; /* waits for HELLO */
	size_t n;
	uint8_t *in;  /* n bytes that came */
	size_t first; /* whose turn it is to send */
	struct agent_session sessions[VMB_STREAM_SESSIONS_MAX];
};

/* NULL: no memory. */
struct agent_stream *agent_stream_new(const struct init *init, const char *const *env);
void agent_stream_free(struct agent_stream *s);
/* A host that talked with an agent before learns that it has ended. 0 or -errno. */
int agent_stream_open(struct agent_stream *s, const char *path);
void agent_stream_poll(struct agent_stream *s, struct agent_polls *polls);
/* How long a poll may take, in milliseconds, or -1. */
int agent_stream_wait_ms(const struct agent_stream *s);
void agent_stream_serve(struct agent_stream *s, const struct agent_polls *polls);
/* True if it was one of ours. */
bool agent_stream_reap(struct agent_stream *s, pid_t pid, uint32_t status);
bool agent_stream_busy(const struct agent_stream *s); /* programs run, or output waits */
void agent_stream_kill(const struct agent_stream *s, int sig);

/* All stream ports. */
struct agent_streams {
	const struct init *init;
	const char *const *env;				/* of the VM's program */
	struct agent_stream *all[VMB_STREAM_PORTS_MAX]; /* NULL: there is no such port yet */
};

void agent_streams_init(struct agent_streams *streams, const struct init *init,
			const char *const *env);
void agent_streams_done(struct agent_streams *streams);
/* Opens those ports that have come. */
void agent_streams_look(struct agent_streams *streams);
/* In PID 1, when there will be no agent any more: the hosts that talk with it learn of it. */
void agent_streams_give_up(const struct init *init);
/* As those of one stream. */
void agent_streams_poll(struct agent_streams *streams, struct agent_polls *polls);
int agent_streams_wait_ms(const struct agent_streams *streams);
void agent_streams_serve(struct agent_streams *streams, const struct agent_polls *polls);
bool agent_streams_reap(struct agent_streams *streams, pid_t pid, uint32_t status);
bool agent_streams_busy(const struct agent_streams *streams);
void agent_streams_kill(const struct agent_streams *streams, int sig);

/* Queues a frame; there must be room for it, which STREAM_ROOM keeps. */
void agent_stream_send(struct agent_stream *s, enum vmb_frame_type type, uint32_t session,
		       uint32_t value, const void *payload, size_t n);

/* What a session does with a frame for it; false: it broke the rules. */
bool agent_session_take(struct agent_stream *s, struct agent_session *session,
			const struct vmb_frame *frame);
void agent_session_begin(struct agent_session *session, uint32_t id);
/* An EXEC, which may be the first of several. False: it broke the rules. */
bool agent_session_ask(struct agent_stream *s, struct agent_session *session,
		       const struct vmb_frame *frame);
void agent_session_poll(struct agent_stream *s, struct agent_session *session,
			struct agent_polls *polls);
void agent_session_serve(struct agent_stream *s, struct agent_session *session,
			 const struct agent_polls *polls);
/* When it is to be served though no descriptor is ready. */
struct vmb_deadline agent_session_until(const struct agent_session *session);
void agent_session_drop(struct agent_session *session); /* kills what runs */

/* Room that output leaves for what else is to be said, one frame for each session at least. */
enum { AGENT_STREAM_ROOM = 65536, AGENT_STREAM_OUT = 524288, AGENT_STDIN_WINDOW = 131072 };

/* ---- tar-out.c, tar-in.c: exit codes, words on fd 2 ---- */

int agent_tar_out(const char *path, int fd);
int agent_tar_in(const char *path, int fd);

/* main.c: called as AGENT_NAME CONTROL OVERLAY, both descriptors, "-1": none; or AGENT_NAME "unit". */
int agent_main(struct init *init, int argc, char **argv);

#endif
