/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_PORTS_H
#define VMB_AGENT_PORTS_H

/*
 * A stream port of a guest that no other process has. In: a domain. Out: a link to its agent. Where
 * all ports are taken, libvirt plugs one more into the running guest, up to VMB_STREAM_PORTS_MAX; it
 * stays for the next process, and goes when the VM stops.
 */

#include "agent/link.h"

/*
 * As vmb_link_open(). -ENOENT: the VM has no stream port at all; -EBUSY: all are taken, and there can
 * be no more.
 */
int vmb_ports_open(virDomainPtr d, struct vmb_link **ret, int *ret_fd);

#endif
