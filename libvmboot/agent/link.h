/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_LINK_H
#define VMB_AGENT_LINK_H

/*
 * A port of a guest as a socket. In: a domain and a channel's name. Out: a descriptor; bytes go
 * through libvirt's channel stream, so this works for remote domains too.
 *
 * A stream of libvirt's remote driver may be read and written by two threads at a time, and needs
 * no event loop: that is what is done. One of a driver in this process (embed) holds its lock while
 * it reads, so a blocking read would block writes; but that driver needs an event loop anyway,
 * which then moves the bytes.
 */

#include <stdbool.h>

#include "host/libvirt.h"

struct vmb_link;

/*
 * in_process: the domain's driver is in this process. ret_fd: a non-blocking socket, the caller's;
 * its end is the end of the channel. -EBUSY: somebody else has the channel; -ENOENT: there is none.
 */
int vmb_link_open(virDomainPtr d, const char *channel, bool in_process, struct vmb_link **ret,
		  int *ret_fd);

/* Gives the channel back, after the client closed its descriptor; then others can have it. */
void vmb_link_close(struct vmb_link *link);

#endif
