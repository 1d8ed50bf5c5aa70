/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/tsc.h"

#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/str.h"
#include "virt/uri.h"

#ifdef __x86_64__
#include <cpuid.h>
#include <x86intrin.h>
#endif

enum {
	MEASURE_MS = 10,
	SAMPLES = 8,
	ROUND_KHZ = 10,
	MIN_KHZ = 100000,
	MAX_KHZ = 20000000,
	BOOT_ID_MAX = 64,
	MEMO_MAX = 16,
};

/* ---- the counter ---- */

#ifdef __x86_64__
/* "Invariant TSC": one pace, whatever the CPU's clock does. */
static bool keeps_its_pace(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1U << 8;
}

static uint64_t counter(void)
{
	return __rdtsc();
}
#else
static bool keeps_its_pace(void)
{
	return false;
}

static uint64_t counter(void)
{
	return 0;
}
#endif

struct sample {
	uint64_t ticks;
	int64_t ns;
};

static int64_t raw_ns(void)
{
	struct timespec ts = {0};

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The counter and the clock at one moment: of several pairs, that which was read the fastest. */
static struct sample sample(void)
{
	struct sample best = {0};
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < SAMPLES; i++) {
		uint64_t before = counter();
		int64_t ns = raw_ns();
		uint64_t took = counter() - before;

		if (took < shortest) {
			shortest = took;
			best = (struct sample){before + took / 2, ns};
		}
	}
	return best;
}

static bool is_likely(unsigned long long khz)
{
	return khz >= MIN_KHZ && khz <= MAX_KHZ;
}

unsigned vmb_tsc_measure(void)
{
	struct sample a, b;
	unsigned long long khz;

	if (!keeps_its_pace())
		return 0;
	a = sample();
	poll(NULL, 0, MEASURE_MS);
	b = sample();
	if (b.ns <= a.ns || b.ticks <= a.ticks)
		return 0;
	khz = (unsigned long long)((double)(b.ticks - a.ticks) * 1e6 / (double)(b.ns - a.ns));
	khz = (khz + ROUND_KHZ / 2) / ROUND_KHZ * ROUND_KHZ;
	return is_likely(khz) ? (unsigned)khz : 0;
}

/* ---- what is remembered ---- */

/* memo/tsc-<hash of this boot of the host> */
static int memo_path(const struct vmb_store *store, char **ret)
{
	_cleanup_free_ char *boot_id = NULL;
	char hex[VMB_SHA256_HEX + 1];
	struct vmb_hash h;
	int r;

	r = vmb_read_file("/proc/sys/kernel/random/boot_id", BOOT_ID_MAX, &boot_id, NULL);
	if (r < 0)
		return r;
	vmb_hash_init(&h);
	vmb_hash_str(&h, boot_id);
	vmb_hash_hex(&h, hex);
	return vmb_store_path(store, ret, "memo/tsc-%.16s", hex);
}

/* 0: nothing, or nonsense. */
static unsigned recall(const char *path)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long khz;
	char *end;

	if (vmb_read_file(path, MEMO_MAX, &text, NULL) < 0 || *text < '0' || *text > '9')
		return 0;
	khz = strtoull(text, &end, 10);
	return vmb_streq(end, "\n") && is_likely(khz) ? (unsigned)khz : 0;
}

static unsigned from_memo(const struct vmb_store *store)
{
	_cleanup_free_ char *path = NULL;
	char text[MEMO_MAX];
	unsigned khz;
	int n;

	if (memo_path(store, &path) < 0)
		return 0;
	khz = recall(path);
	if (khz > 0)
		return khz;
	khz = vmb_tsc_measure();
	n = snprintf(text, sizeof(text), "%u\n", khz);
	/* one that cannot be written costs another measurement, no more */
	if (khz > 0)
		(void)vmb_write_file_atomic(path, text, (size_t)n, 0644);
	return khz;
}

unsigned vmb_tsc_khz(const struct vmb_store *store, struct vmb_conn *conn)
{
	struct vmb_saved_error *saved;
	unsigned khz;

	if (vmb_uri_place(vmb_conn_uri(conn)) != VMB_URI_HERE)
		return 0;
	saved = vmb_error_save();
	khz = from_memo(store);
	vmb_error_restore(saved);
	return khz;
}
