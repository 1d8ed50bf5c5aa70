/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections: libvirt's own test driver is what answers, a port that accepts and says nothing is
 * what does not.
 */
#include "virt/connect.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "test.h"

#define NOBODY "qemu+unix:///system?socket=/nosuch" /* where no daemon listens */

enum { PATIENCE_S = 120, THREADS = 3 };

/* ---- what is replaced: the clock, for the deadlines, and what is asked of libvirt ---- */

static atomic_bool time_flies; /* what is waited for does not come in time */
static atomic_llong ahead_s;
static atomic_int keepalive_asked;

int clock_gettime(clockid_t id, struct timespec *ret)
{
	__typeof__(clock_gettime) *real;
	int r;

	*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	r = real(id, ret);
	ret->tv_sec += id == CLOCK_MONOTONIC ? atomic_load(&ahead_s) : 0;
	return r;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock, const struct timespec *at)
{
	__typeof__(pthread_cond_timedwait) *real;

	if (atomic_load(&time_flies)) {
		atomic_fetch_add(&ahead_s, 3600);
		return ETIMEDOUT;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
	return real(cond, lock, at);
}

int virConnectSetKeepAlive(virConnectPtr c, int interval, unsigned count)
{
	(void)c;
	if (interval > 0 && interval <= 10 && count > 0 && count <= 10)
		atomic_fetch_add(&keepalive_asked, 1);
	return 1; /* as the test driver says, which has nothing to ask */
}

/* ---- a libvirt that does not answer ---- */

struct mute {
	int listener, peer;
	char uri[64];
};

static struct mute mute_new(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	struct mute mute = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .peer = -1};

	CU_ASSERT_FATAL(bind(mute.listener, (struct sockaddr *)&at, sizeof(at)) == 0);
	CU_ASSERT_FATAL(listen(mute.listener, 8) == 0);
	CU_ASSERT_FATAL(getsockname(mute.listener, (struct sockaddr *)&at, &size) == 0);
	snprintf(mute.uri, sizeof(mute.uri), "qemu+tcp://127.0.0.1:%d/system", ntohs(at.sin_port));
	return mute;
}

/* Until libvirt is in the call that does not return. */
static void mute_accept(struct mute *mute)
{
	mute->peer = accept4(mute->listener, NULL, NULL, SOCK_CLOEXEC);
	CU_ASSERT_FATAL(mute->peer >= 0);
}

/* True if somebody else has connected since. */
static bool mute_has_another(const struct mute *mute)
{
	struct pollfd p = {.fd = mute->listener, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static void mute_hang_up(struct mute *mute)
{
	close(mute->peer);
	close(mute->listener);
}

struct attempt {
	pthread_t thread;
	const char *uri;
	int r, libvirt_code;
	char words[512];
};

static int connect_to(const char *uri)
{
	const struct vmboot_opts opts = VMBOOT_OPTS(.uri = uri);
	const struct vmb_store store = {0};
	_cleanup_connect_ virConnectPtr c = NULL;
	_cleanup_conn_ struct vmb_conn *conn = NULL;
	int r = vmb_conn_open(&opts, &store, &conn);

	return r < 0 ? r : vmb_conn_get(conn, NULL, &c);
}

static void *attempt_run(void *data)
{
	struct attempt *a = data;

	a->r = connect_to(a->uri);
	a->libvirt_code = vmboot_last_error()->libvirt_code;
	snprintf(a->words, sizeof(a->words), "%s", vmboot_last_error()->message);
	return NULL;
}

static void attempt_start(struct attempt *a, const char *uri)
{
	a->uri = uri;
	CU_ASSERT_FATAL(pthread_create(&a->thread, NULL, attempt_run, a) == 0);
}

/* The thread that an open leaves behind is about to end. */
static void await_threads(size_t n)
{
	while (test_own_threads() > n)
		sched_yield();
}

/* ---- tests ---- */

static void others_go_on(void)
{
	struct attempt wedged = {0};
	struct mute mute = mute_new();

	alarm(PATIENCE_S);
	attempt_start(&wedged, mute.uri);
	mute_accept(&mute);
	ASSERT_OK(connect_to("test:///default"));
	ASSERT_OK(connect_to("test:///default"));
	mute_hang_up(&mute);
	pthread_join(wedged.thread, NULL);
	CU_ASSERT_EQUAL(wedged.r, -VMBOOT_ELIBVIRT);
	CU_ASSERT(strstr(wedged.words, "cannot connect to qemu+tcp://127.0.0.1:") != NULL);
	alarm(0);
}

static void a_wait_has_an_end(void)
{
	const size_t before = test_own_threads();
	struct attempt wedged = {0};
	struct mute mute = mute_new();

	alarm(PATIENCE_S);
	atomic_store(&time_flies, true);
	attempt_start(&wedged, mute.uri);
	mute_accept(&mute);
	pthread_join(wedged.thread, NULL);
	CU_ASSERT_EQUAL(wedged.r, -ETIMEDOUT);
	CU_ASSERT(strstr(wedged.words, "has not answered for 30 seconds") != NULL);
	/* no second one while the first is under way */
	ASSERT_ERROR(connect_to(mute.uri), ETIMEDOUT, "has not answered");
	CU_ASSERT_FALSE(mute_has_another(&mute));
	atomic_store(&time_flies, false);
	mute_hang_up(&mute);
	await_threads(before);
	alarm(0);
}

static void one_attempt_serves_all(void)
{
	struct attempt attempts[THREADS] = {0};
	struct mute mute = mute_new();

	alarm(PATIENCE_S);
	attempt_start(&attempts[0], mute.uri);
	mute_accept(&mute);
	for (int i = 1; i < THREADS; i++)
		attempt_start(&attempts[i], mute.uri);
	/* they may come after the end, and fail by themselves, since nobody listens then */
	CU_ASSERT_FALSE(mute_has_another(&mute));
	mute_hang_up(&mute);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(attempts[i].thread, NULL);
		CU_ASSERT_EQUAL(attempts[i].r, -VMBOOT_ELIBVIRT);
		CU_ASSERT(attempts[i].libvirt_code > 0);
		CU_ASSERT(strstr(attempts[i].words, "cannot connect to") != NULL);
	}
	alarm(0);
}

static void it_asks_for_signs_of_life(void)
{
	atomic_store(&keepalive_asked, 0);
	ASSERT_OK(connect_to("test:///default"));
	CU_ASSERT_EQUAL(atomic_load(&keepalive_asked), 1);
}

static void a_broken_one_is_opened_again(void)
{
	const struct vmboot_opts opts = VMBOOT_OPTS(.uri = "test:///default");
	const struct vmb_store store = {0};
	_cleanup_conn_ struct vmb_conn *conn = NULL, *same = NULL, *events = NULL;
	virConnectPtr a = NULL, b = NULL, again = NULL, late = NULL;

	ASSERT_OK(vmb_conn_open(&opts, &store, &conn));
	ASSERT_OK(vmb_conn_open(&opts, &store, &same));
	CU_ASSERT_PTR_EQUAL(conn, same);
	ASSERT_OK(vmb_conn_with_events(conn, &events));
	ASSERT_OK(vmb_conn_get(conn, NULL, &a));
	ASSERT_OK(vmb_conn_get(same, NULL, &b));
	CU_ASSERT_PTR_EQUAL(a, b);
	ASSERT_OK(vmb_conn_get(conn, a, &again));
	CU_ASSERT_PTR_NOT_EQUAL(a, again);
	/* who finds out later that it broke gets what was opened since */
	ASSERT_OK(vmb_conn_get(same, b, &late));
	CU_ASSERT_PTR_EQUAL(again, late);
	virConnectClose(a);
	virConnectClose(b);
	virConnectClose(again);
	virConnectClose(late);
}

static int in_a_child(int (*fn)(void *data), void *data)
{
	pid_t pid = test_fork();

	if (pid == 0) {
		alarm(PATIENCE_S);
		test_child_exit(fn(data));
	}
	return test_child_code(pid);
}

static int use_parents(void *data)
{
	struct vmb_conn *conn = data, *events;
	virConnectPtr c;
	virDomainPtr d;

	if (vmb_conn_get(conn, NULL, &c) >= 0 || !test_error_is(-EPERM, "forked"))
		return 1;
	if (vmb_conn_domain(conn, "test", &d) >= 0 || vmb_conn_with_events(conn, &events) >= 0)
		return 2;
	vmb_conn_unref(conn);
	return connect_to("test:///default") < 0 ? 3 : 0;
}

static void a_child_has_its_own(void)
{
	const struct vmboot_opts opts = VMBOOT_OPTS(.uri = "test:///default");
	const struct vmb_store store = {0};
	_cleanup_connect_ virConnectPtr c = NULL;
	_cleanup_conn_ struct vmb_conn *conn = NULL;

#ifdef __SANITIZE_THREAD__
	test_not_tried("the thread sanitizer follows no threads of a forked child");
	return;
#endif
	ASSERT_OK(vmb_conn_open(&opts, &store, &conn));
	CU_ASSERT_EQUAL(in_a_child(use_parents, conn), 0);
	ASSERT_OK(vmb_conn_get(conn, NULL, &c));
}

static void count_error(void *data, virErrorPtr error VMB_UNUSED)
{
	++*(int *)data;
}

/* What libvirt prints of its own accord goes to stderr, which is a file here. */
static int fail_to_connect(void *data)
{
	int own = 0;

	if (!freopen(data, "w", stderr))
		return 1;
	if (connect_to(NOBODY) >= 0)
		return 2;
	if (fflush(stderr) || ftell(stderr) != 0)
		return 3;
	/* the program's own are printed as without us */
	if (virConnectOpen(NOBODY) || fflush(stderr) || ftell(stderr) == 0)
		return 4;
	/* and what it sets stays */
	virSetErrorFunc(&own, count_error);
	if (virConnectOpen(NOBODY) || own != 1)
		return 5;
	if (connect_to("test:///default") < 0 || virConnectOpen(NOBODY) || own != 2)
		return 6;
	return 0;
}

static void nothing_is_printed(void)
{
	const char *file = test_path("%s/stderr", test_tmpdir());
	int failed = in_a_child(fail_to_connect, (void *)file);

	if (failed)
		printf("step %d: %s\n", failed, test_read(file));
	CU_ASSERT_EQUAL(failed, 0);
}

TEST_MAIN("virt/connect", {"others go on while one URI does not answer", others_go_on},
	  {"a wait for one that does not answer ends", a_wait_has_an_end},
	  {"callers of one URI share an attempt", one_attempt_serves_all},
	  {"a daemon is asked for signs of life", it_asks_for_signs_of_life},
	  {"a broken connection is opened again, once", a_broken_one_is_opened_again},
	  {"a forked child uses none of its parent's", a_child_has_its_own},
	  {"an error that the library reports is not printed", nothing_is_printed})
