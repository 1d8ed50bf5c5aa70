/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_EVENT_H
#define VMB_WIRE_EVENT_H

/*
 * Boot events, as init writes them to the virtio-serial port VMB_EVENT_PORT and as they lie in the
 * VM's `events` file: records of 256 bytes, little-endian, one for each phase that ended.
 *
 *   offset size
 *        0    4  "VMBE"
 *        4    1  version, 1
 *        5    1  kind: 1 a phase ended, 2 a note that belongs to a phase
 *        6    2  phase, enum vmboot_phase
 *        8    4  sequence number; 0 is the first of a boot, so a reboot shows
 *       12    4  errno, positive, or 0
 *       16    8  start, microseconds on the guest's CLOCK_BOOTTIME
 *       24    8  end, likewise
 *       32    8  value, signed; what it counts depends on the phase
 *       40   48  device, UTF-8, padded with 0, at least one 0
 *       88  160  detail, likewise
 *      248    4  0
 *      252    4  CRC-32 (IEEE 802.3) of bytes 0 to 251
 *
 * Encoder and decoder do no I/O and allocate nothing. A decoder of version 1 refuses other
 * versions; a new phase number is no new version.
 */

#include <stddef.h>
#include <stdint.h>
#include <vmboot/event.h>

#define VMB_EVENT_PORT "org.vmboot.events.0"
#define VMB_STDOUT_PORT "org.vmboot.stdout.0"
#define VMB_STDERR_PORT "org.vmboot.stderr.0"

/* A second event of phase agent has this detail; host and guest know it. */
#define VMB_AGENT_GIVEN_UP "the agent ended too often: it is not started again"

/* The detail of phase exit begins so if the kernel killed the program, or one of its, for want of memory. */
#define VMB_EXIT_OOM "out of memory: the kernel killed "

/* The detail of phase poweroff when `ttl` ended the guest. */
#define VMB_POWEROFF_TTL "the guest's time to live is over"

enum {
	VMB_EVENT_SIZE = 256,
	VMB_EVENT_DEVICE_MAX = 47,    /* bytes of text */
	VMB_EVENT_DETAIL_MAX = 159,   /* likewise */
	VMB_EVENT_MAX_PER_BOOT = 256, /* a guest that sends more is not one of ours */
};

enum vmb_event_kind {
	VMB_EVENT_PHASE = 1,
	VMB_EVENT_NOTE = 2,
};

struct vmb_event {
	enum vmb_event_kind kind;
	enum vmboot_phase phase;
	uint32_t seq;
	int error;
	uint64_t start_us, end_us;
	int64_t value;
	char device[VMB_EVENT_DEVICE_MAX + 1];
	char detail[VMB_EVENT_DETAIL_MAX + 1];
};

/* What of device and detail is no printable UTF-8 becomes '?'; the rest must be right. */
void vmb_event_encode(const struct vmb_event *event, uint8_t out[VMB_EVENT_SIZE]);

/*
 * 0, or -EBADMSG: not a record (magic, version, CRC, kind, a phase that is no guest's, an end
 * before its start, text that is not UTF-8 or holds control characters). *ret only on success.
 */
int vmb_event_decode(const uint8_t in[VMB_EVENT_SIZE], struct vmb_event *ret);

#endif
