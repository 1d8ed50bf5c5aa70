/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "probe/port-owner.h"

static int explain(const struct vmb_port *port, int err)
{
	const char *protocol = port->udp ? "udp" : "tcp";
	char owner[VMB_PORT_OWNER_MAX] = "";

	switch (err) {
	case EADDRINUSE:
		vmb_port_owner(port, owner);
		return vmb_error(err,
				 "publish: port %u/%s of %s is in use%s%s: choose another one, or "
				 "0 for any that is free",
				 port->host, protocol, port->ip, owner[0] ? " by " : "", owner);
	case EACCES:
		return vmb_error(
			err,
			"publish: only root may listen on port %u/%s: choose one from 1024 "
			"on, or lower net.ipv4.ip_unprivileged_port_start",
			port->host, protocol);
	case EADDRNOTAVAIL:
		return vmb_error(err, "publish: this host does not have the address %s", port->ip);
	default:
		return vmb_error(err, "publish: cannot listen on port %u/%s of %s", port->host,
				 protocol, port->ip);
	}
}

/* Listens on it as QEMU's user network does, and keeps the number. fd: open while others are tried. */
static int try_port(struct vmb_port *port, int *ret_fd)
{
	_cleanup_close_ int fd =
		socket(AF_INET, (port->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port->host)};
	socklen_t size = sizeof(address);
	const int on = 1;

	if (fd < 0)
		return vmb_error(errno, "publish: cannot make a socket");
	if (!port->udp)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (inet_pton(AF_INET, port->ip, &address.sin_addr) != 1)
		return explain(port, EADDRNOTAVAIL);
	if (bind(fd, (struct sockaddr *)&address, size) < 0 || (!port->udp && listen(fd, 1) < 0) ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		return explain(port, errno);
	port->host = ntohs(address.sin_port);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/* All are held until the last was tried: no free one is chosen twice. */
static int try_all(struct vmb_ports *ports, int *fds)
{
	int r = 0;

	for (size_t i = 0; i < ports->n && r == 0; i++)
		r = try_port(&ports->list[i], &fds[i]);
	return r;
}

int vmb_ports_resolve(struct vmb_ports *ports)
{
	_cleanup_free_ int *fds = NULL;
	int r;

	if (ports->n == 0)
		return 0;
	fds = malloc(ports->n * sizeof(*fds));
	if (!fds)
		return vmb_oom();
	for (size_t i = 0; i < ports->n; i++)
		fds[i] = -1;
	r = try_all(ports, fds);
	for (size_t i = 0; i < ports->n; i++)
		vmb_closep(&fds[i]);
	return r;
}
