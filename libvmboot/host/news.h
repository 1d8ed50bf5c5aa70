/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_HOST_NEWS_H
#define VMB_HOST_NEWS_H

/*
 * What only libvirt can tell of a running VM: that it was reset, and that it stopped, and why. In:
 * libvirt's events, in the thread of its event loop. Out: a descriptor that wakes, and what there
 * was since the last look. Without events (a connection that has no event loop) nothing comes.
 */

#include <stdint.h>

#include "host/connect.h"

struct vmb_news;

/* Listens to the domain on a connection of its own if conn has no events. */
int vmb_news_open(struct vmb_conn *conn, const char *name, struct vmb_news **ret);
void vmb_news_close(struct vmb_news *news);

int vmb_news_fd(const struct vmb_news *news); /* readable: call vmb_news_take() */

/* False when the connection broke: open another. */
bool vmb_news_alive(const struct vmb_news *news);

struct vmb_newest {
	unsigned resets;       /* since the last look */
	int64_t reset_mono_us; /* the last one's time */
	const char *stopped;   /* why, in a word; NULL: it runs, or runs again */
};

struct vmb_newest vmb_news_take(struct vmb_news *news);

/* Why a domain stopped, in a word: a virDomainShutoffReason. */
const char *vmb_stop_reason(int reason);

#endif
