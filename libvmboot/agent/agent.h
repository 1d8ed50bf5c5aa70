/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_AGENT_H
#define VMB_AGENT_AGENT_H

/*
 * The client of a VM's agent. In: where the VM is and what is known about it. Out: programs, stat and
 * copies, which vmboot/exec.h describes. They use sessions on the stream port, of which all threads
 * with one client share a connection while any of them needs it, or the QEMU guest agent's commands
 * through libvirt.
 */

#include <pthread.h>

#include "agent/stream.h"
#include "base/json.h"
#include "base/str.h"
#include "plan/plan.h"
#include "virt/connect.h"

struct vmb_link;
struct vmb_metadata;
struct vmboot_exec_opts;
struct vmboot_exec_result;
struct vmboot_stat;

enum {
	VMB_AGENT_ANSWER_MS = 10000, /* how long an agent may take to answer */
	VMB_AGENT_STALL_MS = 60000,  /* how long a copy may stand still */
};

/* The VM as the client's owner knows it; what is pointed to stays the owner's. */
struct vmb_agent_vm {
	const char *name;
	struct vmb_conn *conn;
	const struct vmb_metadata *metadata;
	const struct vmb_plan_files *files; /* which need not be on this host */
	/* 0; -VMBOOT_ENOVM: a domain found by name is another VM's by now */
	int (*check_same)(const void *data, virDomainPtr d);
	/* true: the guest has reported that it has given its agent up */
	bool (*is_given_up)(void *data);
	void *data; /* for these two */
};

struct vmb_agent {
	struct vmb_agent_vm vm; /* set before the first call, and not changed then */
	pthread_mutex_t lock;	/* of all that follows */
	pthread_cond_t changed;
	bool busy; /* somebody opens or closes the connection */
	unsigned users;
	struct vmb_stream *stream;
	struct vmb_link *link;
	struct vmb_conn *conn; /* of whoever is busy; NULL until the first connection */
};

void vmb_agent_init(struct vmb_agent *agent);
void vmb_agent_done(struct vmb_agent *agent);

/* Its connection, which vmb_agent_done() would give back, or NULL. */
struct vmb_conn *vmb_agent_take_conn(struct vmb_agent *agent);

/* The VM's domain; -VMBOOT_ENOVM, also if the name is another VM's by now. */
int vmb_agent_domain(const struct vmb_agent *agent, virDomainPtr *ret);

/* -VMBOOT_ENOAGENT, if the VM was made without an agent (with the option's name), or has given its
 * own up. */
int vmb_agent_wanted(struct vmb_agent *agent);

/*
 * The connection, given back with vmb_agent_put(). -ENOENT: the VM has no stream port; -EBUSY:
 * no more processes can have one; -ETIMEDOUT: nobody answers there; -VMBOOT_EENDED, -VMBOOT_EGUEST.
 */
int vmb_agent_get(struct vmb_agent *agent, struct vmb_deadline until, struct vmb_stream **ret);
void vmb_agent_put(struct vmb_agent *agent);

/* A session with the connection that it needs, both for vmb_agent_close(). */
int vmb_agent_session(struct vmb_agent *agent, const struct vmb_exec_request *request,
		      struct vmb_deadline until, struct vmb_session **ret);
void vmb_agent_close(struct vmb_agent *agent, struct vmb_session *session);

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
int vmb_qga(struct vmb_agent *agent, const char *command, struct json_object *arguments,
	    struct json_object **ret_return);

/* -ENOTSUP: "the agent of … (qemu-ga 7.2.0) cannot <what>: it has no <lacks>"; asks it first. */
int vmb_qga_cannot(struct vmb_agent *agent, const char *what, const char *lacks);

/* vmboot_exec() by guest-exec, for agents that have no stream port. */
int vmb_qga_exec(struct vmb_agent *agent, const struct vmboot_exec_opts *opts,
		 struct vmboot_exec_result **ret);

/* A result that owns its outputs, which must have been malloc()ed; -ENOMEM frees them too. */
int vmb_exec_result_new(const struct vmboot_exec_result *from, struct vmboot_exec_result **ret);

/* ---- vmboot/exec.h, function by function ---- */

int vmb_agent_exec(struct vmb_agent *agent, const struct vmboot_exec_opts *opts,
		   struct vmboot_exec_result **ret);
int vmb_agent_exec_stream(struct vmb_agent *agent, const struct vmboot_exec_opts *opts,
			  const int fds[3], int control_fd, int *ret_status);
int vmb_agent_stat(struct vmb_agent *agent, const char *path, bool follow,
		   struct vmboot_stat **ret);
int vmb_agent_top(struct vmb_agent *agent, char **ret_json);
int vmb_agent_copy_to(struct vmb_agent *agent, const char *from, const char *to);
int vmb_agent_copy_from(struct vmb_agent *agent, const char *from, const char *to);
int vmb_agent_copy_archive_to(struct vmb_agent *agent, int fd, const char *to);
int vmb_agent_copy_archive_from(struct vmb_agent *agent, const char *from, int fd);

#endif
