/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PROBE_PORT_OWNER_H
#define VMB_PROBE_PORT_OWNER_H

/* Who listens on a port of this host, as far as /proc lets the caller see it. */

#include "opts/ports.h"

enum { VMB_PORT_OWNER_MAX = 64 };

/* "nginx (PID 123)"; "" if that cannot be known. */
void vmb_port_owner(const struct vmb_port *port, char out[VMB_PORT_OWNER_MAX]);

#endif
