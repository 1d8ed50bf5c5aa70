/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's end. libvirt detaches each QEMU, which is then a child of the next "subreaper" above, or
 * of PID 1, and takes it for alive until that one has waited for it: it looks every 200 ms, for up to
 * 40 s, and meanwhile every call about the VM is stuck. A PID 1 that waits seldom or, as in many a
 * container, never makes each end that slow. So with the embedded driver, whose QEMUs come from this
 * process, this process waits for them.
 */
#include "reap.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A zombie has its name still; "qemu-event" is one of libvirt's threads, whose forks are called so. */
static bool is_qemu(pid_t pid)
{
	char path[32], name[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(name, sizeof(name), f))
		*name = '\0';
	fclose(f);
	return strncmp(name, "qemu-system", 11) == 0 || strncmp(name, "qemu-kvm", 8) == 0;
}

/*
 * Those that libvirt and the library wait for themselves are of our session; or lead one, to detach a
 * QEMU from it, but are forks of this program. A QEMU that detaches itself leaves a leader, too.
 */
static bool is_orphan(pid_t pid)
{
	pid_t session = getsid(pid);

	return session > 0 && session != getsid(0) && (session != pid || is_qemu(pid));
}

/* True if a child that has ended is in the way, which somebody else here is about to wait for. */
static bool sweep(void)
{
	siginfo_t ended = {0};

	while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid) {
		if (!is_orphan(ended.si_pid))
			return true;
		waitpid(ended.si_pid, NULL, WNOHANG);
		ended.si_pid = 0;
	}
	return false;
}

static void *run(void *arg)
{
	const struct timespec soon = {.tv_nsec = 5000000};
	bool again = false;
	sigset_t chld;

	(void)arg;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		sigtimedwait(&chld, NULL, again ? &soon : NULL);
		again = sweep();
	}
	return NULL;
}

static bool is_embedded(const char *uri)
{
	if (!uri || !*uri)
		uri = getenv("LIBVIRT_DEFAULT_URI");
	return uri && (strcmp(uri, "embed") == 0 || strstr(uri, ":///embed"));
}

void reap_orphans(const char *uri)
{
	sigset_t chld, all, before;
	pthread_t thread;

	if (!is_embedded(uri))
		return;
	signal(SIGCHLD, SIG_DFL); /* somebody may have us ignore it: then nobody here could wait */
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (pthread_create(&thread, NULL, run, NULL) == 0) {
		pthread_detach(thread);
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		sigaddset(&before, SIGCHLD);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
