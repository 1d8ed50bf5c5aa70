/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PROBE_PORTS_H
#define VMB_PROBE_PORTS_H

/* Whether the host's ports that a VM is to publish are free. */

#include "opts/ports.h"

/*
 * Tries each port, and chooses a free one where the request left that open. -EADDRINUSE with who has
 * it, if that can be known; -EACCES; -EADDRNOTAVAIL: the host has no such address. They are free again
 * when it returns, so somebody else may be quicker than QEMU.
 */
int vmb_ports_resolve(struct vmb_ports *ports);

#endif
