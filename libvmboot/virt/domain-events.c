/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/domain-events.h"

#include <pthread.h>
#include <sys/timerfd.h>

#include "base/clock.h"
#include "base/error.h"

enum {
	/* What the guest said before a reset may still be on its way into its files (virtlogd). */
	SETTLE_MS = 50,
	/* SeaBIOS, which finds that it ran before, resets the machine once or twice more. */
	SAME_RESET_US = 2000000,
	N_EVENTS = 2,
};

/* What libvirt's thread and ours share; each callback holds a reference. */
struct mailbox {
	pthread_mutex_t lock;
	int refs;
	int timer;
	struct vmb_newest newest;
};

struct vmb_domain_events {
	struct mailbox *box;
	struct vmb_conn *conn;
	virConnectPtr c;
	int ids[N_EVENTS];
};

static const char *const shutoff_reasons[] = {
	[VIR_DOMAIN_SHUTOFF_UNKNOWN] = "unknown",
	[VIR_DOMAIN_SHUTOFF_SHUTDOWN] = "shutdown",
	[VIR_DOMAIN_SHUTOFF_DESTROYED] = "destroyed",
	[VIR_DOMAIN_SHUTOFF_CRASHED] = "crashed",
	[VIR_DOMAIN_SHUTOFF_MIGRATED] = "migrated",
	[VIR_DOMAIN_SHUTOFF_SAVED] = "saved",
	[VIR_DOMAIN_SHUTOFF_FAILED] = "failed",
	[VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT] = "restored",
	[VIR_DOMAIN_SHUTOFF_DAEMON] = "daemon",
};

static const char *const stopped_details[] = {
	[VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN] = "shutdown",
	[VIR_DOMAIN_EVENT_STOPPED_DESTROYED] = "destroyed",
	[VIR_DOMAIN_EVENT_STOPPED_CRASHED] = "crashed",
	[VIR_DOMAIN_EVENT_STOPPED_MIGRATED] = "migrated",
	[VIR_DOMAIN_EVENT_STOPPED_SAVED] = "saved",
	/* QEMU went without a word, which the state calls crashed, too */
	[VIR_DOMAIN_EVENT_STOPPED_FAILED] = "crashed",
	[VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT] = "restored",
};

static const char *pick(const char *const *list, size_t n, int i)
{
	return i >= 0 && (size_t)i < n && list[i] ? list[i] : "unknown";
}

const char *vmb_stop_reason(int reason)
{
	return pick(shutoff_reasons, ARRAY_SIZE(shutoff_reasons), reason);
}

const char *vmb_stop_event_reason(int detail)
{
	return pick(stopped_details, ARRAY_SIZE(stopped_details), detail);
}

/* ---- the mailbox ---- */

static struct mailbox *new_mailbox(void)
{
	struct mailbox *box = calloc(1, sizeof(*box));

	if (!box)
		return NULL;
	pthread_mutex_init(&box->lock, NULL);
	box->refs = 1;
	box->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return box;
}

static void box_ref(struct mailbox *box)
{
	pthread_mutex_lock(&box->lock);
	box->refs++;
	pthread_mutex_unlock(&box->lock);
}

static void box_unref(void *data)
{
	struct mailbox *box = data;
	bool last;

	pthread_mutex_lock(&box->lock);
	last = --box->refs == 0;
	pthread_mutex_unlock(&box->lock);
	if (!last)
		return;
	vmb_closep(&box->timer);
	pthread_mutex_destroy(&box->lock);
	free(box);
}

/* Wakes whoever waits, ms from now; the lock is held. */
static void wake(struct mailbox *box, long ms)
{
	const struct itimerspec at = {.it_value = {0, ms * 1000000 + 1}};

	(void)timerfd_settime(box->timer, 0, &at, NULL);
}

static void on_reset(virConnectPtr c VMB_UNUSED, virDomainPtr d VMB_UNUSED, void *data)
{
	struct mailbox *box = data;
	int64_t now = vmb_monotonic_us();

	pthread_mutex_lock(&box->lock);
	if (now - box->newest.reset_mono_us > SAME_RESET_US) {
		box->newest.resets++;
		box->newest.reset_mono_us = now;
		wake(box, SETTLE_MS);
	}
	pthread_mutex_unlock(&box->lock);
}

static int on_lifecycle(virConnectPtr c VMB_UNUSED, virDomainPtr d VMB_UNUSED, int event,
			int detail, void *data)
{
	struct mailbox *box = data;

	pthread_mutex_lock(&box->lock);
	if (event == VIR_DOMAIN_EVENT_STARTED)
		box->newest = (struct vmb_newest){0};
	if (event == VIR_DOMAIN_EVENT_STOPPED) {
		box->newest.stopped = pick(stopped_details, ARRAY_SIZE(stopped_details), detail);
		wake(box, 0);
	}
	pthread_mutex_unlock(&box->lock);
	return 0;
}

static const struct {
	int id;
	virConnectDomainEventGenericCallback fn;
} events[N_EVENTS] = {
	{VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reset)},
	{VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle)},
};

/* ---- the listener ---- */

void vmb_domain_events_close(struct vmb_domain_events *news)
{
	if (!news)
		return;
	for (int i = 0; i < N_EVENTS; i++)
		if (news->ids[i] >= 0)
			virConnectDomainEventDeregisterAny(news->c, news->ids[i]);
	if (news->c)
		virConnectClose(news->c);
	if (news->conn)
		vmb_conn_unref(news->conn);
	if (news->box)
		box_unref(news->box);
	free(news);
}
VMB_DEFINE_CLEANUP(news_closep, struct vmb_domain_events *, vmb_domain_events_close)

static int listen_to(struct vmb_domain_events *news, virDomainPtr d)
{
	for (int i = 0; i < N_EVENTS; i++) {
		box_ref(news->box);
		news->ids[i] = virConnectDomainEventRegisterAny(news->c, d, events[i].id,
								events[i].fn, news->box, box_unref);
		if (news->ids[i] < 0) {
			box_unref(news->box);
			return vmb_libvirt_error("cannot listen to libvirt's events");
		}
	}
	return 0;
}

int vmb_domain_events_open(struct vmb_conn *conn, const char *name, struct vmb_domain_events **ret)
{
	vmb_cleanup(news_closep) struct vmb_domain_events *news = calloc(1, sizeof(*news));
	_cleanup_domain_ virDomainPtr d = NULL;
	int r;

	if (!news)
		return vmb_oom();
	for (int i = 0; i < N_EVENTS; i++)
		news->ids[i] = -1;
	news->box = new_mailbox();
	if (!news->box)
		return vmb_oom();
	if (news->box->timer < 0)
		return vmb_errno(errno, "cannot make a timer");
	r = vmb_conn_with_events(conn, &news->conn);
	if (r == 0)
		r = vmb_conn_domain(news->conn, name, &d);
	if (r < 0)
		return r;
	news->c = virDomainGetConnect(d);
	if (virConnectRef(news->c) < 0) {
		news->c = NULL;
		return vmb_libvirt_error("the connection is not usable");
	}
	r = listen_to(news, d);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(news);
	return 0;
}

int vmb_domain_events_fd(const struct vmb_domain_events *news)
{
	return news->box->timer;
}

bool vmb_domain_events_alive(const struct vmb_domain_events *news)
{
	return virConnectIsAlive(news->c) == 1;
}

struct vmb_newest vmb_domain_events_take(struct vmb_domain_events *news)
{
	struct mailbox *box = news->box;
	struct vmb_newest newest;
	uint64_t times;

	pthread_mutex_lock(&box->lock);
	newest = box->newest;
	if (read(box->timer, &times, sizeof(times)) == sizeof(times) || newest.stopped)
		box->newest.resets = 0;
	else
		newest.resets = 0; /* not yet: see SETTLE_MS */
	pthread_mutex_unlock(&box->lock);
	return newest;
}
