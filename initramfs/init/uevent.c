/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "init.h"

enum { KERNEL_GROUP = 1, DRAIN_MAX = 1024 };

int init_uevent_open(void)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

bool init_uevent_names(int fd, const char *words)
{
	char message[512];
	bool names = false;
	ssize_t n;

	for (int i = 0; i < DRAIN_MAX; i++) {
		n = recv(fd, message, sizeof(message) - 1, MSG_DONTWAIT);
		if (n < 0)
			return names || errno == ENOBUFS; /* some were lost */
		message[n] = '\0';
		names |= strstr(message, words) != NULL;
	}
	return true;
}

/* What an event says does not matter: it is a hint that another look may be worth it. */
bool init_uevent_wait(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char message[512];

	if (poll(&p, 1, timeout_ms) <= 0 || !(p.revents & POLLIN))
		return false;
	for (int i = 0; i < DRAIN_MAX && recv(fd, message, sizeof(message), MSG_DONTWAIT) > 0; i++)
		;
	return true;
}
