/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs, stat and copies in real guests, through the agent. Most tests share one VM. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "boot.h"

static struct vmboot_vm *shared;

/* The VM that tests share; made by the first that asks. */
static struct vmboot_vm *vm(void)
{
	struct vmboot_opts opts = boot_opts("agent", "echo $FROM_IMAGE; sleep 100000");

	if (shared)
		return shared;
	ASSERT_OK(vmboot_create(&opts, &shared));
	ASSERT_OK(vmboot_wait(shared, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	return shared;
}

/* Runs it and frees the result; its standard output lives until the test ends. */
static const char *run(const struct vmboot_exec_opts *opts, int exit_code)
{
	struct vmboot_exec_result *result;
	const char *out;

	ASSERT_OK(vmboot_exec(vm(), opts, &result));
	CU_ASSERT_EQUAL(result->exit_code, exit_code);
	if (result->exit_code != exit_code)
		printf("exit %d: %s %s\n", result->exit_code, opts->args[2], result->err);
	CU_ASSERT_FALSE(result->timed_out);
	out = test_path("%s", result->out);
	vmboot_exec_result_free(result);
	return out;
}

static const char *run_sh(const char *script)
{
	struct vmboot_exec_opts opts = boot_sh(script);

	return run(&opts, 0);
}

/* "none", once no such program runs in the guest; what is killed is not gone at once. */
static const char *none_left(const char *program)
{
	return run_sh(test_path("for i in $(seq 300); do ps -o args | grep -q '%s' || break; "
				"sleep 0.2; done; ps -o args | grep '%s' || echo none",
				program, program));
}

static void outputs_and_exit_codes(void)
{
	struct vmboot_exec_opts opts = boot_sh("echo out; echo err >&2; exit 3");
	struct vmboot_exec_result *result;

	ASSERT_OK(vmboot_exec(vm(), &opts, &result));
	ASSERT_STR(result->out, "out\n");
	ASSERT_STR(result->err, "err\n");
	CU_ASSERT_EQUAL(result->exit_code, 3);
	CU_ASSERT_EQUAL(result->exit_signal, 0);
	CU_ASSERT_FALSE(result->out_cut || result->err_cut || result->timed_out);
	vmboot_exec_result_free(result);
	for (int code = 0; code < 256; code++) {
		opts = boot_sh(test_path("exit %d", code));
		run(&opts, code);
	}
}

static void signals(void)
{
	static const int numbers[] = {SIGHUP, SIGSEGV, SIGKILL, SIGTERM};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct vmboot_exec_opts opts = boot_sh(test_path("kill -%d $$", numbers[i]));
		struct vmboot_exec_result *result;

		ASSERT_OK(vmboot_exec(vm(), &opts, &result));
		CU_ASSERT_EQUAL(result->exit_signal, numbers[i]);
		CU_ASSERT_EQUAL(result->exit_code, -1);
		vmboot_exec_result_free(result);
	}
}

static void env_workdir_and_user(void)
{
	static const char *const env[] = {"ADDED=1 2", NULL};
	struct vmboot_exec_opts opts = boot_sh("echo \"$ADDED $FROM_IMAGE\"; pwd; id -u; id -g");

	ASSERT_STR(run(&opts, 0), " yes\n/\n0\n0\n");
	opts.env = env;
	opts.workdir = "/home/app";
	opts.user = "app";
	ASSERT_STR(run(&opts, 0), "1 2 yes\n/home/app\n1234\n2345\n");
}

static void what_cannot_run(void)
{
	static const char *const missing[] = {"/no/such", NULL}, *const name[] = {"no-such", NULL};
	static const char *const plain[] = {"/etc/passwd", NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = missing);
	struct vmboot_exec_result *result = NULL;

	ASSERT_ERROR(vmboot_exec(vm(), &opts, &result), ENOENT, "/no/such");
	opts.args = name;
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &result), ENOENT, "no-such");
	opts.args = plain;
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &result), EACCES, "/etc/passwd");
	opts = boot_sh("true");
	opts.user = "nobody-here";
	CU_ASSERT(vmboot_exec(vm(), &opts, &result) < 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(vmboot_last_error()->message, "nobody-here"));
	opts = boot_sh("true");
	opts.workdir = "/no/folder";
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &result), ENOENT, "/no/folder");
	opts.workdir = "relative";
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &result), VMBOOT_EOPTS, "relative");
	CU_ASSERT_PTR_NULL(result);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)((i * 2654435761U) >> 13);
}

static void binary_input(void)
{
	enum { N = 10 << 20 };
	uint8_t *bytes = test_alloc(N);
	struct vmboot_exec_opts opts = boot_sh("cat");
	struct vmboot_exec_result *result;

	for (size_t i = 0; i < N; i++)
		bytes[i] = pattern(i);
	opts.input = bytes;
	opts.input_size = N;
	ASSERT_OK(vmboot_exec(vm(), &opts, &result));
	CU_ASSERT_EQUAL(result->exit_code, 0);
	CU_ASSERT_EQUAL_FATAL(result->out_size, N);
	CU_ASSERT_EQUAL(memcmp(result->out, bytes, N), 0);
	vmboot_exec_result_free(result);
}

static void a_program_that_does_not_read(void)
{
	enum { N = 1000000 };
	struct vmboot_exec_opts opts = boot_sh("exec <&-; echo done");

	opts.input = test_alloc(N);
	opts.input_size = N;
	ASSERT_STR(run(&opts, 0), "done\n");
}

static void output_is_cut(void)
{
	struct vmboot_exec_opts opts = boot_sh("yes | head -c 1000000");
	struct vmboot_exec_result *result;

	opts.output_max = 1000;
	ASSERT_OK(vmboot_exec(vm(), &opts, &result));
	CU_ASSERT_EQUAL(result->out_size, 1000);
	CU_ASSERT(result->out_cut);
	CU_ASSERT_FALSE(result->err_cut);
	CU_ASSERT_EQUAL(result->exit_code, 0);
	vmboot_exec_result_free(result);
}

/* It and its children are killed, though they ignore what can be ignored. */
static void the_deadline_is_met(void)
{
	struct vmboot_exec_opts opts =
		boot_sh("trap '' TERM INT HUP; echo started; sleep 54321 & sleep 54321");
	struct vmboot_exec_result *result;
	int64_t before = vmb_monotonic_us();

	opts.timeout_ms = 1500;
	result = boot_time_out(vm(), opts);
	CU_ASSERT(result->timed_out);
	CU_ASSERT_EQUAL(result->exit_signal, SIGKILL);
	ASSERT_STR(result->out, "started\n");
	vmboot_exec_result_free(result);
	CU_ASSERT(vmb_monotonic_us() - before >= 1500000);
	ASSERT_STR(none_left("sleep 5432[1]"), "none\n");
}

/* What runs in the background holds the outputs open, and nobody waits for it. */
static void background_programs_are_not_waited_for(void)
{
	ASSERT_STR(run_sh("sleep 54322 & echo hi"), "hi\n");
}

struct one {
	pthread_t thread;
	int n;
	bool ok;
};

static void *one_of_64(void *data)
{
	struct one *one = data;
	char script[100], expected[32];
	const char *args[] = {"/bin/sh", "-c", script, NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args, .timeout_ms = 120000);
	struct vmboot_exec_result *result;

	snprintf(script, sizeof(script), "sleep 1; echo %d; exit %d", one->n, one->n);
	snprintf(expected, sizeof(expected), "%d\n", one->n);
	if (vmboot_exec(shared, &opts, &result) < 0) {
		printf("%s\n", vmboot_last_error()->message);
		return NULL;
	}
	one->ok = result->exit_code == one->n && strcmp(result->out, expected) == 0;
	vmboot_exec_result_free(result);
	return NULL;
}

static void sixty_four_at_once(void)
{
	struct one ones[64] = {0};
	int good = 0;

	vm();
	for (int i = 0; i < 64; i++) {
		ones[i].n = i;
		CU_ASSERT_EQUAL(pthread_create(&ones[i].thread, NULL, one_of_64, &ones[i]), 0);
	}
	for (int i = 0; i < 64; i++) {
		pthread_join(ones[i].thread, NULL);
		good += ones[i].ok;
	}
	CU_ASSERT_EQUAL(good, 64);
}

/* ---- streams ---- */

struct stream {
	pthread_t thread;
	struct vmboot_exec_opts opts;
	int fds[3], control;
	int r, status;
	char error[256];
};

static void *stream_thread(void *data)
{
	struct stream *s = data;

	s->r = vmboot_exec_stream(shared, &s->opts, s->fds, s->control, &s->status);
	snprintf(s->error, sizeof(s->error), "%s", s->r < 0 ? vmboot_last_error()->message : "");
	for (int i = 1; i < 3; i++)
		if (s->fds[i] >= 0)
			close(s->fds[i]);
	return NULL;
}

static void stream_start(struct stream *s)
{
	vm();
	CU_ASSERT_EQUAL_FATAL(pthread_create(&s->thread, NULL, stream_thread, s), 0);
}

/* Reads until these words came; what came before them is in buf, too. */
static bool read_until(int fd, const char *words, char *buf, size_t size)
{
	struct vmb_deadline until = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = 0;

	buf[0] = '\0';
	while (!strstr(buf, words) && n + 1 < size) {
		ssize_t got = poll(&p, 1, vmb_deadline_poll(until, -1)) > 0
				      ? read(fd, buf + n, size - 1 - n)
				      : 0;

		if (got <= 0)
			return false;
		n += (size_t)got;
		buf[n] = '\0';
	}
	return true;
}

static void a_hundred_mib_byte_for_byte(void)
{
	enum { MIB = 100, N = MIB << 20 };
	const char *script = "i=0; cat /dev/urandom | head -c 1048576 >/tmp/m; sha256sum </tmp/m; "
			     "while [ $i -lt 100 ]; do cat /tmp/m; i=$((i+1)); done";
	static uint8_t buf[1 << 20], first[1 << 20];
	struct stream s = {.opts = boot_sh(script), .fds = {-1, -1, -1}, .control = -1};
	size_t n = 0, wrong = 0, line = 79;
	char sum[80] = "";
	int64_t start;
	ssize_t got;
	int out[2];

	CU_ASSERT_FATAL(pipe(out) == 0);
	s.fds[1] = out[1];
	stream_start(&s);
	for (size_t i = 0; i < line && read(out[0], sum + i, 1) == 1; i++)
		if (sum[i] == '\n')
			line = i + 1;
	start = vmb_monotonic_us();
	while ((got = read(out[0], buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < got; i++, n++) {
			if (n < sizeof(first))
				first[n] = buf[i];
			wrong += buf[i] != first[n % sizeof(first)];
		}
	start = vmb_monotonic_us() - start;
	pthread_join(s.thread, NULL);
	close(out[0]);
	CU_ASSERT_EQUAL(s.r, 0);
	CU_ASSERT_EQUAL(s.status, 0);
	CU_ASSERT_EQUAL(n, N);
	CU_ASSERT_EQUAL(wrong, 0);
	if (n != N || wrong)
		printf("%zu bytes, %zu wrong ", n, wrong);
	test_write(test_path("%s/first", test_tmpdir()), "");
	CU_ASSERT_EQUAL(vmb_write_file_atomic(test_path("%s/first", test_tmpdir()), first,
					      sizeof(first), 0600),
			0);
	{
		const char *const argv[] = {"sh", "-c",
					    test_path("sha256sum <%s/first", test_tmpdir()), NULL};
		char *ours = NULL;

		ASSERT_OK(vmb_run(argv, &ours));
		ASSERT_STR(ours, sum);
		free(ours);
	}
	printf("%d MiB in %.1f s, %.1f MiB/s ", MIB, (double)start / 1e6,
	       MIB * 1e6 / (double)start);
}

/* As long as Linux takes them: 128 KiB a string, 2 MiB in all. */
static void long_arguments(void)
{
	const char *big = test_path("%0128000d", 0);
	const char *args[24] = {"sh", "-c", "echo $# ${#1} ${#BIG}"};
	const char *env[] = {test_path("BIG=%0100000d", 0), NULL};
	struct vmboot_exec_opts opts = VMBOOT_EXEC_OPTS(.args = args, .env = env);
	struct vmboot_exec_result *result;

	for (int i = 3; i < 15; i++)
		args[i] = big;
	ASSERT_STR(run(&opts, 0), "11 128000 100000\n");
	for (int i = 15; i < 19; i++)
		args[i] = big;
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &result), E2BIG, "too long");
	args[3] = test_path("%0131072d", 0);
	ASSERT_ERROR(vmboot_exec(vm(), &opts, &result), E2BIG, "over 131071 bytes");
}

static void many_on_one_handle(void)
{
	boot_exec_often(vm(), 60);
}

static void a_stuck_reader_stops_nobody_else(void)
{
	struct stream s = {.opts = boot_sh("yes"), .fds = {-1, -1, -1}, .control = -1};
	int out[2];

	CU_ASSERT_FATAL(pipe(out) == 0);
	s.fds[1] = out[1];
	stream_start(&s);
	for (int i = 0; i < 5; i++)
		ASSERT_STR(run_sh("echo fine"), "fine\n");
	close(out[0]); /* and then it leaves */
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.r, -EPIPE);
	ASSERT_STR(none_left("[y]es"), "none\n");
}

static void live_input_and_output(void)
{
	struct stream s = {.opts = boot_sh("while read l; do echo \"<$l>\"; done; echo end >&2"),
			   .fds = {-1, -1, -1},
			   .control = -1};
	int in[2], out[2], err[2];
	char buf[256];

	CU_ASSERT_FATAL(pipe(in) == 0 && pipe(out) == 0 && pipe(err) == 0);
	s.fds[0] = in[0];
	s.fds[1] = out[1];
	s.fds[2] = err[1];
	stream_start(&s);
	for (int i = 0; i < 3; i++) {
		CU_ASSERT(write(in[1], "ping\n", 5) == 5);
		CU_ASSERT(read_until(out[0], "<ping>\n", buf, sizeof(buf)));
	}
	close(in[1]);
	CU_ASSERT(read_until(err[0], "end\n", buf, sizeof(buf)));
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.r, 0);
	CU_ASSERT_EQUAL(s.status, 0);
	close(in[0]);
	close(out[0]);
	close(err[0]);
}

static void control(int fd, uint32_t action, uint32_t value)
{
	const struct vmboot_exec_control c = {action, value};

	CU_ASSERT(write(fd, &c, sizeof(c)) == sizeof(c));
}

/* A terminal: its size, a new size, Ctrl-C, and a signal. */
static void a_terminal(void)
{
	struct stream s = {.opts = boot_sh(
				   "trap 'stty size' WINCH; trap 'echo inter\"\"rupted' INT;"
				   "tty; stty size; echo ready; while :; do sleep 0.05; done"),
			   .fds = {-1, -1, -1},
			   .control = -1};
	int in[2], out[2], ctl[2];
	char buf[1024];

	CU_ASSERT_FATAL(pipe(in) == 0 && pipe(out) == 0 && pipe(ctl) == 0);
	s.opts.tty = true;
	s.opts.rows = 43;
	s.opts.columns = 132;
	s.fds[0] = in[0];
	s.fds[1] = out[1];
	s.control = ctl[0];
	stream_start(&s);
	CU_ASSERT(read_until(out[0], "ready\r\n", buf, sizeof(buf)));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "/dev/pts/"));
	CU_ASSERT_PTR_NOT_NULL(strstr(buf, "43 132\r\n"));
	control(ctl[1], VMBOOT_EXEC_RESIZE, 77U << 16 | 33);
	CU_ASSERT(read_until(out[0], "33 77\r\n", buf, sizeof(buf)));
	CU_ASSERT(write(in[1], "\003", 1) == 1);
	CU_ASSERT(read_until(out[0], "interrupted\r\n", buf, sizeof(buf)));
	control(ctl[1], VMBOOT_EXEC_SIGNAL, SIGKILL);
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.r, 0);
	CU_ASSERT_EQUAL(s.status, 256 + SIGKILL);
	close(in[0]);
	close(in[1]);
	close(out[0]);
	close(ctl[0]);
	close(ctl[1]);
}

static void a_stream_meets_its_deadline(void)
{
	struct stream s = {.opts = boot_sh("trap '' TERM; sleep 54323"),
			   .fds = {-1, -1, -1},
			   .control = -1};

	s.opts.timeout_ms = 700;
	stream_start(&s);
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.r, -ETIMEDOUT);
	if (!strstr(s.error, "does not start it in time")) /* which may be so, on a busy machine */
		CU_ASSERT_PTR_NOT_NULL(strstr(s.error, "700 ms"));
}

/* ---- stat and copies ---- */

static void stats(void)
{
	struct vmboot_stat *st;

	run_sh("cd /tmp; echo hello >f; chown 12:34 f; chmod 4640 f; ln f g; ln -s f l;"
	       "ln -s nowhere dangling");
	ASSERT_OK(vmboot_stat(vm(), "/tmp/f", false, &st));
	CU_ASSERT(st->exists);
	CU_ASSERT_EQUAL(st->mode, S_IFREG | 04640);
	CU_ASSERT_EQUAL(st->uid, 12);
	CU_ASSERT_EQUAL(st->gid, 34);
	CU_ASSERT_EQUAL(st->nlink, 2);
	CU_ASSERT_EQUAL(st->bytes, 6);
	CU_ASSERT(st->inode > 0);
	ASSERT_STR(st->target, "");
	ASSERT_STR(run_sh("stat -c %Y /tmp/f"),
		   test_path("%lld\n", (long long)(st->mtime_ns / 1000000000)));
	vmboot_stat_free(st);
	ASSERT_OK(vmboot_stat(vm(), "/tmp/l", false, &st));
	CU_ASSERT(S_ISLNK(st->mode));
	ASSERT_STR(st->target, "f");
	vmboot_stat_free(st);
	ASSERT_OK(vmboot_stat(vm(), "/tmp/l", true, &st));
	CU_ASSERT(S_ISREG(st->mode));
	CU_ASSERT_EQUAL(st->bytes, 6);
	vmboot_stat_free(st);
	ASSERT_OK(vmboot_stat(vm(), "/tmp/dangling", true, &st));
	CU_ASSERT_FALSE(st->exists);
	vmboot_stat_free(st);
	ASSERT_OK(vmboot_stat(vm(), "/tmp/f/below", true, &st));
	CU_ASSERT_FALSE(st->exists);
	vmboot_stat_free(st);
	ASSERT_ERROR(vmboot_stat(vm(), "tmp", true, &st), EINVAL, "absolute");
	ASSERT_ERROR(vmboot_stat(vm(), "/tmp/\xff", true, &st), EILSEQ, "is not UTF-8");
}

static void host_sh(const char *folder, const char *script)
{
	const char *const argv[] = {"sh", "-ec", test_path("cd '%s'; %s", folder, script), NULL};

	ASSERT_OK(vmb_run(argv, NULL));
}

/* What can be compared of a tree, on both sides, by busybox's find and stat: no file's name, type,
 * mode, owner, size, number of links, time or content is left out. */
#define LISTING                                                                                    \
	"find . ! -name . -exec stat -c '%n %F %a %u %g %h %Y' {} + | sed 's/regular "             \
	"empty/regular/'"                                                                          \
	" | sort; find . -type l -exec readlink {} + | sort;"                                      \
	" find . -type f -exec sha256sum {} + | sort"

static const char *host_listing(const char *folder)
{
	const char *const argv[] = {"busybox", "sh", "-ec",
				    test_path("cd '%s'; export LC_ALL=C; %s", folder, LISTING),
				    NULL};
	const char *kept;
	char *out = NULL;

	ASSERT_OK(vmb_run(argv, &out));
	kept = test_path("%s", out);
	free(out);
	return kept;
}

static void make_tree(const char *folder)
{
	host_sh(folder,
		"mkdir -p t/sub/empty; echo one >t/file; printf '' >t/none; chmod 4751 t/file;"
		"ln t/file t/sub/hard; ln -s ../file t/sub/soft; ln -s /etc/passwd t/out;"
		"ln -s nowhere/at/all t/dangling; mkfifo t/fifo; ln -s / t/root;"
		"printf x >\"t/$(printf 'odd\\377 \\033[1m')\"; printf x >t/-rf; printf x >'t/ä';"
		"printf x >\"t/$(printf 'two\\nlines')\"; printf x >t/$(printf %0255d 1);"
		"printf start >t/sparse; printf end | dd of=t/sparse bs=1 seek=20000000 "
		"2>/dev/null;"
		"truncate -s 40000000 t/sparse; truncate -s 5000000 t/hole;"
		"head -c 3000000 /dev/urandom >t/big; chmod 1777 t/sub; chmod 0 t/none;"
		"touch -d '2001-02-03 04:05:06.123456789' t/sub/hard t/big t/sub/empty;"
		"x=$(printf %0150d 7); mkdir -p t/$x/$x; echo deep >t/$x/$x/$x;"
		"touch -h -d 1985-01-01 t/sub/soft; touch -d 1999-01-01 t/sub t");
	if (geteuid() == 0)
		host_sh(folder, "chown 1234:5678 t/big; chown -h 3000000000:7 t/sub/soft");
}

static void trees_both_ways(void)
{
	const char *from = test_path("%s/from", test_tmpdir());
	const char *to = test_path("%s/to", test_tmpdir());
	struct vmboot_exec_opts opts;
	struct stat st;

	CU_ASSERT_FATAL(mkdir(from, 0700) == 0 && mkdir(to, 0700) == 0);
	make_tree(from);
	run_sh("mkdir /tmp/tree");
	ASSERT_OK(vmboot_copy_to(vm(), test_path("%s/t", from), "/tmp/tree"));
	opts = boot_sh("cd /tmp/tree; " LISTING);
	if (geteuid() == 0)
		ASSERT_STR(run(&opts, 0), host_listing(from));
	ASSERT_STR(run_sh("[ $(du -k /tmp/tree/t/sparse | cut -f1) -lt 1000 ] && echo holes"),
		   "holes\n");
	ASSERT_OK(vmboot_copy_from(vm(), "/tmp/tree/t", to));
	ASSERT_STR(host_listing(to), host_listing(from));
	CU_ASSERT(stat(test_path("%s/t/sparse", to), &st) == 0 && st.st_blocks < 2000);
	CU_ASSERT(stat(test_path("%s/t/file", to), &st) == 0 && st.st_nlink == 2);
	CU_ASSERT(stat(test_path("%s/t/big", to), &st) == 0 && st.st_mtim.tv_nsec == 123456789);
}

static void files_and_new_names(void)
{
	const char *dir = test_tmpdir();

	test_write(test_path("%s/one", dir), "one\n");
	ASSERT_OK(vmboot_copy_to(vm(), test_path("%s/one", dir), "/tmp/copied"));
	ASSERT_STR(run_sh("cat /tmp/copied"), "one\n");
	test_write(test_path("%s/one", dir), "two\n");
	ASSERT_OK(vmboot_copy_to(vm(), test_path("%s/one", dir), "/tmp/copied"));
	ASSERT_STR(run_sh("cat /tmp/copied"), "two\n");
	ASSERT_OK(vmboot_copy_to(vm(), test_path("%s/one", dir), "/tmp"));
	ASSERT_STR(run_sh("cat /tmp/one"), "two\n");
	ASSERT_OK(vmboot_copy_from(vm(), "/etc/greeting", test_path("%s/got", dir)));
	ASSERT_STR(test_read(test_path("%s/got", dir)), "hello\n");
	ASSERT_OK(vmboot_copy_from(vm(), "/etc/greeting", dir));
	ASSERT_STR(test_read(test_path("%s/greeting", dir)), "hello\n");
	ASSERT_ERROR(vmboot_copy_from(vm(), "/no/such", dir), ENOENT, "/no/such");
	ASSERT_ERROR(vmboot_copy_to(vm(), "/no/such", "/tmp"), ENOENT, "/no/such");
	ASSERT_ERROR(vmboot_copy_to(vm(), test_path("%s/one", dir), "/tmp/new/"), ENOENT,
		     "/tmp/new/");
	ASSERT_ERROR(
		vmboot_copy_to(vm(), test_path("%s/one", dir), "/no/folder/file"), EIO,
		"the guest cannot write the copy: opening the folder /no/folder: No such file");
	ASSERT_ERROR(vmboot_copy_from(vm(), "/etc/greeting", "/no/folder/file"), ENOENT,
		     "/no/folder");
}

/* Nor are links to them, as /dev/stdout is, whatever that leads to. */
static void devices_are_not_replaced(void)
{
	static const char *const names[] = {"pipe", "link", "proc"};
	const char *dir = test_tmpdir();

	CU_ASSERT(mkfifo(test_path("%s/pipe", dir), 0600) == 0);
	test_write(test_path("%s/one", dir), "one\n");
	CU_ASSERT(symlink("pipe", test_path("%s/link", dir)) == 0);
	CU_ASSERT(symlink("/proc/self/exe", test_path("%s/proc", dir)) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ASSERT_ERROR(vmboot_copy_from(vm(), "/etc/greeting",
					      test_path("%s/%s", dir, names[i])),
			     EINVAL, "not replaced");
	ASSERT_ERROR(vmboot_copy_to(vm(), test_path("%s/one", dir), "/dev/null"), EINVAL,
		     "not replaced");
	ASSERT_STR(run_sh("echo gone >/dev/null; stat -c %F /dev/null"),
		   "character special file\n");
}

static void archives_by_descriptor(void)
{
	const char *dir = test_tmpdir();
	int from = open(test_path("%s/out.tar", dir), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	CU_ASSERT_FATAL(from >= 0);
	run_sh("mkdir -p /tmp/packed/sub /tmp/unpacked; echo 1 >/tmp/packed/sub/one");
	ASSERT_OK(vmboot_copy_archive_from(vm(), "/tmp/packed", from));
	CU_ASSERT(lseek(from, 0, SEEK_SET) == 0);
	ASSERT_OK(vmboot_copy_archive_to(vm(), from, "/tmp/unpacked"));
	ASSERT_STR(run_sh("cat /tmp/unpacked/packed/sub/one"), "1\n");
	ASSERT_ERROR(vmboot_copy_archive_to(vm(), -1, "/tmp"), EBADF, "tar archive");
	ASSERT_ERROR(vmboot_copy_archive_to(vm(), from, "tmp"), EINVAL, "absolute");
	ASSERT_ERROR(vmboot_copy_archive_from(vm(), "/no/such", from), ENOENT, "/no/such");
	ASSERT_ERROR(vmboot_copy_archive_from(vm(), "/tmp/packed", -1), EBADF, "the archive");
	close(from);
}

/* A copy in a chroot of the guest's making: a link in the target leads elsewhere. */
static void links_in_the_guest_lead_nowhere(void)
{
	const char *dir = test_tmpdir();

	CU_ASSERT(mkdir(test_path("%s/d", dir), 0755) == 0);
	test_write(test_path("%s/d/f", dir), "new\n");
	run_sh("mkdir -p /tmp/trap /tmp/victim; ln -s /tmp/victim /tmp/trap/d");
	(void)vmboot_copy_to(vm(), test_path("%s/d", dir), "/tmp/trap");
	ASSERT_STR(run_sh("ls /tmp/victim"), "");
}

/* ---- ends ---- */

static void without_an_agent(void)
{
	struct vmboot_opts opts = boot_opts("agent-none", "sleep 100000");
	struct vmboot_exec_opts e = boot_sh("true");
	struct vmboot_exec_result *result = NULL;
	struct vmboot_stat *st = NULL;
	struct vmboot_vm *none;
	char *xml;

	opts.skip_guest_agent = true;
	ASSERT_OK(vmboot_create(&opts, &none));
	/* not a word of time: nobody waited for an agent */
	ASSERT_ERROR(vmboot_exec(none, &e, &result), VMBOOT_ENOAGENT, "skip_guest_agent");
	ASSERT_ERROR(vmboot_exec_stream(none, &e, (int[]){-1, -1, -1}, -1, &(int){0}),
		     VMBOOT_ENOAGENT, "skip_guest_agent");
	ASSERT_ERROR(vmboot_stat(none, "/", false, &st), VMBOOT_ENOAGENT, "skip_guest_agent");
	ASSERT_ERROR(vmboot_copy_to(none, "/etc/hosts", "/"), VMBOOT_ENOAGENT, "skip_guest_agent");
	ASSERT_ERROR(vmboot_copy_from(none, "/etc", "/tmp"), VMBOOT_ENOAGENT, "skip_guest_agent");
	ASSERT_STR(vmboot_last_error()->field, "skip_guest_agent");
	ASSERT_OK(vmboot_xml(none, &xml));
	CU_ASSERT_PTR_NULL(strstr(xml, "org.qemu.guest_agent.0"));
	CU_ASSERT_PTR_NULL(strstr(xml, "org.vmboot.stream.0"));
	vmboot_free(xml);
	ASSERT_OK(vmboot_wait(none, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS)); /* its skip */
	ASSERT_OK(vmboot_destroy(none));
	vmboot_close(none);
}

static void before_the_boot_is_done(void)
{
	struct vmboot_opts opts = boot_opts("agent-early", "sleep 100000");
	struct vmb_deadline until = vmb_deadline_in(2 * BOOT_TIMEOUT_MS);
	struct vmboot_exec_opts e = boot_sh("echo hi");
	struct vmboot_exec_result *result = NULL;
	struct vmboot_vm *early;
	int64_t began;
	int r;

	ASSERT_OK(vmboot_create(&opts, &early));
	do { /* waits for the agent: ten seconds, which a busy machine may need more of */
		began = vmb_monotonic_us();
		r = vmboot_exec(early, &e, &result);
		CU_ASSERT(r == 0 || vmb_monotonic_us() - began >= 10000000);
	} while (r == -VMBOOT_ENOAGENT && !vmb_deadline_passed(until));
	CU_ASSERT_EQUAL_FATAL(r, 0);
	ASSERT_STR(result->out, "hi\n");
	vmboot_exec_result_free(result);
	ASSERT_OK(vmboot_destroy(early));
	ASSERT_ERROR(vmboot_exec(early, &e, &result), VMBOOT_ENOVM, "agent-early");
	vmboot_close(early);
}

/* The guest's word of it may reach us before libvirt knows that the port is open. */
static void as_soon_as_the_agent_is_there(void)
{
	struct vmboot_opts opts = boot_opts("agent-soon", "sleep 100000");

	for (int i = 0; i < 3; i++) {
		struct vmboot_stat *st = NULL;
		struct vmboot_vm *soon;

		ASSERT_OK(vmboot_create(&opts, &soon));
		ASSERT_OK(vmboot_wait(soon, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
		ASSERT_OK(vmboot_stat(soon, "/", false, &st));
		vmboot_stat_free(st);
		ASSERT_OK(vmboot_destroy(soon));
		vmboot_close(soon);
	}
}

/* Last: the shared VM's power is cut while programs run in it. */
static void the_guest_dies_in_the_middle(void)
{
	struct stream s = {.opts = boot_sh("echo ready; sleep 100000"),
			   .fds = {-1, -1, -1},
			   .control = -1};
	struct vmboot_exec_opts e = boot_sh("true");
	struct vmboot_exec_result *result = NULL;
	struct vmb_deadline until;
	char buf[64];
	int out[2];

	CU_ASSERT_FATAL(pipe(out) == 0);
	s.opts.timeout_ms = 0;
	s.fds[1] = out[1];
	stream_start(&s);
	CU_ASSERT(read_until(out[0], "ready\n", buf, sizeof(buf)));
	until = vmb_deadline_in(BOOT_TIMEOUT_MS);
	CU_ASSERT_EQUAL(vmboot_stop(shared, 0), 1);
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.r, -VMBOOT_EENDED);
	CU_ASSERT_FALSE(vmb_deadline_passed(until)); /* it has none of its own */
	close(out[0]);
	ASSERT_ERROR(vmboot_exec(shared, &e, &result), VMBOOT_EENDED, "not running");
	ASSERT_OK(vmboot_destroy(shared));
	vmboot_close(shared);
	shared = NULL;
	boot_assert_nothing_left("agent");
}

BOOT_MAIN("boot/agent", {"outputs and exit codes", outputs_and_exit_codes}, {"signals", signals},
	  {"env, workdir and user", env_workdir_and_user}, {"what cannot run", what_cannot_run},
	  {"binary input", binary_input},
	  {"a program that does not read", a_program_that_does_not_read},
	  {"output is cut", output_is_cut}, {"the deadline is met", the_deadline_is_met},
	  {"background programs are not waited for", background_programs_are_not_waited_for},
	  {"long arguments", long_arguments},
	  {"many on one handle leave nothing", many_on_one_handle},
	  {"64 at once", sixty_four_at_once},
	  {"100 MiB, byte for byte", a_hundred_mib_byte_for_byte},
	  {"a stuck reader stops nobody else", a_stuck_reader_stops_nobody_else},
	  {"live input and output", live_input_and_output}, {"a terminal", a_terminal},
	  {"a stream meets its deadline", a_stream_meets_its_deadline}, {"stats", stats},
	  {"trees both ways", trees_both_ways}, {"files and new names", files_and_new_names},
	  {"devices are not replaced", devices_are_not_replaced},
	  {"archives by descriptor", archives_by_descriptor},
	  {"links in the guest lead nowhere", links_in_the_guest_lead_nowhere},
	  {"without an agent", without_an_agent},
	  {"before the boot is done", before_the_boot_is_done},
	  {"as soon as the agent is there", as_soon_as_the_agent_is_there},
	  {"the guest dies in the middle", the_guest_dies_in_the_middle})
