/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_AGENT_H
#define VMB_AGENT_AGENT_H

/*
 * The client of a VM's agent. In: a handle on a VM. Out: sessions on its stream port, of which all
 * threads with that handle share one connection while any of them needs it; and the QEMU guest
 * agent's commands through libvirt.
 */

#include <pthread.h>

#include "agent/stream.h"
#include "base/json.h"
#include "base/str.h"

struct vmboot_vm;
struct vmb_conn;
struct vmb_link;

enum {
	VMB_AGENT_ANSWER_MS = 10000, /* how long an agent may take to answer */
	VMB_AGENT_STALL_MS = 60000,  /* how long a copy may stand still */
};

/* In the handle. */
struct vmb_agent {
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;
	bool busy; /* somebody opens or closes the connection */
	unsigned users;
	struct vmb_stream *stream;
	struct vmb_link *link;
	struct vmb_conn *conn; /* of whoever is busy; NULL until the first connection */
};

void vmb_agent_init(struct vmb_agent *agent);
void vmb_agent_done(struct vmb_agent *agent);

/* -VMBOOT_ENOAGENT, if the VM was made without an agent (with the option's name), or has given its
 * own up. */
int vmb_agent_wanted(struct vmboot_vm *vm);

/*
 * The connection, given back with vmb_agent_put(). -ENOENT: the VM has no stream port; -EBUSY:
 * another program has it; -ETIMEDOUT: nobody answers there; -VMBOOT_EENDED, -VMBOOT_EGUEST.
 */
int vmb_agent_get(struct vmboot_vm *vm, struct vmb_deadline until, struct vmb_stream **ret);
void vmb_agent_put(struct vmboot_vm *vm);

/* A session with the connection that it needs, both for vmb_agent_close(). */
int vmb_agent_session(struct vmboot_vm *vm, const struct vmb_exec_request *request,
		      struct vmb_deadline until, struct vmb_session **ret);
void vmb_agent_close(struct vmboot_vm *vm, struct vmb_session *session);

/* ---- a session's streams ---- */

/* Where one output goes: a descriptor, or memory up to max bytes. */
struct vmb_sink {
	int fd; /* -1: memory */
	size_t max;
	bool cut; /* there was more */
	struct vmb_buf buf;
};

struct vmb_streams {
	int in_fd; /* -1: input */
	const uint8_t *input;
	size_t input_size;
	struct vmb_sink out[2];
	int control_fd;		   /* -1: none */
	struct vmb_deadline until; /* then the program is killed */
	int killed_ms;		   /* how long it may take to be gone then; 0: 2 s */
	/* out */
	bool timed_out;
	int status; /* exit code, or 256 + signal */
};

/* Moves what there is to move until the program has ended. 0, or why that is not known. */
int vmb_session_run(struct vmb_session *session, struct vmb_streams *run);

/* ---- the QEMU guest agent's commands ---- */

/*
 * arguments: taken; NULL: none. ret_return: what the agent returned. -VMBOOT_ENOAGENT: it does not
 * answer; -ENOTSUP: it has no such command; -VMBOOT_EGUEST: nonsense; -VMBOOT_ELIBVIRT: it refused,
 * in its own words.
 */
int vmb_qga(struct vmboot_vm *vm, const char *command, struct json_object *arguments,
	    struct json_object **ret_return);

/* -ENOTSUP: "the agent of … (qemu-ga 7.2.0) cannot <what>: it has no <lacks>"; asks it first. */
int vmb_qga_cannot(struct vmboot_vm *vm, const char *what, const char *lacks);

struct vmboot_exec_opts;
struct vmboot_exec_result;

/* vmboot_exec() by guest-exec, for agents that have no stream port. */
int vmb_qga_exec(struct vmboot_vm *vm, const struct vmboot_exec_opts *opts,
		 struct vmboot_exec_result **ret);

/* A result that owns its outputs, which must have been malloc()ed; -ENOMEM frees them too. */
int vmb_exec_result_new(const struct vmboot_exec_result *from, struct vmboot_exec_result **ret);

#endif
