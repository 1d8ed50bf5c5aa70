/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_CLOCK_H
#define VMB_BASE_CLOCK_H

/* Time: microseconds, and deadlines, without which nothing here waits. */

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline int64_t vmb_clock_us(clockid_t id)
{
	struct timespec ts = {0};

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static inline int64_t vmb_monotonic_us(void)
{
	return vmb_clock_us(CLOCK_MONOTONIC);
}

static inline int64_t vmb_realtime_us(void)
{
	return vmb_clock_us(CLOCK_REALTIME);
}

/* A moment on the monotonic clock; INT64_MAX is never. */
struct vmb_deadline {
	int64_t at_us;
};

/* timeout_ms < 0: never. */
static inline struct vmb_deadline vmb_deadline_in(int timeout_ms)
{
	if (timeout_ms < 0)
		return (struct vmb_deadline){INT64_MAX};
	return (struct vmb_deadline){vmb_monotonic_us() + (int64_t)timeout_ms * 1000};
}

static inline bool vmb_deadline_passed(struct vmb_deadline d)
{
	return d.at_us != INT64_MAX && vmb_monotonic_us() >= d.at_us;
}

/* For poll(2): milliseconds left, rounded up, at most cap_ms (cap_ms < 0: no cap). */
static inline int vmb_deadline_poll(struct vmb_deadline d, int cap_ms)
{
	int64_t left_ms;

	if (d.at_us == INT64_MAX)
		return cap_ms;
	left_ms = (d.at_us - vmb_monotonic_us() + 999) / 1000;
	if (left_ms < 0)
		left_ms = 0;
	if (cap_ms >= 0 && left_ms > cap_ms)
		left_ms = cap_ms;
	return left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

#endif
