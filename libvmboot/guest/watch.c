/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/watch.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "guest/limit.h"
#include "guest/log-limiter.h"
#include "guest/tail.h"

enum {
	/* mtime is taken from the kernel's tick, 4 ms at HZ=250 */
	MTIME_SPREAD_US = 4000,
	/* How long after a boot's first event libvirt may still tell of the reset before it. */
	RESET_NEWS_US = 5000000,
	DRAIN_MAX = 64, /* reads of inotify in one look */
	EVENTS_FILE_MAX = 64 * VMB_EVENT_MAX_PER_BOOT * VMB_EVENT_SIZE,
};

struct vmb_watch {
	int epoll, inotify, events_wd, folder_wd;
	bool writer_left, renewed, more;
	char *events_path;
	dev_t events_dev; /* which file lies there */
	ino_t events_ino;
	struct vmb_tail streams[VMB_WATCH_STREAMS];
	uint64_t log_max_mib; /* 0: no limit */
	int events_fd;
	off_t events_at;
	struct vmb_event events[VMB_EVENT_MAX_PER_BOOT];
	size_t n, boots;
	int broken;		      /* the error that the guest's nonsense gave, for ever */
	int taken;		      /* in this look */
	bool live;		      /* at least one event was seen when it came */
	int64_t offset_us, second_us; /* the two smallest */
	/* libvirt told of a reset that no event followed yet; and the boot before it is gone */
	bool reset, left;
	int64_t reset_us; /* with which the newest boot began, or -1 */
	struct vmb_deadline news_until;
	bool aborted;
	char why[VMB_EVENT_DETAIL_MAX + 1]; /* the last words of the boot before */
};

void vmb_watch_close(struct vmb_watch *w)
{
	if (!w)
		return;
	vmb_closep(&w->epoll);
	vmb_closep(&w->inotify);
	vmb_closep(&w->events_fd);
	free(w->events_path);
	for (int i = 0; i < VMB_WATCH_STREAMS; i++)
		vmb_tail_done(&w->streams[i]);
	free(w);
}
VMB_DEFINE_CLEANUP(watch_closep, struct vmb_watch *, vmb_watch_close)

static int add_watch(struct vmb_watch *w, const char *path, uint32_t mask, int *ret_wd)
{
	int wd = inotify_add_watch(w->inotify, path, mask);

	if (wd < 0)
		return vmb_errno(errno, "cannot watch %s", path);
	*ret_wd = wd;
	return 0;
}

static struct vmb_watch *new_watch(void)
{
	struct vmb_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->events_fd = w->epoll = -1;
	w->reset_us = -1;
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	return w;
}

int vmb_watch_also(struct vmb_watch *w, int fd)
{
	struct epoll_event e = {.events = EPOLLIN};

	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		return vmb_errno(errno, "cannot watch for events");
	return 0;
}

static int open_epoll(struct vmb_watch *w)
{
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll < 0)
		return vmb_errno(errno, "cannot watch for events");
	return vmb_watch_also(w, w->inotify);
}

static int watch_events(struct vmb_watch *w)
{
	struct stat st;

	/* first: a file that is replaced meanwhile is found to be another, then; and as long as it is
	 * open, no other gets its number */
	w->events_fd = open(w->events_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (w->events_fd < 0 || fstat(w->events_fd, &st) < 0)
		return vmb_errno(errno, "cannot watch %s", w->events_path);
	vmb_log_limiter_pause(w->events_fd);
	w->events_dev = st.st_dev;
	w->events_ino = st.st_ino;
	return add_watch(w, w->events_path, IN_MODIFY | IN_CLOSE_WRITE, &w->events_wd);
}

static bool is_replaced(const struct vmb_watch *w)
{
	struct stat st;

	return stat(w->events_path, &st) == 0 &&
	       (st.st_ino != w->events_ino || st.st_dev != w->events_dev);
}

static void forget_events(struct vmb_watch *w)
{
	vmb_closep(&w->events_fd);
	w->events_fd = -1;
	w->events_at = 0;
	w->n = 0;
	w->broken = 0;
	w->boots = 0;
	w->live = w->writer_left = w->renewed = w->more = false;
	w->reset = w->left = w->aborted = false;
	w->reset_us = -1;
	w->news_until = (struct vmb_deadline){0};
	w->why[0] = '\0';
}

static int watch_stream(struct vmb_watch *w, int i)
{
	int wd;

	if (!w->streams[i].path)
		return 0; /* nobody reads it */
	return add_watch(w, w->streams[i].path, IN_MODIFY, &wd);
}

/* A log that is rotated, or that another boot begins, goes on as a new file of the same name. */
static int watch_folder(struct vmb_watch *w)
{
	_cleanup_free_ char *folder = NULL;
	int r;

	r = vmb_strdup(w->events_path, &folder);
	if (r < 0)
		return r;
	*strrchr(folder, '/') = '\0';
	return add_watch(w, folder, IN_CREATE | IN_MOVED_TO, &w->folder_wd);
}

int vmb_watch_open(const struct vmb_watch_paths *paths, struct vmb_watch **ret)
{
	vmb_cleanup(watch_closep) struct vmb_watch *w = new_watch();
	int r;

	if (!w)
		return vmb_oom();
	if (w->inotify < 0)
		return vmb_errno(errno, "cannot watch files; see /proc/sys/fs/inotify");
	r = open_epoll(w);
	if (r == 0)
		r = vmb_strdup(paths->events, &w->events_path);
	if (r == 0)
		r = watch_folder(w);
	if (r == 0)
		r = watch_events(w);
	for (int i = 0; i < VMB_WATCH_STREAMS && r == 0; i++) {
		r = vmb_strdup(paths->streams[i], &w->streams[i].path);
		if (r == 0)
			r = watch_stream(w, i);
	}
	if (r < 0)
		return r;
	w->log_max_mib = paths->log_max_mib;
	*ret = TAKE_PTR(w);
	return 0;
}

int vmb_watch_restart(struct vmb_watch *w)
{
	int r;

	forget_events(w);
	r = watch_events(w);
	for (int i = 0; i < VMB_WATCH_STREAMS && r == 0; i++) {
		vmb_tail_rewind(&w->streams[i]);
		r = watch_stream(w, i);
	}
	return r;
}

bool vmb_watch_renewed(struct vmb_watch *w)
{
	bool renewed = w->renewed;

	w->renewed = false;
	return renewed;
}

void vmb_watch_resumed(struct vmb_watch *w)
{
	w->live = false;
}

int vmb_watch_fd(const struct vmb_watch *w)
{
	return w->epoll;
}

static void drain_inotify(struct vmb_watch *w)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *e;
	bool created = false;
	ssize_t n;

	/* a guest that writes all the time must not keep us here: the rest wakes again */
	for (int i = 0; i < DRAIN_MAX && (n = read(w->inotify, buf, sizeof(buf))) > 0; i++)
		for (char *p = buf; p < buf + n; p += sizeof(*e) + e->len) {
			e = (const struct inotify_event *)(const void *)p;
			if (e->wd == w->events_wd && (e->mask & IN_CLOSE_WRITE))
				w->writer_left = true;
			created |= e->wd == w->folder_wd || (e->mask & IN_Q_OVERFLOW);
		}
	if (created && is_replaced(w)) {
		forget_events(w);
		w->renewed = watch_events(w) == 0;
	}
	/* one that cannot be watched, because it went again, only wakes nobody */
	for (int i = 0; i < VMB_WATCH_STREAMS && created; i++)
		if (w->streams[i].path)
			(void)inotify_add_watch(w->inotify, w->streams[i].path, IN_MODIFY);
}

bool vmb_watch_writer_left(struct vmb_watch *w)
{
	bool left = w->writer_left;

	w->writer_left = false;
	return left;
}

/* Read just now, so it happened before: by how much, the smallest such offset tells best. */
static void note_arrival(struct vmb_watch *w, const struct vmb_host_phases *host,
			 const struct vmb_event *e)
{
	int64_t offset = vmb_monotonic_us() - host->start_mono_us - (int64_t)e->end_us;

	if (!w->live) {
		w->offset_us = offset;
		w->second_us = offset;
	} else if (offset < w->offset_us) {
		w->second_us = w->offset_us;
		w->offset_us = offset;
	} else if (offset < w->second_us || w->second_us == w->offset_us) {
		w->second_us = offset;
	}
	w->live = true;
}

static int nonsense(struct vmb_watch *w, const char *what)
{
	w->broken = vmb_error(VMBOOT_EGUEST, "the guest sent %s on its boot event port", what);
	return w->broken;
}

/* ---- one boot after the other ---- */

/* The program ran, or the guest said itself that it would go, so a reset is no failure. */
static bool came_to_an_end(const struct vmb_watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->events[i].error || w->events[i].phase == VMBOOT_PHASE_PROGRAM ||
		    w->events[i].phase == VMBOOT_PHASE_POWEROFF)
			return true;
	return false;
}

static void note_last_words(struct vmb_watch *w)
{
	snprintf(w->why, sizeof(w->why), "reset");
	for (size_t i = 0; i < w->n; i++)
		if (w->events[i].phase == VMBOOT_PHASE_POWEROFF)
			memcpy(w->why, w->events[i].detail, sizeof(w->why));
}

/* The newest boot is over; the one that comes has said nothing yet. */
static void leave_boot(struct vmb_watch *w)
{
	note_last_words(w);
	w->boots++;
	w->n = 0;
	w->live = false;
	w->left = true;
}

void vmb_watch_reset(struct vmb_watch *w, const struct vmb_host_phases *host, int64_t age_us)
{
	if (!vmb_deadline_passed(w->news_until)) {
		w->news_until.at_us = 0; /* we know: its boot has begun */
		return;
	}
	w->reset_us = host ? vmb_host_phases_now(host) - age_us : -1;
	if (!w->boots)
		w->boots = 1; /* one that never spoke */
	w->reset = true;
	/* what a boot said that was reset too early is kept until there is something new */
	if (w->left || !came_to_an_end(w))
		w->aborted = true;
	else
		leave_boot(w);
}

static void begin_boot(struct vmb_watch *w)
{
	if (w->boots == 0) {
		w->boots = 1;
		return;
	}
	if (!w->reset) {
		w->aborted |= !came_to_an_end(w);
		w->reset_us = w->live ? w->offset_us + (int64_t)w->events[w->n - 1].end_us : -1;
		w->news_until = vmb_deadline_in(RESET_NEWS_US / 1000);
	}
	if (!w->left)
		leave_boot(w);
	w->reset = w->left = false;
}

/* Of a boot that libvirt said is over: on its way since before then. */
static void take_late(struct vmb_watch *w, const struct vmb_event *e)
{
	if (e->phase == VMBOOT_PHASE_POWEROFF)
		memcpy(w->why, e->detail, sizeof(w->why));
}

/* Of phases that come again while the program runs, the oldest makes room. */
static bool forget_repeated(struct vmb_watch *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->events[i].phase == VMBOOT_PHASE_RESTART ||
		    w->events[i].phase == VMBOOT_PHASE_HEALTHY ||
		    w->events[i].phase == VMBOOT_PHASE_UNHEALTHY) {
			w->n--;
			memmove(&w->events[i], &w->events[i + 1],
				(w->n - i) * sizeof(w->events[0]));
			return true;
		}
	return false;
}

static int take_record(struct vmb_watch *w, const struct vmb_event *e)
{
	if (e->seq == 0)
		begin_boot(w);
	else if (w->left) {
		take_late(w, e);
		return 0;
	}
	if (e->kind != VMB_EVENT_PHASE)
		return 0;
	if (w->n == VMB_EVENT_MAX_PER_BOOT && !forget_repeated(w))
		return nonsense(w, "too many events");
	w->events[w->n++] = *e;
	if (e->phase == VMBOOT_PHASE_PROGRAM && !e->error)
		w->aborted = false;
	return 1;
}

/* True if the bytes in the file are newer than the last look, so that "now" is when they came. */
static bool is_fresh(const struct vmb_watch *w)
{
	struct stat st;
	int64_t age;

	if (fstat(w->events_fd, &st) < 0)
		return false;
	age = vmb_realtime_us() -
	      ((int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000);
	return age < 2 * MTIME_SPREAD_US;
}

/* 1 and the next record; 0: there is none yet, or it begins another boot and is left for later. */
static int next_record(struct vmb_watch *w, struct vmb_event *ret)
{
	uint8_t record[VMB_EVENT_SIZE];

	w->more = false;
	if (pread(w->events_fd, record, sizeof(record), w->events_at) != sizeof(record))
		return 0;
	if (w->events_at > EVENTS_FILE_MAX)
		return nonsense(w, "far too many events");
	if (vmb_event_decode(record, ret) < 0)
		return nonsense(w, "what is no boot event");
	w->more = ret->seq == 0 && w->live && w->taken > 0;
	if (w->more)
		return 0;
	w->events_at += (off_t)sizeof(record);
	return 1;
}

/* With the embedded driver nobody else does. The events' decoder goes no further than their bound. */
static void limit_files(const struct vmb_watch *w)
{
	for (int i = 0; i < VMB_WATCH_STREAMS && w->log_max_mib; i++)
		vmb_limit_log(w->streams[i].path, w->log_max_mib,
			      vmb_tail_position(&w->streams[i]));
	vmb_limit_end(w->events_path, EVENTS_FILE_MAX + 2 * VMB_EVENT_SIZE);
}

int vmb_watch_take(struct vmb_watch *w, const struct vmb_host_phases *host)
{
	bool live = host && host->start_mono_us;
	struct vmb_event e;
	int r;

	drain_inotify(w);
	limit_files(w);
	if (w->broken)
		return vmb_error(w->broken, "the guest sent what is no boot event");
	r = w->events_fd < 0 ? watch_events(w) : 0;
	if (r < 0)
		return r;
	/* with another's start the host's clock is not the one that counts */
	live = live && !w->renewed && is_fresh(w);
	for (w->taken = 0; (r = next_record(w, &e)) > 0; w->taken += r) {
		r = take_record(w, &e);
		if (r > 0 && live)
			note_arrival(w, host, &e);
		if (r < 0)
			break;
	}
	return r < 0 ? r : w->taken;
}

bool vmb_watch_more(const struct vmb_watch *w)
{
	return w->more;
}

/* Without having listened: the last event came when the file was last written. */
static int64_t offset_by_mtime(const struct vmb_watch *w, const struct vmb_host_phases *host)
{
	struct stat st;
	int64_t mtime;

	if (w->n == 0 || !host->start_real_us || fstat(w->events_fd, &st) < 0)
		return 0; /* nobody knows when it began: the guest's own clock, then */
	mtime = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
	return mtime - host->start_real_us - (int64_t)w->events[w->n - 1].end_us;
}

struct vmb_boot vmb_watch_boot(const struct vmb_watch *w, const struct vmb_host_phases *host)
{
	struct vmb_boot boot = {
		.events = (struct vmb_event *)w->events,
		.n = w->n,
		.number = w->boots,
		.reset_us = w->reset_us,
		.reset_why = w->why,
		.aborted = w->aborted,
		.stopped_us = -1,
		.resumes = host->resumes,
		.n_resumes = host->n_resumes,
	};

	if (w->live) {
		boot.offset_us = w->offset_us;
		boot.spread_us = w->second_us - w->offset_us;
		return boot;
	}
	boot.offset_us = offset_by_mtime(w, host);
	boot.spread_us = MTIME_SPREAD_US;
	return boot;
}

ssize_t vmb_watch_read(struct vmb_watch *w, int stream, char *buf, size_t size)
{
	return vmb_tail_read(&w->streams[stream], buf, size);
}

uint64_t vmb_watch_unread(const struct vmb_watch *w, int stream)
{
	return vmb_tail_unread(&w->streams[stream]);
}
