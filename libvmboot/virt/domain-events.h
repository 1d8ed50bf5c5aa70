/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VIRT_DOMAIN_EVENTS_H
#define VMB_VIRT_DOMAIN_EVENTS_H

/*
 * What only libvirt can tell of a running VM: that it was reset, and that it stopped, and why. In:
 * libvirt's events, in the thread of its event loop. Out: a descriptor that wakes, and what there
 * was since the last look. Without events (a connection that has no event loop) nothing comes.
 */

#include <stdint.h>

#include "virt/connect.h"

struct vmb_domain_events;

/* Listens to the domain on a connection of its own if conn has no events. */
int vmb_domain_events_open(struct vmb_conn *conn, const char *name, struct vmb_domain_events **ret);
void vmb_domain_events_close(struct vmb_domain_events *news);

int vmb_domain_events_fd(
	const struct vmb_domain_events *news); /* readable: call vmb_domain_events_take() */

/* False when the connection broke: open another. */
bool vmb_domain_events_alive(const struct vmb_domain_events *news);

struct vmb_newest {
	unsigned resets;       /* since the last look */
	int64_t reset_mono_us; /* the last one's time */
	const char *stopped;   /* why, in a word; NULL: it runs, or runs again */
};

struct vmb_newest vmb_domain_events_take(struct vmb_domain_events *news);

/* Why a domain stopped, in a word: a virDomainShutoffReason. */
const char *vmb_stop_reason(int reason);

/* The same, of a virDomainEventStoppedDetailType. */
const char *vmb_stop_event_reason(int detail);

#endif
