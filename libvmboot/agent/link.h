/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_LINK_H
#define VMB_AGENT_LINK_H

/*
 * A port of a guest as a socket. In: a domain and a channel's name. Out: a descriptor; bytes go
 * through libvirt's channel stream, so this works for remote domains too.
 *
 * libvirt's event loop moves the bytes, so the domain's connection must be one that had an event
 * loop when it was opened: vmb_conn_with_events(). Blocking streams will not do: in a process'
 * own driver a read blocks writes, and in the remote driver before libvirt 10.0 a thread that sends
 * while another receives may wait for ever.
 */

#include "virt/libvirt.h"

struct vmb_link;

/*
 * ret_fd: a non-blocking socket, the caller's; its end is the end of the channel. -EBUSY: somebody
 * else has the channel; -ENOENT: there is none.
 */
int vmb_link_open(virDomainPtr d, const char *channel, struct vmb_link **ret, int *ret_fd);

/* The domain runs, and has no channel of that name. The thread's last error stays. */
bool vmb_link_is_missing(virDomainPtr d, const char *channel);

/* Gives the channel back, after the client closed its descriptor; then others can have it. */
void vmb_link_close(struct vmb_link *link);

#endif
