/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/store.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "test.h"

static mode_t mode_of(const char *path)
{
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void is_made_where_it_is_asked_for(void)
{
	const char *path = test_path("%s/a/./b/../store/", test_tmpdir());
	_cleanup_store_ struct vmb_store store = {0}, again = {0};
	mode_t old = umask(077);

	ASSERT_OK(vmb_store_open(path, &store));
	umask(old);
	ASSERT_STR(store.path, test_path("%s/a/store", test_tmpdir()));
	CU_ASSERT_EQUAL(mode_of(store.path), 0711);
	CU_ASSERT_EQUAL(chmod(store.path, 0755), 0);
	ASSERT_OK(vmb_store_open(store.path, &again));
	CU_ASSERT_EQUAL(mode_of(store.path), 0755);
}

static void what_cannot_be_a_store(void)
{
	struct vmb_store store = {0};

	test_write(test_path("%s/file", test_tmpdir()), "");
	ASSERT_ERROR(vmb_store_open(test_path("%s/file", test_tmpdir()), &store), ENOTDIR,
		     "cannot make the store: ");
	ASSERT_ERROR(vmb_store_open(test_path("%s/file/x", test_tmpdir()), &store), ENOTDIR,
		     "file/x");
	ASSERT_ERROR(vmb_store_open("", &store), EINVAL, "empty path");
	CU_ASSERT_PTR_NULL(store.path);
}

/* Runs fn in a process of its own, as nobody if this is root. */
static void as_a_user(int (*fn)(const char *dir), const char *dir)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(99);
		_exit(fn(dir));
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static bool opens_at(const char *expected)
{
	_cleanup_store_ struct vmb_store store = {0};
	bool ok = vmb_store_open(NULL, &store) == 0 && vmb_streq(store.path, expected);

	if (!ok)
		fprintf(stderr, "\"%s\" is not \"%s\" (%s)\n", store.path ? store.path : "none",
			expected, vmboot_last_error()->message);
	return ok;
}

static int users_defaults(const char *dir)
{
	struct vmb_store store = {0};

	setenv("VMBOOT_STORE", test_path("%s/own", dir), 1);
	setenv("XDG_DATA_HOME", test_path("%s/xdg", dir), 1);
	setenv("HOME", test_path("%s/home", dir), 1);
	if (!opens_at(test_path("%s/own", dir)))
		return 1;
	setenv("VMBOOT_STORE", "", 1);
	if (!opens_at(test_path("%s/xdg/vmboot", dir)))
		return 2;
	setenv("XDG_DATA_HOME", "relative", 1); /* which its specification says to ignore */
	if (!opens_at(test_path("%s/home/.local/share/vmboot", dir)))
		return 3;
	unsetenv("XDG_DATA_HOME");
	unsetenv("VMBOOT_STORE");
	if (!opens_at(test_path("%s/home/.local/share/vmboot", dir)))
		return 4;
	unsetenv("HOME");
	if (vmb_store_open(NULL, &store) != -VMBOOT_EOPTS ||
	    !test_error_is(-VMBOOT_EOPTS, "set `store`, $VMBOOT_STORE or $HOME"))
		return 5;
	return 0;
}

static void a_users_default_follows_the_environment(void)
{
	CU_ASSERT_EQUAL(chmod(test_tmpdir(), 0777), 0);
	as_a_user(users_defaults, test_tmpdir());
}

static int store_of_another(const char *dir)
{
	struct vmb_store store = {0};

	if (vmb_store_open(dir, &store) != -EACCES)
		return 1;
	return test_error_is(-EACCES, "choose another with `store` or $VMBOOT_STORE") ? 0 : 2;
}

static void the_store_of_another_user_is_refused(void)
{
	const char *dir = test_path("%s/store", test_tmpdir());

	CU_ASSERT_EQUAL(mkdir(dir, 0555), 0);
	as_a_user(store_of_another, dir);
}

static int roots_default(void)
{
	if (mount("", "/", "", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/var/lib", "tmpfs", 0, NULL) < 0)
		return 9;
	unsetenv("VMBOOT_STORE");
	setenv("XDG_DATA_HOME", "/nowhere", 1);
	return opens_at("/var/lib/vmboot") ? 0 : 1;
}

/* In a mount namespace with a /var/lib of its own, so that nothing is left here. */
/* Whether it is opened to be used or only looked at. */
static void check_refused(const char *path, const char *words)
{
	_cleanup_store_ struct vmb_store store = {0};

	ASSERT_ERROR(vmb_store_open(path, &store), EPERM, words);
	ASSERT_ERROR(vmb_store_find(path, &store), EPERM, words);
	CU_ASSERT_PTR_NULL(store.path);
}

static void a_store_that_others_can_change_is_refused(void)
{
	const char *path = test_path("%s/store", test_tmpdir());
	const char *link = test_path("%s/link", test_tmpdir());
	_cleanup_store_ struct vmb_store store = {0};

	CU_ASSERT_EQUAL(mkdir(path, 0755), 0);
	CU_ASSERT_EQUAL(symlink(path, link), 0);
	CU_ASSERT_EQUAL(chmod(path, 0777), 0);
	check_refused(path, test_path("whose mode is 0777: run `chmod go-w %s`", path));
	check_refused(link, "chmod go-w");
	CU_ASSERT_EQUAL(chmod(path, 01777), 0);
	check_refused(path, "whose mode is 1777");
	CU_ASSERT_EQUAL(chmod(path, 0755), 0);
	ASSERT_OK(vmb_store_open(link, &store));
	if (geteuid() != 0) {
		printf("only root can give folders away, not checked ");
		return;
	}
	/* a user's own group may be in it, no one else's in root's */
	CU_ASSERT(chmod(path, 0775) == 0 && chown(path, 0, 65534) == 0);
	check_refused(path, "whose mode is 0775");
	CU_ASSERT(chmod(path, 0711) == 0 && chown(path, 65534, 65534) == 0);
	check_refused(path, "belongs to the user 65534, not to you or root");
}

static void roots_default_is_in_var_lib(void)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0) {
		test_not_tried("it takes root");
		return;
	}
	pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWNS) < 0 ? 9 : roots_default());
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static void paths_have_their_folder(void)
{
	_cleanup_store_ struct vmb_store store = {0};
	_cleanup_free_ char *path = NULL, *top = NULL, *below = NULL;
	mode_t old = umask(077);

	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	ASSERT_OK(vmb_store_path(&store, &path, "vms/%s/%s", "web", "overlay.img"));
	umask(old);
	ASSERT_STR(path, test_path("%s/vms/web/overlay.img", store.path));
	CU_ASSERT(!vmb_exists(path));
	CU_ASSERT_EQUAL(mode_of(test_path("%s/vms", store.path)), 0711);
	CU_ASSERT_EQUAL(mode_of(test_path("%s/vms/web", store.path)), 0711);
	ASSERT_OK(vmb_store_path(&store, &top, "lock"));
	ASSERT_STR(top, test_path("%s/lock", store.path));
	test_write(top, "");
	ASSERT_ERROR(vmb_store_path(&store, &below, "lock/x"), ENOTDIR, "lock");
	CU_ASSERT_PTR_NULL(below);
}

enum { LONG_MS = 60000 }; /* nobody waits so long */

struct waiter {
	struct vmb_store store;
	int timeout_ms;
	int result, fd;
	int64_t took_ms;
	_Atomic bool done;
};

static void *wait_for_lock(void *arg)
{
	struct waiter *w = arg;
	int64_t start = vmb_monotonic_us();

	w->fd = -1;
	w->result = vmb_store_lock(&w->store, "images/x", w->timeout_ms, &w->fd);
	w->took_ms = (vmb_monotonic_us() - start) / 1000;
	w->done = true;
	return NULL;
}

static void pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

static void a_lock_waits_until_it_is_given_back(void)
{
	struct vmb_deadline until = vmb_deadline_in(LONG_MS);
	struct waiter w = {.timeout_ms = LONG_MS};
	pthread_t thread;
	int fd = -1;

	ASSERT_OK(vmb_store_open(test_tmpdir(), &w.store));
	ASSERT_OK(vmb_store_lock(&w.store, "images/x", 0, &fd));
	CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wait_for_lock, &w), 0);
	pause_ms(200);
	CU_ASSERT_FALSE(w.done);
	close(fd);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(w.result, 0);
	CU_ASSERT_FALSE(vmb_deadline_passed(until));
	close(w.fd);
	vmb_store_done(&w.store);
}

static void a_lock_times_out(void)
{
	struct waiter w = {.timeout_ms = 100};
	int fd = -1, other = -1;

	ASSERT_OK(vmb_store_open(test_tmpdir(), &w.store));
	ASSERT_OK(vmb_store_lock(&w.store, "images/x", 0, &fd));
	wait_for_lock(&w);
	CU_ASSERT_EQUAL(w.result, -ETIMEDOUT);
	CU_ASSERT(test_error_is(-ETIMEDOUT, "images/x.lock; is it still alive?"));
	CU_ASSERT(w.took_ms >= 100);
	CU_ASSERT_EQUAL(w.fd, -1);
	w.timeout_ms = 0;
	wait_for_lock(&w);
	CU_ASSERT_EQUAL(w.result, -ETIMEDOUT);
	ASSERT_OK(vmb_store_lock(&w.store, "images/y", 0, &other));
	close(other);
	close(fd);
	ASSERT_OK(vmb_store_lock(&w.store, "images/x", 0, &fd));
	close(fd);
	vmb_store_done(&w.store);
}

/* A dead owner's lock is free: the kernel gives it back. */
static void a_killed_process_holds_no_lock(void)
{
	_cleanup_store_ struct vmb_store store = {0};
	int fd = -1, status, fds[2];
	char byte;
	pid_t pid;

	ASSERT_OK(vmb_store_open(test_tmpdir(), &store));
	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		if (vmb_store_lock(&store, "l", 0, &fd) < 0 || write(fds[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	close(fds[1]);
	CU_ASSERT_EQUAL(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	ASSERT_ERROR(vmb_store_lock(&store, "l", 0, &fd), ETIMEDOUT, "l.lock");
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	ASSERT_OK(vmb_store_lock(&store, "l", 0, &fd));
	close(fd);
}

/* The holder removes the folder with the lock in it; a lock on the removed file locks nothing. */
static void a_lock_that_was_removed_is_taken_anew(void)
{
	struct waiter w = {.timeout_ms = LONG_MS};
	struct stat locked, there;
	pthread_t thread;
	const char *path;
	int fd = -1, second = -1;

	ASSERT_OK(vmb_store_open(test_tmpdir(), &w.store));
	path = test_path("%s/images", w.store.path);
	ASSERT_OK(vmb_store_lock(&w.store, "images/x", 0, &fd));
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wait_for_lock, &w), 0);
	pause_ms(100);
	ASSERT_OK(vmb_rm_rf(path));
	close(fd);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL_FATAL(w.result, 0);
	CU_ASSERT_EQUAL(fstat(w.fd, &locked), 0);
	CU_ASSERT_EQUAL(stat(test_path("%s/x.lock", path), &there), 0);
	CU_ASSERT_EQUAL(locked.st_ino, there.st_ino);
	ASSERT_ERROR(vmb_store_lock(&w.store, "images/x", 0, &second), ETIMEDOUT, "x.lock");
	close(w.fd);
	vmb_store_done(&w.store);
}

static void *wait_for_folder(void *arg)
{
	struct waiter *w = arg;

	w->result = vmb_store_lock_folder(test_path("%s/folder", w->store.path), 60000, &w->fd);
	return NULL;
}

/* Whether it waits or comes too late. */
static void a_folder_goes_with_its_lock(void)
{
	struct waiter w = {.fd = -1};
	const char *folder;
	pthread_t thread;
	int fd = -1;

	ASSERT_OK(vmb_store_open(test_path("%s/s", test_tmpdir()), &w.store));
	folder = test_path("%s/folder", w.store.path);
	ASSERT_ERROR(vmb_store_lock_folder(folder, 0, &fd), ENOENT, folder);
	ASSERT_OK(vmb_mkdir_p(folder, 0700));
	ASSERT_OK(vmb_store_lock_folder(folder, 0, &fd));
	ASSERT_ERROR(vmb_store_lock_folder(folder, 0, &w.fd), ETIMEDOUT, folder);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wait_for_folder, &w), 0);
	test_write(test_path("%s/file", folder), "x");
	pause_ms(50); /* it may wait by now */
	ASSERT_OK(vmb_store_remove_folder(folder));
	CU_ASSERT_FALSE(vmb_exists(folder));
	close(fd);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(w.result, -ENOENT);
	ASSERT_OK(vmb_store_remove_folder(folder));
	vmb_store_done(&w.store);
}

static void a_link_is_not_locked_through(void)
{
	_cleanup_store_ struct vmb_store store = {0};
	const char *target = test_path("%s/target", test_tmpdir());
	int fd = -1;

	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	CU_ASSERT_EQUAL(symlink(target, test_path("%s/l.lock", store.path)), 0);
	ASSERT_ERROR(vmb_store_lock(&store, "l", 0, &fd), ELOOP, "cannot open");
	CU_ASSERT(!vmb_exists(target));
}

static void names_become_file_names_and_back(void)
{
	static const struct {
		const char *name, *file;
	} rows[] = {
		{"docker.io/library/node:20", "docker.io%2Flibrary%2Fnode:20"},
		{"plain", "plain"},
		{"", ""},
		{"..", "%2E."},
		{".hidden", "%2Ehidden"},
		{"a/../b", "a%2F..%2Fb"},
		{"50%", "50%25"},
		{"%2F", "%252F"},
		{"a b\xff\n", "a b\xff\n"},
		/* what gc would take for half-made, and what would be another's lock */
		{"node:x.tmp-abcdef", "node:x%2Etmp-abcdef"},
		{"node:1.lock", "node:1%2Elock"},
		{"node:1.lock.2", "node:1.lock.2"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *file = NULL, *name = NULL;

		ASSERT_OK(vmb_store_encode(rows[i].name, &file));
		ASSERT_STR(file, rows[i].file);
		ASSERT_OK(vmb_store_decode(file, &name));
		ASSERT_STR(name, rows[i].name);
	}
}

static void every_byte_comes_back(void)
{
	_cleanup_free_ char *file = NULL, *name = NULL;
	char all[256];

	for (int i = 0; i < 255; i++)
		all[i] = (char)(i + 1);
	all[255] = '\0';
	ASSERT_OK(vmb_store_encode(all, &file));
	CU_ASSERT_PTR_NULL(strchr(file, '/'));
	ASSERT_OK(vmb_store_decode(file, &name));
	ASSERT_STR(name, all);
}

/* Files that somebody else put there. */
static void what_was_never_encoded_stays(void)
{
	static const char *const files[] = {"%", "%2", "%zz", "a%", "%00", "%2f", "%%"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *name = NULL;

		ASSERT_OK(vmb_store_decode(files[i], &name));
		ASSERT_STR(name, files[i]);
	}
}

TEST_MAIN("store",
	  {"a store that others can change is refused", a_store_that_others_can_change_is_refused},
	  {"is made where it is asked for", is_made_where_it_is_asked_for},
	  {"what cannot be a store", what_cannot_be_a_store},
	  {"a user's default follows the environment", a_users_default_follows_the_environment},
	  {"the store of another user is refused", the_store_of_another_user_is_refused},
	  {"root's default is in /var/lib", roots_default_is_in_var_lib},
	  {"paths have their folder", paths_have_their_folder},
	  {"a lock waits until it is given back", a_lock_waits_until_it_is_given_back},
	  {"a lock times out", a_lock_times_out},
	  {"a killed process holds no lock", a_killed_process_holds_no_lock},
	  {"a lock that was removed is taken anew", a_lock_that_was_removed_is_taken_anew},
	  {"a folder goes with its lock", a_folder_goes_with_its_lock},
	  {"a link is not locked through", a_link_is_not_locked_through},
	  {"names become file names and back", names_become_file_names_and_back},
	  {"every byte comes back", every_byte_comes_back},
	  {"what was never encoded stays", what_was_never_encoded_stays})
