/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's side of a stream against a peer that keeps the rules, and peers that do not. */
#include <fcntl.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vmboot/exec.h>

#include "agent/stream-private.h"
#include "base/error.h"
#include "peer.h"

static struct peer peer;

static struct vmb_session *session_of(struct vmb_stream *s)
{
	struct vmb_exec_request request = {.args = {"program", "arg"}, .env = {"K=V"}};
	struct vmb_session *x = NULL;

	ASSERT_OK(vmb_session_open(s, &request, vmb_deadline_in(PEER_MS), &x));
	return x;
}

static struct vmb_streams streams(size_t max)
{
	return (struct vmb_streams){.in_fd = -1,
				    .out = {{.fd = -1, .max = max}, {.fd = -1, .max = max}},
				    .control_fd = -1,
				    .until = vmb_deadline_in(PEER_MS)};
}

static void done(struct vmb_streams *io)
{
	vmb_buf_done(&io->out[0].buf);
	vmb_buf_done(&io->out[1].buf);
}

static void end(struct vmb_stream *s)
{
	vmb_stream_close(s);
	peer_join(&peer);
}

static void over(struct vmb_stream *s, struct vmb_session *x, struct vmb_streams *io)
{
	done(io);
	vmb_session_close(x);
	end(s);
}

/* ---- a good peer ---- */

static void echo_script(struct peer *p)
{
	struct vmb_frame f = peer_expect(p, VMB_FRAME_EXEC);
	struct vmb_exec_request request;
	uint32_t session = f.session;

	CU_ASSERT_EQUAL(vmb_exec_request_decode(f.payload, f.length, &request), 0);
	ASSERT_STR(request.args[0], "program");
	ASSERT_STR(request.args[1], "arg");
	ASSERT_STR(request.env[0], "K=V");
	peer_send(p, VMB_FRAME_STARTED, session, 7, NULL, 0);
	f = peer_expect(p, VMB_FRAME_CREDIT);
	CU_ASSERT_EQUAL(f.value, VMB_STREAM_WINDOW);
	peer_send(p, VMB_FRAME_CREDIT, session, 3, NULL, 0);
	f = peer_expect(p, VMB_FRAME_STDIN);
	CU_ASSERT_EQUAL(f.length, 3); /* no more than it has credit for */
	peer_send(p, VMB_FRAME_STDOUT, session, 0, f.payload, f.length);
	peer_send(p, VMB_FRAME_CREDIT, session, 100, NULL, 0);
	f = peer_expect(p, VMB_FRAME_STDIN);
	peer_send(p, VMB_FRAME_STDOUT, session, 0, f.payload, f.length);
	f = peer_expect(p, VMB_FRAME_STDIN);
	CU_ASSERT_EQUAL(f.length, 0);
	peer_send(p, VMB_FRAME_STDERR, session, 0, "oops", 4);
	peer_send(p, VMB_FRAME_EXIT, session, 42, NULL, 0);
	f = peer_expect(p, VMB_FRAME_CLOSE);
	CU_ASSERT_EQUAL(f.session, session);
	peer_drain(p);
}

static void echoes(void)
{
	struct vmb_stream *s = peer_connect(&peer, echo_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(100);

	io.input = (const uint8_t *)"a\0bcd";
	io.input_size = 5;
	ASSERT_OK(vmb_session_run(x, &io));
	CU_ASSERT_EQUAL(io.status, 42);
	CU_ASSERT_FALSE(io.timed_out);
	CU_ASSERT_EQUAL_FATAL(io.out[0].buf.len, 5);
	CU_ASSERT_EQUAL(memcmp(io.out[0].buf.data, "a\0bcd", 5), 0);
	ASSERT_STR(io.out[1].buf.data, "oops");
	over(s, x, &io);
}

enum { BIG = 3 * 1024 * 1024 };

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

/* Sends BIG bytes as fast as credit comes. */
static void big_script(struct peer *p)
{
	static uint8_t piece[VMB_FRAME_PAYLOAD_MAX];
	uint32_t session = peer_started(p);
	size_t credit = VMB_STREAM_WINDOW, sent = 0;

	while (sent < BIG) {
		size_t n = BIG - sent < sizeof(piece) ? BIG - sent : sizeof(piece);

		if (credit < n) {
			struct vmb_frame f = peer_expect(p, VMB_FRAME_CREDIT);

			if (!f.type)
				return;
			credit += f.value;
			CU_ASSERT(credit <= VMB_STREAM_WINDOW);
			continue;
		}
		for (size_t i = 0; i < n; i++)
			piece[i] = pattern(sent + i);
		peer_send(p, VMB_FRAME_STDOUT, session, 0, piece, n);
		sent += n;
		credit -= n;
	}
	peer_send(p, VMB_FRAME_EXIT, session, 256 + 15, NULL, 0);
	peer_drain(p);
}

static void takes_more_than_the_window(void)
{
	struct vmb_stream *s = peer_connect(&peer, big_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(BIG + 1);
	size_t wrong = 0;

	ASSERT_OK(vmb_session_run(x, &io));
	CU_ASSERT_EQUAL(io.status, 256 + 15);
	CU_ASSERT_EQUAL_FATAL(io.out[0].buf.len, BIG);
	for (size_t i = 0; i < BIG; i++)
		wrong += (uint8_t)io.out[0].buf.data[i] != pattern(i);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_FALSE(io.out[0].cut);
	over(s, x, &io);
}

static void cuts_at_the_limit(void)
{
	struct vmb_stream *s = peer_connect(&peer, big_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(1000);

	ASSERT_OK(vmb_session_run(x, &io));
	CU_ASSERT_EQUAL(io.out[0].buf.len, 1000);
	CU_ASSERT(io.out[0].cut);
	CU_ASSERT_FALSE(io.out[1].cut);
	over(s, x, &io);
}

struct reader {
	int fd;
	size_t n, wrong;
};

static void *slow_reader(void *data)
{
	struct reader *r = data;
	uint8_t buf[10000];
	ssize_t n;

	while ((n = read(r->fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			r->wrong += buf[i] != pattern(r->n++);
	return NULL;
}

static void writes_to_a_pipe(void)
{
	struct vmb_stream *s = peer_connect(&peer, big_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(0);
	struct reader reader = {0};
	pthread_t thread;
	int fds[2];

	CU_ASSERT_FATAL(pipe(fds) == 0);
	reader.fd = fds[0];
	pthread_create(&thread, NULL, slow_reader, &reader);
	io.out[0].fd = fds[1];
	ASSERT_OK(vmb_session_run(x, &io));
	close(fds[1]);
	pthread_join(thread, NULL);
	close(fds[0]);
	CU_ASSERT_EQUAL(reader.n, BIG);
	CU_ASSERT_EQUAL(reader.wrong, 0);
	over(s, x, &io);
}

/* The reader goes away: an error, no SIGPIPE, and the program is closed. */
static void survives_a_reader_that_left(void)
{
	struct vmb_stream *s = peer_connect(&peer, big_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(0);
	int fds[2];

	CU_ASSERT_FATAL(pipe(fds) == 0);
	close(fds[0]);
	io.out[0].fd = fds[1];
	ASSERT_ERROR(vmb_session_run(x, &io), EPIPE, "cannot pass on");
	close(fds[1]);
	over(s, x, &io);
}

/* Two programs; the first's reader never reads. */
static void two_script(struct peer *p)
{
	static uint8_t piece[VMB_FRAME_PAYLOAD_MAX];
	uint32_t first = peer_started(p), second;

	for (int i = 0; i < VMB_STREAM_WINDOW / VMB_FRAME_PAYLOAD_MAX; i++)
		peer_send(p, VMB_FRAME_STDOUT, first, 0, piece, sizeof(piece));
	second = peer_started(p);
	peer_send(p, VMB_FRAME_STDOUT, second, 0, "fine", 4);
	peer_send(p, VMB_FRAME_EXIT, second, 0, NULL, 0);
	peer_drain(p);
}

static void a_stuck_reader_stops_nobody_else(void)
{
	struct vmb_stream *s = peer_connect(&peer, two_script);
	struct vmb_session *stuck = session_of(s), *x = session_of(s);
	struct vmb_streams io = streams(100);

	ASSERT_OK(vmb_session_run(x, &io));
	ASSERT_STR(io.out[0].buf.data, "fine");
	done(&io);
	vmb_session_close(x);
	vmb_session_close(stuck);
	end(s);
}

static void deadline_script(struct peer *p)
{
	uint32_t session = peer_started(p);
	struct vmb_frame f = peer_expect(p, VMB_FRAME_SIGNAL);

	CU_ASSERT_EQUAL(f.value, SIGKILL);
	peer_send(p, VMB_FRAME_STDOUT, session, 0, "last", 4);
	peer_send(p, VMB_FRAME_EXIT, session, 256 + SIGKILL, NULL, 0);
	peer_drain(p);
}

static void kills_at_the_deadline(void)
{
	struct vmb_stream *s = peer_connect(&peer, deadline_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(100);

	io.until = vmb_deadline_in(50);
	io.killed_ms = PEER_MS;
	ASSERT_OK(vmb_session_run(x, &io));
	CU_ASSERT(io.timed_out);
	CU_ASSERT_EQUAL(io.status, 256 + SIGKILL);
	ASSERT_STR(io.out[0].buf.data, "last");
	over(s, x, &io);
}

static void stuck_script(struct peer *p)
{
	peer_started(p);
	peer_drain(p);
}

static void a_program_that_cannot_be_killed_is_left(void)
{
	struct vmb_stream *s = peer_connect(&peer, stuck_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(100);

	io.until = vmb_deadline_in(10);
	io.killed_ms = 100;
	ASSERT_OK(vmb_session_run(x, &io));
	CU_ASSERT(io.timed_out);
	over(s, x, &io);
}

static void control_script(struct peer *p)
{
	uint32_t session = peer_started(p);
	struct vmb_frame f = peer_expect(p, VMB_FRAME_RESIZE);

	CU_ASSERT_EQUAL(f.value, 132U << 16 | 43);
	f = peer_expect(p, VMB_FRAME_SIGNAL);
	CU_ASSERT_EQUAL(f.value, SIGINT);
	peer_send(p, VMB_FRAME_EXIT, session, 256 + SIGINT, NULL, 0);
	peer_drain(p);
}

static void passes_signals_and_sizes_on(void)
{
	const struct vmboot_exec_control c[] = {{VMBOOT_EXEC_RESIZE, 132U << 16 | 43},
						{VMBOOT_EXEC_SIGNAL, SIGINT}};
	struct vmb_stream *s = peer_connect(&peer, control_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(0);
	int fds[2];

	CU_ASSERT_FATAL(pipe(fds) == 0);
	CU_ASSERT(write(fds[1], c, sizeof(c)) == sizeof(c));
	io.control_fd = fds[0];
	ASSERT_OK(vmb_session_run(x, &io));
	CU_ASSERT_EQUAL(io.status, 256 + SIGINT);
	close(fds[0]);
	close(fds[1]);
	vmb_session_close(x);
	end(s);
}

static void failed_script(struct peer *p)
{
	static const char words[] = "no such\033[2Jthing";
	struct vmb_frame f = peer_expect(p, VMB_FRAME_EXEC);

	peer_send(p, VMB_FRAME_FAILED, f.session, ENOENT, words, sizeof(words) - 1);
	peer_drain(p);
}

static void tells_why_it_cannot_run(void)
{
	struct vmb_stream *s = peer_connect(&peer, failed_script);
	struct vmb_exec_request request = {.args = {"program"}};
	struct vmb_session *x = NULL;

	ASSERT_ERROR(vmb_session_open(s, &request, vmb_deadline_in(PEER_MS), &x), ENOENT,
		     "in the guest: no suchthing: No such file or directory");
	CU_ASSERT_EQUAL(vmboot_last_error()->guest_errno, ENOENT);
	CU_ASSERT_PTR_NULL(x);
	CU_ASSERT_FALSE(vmb_stream_is_broken(s));
	end(s);
}

/* Frames for a session that the host closed were under way; they break nothing. */
static void late_script(struct peer *p)
{
	uint32_t first = peer_started(p), second;

	peer_expect(p, VMB_FRAME_CLOSE);
	peer_send(p, VMB_FRAME_STDOUT, first, 0, "late", 4);
	peer_send(p, VMB_FRAME_EXIT, first, 1, NULL, 0);
	second = peer_started(p);
	CU_ASSERT_NOT_EQUAL(first, second);
	peer_send(p, VMB_FRAME_EXIT, second, 0, NULL, 0);
	peer_drain(p);
}

static void ignores_what_comes_for_a_closed_session(void)
{
	struct vmb_stream *s = peer_connect(&peer, late_script);
	struct vmb_streams io = streams(0);
	struct vmb_session *x = session_of(s);

	vmb_session_close(x);
	x = session_of(s);
	ASSERT_OK(vmb_session_run(x, &io));
	vmb_session_close(x);
	end(s);
}

/*
 * What was under way has an end: for each session, as much as there was credit for. Here all of the
 * first's, which is right, and once more as much, and more than the second's.
 */
static void never_ending_script(struct peer *p)
{
	enum { PIECES = VMB_STREAM_WINDOW / VMB_FRAME_PAYLOAD_MAX };
	static uint8_t piece[VMB_FRAME_PAYLOAD_MAX];
	uint32_t first = peer_started(p);

	peer_expect(p, VMB_FRAME_CLOSE);
	for (int i = 0; i < PIECES; i++)
		peer_send(p, VMB_FRAME_STDOUT, first, 0, piece, sizeof(piece));
	peer_send(p, VMB_FRAME_EXIT, first, 0, NULL, 0);
	peer_send(p, VMB_FRAME_EXIT, peer_started(p), 0, NULL, 0);
	peer_expect(p, VMB_FRAME_CLOSE);
	for (int i = 0; i <= PIECES; i++)
		peer_send(p, VMB_FRAME_STDOUT, first, 0, piece, sizeof(piece));
	peer_drain(p);
}

static void a_closed_session_does_not_go_on_for_ever(void)
{
	struct vmb_stream *s = peer_connect(&peer, never_ending_script);
	struct vmb_exec_request request = {.args = {"program"}};
	struct vmb_streams io = streams(0);
	struct vmb_session *x = session_of(s);

	vmb_session_close(x);
	x = session_of(s);
	ASSERT_OK(vmb_session_run(x, &io));
	vmb_session_close(x);
	ASSERT_ERROR(vmb_session_open(s, &request, vmb_deadline_in(PEER_MS), &x), VMBOOT_EGUEST,
		     "goes on about programs that were closed");
	end(s);
}

static sem_t go, gone;

static void deaf_script(struct peer *p)
{
	peer_started(p);
	sem_wait(&go);
	peer_drain(p);
}

/* Whoever takes nothing is not buried in requests. */
static void a_peer_that_takes_nothing(void)
{
	enum { PIECES = VMB_STREAM_STUCK_MAX / VMB_FRAME_PAYLOAD_MAX + 16 };
	const uint8_t *piece = test_alloc(VMB_FRAME_PAYLOAD_MAX);
	struct vmb_exec_request request = {.args = {"program"}};
	struct vmb_session *x, *more = NULL;
	struct vmb_stream *s;

	sem_init(&go, 0, 0);
	s = peer_connect(&peer, deaf_script);
	x = session_of(s);
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < PIECES; i++)
		vmb_stream_send(s, VMB_FRAME_STDIN, x->id, 0, piece, VMB_FRAME_PAYLOAD_MAX);
	pthread_mutex_unlock(&s->lock);
	ASSERT_ERROR(vmb_session_open(s, &request, vmb_deadline_in(PEER_MS), &more), EAGAIN,
		     "takes nothing more");
	sem_post(&go);
	vmb_session_close(x);
	end(s);
}

/* ---- greetings ---- */

static void silent_script(struct peer *p)
{
	peer_drain(p);
}

static void gives_up_on_silence(void)
{
	struct vmb_stream *s = NULL;
	int fd = peer_start(&peer, silent_script);

	ASSERT_ERROR(vmb_stream_open(fd, vmb_deadline_in(50), &s), ETIMEDOUT, "does not answer");
	peer_join(&peer);
}

static void gone_script(struct peer *p)
{
	peer_expect(p, VMB_FRAME_HELLO);
}

static void notices_an_end_before_the_greeting(void)
{
	struct vmb_stream *s = NULL;
	int fd = peer_start(&peer, gone_script);

	ASSERT_ERROR(vmb_stream_open(fd, vmb_deadline_in(PEER_MS), &s), VMBOOT_EENDED, "ended");
	peer_join(&peer);
}

static void stale_script(struct peer *p)
{
	static const char garbage[] = "garbage VMBS VMBS and a frame that was cut";
	struct vmb_frame f = peer_expect(p, VMB_FRAME_HELLO);
	static uint8_t big[60000];
	const struct vmb_frame cut = {VMB_FRAME_STDOUT, 98, 0, big, sizeof(big)};
	uint8_t head[VMB_FRAME_HEAD];

	vmb_frame_head(&cut, head);
	peer_raw(p, garbage, sizeof(garbage));
	peer_send(p, VMB_FRAME_STDOUT, 99, 0, "old", 3);
	peer_raw(p, head, sizeof(head)); /* and none of what it promises */
	peer_raw(p, head, 11);
	peer_send(p, VMB_FRAME_HELLO, 0, f.value ^ 2, NULL, 0);
	peer_send(p, VMB_FRAME_HELLO, 0, 0, NULL, 0);
	peer_send(p, VMB_FRAME_HELLO, 0, f.value, NULL, 0);
	peer_send(p, VMB_FRAME_EXIT, peer_started(p), 5, NULL, 0);
	peer_drain(p);
}

static void skips_what_others_left(void)
{
	struct vmb_streams io = streams(0);
	struct vmb_stream *s = NULL;
	struct vmb_session *x;

	ASSERT_OK(vmb_stream_open(peer_start(&peer, stale_script), vmb_deadline_in(PEER_MS), &s));
	x = session_of(s);
	ASSERT_OK(vmb_session_run(x, &io));
	CU_ASSERT_EQUAL(io.status, 5);
	vmb_session_close(x);
	end(s);
}

static void flood_script(struct peer *p)
{
	static char zeros[1 << 20];

	for (int i = 0; i < 80; i++)
		peer_raw(p, zeros, sizeof(zeros));
	peer_drain(p);
}

static void is_not_flooded_before_the_greeting(void)
{
	struct vmb_stream *s = NULL;
	int fd = peer_start(&peer, flood_script);

	ASSERT_ERROR(vmb_stream_open(fd, vmb_deadline_in(PEER_MS), &s), VMBOOT_EGUEST, "greeting");
	peer_join(&peer);
}

/* ---- hostile peers: each does one wrong thing to a session that runs ---- */

static uint32_t victim;

static void raw_garbage(struct peer *p)
{
	peer_raw(p, "this is no frame, and long enough", 33);
}

static void bad_crc(struct peer *p)
{
	const struct vmb_frame f = {VMB_FRAME_STDOUT, victim, 0, (const uint8_t *)"x", 1};
	uint8_t head[VMB_FRAME_HEAD];

	vmb_frame_head(&f, head);
	head[4] ^= 1;
	peer_raw(p, head, sizeof(head));
	peer_raw(p, "x", 1);
}

static void bad_length(struct peer *p)
{
	const struct vmb_frame f = {VMB_FRAME_STDOUT, victim, 0, (const uint8_t *)"x", 1};
	uint8_t head[VMB_FRAME_HEAD];

	vmb_frame_head(&f, head);
	memset(head + 20, 0xff, 4);
	peer_raw(p, head, sizeof(head));
}

static void over_credit(struct peer *p)
{
	static uint8_t piece[VMB_FRAME_PAYLOAD_MAX];

	for (int i = 0; i <= VMB_STREAM_WINDOW / VMB_FRAME_PAYLOAD_MAX; i++)
		peer_send(p, VMB_FRAME_STDERR, victim, 0, piece, sizeof(piece));
}

static void too_much_credit(struct peer *p)
{
	peer_send(p, VMB_FRAME_CREDIT, victim, VMB_STREAM_WINDOW, NULL, 0);
	peer_send(p, VMB_FRAME_CREDIT, victim, 1, NULL, 0);
}

static void overflowing_credit(struct peer *p)
{
	peer_send(p, VMB_FRAME_CREDIT, victim, 1, NULL, 0);
	peer_send(p, VMB_FRAME_CREDIT, victim, UINT32_MAX, NULL, 0);
}

static void unknown_session(struct peer *p)
{
	peer_send(p, VMB_FRAME_STDOUT, victim + 1, 0, "x", 1);
}

static void empty_output(struct peer *p)
{
	peer_send(p, VMB_FRAME_STDOUT, victim, 0, NULL, 0);
}

static void no_credit(struct peer *p)
{
	peer_send(p, VMB_FRAME_CREDIT, victim, 0, NULL, 0);
}

static void no_session(struct peer *p)
{
	peer_send(p, VMB_FRAME_EXIT, 0, 0, NULL, 0);
}

static void host_frame(struct peer *p)
{
	peer_send(p, VMB_FRAME_CLOSE, victim, 0, NULL, 0);
}

static void second_start(struct peer *p)
{
	peer_send(p, VMB_FRAME_STARTED, victim, 5, NULL, 0);
}

static void failure_of_what_runs(struct peer *p)
{
	peer_send(p, VMB_FRAME_FAILED, victim, ENOENT, NULL, 0);
}

static void signal_zero(struct peer *p)
{
	peer_send(p, VMB_FRAME_EXIT, victim, 256, NULL, 0);
}

static void exit_of_nobody(struct peer *p)
{
	peer_send(p, VMB_FRAME_EXIT, victim, 100000, NULL, 0);
}

static void exit_with_payload(struct peer *p)
{
	peer_send(p, VMB_FRAME_EXIT, victim, 0, "x", 1);
}

static void output_after_the_end(struct peer *p)
{
	static uint8_t piece[VMB_FRAME_PAYLOAD_MAX];

	/* the end is only seen when all output was taken, so this one is */
	peer_send(p, VMB_FRAME_STDOUT, victim, 0, piece, 1);
	peer_send(p, VMB_FRAME_HELLO, 0, 12345, NULL, 0);
}

static void new_agent(struct peer *p)
{
	peer_send(p, VMB_FRAME_HELLO, 0, 0, NULL, 0);
}

static const struct {
	void (*fn)(struct peer *p);
	const char *words;
} attacks[] = {
	{raw_garbage, "no frame"},
	{bad_crc, "no frame"},
	{bad_length, "no frame"},
	{empty_output, "output that is none"},
	{no_credit, "or none"},
	{too_much_credit, "more credit"},
	{overflowing_credit, "more credit"},
	{unknown_session, "never was"},
	{no_session, "without a session"},
	{host_frame, "only hosts"},
	{second_start, "started twice"},
	{failure_of_what_runs, "without a reason"},
	{signal_zero, "cannot be"},
	{exit_of_nobody, "cannot be"},
	{exit_with_payload, "cannot be"},
	{output_after_the_end, "started again"},
	{new_agent, "started again"},
};
static size_t attack;

static void attack_script(struct peer *p)
{
	victim = peer_started(p);
	attacks[attack].fn(p);
	peer_drain(p);
}

/* Whoever runs is told, nothing hangs, and who comes later is told too. */
static void drops_whoever_breaks_the_rules(void)
{
	for (attack = 0; attack < ARRAY_SIZE(attacks); attack++) {
		struct vmb_stream *s = peer_connect(&peer, attack_script);
		struct vmb_exec_request request = {.args = {"program"}};
		struct vmb_session *x = session_of(s), *late = NULL;
		struct vmb_streams io = streams(1 << 20);

		io.until = vmb_deadline_in(VMBOOT_FOREVER);
		ASSERT_ERROR(vmb_session_run(x, &io), VMBOOT_EGUEST, attacks[attack].words);
		CU_ASSERT(vmb_stream_is_broken(s));
		ASSERT_ERROR(vmb_session_open(s, &request, vmb_deadline_in(PEER_MS), &late),
			     VMBOOT_EGUEST, attacks[attack].words);
		done(&io);
		vmb_session_close(x);
		end(s);
	}
}

static void greedy_script(struct peer *p)
{
	victim = peer_started(p);
	over_credit(p);
	peer_drain(p);
}

/* Nobody takes the output, so its credit is used up. */
static void output_over_the_credit_is_refused(void)
{
	struct vmb_stream *s = peer_connect(&peer, greedy_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(1 << 20);
	struct pollfd fd = {.fd = vmb_session_fd(x), .events = POLLIN};

	while (!vmb_stream_is_broken(s) && poll(&fd, 1, PEER_MS) > 0)
		vmb_session_clear(x);
	ASSERT_ERROR(vmb_session_run(x, &io), VMBOOT_EGUEST, "more output");
	CU_ASSERT_EQUAL(io.out[1].buf.len, VMB_STREAM_WINDOW);
	over(s, x, &io);
}

static void dies_script(struct peer *p)
{
	uint32_t session = peer_started(p);

	peer_send(p, VMB_FRAME_STDOUT, session, 0, "half", 4);
	peer_raw(p, "VMBS", 4); /* and a half frame */
}

static void tells_that_the_guest_died(void)
{
	struct vmb_stream *s = peer_connect(&peer, dies_script);
	struct vmb_session *x = session_of(s);
	struct vmb_streams io = streams(100);

	io.until = vmb_deadline_in(VMBOOT_FOREVER);
	ASSERT_ERROR(vmb_session_run(x, &io), VMBOOT_EENDED, "ended");
	ASSERT_STR(io.out[0].buf.data, "half"); /* what came before is not lost */
	over(s, x, &io);
}

/* More than the host reads at once, and an end; it hears nothing any more. */
static void dies_full_script(struct peer *p)
{
	static uint8_t piece[VMB_FRAME_PAYLOAD_MAX];
	uint32_t session = peer_started(p);
	int size = 4 * VMB_FRAME_PAYLOAD_MAX;

	setsockopt(p->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	sem_wait(&go);
	for (int i = 0; i < 3; i++)
		peer_send(p, VMB_FRAME_STDOUT, session, 0, piece, sizeof(piece));
	shutdown(p->fd, SHUT_RDWR);
	sem_post(&gone);
}

/*
 * The stream's thread cannot go on reading while the guest sends its last and goes, because we have
 * its lock, and the next that it does is to write.
 */
static void reads_to_the_end_before_it_tells(void)
{
	struct vmb_stream *s;
	struct vmb_session *x;
	struct vmb_streams io = streams(1 << 20);

	sem_init(&go, 0, 0);
	sem_init(&gone, 0, 0);
	s = peer_connect(&peer, dies_full_script);
	x = session_of(s);
	pthread_mutex_lock(&s->lock);
	sem_post(&go);
	sem_wait(&gone);
	vmb_stream_send(s, VMB_FRAME_STDIN, x->id, 0, NULL, 0);
	pthread_mutex_unlock(&s->lock);
	ASSERT_ERROR(vmb_session_run(x, &io), VMBOOT_EENDED, "ended");
	CU_ASSERT_EQUAL(io.out[0].buf.len, 3 * VMB_FRAME_PAYLOAD_MAX);
	over(s, x, &io);
}

/*
 * 262144 frames of one byte, in turns on both outputs, to nobody who reads; then another program is
 * started, which tells that all of them have arrived.
 */
static void crumbs_script(struct peer *p)
{
	enum { CRUMB = VMB_FRAME_HEAD + 1, ROUNDS = 64, N = VMB_STREAM_WINDOW / ROUNDS };
	static uint8_t crumbs[N * CRUMB];
	uint32_t session = peer_started(p);

	for (size_t i = 0; i < N; i++) {
		const struct vmb_frame f = {i % 2 ? VMB_FRAME_STDOUT : VMB_FRAME_STDERR, session, 0,
					    (const uint8_t *)"x", 1};

		vmb_frame_head(&f, crumbs + i * CRUMB);
		crumbs[i * CRUMB + VMB_FRAME_HEAD] = 'x';
	}
	for (int i = 0; i < ROUNDS; i++)
		peer_raw(p, crumbs, sizeof(crumbs));
	peer_send(p, VMB_FRAME_EXIT, session, 0, NULL, 0);
	peer_started(p);
	peer_drain(p);
}

static void crumbs_cost_no_memory(void)
{
	struct vmb_stream *s = peer_connect(&peer, crumbs_script);
	struct vmb_exec_request request = {.args = {"program"}};
	struct vmb_session *x = session_of(s), *after = NULL;
	struct vmb_piece *piece;
	size_t pieces = 0, bytes[2] = {0};
	int status = -1;

	/* as many wake-ups go before it */
	ASSERT_OK(vmb_session_open(s, &request, vmb_deadline_in(20 * PEER_MS), &after));
	while ((piece = vmb_session_take(x))) {
		pieces++;
		bytes[piece->err] += piece->n;
		vmb_session_give_back(x, piece);
	}
	CU_ASSERT_EQUAL(vmb_session_status(x, &status), 1);
	CU_ASSERT(pieces <= 1025);
	CU_ASSERT_EQUAL(bytes[0], VMB_STREAM_WINDOW / 2);
	CU_ASSERT_EQUAL(bytes[1], VMB_STREAM_WINDOW / 2);
	vmb_session_close(x);
	vmb_session_close(after);
	end(s);
}

/* ---- many ---- */

enum { MANY = 64 };

/* Answers each EXEC with its session's number, when all are there, last come first. */
static void many_script(struct peer *p)
{
	uint32_t sessions[MANY];
	char text[16];

	for (int i = 0; i < MANY; i++) {
		sessions[i] = peer_expect(p, VMB_FRAME_EXEC).session;
		peer_send(p, VMB_FRAME_STARTED, sessions[i], 1, NULL, 0);
	}
	for (int i = MANY - 1; i >= 0; i--) {
		snprintf(text, sizeof(text), "%u", sessions[i]);
		peer_send(p, VMB_FRAME_STDOUT, sessions[i], 0, text, strlen(text));
		peer_send(p, VMB_FRAME_EXIT, sessions[i], sessions[i] % 256, NULL, 0);
	}
	peer_drain(p);
}

static void *one_of_many(void *data)
{
	struct vmb_exec_request request = {.args = {"program"}};
	struct vmb_streams io = streams(100);
	struct vmb_session *x;
	bool ok = false;

	if (vmb_session_open(data, &request, vmb_deadline_in(PEER_MS), &x) < 0)
		return NULL;
	if (vmb_session_run(x, &io) == 0)
		ok = atoi(io.out[0].buf.data) == io.status && io.status > 0;
	done(&io);
	vmb_session_close(x);
	return ok ? data : NULL;
}

static void runs_64_at_once(void)
{
	struct vmb_stream *s = peer_connect(&peer, many_script);
	pthread_t threads[MANY];
	int good = 0;

	for (int i = 0; i < MANY; i++)
		CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, one_of_many, s), 0);
	for (int i = 0; i < MANY; i++) {
		void *ok;

		pthread_join(threads[i], &ok);
		good += ok != NULL;
	}
	CU_ASSERT_EQUAL(good, MANY);
	end(s);
}

TEST_MAIN("agent-host/stream", {"echoes", echoes},
	  {"takes more than the window", takes_more_than_the_window},
	  {"cuts at the limit", cuts_at_the_limit}, {"writes to a pipe", writes_to_a_pipe},
	  {"survives a reader that left", survives_a_reader_that_left},
	  {"a stuck reader stops nobody else", a_stuck_reader_stops_nobody_else},
	  {"kills at the deadline", kills_at_the_deadline},
	  {"a program that cannot be killed is left", a_program_that_cannot_be_killed_is_left},
	  {"passes signals and sizes on", passes_signals_and_sizes_on},
	  {"tells why it cannot run", tells_why_it_cannot_run},
	  {"ignores what comes for a closed session", ignores_what_comes_for_a_closed_session},
	  {"a closed session does not go on for ever", a_closed_session_does_not_go_on_for_ever},
	  {"a peer that takes nothing", a_peer_that_takes_nothing},
	  {"gives up on silence", gives_up_on_silence},
	  {"notices an end before the greeting", notices_an_end_before_the_greeting},
	  {"skips what others left", skips_what_others_left},
	  {"is not flooded before the greeting", is_not_flooded_before_the_greeting},
	  {"drops whoever breaks the rules", drops_whoever_breaks_the_rules},
	  {"output over the credit is refused", output_over_the_credit_is_refused},
	  {"tells that the guest died", tells_that_the_guest_died},
	  {"reads to the end before it tells", reads_to_the_end_before_it_tells},
	  {"crumbs cost no memory", crumbs_cost_no_memory}, {"runs 64 at once", runs_64_at_once})
