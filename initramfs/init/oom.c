/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "init.h"

/*
 * Whether the kernel ended a program for want of memory: it says so in its log. This is read only when a
 * program has failed, so that a boot pays nothing, as it would for a cgroup. A line of the log is
 * "PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;text"; programs cannot write one of the kernel's facility, 0.
 */

enum { RECORD_MAX = 8192, RECORDS_MAX = 65536, FACILITY_SHIFT = 3 };

static uint64_t take_number(const char **p)
{
	uint64_t v = 0;

	for (; **p >= '0' && **p <= '9'; ++*p)
		v = v * 10 + (uint64_t)(**p - '0');
	return v;
}

bool init_oom_parse(const char *record, struct init_oom *ret)
{
	static const char kernel[] = "ut of memory: Killed process ";
	const char *p = record, *text = strchr(record, ';');
	struct init_oom oom = {0};
	size_t n;

	if (!text || take_number(&p) >> FACILITY_SHIFT != 0 || *p++ != ',')
		return false;
	take_number(&p);
	if (*p++ != ',')
		return false;
	oom.us = take_number(&p);
	p = strstr(text, kernel);
	if (!p || (p != text + 2 && strncmp(text + 1, "Memory cgroup o", 15) != 0))
		return false;
	p += sizeof(kernel) - 1;
	oom.pid = (pid_t)take_number(&p);
	n = strncmp(p, " (", 2) == 0 ? strcspn(p + 2, ")\n") : 0;
	if (oom.pid <= 0 || n >= sizeof(oom.name))
		return false;
	memcpy(oom.name, p + 2, n);
	*ret = oom;
	return true;
}

/* The newest since then; the program's own end counts more than another's. */
bool init_oom_find(const struct init *init, pid_t program, uint64_t since_us, struct init_oom *ret)
{
	char path[INIT_PATH_MAX], record[RECORD_MAX];
	_cleanup_close_ int fd =
		open(init_path(init, path, "/dev/kmsg"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct init_oom oom;
	bool found = false;

	for (int i = 0; fd >= 0 && i < RECORDS_MAX; i++) {
		ssize_t n = read(fd, record, sizeof(record) - 1);

		if (n <= 0 && !(n < 0 && errno == EPIPE)) /* EPIPE: some were overwritten */
			break;
		if (n <= 0)
			continue;
		record[n] = '\0';
		if (!init_oom_parse(record, &oom) || oom.us < since_us ||
		    (found && ret->pid == program))
			continue;
		*ret = oom;
		found = true;
	}
	return found;
}
