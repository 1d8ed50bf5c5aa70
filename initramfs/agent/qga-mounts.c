/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "qga.h"

/*
 * What is mounted from disks. The root is an overlayfs, which has no disk and cannot be frozen or
 * trimmed: the ext4 below it is meant, which is in no table of mounts, and on which init keeps a
 * folder open.
 */

enum { FIELDS = 16, TRIES = 16 };

/* \040 and the like. In place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] && s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static bool parse_device(const char *s, unsigned *major, unsigned *minor)
{
	char *end;

	*major = (unsigned)strtoul(s, &end, 10);
	if (*end != ':')
		return false;
	*minor = (unsigned)strtoul(end + 1, &end, 10);
	return *end == '\0';
}

static bool read_only(const char *options)
{
	return strncmp(options, "ro", 2) == 0 && (options[2] == ',' || options[2] == '\0');
}

/* ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG]... - TYPE SOURCE SUPER-OPTIONS */
static bool parse_line(char *line, struct qga_mount *ret)
{
	char *f[FIELDS + 4];
	int n = 0, dash = 6;

	while (line && n < FIELDS)
		f[n++] = strsep(&line, " ");
	while (dash < n && strcmp(f[dash], "-") != 0)
		dash++;
	if (dash + 3 >= n || !parse_device(f[2], &ret->major, &ret->minor))
		return false;
	ret->point = f[4];
	ret->type = f[dash + 1];
	ret->fd = -1;
	ret->read_only = read_only(f[5]) || read_only(f[dash + 3]);
	unescape(ret->point);
	return true;
}

static void use_overlay(struct agent_qga *q, struct qga_mount *m)
{
	struct stat st;

	if (strcmp(m->point, "/") != 0 || strcmp(m->type, "overlay") != 0 || q->init->overlay < 0 ||
	    fstat(q->init->overlay, &st) < 0)
		return;
	m->fd = q->init->overlay;
	m->major = major(st.st_dev);
	m->minor = minor(st.st_dev);
}

/* One file system can be mounted in many places: the first is taken. */
static bool known(const struct qga_mounts *mounts, const struct qga_mount *m)
{
	for (size_t i = 0; i < mounts->n; i++)
		if (mounts->list[i].major == m->major && mounts->list[i].minor == m->minor)
			return true;
	return false;
}

int qga_mounts_read(struct agent_qga *q, struct qga_mounts *ret)
{
	char path[INIT_PATH_MAX], *next, *line;
	struct qga_mount m;
	size_t lines = 1;

	*ret = (struct qga_mounts){0};
	errno = 0;
	if (qga_read_proc(init_path(q->init, path, "/proc/self/mountinfo"), &ret->text) < 0)
		return qga_fail_errno(q, "reading", path);
	for (const char *p = ret->text; *p; p++)
		lines += *p == '\n';
	ret->list = calloc(lines, sizeof(*ret->list));
	next = ret->text;
	while (ret->list && (line = strsep(&next, "\n"))) {
		if (!parse_line(line, &m))
			continue;
		use_overlay(q, &m);
		if (m.major != 0 && !known(ret, &m))
			ret->list[ret->n++] = m;
	}
	return ret->list ? 0 : qga_fail(q, "no memory");
}

void qga_mounts_done(struct qga_mounts *mounts)
{
	free(mounts->text);
	free(mounts->list);
}

int qga_mount_open(const struct qga_mount *m)
{
	int fd = m->fd >= 0 ? fcntl(m->fd, F_DUPFD_CLOEXEC, 3)
			    : open(m->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* ---- what there is ---- */

static void put_fsinfo(struct agent_qga *q, struct ajson_out *out, const struct qga_mount *m)
{
	char path[INIT_PATH_MAX], target[INIT_PATH_MAX], name[32];
	const char *slash;
	struct statvfs fs;
	ssize_t n;

	init_format(name, sizeof(name), "%d:%d", (int)m->major, (int)m->minor);
	init_path(q->init, path, "/sys/dev/block/%s", name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	slash = strrchr(target, '/');
	ajson_open(out, NULL, '{');
	ajson_string(out, "name", slash ? slash + 1 : name);
	ajson_string(out, "mountpoint", m->point);
	ajson_string(out, "type", m->type);
	if (statvfs(m->point, &fs) == 0) {
		uint64_t used = fs.f_blocks - fs.f_bfree;

		ajson_uint(out, "used-bytes", used * fs.f_frsize);
		ajson_uint(out, "total-bytes", (used + fs.f_bavail) * fs.f_frsize);
	}
	ajson_open(out, "disk", '[');
	if (n > 0)
		qga_disk_address(q, out, NULL, m->major, m->minor);
	ajson_close(out, ']');
	ajson_close(out, '}');
}

QGA_COMMAND(get_fsinfo)
{
	__attribute__((cleanup(qga_mounts_done))) struct qga_mounts mounts;
	int r = qga_mounts_read(q, &mounts);

	(void)call;
	if (r < 0)
		return r;
	ajson_open(out, NULL, '[');
	for (size_t i = 0; i < mounts.n; i++)
		put_fsinfo(q, out, &mounts.list[i]);
	ajson_close(out, ']');
	return 0;
}

/* ---- freezing ---- */

QGA_COMMAND(fsfreeze_status)
{
	(void)call;
	ajson_string(out, NULL, q->frozen ? "frozen" : "thawed");
	return 0;
}

static int thaw(const struct qga_mounts *mounts)
{
	int count = 0;

	for (size_t i = 0; i < mounts->n; i++) {
		int fd = qga_mount_open(&mounts->list[i]), n = 0;

		while (fd >= 0 && n < TRIES && ioctl(fd, FITHAW, 0) == 0)
			n++;
		count += n > 0;
		vmb_closep(&fd);
	}
	return count;
}

void qga_mounts_thaw(struct agent_qga *q)
{
	__attribute__((cleanup(qga_mounts_done))) struct qga_mounts mounts;

	if (qga_mounts_read(q, &mounts) == 0)
		thaw(&mounts);
	q->why[0] = '\0';
}

static bool listed(const struct qga_call *call, const char *point)
{
	const struct ajson *list = call->args[0];

	if (!list)
		return true;
	for (unsigned i = list->child; i; i = call->nodes[i].next)
		if (call->nodes[i].type == AJSON_STRING && strcmp(call->nodes[i].text, point) == 0)
			return true;
	return false;
}

/* 1, 0 if there is nothing that can be frozen, or -1. */
static int freeze(struct agent_qga *q, const struct qga_mount *m)
{
	int fd = qga_mount_open(m), r;

	if (fd < 0) {
		errno = -fd;
		return qga_fail_errno(q, "failed to open", m->point);
	}
	r = ioctl(fd, FIFREEZE, 0);
	if (r < 0 && errno != EOPNOTSUPP && errno != EBUSY)
		qga_fail_errno(q, "failed to freeze", m->point);
	else if (r < 0)
		q->why[0] = '\0';
	close(fd);
	return r == 0 ? 1 : q->why[0] ? -1 : 0;
}

/* What was mounted last first: it may lie in a file of another. All, or none. */
QGA_COMMAND(fsfreeze_freeze)
{
	__attribute__((cleanup(qga_mounts_done))) struct qga_mounts mounts;
	int r = qga_mounts_read(q, &mounts), count = 0;

	for (size_t i = mounts.n; r >= 0 && i > 0; i--) {
		const struct qga_mount *m = &mounts.list[i - 1];

		if (m->read_only || !listed(call, m->point))
			continue;
		r = freeze(q, m);
		count += r > 0;
	}
	if (r < 0) {
		thaw(&mounts);
		return r;
	}
	ajson_int(out, NULL, count);
	return 0;
}

QGA_COMMAND(fsfreeze_thaw)
{
	__attribute__((cleanup(qga_mounts_done))) struct qga_mounts mounts;
	int r = qga_mounts_read(q, &mounts);

	(void)call;
	if (r < 0)
		return r;
	ajson_int(out, NULL, thaw(&mounts));
	return 0;
}

/* ---- trimming ---- */

static void trim(struct ajson_out *out, const struct qga_mount *m, uint64_t minimum)
{
	struct fstrim_range range = {.len = UINT64_MAX, .minlen = minimum};
	int fd = qga_mount_open(m);
	int r = fd < 0 ? fd : ioctl(fd, FITRIM, &range) < 0 ? -errno : 0;

	ajson_open(out, NULL, '{');
	ajson_string(out, "path", m->point);
	if (r < 0) {
		ajson_string(out, "error",
			     r == -EOPNOTSUPP || r == -ENOTTY ? "trim not supported"
							      : strerror(-r));
	} else {
		ajson_uint(out, "trimmed", range.len);
		ajson_uint(out, "minimum", range.minlen);
	}
	ajson_close(out, '}');
	vmb_closep(&fd);
}

QGA_COMMAND(fstrim)
{
	__attribute__((cleanup(qga_mounts_done))) struct qga_mounts mounts;
	int64_t minimum = call->args[0] ? call->args[0]->number : 0;
	int r = qga_mounts_read(q, &mounts);

	if (r == 0 && minimum < 0)
		r = qga_fail(q, "value '%ld' is invalid for argument minimum", (long)minimum);
	if (r < 0)
		return r;
	ajson_open(out, NULL, '{');
	ajson_open(out, "paths", '[');
	for (size_t i = 0; i < mounts.n; i++)
		if (!mounts.list[i].read_only)
			trim(out, &mounts.list[i], (uint64_t)minimum);
	ajson_close(out, ']');
	ajson_close(out, '}');
	return 0;
}
