/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/reboot.h>

#include "init.h"

/*
 * A program that insists on being PID 1, as s6-overlay does, is so in a PID namespace, of which init stays
 * outside: so its output goes the same way as any program's, and its end is told, not a panic. The
 * agent and its programs are in there, too: `ps` and /proc/1 agree everywhere in the guest.
 */

int init_pid_enter(struct init *init)
{
	if (init->config.init_mode != VMBOOT_INIT_PID1)
		return 0;
	init->pid_ns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (init->pid_ns < 0)
		return -errno;
	return unshare(CLONE_NEWPID) < 0 ? -errno : 0;
}

int init_pid_mount_proc(const struct init *init)
{
	if (init->config.init_mode != VMBOOT_INIT_PID1)
		return 0;
	return init->ops->mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

void init_pid_leave(struct init *init)
{
	if (init->pid_ns < 0)
		return;
	if (setns(init->pid_ns, CLONE_NEWPID) < 0)
		init_log(init, "%s", "cannot leave the program's PID namespace");
	umount2("/proc", MNT_DETACH);
	vmb_closep(&init->pid_ns);
	init->pid_ns = -1;
}

/* Nothing else in its namespace can end PID 1 by these two. */
bool init_pid_rebooted(const struct init *init, int sig, int *ret_how)
{
	if (init->config.init_mode != VMBOOT_INIT_PID1 || (sig != SIGHUP && sig != SIGINT))
		return false;
	*ret_how = sig == SIGHUP ? RB_AUTOBOOT : RB_POWER_OFF;
	return true;
}
