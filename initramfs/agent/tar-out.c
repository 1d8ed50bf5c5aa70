/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tar.h"
#include "wire/text.h"

enum {
	BUFFER = 65536,
	DEPTH_MAX = 400, /* each level holds a descriptor */
	PAX_SIZE = 3 * PATH_MAX + 512,
	LONG_MAX_OCTAL_DIGITS = 33, /* bits of a size in ustar */
	ID_BITS = 21,
	NAME_MAX_USTAR = 100,
};

struct hard_link {
	dev_t dev;
	ino_t ino;
	char *path;
};

struct writer {
	int fd;
	dev_t dev; /* of the folders that belong to it */
	struct hard_link *links;
	size_t n_links, size_links;
	size_t n;
	struct tar_entry entry;
	char path[PATH_MAX];
	char pax[PAX_SIZE];
	struct tar_part parts[TAR_PARTS_MAX];
	uint8_t buffer[BUFFER];
};

/* ---- bytes ---- */

static int flush(struct writer *w)
{
	size_t at = 0;

	while (at < w->n) {
		ssize_t r = write(w->fd, w->buffer + at, w->n - at);

		if (r < 0 && errno != EINTR)
			return tar_complain("writing the archive", "", errno);
		at += r > 0 ? (size_t)r : 0;
	}
	w->n = 0;
	return 0;
}

static int put(struct writer *w, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n > 0) {
		size_t now = n < BUFFER - w->n ? n : BUFFER - w->n;

		memcpy(w->buffer + w->n, p, now);
		w->n += now;
		p += now;
		n -= now;
		if (w->n == BUFFER && flush(w))
			return 1;
	}
	return 0;
}

static int pad(struct writer *w, uint64_t n)
{
	static const uint8_t zeros[TAR_BLOCK];

	return put(w, zeros, (size_t)(-n % TAR_BLOCK));
}

/* Straight from the file into the buffer. A file that shrank meanwhile gets zeros. */
static int put_part(struct writer *w, int fd, struct tar_part part)
{
	bool short_of = false;

	while (part.n > 0) {
		size_t room = BUFFER - w->n, now = part.n < room ? (size_t)part.n : room;
		ssize_t r = short_of ? 0 : pread(fd, w->buffer + w->n, now, (off_t)part.at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return tar_complain("reading", w->path, errno);
		if (r == 0) {
			short_of = true;
			memset(w->buffer + w->n, 0, now);
			r = (ssize_t)now;
		}
		w->n += (size_t)r;
		part.at += (uint64_t)r;
		part.n -= (uint64_t)r;
		if (w->n == BUFFER && flush(w))
			return 1;
	}
	return short_of ? tar_complain("it shrank while it was read:", w->path, 0) : 0;
}

/* ---- headers ---- */

static bool add(struct writer *w, size_t *n, const char *key, const char *value)
{
	return tar_write_pax(w->pax, sizeof(w->pax), n, key, value);
}

static bool add_number(struct writer *w, size_t *n, const char *key, uint64_t v)
{
	char text[24];

	init_format(text, sizeof(text), "%llu", (unsigned long long)v);
	return add(w, n, key, text);
}

static bool add_time(struct writer *w, size_t *n, const char *key, struct timespec t)
{
	char text[48], ns[16];
	bool minus = t.tv_sec < 0;
	long seconds = t.tv_sec, part = t.tv_nsec;

	if (minus && part > 0) {
		seconds++;
		part = 1000000000 - part;
	}
	/* a 1 before them keeps the zeros at their start */
	init_format(ns, sizeof(ns), "%ld", 1000000000 + part);
	ns[0] = '.';
	init_format(text, sizeof(text), "%s%ld%s", minus ? "-" : "", minus ? -seconds : seconds,
		    part ? ns : "");
	return add(w, n, key, text);
}

static bool too_big(uint64_t v, int bits)
{
	return v >> bits != 0;
}

/* Whether all of it fits is not asked: it does, see PAX_SIZE. */
static size_t make_pax(struct writer *w, const struct tar_entry *e)
{
	bool raw = !vmb_wire_is_utf8(e->path, strlen(e->path)) ||
		   !vmb_wire_is_utf8(e->link, strlen(e->link));
	size_t n = 0;

	if (raw)
		add(w, &n, "hdrcharset", "BINARY");
	if (e->sparse) {
		add(w, &n, "GNU.sparse.major", "1");
		add(w, &n, "GNU.sparse.minor", "0");
		add(w, &n, "GNU.sparse.name", e->path);
		add_number(w, &n, "GNU.sparse.realsize", e->real);
	} else if (strlen(e->path) > NAME_MAX_USTAR || raw) {
		add(w, &n, "path", e->path);
	}
	if (strlen(e->link) > NAME_MAX_USTAR || (raw && e->link[0]))
		add(w, &n, "linkpath", e->link);
	if (too_big(e->size, LONG_MAX_OCTAL_DIGITS))
		add_number(w, &n, "size", e->size);
	if (too_big(e->uid, ID_BITS))
		add_number(w, &n, "uid", e->uid);
	if (too_big(e->gid, ID_BITS))
		add_number(w, &n, "gid", e->gid);
	add_time(w, &n, "mtime", e->mtime);
	add_time(w, &n, "atime", e->atime);
	return n;
}

static int put_entry(struct writer *w, struct tar_entry *e)
{
	static struct tar_entry pax;
	uint8_t block[TAR_BLOCK];
	size_t n = make_pax(w, e);

	init_format(pax.path, sizeof(pax.path), "pax");
	pax.type = 'x';
	pax.mode = 0600;
	pax.size = n;
	tar_write_header(&pax, block);
	if (put(w, block, TAR_BLOCK) || put(w, w->pax, n) || pad(w, n))
		return 1;
	tar_write_header(e, block);
	return put(w, block, TAR_BLOCK);
}

/* ---- files ---- */

/* The parts that hold data; the last may go on to the end if there are too many. */
static size_t find_parts(struct writer *w, int fd, uint64_t size)
{
	size_t n = 0;
	off_t at = 0, end;

	while ((uint64_t)at < size && n < TAR_PARTS_MAX - 1) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 || (uint64_t)at >= size)
			break; /* nothing but a hole is left */
		end = lseek(fd, at, SEEK_HOLE);
		if (end <= at || (uint64_t)end > size || n == TAR_PARTS_MAX - 2)
			end = (off_t)size;
		w->parts[n++] = (struct tar_part){(uint64_t)at, (uint64_t)(end - at)};
		at = end;
	}
	/* libarchive takes the size from the end of the last part */
	if (n == 0 || w->parts[n - 1].at + w->parts[n - 1].n < size)
		w->parts[n++] = (struct tar_part){size, 0};
	return n;
}

static size_t map_text(const struct writer *w, size_t parts, char *text, size_t size)
{
	size_t n = init_format(text, size, "%zu\n", parts);

	for (size_t i = 0; i < parts; i++)
		n += init_format(text + n, size - n, "%llu\n%llu\n",
				 (unsigned long long)w->parts[i].at,
				 (unsigned long long)w->parts[i].n);
	return n;
}

static int put_sparse(struct writer *w, struct tar_entry *e, int fd, size_t parts)
{
	size_t size = (parts + 1) * 42, n;
	_cleanup_free_ char *text = malloc(size);
	uint64_t data = 0;

	if (!text)
		return tar_complain("reading", w->path, ENOMEM);
	n = map_text(w, parts, text, size);
	for (size_t i = 0; i < parts; i++)
		data += w->parts[i].n;
	e->sparse = true;
	e->real = e->size;
	e->size = n + -n % TAR_BLOCK + data;
	if (put_entry(w, e) || put(w, text, n) || pad(w, n))
		return 1;
	for (size_t i = 0; i < parts; i++)
		if (put_part(w, fd, w->parts[i]))
			return 1;
	return pad(w, data);
}

static int put_file(struct writer *w, struct tar_entry *e, int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	size_t parts;

	if (fd < 0 || fstat(fd, &st) < 0)
		return tar_complain("opening", w->path, errno);
	if (!S_ISREG(st.st_mode))
		return tar_complain("it changed while it was read:", w->path, 0);
	e->size = (uint64_t)st.st_size;
	if ((uint64_t)st.st_blocks * 512 < e->size) {
		parts = find_parts(w, fd, e->size);
		if (parts != 1 || w->parts[0].at != 0)
			return put_sparse(w, e, fd, parts);
	}
	if (put_entry(w, e) || put_part(w, fd, (struct tar_part){0, e->size}))
		return 1;
	return pad(w, e->size);
}

/* ---- the tree ---- */

/* The path under which it was seen before; else it is remembered. */
static const char *seen_as(struct writer *w, const struct stat *st)
{
	for (size_t i = 0; i < w->n_links; i++)
		if (w->links[i].dev == st->st_dev && w->links[i].ino == st->st_ino)
			return w->links[i].path;
	if (w->n_links == w->size_links) {
		size_t size = w->size_links ? w->size_links * 2 : 64;
		struct hard_link *more = realloc(w->links, size * sizeof(*more));

		if (!more)
			return NULL;
		w->links = more;
		w->size_links = size;
	}
	/* ours until the process ends */
	w->links[w->n_links++] = (struct hard_link){st->st_dev, st->st_ino, strdup(w->path)};
	return NULL;
}

static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '0';
	case S_IFLNK:
		return '2';
	case S_IFCHR:
		return '3';
	case S_IFBLK:
		return '4';
	case S_IFDIR:
		return '5';
	case S_IFIFO:
		return '6';
	default:
		return '\0'; /* sockets belong to who made them */
	}
}

static int walk(struct writer *w, int fd, int depth);

static int put_folder(struct writer *w, struct tar_entry *e, int dir, const char *name,
		      const struct stat *st, int depth)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	if (put_entry(w, e))
		return 1;
	if (st->st_dev != w->dev)
		return 0;
	if (depth == DEPTH_MAX)
		return tar_complain("too deep:", w->path, 0);
	fd = openat(dir, name, flags);
	return fd < 0 ? tar_complain("opening", w->path, errno) : walk(w, fd, depth + 1);
}

/* w->path is its path in the archive. */
static int put_any(struct writer *w, int dir, const char *name, const struct stat *st, int depth)
{
	struct tar_entry *e = &w->entry;
	const char *before;
	ssize_t n;

	memset(e, 0, sizeof(*e));
	e->type = type_of(st->st_mode);
	e->mode = st->st_mode & 07777;
	e->uid = st->st_uid;
	e->gid = st->st_gid;
	e->mtime = st->st_mtim;
	e->atime = st->st_atim;
	memcpy(e->path, w->path, strlen(w->path) + 1);
	if (e->type == '3' || e->type == '4') {
		e->major = major(st->st_rdev);
		e->minor = minor(st->st_rdev);
	}
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1 && e->type && (before = seen_as(w, st))) {
		e->type = '1';
		memcpy(e->link, before, strlen(before) + 1);
		return put_entry(w, e);
	}
	if (e->type == '2') {
		n = readlinkat(dir, name, e->link, sizeof(e->link) - 1);
		if (n < 0)
			return tar_complain("reading the link", w->path, errno);
	}
	if (e->type == '5') {
		e->path[strlen(e->path)] = '/'; /* what is behind it is 0 */
		return put_folder(w, e, dir, name, st, depth);
	}
	if (e->type == '0')
		return put_file(w, e, dir, name);
	return e->type ? put_entry(w, e) : 0;
}

/* Closes fd. */
static int walk(struct writer *w, int fd, int depth)
{
	size_t n = strlen(w->path);
	DIR *d = fdopendir(fd);
	struct dirent *ent;
	struct stat st;
	int r = 0;

	if (!d)
		return tar_complain("reading", w->path, errno);
	while (r == 0 && (errno = 0, ent = readdir(d))) {
		if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
			continue;
		if (init_format(w->path + n, PATH_MAX - n, "/%s", ent->d_name) >= PATH_MAX - n - 1)
			r = tar_complain("its path is too long:", w->path, 0);
		else if (fstatat(fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = errno == ENOENT ? 0 : tar_complain("looking at", w->path, errno);
		else
			r = put_any(w, fd, ent->d_name, &st, depth);
		w->path[n] = '\0';
	}
	if (r == 0 && errno)
		r = tar_complain("reading", w->path, errno);
	closedir(d);
	return r;
}

/* The last component, without the slashes behind it; "." if that is none. */
static void name_it(const char *path, char *name)
{
	size_t n = strlen(path), start;

	while (n > 0 && path[n - 1] == '/')
		n--;
	start = n;
	while (start > 0 && path[start - 1] != '/')
		start--;
	init_format(name, PATH_MAX, "%.*s", (int)(n - start), path + start);
	if (!name[0] || strcmp(name, "..") == 0)
		memcpy(name, ".", 2);
}

int agent_tar_out(const char *path, int fd)
{
	static struct writer w;
	static const uint8_t end[2 * TAR_BLOCK];
	size_t n = strlen(path);
	struct stat st;
	int r;

	w.fd = fd;
	name_it(path, w.path);
	if (n == 0 || n >= PATH_MAX)
		return tar_complain("no path", path, 0);
	r = path[n - 1] == '/' ? stat(path, &st) : lstat(path, &st);
	if (r < 0)
		return tar_complain("looking at", path, errno);
	w.dev = st.st_dev;
	r = put_any(&w, AT_FDCWD, path, &st, 0);
	return r ? r : put(&w, end, sizeof(end)) || flush(&w);
}
