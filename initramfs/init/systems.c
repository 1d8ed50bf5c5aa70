/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>

#include "init.h"

/*
 * Which init system an image has, and how each is asked to end it all. A signal number is that of
 * the system's own libc: systemd's SIGRTMIN+3 to +5 count from 34, whatever ours says.
 */

enum {
	SYSTEMD_HALT = 37,
	SYSTEMD_POWER_OFF = 38,
	SYSTEMD_REBOOT = 39,
	INITCTL_MAGIC = 0x03091969,
	INITCTL_RUNLEVEL = 1,
};

/* sysvinit's request, as it reads it from its FIFO. */
struct initctl {
	int magic, command, runlevel, seconds;
	char data[368];
};

static const struct {
	const char *program;
	enum init_system system;
} programs[] = {
	{"systemd", INIT_SYSTEM_SYSTEMD},
	{"busybox", INIT_SYSTEM_BUSYBOX},
	{"openrc-init", INIT_SYSTEM_OPENRC},
};

static const struct {
	enum init_system system;
	int how, sig;
	const char *fifo, *text; /* text NULL: an initctl */
	int runlevel;
} ends[] = {
	{INIT_SYSTEM_SYSTEMD, RB_POWER_OFF, SYSTEMD_POWER_OFF, NULL, NULL, 0},
	{INIT_SYSTEM_SYSTEMD, RB_AUTOBOOT, SYSTEMD_REBOOT, NULL, NULL, 0},
	{INIT_SYSTEM_SYSTEMD, (int)RB_HALT_SYSTEM, SYSTEMD_HALT, NULL, NULL, 0},
	{INIT_SYSTEM_BUSYBOX, RB_POWER_OFF, SIGUSR2, NULL, NULL, 0},
	{INIT_SYSTEM_BUSYBOX, RB_AUTOBOOT, SIGTERM, NULL, NULL, 0},
	{INIT_SYSTEM_BUSYBOX, (int)RB_HALT_SYSTEM, SIGUSR1, NULL, NULL, 0},
	{INIT_SYSTEM_OPENRC, RB_POWER_OFF, 0, "/run/openrc/init.ctl", "poweroff", 0},
	{INIT_SYSTEM_OPENRC, RB_AUTOBOOT, 0, "/run/openrc/init.ctl", "reboot", 0},
	{INIT_SYSTEM_OPENRC, (int)RB_HALT_SYSTEM, 0, "/run/openrc/init.ctl", "halt", 0},
	{INIT_SYSTEM_SYSV, RB_POWER_OFF, 0, "/run/initctl", NULL, '0'},
	{INIT_SYSTEM_SYSV, RB_POWER_OFF, 0, "/dev/initctl", NULL, '0'},
	{INIT_SYSTEM_SYSV, RB_AUTOBOOT, 0, "/run/initctl", NULL, '6'},
	{INIT_SYSTEM_SYSV, RB_AUTOBOOT, 0, "/dev/initctl", NULL, '6'},
	{INIT_SYSTEM_SYSV, (int)RB_HALT_SYSTEM, 0, "/run/initctl", NULL, '0'},
	{INIT_SYSTEM_SYSV, (int)RB_HALT_SYSTEM, 0, "/dev/initctl", NULL, '0'},
};

/* busybox is often one file with many names, and not all of them links to one. */
static bool is_busybox(const struct init *init, const char *path)
{
	char busybox[INIT_PATH_MAX];
	struct stat a, b;

	init_path(init, busybox, "/bin/busybox");
	return stat(path, &a) == 0 && stat(busybox, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

enum init_system init_system_find(const struct init *init, const char *program)
{
	char path[INIT_PATH_MAX], real[PATH_MAX];
	const char *name;

	init_path(init, path, "%s", program);
	if (!strchr(program, '/') || !realpath(path, real))
		init_format(real, sizeof(real), "%s", program);
	name = strrchr(real, '/') ? strrchr(real, '/') + 1 : real;
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (strcmp(programs[i].program, name) == 0)
			return programs[i].system;
	return is_busybox(init, path) ? INIT_SYSTEM_BUSYBOX : INIT_SYSTEM_SYSV;
}

static bool put(const struct init *init, const char *fifo, const void *bytes, size_t n)
{
	char path[INIT_PATH_MAX];
	_cleanup_close_ int fd = open(init_path(init, path, "%s", fifo),
				      O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd >= 0 && write(fd, bytes, n) == (ssize_t)n;
}

bool init_system_end(const struct init *init, enum init_system system, int how)
{
	struct initctl request = {.magic = INITCTL_MAGIC, .command = INITCTL_RUNLEVEL};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		if (ends[i].system != system || ends[i].how != how)
			continue;
		request.runlevel = ends[i].runlevel;
		if (ends[i].sig	   ? kill(1, ends[i].sig) == 0
		    : ends[i].text ? put(init, ends[i].fifo, ends[i].text, strlen(ends[i].text))
				   : put(init, ends[i].fifo, &request, sizeof(request)))
			return true;
	}
	return false;
}
