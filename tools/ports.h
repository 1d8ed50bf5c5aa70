/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_PORTS_H
#define VMBOOT_TOOLS_PORTS_H

/* Published ports as vmboot_info has them. */

#include "common.h"

struct port {
	char ip[16], protocol[4]; /* "tcp" or "udp" */
	unsigned host, guest;
};

bool port_parse(const char *text, struct port *ret);

/* "0.0.0.0:8080->80/tcp, ..." as ps shows them. Freed by free. */
char *ports_text(const char *const *publish);

#endif
