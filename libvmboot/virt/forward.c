/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/forward.h"

#include <errno.h>
#include <libvirt/libvirt-qemu.h>
#include <string.h>

#include "wire/text.h"

/* The name that libvirt gives to QEMU's side of the first network device. */
#define NETDEV "hostnet0"

/* One command for people; they have no codes: QEMU says nothing, or what went wrong. */
static int run_command(virDomainPtr domain, const char *command, char answer[128])
{
	char *text = NULL;
	int r = virDomainQemuMonitorCommand(domain, command, &text,
					    VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP);

	if (r < 0)
		return vmb_libvirt_error("cannot talk to the monitor of \"%s\"",
					 virDomainGetName(domain));
	snprintf(answer, 128, "%s", text ? text : "");
	free(text);
	answer[strcspn(answer, "\r\n")] = '\0';
	vmb_wire_clean_line(answer);
	return 0;
}

int vmb_forward_add(virDomainPtr domain, const struct vmb_port *port)
{
	const char *protocol = port->udp ? "udp" : "tcp";
	char command[96], answer[128];
	int r;

	snprintf(command, sizeof(command), "hostfwd_add " NETDEV " %s:%s:%u-:%u", protocol,
		 port->ip, port->host, port->guest);
	r = run_command(domain, command, answer);
	if (r < 0 || answer[0] == '\0')
		return r;
	return vmb_error(EADDRINUSE, "QEMU cannot listen on port %u/%s of %s: %s", port->host,
			 protocol, port->ip, answer);
}

int vmb_forward_remove(virDomainPtr domain, const struct vmb_port *port)
{
	char command[96], answer[128];

	snprintf(command, sizeof(command), "hostfwd_remove " NETDEV " %s:%s:%u",
		 port->udp ? "udp" : "tcp", port->ip, port->host);
	return run_command(domain, command, answer);
}

int vmb_forward_all(virDomainPtr domain, const struct vmb_ports *ports)
{
	int r = 0;

	for (size_t i = 0; i < ports->n && r == 0; i++)
		r = vmb_forward_add(domain, &ports->list[i]);
	return r;
}
