/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "qga.h"

/* guest-exec answers when its program runs, or cannot. The end of one is asked for once. */

void qga_program_done(struct qga_program *p)
{
	if (p->child.pid == 0)
		return;
	init_child_done(&p->child);
	free(p->in);
	free(p->out[0].bytes);
	free(p->out[1].bytes);
	memset(p, 0, sizeof(*p));
}

static bool over(const struct qga_program *p)
{
	return p->exited && p->child.out < 0 && p->child.err < 0;
}

/* A free place, or that of the one that ended first and that nobody asked for. */
static struct qga_program *place(struct agent_qga *q)
{
	struct qga_program *oldest = NULL;

	for (size_t i = 0; i < QGA_PROGRAMS_MAX; i++) {
		struct qga_program *p = &q->programs[i];

		if (p->child.pid == 0)
			return p;
		if (over(p) && (!oldest || p->order < oldest->order))
			oldest = p;
	}
	if (oldest)
		qga_program_done(oldest);
	return oldest;
}

/* Allocated, NULL-ended, of strings in the message; args[0] is first unless that is NULL. */
static int make_list(struct agent_qga *q, const struct qga_call *call, const struct ajson *array,
		     const char *first, const char ***ret)
{
	const char **list = calloc((array ? array->n : 0) + 2, sizeof(*list));
	size_t n = 0;

	if (!list)
		return qga_fail(q, "no memory");
	if (first)
		list[n++] = first;
	for (unsigned i = array ? array->child : 0; i; i = call->nodes[i].next) {
		const struct ajson *value = &call->nodes[i];

		if (value->type != AJSON_STRING || (!first && !strchr(value->text, '='))) {
			free(list);
			return qga_fail(q, "Invalid parameter type for '%s', expected: string",
					first ? "arg" : "env");
		}
		list[n++] = value->text;
	}
	*ret = list;
	return 0;
}

static int take_input(struct agent_qga *q, struct qga_program *p, const struct ajson *input)
{
	long n;

	if (!input)
		return 0;
	p->in = malloc(input->n + 1);
	if (!p->in)
		return qga_fail(q, "no memory");
	memcpy(p->in, input->text, input->n);
	n = ajson_unbase64(p->in, input->n);
	if (n < 0) {
		free(p->in);
		p->in = NULL;
		return qga_fail(q, "input-data is not base64");
	}
	p->in_n = (size_t)n;
	return 0;
}

static int start(struct agent_qga *q, struct qga_program *p, const struct qga_call *call,
		 const char *const *args, const char *const *env)
{
	const struct ajson *capture = call->args[4];
	struct init_start what = {
		.args = args,
		.base = env ? NULL : q->env,
		.env = env,
		.user = "",
		.workdir = "",
		.in = call->args[3] != NULL,
		.out = capture && capture->number,
	};
	int r = take_input(q, p, call->args[3]);

	if (r < 0)
		return r;
	r = agent_spawn(q->init, &what, &p->child);
	if (r < 0) {
		free(p->in);
		memset(p, 0, sizeof(*p));
		errno = -r;
		return qga_fail_errno(q, "starting a process", "");
	}
	p->order = ++q->last_order;
	q->starting = p;
	return QGA_LATER;
}

QGA_COMMAND(exec)
{
	_cleanup_free_ const char **args = NULL;
	_cleanup_free_ const char **env = NULL;
	struct qga_program *p = place(q);
	int r;

	(void)out;
	if (!p)
		return qga_fail(q, "too many programs run");
	if (call->args[0]->text[0] == '\0' || call->args[0]->text[0] == '@')
		return qga_fail(q, "no program \"%s\"", call->args[0]->text);
	r = make_list(q, call, call->args[1], call->args[0]->text, &args);
	if (r == 0 && call->args[2])
		r = make_list(q, call, call->args[2], NULL, &env);
	return r < 0 ? r : start(q, p, call, args, env);
}

QGA_COMMAND(started)
{
	struct qga_program *p = q->starting;
	struct init_start_failure failure;

	(void)call;
	q->starting = NULL;
	if (!init_child_started(&p->child, &failure)) {
		qga_program_done(p);
		return qga_fail(q, "%s: %s", failure.words, strerror(failure.err));
	}
	ajson_open(out, NULL, '{');
	ajson_int(out, "pid", p->child.pid);
	ajson_close(out, '}');
	return 0;
}

static void put_capture(struct ajson_out *out, const struct qga_capture *c, const char *data,
			const char *truncated)
{
	if (c->n > 0)
		ajson_base64(out, data, c->bytes, c->n);
	if (c->truncated)
		ajson_bool(out, truncated, true);
}

QGA_COMMAND(exec_status)
{
	struct qga_program *p = NULL;

	for (size_t i = 0; i < QGA_PROGRAMS_MAX; i++)
		if (q->programs[i].child.pid > 0 &&
		    q->programs[i].child.pid == call->args[0]->number)
			p = &q->programs[i];
	if (!p)
		return qga_fail(q, "Invalid parameter 'pid'");
	ajson_open(out, NULL, '{');
	ajson_bool(out, "exited", over(p));
	if (over(p)) {
		ajson_int(out, p->status < 256 ? "exitcode" : "signal", p->status % 256);
		put_capture(out, &p->out[0], "out-data", "out-truncated");
		put_capture(out, &p->out[1], "err-data", "err-truncated");
		qga_program_done(p);
	}
	ajson_close(out, '}');
	return 0;
}

/* ---- while they run ---- */

static void pass_input(struct qga_program *p)
{
	while (p->in_n > 0) {
		ssize_t r = write(p->child.in, p->in + p->in_at, p->in_n);

		if (r < 0 && errno == EAGAIN)
			return;
		if (r < 0)
			break;
		p->in_at += (size_t)r;
		p->in_n -= (size_t)r;
	}
	close(p->child.in);
	p->child.in = -1;
	free(p->in);
	p->in = NULL;
}

/* What is over the bound is read, and forgotten: the program need not stop for it. */
static void keep(struct qga_capture *c, const char *bytes, size_t n)
{
	size_t room = QGA_CAPTURE_MAX - c->n;

	if (n > room) {
		c->truncated = true;
		n = room;
	}
	if (c->n + n > c->size) {
		size_t size = c->size ? c->size : 4096;
		char *more;

		while (size < c->n + n)
			size *= 2;
		more = realloc(c->bytes, size);
		if (!more) {
			c->truncated = true;
			return;
		}
		c->bytes = more;
		c->size = size;
	}
	if (n > 0)
		memcpy(c->bytes + c->n, bytes, n);
	c->n += n;
}

static void capture(struct qga_program *p, int *fd, struct qga_capture *c)
{
	char bytes[16384];
	ssize_t r = read(*fd, bytes, sizeof(bytes));

	if (r > 0) {
		keep(c, bytes, (size_t)r);
		return;
	}
	/* what it left in the background keeps the pipe open: its end is as good */
	if (r == 0 || errno != EAGAIN || p->exited) {
		close(*fd);
		*fd = -1;
	}
}

void qga_programs_poll(struct agent_qga *q, struct agent_polls *polls)
{
	for (size_t i = 0; i < QGA_PROGRAMS_MAX; i++) {
		struct qga_program *p = &q->programs[i];

		if (p->child.pid == 0 || p == q->starting)
			continue;
		p->polled = true;
		p->slot_in = agent_poll_add(polls, p->child.in, POLLOUT);
		p->slot_out[0] = agent_poll_add(polls, p->child.out, POLLIN);
		p->slot_out[1] = agent_poll_add(polls, p->child.err, POLLIN);
	}
}

void qga_programs_serve(struct agent_qga *q, const struct agent_polls *polls)
{
	for (size_t i = 0; i < QGA_PROGRAMS_MAX; i++) {
		struct qga_program *p = &q->programs[i];

		if (p->child.pid == 0 || !p->polled)
			continue;
		if (p->child.in >= 0 && agent_poll_hit(polls, p->slot_in))
			pass_input(p);
		if (p->child.out >= 0 && (p->exited || agent_poll_hit(polls, p->slot_out[0])))
			capture(p, &p->child.out, &p->out[0]);
		if (p->child.err >= 0 && (p->exited || agent_poll_hit(polls, p->slot_out[1])))
			capture(p, &p->child.err, &p->out[1]);
	}
}

void agent_qga_reap(struct agent_qga *q, pid_t pid, uint32_t status)
{
	for (size_t i = 0; i < QGA_PROGRAMS_MAX; i++) {
		struct qga_program *p = &q->programs[i];

		if (p->child.pid != pid || p->exited)
			continue;
		p->exited = true;
		p->status = status;
	}
}
