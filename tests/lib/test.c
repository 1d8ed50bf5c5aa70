/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test.h"

#include <dirent.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_COUNT_ERRORS 1 /* nobody knows: no code of valgrind's is taken for a leak */
#endif

#include "base/file.h"

/* What the running test function has, whichever of its threads asked for it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *tmpdir;
static void **blocks; /* each with a link in front */

const char *test_tmpdir(void)
{
	char template[] = "/tmp/vmboot-test-XXXXXX";

	pthread_mutex_lock(&lock);
	if (!tmpdir) {
		if (!mkdtemp(template) || chmod(template, 0711) < 0)
			abort();
		tmpdir = strdup(template);
	}
	pthread_mutex_unlock(&lock);
	return tmpdir;
}

void *test_alloc(size_t n)
{
	void **link = calloc(1, sizeof(*link) + n);

	if (!link)
		abort();
	pthread_mutex_lock(&lock);
	*link = blocks;
	blocks = link;
	pthread_mutex_unlock(&lock);
	return link + 1;
}

const char **test_list(const char *const *list)
{
	const char **copy;
	size_t n = 0;

	while (list[n])
		n++;
	copy = test_alloc((n + 1) * sizeof(*copy));
	memcpy(copy, list, n * sizeof(*copy));
	return copy;
}

static const char *keep(char *s)
{
	char *kept = test_alloc(strlen(s) + 1);

	strcpy(kept, s);
	free(s);
	return kept;
}

const char *test_path(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	return keep(s);
}

void test_write(const char *path, const char *text)
{
	if (vmb_write_file_atomic(path, text, strlen(text), 0644) < 0) {
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
		abort();
	}
}

const char *test_replace_program(const char *name, const char *script)
{
	static const char *const programs[] = {"vmboot-import", "vmboot-init", "vmboot-logs",
					       "vmboot-squash"};
	const char *old = test_path("%s", getenv("VMBOOT_GUEST_DIR"));
	const char *folder = test_path("%s/programs", test_tmpdir());

	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		abort();
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		const char *path = test_path("%s/%s", folder, programs[i]);

		unlink(path);
		if (strcmp(programs[i], name) == 0) {
			test_write(path, script);
			if (chmod(path, 0755) < 0)
				abort();
		} else if (symlink(test_path("%s/%s", old, programs[i]), path) < 0) {
			abort();
		}
	}
	setenv("VMBOOT_GUEST_DIR", folder, 1);
	return old;
}

void test_copy(const char *from, const char *to)
{
	char *bytes;
	size_t n;

	if (vmb_read_file(from, 1U << 30, &bytes, &n) < 0 ||
	    vmb_write_file_atomic(to, bytes, n, 0644) < 0) {
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
		abort();
	}
	free(bytes);
}

const char *test_read(const char *path)
{
	char *text;

	if (vmb_read_file(path, 1U << 24, &text, NULL) < 0) {
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
		abort();
	}
	return keep(text);
}

unsigned long long test_bytes_moved(void)
{
	unsigned long long in = 0, out = 0;
	FILE *f = fopen("/proc/self/io", "re");

	if (f && fscanf(f, "rchar: %llu wchar: %llu", &in, &out) != 2)
		in = out = 0;
	if (f)
		fclose(f);
	return in + out;
}

void test_golden(const char *name, const char *text)
{
	const char *path = test_path("%s/%s", TEST_SRCDIR, name);
	const char *actual;

	if (getenv("TEST_UPDATE")) {
		test_write(path, text);
		return;
	}
	if (vmb_exists(path) && strcmp(test_read(path), text) == 0)
		return;
	actual = test_path("%s/%s.actual", TEST_BUILDDIR, strrchr(name, '/') + 1);
	test_write(actual, text);
	fprintf(stderr, "%s differs from %s; TEST_UPDATE=1 accepts it\n", path, actual);
	CU_FAIL("golden file differs");
}

static char *not_tried; /* the first reason */

void test_not_tried(const char *fmt, ...)
{
	char *why;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&why, fmt, ap) < 0)
		abort();
	va_end(ap);
	printf("not tried: %s\n", why);
	pthread_mutex_lock(&lock);
	if (!not_tried)
		not_tried = strdup(why);
	pthread_mutex_unlock(&lock);
	free(why);
}

void test_skip(const char *why)
{
	printf("SKIP: %s\n", why);
	exit(77);
}

bool test_error_is(int code, const char *words)
{
	const struct vmboot_error *e = vmboot_last_error();
	bool same = e->code == code && strstr(e->message, words);

	if (!same)
		fprintf(stderr, "error is %d \"%s\", not %d \"…%s…\"\n", e->code, e->message, code,
			words);
	return same;
}

static void after_each(void)
{
	if (tmpdir && vmb_rm_rf(tmpdir) < 0)
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
	free(tmpdir);
	tmpdir = NULL;
	while (blocks) {
		void **next = *blocks;

		free(blocks);
		blocks = next;
	}
}

int test_run(const char *suite, const struct test_case *cases, size_t n)
{
	const char *only = getenv("TEST_ONLY");
	unsigned failed, left_out = 0;
	CU_pSuite s;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 99;
	s = CU_add_suite_with_setup_and_teardown(suite, NULL, NULL, NULL, after_each);
	for (size_t i = 0; s && i < n; i++)
		if (only && !strstr(cases[i].name, only))
			left_out++;
		else if (!CU_add_test(s, cases[i].name, cases[i].fn))
			return 99;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
	if (CU_get_number_of_tests_run() + left_out != n)
		failed++;
	CU_cleanup_registry();
	if (!failed && not_tried)
		test_skip(not_tried);
	free(not_tried);
	return failed ? 1 : 0;
}

static bool is_own_thread(const char *id)
{
	char path[280], name[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", id);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		name[0] = '\0';
	fclose(f);
	return strncmp(name, "vmboot-", strlen("vmboot-")) == 0;
}

size_t test_own_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *ent;
	size_t n = 0;

	while (dir && (ent = readdir(dir)))
		n += ent->d_name[0] != '.' && is_own_thread(ent->d_name);
	if (dir)
		closedir(dir);
	return n;
}

/* What the child says at its end, in memory that both have. */
static struct {
	int code, errors;
} * child_end;

pid_t test_fork(void)
{
	if (!child_end)
		child_end = mmap(NULL, sizeof(*child_end), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (child_end == MAP_FAILED)
		abort();
	child_end->code = -1;
	return fork();
}

/* What valgrind has found up to here is no leak: it looks for these when the process has ended. */
void test_child_exit(int code)
{
	child_end->errors = (int)VALGRIND_COUNT_ERRORS;
	child_end->code = code;
	_exit(code);
}

int test_child_code(pid_t pid)
{
	enum { VALGRIND_CODE = 99 }; /* --error-exitcode in tests/Makemodule.am */
	int status = 0;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	if (getenv("TEST_VALGRIND") && WEXITSTATUS(status) == VALGRIND_CODE &&
	    child_end->code >= 0 && child_end->errors == 0)
		return child_end->code;
	return WEXITSTATUS(status);
}
