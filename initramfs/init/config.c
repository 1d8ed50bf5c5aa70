/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/config.h"

#include <errno.h>
#include <fcntl.h>

#include "init.h"

/* A disk that ends too early is a damaged config, not a failed read. */
static int read_exactly(int fd, uint8_t *to, size_t n)
{
	while (n > 0) {
		ssize_t r = read(fd, to, n);

		if (r < 0)
			return -errno;
		if (r == 0)
			return -EBADMSG;
		to += r;
		n -= (size_t)r;
	}
	return 0;
}

int init_config(struct init *init, struct init_report *report)
{
	char path[INIT_PATH_MAX];
	_cleanup_close_ int fd = -1;
	uint8_t *bytes = init->config_bytes;
	const char *why = "not a config disk";
	long n;
	int r;

	init_report_disk(&init->disks[INIT_DISK_CONFIG], report);
	init_path(init, path, "/dev/%s", init->disks[INIT_DISK_CONFIG].name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return init_failed(report, errno, "opening the disk");
	r = read_exactly(fd, bytes, VMB_CONFIG_BLOCK);
	if (r < 0)
		return init_failed(report, r, "reading the first block");
	n = vmb_config_length(bytes);
	if (n < 0)
		return init_failed(report, EBADMSG, "%s", why);
	r = read_exactly(fd, bytes + VMB_CONFIG_BLOCK, (size_t)n - VMB_CONFIG_BLOCK);
	if (r < 0)
		return init_failed(report, r, "reading the %ld bytes that it says it has", n);
	r = vmb_config_decode(bytes, (size_t)n, &init->config, &why);
	if (r < 0)
		return init_failed(report, r, "%s", why);
	if (init->config.ttl_ms)
		init->ttl.at_us = vmb_monotonic_us() + (int64_t)init->config.ttl_ms * 1000;
	return init_disks_add(init, report);
}
