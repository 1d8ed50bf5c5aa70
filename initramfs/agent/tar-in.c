/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "tar.h"

/*
 * The kernel itself keeps each step below the folder, and follows no link on the way: so names and
 * links in the archive, and links that are there, lead nowhere else.
 */

enum { BUFFER = 65536 };

/* A folder's time is set when all in it is done. */
struct late {
	char *path;
	mode_t mode;
	struct timespec times[2];
};

struct reader {
	int fd, root;
	struct late *late;
	size_t n_late, size_late;
	struct tar_entry entry;
	struct tar_map map;
	uint8_t buffer[BUFFER];
};

static int damaged(const char *what)
{
	return tar_complain("the archive is damaged:", what, 0);
}

static int take(struct reader *r, void *bytes, size_t n)
{
	char *p = bytes;

	while (n > 0) {
		ssize_t got = read(r->fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? tar_complain("reading the archive", "", errno)
				       : damaged("it is cut short");
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

static int skip(struct reader *r, uint64_t n)
{
	while (n > 0) {
		size_t now = n < BUFFER ? (size_t)n : BUFFER;

		if (take(r, r->buffer, now))
			return 1;
		n -= now;
	}
	return 0;
}

static int skip_padding(struct reader *r, uint64_t n)
{
	return skip(r, -n % TAR_BLOCK);
}

/* ---- places ---- */

static int open_below(int root, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, *path ? path : ".", &how, sizeof(how));
}

/* Splits off the last component: what is before it is "" at the top. */
static const char *split(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		return path;
	*slash = '\0';
	return slash + 1;
}

static int open_folder(int root, const char *folder)
{
	return open_below(root, folder, O_PATH | O_DIRECTORY);
}

/* One component, made if it is not there. Closes above. */
static int open_or_make(int above, const char *name)
{
	int fd = open_folder(above, name), err;

	if (fd < 0 && errno == ENOENT && mkdirat(above, name, 0755) == 0)
		fd = open_folder(above, name);
	err = errno;
	close(above);
	errno = err;
	return fd;
}

static int open_parent(int root, char *folder)
{
	int fd = open_folder(root, folder);
	char *name;

	if (fd >= 0 || errno != ENOENT)
		return fd;
	fd = open_folder(root, "");
	while (fd >= 0 && (name = strsep(&folder, "/")))
		fd = open_or_make(fd, name);
	return fd;
}

/* The folder of path, open, and path's last component in *ret_name. */
static int open_place(struct reader *r, const char *path, const char **ret_name)
{
	static char copy[PATH_MAX];
	int fd;

	memcpy(copy, path, strlen(path) + 1);
	*ret_name = split(copy);
	fd = *ret_name == copy ? open_folder(r->root, "") : open_parent(r->root, copy);
	if (fd < 0)
		tar_complain("the folder of", path, errno);
	return fd;
}

/* ---- contents ---- */

static int copy_part(struct reader *r, int fd, struct tar_part part)
{
	while (part.n > 0) {
		size_t now = part.n < BUFFER ? (size_t)part.n : BUFFER, at = 0;

		if (take(r, r->buffer, now))
			return 1;
		while (at < now) {
			ssize_t n = pwrite(fd, r->buffer + at, now - at, (off_t)(part.at + at));

			if (n < 0 && errno != EINTR)
				return tar_complain("writing", r->entry.path, errno);
			at += n > 0 ? (size_t)n : 0;
		}
		part.at += now;
		part.n -= now;
	}
	return 0;
}

static int read_map(struct reader *r, uint64_t *ret_left)
{
	uint8_t block[TAR_BLOCK];
	int n = 0;

	memset(&r->map, 0, offsetof(struct tar_map, parts));
	while (n == 0) {
		if (*ret_left < TAR_BLOCK)
			return damaged("a map of holes that does not end");
		if (take(r, block, TAR_BLOCK))
			return 1;
		*ret_left -= TAR_BLOCK;
		n = tar_read_map(block, r->entry.real, &r->map);
	}
	for (size_t i = 0; n > 0 && i < r->map.n; i++) {
		if (r->map.parts[i].n > *ret_left)
			n = -EBADMSG;
		else
			*ret_left -= r->map.parts[i].n;
	}
	return n < 0 || *ret_left ? damaged("a map of holes that does not fit") : 0;
}

static int copy_sparse(struct reader *r, int fd)
{
	uint64_t left = r->entry.size;

	if (read_map(r, &left))
		return 1;
	for (size_t i = 0; i < r->map.n; i++)
		if (copy_part(r, fd, r->map.parts[i]))
			return 1;
	if (ftruncate(fd, (off_t)r->entry.real) < 0)
		return tar_complain("writing", r->entry.path, errno);
	return 0;
}

static void times_of(const struct tar_entry *e, struct timespec times[2])
{
	times[0] = e->atime;
	times[1] = e->mtime;
}

/* Who is not root gives nothing away. */
static bool owner_refused(int r)
{
	return r < 0 && !(errno == EPERM && geteuid() != 0);
}

static int make_file(struct reader *r, int dir, const char *name)
{
	const struct tar_entry *e = &r->entry;
	_cleanup_close_ int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
		       0600);
	struct timespec times[2];

	if (fd < 0)
		return tar_complain("making", e->path, errno);
	if (e->sparse ? copy_sparse(r, fd) : copy_part(r, fd, (struct tar_part){0, e->size}))
		return 1;
	times_of(e, times);
	if (owner_refused(fchown(fd, e->uid, e->gid)) || fchmod(fd, e->mode & 07777) < 0 ||
	    futimens(fd, times) < 0)
		return tar_complain("owner, mode and times of", e->path, errno);
	return 0;
}

/* ---- the rest ---- */

static int make_folder(struct reader *r, int dir, const char *name)
{
	const struct tar_entry *e = &r->entry;
	struct stat st;
	struct late *late;

	if (mkdirat(dir, name, 0700) < 0 &&
	    (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	     (!S_ISDIR(st.st_mode) && (errno = ENOTDIR))))
		return tar_complain("making the folder", e->path, errno);
	if (owner_refused(fchownat(dir, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW)))
		return tar_complain("owner of", e->path, errno);
	if (r->n_late == r->size_late) {
		size_t size = r->size_late ? r->size_late * 2 : 64;
		struct late *more = realloc(r->late, size * sizeof(*more));

		if (!more)
			return tar_complain("making", e->path, ENOMEM);
		r->late = more;
		r->size_late = size;
	}
	late = &r->late[r->n_late++];
	*late = (struct late){.path = strdup(e->path), .mode = e->mode & 07777};
	times_of(e, late->times);
	return late->path ? 0 : tar_complain("making", e->path, ENOMEM);
}

static int make_link(struct reader *r, int dir, const char *name)
{
	static char target[PATH_MAX];
	const char *last;
	int from, err;

	memcpy(target, r->entry.link, sizeof(target));
	if (tar_clean_path(target) < 0 || !target[0])
		return damaged("a hard link that leads out of it");
	last = split(target);
	from = open_folder(r->root, last == target ? "" : target);
	err = from < 0 || linkat(from, last, dir, name, 0) < 0 ? errno : 0;
	vmb_closep(&from);
	return err ? tar_complain("linking", r->entry.path, err) : 0;
}

static int make_node(struct reader *r, int dir, const char *name)
{
	const struct tar_entry *e = &r->entry;
	static const struct {
		char type;
		mode_t mode;
	} nodes[] = {{'3', S_IFCHR}, {'4', S_IFBLK}, {'6', S_IFIFO}};
	struct timespec times[2];
	int err = 0;

	times_of(e, times);
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (nodes[i].type == e->type)
			err = mknodat(dir, name, nodes[i].mode | 0600, makedev(e->major, e->minor));
	if (e->type == '2')
		err = symlinkat(e->link, dir, name);
	if (err < 0 || owner_refused(fchownat(dir, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW)) ||
	    (e->type != '2' && fchmodat(dir, name, e->mode & 07777, 0) < 0) ||
	    utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return tar_complain("making", e->path, errno);
	return 0;
}

/* What is there goes, unless folder meets folder. */
static int make(struct reader *r)
{
	const struct tar_entry *e = &r->entry;
	const char *name;
	_cleanup_close_ int dir = -1;

	if (tar_clean_path(r->entry.path) < 0)
		return damaged("a name that leads out of it");
	if (!strchr("0123456", e->type))
		return damaged("something that is no file");
	if (!e->path[0])
		return e->type == '5' ? make_folder(r, r->root, ".") : damaged("an empty name");
	dir = open_place(r, e->path, &name);
	if (dir < 0)
		return 1;
	if (e->type == '5')
		return make_folder(r, dir, name);
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return tar_complain("replacing", e->path, errno);
	if (e->type == '0')
		return make_file(r, dir, name);
	return e->type == '1' ? make_link(r, dir, name) : make_node(r, dir, name);
}

/* The last first: so what is in a folder comes before it. */
static int finish(struct reader *r)
{
	for (size_t i = r->n_late; i > 0; i--) {
		const struct late *late = &r->late[i - 1];
		_cleanup_close_ int fd =
			open_below(r->root, late->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		if (fd < 0 || fchmod(fd, late->mode) < 0 || futimens(fd, late->times) < 0)
			return tar_complain("mode and times of", late->path, errno);
	}
	return 0;
}

/* Records for the next entry ('x'), or for all, which nobody sends who owes us an answer ('g'). */
static int take_pax(struct reader *r, uint64_t size, bool keep)
{
	static char text[TAR_PAX_MAX + 1];

	if (size > TAR_PAX_MAX)
		return damaged("too many records");
	if (take(r, text, (size_t)size) || skip_padding(r, size))
		return 1;
	text[size] = '\0';
	if (keep && tar_read_pax(text, (size_t)size, &r->entry) < 0)
		return damaged("a record");
	return 0;
}

/* 0: go on, 1: failed, 2: the end */
static int take_entry(struct reader *r)
{
	uint8_t block[TAR_BLOCK];
	struct tar_entry *e = &r->entry;
	int n;

	if (take(r, block, TAR_BLOCK))
		return 1;
	n = tar_read_header(block, e);
	if (n < 0)
		return damaged("a header");
	if (n > 0)
		return 2;
	if ((e->type == 'x' || e->type == 'g') && e->has)
		return damaged("records of records");
	if (e->type == 'x' || e->type == 'g') {
		char type = e->type;
		uint64_t size = e->size;

		memset(e, 0, sizeof(*e));
		return take_pax(r, size, type == 'x');
	}
	if (e->type != '0' && e->size > 0 && e->type != '1')
		return damaged("contents of what has none");
	if (make(r) || skip_padding(r, e->type == '0' ? e->size : 0))
		return 1;
	if (e->type == '1' && (skip(r, e->size) || skip_padding(r, e->size)))
		return 1;
	memset(e, 0, sizeof(*e));
	return 0;
}

int agent_tar_in(const char *path, int fd)
{
	static struct reader r;
	int n;

	r.fd = fd;
	r.root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r.root < 0)
		return tar_complain("opening the folder", path, errno);
	umask(0);
	do
		n = take_entry(&r);
	while (n == 0);
	if (n == 1)
		return 1;
	/* what follows the end is padding; who sends it should not meet a closed pipe */
	while (read(fd, r.buffer, BUFFER) > 0)
		;
	return finish(&r);
}
