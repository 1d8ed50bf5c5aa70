/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init.h"

/*
 * A tmpfs that begins with what the image has there, as podman's tmpcopyup does it.
 *
 * An init system finds an empty tmpfs at /run, as it would mount one itself, and in it a copy of what
 * the image has there: folders, files and links with their owners and modes. podman does the same
 * for its containers with systemd (tmpcopyup). Left out are
 * sockets and FIFOs, of which nobody is at the other end, and the files that say "this is a
 * container".
 */

enum { DEPTH_MAX = 16, ENTRIES_MAX = 4096, BYTES_MAX = 16 << 20, CHUNK = 16384 };

/* As systemd would mount it, if it were not there yet. */
#define RUN_FLAGS (MS_NOSUID | MS_NODEV | MS_STRICTATIME)
#define RUN_DATA "mode=0755,size=20%,nr_inodes=800k"

static const char *const container_marks[] = {"/run/.containerenv", "/run/host/container-manager",
					      "/run/systemd/container"};

struct copy {
	int entries;
	long bytes; /* so far */
};

static int copy_bytes(struct copy *c, int from, int to)
{
	char bytes[CHUNK];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0) {
		c->bytes += n;
		if (c->bytes > BYTES_MAX)
			return -EFBIG;
		errno = ENOSPC;
		if (write(to, bytes, (size_t)n) != n)
			return -errno;
	}
	return n < 0 ? -errno : 0;
}

static int set_owner(int fd, const struct stat *st)
{
	return fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0
		       ? -errno
		       : 0;
}

static int copy_file(struct copy *c, int from, int to, const char *name, const struct stat *st)
{
	_cleanup_close_ int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int out =
		openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = in < 0 || out < 0 ? -errno : copy_bytes(c, in, out);

	return r < 0 ? r : set_owner(out, st);
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char target[INIT_PATH_MAX];
	ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	if (symlinkat(target, to, name) < 0 ||
	    fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_entries(struct copy *c, int from, int to, int depth);

static int copy_folder(struct copy *c, int from, int to, const char *name, const struct stat *st,
		       int depth)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int out = -1;
	int in, r;

	if (depth == DEPTH_MAX)
		return -ELOOP;
	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	out = openat(to, name, flags);
	in = out < 0 ? -1 : openat(from, name, flags);
	r = in < 0 ? -errno : copy_entries(c, in, out, depth + 1);
	return r < 0 ? r : set_owner(out, st);
}

static int copy_entry(struct copy *c, int from, int to, const char *name, int depth)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (++c->entries > ENTRIES_MAX)
		return -E2BIG;
	if (S_ISDIR(st.st_mode))
		return copy_folder(c, from, to, name, &st, depth);
	if (S_ISREG(st.st_mode))
		return copy_file(c, from, to, name, &st);
	return S_ISLNK(st.st_mode) ? copy_link(from, to, name, &st) : 0;
}

/* Closes from. */
static int copy_entries(struct copy *c, int from, int to, int depth)
{
	DIR *d = fdopendir(from);
	struct dirent *e;
	int r = 0;

	if (!d) {
		close(from);
		return -ENOMEM;
	}
	while (r == 0 && (e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = copy_entry(c, from, to, e->d_name, depth);
	closedir(d);
	return r;
}

int init_copy_up(const struct init *init, int from, const char *name, bool entries, bool owner)
{
	char path[INIT_PATH_MAX];
	_cleanup_close_ int to =
		open(init_path(init, path, "%s", name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct copy c = {0};
	struct stat st;
	int r = to < 0 || fstat(from, &st) < 0 ? -errno : 0;

	if (r == 0 && owner)
		r = set_owner(to, &st);
	if (r == 0 && entries)
		return copy_entries(&c, from, to, 0);
	close(from);
	return r;
}

int init_run(struct init *init, struct init_report *report)
{
	char path[INIT_PATH_MAX];
	int from, r;

	init_path(init, path, "/run");
	mkdir(path, 0755); /* that it is there is as good; that it is not shows below */
	from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = init->ops->mount("run", path, "tmpfs", RUN_FLAGS, RUN_DATA);
	if (r < 0) {
		vmb_closep(&from);
		return init_failed(report, r, "mounting tmpfs at /run");
	}
	r = from < 0 ? 0 : init_copy_up(init, from, "/run", true, true);
	if (r < 0)
		init_log(init, "only a part of the image's /run is there: %s", strerror(-r));
	for (size_t i = 0; i < ARRAY_SIZE(container_marks); i++)
		unlink(init_path(init, path, "%s", container_marks[i]));
	return 0;
}
