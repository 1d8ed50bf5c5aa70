/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/error.h"
#include "test.h"

static int entries_in(const char *folder)
{
	_cleanup_closedir_ DIR *d = opendir(folder);
	int n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	while (readdir(d))
		n++;
	return n - 2;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void a_descriptor_is_closed_once(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC), next;

	vmb_closep(&fd);
	CU_ASSERT_EQUAL(fd, -1);
	next = open("/", O_PATH | O_CLOEXEC); /* gets the number that is free again */
	vmb_closep(&fd);
	CU_ASSERT(fcntl(next, F_GETFD) >= 0);
	vmb_closep(&next);
}

static void reads_up_to_the_bound(void)
{
	const char *path = test_path("%s/f", test_tmpdir());
	_cleanup_free_ char *text = NULL;
	char *untouched = NULL;
	size_t n = 0;

	ASSERT_OK(vmb_write_file_atomic(path, "ab\0cd", 5, 0600));
	ASSERT_OK(vmb_read_file(path, 5, &text, &n));
	CU_ASSERT_EQUAL(n, 5);
	CU_ASSERT_EQUAL(memcmp(text, "ab\0cd", 6), 0);
	ASSERT_ERROR(vmb_read_file(path, 4, &untouched, NULL), EFBIG, "larger than 4 bytes");
	ASSERT_ERROR(vmb_read_file(path, 0, &untouched, NULL), EFBIG, "larger than 0 bytes");
	ASSERT_ERROR(vmb_read_file(test_path("%s/none", test_tmpdir()), 9, &untouched, NULL),
		     ENOENT, "none");
	ASSERT_ERROR(vmb_read_file(test_tmpdir(), 9, &untouched, NULL), EISDIR, "cannot read");
	CU_ASSERT_PTR_NULL(untouched);
}

static void an_empty_file_is_an_empty_string(void)
{
	const char *path = test_path("%s/f", test_tmpdir());
	_cleanup_free_ char *text = NULL;
	size_t n = 1;

	ASSERT_OK(vmb_write_file_atomic(path, "", 0, 0600));
	ASSERT_OK(vmb_read_file(path, 0, &text, &n));
	CU_ASSERT_EQUAL(n, 0);
	ASSERT_STR(text, "");
}

/* A hostile folder may hold a FIFO where a file is due; waiting for a writer would be for ever. */
static void a_fifo_or_device_is_refused_at_once(void)
{
	const char *path = test_path("%s/fifo", test_tmpdir());
	char *text = NULL;

	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	alarm(10);
	ASSERT_ERROR(vmb_read_file(path, 9, &text, NULL), EINVAL, "no regular file");
	ASSERT_ERROR(vmb_read_file("/dev/zero", 9, &text, NULL), EINVAL, "no regular file");
	alarm(0);
}

static void a_new_file_has_exactly_its_mode(void)
{
	const char *path = test_path("%s/f", test_tmpdir());
	mode_t old = umask(077);

	ASSERT_OK(vmb_write_file_atomic(path, "x", 1, 0644));
	CU_ASSERT_EQUAL(mode_of(path), 0644);
	umask(0);
	ASSERT_OK(vmb_write_file_atomic(path, "y", 1, 0600));
	CU_ASSERT_EQUAL(mode_of(path), 0600);
	umask(old);
	ASSERT_STR(test_read(path), "y");
	CU_ASSERT_EQUAL(entries_in(test_tmpdir()), 1);
}

/* A reader that has the old file open keeps it; a link in its place is replaced, not followed. */
static void a_file_is_replaced_not_rewritten(void)
{
	const char *path = test_path("%s/f", test_tmpdir());
	const char *link = test_path("%s/link", test_tmpdir());
	_cleanup_free_ char *old = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	test_write(path, "old");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	test_write(path, "new");
	ASSERT_OK(vmb_read_fd(fd, "old", 9, &old, NULL));
	ASSERT_STR(old, "old");
	CU_ASSERT_EQUAL_FATAL(symlink(path, link), 0);
	test_write(link, "third");
	CU_ASSERT(lstat(link, &st) == 0 && S_ISREG(st.st_mode));
	ASSERT_STR(test_read(path), "new");
}

/* The file size limit makes the write fail half way, as a full disk would. */
static void writes_under_a_limit(const char *path)
{
	const struct rlimit limit = {4096, 4096};
	static char data[10000];

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		_exit(9);
	_exit(vmb_write_file_atomic(path, data, sizeof(data), 0600) == -EFBIG ? 0 : 1);
}

static void a_failed_write_leaves_the_old_file_alone(void)
{
	const char *path = test_path("%s/f", test_tmpdir());
	int status = -1;
	pid_t pid;

	test_write(path, "old");
	pid = fork();
	if (pid == 0)
		writes_under_a_limit(path);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	ASSERT_STR(test_read(path), "old");
	CU_ASSERT_EQUAL(entries_in(test_tmpdir()), 1);
}

static void a_failed_rename_leaves_nothing(void)
{
	const char *path = test_path("%s/folder", test_tmpdir());

	ASSERT_OK(vmb_mkdir_p(path, 0755));
	ASSERT_ERROR(vmb_write_file_atomic(path, "x", 1, 0600), EISDIR, "cannot rename");
	ASSERT_ERROR(vmb_write_file_atomic(test_path("%s/no/f", test_tmpdir()), "x", 1, 0600),
		     ENOENT, "cannot make a file beside");
	CU_ASSERT_EQUAL(entries_in(test_tmpdir()), 1);
}

static void a_temporary_file_goes_unless_it_is_handed_over(void)
{
	const char *path = test_path("%s/f", test_tmpdir());

	{
		_cleanup_unlink_ char *tmp = NULL;
		_cleanup_close_ int fd = -1;

		ASSERT_OK(vmb_open_tmp(path, 0640, &fd, &tmp));
		CU_ASSERT_PTR_NOT_NULL(strstr(tmp, "/f.tmp-"));
		CU_ASSERT_EQUAL(mode_of(tmp), 0640);
		CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		CU_ASSERT_EQUAL(entries_in(test_tmpdir()), 1);
	}
	CU_ASSERT_EQUAL(entries_in(test_tmpdir()), 0);
}

static void folders_are_made_as_needed(void)
{
	const char *deep = test_path("%s/a/b//c/", test_tmpdir());
	const char *a = test_path("%s/a", test_tmpdir());
	mode_t old = umask(077);

	ASSERT_OK(vmb_mkdir_p(deep, 0711));
	umask(old);
	CU_ASSERT_EQUAL(mode_of(a), 0711);
	CU_ASSERT_EQUAL(mode_of(test_path("%s/b", a)), 0711);
	CU_ASSERT_EQUAL(mode_of(test_path("%s/b/c", a)), 0711);
	CU_ASSERT_EQUAL(chmod(a, 0700), 0);
	ASSERT_OK(vmb_mkdir_p(deep, 0755));
	CU_ASSERT_EQUAL(mode_of(a), 0700);
	test_write(test_path("%s/file", a), "");
	ASSERT_ERROR(vmb_mkdir_p(test_path("%s/file", a), 0755), ENOTDIR, "file");
	ASSERT_ERROR(vmb_mkdir_p(test_path("%s/file/x", a), 0755), ENOTDIR, "file/x");
	ASSERT_ERROR(vmb_mkdir_p("", 0755), ENOENT, "cannot make the folder");
}

/* tree/ has files, folders, and links to what must survive. */
static const char *make_tree(const char *outside)
{
	const char *tree = test_path("%s/tree", test_tmpdir());

	ASSERT_OK(vmb_mkdir_p(test_path("%s/a/b/c", tree), 0755));
	ASSERT_OK(vmb_mkdir_p(outside, 0755));
	test_write(test_path("%s/keep", outside), "kept");
	for (int i = 0; i < 300; i++)
		test_write(test_path("%s/a/b/file-%d", tree, i), "x");
	CU_ASSERT_EQUAL(symlink(outside, test_path("%s/a/link", tree)), 0);
	CU_ASSERT_EQUAL(symlink(test_path("%s/keep", outside), test_path("%s/file", tree)), 0);
	CU_ASSERT_EQUAL(symlink("nowhere", test_path("%s/dangling", tree)), 0);
	CU_ASSERT_EQUAL(mkfifo(test_path("%s/fifo", tree), 0600), 0);
	return tree;
}

static void rm_rf_removes_links_but_never_follows_them(void)
{
	const char *outside = test_path("%s/outside", test_tmpdir());
	const char *link = test_path("%s/link", test_tmpdir());
	const char *tree = make_tree(outside);

	ASSERT_OK(vmb_rm_rf(tree));
	CU_ASSERT(!vmb_exists(tree));
	ASSERT_STR(test_read(test_path("%s/keep", outside)), "kept");
	CU_ASSERT_EQUAL(symlink("outside", link), 0);
	ASSERT_OK(vmb_rm_rf(test_path("%s/", link)));
	CU_ASSERT_EQUAL(access(link, F_OK), -1);
	ASSERT_STR(test_read(test_path("%s/keep", outside)), "kept");
	CU_ASSERT_EQUAL(symlink("outside", link), 0);
	ASSERT_OK(vmb_rm_rf(link));
	CU_ASSERT_EQUAL(entries_in(test_tmpdir()), 1);
	ASSERT_OK(vmb_rm_rf(test_path("%s/keep", outside)));
	CU_ASSERT_EQUAL(entries_in(outside), 0);
}

/* Takes all descriptors but so many; 0, or 1 if the folder is not removed then. */
static int remove_with(const char *folder, int n)
{
	struct rlimit few;
	int fd, last = -1;

	if (getrlimit(RLIMIT_NOFILE, &few) < 0)
		return 1;
	few.rlim_cur = 64; /* valgrind leaves the hard limit where it is */
	if (setrlimit(RLIMIT_NOFILE, &few) < 0)
		return 1;
	while ((fd = dup(0)) >= 0)
		last = fd;
	while (n-- > 0)
		close(last--);
	return vmb_rm_rf(folder) < 0;
}

static void rm_rf_needs_no_descriptor_for_a_file(void)
{
	const char *folder = test_path("%s/folder", test_tmpdir());
	int status = -1;
	pid_t pid;

	ASSERT_OK(vmb_mkdir_p(folder, 0755));
	test_write(test_path("%s/file", folder), "x");
	pid = fork();
	if (pid == 0)
		_exit(remove_with(folder, 2));
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT(!vmb_exists(folder));
}

static void rm_rf_of_nothing_is_no_error(void)
{
	ASSERT_OK(vmb_rm_rf(test_path("%s/none", test_tmpdir())));
	ASSERT_OK(vmb_rm_rf(test_path("%s/none/deeper", test_tmpdir())));
	ASSERT_ERROR(vmb_rm_rf("/"), EBUSY, "cannot remove /");
	ASSERT_ERROR(vmb_rm_rf(""), EINVAL, "empty path");
}

static void rm_rf_takes_paths_of_any_length(void)
{
	const char *name = "a-name-of-a-folder-that-is-repeated-until-no-path-could-name-it";
	const char *deep = test_path("%s/deep", test_tmpdir());
	int fd, next;

	CU_ASSERT_EQUAL_FATAL(mkdir(deep, 0755), 0);
	fd = open(deep, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < 100; i++) {
		CU_ASSERT_EQUAL_FATAL(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = next;
	}
	close(fd);
	ASSERT_OK(vmb_rm_rf(deep));
	CU_ASSERT(!vmb_exists(deep));
}

static void rm_rf_stops_at_a_mount_and_removes_the_rest(void)
{
	const char *tree = test_path("%s/tree", test_tmpdir());
	const char *at = test_path("%s/m", tree), *src = test_path("%s/src", test_tmpdir());

	ASSERT_OK(vmb_mkdir_p(at, 0755));
	ASSERT_OK(vmb_mkdir_p(src, 0755));
	test_write(test_path("%s/keep", src), "kept");
	test_write(test_path("%s/a", tree), "x");
	test_write(test_path("%s/z", tree), "x");
	/* a bind mount is of the same file system: only that it is a mount tells it */
	if (mount(src, at, "", MS_BIND, "") < 0) {
		test_not_tried("there is no right to mount");
		return;
	}
	CU_ASSERT_EQUAL(vmb_rm_rf(tree), -EXDEV);
	CU_ASSERT(test_error_is(-EXDEV, "cannot remove m"));
	CU_ASSERT_EQUAL(entries_in(tree), 1);
	ASSERT_STR(test_read(test_path("%s/keep", src)), "kept");
	CU_ASSERT_EQUAL(umount(at), 0);
}

static void rm_rf_gives_the_first_failure(void)
{
	const char *tree = test_path("%s/tree", test_tmpdir());
	const char *locked = test_path("%s/locked", tree);
	int status = -1;
	pid_t pid;

	ASSERT_OK(vmb_mkdir_p(locked, 0755));
	test_write(test_path("%s/f", locked), "x");
	test_write(test_path("%s/g", tree), "x");
	CU_ASSERT_EQUAL(chmod(locked, 0555), 0);
	CU_ASSERT_EQUAL(chmod(tree, 0777), 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(9);
		if (vmb_rm_rf(tree) != -EACCES || !test_error_is(-EACCES, "cannot remove f"))
			_exit(1);
		_exit(entries_in(tree) == 1 ? 0 : 2);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(chmod(locked, 0755), 0);
}

static void absolute_paths(void)
{
	static const struct {
		const char *path, *absolute;
	} rows[] = {
		{"/", "/"},
		{"//", "/"},
		{"/a", "/a"},
		{"/a/", "/a"},
		{"//a///b//", "/a/b"},
		{"/a/./b/.", "/a/b"},
		{"/a/../b", "/b"},
		{"/a/b/../../c", "/c"},
		{"/..", "/"},
		{"/../../a", "/a"},
		{"/a/..", "/"},
		{"/a/...", "/a/..."},
		{"/a/.b", "/a/.b"},
		{"/a b/\xff", "/a b/\xff"},
	};
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	char *s = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_OK(vmb_absolute(rows[i].path, &s));
		ASSERT_STR(s, rows[i].absolute);
		free(TAKE_PTR(s));
	}
	ASSERT_OK(vmb_absolute("x/../y", &s));
	ASSERT_STR(s, test_path("%s/y", cwd));
	free(TAKE_PTR(s));
	ASSERT_OK(vmb_absolute(".", &s));
	ASSERT_STR(s, cwd);
	free(TAKE_PTR(s));
	ASSERT_ERROR(vmb_absolute("", &s), EINVAL, "empty path");
	CU_ASSERT_PTR_NULL(s);
}

static void sparse_copies_stay_sparse(void)
{
	const char *from = test_path("%s/from", test_tmpdir());
	const char *to = test_path("%s/to", test_tmpdir());
	_cleanup_close_ int in = open(from, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_close_ int out = open(to, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const off_t far = 1L << 30;
	char back[16] = "";
	struct stat st;

	CU_ASSERT_EQUAL(pwrite(in, "begin", 5, 100), 5);
	CU_ASSERT_EQUAL(pwrite(in, "middle", 6, far), 6);
	CU_ASSERT_EQUAL(ftruncate(in, 2 * far + 12345), 0);
	ASSERT_OK(vmb_copy_sparse(in, out, "a test file"));
	CU_ASSERT_EQUAL(fstat(out, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, 2 * far + 12345);
	CU_ASSERT(st.st_blocks * 512 < 1 << 20);
	CU_ASSERT_EQUAL(pread(out, back, 5, 100), 5);
	ASSERT_STR(back, "begin");
	CU_ASSERT_EQUAL(pread(out, back, 6, far), 6);
	ASSERT_STR(back, "middle");
	CU_ASSERT_EQUAL(pread(out, back, 6, far + 6), 6);
	CU_ASSERT_EQUAL(memcmp(back, "\0\0\0\0\0\0", 6), 0);
}

static void a_sparse_copy_of_nothing_and_of_holes(void)
{
	const char *from = test_path("%s/from", test_tmpdir());
	const char *to = test_path("%s/to", test_tmpdir());
	_cleanup_close_ int in = open(from, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_close_ int out = open(to, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	_cleanup_close_ int readonly = open(to, O_RDONLY | O_CLOEXEC);
	struct stat st;

	ASSERT_OK(vmb_copy_sparse(in, out, "nothing"));
	CU_ASSERT_EQUAL(ftruncate(in, 1 << 20), 0);
	ASSERT_OK(vmb_copy_sparse(in, out, "a hole"));
	CU_ASSERT(fstat(out, &st) == 0 && st.st_size == 1 << 20 && st.st_blocks == 0);
	CU_ASSERT_EQUAL(vmb_copy_sparse(in, readonly, "a hole"), -EINVAL);
	CU_ASSERT(test_error_is(-EINVAL, "cannot copy a hole"));
}

TEST_MAIN("base/file", {"reads up to the bound", reads_up_to_the_bound},
	  {"an empty file is an empty string", an_empty_file_is_an_empty_string},
	  {"a FIFO or device is refused at once", a_fifo_or_device_is_refused_at_once},
	  {"a new file has exactly its mode", a_new_file_has_exactly_its_mode},
	  {"a file is replaced, not rewritten", a_file_is_replaced_not_rewritten},
	  {"a failed write leaves the old file alone", a_failed_write_leaves_the_old_file_alone},
	  {"a failed rename leaves nothing", a_failed_rename_leaves_nothing},
	  {"a temporary file goes unless it is handed over",
	   a_temporary_file_goes_unless_it_is_handed_over},
	  {"folders are made as needed", folders_are_made_as_needed},
	  {"rm_rf removes links but never follows them",
	   rm_rf_removes_links_but_never_follows_them},
	  {"rm_rf needs no descriptor for a file", rm_rf_needs_no_descriptor_for_a_file},
	  {"rm_rf of nothing is no error", rm_rf_of_nothing_is_no_error},
	  {"rm_rf takes paths of any length", rm_rf_takes_paths_of_any_length},
	  {"rm_rf stops at a mount and removes the rest",
	   rm_rf_stops_at_a_mount_and_removes_the_rest},
	  {"rm_rf gives the first failure", rm_rf_gives_the_first_failure},
	  {"a descriptor is closed once", a_descriptor_is_closed_once},
	  {"absolute paths", absolute_paths},
	  {"sparse copies stay sparse", sparse_copies_stay_sparse},
	  {"a sparse copy of nothing and of holes", a_sparse_copy_of_nothing_and_of_holes})
