/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TEST_H
#define TEST_H

/*
 * What all CUnit programs share. A program is a table of named functions:
 *
 *	static void decodes_what_it_encodes(void) { … }
 *	TEST_MAIN("wire/event", {"decodes what it encodes", decodes_what_it_encodes}, …)
 *
 * TEST_ONLY=words runs the cases whose name has these words. It exits 0 if all passed, 1 if not, and
 * 77 with a reason if one could not try what it is for: see test_skip() and test_not_tried().
 */

#include <CUnit/Basic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <vmboot/error.h>

struct test_case {
	const char *name;
	void (*fn)(void);
};

int test_run(const char *suite, const struct test_case *cases, size_t n);

#define TEST_MAIN(suite, ...)                                                                      \
	int main(void)                                                                             \
	{                                                                                          \
		static const struct test_case cases[] = {__VA_ARGS__};                             \
		return test_run(suite, cases, sizeof(cases) / sizeof(cases[0]));                   \
	}

/* A fresh folder, removed with all that is in it when the test function ends. Any thread may ask. */
const char *test_tmpdir(void);

/* Formats into a string that lives until the test function ends. Any thread may ask. */
const char *test_path(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Zeroed memory that lives as long, for any thread. */
void *test_alloc(size_t n);

/* A NULL-ended list of strings that lives as long; the strings themselves are not copied. */
#define TEST_LIST(...) test_list((const char *const[]){__VA_ARGS__, NULL})
const char **test_list(const char *const *list);

/* Write or read a whole text file; abort on failure. The text lives as above. */
void test_write(const char *path, const char *text);
const char *test_read(const char *path);

/*
 * $VMBOOT_GUEST_DIR becomes a folder with what the build has, but this script in the place of one
 * program. What it was before, to be set again.
 */
const char *test_replace_program(const char *name, const char *script);

/* Copy a file's bytes; abort on failure. */
void test_copy(const char *from, const char *to);

/*
 * Bytes that this process, without its children, has read or written so far: what something costs,
 * whatever the machine does meanwhile. 0 if the kernel does not count them.
 */
unsigned long long test_bytes_moved(void);

/* Compares with a golden file tests/<name>; TEST_UPDATE=1 writes it instead. */
void test_golden(const char *name, const char *text);

/*
 * This case, or a part of it, cannot be tried here. The other cases run; if all pass, the program ends
 * with 77, not with 0. Any thread may say it.
 */
void test_not_tried(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program with 77. */
void test_skip(const char *why) __attribute__((noreturn));

/* True if the thread's last error has this code and these words in its message. */
bool test_error_is(int code, const char *words);

#define ASSERT_OK(expr)                                                                            \
	do {                                                                                       \
		int r_ = (expr);                                                                   \
		if (r_ < 0)                                                                        \
			fprintf(stderr, "%s:%d: %s = %d: %s\n", __FILE__, __LINE__, #expr, r_,     \
				vmboot_last_error()->message);                                     \
		CU_ASSERT_FATAL(r_ >= 0);                                                          \
	} while (0)

#define ASSERT_ERROR(expr, code, words)                                                            \
	do {                                                                                       \
		int r_ = (expr);                                                                   \
		CU_ASSERT_EQUAL(r_, -(code));                                                      \
		CU_ASSERT(test_error_is(-(code), words));                                          \
	} while (0)

/*
 * fork(), the end of such a child, and the parent's wait for it: the child's exit code, or -1. What a
 * child has of its parent and forgets, valgrind counts as lost there; that is no failure. What the
 * child does wrong to memory is: then the code is valgrind's. One child at a time.
 */
pid_t test_fork(void);
void test_child_exit(int code) __attribute__((noreturn));
int test_child_code(pid_t pid);

/* How many threads of the library's this process has, by their names: a sanitizer has some, too. */
size_t test_own_threads(void);

#define ASSERT_STR(actual, expected)                                                               \
	do {                                                                                       \
		const char *a_ = (actual), *e_ = (expected);                                       \
		bool same_ = a_ && e_ && strcmp(a_, e_) == 0;                                      \
		if (!same_)                                                                        \
			fprintf(stderr, "%s:%d: \"%s\" is not \"%s\"\n", __FILE__, __LINE__,       \
				a_ ? a_ : "(null)", e_ ? e_ : "(null)");                           \
		CU_ASSERT(same_);                                                                  \
	} while (0)

#endif
