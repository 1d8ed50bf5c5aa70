/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/file.h"

#include <fts.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>

#include "base/error.h"

VMB_DEFINE_CLEANUP(fts_closep, FTS *, fts_close)

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
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return vmb_errno(errno, "cannot open %s", path);
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
	r = vmb_rename(tmp, path);
	if (r < 0)
		return r;
	free(TAKE_PTR(tmp));
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
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return vmb_errno(errno, "cannot make the folder %s", copy);
		*p = '/';
	}
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return vmb_errno(errno, "cannot make the folder %s", path);
	if (stat(path, &st) < 0)
		return vmb_errno(errno, "cannot use the folder %s", path);
	if (!S_ISDIR(st.st_mode))
		return vmb_errno(ENOTDIR, "cannot use %s", path);
	return 0;
}

int vmb_rm_rf(const char *path)
{
	char *paths[] = {(char *)path, NULL};
	vmb_cleanup(fts_closep) FTS *fts = NULL;
	FTSENT *ent;

	fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!fts)
		return vmb_errno(errno, "cannot remove %s", path);
	while ((ent = fts_read(fts))) {
		int flag = ent->fts_info == FTS_DP ? AT_REMOVEDIR : 0;

		if (ent->fts_info == FTS_D)
			continue;
		if (ent->fts_info == FTS_NS && ent->fts_errno == ENOENT)
			continue;
		if (unlinkat(AT_FDCWD, ent->fts_path, flag) < 0 && errno != ENOENT)
			return vmb_errno(errno, "cannot remove %s", ent->fts_path);
	}
	return 0;
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
	if (out.len == 0) {
		vmb_buf_done(&out);
		vmb_buf_str(&out, "/");
	}
	return vmb_buf_take(&out, ret);
}
