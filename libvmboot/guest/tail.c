/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/tail.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"

enum { BACKUPS_MAX = 64, PATH_SIZE = 4200 };

/* The i-th backup's path; the log itself for -1. */
static const char *backup(const char *path, int i, char buf[PATH_SIZE])
{
	if (i < 0)
		snprintf(buf, PATH_SIZE, "%s", path);
	else
		snprintf(buf, PATH_SIZE, "%s.%d", path, i);
	return buf;
}

static int open_backup(const char *path, int i)
{
	char buf[PATH_SIZE];

	return open(backup(path, i, buf), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* The oldest there is: the one with the highest number. */
static int open_oldest(const char *path)
{
	char buf[PATH_SIZE];
	int n = 0;

	while (n < BACKUPS_MAX && access(backup(path, n, buf), F_OK) == 0)
		n++;
	return open_backup(path, n - 1);
}

/* Which backup the open file is by now: -1 the log itself, -2 it is gone. */
static int find_self(const struct vmb_tail *tail)
{
	struct stat own, st;
	char buf[PATH_SIZE];

	if (fstat(tail->fd, &own) < 0)
		return -2;
	for (int i = -1; i < BACKUPS_MAX; i++) {
		if (stat(backup(tail->path, i, buf), &st) < 0) {
			if (i >= 0)
				return -2;
			continue; /* between a rename and the new file */
		}
		if (st.st_ino == own.st_ino && st.st_dev == own.st_dev)
			return i;
	}
	return -2;
}

/* The file that follows ours in time, or -1 if ours is the newest. */
static int open_newer(const struct vmb_tail *tail)
{
	int self = find_self(tail);

	if (self == -1)
		return -1;
	/* dropped before it was read to its end: go on with the oldest that is left */
	return self == -2 ? open_oldest(tail->path) : open_backup(tail->path, self - 1);
}

static ssize_t read_some(const struct vmb_tail *tail, char *buf, size_t size)
{
	ssize_t n;

	do
		n = read(tail->fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? vmb_errno(errno, "cannot read %s", tail->path) : n;
}

ssize_t vmb_tail_read(struct vmb_tail *tail, char *buf, size_t size)
{
	_cleanup_close_ int newer = -1;
	ssize_t n;

	if (tail->fd < 0)
		tail->fd = open_oldest(tail->path);
	if (tail->fd < 0)
		return vmb_errno(errno, "cannot read %s, where the guest's words are", tail->path);
	for (int i = 0; i < BACKUPS_MAX; i++) {
		n = read_some(tail, buf, size);
		if (n != 0)
			return n;
		vmb_closep(&newer);
		newer = open_newer(tail);
		if (newer < 0)
			return 0;
		/* its last bytes may have come between our look and its rotation */
		n = read_some(tail, buf, size);
		if (n != 0)
			return n;
		close(tail->fd);
		tail->fd = TAKE_FD(newer);
	}
	return 0;
}

void vmb_tail_done(struct vmb_tail *tail)
{
	vmb_closep(&tail->fd);
	free(TAKE_PTR(tail->path));
	tail->fd = -1;
}

int vmb_tail_remove_rotated(const char *path)
{
	char buf[PATH_SIZE];

	for (int i = 0; i < BACKUPS_MAX; i++)
		if (unlink(backup(path, i, buf)) < 0)
			return errno == ENOENT ? 0 : vmb_errno(errno, "cannot remove %s", buf);
	return 0;
}
