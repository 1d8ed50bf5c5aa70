/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VIRT_FORWARD_H
#define VMB_VIRT_FORWARD_H

/*
 * Published ports of QEMU's user network. libvirt 9.0 has no words for them, so QEMU is told through
 * its monitor once the guest runs. libvirt marks the domain as tainted: "custom-monitor".
 */

#include "opts/ports.h"
#include "virt/libvirt.h"

/* -EADDRINUSE: somebody has taken it since it was tried; or -VMBOOT_ELIBVIRT. */
int vmb_forward_add(virDomainPtr domain, const struct vmb_port *port);
int vmb_forward_remove(virDomainPtr domain, const struct vmb_port *port);

/* Adds all; the first that fails ends it, and those before it stay. */
int vmb_forward_all(virDomainPtr domain, const struct vmb_ports *ports);

#endif
