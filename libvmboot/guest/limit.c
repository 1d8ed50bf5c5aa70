/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/limit.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/cleanup.h"

enum { MIB = 1 << 20, SLACK = 8 };

/* True if the file has more on the disk than bytes. */
static bool is_larger(const char *path, uint64_t bytes, struct stat *st)
{
	return lstat(path, st) == 0 && S_ISREG(st->st_mode) && (uint64_t)st->st_size > bytes &&
	       (uint64_t)st->st_blocks * 512 > bytes;
}

static void free_range(const char *path, uint64_t from, uint64_t n)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0 && n > 0)
		(void)fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
				(off_t)n);
}

uint64_t vmb_limit_slack_mib(uint64_t max_mib)
{
	return max_mib < SLACK ? 1 : max_mib / SLACK;
}

void vmb_limit_log(const char *path, uint64_t max_mib, uint64_t unread)
{
	const uint64_t keep = max_mib * MIB;
	struct stat st;
	uint64_t end;

	if (!is_larger(path, keep + vmb_limit_slack_mib(max_mib) * MIB, &st))
		return;
	end = (uint64_t)st.st_size - keep;
	free_range(path, 0, end < unread ? end : unread);
}

void vmb_limit_end(const char *path, uint64_t from)
{
	struct stat st;

	if (is_larger(path, from + MIB, &st))
		free_range(path, from, (uint64_t)st.st_size - from);
}
