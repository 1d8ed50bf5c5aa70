/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* port: the published ports of a VM. */
#include <stdlib.h>
#include <string.h>

#include "ports.h"
#include "verbs.h"

/* "80/tcp -> 0.0.0.0:8080"; of a port that was named, only where it is: as podman prints it. */
static void print_port(const struct port *port, bool named)
{
	if (!named)
		out("%u/%s -> ", port->guest, port->protocol);
	out("%s:%u\n", port->ip, port->host);
}

static bool is_wanted(const struct port *port, const char *wanted)
{
	char *full = xasprintf("%u/%s", port->guest, port->protocol);
	char *number = xasprintf("%u", port->guest);
	bool is = strcmp(wanted, full) == 0 ||
		  (strcmp(port->protocol, "tcp") == 0 && strcmp(wanted, number) == 0);

	free(full);
	free(number);
	return is;
}

/* wanted: NULL: all. */
static int print_ports(const struct vmboot_info *info, const char *wanted)
{
	struct port port;
	char *safe;
	bool found = !wanted;

	for (const char *const *p = info->publish; *p; p++) {
		if (!port_parse(*p, &port) || (wanted && !is_wanted(&port, wanted)))
			continue;
		print_port(&port, wanted);
		found = true;
	}
	if (found)
		return 0;
	safe = printable(wanted);
	say("the VM \"%s\" does not publish the port %s", info->name, safe);
	free(safe);
	return EXIT_FAILED;
}

static int add_port(struct vmboot_vm *vm, const char *text)
{
	_cleanup_(text) char *published = NULL;
	int r = vmboot_publish(vm, text, &published);

	if (r == 0)
		out("%s\n", published);
	return r;
}

int verb_port(struct args *args)
{
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	_cleanup_(info) struct vmboot_info *info = NULL;
	int r;

	if (args->port_add && args->port_remove)
		return usage_error("port", "give either --add or --remove");
	if ((args->port_add || args->port_remove) && args->n_operands > 1)
		return usage_error("port", "with --add or --remove there is only NAME");
	r = vmboot_open(args->opts, args->operands[0], &vm);
	if (r >= 0 && args->port_add)
		r = add_port(vm, args->port_add);
	else if (r >= 0 && args->port_remove)
		r = vmboot_unpublish(vm, args->port_remove);
	else if (r >= 0)
		r = vmboot_info(vm, &info);
	if (r < 0)
		return show_error(EXIT_FAILED);
	return info ? print_ports(info, args->operands[1]) : 0;
}
