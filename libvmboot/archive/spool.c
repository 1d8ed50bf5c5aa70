/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/str.h"

void vmb_spool_open(struct vmb_spool *spool, const char *beside)
{
	_cleanup_free_ char *folder = strdup(beside);
	char *slash = folder ? strrchr(folder, '/') : NULL;
	struct statvfs fs;

	if (!slash || slash == folder)
		return;
	*slash = '\0';
	spool->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (spool->fd >= 0 && fstatvfs(spool->fd, &fs) == 0)
		spool->max = (uint64_t)fs.f_bavail * fs.f_frsize / 2;
}

void vmb_spool_done(struct vmb_spool *spool)
{
	if (spool->fd >= 0)
		close(TAKE_FD(spool->fd));
}

void vmb_spool_begin(const struct vmb_spool *spool, struct vmb_spool_part *part)
{
	*part = (struct vmb_spool_part){.at = spool->size, .whole = spool->fd >= 0};
}

/* What a part that is not whole has taken is given back. */
static void give_up(struct vmb_spool *spool, struct vmb_spool_part *part)
{
	part->whole = false;
	spool->size = part->at;
	(void)!ftruncate(spool->fd, (off_t)spool->size);
}

void vmb_spool_add(struct vmb_spool *spool, struct vmb_spool_part *part, const void *data, size_t n)
{
	const uint8_t *p = data;

	if (!part->whole)
		return;
	if (n > spool->max || spool->size > spool->max - n)
		return give_up(spool, part);
	while (n > 0) {
		ssize_t w = pwrite(spool->fd, p, n, (off_t)spool->size);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return give_up(spool, part);
		p += w;
		n -= (size_t)w;
		spool->size += (uint64_t)w;
		part->n += (uint64_t)w;
	}
}
