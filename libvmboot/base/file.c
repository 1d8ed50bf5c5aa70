/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"

#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "base/limit.h"

int vmb_read_fd(int fd, const char *what, size_t max, char **ret, size_t *ret_n)
{
	_cleanup_buf_ struct vmb_buf buf = {0};
	char chunk[16384];
	ssize_t n;

	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmb_errno(errno, "cannot read %s", what);
		if (n == 0)
			break;
		if ((size_t)n > max - buf.len)
			return vmb_error(EFBIG, "%s is larger than %zu bytes", what, max);
		vmb_buf_add(&buf, chunk, (size_t)n);
		if (buf.failed)
			return vmb_oom();
	}
	if (ret_n)
		*ret_n = buf.len;
	return vmb_buf_take(&buf, ret);
}

int vmb_read_file(const char *path, size_t max, char **ret, size_t *ret_n)
{
	/* not blocking: where a file is due, a FIFO must not make us wait for a writer */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return vmb_errno(errno, "cannot open %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return vmb_errno(EINVAL, "%s is no regular file", path);
	return vmb_read_fd(fd, path, max, ret, ret_n);
}

int vmb_write_all(int fd, const char *what, const void *data, size_t n)
{
	const char *p = data;
	ssize_t w;

	while (n > 0) {
		w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return vmb_errno(errno, "cannot write %s", what);
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

int vmb_open_tmp(const char *path, mode_t mode, int *ret_fd, char **ret_tmp)
{
	_cleanup_unlink_ char *tmp = NULL;
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	r = vmb_asprintf(&name, "%s.tmp-XXXXXX", path);
	if (r < 0)
		return r;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return vmb_errno(errno, "cannot make a file beside %s", path);
	tmp = TAKE_PTR(name);
	if (fchmod(fd, mode) < 0)
		return vmb_errno(errno, "cannot set the mode of %s", tmp);
	(void)flock(fd, LOCK_EX | LOCK_NB); /* a sign of life for gc */
	*ret_fd = TAKE_FD(fd);
	*ret_tmp = TAKE_PTR(tmp);
	return 0;
}

int vmb_rename(const char *from, const char *to)
{
	if (rename(from, to) < 0)
		return vmb_errno(errno, "cannot rename %s to %s", from, to);
	return 0;
}

int vmb_write_file_atomic(const char *path, const void *data, size_t n, mode_t mode)
{
	_cleanup_unlink_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	r = vmb_open_tmp(path, mode, &fd, &tmp);
	if (r < 0)
		return r;
	r = vmb_write_all(fd, tmp, data, n);
	if (r < 0)
		return r;
	/* a network file system, or a quota, may tell only on close; fd itself stays */
	if (close(fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
		return vmb_errno(errno, "cannot write %s", tmp);
	r = vmb_rename(tmp, path);
	if (r < 0)
		return r;
	free(TAKE_PTR(tmp));
	return 0;
}

int vmb_publish_tmp(int fd, char **tmp, const char *path)
{
	int r;

	if (fsync(fd) < 0)
		return vmb_errno(errno, "cannot write %s", *tmp);
	r = vmb_rename(*tmp, path);
	if (r == 0)
		free(TAKE_PTR(*tmp));
	return r;
}

static int make_folder(const char *path, mode_t mode)
{
	if (mkdir(path, mode) < 0)
		return errno == EEXIST ? 0 : vmb_errno(errno, "cannot make the folder %s", path);
	/* the caller's umask is not asked, as with files */
	if (chmod(path, mode) < 0)
		return vmb_errno(errno, "cannot set the mode of %s", path);
	return 0;
}

int vmb_mkdir_p(const char *path, mode_t mode)
{
	_cleanup_free_ char *copy = NULL;
	struct stat st;
	int r;

	r = vmb_strdup(path, &copy);
	if (r < 0)
		return r;
	for (char *p = copy + 1; *copy && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		r = make_folder(copy, mode);
		if (r < 0)
			return r;
		*p = '/';
	}
	r = make_folder(path, mode);
	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return vmb_errno(errno, "cannot use the folder %s", path);
	if (!S_ISDIR(st.st_mode))
		return vmb_errno(ENOTDIR, "cannot use %s", path);
	return 0;
}

/* Opens a folder in parent unless it is a link or a mount point; 0 or an errno, no error set. */
static int open_child(int parent, const char *name, int *ret_fd)
{
	_cleanup_close_ int fd =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statx st, above;

	if (fd < 0)
		return errno;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &st) < 0 ||
	    statx(parent, "", AT_EMPTY_PATH, STATX_TYPE, &above) < 0)
		return errno;
	if (st.stx_dev_major != above.stx_dev_major || st.stx_dev_minor != above.stx_dev_minor ||
	    (st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return EXDEV;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int remove_at(int parent, const char *name, const char *what);

/* All that is in the folder dir, which is closed; goes on after a failure and gives the first. */
static int remove_children(int dir, const char *what)
{
	_cleanup_closedir_ DIR *d = fdopendir(dir);
	struct vmb_saved_error *first = NULL;
	struct dirent *ent;
	int r = 0, one;

	if (!d) {
		r = vmb_errno(errno, "cannot read the folder %s", what);
		close(dir);
		return r;
	}
	while ((ent = readdir(d))) {
		if (vmb_streq(ent->d_name, ".") || vmb_streq(ent->d_name, ".."))
			continue;
		one = remove_at(dirfd(d), ent->d_name, what);
		if (one == 0 || r < 0)
			continue;
		r = one;
		first = vmb_error_save();
	}
	vmb_error_restore(first);
	return r;
}

static int remove_at(int parent, const char *name, const char *what)
{
	int dir, r, err, why;

	/* not opened first: what is no folder, or empty, goes when descriptors have run out, too */
	if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
		return 0;
	why = errno;
	if (why == EISDIR && unlinkat(parent, name, AT_REMOVEDIR) == 0)
		return 0;
	err = open_child(parent, name, &dir);
	if (err == ENOENT)
		return 0;
	if (err == ENOTDIR || err == ELOOP)
		err = why;
	if (err)
		return vmb_errno(err, "cannot remove %s (in %s)", name, what);
	r = remove_children(dir, what);
	if (r == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = vmb_errno(errno, "cannot remove %s (in %s)", name, what);
	return r;
}

int vmb_rm_rf(const char *path)
{
	_cleanup_free_ char *whole = NULL;
	_cleanup_close_ int parent = -1;
	char *slash;
	int r;

	/* without a trailing slash, which would follow a link */
	r = vmb_absolute(path, &whole);
	if (r < 0)
		return r;
	slash = strrchr(whole, '/');
	if (slash[1] == '\0')
		return vmb_errno(EBUSY, "cannot remove %s", whole);
	*slash = '\0';
	parent = open(slash == whole ? "/" : whole, O_PATH | O_DIRECTORY | O_CLOEXEC);
	*slash = '/';
	if (parent < 0 && errno == ENOENT)
		return 0;
	if (parent < 0)
		return vmb_errno(errno, "cannot remove %s", whole);
	return remove_at(parent, slash + 1, whole);
}

bool vmb_exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static int copy_range(int from, int to, off_t start, off_t end, const char *what)
{
	char chunk[65536];
	ssize_t n;
	int r;

	if (lseek(to, start, SEEK_SET) < 0 || lseek(from, start, SEEK_SET) < 0)
		return vmb_errno(errno, "cannot copy %s", what);
	while (start < end) {
		size_t want = sizeof(chunk);

		r = vmb_limit_check();
		if (r < 0)
			return r;
		if ((off_t)want > end - start)
			want = (size_t)(end - start);
		n = read(from, chunk, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmb_errno(errno, "cannot copy %s", what);
		if (n == 0)
			return vmb_errno(EIO, "%s became shorter while it was copied", what);
		r = vmb_write_all(to, what, chunk, (size_t)n);
		if (r < 0)
			return r;
		start += n;
	}
	return 0;
}

int vmb_copy_sparse(int from, int to, const char *what)
{
	struct stat st;
	off_t data = 0, hole;
	int r;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	if (fstat(from, &st) < 0 || ftruncate(to, st.st_size) < 0)
		return vmb_errno(errno, "cannot copy %s", what);
	for (;;) {
		data = lseek(from, data, SEEK_DATA);
		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			return vmb_errno(errno, "cannot copy %s", what);
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			return vmb_errno(errno, "cannot copy %s", what);
		r = copy_range(from, to, data, hole, what);
		if (r < 0)
			return r;
		data = hole;
	}
}

/* Takes one part off the end of an absolute path. */
static void drop_part(struct vmb_buf *b)
{
	while (b->len > 0 && b->data[b->len - 1] != '/')
		b->len--;
	if (b->len > 0)
		b->len--;
}

int vmb_absolute(const char *path, char **ret)
{
	_cleanup_buf_ struct vmb_buf out = {0};
	_cleanup_free_ char *cwd = NULL, *whole = NULL;
	char *save = NULL;
	int r;

	if (path[0] == '\0')
		return vmb_errno(EINVAL, "an empty path");
	if (path[0] != '/') {
		cwd = getcwd(NULL, 0);
		if (!cwd)
			return vmb_errno(errno, "cannot tell the current folder");
	}
	r = vmb_asprintf(&whole, "%s/%s", cwd ? cwd : "", path);
	if (r < 0)
		return r;
	for (char *part = strtok_r(whole, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		if (vmb_streq(part, "."))
			continue;
		if (vmb_streq(part, ".."))
			drop_part(&out);
		else
			vmb_buf_printf(&out, "/%s", part);
	}
	if (out.len == 0)
		vmb_buf_str(&out, "/");
	return vmb_buf_take(&out, ret);
}
