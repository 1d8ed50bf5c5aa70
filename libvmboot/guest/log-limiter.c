/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/log-limiter.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/process.h"
#include "base/str.h"

int vmb_log_limiter_start(const struct vmb_watch_paths *paths)
{
	_cleanup_free_ char *program = NULL, *max = NULL;
	int r = vmb_find_installed("vmboot-logs", "the program that limits logs", X_OK, &program);

	if (r == 0)
		r = vmb_asprintf(&max, "%llu", (unsigned long long)paths->log_max_mib);
	if (r < 0)
		return r;
	return vmb_run((const char *const[]){program, max, paths->events, paths->streams[0],
					     paths->streams[1], paths->streams[2], NULL},
		       NULL);
}

/* Locks of the open file, not of the process: the other side asks, and never takes one. */
void vmb_log_limiter_pause(int events_fd)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	(void)fcntl(events_fd, F_OFD_SETLK, &lock);
}

bool vmb_log_limiter_is_paused(int events_fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(events_fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}
