/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>

#include "init.h"

/*
 * Boot events after the hand-over to systemd. Several processes have some to tell: the agent, who
 * reports the default target, who ends it all. A port can be open only once, and their records are
 * one sequence: INIT_LATE has the next number, and the time of the hand-over; whoever holds its
 * lock may open the port.
 */

enum { LOOK_MS = 10, LOCK_MS = 3000, PORT_MS = 3000, SEND_MS = 500 };

struct late {
	int fd;
	unsigned long seq, handed_us;
};

static bool late_write(const struct late *late)
{
	char text[64];
	size_t n = init_format(text, sizeof(text), "%zu %zu\n", (size_t)late->seq,
			       (size_t)late->handed_us);

	return ftruncate(late->fd, 0) == 0 && pwrite(late->fd, text, n, 0) == (ssize_t)n;
}

static void late_read(struct late *late)
{
	char text[64] = "", *rest;
	ssize_t n = pread(late->fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	late->seq = strtoul(text, &rest, 10);
	late->handed_us = strtoul(rest, NULL, 10);
	if (late->seq == 0) /* which would be a boot of its own */
		late->seq = 1;
}

static bool late_open(const struct init *init, struct late *late, int flags)
{
	struct vmb_deadline until = vmb_deadline_in(LOCK_MS);
	char path[INIT_PATH_MAX];

	late->fd = open(init_path(init, path, INIT_LATE), O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags,
			0600);
	while (late->fd >= 0 && flock(late->fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || vmb_deadline_passed(until)) {
			close(late->fd);
			return false;
		}
		poll(NULL, 0, LOOK_MS);
	}
	return late->fd >= 0;
}

int init_late_begin(const struct init *init)
{
	struct late late = {.seq = init->events.seq, .handed_us = init_now_us()};
	bool done = late_open(init, &late, O_CREAT) && late_write(&late);
	int err = errno;

	if (late.fd >= 0)
		close(late.fd);
	return done ? 0 : -err;
}

uint64_t init_late_start(const struct init *init)
{
	struct late late = {0};

	if (!late_open(init, &late, 0))
		return 0;
	late_read(&late);
	close(late.fd);
	return late.handed_us;
}

void init_late_tell(struct init *init, enum vmboot_phase phase, uint64_t start_us, int error,
		    const struct init_report *report)
{
	struct vmb_deadline until = vmb_deadline_in(PORT_MS);
	struct late late = {0};

	if (!late_open(init, &late, 0))
		return;
	late_read(&late);
	while (init->events.fd < 0 && !init_ports_look(init) && init->events.fd < 0 &&
	       !vmb_deadline_passed(until))
		poll(NULL, 0, LOOK_MS);
	init->events.seq = (uint32_t)late.seq;
	init_tell(init, phase, start_us, error, report);
	init_event_flush(&init->events, SEND_MS);
	late.seq = init->events.seq;
	late_write(&late);
	for (int i = 0; i < INIT_N_PORTS; i++) {
		vmb_closep(&init->ports[i]);
		init->ports[i] = -1;
	}
	init->events.fd = -1;
	close(late.fd);
}

/* What runs as a unit of systemd's when a target is reached. */
int init_ready_main(struct init *init, int argc, char **argv)
{
	const bool failed = argc > 1 && strcmp(argv[1], "emergency") == 0;
	struct init_report report = {0};

	if (failed)
		init_failed(&report, ECANCELED, "the init system went into its emergency mode");
	init_late_tell(init, VMBOOT_PHASE_READY, init_late_start(init), failed ? ECANCELED : 0,
		       &report);
	return 0;
}
