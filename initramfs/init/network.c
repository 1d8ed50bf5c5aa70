/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "init.h"

static int lo_up(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = {.ifr_name = "lo"};

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return -errno;
	req.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

/* Nothing is written into the image: its /etc/hosts and /etc/hostname are its own. */
int init_network(struct init *init, struct init_report *report)
{
	const char *name = init->config.hostname;
	int r;

	if (name[0] && sethostname(name, strlen(name)) < 0)
		return init_failed(report, errno, "setting the host name");
	r = lo_up();
	return r < 0 ? init_failed(report, r, "bringing lo up") : 0;
}
