/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/event.h"

#include <errno.h>
#include <poll.h>

#include "init.h"
#include "wire/text.h"

enum { WAIT_MS = 50 }; /* for a host that is slow to take a record */

void init_event_push(struct init_events *events, struct vmb_event *event)
{
	size_t slot = (events->first + events->n) % INIT_EVENTS_MAX;

	if (events->n == INIT_EVENTS_MAX) {
		/* The oldest goes, unless half of it is out; the gap in the numbers shows it. */
		if (events->sent > 0)
			return;
		events->first = (events->first + 1) % INIT_EVENTS_MAX;
		events->n--;
	}
	event->seq = events->seq++;
	vmb_wire_clean_line(event->device);
	vmb_wire_clean_line(event->detail);
	vmb_event_encode(event, events->ring[slot]);
	events->n++;
	init_event_flush(events, events->deaf ? 0 : WAIT_MS);
}

/* True: a record, or a part of one, went out. */
static bool send_some(struct init_events *events)
{
	const uint8_t *record = events->ring[events->first];
	ssize_t r = write(events->fd, record + events->sent, VMB_EVENT_SIZE - events->sent);

	if (r <= 0)
		return r < 0 && errno == EINTR;
	events->sent += (size_t)r;
	if (events->sent == VMB_EVENT_SIZE) {
		events->first = (events->first + 1) % INIT_EVENTS_MAX;
		events->n--;
		events->sent = 0;
	}
	return true;
}

bool init_event_flush(struct init_events *events, int wait_ms)
{
	struct vmb_deadline until = vmb_deadline_in(wait_ms);
	struct pollfd p = {.fd = events->fd, .events = POLLOUT};

	if (events->fd < 0)
		return events->n == 0;
	while (events->n > 0) {
		if (send_some(events)) {
			events->deaf = false;
			continue;
		}
		/* A port whose other end is closed hangs up: there is nothing to wait for. */
		if (poll(&p, 1, vmb_deadline_poll(until, -1)) <= 0 || !(p.revents & POLLOUT) ||
		    vmb_deadline_passed(until)) {
			events->deaf = true;
			return false;
		}
	}
	return true;
}
