/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_LIFECYCLE_H
#define VMB_AGENT_LIFECYCLE_H

/*
 * Whether an agent that is not ours, and tells us nothing, is there: libvirt knows whether a
 * process in the guest has the agent's port open. In: libvirt's events, and what it says when they
 * come. Out: a descriptor and a yes or no. Nothing is polled.
 */

#include <stdbool.h>

#include "virt/connect.h"

struct vmb_lifecycle;

int vmb_lifecycle_open(struct vmb_conn *conn, const char *name, struct vmb_lifecycle **ret);
void vmb_lifecycle_close(struct vmb_lifecycle *l); /* NULL is fine */

/* False: the connection broke, and no event will come; open another. */
bool vmb_lifecycle_is_alive(struct vmb_lifecycle *l);

int vmb_lifecycle_fd(const struct vmb_lifecycle *l); /* readable: ask again */

/* 1: it is there; 0: it is not; asks libvirt only if something changed. -VMBOOT_EENDED, … */
int vmb_lifecycle_connected(struct vmb_lifecycle *l);

#endif
