/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_OPTS_PORTS_H
#define VMB_OPTS_PORTS_H

/*
 * Published ports. In: the request's text, as podman's --publish has it:
 * [[IP:][PORT]:]GUESTPORT[/tcp|udp], where a port may be a range FIRST-LAST. Out: one row for each port.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

enum { VMB_PORTS_MAX = 1024 }; /* of one VM */

struct vmb_port {
	char ip[16];	      /* IPv4 of the host; "0.0.0.0": all of its addresses */
	uint16_t host, guest; /* host 0: any that is free */
	bool udp;
};

struct vmb_ports {
	struct vmb_port *list;
	size_t n;
};

void vmb_ports_done(struct vmb_ports *ports);
#define _cleanup_ports_ vmb_cleanup(vmb_ports_done)

/* Whether it is one that vmb_ports_add() takes. */
bool vmb_ports_valid(const char *text);

/* Adds what one text says. 0, -EINVAL without an error set, -ENOMEM. */
int vmb_ports_add(struct vmb_ports *ports, const char *text);

/*
 * All texts of a request; NULL: none. -VMBOOT_EOPTS if two want the same port of the host, or there are
 * more than VMB_PORTS_MAX.
 */
int vmb_ports_read(const char *const *texts, struct vmb_ports *ret);

/* "IP:PORT:GUESTPORT/tcp", which vmb_ports_add() reads. */
enum { VMB_PORT_TEXT_MAX = 40 };
void vmb_port_text(const struct vmb_port *port, char out[VMB_PORT_TEXT_MAX]);

/* All of them, with blanks between; freed by the caller. */
int vmb_ports_text(const struct vmb_ports *ports, char **ret);

/* More of them, and fewer. -VMBOOT_EOPTS, see vmb_ports_read(); -ENOENT: one is not there. */
int vmb_ports_append(struct vmb_ports *ports, const struct vmb_ports *more);
int vmb_ports_remove(struct vmb_ports *ports, const struct vmb_ports *which);

/* And back; NULL or "": none. -VMBOOT_ELIBVIRT: that is no such text. */
int vmb_ports_from_text(const char *text, struct vmb_ports *ret);

#endif
