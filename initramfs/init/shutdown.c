/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>

#include "init.h"

/*
 * The very end of a guest with systemd: it has unmounted what it could, and becomes, still as PID 1,
 * /run/initramfs/shutdown, with that folder as the root and the old root in /oldroot. Nothing
 * runs from the old root any more, so it, and with it the overlay disk, can be unmounted for good.
 */

enum { MOUNTINFO_MAX = 1 << 20, ROUNDS = 4, END_MS = 2000, LOOK_MS = 20 };

#define OLD_ROOT "/oldroot"

static const struct {
	const char *verb;
	int how;
} verbs[] = {
	{"poweroff", RB_POWER_OFF}, {"reboot", RB_AUTOBOOT}, {"halt", (int)RB_HALT_SYSTEM},
	{"kexec", RB_KEXEC},	    {"exit", RB_POWER_OFF},
};

static void end_rest(struct init *init)
{
	struct vmb_deadline until = vmb_deadline_in(END_MS);

	init->ops->kill_rest(SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) >= 0 && !vmb_deadline_passed(until))
		init_uevent_wait(-1, LOOK_MS);
}

/* The mount point of a line of mountinfo, unescaped; NULL: not of the old root. */
static char *old_point(char *line)
{
	char *point = line, *to, *p;

	for (int i = 0; point && i < 4; i++)
		point = strchr(point, ' ') ? strchr(point, ' ') + 1 : NULL;
	if (!point || strncmp(point, OLD_ROOT, strlen(OLD_ROOT)) != 0)
		return NULL;
	point[strcspn(point, " ")] = '\0';
	for (p = to = point; *p; p++)
		if (p[0] == '\\' && p[1] && p[2] && p[3]) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	*to = '\0';
	return point;
}

static long read_mounts(char *text, size_t size)
{
	_cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t r;

	while (fd >= 0 && n + 1 < size && (r = read(fd, text + n, size - n - 1)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	return (long)n;
}

/* What was mounted last comes first. How many are still there. */
static int unmount_round(char *text, int flags)
{
	long n = read_mounts(text, MOUNTINFO_MAX);
	char *point;
	int left = 0;

	while (n > 0) {
		text[--n] = '\0'; /* the newline, or what was before it */
		while (n > 0 && text[n - 1] != '\n')
			n--;
		point = old_point(text + n);
		if (point && umount2(point, flags) < 0)
			left++;
	}
	return left;
}

static void unmount_all(void)
{
	_cleanup_free_ char *text = malloc(MOUNTINFO_MAX);
	int left = 1;

	for (int i = 0; text && left > 0 && i < ROUNDS; i++)
		left = unmount_round(text, 0);
	if (left == 0)
		return;
	/* something holds it: then let the kernel make all file systems read-only, if it does that */
	_cleanup_close_ int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	sync();
	if (fd >= 0 && write(fd, "u", 1) == 1)
		init_uevent_wait(-1, LOOK_MS);
}

int init_shutdown_main(struct init *init, int argc, char **argv)
{
	struct init_report report = {0};
	uint64_t start = init_now_us();
	char why[VMB_EVENT_DETAIL_MAX + 1];
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (chdir("/") < 0)
		return 1;
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(verbs); i++)
		if (strcmp(argv[1], verbs[i].verb) == 0) {
			init->how = verbs[i].how;
			init_format(report.detail, sizeof(report.detail), "%s", verbs[i].verb);
		}
	report.value = init_power_off_value(init->how);
	if (init_read_text(INIT_WHY, why, sizeof(why)) > 0 && init->how == RB_POWER_OFF)
		init_format(report.detail, sizeof(report.detail), "%s", why);
	end_rest(init);
	unmount_all();
	sync();
	init_late_tell(init, VMBOOT_PHASE_POWEROFF, start, 0, &report);
	init->ops->power_off(init->how);
	return 1;
}
