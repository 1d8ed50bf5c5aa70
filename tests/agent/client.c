/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "guest.h"

static void __attribute__((noreturn)) be_agent(struct init *init, int stream, int qga, int control)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", "BASE=yes", NULL};
	static struct agent agent;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	agent.control = control;
	if (agent_setup(&agent, init, env) < 0)
		_exit(3);
	agent.streams.all[0] = agent_stream_new(init, env);
	if (!agent.streams.all[0])
		_exit(3);
	agent_port_take(&agent.streams.all[0]->port, stream);
	agent_port_take(&agent.qga.port, qga);
	agent_run(&agent);
	_exit(0);
}

static void make_pair(int type, int pair[2])
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
}

struct client *client_new(const char *root)
{
	return client_new_for(root, &(const struct vmb_guest_config){0});
}

struct client *client_new_for(const char *root, const struct vmb_guest_config *config)
{
	struct client *c = test_alloc(sizeof(*c));
	int stream[2], qga[2], control[2];

	c->init = test_alloc(sizeof(*c->init));
	init_setup(c->init, root, &guest_ops);
	c->init->config = *config;
	make_pair(SOCK_STREAM, stream);
	make_pair(SOCK_STREAM, qga);
	make_pair(SOCK_SEQPACKET, control);
	fflush(NULL);
	c->agent = fork();
	if (c->agent == 0) {
		close(stream[0]);
		close(qga[0]);
		close(control[0]);
		be_agent(c->init, stream[1], qga[1], control[1]);
	}
	close(stream[1]);
	close(qga[1]);
	close(control[1]);
	c->stream = stream[0];
	c->qga = qga[0];
	c->control = control[0];
	client_hello(c, 0x1234);
	return c;
}

void client_done(struct client *c)
{
	struct vmb_deadline until = vmb_deadline_in(CLIENT_WAIT_MS);
	int status = -1;
	pid_t r;

	kill(c->agent, SIGTERM);
	close(c->stream);
	close(c->qga);
	while ((r = waitpid(c->agent, &status, WNOHANG)) == 0 && !vmb_deadline_passed(until))
		poll(NULL, 0, 5);
	CU_ASSERT_EQUAL(r, c->agent);
	CU_ASSERT_EQUAL(status, 0);
	if (r == 0) {
		kill(c->agent, SIGKILL);
		waitpid(c->agent, &status, 0);
	}
	close(c->control);
}

void client_send_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		struct pollfd poll_out = {.fd = fd, .events = POLLOUT};
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EAGAIN) {
			CU_ASSERT_FATAL(poll(&poll_out, 1, CLIENT_WAIT_MS) > 0);
			continue;
		}
		CU_ASSERT_FATAL(r > 0);
		p += r;
		n -= (size_t)r;
	}
}

void client_send(struct client *c, enum vmb_frame_type type, uint32_t session, uint32_t value,
		 const void *payload, size_t n)
{
	const struct vmb_frame f = {type, session, value, payload, n};
	uint8_t head[VMB_FRAME_HEAD];

	vmb_frame_head(&f, head);
	client_send_all(c->stream, head, sizeof(head));
	client_send_all(c->stream, payload, n);
}

struct vmb_frame client_next(struct client *c, int wait_ms)
{
	struct vmb_deadline until = vmb_deadline_in(wait_ms);
	struct vmb_frame f = {0};

	memmove(c->in, c->in + c->used, c->n - c->used);
	c->n -= c->used;
	c->used = 0;
	for (;;) {
		struct pollfd p = {.fd = c->stream, .events = POLLIN};
		long n = vmb_frame_decode(c->in, c->n, &f);
		ssize_t r;

		CU_ASSERT_FATAL(n >= 0);
		if (n > 0) {
			c->used = (size_t)n;
			return f;
		}
		if (poll(&p, 1, vmb_deadline_poll(until, -1)) <= 0)
			return (struct vmb_frame){0};
		r = read(c->stream, c->in + c->n, sizeof(c->in) - c->n);
		if (r <= 0)
			return (struct vmb_frame){0};
		c->n += (size_t)r;
	}
}

void client_hello(struct client *c, uint32_t nonce)
{
	struct vmb_frame f;

	client_send(c, VMB_FRAME_HELLO, 0, nonce, NULL, 0);
	do {
		f = client_next(c, CLIENT_WAIT_MS);
		CU_ASSERT_FATAL(f.type != 0);
	} while (f.type != VMB_FRAME_HELLO || f.value != nonce);
}

void client_exec(struct client *c, uint32_t session, const struct vmb_exec_request *request)
{
	static uint8_t payload[VMB_EXEC_REQUEST_MAX];
	long n = vmb_exec_request_encode(request, payload, sizeof(payload));
	size_t piece, at = 0;

	CU_ASSERT_FATAL(n > 0);
	for (size_t left = (size_t)n; left > 0; at += piece) {
		piece = left < VMB_FRAME_PAYLOAD_MAX ? left : VMB_FRAME_PAYLOAD_MAX;
		left -= piece;
		client_send(c, VMB_FRAME_EXEC, session, (uint32_t)left, payload + at, piece);
	}
}

void client_sh(struct client *c, uint32_t session, const char *script)
{
	const struct vmb_exec_request request = {.args = {"sh", "-c", script}};

	client_exec(c, session, &request);
}

void client_credit(struct client *c, uint32_t session, uint32_t n)
{
	client_send(c, VMB_FRAME_CREDIT, session, n, NULL, 0);
}

static void add_bytes(const struct vmb_frame *f, char *text, size_t size, size_t *n)
{
	size_t room = *n < size - 1 ? size - 1 - *n : 0;

	memcpy(text + (room ? *n : 0), f->payload, f->length < room ? f->length : room);
	*n += f->length;
}

void client_add(struct client *c, const struct vmb_frame *f, struct said *said)
{
	switch (f->type) {
	case VMB_FRAME_STARTED:
		said->started = f->value;
		break;
	case VMB_FRAME_FAILED:
		said->failed = (int)f->value;
		memcpy(said->words, f->payload, f->length);
		said->over = true;
		break;
	case VMB_FRAME_STDOUT:
		for (size_t i = 0; i < f->length; i++)
			said->out_sum += (said->out_n + i) * f->payload[i];
		add_bytes(f, said->out, sizeof(said->out), &said->out_n);
		client_credit(c, f->session, (uint32_t)f->length);
		break;
	case VMB_FRAME_STDERR:
		add_bytes(f, said->err, sizeof(said->err), &said->err_n);
		client_credit(c, f->session, (uint32_t)f->length);
		break;
	case VMB_FRAME_CREDIT:
		said->may_send += f->value;
		break;
	case VMB_FRAME_EXIT:
		said->exit = f->value;
		said->over = true;
		break;
	default:
		CU_FAIL("a frame that a guest does not send");
	}
}

void client_collect(struct client *c, uint32_t session, struct said *said)
{
	while (!said->over) {
		struct vmb_frame f = client_next(c, CLIENT_WAIT_MS);

		CU_ASSERT_FATAL(f.type != 0);
		CU_ASSERT_EQUAL_FATAL(f.session, session);
		client_add(c, &f, said);
	}
}
