/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/file.h"
#include "base/sigpipe.h"
#include "test.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SH(script) ARGV("sh", "-c", script)

static void a_missing_tool_is_named(void)
{
	const char *folder = test_path("%s/a-folder", test_tmpdir());

	ASSERT_ERROR(vmb_run(ARGV("vmboot-no-such-tool", "x"), NULL), VMBOOT_EHOST,
		     "the tool vmboot-no-such-tool is not installed");
	ASSERT_ERROR(vmb_run(ARGV("/no/such/tool"), NULL), VMBOOT_EHOST, "/no/such/tool");
	CU_ASSERT_PTR_NULL(vmb_find_tool("vmboot-no-such-tool"));
	ASSERT_OK(vmb_mkdir_p(folder, 0755));
	CU_ASSERT_PTR_NULL(vmb_find_tool(folder));
}

static void tools_are_found_in_path_and_sbin(void)
{
	const char *tool = test_path("%s/bin/vmboot-test-tool", test_tmpdir());
	_cleanup_free_ char *found = NULL, *shadowed = NULL, *mke2fs = NULL, *empty = NULL;
	_cleanup_free_ char *old = strdup(getenv("PATH"));

	ASSERT_OK(vmb_mkdir_p(test_path("%s/bin", test_tmpdir()), 0755));
	ASSERT_OK(vmb_mkdir_p(test_path("%s/first/vmboot-test-tool", test_tmpdir()), 0755));
	ASSERT_OK(vmb_write_file_atomic(tool, "#!/bin/sh\n", 10, 0755));
	setenv("PATH", test_path("::%s/first:%s/bin", test_tmpdir(), test_tmpdir()), 1);
	found = vmb_find_tool("vmboot-test-tool");
	ASSERT_STR(found, tool);
	mke2fs = vmb_find_tool("mke2fs");
	CU_ASSERT_PTR_NOT_NULL(mke2fs);
	CU_ASSERT_EQUAL(chmod(tool, 0644), 0);
	shadowed = vmb_find_tool("vmboot-test-tool");
	CU_ASSERT_PTR_NULL(shadowed);
	unsetenv("PATH");
	empty = vmb_find_tool("vmboot-test-tool");
	CU_ASSERT_PTR_NULL(empty);
	setenv("PATH", old, 1);
}

static void a_failing_tool_has_its_words_heard(void)
{
	ASSERT_ERROR(vmb_run(SH("echo out; echo no such thing >&2; exit 3"), NULL), VMBOOT_EHOST,
		     "sh failed with status 3: no such thing");
	ASSERT_ERROR(vmb_run(SH("exit 1"), NULL), VMBOOT_EHOST, "status 1: it said nothing");
	ASSERT_ERROR(vmb_run(SH("printf 'one\\ntwo\\000\\033[2Jx\\n\\n' >&2; exit 2"), NULL),
		     VMBOOT_EHOST, "status 2: one two  [2Jx");
}

static void only_the_end_of_many_words_is_heard(void)
{
	const char *message;

	ASSERT_ERROR(
		vmb_run(SH("i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done >&2;"
			   "echo the cause >&2; exit 1"),
			NULL),
		VMBOOT_EHOST, "status 1: line ");
	message = vmboot_last_error()->message;
	CU_ASSERT(vmb_ends_with(message, "line 19999 the cause"));
	CU_ASSERT(strlen(message) < 1200);
}

static void a_killed_tool_names_the_signal(void)
{
	ASSERT_ERROR(vmb_run(SH("echo ouch >&2; kill -9 $$"), NULL), VMBOOT_EHOST,
		     "sh was killed by signal 9: ouch");
}

static void a_limit_on_files_is_told_in_words(void)
{
	const char *file = test_path("%s/big", test_tmpdir());

	ASSERT_ERROR(vmb_run(SH(test_path("ulimit -f 1; exec head -c 100000 /dev/zero >%s", file)),
			     NULL),
		     EFBIG, "ulimit -f");
}

/* SIGXFSZ has its default here, which would end this program. */
static void a_file_that_may_not_grow_is_an_error(void)
{
	const char *file = test_path("%s/big", test_tmpdir());
	static const char text[8192];
	struct rlimit before, low;
	sigset_t pending;
	int r = 0;

	signal(SIGXFSZ, SIG_DFL);
	getrlimit(RLIMIT_FSIZE, &before);
	low = (struct rlimit){4096, before.rlim_max};
	setrlimit(RLIMIT_FSIZE, &low);
	{
		VMB_NO_SIGPIPE;

		r = vmb_write_file_atomic(file, text, sizeof(text), 0600);
	}
	setrlimit(RLIMIT_FSIZE, &before);
	ASSERT_ERROR(r, EFBIG, "big");
	sigpending(&pending);
	CU_ASSERT(!sigismember(&pending, SIGXFSZ));
}

static void output_is_returned_up_to_its_bound(void)
{
	_cleanup_free_ char *out = NULL;
	char *untouched = NULL;

	ASSERT_OK(vmb_run(ARGV("echo", "a b", "", "$HOME"), &out));
	ASSERT_STR(out, "a b  $HOME\n");
	ASSERT_ERROR(vmb_run(ARGV("head", "-c", "1048577", "/dev/zero"), &untouched), EFBIG,
		     "head says more than");
	ASSERT_ERROR(vmb_run(SH("echo x; exit 1"), &untouched), VMBOOT_EHOST, "status 1");
	CU_ASSERT_PTR_NULL(untouched);
}

enum { BIG = 3 << 20 };

static void *feed(void *arg)
{
	struct vmb_process *p = arg;
	_cleanup_free_ char *data = malloc(BIG);

	for (int i = 0; i < BIG; i++)
		data[i] = (char)(i * 31 >> 3);
	CU_ASSERT_EQUAL(vmb_write_all(p->stdin_fd, "cat", data, BIG), 0);
	close(TAKE_FD(p->stdin_fd));
	return NULL;
}

static void much_goes_in_and_out(void)
{
	_cleanup_process_ struct vmb_process p = VMB_PROCESS_INIT;
	_cleanup_free_ char *out = NULL;
	pthread_t feeder;
	size_t n = 0;
	int wrong = 0;

	ASSERT_OK(vmb_process_start(&p, ARGV("cat"), VMB_PIPE_STDIN | VMB_PIPE_STDOUT));
	CU_ASSERT_EQUAL_FATAL(pthread_create(&feeder, NULL, feed, &p), 0);
	ASSERT_OK(vmb_read_fd(p.stdout_fd, "cat", BIG, &out, &n));
	pthread_join(feeder, NULL);
	ASSERT_OK(vmb_process_finish(&p));
	CU_ASSERT_EQUAL(n, BIG);
	for (size_t i = 0; i < n; i++)
		wrong += out[i] != (char)((int)i * 31 >> 3);
	CU_ASSERT_EQUAL(wrong, 0);
}

/* Nobody reads what it writes: it must neither wait for ever nor be killed for it. */
static void output_that_nobody_reads_is_dropped(void)
{
	_cleanup_process_ struct vmb_process p = VMB_PROCESS_INIT;

	alarm(120);
	ASSERT_OK(
		vmb_process_start(&p, ARGV("head", "-c", "1000000", "/dev/zero"), VMB_PIPE_STDOUT));
	ASSERT_OK(vmb_process_finish(&p));
	alarm(0);
}

static bool sigpipe_blocked(void)
{
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	return sigismember(&set, SIGPIPE);
}

/* SIGPIPE has its default here, which would end this program. */
static void a_tool_that_dies_while_fed_is_an_error(void)
{
	_cleanup_process_ struct vmb_process p = VMB_PROCESS_INIT;
	static char data[1 << 20];
	sigset_t pending;
	int r;

	signal(SIGPIPE, SIG_DFL);
	ASSERT_OK(vmb_process_start(&p, SH("echo 'disk full' >&2; exit 5"), VMB_PIPE_STDIN));
	r = vmb_write_all(p.stdin_fd, "to the tool", data, sizeof(data));
	CU_ASSERT_EQUAL(r, -EPIPE);
	ASSERT_ERROR(vmb_process_finish(&p), VMBOOT_EHOST, "status 5: disk full");
	CU_ASSERT(!sigpipe_blocked());
	sigpending(&pending);
	CU_ASSERT(!sigismember(&pending, SIGPIPE));
}

static void a_callers_own_signal_mask_stays(void)
{
	_cleanup_process_ struct vmb_process p = VMB_PROCESS_INIT;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	ASSERT_OK(vmb_process_start(&p, ARGV("true"), VMB_PIPE_STDIN));
	ASSERT_OK(vmb_process_finish(&p));
	CU_ASSERT(sigpipe_blocked());
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Blocked and ignored signals of the caller must not reach the tool. */
static void the_tool_has_default_signals(void)
{
	/* glibc keeps two for itself, 32 and 33, and starts programs with these ignored */
	const unsigned long long glibcs = 3ULL << 31;
	unsigned long long blocked = 1, ignored = 1;
	_cleanup_free_ char *out = NULL;
	sigset_t set, old;

	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, &old);
	signal(SIGTERM, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	ASSERT_OK(vmb_run(ARGV("grep", "^Sig[BI]", "/proc/self/status"), &out));
	signal(SIGTERM, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	CU_ASSERT_EQUAL(sscanf(out, "SigBlk: %llx SigIgn: %llx", &blocked, &ignored), 2);
	CU_ASSERT_EQUAL(blocked, 0);
	CU_ASSERT_EQUAL(ignored & ~glibcs, 0);
}

static void the_tool_has_c_locale_and_the_callers_environment(void)
{
	_cleanup_free_ char *out = NULL;

	setenv("LC_ALL", "de_DE.UTF-8", 1);
	setenv("VMBOOT_TEST_X", "y z", 1);
	ASSERT_OK(vmb_run(SH("echo $LC_ALL; echo $VMBOOT_TEST_X; env | grep -c ^LC_ALL="), &out));
	unsetenv("LC_ALL");
	unsetenv("VMBOOT_TEST_X");
	ASSERT_STR(out, "C\ny z\n1\n");
}

static void the_tool_has_only_the_named_descriptors(void)
{
	_cleanup_close_ int leaky = open("/dev/null", O_RDONLY); /* as if by another library */
	_cleanup_free_ char *out = NULL;

	CU_ASSERT(leaky > 2);
	/* 3 is the folder that ls itself opens */
	ASSERT_OK(vmb_run(ARGV("ls", "/proc/self/fd"), &out));
	ASSERT_STR(out, "0\n1\n2\n3\n");
	free(TAKE_PTR(out));
	ASSERT_OK(vmb_run(ARGV("readlink", "/proc/self/fd/0"), &out));
	ASSERT_STR(out, "/dev/null\n");
}

static int runs_without_standard_descriptors(void)
{
	struct vmb_process p = VMB_PROCESS_INIT;
	_cleanup_free_ char *out = NULL;
	const char *words;

	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	if (vmb_process_start(&p, SH("cat; echo said >&2; exit 4"),
			      VMB_PIPE_STDIN | VMB_PIPE_STDOUT) < 0)
		return 1;
	if (vmb_write_all(p.stdin_fd, "in", "fed", 3) < 0)
		return 2;
	close(TAKE_FD(p.stdin_fd));
	if (vmb_read_fd(p.stdout_fd, "out", 100, &out, NULL) < 0 || !vmb_streq(out, "fed"))
		return 3;
	if (vmb_process_finish(&p) != -VMBOOT_EHOST)
		return 4;
	words = vmboot_last_error()->message;
	vmb_process_done(&p);
	return vmb_streq(words, "sh failed with status 4: said") ? 0 : 5;
}

/* Daemons close 0, 1 and 2, so that pipes are made there. */
static void closed_standard_descriptors_do_no_harm(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(runs_without_standard_descriptors());
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static void done_kills_and_closes(void)
{
	struct vmb_process p = VMB_PROCESS_INIT;
	pid_t pid;

	vmb_process_done(&p);
	ASSERT_OK(vmb_process_start(&p, ARGV("sleep", "1000"), VMB_PIPE_STDIN | VMB_PIPE_STDOUT));
	pid = p.pid;
	vmb_error(EINVAL, "kept");
	vmb_process_done(&p);
	CU_ASSERT(test_error_is(-EINVAL, "kept"));
	CU_ASSERT(kill(pid, 0) == -1 && errno == ESRCH);
	CU_ASSERT_EQUAL(p.pid, -1);
	CU_ASSERT_EQUAL(p.stdin_fd, -1);
	CU_ASSERT_EQUAL(p.stdout_fd, -1);
	CU_ASSERT_EQUAL(p.stderr_fd, -1);
	CU_ASSERT(!sigpipe_blocked());
	vmb_process_done(&p);
}

static int count_fds(void)
{
	_cleanup_closedir_ DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	return n;
}

static void no_descriptor_is_left(void)
{
	_cleanup_free_ char *out = NULL;
	int before = count_fds();

	ASSERT_OK(vmb_run(ARGV("echo"), &out));
	vmb_run(ARGV("false"), NULL);
	vmb_run(ARGV("vmboot-no-such-tool"), NULL);
	vmb_run(ARGV("/etc/passwd"), NULL);
	CU_ASSERT_EQUAL(count_fds(), before);
}

TEST_MAIN("base/process", {"a missing tool is named", a_missing_tool_is_named},
	  {"tools are found in PATH and sbin", tools_are_found_in_path_and_sbin},
	  {"a failing tool has its words heard", a_failing_tool_has_its_words_heard},
	  {"only the end of many words is heard", only_the_end_of_many_words_is_heard},
	  {"a killed tool names the signal", a_killed_tool_names_the_signal},
	  {"a limit on files is told in words", a_limit_on_files_is_told_in_words},
	  {"a file that may not grow is an error", a_file_that_may_not_grow_is_an_error},
	  {"output is returned up to its bound", output_is_returned_up_to_its_bound},
	  {"much goes in and out", much_goes_in_and_out},
	  {"output that nobody reads is dropped", output_that_nobody_reads_is_dropped},
	  {"a tool that dies while fed is an error", a_tool_that_dies_while_fed_is_an_error},
	  {"a caller's own signal mask stays", a_callers_own_signal_mask_stays},
	  {"the tool has default signals", the_tool_has_default_signals},
	  {"the tool has C locale and the caller's environment",
	   the_tool_has_c_locale_and_the_callers_environment},
	  {"the tool has only the named descriptors", the_tool_has_only_the_named_descriptors},
	  {"closed standard descriptors do no harm", closed_standard_descriptors_do_no_harm},
	  {"done kills and closes", done_kills_and_closes},
	  {"no descriptor is left", no_descriptor_is_left})
