/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <poll.h>

#include "init.h"

enum { ROUNDS_MAX = 64 }; /* then signals have their turn */

static bool wants_more_time(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	/* A port that hangs up has no reader: a program must not stand still for that. */
	return poll(&p, 1, 0) < 0 || !(p.revents & (POLLHUP | POLLERR));
}

static bool fill(struct init_relay *relay)
{
	ssize_t r = relay->from < 0 ? -1 : read(relay->from, relay->buf, sizeof(relay->buf));

	if (r == 0) {
		close(relay->from);
		relay->from = -1;
	}
	relay->at = 0;
	relay->n = r > 0 ? (size_t)r : 0;
	return r > 0;
}

void init_relay_pump(struct init_relay *relay)
{
	ssize_t r;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		if (relay->n == 0 && !fill(relay))
			return;
		r = write(relay->to, relay->buf + relay->at, relay->n);
		if (r < 0 && errno == EAGAIN && wants_more_time(relay->to))
			return;
		if (r < 0)
			r = (ssize_t)relay->n; /* nobody takes it */
		relay->at += (size_t)r;
		relay->n -= (size_t)r;
	}
}

bool init_relay_pending(const struct init_relay *relay)
{
	struct pollfd p = {.fd = relay->from, .events = POLLIN};

	return relay->n > 0 || (relay->from >= 0 && poll(&p, 1, 0) > 0 && (p.revents & POLLIN));
}
