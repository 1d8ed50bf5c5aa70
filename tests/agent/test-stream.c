/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/file.h"
#include "client.h"

/* Runs a script to its end. */
static struct said *run(struct client *c, uint32_t session, const char *script)
{
	struct said *said = test_alloc(sizeof(*said));

	client_sh(c, session, script);
	client_credit(c, session, 65536);
	client_collect(c, session, said);
	client_send(c, VMB_FRAME_CLOSE, session, 0, NULL, 0);
	return said;
}

static void output_and_code(void)
{
	struct client *c = client_new("");
	struct said *said = run(c, 1, "echo out; echo err >&2; echo $BASE; exit 7");

	CU_ASSERT(said->started > 1);
	CU_ASSERT_EQUAL(said->exit, 7);
	ASSERT_STR(said->out, "out\nyes\n");
	ASSERT_STR(said->err, "err\n");
	client_done(c);
}

static void every_exit_code(void)
{
	struct client *c = client_new("");

	for (unsigned code = 0; code < 256; code++)
		CU_ASSERT_EQUAL(run(c, code + 1, test_path("exit %u", code))->exit, code);
	CU_ASSERT_EQUAL(run(c, 300, "kill -9 $$")->exit, 256 + 9);
	CU_ASSERT_EQUAL(run(c, 301, "kill -TERM $$")->exit, 256 + 15);
	client_done(c);
}

static struct said *run_request(struct client *c, uint32_t session, struct vmb_exec_request r)
{
	struct said *said = test_alloc(sizeof(*said));

	client_exec(c, session, &r);
	client_credit(c, session, 65536);
	client_collect(c, session, said);
	client_send(c, VMB_FRAME_CLOSE, session, 0, NULL, 0);
	return said;
}

static void what_cannot_run(void)
{
	struct client *c = client_new("");
	struct said *said = run_request(c, 1, (struct vmb_exec_request){.args = {"/no/such"}});

	CU_ASSERT_EQUAL(said->failed, ENOENT);
	ASSERT_STR(said->words, "cannot run \"/no/such\"");
	said = run_request(c, 2, (struct vmb_exec_request){.args = {"/etc"}});
	CU_ASSERT_EQUAL(said->failed, EACCES);
	said = run_request(c, 3, (struct vmb_exec_request){.args = {"sh"}, .workdir = "/no/dir"});
	CU_ASSERT_EQUAL(said->failed, ENOENT);
	said = run_request(c, 4, (struct vmb_exec_request){.args = {"sh"}, .user = "nobody-such"});
	CU_ASSERT_EQUAL(said->failed, EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(said->words, "nobody-such"));
	memset(said, 0, sizeof(*said));
	client_send(c, VMB_FRAME_EXEC, 5, 0, "what=x", 7);
	client_collect(c, 5, said);
	CU_ASSERT_EQUAL(said->failed, EBADMSG);
	client_done(c);
}

/* What Linux takes goes through, and what it does not is its error. */
static void long_requests(void)
{
	struct client *c = client_new("");
	struct vmb_exec_request r = {.args = {"sh", "-c", "echo $# ${#1} ${#BIG}"},
				     .env = {test_path("BIG=%0100000d", 0)}};
	const char *big = test_path("%0128000d", 0);

	for (int i = 3; i < 15; i++)
		r.args[i] = big;
	ASSERT_STR(run_request(c, 1, r)->out, "11 128000 100000\n");
	for (int i = 15; i < 19; i++)
		r.args[i] = big;
	if (!getenv("TEST_VALGRIND")) /* which ends when an exec fails that looked good */
		CU_ASSERT_EQUAL(run_request(c, 2, r)->failed, E2BIG);
	ASSERT_STR(run(c, 3, "echo on")->out, "on\n");
	/* the second piece is not as long as the first one said */
	client_send(c, VMB_FRAME_EXEC, 4, 100, "arg=a", 6);
	client_send(c, VMB_FRAME_EXEC, 4, 0, "arg=b", 6);
	CU_ASSERT_EQUAL(client_next(c, CLIENT_WAIT_MS).type, VMB_FRAME_HELLO);
	client_hello(c, 77);
	client_send(c, VMB_FRAME_EXEC, 5, UINT32_MAX, "arg=a", 6);
	CU_ASSERT_EQUAL(client_next(c, CLIENT_WAIT_MS).type, VMB_FRAME_HELLO);
	client_hello(c, 78);
	client_send(c, VMB_FRAME_EXEC, 6, 10, "arg=a", 6); /* and it is left so */
	client_done(c);
}

static void environment_and_folder(void)
{
	const char *script = "pwd; echo $BASE $MORE $HOME; umask; ulimit -n";
	const struct rlimit most = {1048576, 1048576};
	struct rlimit files = {0};
	struct client *c = client_new("");
	struct said *said =
		run_request(c, 1,
			    (struct vmb_exec_request){.args = {"sh", "-c", script},
						      .env = {"BASE=no", "MORE=a b"},
						      .workdir = "/usr",
						      .user = geteuid() == 0 ? "root" : ""});

	if (geteuid() == 0 && !getenv("TEST_VALGRIND")) /* which has a limit of files of its own */
		/* without the right to raise it, all that there is */
		ASSERT_STR(said->out, test_path("/usr\nno a b /root\n0022\n%lu\n",
						getrlimit(RLIMIT_NOFILE, &files) == 0 &&
								setrlimit(RLIMIT_NOFILE, &most) < 0
							? (unsigned long)files.rlim_max
							: 1048576));
	CU_ASSERT_EQUAL(said->exit, 0);
	client_done(c);
}

/* What the request leaves out is the program's; the agent's own programs are root's, at "/". */
static void the_programs_user_and_folder(void)
{
	const bool root = geteuid() == 0;
	const char *dir = test_tmpdir();
	struct init *defaults = calloc(1, sizeof(*defaults));
	char user[] = "user=12345:23456", ulimit[] = "ulimit=core=0:0", *workdir = test_alloc(64);
	char *records[] = {user, workdir, ulimit};
	struct client *c;
	struct said *said;

	snprintf(workdir, 64, "workdir=/usr");
	CU_ASSERT_EQUAL(agent_take_defaults(defaults, 3, records), 0);
	c = client_new_for("", &defaults->config);
	said = run_request(c, 1,
			   (struct vmb_exec_request){
				   .args = {"sh", "-c", "pwd; id -u; id -g; ulimit -Hc"}});
	ASSERT_STR(said->out, root ? "/usr\n12345\n23456\n0\n"
				   : test_path("/usr\n%u\n%u\n0\n", geteuid(), getegid()));
	said = run_request(c, 2,
			   (struct vmb_exec_request){.args = {"sh", "-c", "pwd; id -u"},
						     .user = "0",
						     .workdir = "/"});
	ASSERT_STR(said->out, root ? "/\n0\n" : test_path("/\n%u\n", geteuid()));
	CU_ASSERT_EQUAL(chmod(dir, 0700), 0);
	said = run_request(c, 3, (struct vmb_exec_request){.args = {VMB_TAR_OUT, dir}});
	CU_ASSERT_EQUAL(said->exit, 0);
	client_done(c);
	free((void *)(uintptr_t)defaults->config.ulimit);
	free(defaults);
}

/* Sends input as there is credit for it, and collects. */
static void feed(struct client *c, uint32_t session, const uint8_t *bytes, size_t n,
		 struct said *said)
{
	size_t at = 0;
	bool ended = false;

	while (!said->over) {
		size_t now = n - at < said->may_send ? n - at : said->may_send;
		struct vmb_frame f;

		now = now < 40000 ? now : 40000;
		if (now > 0) {
			client_send(c, VMB_FRAME_STDIN, session, 0, bytes + at, now);
			at += now;
			said->may_send -= (uint32_t)now;
			continue;
		}
		if (at == n && !ended) {
			ended = true;
			client_send(c, VMB_FRAME_STDIN, session, 0, NULL, 0);
		}
		f = client_next(c, CLIENT_WAIT_MS);
		CU_ASSERT_FATAL(f.type != 0);
		client_add(c, &f, said);
	}
}

/* 1 MiB of all byte values through cat. */
static void binary_input(void)
{
	enum { N = 1 << 20 };
	struct client *c = client_new("");
	struct said *said = test_alloc(sizeof(*said));
	uint8_t *bytes = test_alloc(N);
	uint64_t sum = 0;

	for (size_t i = 0; i < N; i++) {
		bytes[i] = (uint8_t)(i * 31 + (i >> 8));
		sum += i * bytes[i];
	}
	client_sh(c, 1, "cat");
	client_credit(c, 1, VMB_STREAM_WINDOW);
	feed(c, 1, bytes, N, said);
	CU_ASSERT_EQUAL(said->out_n, N);
	CU_ASSERT_EQUAL(said->out_sum, sum);
	CU_ASSERT_EQUAL(said->exit, 0);
	/* one that reads nothing swallows it all */
	memset(said, 0, sizeof(*said));
	client_sh(c, 2, "exec <&-; sleep 0.2; exit 3");
	feed(c, 2, bytes, N, said);
	CU_ASSERT_EQUAL(said->exit, 3);
	client_done(c);
}

static void many_at_once(void)
{
	enum { N = 64 };
	struct client *c = client_new("");
	struct said *said = test_alloc(N * sizeof(*said));
	size_t over = 0;

	for (uint32_t i = 0; i < N; i++) {
		client_sh(c, i + 1,
			  test_path("head -c 100000 /dev/zero; echo %u >&2; exit %u", i, i));
		client_credit(c, i + 1, 65536);
	}
	while (over < N) {
		struct vmb_frame f = client_next(c, CLIENT_WAIT_MS);

		CU_ASSERT_FATAL(f.type != 0 && f.session >= 1 && f.session <= N);
		client_add(c, &f, &said[f.session - 1]);
		over += said[f.session - 1].over;
	}
	for (unsigned i = 0; i < N; i++) {
		CU_ASSERT_EQUAL(said[i].exit, i);
		CU_ASSERT_EQUAL(said[i].out_n, 100000);
		ASSERT_STR(said[i].err, test_path("%u\n", i));
	}
	client_done(c);
}

/* One session's reader takes nothing at all; another's 10 MiB pass. */
static void a_stuck_reader(void)
{
	struct client *c = client_new("");
	struct said *said = test_alloc(sizeof(*said));

	client_sh(c, 1, "cat /dev/zero");
	client_credit(c, 1, 5000);
	client_sh(c, 2, "head -c 10485760 /dev/zero");
	client_credit(c, 2, VMB_STREAM_WINDOW);
	while (!said->over || said->err_n < 5000) {
		struct vmb_frame f = client_next(c, CLIENT_WAIT_MS);

		CU_ASSERT_FATAL(f.type != 0);
		if (f.session == 2)
			client_add(c, &f, said);
		else if (f.type == VMB_FRAME_STDOUT)
			said->err_n += f.length;
	}
	CU_ASSERT_EQUAL(said->out_n, 10485760);
	CU_ASSERT_EQUAL(said->err_n, 5000);
	client_done(c);
}

/* Frames until one of that type comes for the session. */
static struct vmb_frame await(struct client *c, enum vmb_frame_type type)
{
	struct vmb_frame f;

	do {
		f = client_next(c, CLIENT_WAIT_MS);
		CU_ASSERT_FATAL(f.type != 0);
	} while (f.type != type);
	return f;
}

static void signals(void)
{
	struct client *c = client_new("");
	struct vmb_frame f;

	client_sh(c, 1, "trap 'echo usr; exit 5' USR1; echo ready; while :; do sleep 0.01; done");
	client_credit(c, 1, 1000);
	await(c, VMB_FRAME_STDOUT);
	client_send(c, VMB_FRAME_SIGNAL, 1, SIGUSR1, NULL, 0);
	f = await(c, VMB_FRAME_EXIT);
	CU_ASSERT_EQUAL(f.value, 5);
	/* after its end, and before CLOSE, nothing breaks the rules */
	client_send(c, VMB_FRAME_SIGNAL, 1, SIGTERM, NULL, 0);
	client_send(c, VMB_FRAME_STDIN, 1, 0, "x", 1);
	client_credit(c, 1, 1);
	client_sh(c, 2, "exec sleep 100");
	await(c, VMB_FRAME_STARTED);
	client_send(c, VMB_FRAME_SIGNAL, 2, SIGKILL, NULL, 0);
	f = await(c, VMB_FRAME_EXIT);
	CU_ASSERT_EQUAL(f.session, 2);
	CU_ASSERT_EQUAL(f.value, 256 + SIGKILL);
	client_done(c);
}

static void terminals(void)
{
	struct client *c = client_new("");
	struct said *said = test_alloc(sizeof(*said));
	const struct vmb_exec_request request = {
		.args = {"sh", "-c", "stty size; read x; stty size; read y; echo [$y]; cat; tty"},
		.tty = true,
		.rows = 24,
		.columns = 80};
	struct vmb_frame f;

	client_exec(c, 1, &request);
	client_credit(c, 1, 4096);
	while (!strstr(said->out, "24 80")) {
		f = client_next(c, CLIENT_WAIT_MS);
		CU_ASSERT_FATAL(f.type != 0);
		client_add(c, &f, said);
	}
	client_send(c, VMB_FRAME_RESIZE, 1, 132 << 16 | 50, NULL, 0);
	client_send(c, VMB_FRAME_STDIN, 1, 0, "\n", 1);
	client_send(c, VMB_FRAME_STDIN, 1, 0, "hello\n", 6);
	client_send(c, VMB_FRAME_STDIN, 1, 0, NULL, 0);
	client_collect(c, 1, said);
	CU_ASSERT_PTR_NOT_NULL(strstr(said->out, "50 132"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said->out, "[hello]"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said->out, "/dev/pts/"));
	CU_ASSERT_EQUAL(said->exit, 0);
	CU_ASSERT_EQUAL(said->err_n, 0);
	client_done(c);
}

/* The end of what is typed ends the program, though its last line is not whole, and whichever way it
 * reads: by lines, twice, or by keys. */
static void the_end_of_a_terminals_input(void)
{
	static const struct {
		const char *args[4], *typed;
		uint32_t exit;
	} rows[] = {
		{{"sh"}, "exit 3", 3},
		{{"sh"}, "true\nexit 4\n", 4},
		{{"sh", "-c", "cat; cat; exit 5"}, "abc", 5},
		{{"sh", "-c", "stty raw; echo up; dd bs=1 count=5; exit 6"}, "abc", 6},
		{{"busybox", "sh"}, "exit 7", 7},
		{{"bash", "--norc", "-i"}, "exit 8", 8},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct client *c = client_new("");
		struct said *said = test_alloc(sizeof(*said));
		struct vmb_exec_request request = {.tty = true};

		memcpy(request.args, rows[i].args, sizeof(rows[i].args));
		client_exec(c, 1, &request);
		client_credit(c, 1, 4096);
		while (!said->over && !said->may_send) {
			struct vmb_frame f = client_next(c, CLIENT_WAIT_MS);

			CU_ASSERT_FATAL(f.type != 0);
			client_add(c, &f, said);
		}
		if (!said->over) {
			client_send(c, VMB_FRAME_STDIN, 1, 0, rows[i].typed, strlen(rows[i].typed));
			client_send(c, VMB_FRAME_STDIN, 1, 0, NULL, 0);
			client_collect(c, 1, said);
		}
		if (said->failed != ENOENT) /* a shell that is not installed here */
			CU_ASSERT_EQUAL(said->exit, rows[i].exit);
		client_done(c);
	}
}

/* Ctrl-C is a byte, and the terminal makes the signal of it. */
static void interrupt_key(void)
{
	struct client *c = client_new("");
	const struct vmb_exec_request request = {.args = {"sleep", "100"}, .tty = true};
	struct vmb_frame f;

	client_exec(c, 1, &request);
	client_credit(c, 1, 100);
	await(c, VMB_FRAME_CREDIT);
	client_send(c, VMB_FRAME_STDIN, 1, 0, "\003", 1);
	f = await(c, VMB_FRAME_EXIT);
	CU_ASSERT_EQUAL(f.value, 256 + SIGINT);
	client_done(c);
}

/* What stays in the background keeps the pipe open, but not the session. */
static void background(void)
{
	struct client *c = client_new("");
	struct said *said = run(c, 1, "sleep 100 & echo $!");

	CU_ASSERT_EQUAL(said->exit, 0);
	CU_ASSERT_EQUAL(kill(atoi(said->out), SIGKILL), 0);
	client_done(c);
}

static bool gone(pid_t pid)
{
	struct vmb_deadline until = vmb_deadline_in(CLIENT_WAIT_MS);

	while (kill(pid, 0) == 0 && !vmb_deadline_passed(until))
		poll(NULL, 0, 5);
	return kill(pid, 0) < 0;
}

static void closing_kills(void)
{
	struct client *c = client_new("");
	pid_t pid;

	client_sh(c, 1, "trap '' TERM HUP INT; while :; do sleep 1; done");
	pid = (pid_t)await(c, VMB_FRAME_STARTED).value;
	client_send(c, VMB_FRAME_CLOSE, 1, 0, NULL, 0);
	CU_ASSERT(gone(pid));
	client_sh(c, 2, "exec sleep 100");
	pid = (pid_t)await(c, VMB_FRAME_STARTED).value;
	client_hello(c, 99);
	CU_ASSERT(gone(pid));
	/* the number may be taken again: it is another connection */
	CU_ASSERT_EQUAL(run(c, 2, "exit 9")->exit, 9);
	client_done(c);
}

/* Whatever breaks a rule ends the connection, with what runs in it, and HELLO begins another. */
static void rules(void)
{
	static const struct {
		enum vmb_frame_type type;
		uint32_t session, value;
		const char *payload;
	} breaches[] = {
		{VMB_FRAME_STDIN, 77, 0, "x"},	   {VMB_FRAME_CREDIT, 0, 1, ""},
		{VMB_FRAME_CREDIT, 1, 262145, ""}, {VMB_FRAME_SIGNAL, 1, 0, ""},
		{VMB_FRAME_SIGNAL, 1, 1000, ""},   {VMB_FRAME_EXEC, 1, 0, "arg=a"},
		{VMB_FRAME_EXEC, 0, 0, "arg=a"},   {VMB_FRAME_STDOUT, 1, 0, "x"},
		{VMB_FRAME_STARTED, 1, 0, ""},	   {VMB_FRAME_RESIZE, 1, 0, "x"},
		{VMB_FRAME_HELLO, 1, 0, ""},
	};
	/* more than its pipe and its window take, also when credit comes between */
	enum { TOO_MUCH = 8 };
	static const uint8_t zeros[VMB_FRAME_PAYLOAD_MAX];
	struct client *c = client_new("");
	pid_t pid;

	for (size_t i = 0; i <= ARRAY_SIZE(breaches); i++) {
		client_sh(c, 1, "exec sleep 100");
		pid = (pid_t)await(c, VMB_FRAME_STARTED).value;
		if (i < ARRAY_SIZE(breaches))
			client_send(c, breaches[i].type, breaches[i].session, breaches[i].value,
				    breaches[i].payload, strlen(breaches[i].payload));
		for (int n = 0; i == ARRAY_SIZE(breaches) && n < TOO_MUCH; n++)
			client_send(c, VMB_FRAME_STDIN, 1, 0, zeros, sizeof(zeros));
		CU_ASSERT_EQUAL(await(c, VMB_FRAME_HELLO).value, 0);
		CU_ASSERT(gone(pid));
		client_hello(c, (uint32_t)i + 1);
	}
	client_done(c);
}

/* Noise, with beginnings of frames in it, then HELLO. Nothing is waited for that never comes. */
static void noise(void)
{
	struct client *c = client_new("");
	uint8_t frame[VMB_FRAME_HEAD];
	unsigned seed = 1;

	for (int round = 0; round < 50; round++) {
		uint8_t bytes[3000];
		const struct vmb_frame f = {VMB_FRAME_STDIN, 1, 0, bytes, sizeof(bytes)};

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		vmb_frame_head(&f, frame);
		memcpy(bytes + 100, frame, sizeof(frame));
		memcpy(bytes + sizeof(bytes) - 30, frame, sizeof(frame));
		/* half a frame would be waited for while the connection stands: end it first */
		client_credit(c, 12345, 1);
		CU_ASSERT(write(c->stream, bytes, sizeof(bytes)) == sizeof(bytes));
		client_hello(c, 1000 + (uint32_t)round);
	}
	CU_ASSERT_EQUAL(run(c, 1, "exit 4")->exit, 4);
	client_done(c);
}

/* One session more than there may be. */
static void session_limit(void)
{
	struct client *c = client_new("");

	for (uint32_t i = 1; i <= VMB_STREAM_SESSIONS_MAX; i++)
		client_sh(c, i, "exec sleep 100");
	for (uint32_t i = 1; i <= VMB_STREAM_SESSIONS_MAX; i++)
		await(c, VMB_FRAME_STARTED);
	client_sh(c, 1000, "true");
	CU_ASSERT_EQUAL(await(c, VMB_FRAME_HELLO).value, 0);
	client_done(c);
}

/* A client that reads nothing, however much it asks for: the agent stays as it is. */
static void nobody_reads(void)
{
	struct client *c = client_new("");
	struct pollfd p = {.fd = c->stream, .events = POLLOUT};
	static const uint8_t zeros[60000];
	size_t sent = 0;

	client_sh(c, 1, "cat /dev/zero");
	client_credit(c, 1, VMB_STREAM_WINDOW);
	/* it stops to take, sooner or later */
	while (poll(&p, 1, 300) > 0 && sent < 64 << 20) {
		const struct vmb_frame f = {VMB_FRAME_HELLO, 0, 7, zeros, 0};
		uint8_t frame[VMB_FRAME_HEAD];
		ssize_t r;

		vmb_frame_head(&f, frame);
		r = send(c->stream, frame, sizeof(frame), MSG_NOSIGNAL);
		if (r < (ssize_t)sizeof(frame))
			break;
		sent += (size_t)r;
	}
	CU_ASSERT(sent < 64 << 20);
	client_done(c);
}

/* The two programs that are in the agent, through the port: an archive out of one into the other. */
static void copying(void)
{
	const char *from = test_path("%s/from", test_tmpdir());
	const char *to = test_path("%s/to", test_tmpdir());
	struct client *c = client_new("");
	struct said *said = test_alloc(sizeof(*said)), *put = test_alloc(sizeof(*put)), *none;

	CU_ASSERT_EQUAL_FATAL(mkdir(from, 0750), 0);
	CU_ASSERT_EQUAL_FATAL(mkdir(to, 0755), 0);
	test_write(test_path("%s/file", from), "text");
	client_exec(c, 1, &(struct vmb_exec_request){.args = {VMB_TAR_OUT, from}});
	client_credit(c, 1, VMB_STREAM_WINDOW);
	client_collect(c, 1, said);
	CU_ASSERT_EQUAL(said->exit, 0);
	CU_ASSERT(said->out_n > 3 * 512 && said->out_n % 512 == 0);
	none = run_request(c, 2, (struct vmb_exec_request){.args = {VMB_TAR_OUT, "/no/such"}});
	CU_ASSERT_EQUAL(none->exit, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(none->err, "/no/such"));
	none = run_request(c, 3, (struct vmb_exec_request){.args = {VMB_TAR_OUT}});
	CU_ASSERT_EQUAL(none->failed, ENOENT);
	if (getenv("TEST_VALGRIND")) { /* 3.19 knows no openat2(2) */
		client_done(c);
		return;
	}
	/* what was kept of it is cut short, which it must say */
	client_exec(c, 4, &(struct vmb_exec_request){.args = {VMB_TAR_IN, to}});
	client_credit(c, 4, 4096);
	feed(c, 4, (const uint8_t *)said->out, sizeof(said->out) - 1, put);
	CU_ASSERT_EQUAL(put->exit, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(put->err, "cut short"));
	ASSERT_STR(test_read(test_path("%s/from/file", to)), "text");
	client_done(c);
}

/* A port in a guest that is a folder: a terminal in raw mode, of which the other end is ours. */
static int make_port(const char *root, const char *node, const char *name)
{
	const char *folder = test_path("%s/sys/class/virtio-ports/%s", root, node);
	struct termios raw;
	int fd, port;

	ASSERT_OK(vmb_mkdir_p(folder, 0755));
	ASSERT_OK(vmb_mkdir_p(test_path("%s/dev", root), 0755));
	test_write(test_path("%s/name", folder), test_path("%s\n", name));
	CU_ASSERT_EQUAL_FATAL(openpty(&fd, &port, NULL, NULL, NULL), 0);
	CU_ASSERT_EQUAL(tcgetattr(port, &raw), 0);
	cfmakeraw(&raw);
	CU_ASSERT_EQUAL(tcsetattr(port, TCSANOW, &raw), 0);
	CU_ASSERT_EQUAL_FATAL(symlink(ttyname(port), test_path("%s/dev/%s", root, node)), 0);
	close(port);
	return fd;
}

/* Greets on a port, and reads until the greeting comes back. */
static void greet(int fd, uint32_t nonce)
{
	const struct vmb_frame hello = {VMB_FRAME_HELLO, 0, nonce, NULL, 0};
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	uint8_t head[VMB_FRAME_HEAD], in[VMB_FRAME_HEAD];
	size_t n = 0;
	ssize_t got;

	vmb_frame_head(&hello, head);
	CU_ASSERT_EQUAL(write(fd, head, sizeof(head)), sizeof(head));
	for (;;) {
		CU_ASSERT_FATAL(poll(&ready, 1, CLIENT_WAIT_MS) == 1);
		got = read(fd, in + n, sizeof(in) - n);
		CU_ASSERT_FATAL(got > 0);
		n += (size_t)got;
		if (n < sizeof(in))
			continue;
		if (memcmp(in, head, sizeof(head)) == 0)
			return;
		n = 0;
	}
}

/* Each is a connection of its own, and what else has a name is left alone. */
static void many_ports(void)
{
	const char *root = test_path("%s/root", test_tmpdir());
	int first = make_port(root, "vport0p30", VMB_STREAM_PORTS "1");
	int second = make_port(root, "vport0p7", VMB_STREAM_PORTS "24");
	int other = make_port(root, "vport0p8", VMB_STREAM_PORTS "25");
	struct client *c = client_new(root);
	struct pollfd ready = {.fd = other, .events = POLLIN};

	greet(first, 17);
	greet(second, 18);
	client_hello(c, 19);
	greet(first, 20);
	CU_ASSERT_FALSE(poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN));
	close(first);
	client_hello(c, 21);
	greet(second, 22);
	close(second);
	close(other);
	client_done(c);
}

TEST_MAIN("agent/stream", {"output and code", output_and_code},
	  {"every exit code", every_exit_code}, {"what cannot run", what_cannot_run},
	  {"long requests", long_requests}, {"environment and folder", environment_and_folder},
	  {"the program's user and folder", the_programs_user_and_folder},
	  {"binary input", binary_input}, {"many at once", many_at_once},
	  {"many ports", many_ports}, {"a stuck reader", a_stuck_reader}, {"signals", signals},
	  {"terminals", terminals}, {"the end of a terminal's input", the_end_of_a_terminals_input},
	  {"interrupt key", interrupt_key}, {"background", background},
	  {"closing kills", closing_kills}, {"rules", rules}, {"noise", noise},
	  {"session limit", session_limit}, {"nobody reads", nobody_reads}, {"copying", copying})
