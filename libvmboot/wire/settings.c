/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/settings.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- numbers ---- */

/* The number at *text, which then points behind it; false: none, or one that is too large. */
static bool take_number(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	if (p == *text)
		return false;
	*text = p;
	*ret = v;
	return true;
}

bool vmb_is_size(const char *text)
{
	uint64_t v;

	if (!take_number(&text, &v) || v == 0 || v > UINT64_MAX >> 31)
		return false;
	return !*text || (strchr("kKmMgG", *text) && !text[1]);
}

/* ---- durations ---- */

static const struct {
	const char *name;
	uint64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

/* The unit at *text, which then points behind it. 0: there is none. */
static uint64_t take_unit(const char **text)
{
	for (size_t i = 0; i < COUNT(units); i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(*text, units[i].name, n) != 0)
			continue;
		*text += n;
		return units[i].ms;
	}
	return 0;
}

/* "1.5s" */
static bool take_part(const char **text, uint64_t *ret_ms)
{
	enum { LONGEST_HOURS = 24 * 366 * 100 };
	const uint64_t most = (uint64_t)LONGEST_HOURS * 3600000;
	uint64_t whole, fraction = 0, scale = 1, unit;

	if (!take_number(text, &whole))
		return false;
	if (**text == '.') {
		++*text;
		for (int n = 0; **text >= '0' && **text <= '9'; ++*text, n++)
			if (n < 6) {
				fraction = fraction * 10 + (uint64_t)(**text - '0');
				scale *= 10;
			}
		if (scale == 1)
			return false;
	}
	unit = take_unit(text);
	if (unit == 0 || whole > most / unit)
		return false;
	*ret_ms += whole * unit + fraction * unit / scale;
	return *ret_ms <= most;
}

int vmb_duration_parse(const char *text, uint64_t *ret_ms)
{
	const char *p = text;
	uint64_t ms = 0, seconds;

	if (take_number(&p, &seconds) && !*p) {
		if (seconds > UINT32_MAX)
			return -EINVAL;
		*ret_ms = seconds * 1000;
		return 0;
	}
	do
		if (!take_part(&text, &ms))
			return -EINVAL;
	while (*text);
	*ret_ms = ms;
	return 0;
}

/* ---- tmpfs ---- */

static const struct {
	const char *name;
	unsigned long set, clear;
} tmpfs_flags[] = {
	{"rw", 0, MS_RDONLY},	    {"ro", MS_RDONLY, 0},   {"exec", 0, MS_NOEXEC},
	{"noexec", MS_NOEXEC, 0},   {"suid", 0, MS_NOSUID}, {"nosuid", MS_NOSUID, 0},
	{"dev", 0, MS_NODEV},	    {"nodev", MS_NODEV, 0}, {"atime", 0, MS_NOATIME},
	{"noatime", MS_NOATIME, 0},
};

static bool is_number(const char *value)
{
	uint64_t v;

	return take_number(&value, &v) && v < UINT32_MAX && !*value;
}

static bool is_mode(const char *value)
{
	size_t n = strspn(value, "01234567");

	return n > 0 && n <= 5 && !value[n];
}

static bool is_tmpfs_size(const char *value)
{
	uint64_t v;

	return vmb_is_size(value) ||
	       (take_number(&value, &v) && v > 0 && v <= 100 && strcmp(value, "%") == 0);
}

/* What tmpfs itself reads, see tmpfs(5). */
static const struct {
	const char *key;
	bool (*accepts)(const char *value);
} tmpfs_data[] = {
	{"size=", is_tmpfs_size}, {"mode=", is_mode},	       {"uid=", is_number},
	{"gid=", is_number},	  {"nr_inodes=", vmb_is_size},
};

static int add_data(struct vmb_tmpfs *t, const char *word)
{
	size_t n = strlen(t->data), more = strlen(word);

	for (size_t i = 0; i < COUNT(tmpfs_data); i++) {
		size_t key = strlen(tmpfs_data[i].key);

		if (strncmp(word, tmpfs_data[i].key, key) != 0)
			continue;
		if (!tmpfs_data[i].accepts(word + key) || n + more + 2 > sizeof(t->data))
			return -EINVAL;
		if (n > 0)
			t->data[n++] = ',';
		memcpy(t->data + n, word, more + 1);
		return 0;
	}
	return -EINVAL;
}

static int add_option(struct vmb_tmpfs *t, const char *word)
{
	for (size_t i = 0; i < COUNT(tmpfs_flags); i++)
		if (strcmp(word, tmpfs_flags[i].name) == 0) {
			t->flags = (t->flags | tmpfs_flags[i].set) & ~tmpfs_flags[i].clear;
			return 0;
		}
	if (strcmp(word, "tmpcopyup") == 0 || strcmp(word, "notmpcopyup") == 0) {
		t->copy_up = word[0] == 't';
		return 0;
	}
	return add_data(t, word);
}

/* Absolute, not the root, and without "..", which would be somewhere else than it says. */
static bool is_mount_point(const char *path, size_t n)
{
	size_t depth = 0;

	if (n < 2 || path[0] != '/')
		return false;
	for (size_t i = 0, word; i < n; i += word) {
		i++;
		for (word = 0; i + word < n && path[i + word] != '/';)
			word++;
		if (word == 2 && path[i] == '.' && path[i + 1] == '.')
			return false;
		depth += word > 0 && !(word == 1 && path[i] == '.');
	}
	return depth > 0;
}

int vmb_tmpfs_parse(const char *text, struct vmb_tmpfs *ret)
{
	struct vmb_tmpfs t = {.flags = MS_NOSUID | MS_NODEV, .copy_up = true};
	const char *p = strchr(text, ':');
	char word[64];
	int r = 0;

	t.path_length = p ? (size_t)(p - text) : strlen(text);
	if (!is_mount_point(text, t.path_length))
		return -EINVAL;
	while (r == 0 && p && *p) {
		size_t n = strcspn(++p, ",");

		if (n >= sizeof(word))
			return -EINVAL;
		memcpy(word, p, n);
		word[n] = '\0';
		r = add_option(&t, word);
		p += n;
	}
	if (r == 0)
		*ret = t;
	return r;
}

/* ---- sysctl ---- */

static bool is_key(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_-.:@*/", c));
}

/*
 * As sysctl(8) has it: dots separate, and a slash stands for a dot of a name
 * ("net.ipv4.conf.eth0/1.forwarding"); or the other way round, by which comes first.
 */
int vmb_sysctl_parse(const char *text, char path[VMB_SYSCTL_PATH_MAX], const char **ret_value)
{
	const size_t n = strcspn(text, "=");
	const char separator = text[strcspn(text, "./=")];

	if (n == 0 || n >= VMB_SYSCTL_PATH_MAX || text[n] != '=' || text[n + 1] == '\0' ||
	    text[0] == '.' || text[0] == '/')
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (!is_key(text[i]))
			return -EINVAL;
		path[i] = text[i];
		if (separator == '.' && (text[i] == '.' || text[i] == '/'))
			path[i] = text[i] == '.' ? '/' : '.';
	}
	path[n] = '\0';
	if (strstr(path, "..") || strstr(path, "//") || path[n - 1] == '/')
		return -EINVAL;
	*ret_value = text + n + 1;
	return 0;
}

/* ---- restart ---- */

int vmb_restart_parse(const char *text, struct vmb_restart *ret)
{
	static const char on_failure[] = "on-failure";
	struct vmb_restart r = {.when = VMB_RESTART_ON_FAILURE};
	const size_t n = sizeof(on_failure) - 1;

	if (strcmp(text, "no") == 0 || strcmp(text, "always") == 0) {
		*ret = (struct vmb_restart){.when = text[0] == 'n' ? VMB_RESTART_NO
								   : VMB_RESTART_ALWAYS};
		return 0;
	}
	if (strncmp(text, on_failure, n) != 0 || (text[n] && text[n] != ':'))
		return -EINVAL;
	text += n + (text[n] == ':');
	if (text[-1] == ':' && (!take_number(&text, &r.most) || *text || r.most == 0))
		return -EINVAL;
	*ret = r;
	return 0;
}

/* ---- ulimit ---- */

static const struct {
	const char *name;
	int resource;
} resources[] = {
	{"as", RLIMIT_AS},
	{"core", RLIMIT_CORE},
	{"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},
	{"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},
	{"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE},
	{"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},
	{"nproc", RLIMIT_NPROC},
	{"rss", RLIMIT_RSS},
	{"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},
	{"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},
};

static bool take_limit(const char **text, uint64_t *ret)
{
	static const char *const none[] = {"unlimited", "-1"};

	for (size_t i = 0; i < COUNT(none); i++) {
		size_t n = strlen(none[i]);

		if (strncmp(*text, none[i], n) == 0) {
			*text += n;
			*ret = VMB_ULIMIT_NONE;
			return true;
		}
	}
	return take_number(text, ret);
}

int vmb_ulimit_parse(const char *text, struct vmb_ulimit *ret)
{
	struct vmb_ulimit l = {.resource = -1};
	size_t n = strcspn(text, "=");

	for (size_t i = 0; i < COUNT(resources); i++)
		if (strlen(resources[i].name) == n && strncmp(resources[i].name, text, n) == 0)
			l.resource = resources[i].resource;
	if (l.resource < 0 || text[n] != '=')
		return -EINVAL;
	text += n + 1;
	if (!take_limit(&text, &l.soft))
		return -EINVAL;
	l.hard = l.soft;
	if (*text == ':') {
		text++;
		if (!take_limit(&text, &l.hard))
			return -EINVAL;
	}
	if (*text || l.soft > l.hard)
		return -EINVAL;
	*ret = l;
	return 0;
}
