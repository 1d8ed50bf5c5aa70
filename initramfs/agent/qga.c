/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qga.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>

enum { PROC_MAX = VMB_CONFIG_SIZE_MAX };

int agent_qga_init(struct agent_qga *q, struct init *init, const char *const *env, int control)
{
	memset(q, 0, sizeof(*q));
	q->init = init;
	q->env = env;
	q->control = control;
	q->worker_fd = q->slot_worker = q->slot_start = -1;
	q->reply.max = QGA_REPLY_MAX;
	q->port = (struct agent_port){.name = QGA_PORT, .fd = -1, .slot = -1};
	qga_mounts_thaw(q); /* what an agent before us left frozen, nobody else would thaw */
	return 0;
}

static void reset(struct agent_qga *q)
{
	q->scan = (struct ajson_scan){0};
	q->message_n = 0;
	q->too_long = false;
}

static void reply_done(struct agent_qga *q)
{
	ajson_done(&q->reply);
	q->port.n = q->port.at = 0;
	q->port.out = NULL;
}

void agent_qga_done(struct agent_qga *q)
{
	for (size_t i = 0; i < QGA_FILES_MAX; i++)
		if (q->files[i].handle)
			close(q->files[i].fd);
	for (size_t i = 0; i < QGA_PROGRAMS_MAX; i++)
		qga_program_done(&q->programs[i]);
	vmb_closep(&q->worker_fd);
	vmb_closep(&q->port.fd);
	q->port.fd = q->worker_fd = -1;
	reply_done(q);
	free(q->message);
	q->message = NULL;
}

/* ---- what commands use ---- */

int qga_fail(struct agent_qga *q, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	init_vformat(q->why, sizeof(q->why), fmt, ap);
	va_end(ap);
	return -1;
}

int qga_fail_errno(struct agent_qga *q, const char *what, const char *which)
{
	const char *error = strerror(errno);

	return qga_fail(q, "%s%s%s: %s", what, *which ? " " : "", which, error);
}

void qga_say(struct agent_qga *q, char what)
{
	static const struct {
		char what;
		int how;
	} ends[] = {{AGENT_SAYS_POWER_OFF, RB_POWER_OFF},
		    {AGENT_SAYS_REBOOT, RB_AUTOBOOT},
		    {AGENT_SAYS_HALT, (int)RB_HALT_SYSTEM}};

	if (q->control >= 0)
		send(q->control, &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	for (size_t i = 0; q->init->system == INIT_SYSTEM_SYSTEMD && i < ARRAY_SIZE(ends); i++)
		if (ends[i].what == what)
			init_system_end(q->init, INIT_SYSTEM_SYSTEMD, ends[i].how);
}

/* Their size is not known before they are read. */
long qga_read_proc(const char *path, char **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t n = 0, size = 0;
	ssize_t r;

	if (fd < 0)
		return -errno;
	do {
		if (size - n < 2048) {
			char *more = size < PROC_MAX ? realloc(text, size ? size * 2 : 4096) : NULL;

			if (!more)
				return -ENOMEM;
			text = more;
			size = size ? size * 2 : 4096;
		}
		r = read(fd, text + n, size - n - 1);
		if (r < 0)
			return -errno;
		n += (size_t)r;
	} while (r > 0);
	text[n] = '\0';
	*ret = TAKE_PTR(text);
	return (long)n;
}

/* ---- the reply ---- */

static void begin_reply(struct agent_qga *q)
{
	ajson_done(&q->reply);
	if (q->delimited)
		ajson_raw(&q->reply, "\377", 1);
	ajson_raw(&q->reply, "{", 1);
}

static void end_reply(struct agent_qga *q)
{
	if (q->id_type == AJSON_INT)
		ajson_int(&q->reply, "id", q->id_number);
	if (q->id_type == AJSON_STRING)
		ajson_string(&q->reply, "id", q->id);
	ajson_raw(&q->reply, "}\n", 2);
}

static void reply_error(struct agent_qga *q, const char *class, const char *why)
{
	q->delimited = false;
	begin_reply(q);
	ajson_open(&q->reply, "error", '{');
	ajson_string(&q->reply, "class", class);
	ajson_string(&q->reply, "desc", why);
	ajson_close(&q->reply, '}');
	end_reply(q);
}

/* Runs the command and makes its reply; QGA_LATER: it will be made. */
static int run(struct agent_qga *q, const struct qga_command *command,
	       int (*fn)(struct agent_qga *q, const struct qga_call *call, struct ajson_out *out),
	       const struct qga_call *call)
{
	size_t before;
	int r;

	q->delimited = fn == qga_sync_delimited;
	begin_reply(q);
	ajson_raw(&q->reply, "\"return\":", 9);
	before = q->reply.n;
	r = fn(q, call, &q->reply);
	if (r == QGA_LATER) {
		q->command = command;
		ajson_done(&q->reply);
		return r;
	}
	if (r == 0 && q->reply.failed)
		r = qga_fail(q, "the reply is too long");
	if (r < 0)
		reply_error(q, "GenericError", q->why);
	else if (command->flags & QGA_SILENT)
		ajson_done(&q->reply);
	else {
		if (q->reply.n == before)
			ajson_raw(&q->reply, "{}", 2);
		end_reply(q);
	}
	return 0;
}

/* ---- the worker ---- */

static void write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, bytes, n);

		if (r <= 0)
			return;
		bytes += r;
		n -= (size_t)r;
	}
}

static void __attribute__((noreturn)) work(struct agent_qga *q, const struct qga_call *call, int fd)
{
	init_default_signals();
	/* the pipe is 3, the folder for freezing 4, and nothing else is open */
	fd = fcntl(fd, F_DUPFD, 5);
	if (q->init->overlay >= 0)
		q->init->overlay = dup2(fcntl(q->init->overlay, F_DUPFD, 5), 4);
	dup2(fd, 3);
	fd = 3;
	init_close_from(q->init->overlay >= 0 ? 5 : 4);
	run(q, call->command, call->command->run, call);
	write_all(fd, q->reply.text, q->reply.n);
	_exit(0);
}

static int start_worker(struct agent_qga *q, const struct qga_call *call)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return qga_fail_errno(q, "making a pipe", "");
	q->worker = fork();
	if (q->worker == 0)
		work(q, call, p[1]);
	close(p[1]);
	if (q->worker < 0) {
		close(p[0]);
		q->worker = 0;
		return qga_fail_errno(q, "making a process", "");
	}
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	q->worker_fd = p[0];
	q->command = call->command;
	ajson_done(&q->reply);
	return QGA_LATER;
}

/* What is frozen is known by the process that stays. */
static void note_freeze(struct agent_qga *q, bool done)
{
	if (!done)
		return;
	if (q->command->run == qga_fsfreeze_freeze)
		q->frozen = true;
	if (q->command->run == qga_fsfreeze_thaw)
		q->frozen = false;
}

/* What kept it busy is over. */
static void finish(struct agent_qga *q)
{
	q->command = NULL;
	if (q->stale)
		ajson_done(&q->reply);
	q->stale = false;
}

static void hear_worker(struct agent_qga *q)
{
	static const char good[] = "{\"return\"";
	char bytes[4096];
	ssize_t r;

	while ((r = read(q->worker_fd, bytes, sizeof(bytes))) > 0)
		ajson_raw(&q->reply, bytes, (size_t)r);
	if (r < 0 && errno == EAGAIN)
		return;
	close(q->worker_fd);
	q->worker_fd = -1;
	if (q->reply.n == 0 || q->reply.text[q->reply.n - 1] != '\n')
		reply_error(q, "GenericError", "the command was ended in its middle");
	note_freeze(q, strncmp(q->reply.text, good, sizeof(good) - 1) == 0);
	finish(q);
}

/* ---- one message ---- */

static const struct qga_command *find(const char *name)
{
	for (size_t i = 0; i < qga_n_commands; i++)
		if (strcmp(qga_commands[i].name, name) == 0)
			return &qga_commands[i];
	return NULL;
}

static bool fits(const struct ajson *value, enum ajson_type type)
{
	return type == AJSON_NULL || value->type == type;
}

static int take_args(struct agent_qga *q, const struct ajson *object, struct qga_call *call)
{
	static const char *const types[] = {"null",   "boolean", "integer", "number",
					    "string", "array",	 "object"};
	const struct qga_arg *args = call->command->args;
	unsigned known = 0;

	for (size_t i = 0; i < QGA_ARGS_MAX && args[i].name; i++) {
		const struct ajson *value =
			object ? ajson_get(q->nodes, object, args[i].name) : NULL;

		if (!value && args[i].required)
			return qga_fail(q, "Parameter '%s' is missing", args[i].name);
		if (value && !fits(value, args[i].type))
			return qga_fail(q, "Invalid parameter type for '%s', expected: %s",
					args[i].name, types[args[i].type]);
		known += value != NULL;
		call->args[i] = value;
	}
	for (unsigned i = object && known < object->n ? object->child : 0; i;
	     i = q->nodes[i].next) {
		size_t at = 0;

		while (at < QGA_ARGS_MAX && args[at].name &&
		       strcmp(args[at].name, q->nodes[i].name) != 0)
			at++;
		if (at == QGA_ARGS_MAX || !args[at].name)
			return qga_fail(q, "Parameter '%.*s' is unexpected", 100, q->nodes[i].name);
	}
	return 0;
}

static bool take_id(struct agent_qga *q, const struct ajson *id)
{
	if (!id)
		return true;
	if (id->type != AJSON_INT && (id->type != AJSON_STRING || id->n >= QGA_ID_MAX))
		return false;
	q->id_type = id->type;
	q->id_number = id->number;
	if (id->type == AJSON_STRING)
		memcpy(q->id, id->text, id->n + 1);
	return true;
}

static int generic(struct agent_qga *q)
{
	reply_error(q, "GenericError", q->why);
	return 0;
}

/* An object with execute, and arguments and id if need be, nothing else. */
static int execute(struct agent_qga *q)
{
	const struct ajson *root = q->nodes, *name, *args;
	struct qga_call call = {.nodes = q->nodes};
	unsigned known;
	int r;

	if (!take_id(q, ajson_get(q->nodes, root, "id")))
		qga_fail(q, "the id is no integer and no short string");
	name = ajson_get(q->nodes, root, "execute");
	args = ajson_get(q->nodes, root, "arguments");
	known = (name != NULL) + (args != NULL) + (q->id_type != AJSON_NULL);
	if (!name || name->type != AJSON_STRING || known != root->n ||
	    (args && args->type != AJSON_OBJECT)) {
		if (!q->why[0])
			qga_fail(q, "a message has 'execute', a string, and may have 'arguments', "
				    "an object, and 'id'");
		return generic(q);
	}
	call.command = find(name->text);
	if (!call.command || call.command->flags & QGA_OFF ||
	    (q->frozen && !(call.command->flags & QGA_FROZEN))) {
		qga_fail(q,
			 call.command && call.command->flags & QGA_OFF
				 ? "The command %.*s is not supported by this guest"
			 : call.command
				 ? "The command %.*s has been disabled: file systems are frozen"
				 : "The command %.*s has not been found",
			 100, name->text);
		reply_error(q, "CommandNotFound", q->why);
		return 0;
	}
	if (take_args(q, args, &call) < 0)
		return generic(q);
	if (q->pure && !(call.command->flags & QGA_PURE))
		return run(q, call.command, qga_ping, &call);
	if (!(call.command->flags & QGA_WORKER))
		return run(q, call.command, call.command->run, &call);
	r = start_worker(q, &call);
	return r < 0 ? generic(q) : r;
}

static void handle(struct agent_qga *q)
{
	int r;

	q->why[0] = '\0';
	q->id_type = AJSON_NULL;
	q->delimited = false;
	if (q->too_long) {
		reply_error(q, "GenericError", "the message is too long");
		return;
	}
	r = ajson_read(q->message, q->message_n, q->nodes, QGA_NODES_MAX);
	if (r < 0)
		reply_error(q, "GenericError",
			    r == -E2BIG ? "JSON parse error: too deep, or too many values"
					: "JSON parse error");
	else
		execute(q);
}

/* ---- bytes ---- */

static void add_byte(struct agent_qga *q, uint8_t byte)
{
	if (q->message_n == q->message_size) {
		size_t size = q->message_size ? q->message_size * 2 : QGA_CHUNK;
		char *more = size <= QGA_MESSAGE_MAX ? realloc(q->message, size) : NULL;

		q->too_long = q->too_long || !more;
		if (!more)
			return;
		q->message = more;
		q->message_size = size;
	}
	q->message[q->message_n++] = (char)byte;
}

/* A big message's memory is not kept. */
static void message_done(struct agent_qga *q)
{
	reset(q);
	if (q->message_size <= QGA_CHUNK)
		return;
	free(q->message);
	q->message = NULL;
	q->message_size = 0;
}

static bool busy(const struct agent_qga *q)
{
	return q->reply.n > 0 || q->command;
}

size_t agent_qga_take(struct agent_qga *q, const uint8_t *bytes, size_t n)
{
	size_t at = 0;

	while (at < n && !busy(q)) {
		uint8_t byte = bytes[at++];

		switch (ajson_scan(&q->scan, byte)) {
		case AJSON_SKIP:
			break;
		case AJSON_RESET:
			message_done(q);
			break;
		case AJSON_JUNK:
			q->delimited = false;
			q->id_type = AJSON_NULL;
			reply_error(q, "GenericError", "JSON parse error: expected an object");
			break;
		case AJSON_MORE:
			add_byte(q, byte);
			break;
		case AJSON_END:
			add_byte(q, byte);
			handle(q);
			message_done(q);
			break;
		}
	}
	return at;
}

/* ---- the loop's side ---- */

void agent_qga_poll(struct agent_qga *q, struct agent_polls *polls)
{
	agent_port_poll(&q->port, polls, !busy(q));
	q->slot_worker = agent_poll_add(polls, q->worker_fd, POLLIN);
	q->slot_start = agent_poll_add(polls, q->starting ? q->starting->child.start : -1, POLLIN);
	qga_programs_poll(q, polls);
}

/* Sends what there is; true if the next message may be looked at. */
static bool send_reply(struct agent_qga *q)
{
	if (q->reply.n > 0 && !q->command && !q->port.out) {
		q->port.out = (uint8_t *)q->reply.text;
		q->port.at = 0;
		q->port.n = q->reply.n;
	}
	agent_port_flush(&q->port);
	if (q->port.out && q->port.n == 0)
		reply_done(q);
	return !busy(q);
}

/* Returns after some messages, so that the streams have their turn. */
static void converse(struct agent_qga *q)
{
	for (int i = 0; i < 16 && send_reply(q); i++) {
		if (q->chunk_at == q->chunk_n) {
			q->chunk_at = 0;
			q->chunk_n = agent_port_read(&q->port, q->chunk, sizeof(q->chunk));
		}
		if (q->chunk_n == 0)
			return;
		q->chunk_at += agent_qga_take(q, q->chunk + q->chunk_at, q->chunk_n - q->chunk_at);
	}
	send_reply(q);
}

static void see_start(struct agent_qga *q)
{
	const struct qga_call call = {.command = q->command};

	run(q, q->command, qga_started, &call);
	finish(q);
}

void agent_qga_serve(struct agent_qga *q, const struct agent_polls *polls)
{
	if (agent_port_went(&q->port, polls)) {
		message_done(q);
		q->chunk_at = q->chunk_n = 0;
		q->stale = q->command != NULL;
		if (!q->stale)
			reply_done(q);
	}
	if (agent_poll_hit(polls, q->slot_worker))
		hear_worker(q);
	if (q->starting && agent_poll_hit(polls, q->slot_start))
		see_start(q);
	qga_programs_serve(q, polls);
	if (q->port.up)
		converse(q);
}
