/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/event.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/crc32.h"
#include "wire/text.h"

enum {
	AT_VERSION = 4,
	AT_KIND = 5,
	AT_PHASE = 6,
	AT_SEQ = 8,
	AT_ERROR = 12,
	AT_START = 16,
	AT_END = 24,
	AT_VALUE = 32,
	AT_DEVICE = 40,
	AT_DETAIL = 88,
	AT_ZERO = 248,
	AT_CRC = 252,
	EVENT_VERSION = 1,
	ERRNO_MAX = 4095,
};

static const uint8_t magic[4] = {'V', 'M', 'B', 'E'};

void vmb_event_encode(const struct vmb_event *event, uint8_t out[VMB_EVENT_SIZE])
{
	memset(out, 0, VMB_EVENT_SIZE);
	memcpy(out, magic, sizeof(magic));
	out[AT_VERSION] = EVENT_VERSION;
	out[AT_KIND] = (uint8_t)event->kind;
	vmb_put_le(out + AT_PHASE, (uint64_t)event->phase, 2);
	vmb_put_le(out + AT_SEQ, event->seq, 4);
	vmb_put_le(out + AT_ERROR, (uint64_t)event->error, 4);
	vmb_put_le(out + AT_START, event->start_us, 8);
	vmb_put_le(out + AT_END, event->end_us, 8);
	vmb_put_le(out + AT_VALUE, (uint64_t)event->value, 8);
	memcpy(out + AT_DEVICE, event->device, strnlen(event->device, VMB_EVENT_DEVICE_MAX));
	memcpy(out + AT_DETAIL, event->detail, strnlen(event->detail, VMB_EVENT_DETAIL_MAX));
	/* what names a guest's device or file may hold anything, and may be cut in a character */
	vmb_wire_clean_line((char *)out + AT_DEVICE);
	vmb_wire_clean_line((char *)out + AT_DETAIL);
	vmb_put_le(out + AT_CRC, vmb_crc32(0, out, AT_CRC), 4);
}

/* A padded text field: ended by 0, nothing behind the 0, one line. */
static bool field_ok(const uint8_t *p, size_t size)
{
	size_t n = strnlen((const char *)p, size);

	if (n == size || !vmb_wire_is_line((const char *)p, n))
		return false;
	for (size_t i = n; i < size; i++)
		if (p[i])
			return false;
	return true;
}

static bool numbers_ok(const struct vmb_event *e)
{
	return (e->kind == VMB_EVENT_PHASE || e->kind == VMB_EVENT_NOTE) &&
	       e->phase >= VMBOOT_PHASE_KERNEL && e->phase < VMBOOT_PHASE_STOPPED &&
	       e->error >= 0 && e->error <= ERRNO_MAX && e->start_us <= e->end_us &&
	       e->end_us <= INT64_MAX / 2;
}

int vmb_event_decode(const uint8_t in[VMB_EVENT_SIZE], struct vmb_event *ret)
{
	struct vmb_event e = {0};

	if (memcmp(in, magic, sizeof(magic)) != 0 || in[AT_VERSION] != EVENT_VERSION ||
	    vmb_get_le(in + AT_ZERO, 4) != 0 ||
	    vmb_get_le(in + AT_CRC, 4) != vmb_crc32(0, in, AT_CRC))
		return -EBADMSG;
	e.kind = (enum vmb_event_kind)in[AT_KIND];
	e.phase = (enum vmboot_phase)vmb_get_le(in + AT_PHASE, 2);
	e.seq = (uint32_t)vmb_get_le(in + AT_SEQ, 4);
	e.error = (int32_t)(uint32_t)vmb_get_le(in + AT_ERROR, 4);
	e.start_us = vmb_get_le(in + AT_START, 8);
	e.end_us = vmb_get_le(in + AT_END, 8);
	e.value = (int64_t)vmb_get_le(in + AT_VALUE, 8);
	if (!numbers_ok(&e) || !field_ok(in + AT_DEVICE, sizeof(e.device)) ||
	    !field_ok(in + AT_DETAIL, sizeof(e.detail)))
		return -EBADMSG;
	memcpy(e.device, in + AT_DEVICE, sizeof(e.device));
	memcpy(e.detail, in + AT_DETAIL, sizeof(e.detail));
	*ret = e;
	return 0;
}
