/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_QGA_H
#define VMB_AGENT_QGA_H

/*
 * The server for the QEMU guest agent's protocol: one message, one reply, then the next. Bytes in,
 * a reply out, in qga.c; a command is a row in a table, and its function in one of qga-*.c.
 *
 * What may block (disks, file systems) runs in a child, the worker, which writes the whole reply
 * into a pipe: the streams go on meanwhile, and so does whoever asks after a freeze.
 */

#include "agent.h"
#include "ajson.h"

#define QGA_PORT "org.qemu.guest_agent.0"

enum {
	QGA_MESSAGE_MAX = 4 << 20,
	/* libvirt's bound is 4 MiB; twice what a program is let to say, in base64, is below it */
	QGA_REPLY_MAX = 4 << 20,
	QGA_CAPTURE_MAX = 1 << 20,
	QGA_READ_MAX = 1 << 20,
	QGA_NODES_MAX = 3072,
	QGA_ARGS_MAX = 5,
	QGA_FILES_MAX = 64,
	QGA_PROGRAMS_MAX = 64,
	QGA_ID_MAX = 128,
	QGA_CHUNK = 4096,
};

struct agent_qga;

struct qga_call {
	const struct qga_command *command;
	const struct ajson *nodes;
	const struct ajson *args[QGA_ARGS_MAX]; /* in the order of the command's row, or NULL */
};

/* What a command's function returns besides 0 and what qga_fail() returns. */
enum { QGA_LATER = 1 };

enum qga_flags {
	QGA_WORKER = 1, /* runs in a child */
	QGA_FROZEN = 2, /* works while file systems are frozen */
	QGA_SILENT = 4, /* replies only when it fails */
	QGA_OFF = 8,	/* is known, but not supported */
	QGA_PURE = 16,	/* touches nothing but the reply */
};

struct qga_command {
	const char *name;
	/* Writes a JSON value, or nothing, which is {} */
	int (*run)(struct agent_qga *q, const struct qga_call *call, struct ajson_out *out);
	unsigned flags;
	struct qga_arg {
		const char *name;
		enum ajson_type type;
		bool required;
	} args[QGA_ARGS_MAX];
};

struct qga_file {
	int64_t handle; /* 0: free */
	int fd;
};

/* A program that guest-exec started. */
struct qga_program {
	struct init_child child; /* pid 0: free */
	bool exited, polled;	 /* polled: the slots are of this turn */
	uint32_t status;
	uint64_t order; /* the oldest goes first */
	char *in;
	size_t in_at, in_n;
	struct qga_capture {
		char *bytes;
		size_t n, size;
		bool truncated;
	} out[2];
	int slot_in, slot_out[2];
};

struct agent_qga {
	struct init *init;
	const char *const *env;
	int control;
	struct agent_port port; /* out is what is in reply */

	/* what comes */
	uint8_t chunk[QGA_CHUNK];
	size_t chunk_at, chunk_n;
	struct ajson_scan scan;
	char *message; /* message_n bytes of one that is not all there yet */
	size_t message_n, message_size;
	bool too_long;

	/* the message at hand */
	struct ajson nodes[QGA_NODES_MAX];
	enum ajson_type id_type; /* AJSON_NULL: it has none */
	int64_t id_number;
	char id[QGA_ID_MAX];
	const struct qga_command *command; /* that a worker or a program's start keeps us at */
	bool delimited;			   /* 0xFF goes before the reply */
	bool stale;			   /* who asked has gone */
	struct ajson_out reply;
	char why[256]; /* of a failure */

	pid_t worker;
	int worker_fd, slot_worker;
	struct qga_program *starting;
	int slot_start;

	bool frozen;
	int64_t last_handle;
	uint64_t last_order;
	struct qga_file files[QGA_FILES_MAX];
	struct qga_program programs[QGA_PROGRAMS_MAX];

	bool pure; /* for tests and fuzzing: only commands that touch nothing run */
};

/* ---- qga.c: for the loop, and for tests ---- */

int agent_qga_init(struct agent_qga *q, struct init *init, const char *const *env, int control);
void agent_qga_done(struct agent_qga *q);
void agent_qga_poll(struct agent_qga *q, struct agent_polls *polls);
void agent_qga_serve(struct agent_qga *q, const struct agent_polls *polls);
void agent_qga_reap(struct agent_qga *q, pid_t pid, uint32_t status);

/*
 * Takes bytes until a reply is due or something keeps it busy, and returns how many it took. The
 * reply is in q->reply.
 */
size_t agent_qga_take(struct agent_qga *q, const uint8_t *bytes, size_t n);

/* ---- qga-commands.c: the table ---- */

extern const struct qga_command qga_commands[];
extern const size_t qga_n_commands;

/* ---- what commands use ---- */

/* Says why, which becomes the reply's "desc"; returns -1. */
int qga_fail(struct agent_qga *q, const char *fmt, ...) VMB_PRINTF(2, 3);
int qga_fail_errno(struct agent_qga *q, const char *what, const char *which);
static inline const char *qga_text(const struct ajson *arg, const char *otherwise)
{
	return arg ? arg->text : otherwise;
}
void qga_say(struct agent_qga *q, char what); /* to PID 1 */
/* Reads a file of the kernel's; its length, or -errno. ret is allocated, with a 0 behind it. */
long qga_read_proc(const char *path, char **ret);

/* qga-exec.c */
void qga_programs_poll(struct agent_qga *q, struct agent_polls *polls);
void qga_programs_serve(struct agent_qga *q, const struct agent_polls *polls);
void qga_program_done(struct qga_program *program);

/* qga-mounts.c: what is mounted from disks. */
struct qga_mount {
	char *point, *type; /* in text */
	unsigned major, minor;
	int fd; /* of the overlay disk, for "/", whose own file system cannot be frozen; or -1 */
	bool read_only;
};

struct qga_mounts {
	char *text;
	struct qga_mount *list;
	size_t n;
};

int qga_mounts_read(struct agent_qga *q, struct qga_mounts *ret); /* 0, or qga_fail()ed */
void qga_mounts_done(struct qga_mounts *mounts);
int qga_mount_open(const struct qga_mount *mount); /* a descriptor of its own, or -errno */
void qga_mounts_thaw(struct agent_qga *q);	   /* all, without a word */

/* qga-disk.c: the object that says where a disk is. name NULL: in an array. */
void qga_disk_address(struct agent_qga *q, struct ajson_out *out, const char *name, unsigned major,
		      unsigned minor);

#define QGA_COMMAND(name)                                                                          \
	int qga_##name(struct agent_qga *q, const struct qga_call *call, struct ajson_out *out)
QGA_COMMAND(sync);
QGA_COMMAND(sync_delimited);
QGA_COMMAND(ping);
QGA_COMMAND(info);
QGA_COMMAND(exec);
QGA_COMMAND(started); /* guest-exec, when its program runs or failed to */
QGA_COMMAND(exec_status);
QGA_COMMAND(file_open);
QGA_COMMAND(file_close);
QGA_COMMAND(file_read);
QGA_COMMAND(file_write);
QGA_COMMAND(file_seek);
QGA_COMMAND(file_flush);
QGA_COMMAND(shutdown);
QGA_COMMAND(get_osinfo);
QGA_COMMAND(get_host_name);
QGA_COMMAND(get_time);
QGA_COMMAND(set_time);
QGA_COMMAND(get_timezone);
QGA_COMMAND(get_users);
QGA_COMMAND(get_vcpus);
QGA_COMMAND(get_interfaces);
QGA_COMMAND(get_fsinfo);
QGA_COMMAND(fsfreeze_status);
QGA_COMMAND(fsfreeze_freeze);
QGA_COMMAND(fsfreeze_thaw);
QGA_COMMAND(fstrim);
QGA_COMMAND(get_disks);
QGA_COMMAND(memory);
QGA_COMMAND(processes);
QGA_COMMAND(stat);

#endif
