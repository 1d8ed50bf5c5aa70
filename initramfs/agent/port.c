/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "agent.h"

int agent_port_init(struct agent_port *port, const char *name, size_t size)
{
	*port = (struct agent_port){.name = name, .fd = -1, .slot = -1, .size = size};
	port->out = malloc(size);
	return port->out ? 0 : -ENOMEM;
}

void agent_port_take(struct agent_port *port, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	port->fd = fd;
	/* SIGIO when the host opens or closes its side */
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, flags | O_ASYNC);
	agent_port_went(port, NULL);
}

void agent_ports_each(const struct init *init,
		      void (*fn)(const char *name, const char *path, void *data), void *data)
{
	char path[INIT_PATH_MAX], name[64];
	struct dirent *e;
	DIR *d;

	d = opendir(init_path(init, path, "/sys/class/virtio-ports"));
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		init_path(init, path, "/sys/class/virtio-ports/%s/name", e->d_name);
		if (init_read_text(path, name, sizeof(name)) > 0)
			fn(name, init_path(init, path, "/dev/%s", e->d_name), data);
	}
	if (d)
		closedir(d);
}

int agent_port_open_path(struct agent_port *port, const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	agent_port_take(port, fd);
	return 0;
}

static void open_if_named(const char *name, const char *path, void *data)
{
	struct agent_port *port = data;

	if (port->fd < 0 && strcmp(name, port->name) == 0)
		agent_port_open_path(port, path);
}

bool agent_port_open(struct agent_port *port, const struct init *init)
{
	if (port->fd < 0)
		agent_ports_each(init, open_if_named, port);
	return port->fd >= 0;
}

bool agent_port_went(struct agent_port *port, const struct agent_polls *polls)
{
	bool polled = false, was = port->up, went;
	struct pollfd p = {.fd = port->fd, .revents = POLLHUP};

	if (polls && port->slot >= 0) {
		polled = true;
		p.revents = polls->p[port->slot].revents;
	}
	went = p.revents & POLLHUP;

	/* the next host may be there by now, and nobody would tell again */
	if (went && poll(&p, 1, 0) < 0)
		p.revents = POLLNVAL;
	port->up = port->fd >= 0 && !(p.revents & (POLLHUP | POLLNVAL));
	went = was && (!port->up || (polled && went));
	if (went || !port->up)
		port->at = port->n = 0; /* for whom it was is gone */
	return went;
}

void agent_port_poll(struct agent_port *port, struct agent_polls *polls, bool want_input)
{
	short events = (short)((want_input ? POLLIN : 0) | (port->n > 0 ? POLLOUT : 0));

	port->slot = port->up ? agent_poll_add(polls, port->fd, events) : -1;
}

size_t agent_port_read(struct agent_port *port, void *bytes, size_t size)
{
	ssize_t r = port->up ? read(port->fd, bytes, size) : -1;

	return r > 0 ? (size_t)r : 0;
}

void agent_port_flush(struct agent_port *port)
{
	while (port->up && port->n > 0) {
		ssize_t r = write(port->fd, port->out + port->at, port->n);

		if (r <= 0)
			return;
		port->at += (size_t)r;
		port->n -= (size_t)r;
	}
	if (port->n == 0)
		port->at = 0;
}

size_t agent_port_room(const struct agent_port *port)
{
	return port->size - port->n;
}

uint8_t *agent_port_tail(struct agent_port *port, size_t n)
{
	if (port->size - port->at - port->n < n) {
		memmove(port->out, port->out + port->at, port->n);
		port->at = 0;
	}
	return port->out + port->at + port->n;
}

void agent_port_queued(struct agent_port *port, size_t n)
{
	port->n += n;
}
