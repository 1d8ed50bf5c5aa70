/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tar.h"

#include <errno.h>
#include <string.h>

/* POSIX ustar: where a field is, and its bytes */
enum {
	NAME = 0,
	NAME_SIZE = 100,
	MODE = 100,
	UID = 108,
	GID = 116,
	ID_SIZE = 8,
	SIZE = 124,
	MTIME = 136,
	LONG_SIZE = 12,
	CHECKSUM = 148,
	TYPE = 156,
	LINK = 157,
	MAGIC = 257,
	MAJOR = 329,
	MINOR = 337,
	PREFIX = 345,
	PREFIX_SIZE = 155,
};

static unsigned checksum(const uint8_t *block)
{
	unsigned sum = 0;

	for (int i = 0; i < TAR_BLOCK; i++)
		sum += i >= CHECKSUM && i < CHECKSUM + 8 ? ' ' : block[i];
	return sum;
}

int tar_complain(const char *what, const char *which, int err)
{
	char text[PATH_MAX + 256];
	size_t n = init_format(text, sizeof(text), "%s%s%s%s%s\n", what, *which ? " " : "", which,
			       err ? ": " : "", err ? strerror(err) : "");

	if (n >= sizeof(text))
		n = sizeof(text) - 1;
	return write(2, text, n) < 0 ? 1 : 1;
}

/* ---- reading ---- */

/* Octal digits, or GNU's base 256 behind a first byte of 0x80. */
static bool number(const uint8_t *p, int size, uint64_t *ret)
{
	uint64_t v = 0;
	int i = 0;

	if (p[0] == 0x80) {
		for (i = 1; i < size; i++) {
			if (v >> 55)
				return false;
			v = v << 8 | p[i];
		}
		*ret = v;
		return true;
	}
	while (i < size && p[i] == ' ')
		i++;
	for (; i < size && p[i] >= '0' && p[i] <= '7'; i++)
		v = v * 8 + (uint64_t)(p[i] - '0');
	*ret = v;
	return i == size || p[i] == ' ' || p[i] == '\0';
}

static bool number32(const uint8_t *p, uint32_t *ret)
{
	uint64_t v;

	if (!number(p, ID_SIZE, &v) || v > UINT32_MAX)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static void take_path(const uint8_t *block, char *path)
{
	int prefix = (int)strnlen((const char *)block + PREFIX, PREFIX_SIZE);

	if (prefix > 0 && memcmp(block + MAGIC, "ustar\0", 6) == 0)
		init_format(path, PATH_MAX, "%.*s/%.*s", prefix, (const char *)block + PREFIX,
			    NAME_SIZE, (const char *)block + NAME);
	else
		init_format(path, PATH_MAX, "%.*s", NAME_SIZE, (const char *)block + NAME);
}

static bool is_zero(const uint8_t *block)
{
	for (int i = 0; i < TAR_BLOCK; i++)
		if (block[i])
			return false;
	return true;
}

/* What a pax record said goes first: the field may then hold anything. */
static bool take_ids(const uint8_t *block, struct tar_entry *e)
{
	if (!(e->has & TAR_HAS_UID) && !number32(block + UID, &e->uid))
		return false;
	if (!(e->has & TAR_HAS_GID) && !number32(block + GID, &e->gid))
		return false;
	if (e->type != '3' && e->type != '4')
		return true;
	return number32(block + MAJOR, &e->major) && number32(block + MINOR, &e->minor);
}

static bool take_times(const uint8_t *block, struct tar_entry *e)
{
	uint64_t seconds = 0;

	if (!(e->has & TAR_HAS_MTIME)) {
		if (!number(block + MTIME, LONG_SIZE, &seconds) || seconds > INT64_MAX / 2)
			return false;
		e->mtime = (struct timespec){.tv_sec = (time_t)seconds};
	}
	if (!(e->has & TAR_HAS_ATIME))
		e->atime = e->mtime;
	return true;
}

static bool take_size(const uint8_t *block, struct tar_entry *e)
{
	if (!(e->has & TAR_HAS_SIZE) && !number(block + SIZE, LONG_SIZE, &e->size))
		return false;
	e->sparse = (e->has & TAR_HAS_MAJOR) != 0;
	/* a version that is not 1.0 has other records: it would be read as something else */
	if (e->sparse &&
	    (~e->has & (TAR_HAS_MINOR | TAR_HAS_REAL | TAR_HAS_NAME) || e->type != '0'))
		return false;
	return e->size <= INT64_MAX - 2 * TAR_BLOCK;
}

int tar_read_header(const uint8_t block[TAR_BLOCK], struct tar_entry *e)
{
	uint64_t sum;

	if (is_zero(block))
		return 1;
	if (memcmp(block + MAGIC, "ustar", 5) != 0 || !number(block + CHECKSUM, 8, &sum) ||
	    sum != checksum(block))
		return -EBADMSG;
	e->type = block[TYPE] == '\0' || block[TYPE] == '7' ? '0' : (char)block[TYPE];
	if (!(e->has & (TAR_HAS_PATH | TAR_HAS_NAME)))
		take_path(block, e->path);
	if (!(e->has & TAR_HAS_LINK))
		init_format(e->link, PATH_MAX, "%.*s", NAME_SIZE, (const char *)block + LINK);
	if (!number32(block + MODE, &e->mode) || !take_ids(block, e) || !take_times(block, e) ||
	    !take_size(block, e))
		return -EBADMSG;
	return 0;
}

static bool decimal(const char *s, uint64_t max, uint64_t *ret, const char **ret_end)
{
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > (max - (uint64_t)(*s - '0')) / 10)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*ret = v;
	*ret_end = s;
	return true;
}

static bool whole(const char *s, uint64_t max, uint64_t *ret)
{
	const char *end;

	return decimal(s, max, ret, &end) && *end == '\0';
}

/* "-12.0345": nine places count. A time before 1970 has its part of a second from below. */
static bool to_time(const char *s, struct timespec *ret)
{
	bool minus = *s == '-';
	uint64_t seconds;
	long ns = 0, place = 100000000;

	if (!decimal(s + minus, INT64_MAX / 2, &seconds, &s))
		return false;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, place /= 10)
			ns += place * (*s - '0');
	if (*s)
		return false;
	ret->tv_sec = minus ? -(time_t)seconds : (time_t)seconds;
	ret->tv_nsec = ns;
	if (minus && ns > 0) {
		ret->tv_sec--;
		ret->tv_nsec = 1000000000 - ns;
	}
	return true;
}

static bool to_path(const char *value, char *path)
{
	size_t n = strlen(value);

	if (n == 0 || n >= PATH_MAX)
		return false;
	memcpy(path, value, n + 1);
	return true;
}

static bool to_id(const char *value, uint32_t *ret)
{
	uint64_t v = 0;
	bool ok = whole(value, UINT32_MAX, &v);

	*ret = (uint32_t)v;
	return ok;
}

/* What it does not know is about something that is not copied. */
static bool take_record(struct tar_entry *e, const char *key, const char *value)
{
	static const struct {
		const char *key;
		enum tar_has has;
	} keys[] = {
		{"path", TAR_HAS_PATH},
		{"linkpath", TAR_HAS_LINK},
		{"size", TAR_HAS_SIZE},
		{"uid", TAR_HAS_UID},
		{"gid", TAR_HAS_GID},
		{"mtime", TAR_HAS_MTIME},
		{"atime", TAR_HAS_ATIME},
		{"GNU.sparse.major", TAR_HAS_MAJOR},
		{"GNU.sparse.minor", TAR_HAS_MINOR},
		{"GNU.sparse.realsize", TAR_HAS_REAL},
		{"GNU.sparse.name", TAR_HAS_NAME},
	};
	enum tar_has has = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].key, key) == 0)
			has = keys[i].has;
	e->has |= has;
	switch (has) {
	case TAR_HAS_PATH:
		return e->has & TAR_HAS_NAME || to_path(value, e->path);
	case TAR_HAS_NAME:
		return to_path(value, e->path);
	case TAR_HAS_LINK:
		return to_path(value, e->link);
	case TAR_HAS_SIZE:
		return whole(value, INT64_MAX - 2 * TAR_BLOCK, &e->size);
	case TAR_HAS_REAL:
		return whole(value, INT64_MAX, &e->real);
	case TAR_HAS_UID:
		return to_id(value, &e->uid);
	case TAR_HAS_GID:
		return to_id(value, &e->gid);
	case TAR_HAS_MTIME:
		return to_time(value, &e->mtime);
	case TAR_HAS_ATIME:
		return to_time(value, &e->atime);
	case TAR_HAS_MAJOR:
		return strcmp(value, "1") == 0;
	case TAR_HAS_MINOR:
		return strcmp(value, "0") == 0;
	default:
		return true;
	}
}

/* "LEN key=value\n", one after another; LEN counts all of it. */
int tar_read_pax(char *text, size_t n, struct tar_entry *e)
{
	char *end = text + n;

	while (text < end) {
		const char *after;
		uint64_t length;
		char *key, *eq;

		if (!decimal(text, n, &length, &after) || *after != ' ')
			return -EBADMSG;
		key = text + (after - text) + 1;
		if (length > (uint64_t)(end - text) || text + length <= key ||
		    text[length - 1] != '\n')
			return -EBADMSG;
		text[length - 1] = '\0';
		eq = strchr(key, '=');
		if (!eq)
			return -EBADMSG;
		*eq = '\0';
		/* an attribute's value may hold a 0; a path that did would be cut */
		if (!take_record(e, key, eq + 1))
			return -EBADMSG;
		text += length;
	}
	return 0;
}

int tar_clean_path(char *path)
{
	char *in = path, *to = path, *part;

	if (*path == '/')
		return -EBADMSG;
	while ((part = strsep(&in, "/"))) {
		size_t n = strlen(part);

		if (strcmp(part, "..") == 0)
			return -EBADMSG;
		if (n == 0 || strcmp(part, ".") == 0)
			continue;
		if (to > path)
			*to++ = '/';
		memmove(to, part, n);
		to += n;
	}
	*to = '\0';
	return 0;
}

static bool add_number(struct tar_map *m, uint64_t real)
{
	uint64_t v = m->number, at = 0;
	struct tar_part *part = &m->parts[m->n];

	m->number = 0;
	if (m->numbers++ == 0) {
		m->wanted = (size_t)v;
		return v <= TAR_PARTS_MAX;
	}
	if (m->numbers % 2 == 0) {
		if (m->n > 0)
			at = m->parts[m->n - 1].at + m->parts[m->n - 1].n;
		part->at = v;
		return v >= at && v <= real;
	}
	part->n = v;
	m->n++;
	return v <= real - part->at;
}

/* Decimal numbers, one a line: how many parts, then the place and length of each. */
int tar_read_map(const uint8_t block[TAR_BLOCK], uint64_t real, struct tar_map *m)
{
	for (int i = 0; i < TAR_BLOCK; i++) {
		if (block[i] == '\n') {
			if (!add_number(m, real))
				return -EBADMSG;
			if (m->n == m->wanted)
				return 1;
			continue;
		}
		if (block[i] < '0' || block[i] > '9' || m->number > INT64_MAX / 10 - 9)
			return -EBADMSG;
		m->number = m->number * 10 + (uint64_t)(block[i] - '0');
	}
	return 0;
}

/* ---- writing ---- */

/* Zeros, digits and a 0; what does not fit is in the pax records. */
static void put_octal(uint8_t *p, int size, uint64_t v)
{
	for (int i = size - 2; i >= 0; i--, v /= 8)
		p[i] = (uint8_t)('0' + v % 8);
	p[size - 1] = '\0';
}

static void put_text(uint8_t *p, const char *text)
{
	memcpy(p, text, strnlen(text, NAME_SIZE));
}

void tar_write_header(const struct tar_entry *e, uint8_t block[TAR_BLOCK])
{
	memset(block, 0, TAR_BLOCK);
	put_text(block + NAME, e->path);
	put_octal(block + MODE, ID_SIZE, e->mode);
	put_octal(block + UID, ID_SIZE, e->uid);
	put_octal(block + GID, ID_SIZE, e->gid);
	put_octal(block + SIZE, LONG_SIZE, e->size);
	put_octal(block + MTIME, LONG_SIZE, e->mtime.tv_sec < 0 ? 0 : (uint64_t)e->mtime.tv_sec);
	block[TYPE] = (uint8_t)e->type;
	put_text(block + LINK, e->link);
	memcpy(block + MAGIC,
	       "ustar\0"
	       "00",
	       8);
	put_octal(block + MAJOR, ID_SIZE, e->major);
	put_octal(block + MINOR, ID_SIZE, e->minor);
	put_octal(block + CHECKSUM, 7, checksum(block));
	block[CHECKSUM + 7] = ' ';
}

static size_t digits(size_t v)
{
	size_t n = 1;

	while (v /= 10)
		n++;
	return n;
}

bool tar_write_pax(char *text, size_t size, size_t *n, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, length = rest + digits(rest);

	length = rest + digits(length);
	if (length >= size - *n)
		return false;
	*n += init_format(text + *n, size - *n, "%zu %s=%s\n", length, key, value);
	return true;
}
