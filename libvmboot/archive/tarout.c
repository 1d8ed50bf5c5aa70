/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/tarout.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "archive/path.h"
#include "base/error.h"
#include "base/limit.h"

enum {
	BLOCK = 512,
	BUF_SIZE = 1 << 18,
	STALL_MS = 10 * 60 * 1000, /* the reader took nothing for so long */
	XATTR_VALUE_MAX = 65535,   /* of squashfs */
	XATTRS_MAX = 1 << 20,	   /* all of one entry */
	MAJOR_MAX = 4095,	   /* of squashfs; so is the next */
	MINOR_MAX = (1 << 20) - 1,
};

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[8], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

int vmb_tarout_init(struct vmb_tarout *out, int fd, const char *what, const struct vmb_log *log)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return vmb_errno(errno, "cannot write to %s", what);
	*out = (struct vmb_tarout){.fd = fd, .what = what, .log = log, .buf = malloc(BUF_SIZE)};
	return out->buf ? 0 : vmb_oom();
}

void vmb_tarout_done(struct vmb_tarout *out)
{
	free(TAKE_PTR(out->buf));
}

static int wait_writable(struct vmb_tarout *out)
{
	struct pollfd p = {.fd = out->fd, .events = POLLOUT};
	int r = vmb_limit_poll(&p, vmb_deadline_in(STALL_MS));

	if (r == 0)
		return vmb_error(ETIMEDOUT, "%s hangs: it has taken nothing for %d s", out->what,
				 STALL_MS / 1000);
	return r < 0 ? r : 0;
}

static int flush(struct vmb_tarout *out)
{
	size_t at = 0;
	ssize_t n;
	int r = vmb_limit_check();

	if (r < 0)
		return r;
	while (at < out->len) {
		n = write(out->fd, out->buf + at, out->len - at);
		if (n >= 0) {
			at += (size_t)n;
		} else if (errno == EAGAIN) {
			r = wait_writable(out);
			if (r < 0)
				return r;
		} else if (errno != EINTR) {
			return vmb_errno(errno, "cannot write to %s", out->what);
		}
	}
	out->len = 0;
	return 0;
}

/* data NULL: zeros */
static int push(struct vmb_tarout *out, const void *data, uint64_t n)
{
	const uint8_t *p = data;
	int r;

	while (n > 0) {
		size_t take = BUF_SIZE - out->len;

		if (take > n)
			take = (size_t)n;
		if (p) {
			memcpy(out->buf + out->len, p, take);
			p += take;
		} else {
			memset(out->buf + out->len, 0, take);
		}
		out->len += take;
		n -= take;
		if (out->len == BUF_SIZE) {
			r = flush(out);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static unsigned padding(uint64_t n)
{
	return (unsigned)(-n & (BLOCK - 1));
}

int vmb_tarout_data(struct vmb_tarout *out, const void *data, uint64_t n)
{
	int r;

	if (n > out->left)
		return vmb_error(VMBOOT_EIMAGE, "a file has more bytes than its size says");
	out->left -= n;
	r = push(out, data, n);
	if (r == 0 && out->left == 0 && n > 0)
		r = push(out, NULL, out->pad);
	return r;
}

int vmb_tarout_end(struct vmb_tarout *out)
{
	int r = push(out, NULL, 2 * BLOCK);

	return r < 0 ? r : flush(out);
}

/* Octal with a 0 behind it where it fits, else base 256. */
static void number(char *field, size_t size, uint64_t v)
{
	uint64_t max = (1ULL << (3 * (size - 1))) - 1;

	if (v <= max) {
		for (size_t i = size - 1; i-- > 0; v >>= 3)
			field[i] = (char)('0' + (v & 7));
		return;
	}
	for (size_t i = size; i-- > 0; v >>= 8)
		field[i] = (char)(v & 255);
	field[0] = (char)0x80;
}

static int push_header(struct vmb_tarout *out, struct header *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	unsigned sum = 0;

	memcpy(h->magic, "ustar\00000", 8);
	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < BLOCK; i++)
		sum += bytes[i];
	number(h->checksum, 7, sum);
	h->checksum[6] = '\0';
	return push(out, h, BLOCK);
}

/* A record that says something about the next header. */
static int push_extra(struct vmb_tarout *out, char type, const char *name, const void *data,
		      size_t n)
{
	struct header h = {.type = type};
	int r;

	memcpy(h.name, name, strlen(name));
	number(h.mode, sizeof(h.mode), 0644);
	number(h.uid, sizeof(h.uid), 0);
	number(h.gid, sizeof(h.gid), 0);
	number(h.size, sizeof(h.size), n);
	number(h.mtime, sizeof(h.mtime), 0);
	r = push_header(out, &h);
	if (r == 0)
		r = push(out, data, n);
	return r < 0 ? r : push(out, NULL, padding(n));
}

static int push_long(struct vmb_tarout *out, char type, char field[100], const char *s)
{
	size_t n = strlen(s);

	memcpy(field, s, n < 100 ? n : 100);
	return n <= 100 ? 0 : push_extra(out, type, "././@LongLink", s, n + 1);
}

/* "<length of all> <key>=<value>\n" */
static void add_record(struct vmb_buf *b, const char *key, const void *value, size_t n)
{
	size_t rest = strlen(key) + n + 3, len = rest + 1;
	char digits[24];

	while (rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len) != len)
		len++;
	vmb_buf_printf(b, "%zu %s=", len, key);
	vmb_buf_add(b, value, n);
	vmb_buf_str(b, "\n");
}

/* Why an xattr cannot be kept, or NULL. */
static const char *xattr_obstacle(const char *name, size_t n)
{
	if (vmb_skip_prefix(name, "trusted.overlay.") || vmb_skip_prefix(name, "user.overlay."))
		return "the guest's overlay file system would take it for its own";
	if (!vmb_skip_prefix(name, "user.") && !vmb_skip_prefix(name, "trusted.") &&
	    !vmb_skip_prefix(name, "security."))
		return "squashfs has no such class";
	if (strchr(name, '=') || strlen(name) > 255)
		return "it has no place in a tar stream";
	return n > XATTR_VALUE_MAX ? "it is too large for squashfs" : NULL;
}

static int push_xattrs(struct vmb_tarout *out, const char *path, struct archive_entry *e)
{
	_cleanup_buf_ struct vmb_buf b = {0};
	const char *name, *obstacle;
	char key[300];
	const void *value;
	size_t n;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK) {
		obstacle = xattr_obstacle(name, n);
		if (obstacle) {
			vmb_log(out->log, VMBOOT_LOG_WARNING,
				"the attribute %s of %s is dropped: %s", vmb_show(name).text,
				vmb_show(path).text, obstacle);
			continue;
		}
		snprintf(key, sizeof(key), "SCHILY.xattr.%s", name);
		add_record(&b, key, value, n);
		if (b.len > XATTRS_MAX)
			return vmb_error(VMBOOT_EIMAGE, "%s has more than %d bytes of attributes",
					 vmb_show(path).text, XATTRS_MAX);
	}
	if (b.len == 0 && !b.failed)
		return 0;
	return b.failed ? vmb_oom() : push_extra(out, 'x', "pax", b.data, b.len);
}

static const struct {
	mode_t mode;
	char type;
} types[] = {
	{S_IFREG, '0'}, {S_IFLNK, '2'}, {S_IFCHR, '3'},
	{S_IFBLK, '4'}, {S_IFDIR, '5'}, {S_IFIFO, '6'},
};

static char type_of(mode_t mode)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i].mode == (mode & S_IFMT))
			return types[i].type;
	return 0;
}

static int set_owner(struct header *h, const char *path, int64_t uid, int64_t gid)
{
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return vmb_error(VMBOOT_EIMAGE, "%s has an owner out of range: %lld:%lld",
				 vmb_show(path).text, (long long)uid, (long long)gid);
	number(h->uid, sizeof(h->uid), (uint64_t)uid);
	number(h->gid, sizeof(h->gid), (uint64_t)gid);
	return 0;
}

static void set_time(struct header *h, int64_t t)
{
	t = t < 0 ? 0 : t;
	number(h->mtime, sizeof(h->mtime), t > UINT32_MAX ? UINT32_MAX : (uint64_t)t);
}

static int set_device(struct header *h, const char *path, struct archive_entry *e)
{
	uint64_t major = archive_entry_rdevmajor(e), minor = archive_entry_rdevminor(e);

	if (major > MAJOR_MAX || minor > MINOR_MAX)
		return vmb_error(VMBOOT_EIMAGE, "%s has a device number out of range",
				 vmb_show(path).text);
	number(h->major, sizeof(h->major), major);
	number(h->minor, sizeof(h->minor), minor);
	return 0;
}

static int push_target(struct vmb_tarout *out, struct header *h, const char *path,
		       struct archive_entry *e)
{
	const char *target = archive_entry_symlink(e);

	if (!target || !*target || strlen(target) >= PATH_MAX)
		return vmb_error(VMBOOT_EIMAGE,
				 "the symbolic link %s has no target, or too long a one",
				 vmb_show(path).text);
	return push_long(out, 'K', h->link, target);
}

static int check_content(const char *path, int64_t size)
{
	if (size < 0)
		return vmb_error(VMBOOT_EIMAGE, "%s has a negative size", vmb_show(path).text);
	return 0;
}

int vmb_tarout_entry(struct vmb_tarout *out, const char *path, struct archive_entry *e)
{
	mode_t mode = archive_entry_mode(e);
	struct header h = {.type = type_of(mode)};
	int64_t size = S_ISREG(mode) ? archive_entry_size(e) : 0;
	int r;

	if (!h.type)
		return vmb_error(VMBOOT_EIMAGE, "%s is of a kind that no image has",
				 vmb_show(path).text);
	r = check_content(path, size);
	if (r == 0)
		r = set_owner(&h, path, archive_entry_uid(e), archive_entry_gid(e));
	if (r == 0 && (S_ISCHR(mode) || S_ISBLK(mode)))
		r = set_device(&h, path, e);
	if (r == 0)
		r = push_xattrs(out, path, e);
	if (r == 0)
		r = push_long(out, 'L', h.name, path);
	if (r == 0 && S_ISLNK(mode))
		r = push_target(out, &h, path, e);
	if (r < 0)
		return r;
	number(h.mode, sizeof(h.mode), mode & 07777);
	number(h.size, sizeof(h.size), (uint64_t)size);
	set_time(&h, archive_entry_mtime(e));
	out->left = (uint64_t)size;
	out->pad = padding((uint64_t)size);
	return push_header(out, &h);
}

static int push_plain(struct vmb_tarout *out, char type, const char *path, const char *target)
{
	struct header h = {.type = type};
	int r;

	number(h.mode, sizeof(h.mode), 0755);
	number(h.uid, sizeof(h.uid), 0);
	number(h.gid, sizeof(h.gid), 0);
	number(h.size, sizeof(h.size), 0);
	number(h.mtime, sizeof(h.mtime), 0);
	r = push_long(out, 'L', h.name, path);
	if (r == 0 && target)
		r = push_long(out, 'K', h.link, target);
	return r < 0 ? r : push_header(out, &h);
}

int vmb_tarout_link(struct vmb_tarout *out, const char *path, const char *target)
{
	return push_plain(out, '1', path, target);
}

int vmb_tarout_folder(struct vmb_tarout *out, const char *path)
{
	return push_plain(out, '5', path, NULL);
}

int vmb_tarout_opaque(struct vmb_tarout *out, const char *path)
{
	_cleanup_buf_ struct vmb_buf b = {0};
	int r;

	add_record(&b, "SCHILY.xattr.trusted.overlay.opaque", "y", 1);
	r = b.failed ? vmb_oom() : push_extra(out, 'x', "pax", b.data, b.len);
	return r < 0 ? r : vmb_tarout_folder(out, path);
}
