/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#include "../../tools/output.h"

/* What output.c uses of the command. */
void *xrealloc(void *p, size_t n, size_t size);
int write_all(int fd, const char *bytes, size_t n);

void *xrealloc(void *p, size_t n, size_t size)
{
	return realloc(p, n * size);
}

int write_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0)
			return errno;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

static volatile sig_atomic_t interrupted;

enum { SIZE = 4 << 20 };

static struct output *start(int fds[2])
{
	struct output *o = output_start();

	CU_ASSERT_PTR_NOT_NULL_FATAL(o);
	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_CLOEXEC), 0);
	interrupted = 0;
	return o;
}

static void *read_all(void *arg)
{
	size_t *n = arg, fd = *n;
	char buf[65536];
	ssize_t got;

	*n = 0;
	while (*n < SIZE + 3 && (got = read((int)fd, buf, sizeof(buf))) > 0)
		*n += (size_t)got;
	return NULL;
}

/* More than a pipe holds, while nobody reads: the caller goes on at once. */
static void the_reader_may_pause(void)
{
	char *text = test_alloc(SIZE);
	size_t read_bytes;
	pthread_t reader;
	int fds[2];
	struct output *o = start(fds);

	memset(text, 'x', SIZE);
	output_put(o, fds[1], text, SIZE);
	output_put(o, fds[1], "end", 3);
	CU_ASSERT_EQUAL(output_error(o), 0);
	read_bytes = (size_t)fds[0];
	CU_ASSERT_EQUAL_FATAL(pthread_create(&reader, NULL, read_all, &read_bytes), 0);
	CU_ASSERT_TRUE(output_drain(o, &interrupted));
	pthread_join(reader, NULL);
	CU_ASSERT_EQUAL(read_bytes, SIZE + 3);
	close(fds[0]);
	close(fds[1]);
}

static void nobody_waits_for_a_reader_after_a_signal(void)
{
	char *text = test_alloc(SIZE);
	int fds[2];
	struct output *o = start(fds);

	output_put(o, fds[1], text, SIZE);
	interrupted = 1;
	CU_ASSERT_FALSE(output_drain(o, &interrupted));
}

static void a_reader_that_went_away_is_an_error(void)
{
	char *text = test_alloc(SIZE);
	int fds[2];
	struct output *o = start(fds);

	signal(SIGPIPE, SIG_IGN);
	close(fds[0]);
	for (int i = 0; i < 40; i++) /* far more than may wait */
		output_put(o, fds[1], text, SIZE);
	CU_ASSERT_TRUE(output_drain(o, &interrupted));
	CU_ASSERT_EQUAL(output_error(o), EPIPE);
	close(fds[1]);
}

TEST_MAIN("tools/output", {"the reader may pause", the_reader_may_pause},
	  {"nobody waits for a reader after a signal", nobody_waits_for_a_reader_after_a_signal},
	  {"a reader that went away is an error", a_reader_that_went_away_is_an_error})
