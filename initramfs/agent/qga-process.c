/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guest's memory and processes, by its /proc: an image needs no free or ps of its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qga.h"

enum { STAT_TEXT = 1024, COMMAND_TEXT = 256, PROCESSES_MAX = 4096, KTHREADD = 2 };

/* The bytes of a line of /proc/meminfo, which has KiB. */
static uint64_t meminfo_bytes(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

/* -> {total, available}, in bytes */
QGA_COMMAND(memory)
{
	_cleanup_free_ char *text = NULL;
	char path[INIT_PATH_MAX];

	(void)call;
	if (qga_read_proc(init_path(q->init, path, "/proc/meminfo"), &text) < 0)
		return qga_fail(q, "cannot read /proc/meminfo");
	ajson_open(out, NULL, '{');
	ajson_uint(out, "total", meminfo_bytes(text, "MemTotal:"));
	ajson_uint(out, "available", meminfo_bytes(text, "MemAvailable:"));
	ajson_close(out, '}');
	return 0;
}

/* Of /proc/PID/stat: behind the name, which may have any character but ends with the last ")". */
struct process {
	char state;
	char *name;
	long long ppid;
	unsigned long long ticks, threads, start, pages;
};

static bool parse_stat(char *text, struct process *ret)
{
	enum { PPID = 4, UTIME = 14, STIME = 15, THREADS = 20, START = 22, RSS = 24 };
	char *open = strchr(text, '('), *close = strrchr(text, ')'), *p;
	unsigned long long field[RSS + 1] = {0};

	if (!open || !close || close < open || close[1] != ' ' || !close[2])
		return false;
	*close = '\0';
	ret->name = open + 1;
	ret->state = close[2];
	p = close + 3;
	for (int i = PPID; i <= RSS; i++)
		field[i] = strtoull(p, &p, 10);
	ret->ppid = (long long)field[PPID];
	ret->ticks = field[UTIME] + field[STIME];
	ret->threads = field[THREADS];
	ret->start = field[START];
	ret->pages = field[RSS];
	return true;
}

/* Its arguments in one line of plain ASCII; one that has none has its name. */
static void put_command(struct agent_qga *q, struct ajson_out *out, const char *pid,
			const char *name)
{
	char path[INIT_PATH_MAX], text[COMMAND_TEXT];
	_cleanup_close_ int fd =
		open(init_path(q->init, path, "/proc/%s/cmdline", pid), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	while (n > 0 && text[n - 1] == '\0')
		n--;
	if (n <= 0)
		n = init_format(text, sizeof(text), "[%s]", name);
	for (ssize_t i = 0; i < n; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = text[i] == '\0' ? ' ' : '?';
	text[n] = '\0';
	ajson_string(out, "command", text);
}

static void put_process(struct agent_qga *q, struct ajson_out *out, const char *pid)
{
	char path[INIT_PATH_MAX], text[STAT_TEXT], state[2] = "";
	const uint64_t ticks_s = (uint64_t)sysconf(_SC_CLK_TCK);
	struct process p;
	struct stat st;

	if (init_read_text(init_path(q->init, path, "/proc/%s/stat", pid), text, sizeof(text)) <=
		    0 ||
	    !parse_stat(text, &p) || p.ppid == KTHREADD || atoi(pid) == KTHREADD ||
	    stat(init_path(q->init, path, "/proc/%s", pid), &st) < 0)
		return; /* it has ended; or it is the kernel's */
	state[0] = p.state;
	ajson_open(out, NULL, '{');
	ajson_int(out, "pid", atoi(pid));
	ajson_int(out, "ppid", p.ppid);
	ajson_uint(out, "uid", st.st_uid);
	ajson_string(out, "state", state);
	ajson_uint(out, "threads", p.threads);
	ajson_uint(out, "cpu-ms", p.ticks * 1000 / ticks_s);
	ajson_uint(out, "memory", p.pages * (uint64_t)sysconf(_SC_PAGESIZE));
	ajson_uint(out, "start-ms", p.start * 1000 / ticks_s);
	put_command(q, out, pid, p.name);
	ajson_close(out, '}');
}

/*
 * -> [{pid, ppid, uid, state, threads, cpu-ms, memory, start-ms, command}, ...]: all but the kernel's;
 * start-ms is since the kernel's start.
 */
QGA_COMMAND(processes)
{
	char path[INIT_PATH_MAX];
	DIR *d = opendir(init_path(q->init, path, "/proc"));
	struct dirent *e;
	int left = PROCESSES_MAX;

	(void)call;
	if (!d)
		return qga_fail_errno(q, "reading", "/proc");
	ajson_open(out, NULL, '[');
	while (left > 0 && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9') {
			put_process(q, out, e->d_name);
			left--;
		}
	closedir(d);
	ajson_close(out, ']');
	return 0;
}
