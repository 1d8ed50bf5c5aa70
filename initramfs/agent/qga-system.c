/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/rtc.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/utsname.h>

#include "qga.h"

enum { NS = 1000000000, OS_RELEASE_MAX = 65536 };

/* ---- the protocol itself ---- */

QGA_COMMAND(sync)
{
	(void)q;
	ajson_int(out, NULL, call->args[0]->number);
	return 0;
}

QGA_COMMAND(sync_delimited)
{
	return qga_sync(q, call, out);
}

QGA_COMMAND(ping)
{
	(void)q;
	(void)call;
	(void)out;
	return 0;
}

QGA_COMMAND(info)
{
	(void)q;
	(void)call;
	ajson_open(out, NULL, '{');
	ajson_string(out, "version", "vmboot-" AGENT_VERSION);
	ajson_open(out, "supported_commands", '[');
	for (size_t i = 0; i < qga_n_commands; i++) {
		ajson_open(out, NULL, '{');
		ajson_string(out, "name", qga_commands[i].name);
		ajson_bool(out, "enabled", !(qga_commands[i].flags & QGA_OFF));
		ajson_bool(out, "success-response", !(qga_commands[i].flags & QGA_SILENT));
		ajson_close(out, '}');
	}
	ajson_close(out, ']');
	ajson_close(out, '}');
	return 0;
}

QGA_COMMAND(shutdown)
{
	static const struct {
		const char *mode;
		char says;
	} modes[] = {{"powerdown", AGENT_SAYS_POWER_OFF},
		     {"reboot", AGENT_SAYS_REBOOT},
		     {"halt", AGENT_SAYS_HALT}};
	const char *mode = qga_text(call->args[0], "powerdown");

	(void)out;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(modes[i].mode, mode) == 0) {
			qga_say(q, modes[i].says);
			return 0;
		}
	return qga_fail(q, "value '%s' is invalid for mode: powerdown, reboot or halt", mode);
}

/* ---- who it is ---- */

static const struct {
	const char *key, *name;
} os_keys[] = {
	{"ID", "id"},
	{"NAME", "name"},
	{"PRETTY_NAME", "pretty-name"},
	{"VERSION", "version"},
	{"VERSION_ID", "version-id"},
	{"VARIANT", "variant"},
	{"VARIANT_ID", "variant-id"},
};

/* As a shell would read it: quotes go, and a backslash before what it hides. In place. */
static char *unquote(char *s)
{
	char quote = *s == '"' || *s == '\'' ? *s : '\0', *in = s + (quote != '\0'), *to = s;

	while (*in && *in != quote) {
		if (*in == '\\' && in[1])
			in++;
		*to++ = *in++;
	}
	*to = '\0';
	return s;
}

static void put_os_release(const struct init *init, struct ajson_out *out)
{
	static const char *const files[] = {"/etc/os-release", "/usr/lib/os-release"};
	_cleanup_free_ char *text = NULL;
	char path[INIT_PATH_MAX], *next, *line, *eq;

	for (size_t i = 0; !text && i < ARRAY_SIZE(files); i++)
		init_read_file(init_path(init, path, "%s", files[i]), OS_RELEASE_MAX, &text);
	next = text;
	while ((line = strsep(&next, "\n"))) {
		eq = strchr(line, '=');
		if (!eq)
			continue;
		*eq = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(os_keys); i++)
			if (strcmp(os_keys[i].key, line) == 0)
				ajson_string(out, os_keys[i].name, unquote(eq + 1));
	}
}

QGA_COMMAND(get_osinfo)
{
	struct utsname uts;

	(void)call;
	if (uname(&uts) < 0)
		return qga_fail_errno(q, "uname", "");
	ajson_open(out, NULL, '{');
	ajson_string(out, "kernel-release", uts.release);
	ajson_string(out, "kernel-version", uts.version);
	ajson_string(out, "machine", uts.machine);
	put_os_release(q->init, out);
	ajson_close(out, '}');
	return 0;
}

QGA_COMMAND(get_host_name)
{
	struct utsname uts;

	(void)call;
	if (uname(&uts) < 0)
		return qga_fail_errno(q, "uname", "");
	ajson_open(out, NULL, '{');
	ajson_string(out, "host-name", uts.nodename);
	ajson_close(out, '}');
	return 0;
}

/* Nobody logs in to a guest of ours. */
QGA_COMMAND(get_users)
{
	(void)q;
	(void)call;
	ajson_open(out, NULL, '[');
	ajson_close(out, ']');
	return 0;
}

/* ---- time ---- */

QGA_COMMAND(get_time)
{
	struct timespec now;

	(void)call;
	if (clock_gettime(CLOCK_REALTIME, &now) < 0)
		return qga_fail_errno(q, "clock_gettime", "");
	ajson_int(out, NULL, (int64_t)now.tv_sec * NS + now.tv_nsec);
	return 0;
}

static int open_clock(struct agent_qga *q)
{
	char path[INIT_PATH_MAX];

	return open(init_path(q->init, path, "/dev/rtc0"), O_RDONLY | O_CLOEXEC);
}

/* The hardware clock's time, in UTC. */
static int read_clock(struct agent_qga *q, time_t *ret)
{
	_cleanup_close_ int fd = open_clock(q);
	struct rtc_time rtc;
	struct tm tm = {0};

	if (fd < 0 || ioctl(fd, RTC_RD_TIME, &rtc) < 0)
		return qga_fail_errno(q, "reading the hardware clock", "/dev/rtc0");
	tm.tm_sec = rtc.tm_sec;
	tm.tm_min = rtc.tm_min;
	tm.tm_hour = rtc.tm_hour;
	tm.tm_mday = rtc.tm_mday;
	tm.tm_mon = rtc.tm_mon;
	tm.tm_year = rtc.tm_year;
	*ret = timegm(&tm);
	return 0;
}

static int write_clock(struct agent_qga *q, time_t now)
{
	_cleanup_close_ int fd = open_clock(q);
	struct rtc_time rtc = {0};
	struct tm tm;

	if (!gmtime_r(&now, &tm))
		return qga_fail(q, "the time is out of range");
	rtc.tm_sec = tm.tm_sec;
	rtc.tm_min = tm.tm_min;
	rtc.tm_hour = tm.tm_hour;
	rtc.tm_mday = tm.tm_mday;
	rtc.tm_mon = tm.tm_mon;
	rtc.tm_year = tm.tm_year;
	if (fd < 0 || ioctl(fd, RTC_SET_TIME, &rtc) < 0)
		return qga_fail_errno(q, "setting the hardware clock", "/dev/rtc0");
	return 0;
}

/* Whoever sets a clock that is right already would take the part of the second from it. */
static bool is_right(struct agent_qga *q, time_t now)
{
	time_t is;

	return read_clock(q, &is) == 0 && is >= now - 1 && is <= now + 1;
}

/*
 * With a time: that, and the hardware clock after it. Without: the hardware clock's, which is between
 * its second and the next.
 */
QGA_COMMAND(set_time)
{
	const struct ajson *time = call->args[0];
	struct timespec now = {0};

	(void)out;
	if (time && time->number < 0)
		return qga_fail(q, "invalid time %ld", (long)time->number);
	if (time) {
		now.tv_sec = (time_t)(time->number / NS);
		now.tv_nsec = (long)(time->number % NS);
	} else {
		now.tv_nsec = NS / 2;
		if (read_clock(q, &now.tv_sec) < 0)
			return -1;
	}
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		return qga_fail_errno(q, "failed to set the time", "");
	return time && !is_right(q, now.tv_sec) ? write_clock(q, now.tv_sec) : 0;
}

QGA_COMMAND(get_timezone)
{
	time_t now = time(NULL);
	struct tm tm;

	(void)call;
	if (!localtime_r(&now, &tm))
		return qga_fail(q, "the timezone cannot be found out");
	ajson_open(out, NULL, '{');
	ajson_string(out, "zone", tm.tm_zone ? tm.tm_zone : "UTC");
	ajson_int(out, "offset", tm.tm_gmtoff);
	ajson_close(out, '}');
	return 0;
}

/* ---- processors ---- */

static bool cpu_number(const char *name, int64_t *ret)
{
	int64_t v = 0;

	if (strncmp(name, "cpu", 3) != 0 || !name[3])
		return false;
	for (name += 3; *name; name++) {
		if (*name < '0' || *name > '9' || v > INT32_MAX)
			return false;
		v = v * 10 + (*name - '0');
	}
	*ret = v;
	return true;
}

/* One that has no such file cannot be taken away. */
QGA_COMMAND(get_vcpus)
{
	char path[INIT_PATH_MAX], text[8];
	DIR *d = opendir(init_path(q->init, path, "/sys/devices/system/cpu"));
	struct dirent *e;
	int64_t cpu;

	(void)call;
	if (!d)
		return qga_fail_errno(q, "reading", path);
	ajson_open(out, NULL, '[');
	while ((e = readdir(d))) {
		int r;

		if (!cpu_number(e->d_name, &cpu))
			continue;
		init_path(q->init, path, "/sys/devices/system/cpu/%s/online", e->d_name);
		r = init_read_text(path, text, sizeof(text));
		ajson_open(out, NULL, '{');
		ajson_int(out, "logical-id", cpu);
		ajson_bool(out, "online", r <= 0 || text[0] == '1');
		ajson_bool(out, "can-offline", r > 0);
		ajson_close(out, '}');
	}
	closedir(d);
	ajson_close(out, ']');
	return 0;
}

/* ---- our own ---- */

static int64_t ns(struct timespec t)
{
	return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

static void put_stat(struct ajson_out *out, const struct stat *st)
{
	ajson_int(out, "mode", st->st_mode);
	ajson_int(out, "uid", st->st_uid);
	ajson_int(out, "gid", st->st_gid);
	ajson_uint(out, "nlink", st->st_nlink);
	ajson_int(out, "size", st->st_size);
	ajson_int(out, "blocks", st->st_blocks);
	ajson_uint(out, "ino", st->st_ino);
	ajson_uint(out, "dev", st->st_dev);
	ajson_int(out, "atime-ns", ns(st->st_atim));
	ajson_int(out, "mtime-ns", ns(st->st_mtim));
	ajson_int(out, "ctime-ns", ns(st->st_ctim));
}

/*
 * {path, follow} -> {exists, mode, uid, gid, nlink, size, blocks, ino, dev, atime-ns, mtime-ns,
 * ctime-ns, target}; of what does not exist only that. A link has a target, others have none.
 */
QGA_COMMAND(stat)
{
	const char *name = call->args[0]->text;
	bool follow = call->args[1] && call->args[1]->number;
	char path[INIT_PATH_MAX], target[PATH_MAX];
	struct stat st;
	ssize_t n = 0;
	int r;

	init_path(q->init, path, "%s", name);
	r = fstatat(AT_FDCWD, path, &st, AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW));
	if (r < 0 && errno != ENOENT && errno != ENOTDIR)
		return qga_fail_errno(q, "stat", name);
	if (r == 0 && S_ISLNK(st.st_mode)) {
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			return qga_fail_errno(q, "readlink", name);
	}
	target[n] = '\0';
	ajson_open(out, NULL, '{');
	ajson_bool(out, "exists", r == 0);
	if (r == 0)
		put_stat(out, &st);
	if (n > 0)
		ajson_string(out, "target", target);
	ajson_close(out, '}');
	return 0;
}
