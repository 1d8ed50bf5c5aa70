/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/tail.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <vmboot/error.h>

#include "base/error.h"
#include "base/str.h"

enum { BACKUPS_MAX = 64, PATH_SIZE = 4200, TRIES = 8 };

/* Which file: a backup by its number, -1 the log itself, -2 none. */
enum { LOG = -1, GONE = -2 };

static const char *backup(const char *path, int i, char buf[PATH_SIZE])
{
	if (i == LOG)
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
static int find_oldest(const char *path)
{
	char buf[PATH_SIZE];
	int n = 0;

	while (n < BACKUPS_MAX && access(backup(path, n, buf), F_OK) == 0)
		n++;
	return n - 1;
}

/* Which backup an open file is by now. Names only move up, so a look upward passes none by. */
static int find_backup(const char *path, int fd)
{
	struct stat own, st;
	char buf[PATH_SIZE];

	if (fstat(fd, &own) < 0)
		return GONE;
	for (int i = LOG; i < BACKUPS_MAX; i++) {
		if (lstat(backup(path, i, buf), &st) < 0) {
			if (i >= 0)
				return GONE;
			continue; /* between a rename and the new file */
		}
		if (st.st_ino == own.st_ino && st.st_dev == own.st_dev)
			return i;
	}
	return GONE;
}

static void add_file(struct vmb_tail *tail, int fd, bool gap)
{
	tail->files[tail->n].fd = fd;
	tail->files[tail->n++].gap = gap;
}

static void drop_files(struct vmb_tail *tail, size_t from)
{
	while (tail->n > from)
		close(tail->files[--tail->n].fd);
}

/*
 * Opens the backups from number i down to the log itself, as far as there is place: all of them are
 * then what they were when i was found, if the file named i still is. Returns 0; -EAGAIN, there was a
 * rotation meanwhile; or the errno of the log itself.
 */
static int open_chain(struct vmb_tail *tail, int i, bool gap)
{
	size_t before = tail->n;
	int first = -1;

	for (int k = i; k >= LOG && tail->n < VMB_TAIL_HELD_MAX; k--, gap = false) {
		int fd = open_backup(tail->path, k);

		if (fd < 0) {
			int error = errno;

			drop_files(tail, before);
			return k == LOG && before == 0 && i == LOG ? -error : -EAGAIN;
		}
		first = first < 0 ? fd : first;
		add_file(tail, fd, gap);
	}
	if (first < 0 || find_backup(tail->path, first) == i)
		return 0;
	drop_files(tail, before);
	return -EAGAIN;
}

static int begin(struct vmb_tail *tail)
{
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++)
		r = open_chain(tail, find_oldest(tail->path), false);
	return r;
}

/* Opens what is newer than the newest that is open; what cannot be now is left for the next call. */
static void open_newer(struct vmb_tail *tail)
{
	for (int i = 0; i < TRIES && tail->n < VMB_TAIL_HELD_MAX; i++) {
		int self = find_backup(tail->path, tail->files[tail->n - 1].fd);
		int oldest = self == GONE ? find_oldest(tail->path) : GONE;

		if (self == LOG)
			return;
		if (self == GONE)
			/* without a backup it was not rotated: the VM was started again */
			(void)open_chain(tail, oldest, oldest != LOG);
		else
			(void)open_chain(tail, self - 1, false);
	}
}

static int lost(const struct vmb_tail *tail, int64_t bytes)
{
	const char *name = strrchr(tail->path, '/');

	name = name ? name + 1 : tail->path;
	if (bytes < 0)
		return vmb_error(VMBOOT_ELOST,
				 "output of the guest (%s) was lost: it was written faster than it "
				 "was read, and the log's older files are gone",
				 name);
	return vmb_error(VMBOOT_ELOST,
			 "%lld bytes of the guest's output (%s) were lost: it was written faster "
			 "than it was read, and the log is limited",
			 (long long)bytes, name);
}

/*
 * What was read at a position may have been freed meanwhile, and then is zeros: where data begins is
 * asked afterwards. Returns the first position from there on that still has data.
 */
static off_t skip_hole(int fd, off_t at)
{
	struct stat st;
	off_t data;

	if (fstat(fd, &st) < 0 || (off_t)st.st_blocks * 512 >= st.st_size)
		return at; /* nothing was freed */
	data = lseek(fd, at, SEEK_DATA);
	if (data < 0)
		data = errno == ENXIO && st.st_size > at ? st.st_size : at;
	(void)lseek(fd, at, SEEK_SET);
	return data;
}

static ssize_t read_file(const struct vmb_tail *tail, char *buf, size_t size)
{
	int fd = tail->files[0].fd;
	off_t at = lseek(fd, 0, SEEK_CUR), data;
	ssize_t n;

	do
		n = pread(fd, buf, size, at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return vmb_errno(errno, "cannot read %s", tail->path);
	data = n > 0 ? skip_hole(fd, at) : at;
	if (data == at) {
		(void)lseek(fd, at + n, SEEK_SET);
		return n;
	}
	(void)lseek(fd, data, SEEK_SET);
	if (at > 0)
		return lost(tail, data - at);
	/* who begins to read begins with what is kept */
	return read_file(tail, buf, size);
}

static void next_file(struct vmb_tail *tail)
{
	close(tail->files[0].fd);
	memmove(tail->files, tail->files + 1, --tail->n * sizeof(tail->files[0]));
}

ssize_t vmb_tail_read(struct vmb_tail *tail, char *buf, size_t size)
{
	ssize_t n;
	int r;

	r = tail->n ? 0 : begin(tail);
	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return vmb_errno(-r, "cannot read %s, where the guest's output is", tail->path);
	for (;;) {
		/* first: a file that has a newer one gets no more bytes */
		open_newer(tail);
		if (tail->files[0].gap) {
			tail->files[0].gap = false;
			return lost(tail, -1);
		}
		n = read_file(tail, buf, size);
		if (n != 0 || tail->n == 1)
			return n;
		next_file(tail);
	}
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static uint64_t unread_of(int fd)
{
	off_t at = lseek(fd, 0, SEEK_CUR);
	struct stat st;

	if (at < 0 || fstat(fd, &st) < 0 || at >= st.st_size)
		return 0;
	return (uint64_t)(st.st_size - skip_hole(fd, at));
}

uint64_t vmb_tail_unread(const struct vmb_tail *tail)
{
	int newest = tail->n ? find_backup(tail->path, tail->files[tail->n - 1].fd) : GONE;
	char buf[PATH_SIZE];
	uint64_t n = 0;

	for (size_t i = 0; i < tail->n; i++)
		n += unread_of(tail->files[i].fd);
	/* those that are not open */
	for (int i = newest == GONE ? BACKUPS_MAX : newest; i-- > LOG;)
		n += size_of(backup(tail->path, i, buf));
	return n;
}

uint64_t vmb_tail_position(const struct vmb_tail *tail)
{
	off_t at;

	if (!tail->n)
		return UINT64_MAX;
	at = lseek(tail->files[0].fd, 0, SEEK_CUR);
	return tail->n > 1 || at < 0 ? 0 : (uint64_t)at;
}

void vmb_tail_rewind(struct vmb_tail *tail)
{
	drop_files(tail, 0);
}

void vmb_tail_done(struct vmb_tail *tail)
{
	vmb_tail_rewind(tail);
	free(TAKE_PTR(tail->path));
}

int vmb_tail_remove_rotated(const char *path)
{
	char buf[PATH_SIZE];

	for (int i = 0; i < BACKUPS_MAX; i++)
		if (unlink(backup(path, i, buf)) < 0)
			return errno == ENOENT ? 0 : vmb_errno(errno, "cannot remove %s", buf);
	return 0;
}
