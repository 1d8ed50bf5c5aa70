/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/port-owner.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { TCP_LISTEN = 0x0a };

/*
 * A line of /proc/net/tcp or udp, IPv4 or 6: "sl: ADDRESS:PORT ADDRESS:PORT STATE tx:rx tr:when
 * retransmits uid timeout INODE …" (the kernel's Documentation/networking/proc_net_tcp.rst).
 */
static bool parse_line(const char *line, const struct vmb_port *port, unsigned long *ret_inode)
{
	unsigned number, state;

	if (sscanf(line,
		   "%*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
		   &number, &state, ret_inode) != 3)
		return false;
	return number == port->host && (port->udp || state == TCP_LISTEN) && *ret_inode != 0;
}

static unsigned long inode_in(const char *path, const struct vmb_port *port)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	unsigned long inode;
	char line[512];

	while (f && fgets(line, sizeof(line), f))
		if (parse_line(line, port, &inode))
			return inode;
	return 0;
}

static bool has_socket(const char *pid, const char *socket)
{
	char path[64], target[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	d = opendir(path);
	while (d && !found && (e = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

		if (n > 0) {
			target[n] = '\0';
			found = strcmp(target, socket) == 0;
		}
	}
	if (d)
		closedir(d);
	return found;
}

static void describe(const char *pid, char out[VMB_PORT_OWNER_MAX])
{
	char path[64], name[24] = "a process";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = '\0';
	vmb_fclosep(&f);
	for (char *p = name; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	snprintf(out, VMB_PORT_OWNER_MAX, "%s (PID %.20s)", name, pid);
}

static void find_owner(const char *socket, char out[VMB_PORT_OWNER_MAX])
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && !out[0] && (e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) && has_socket(e->d_name, socket))
			describe(e->d_name, out);
	if (d)
		closedir(d);
}

void vmb_port_owner(const struct vmb_port *port, char out[VMB_PORT_OWNER_MAX])
{
	char socket[40];
	unsigned long inode;

	out[0] = '\0';
	inode = inode_in(port->udp ? "/proc/net/udp" : "/proc/net/tcp", port);
	if (inode == 0)
		inode = inode_in(port->udp ? "/proc/net/udp6" : "/proc/net/tcp6", port);
	if (inode == 0)
		return;
	snprintf(socket, sizeof(socket), "socket:[%lu]", inode);
	find_owner(socket, out);
}
