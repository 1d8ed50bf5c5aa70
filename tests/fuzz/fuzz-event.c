/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>

#include "wire/bytes.h"
#include "wire/crc32.h"
#include "wire/event.h"
#include "wire/text.h"

/* What is taken is in bounds, and there is one way only to write it. */
static void decode(const uint8_t record[VMB_EVENT_SIZE])
{
	uint8_t again[VMB_EVENT_SIZE];
	struct vmb_event e;

	if (vmb_event_decode(record, &e) < 0)
		return;
	FUZZ_CHECK(e.start_us <= e.end_us);
	FUZZ_CHECK(e.error >= 0 && e.error < 4096);
	FUZZ_CHECK(strnlen(e.device, sizeof(e.device)) <= VMB_EVENT_DEVICE_MAX);
	FUZZ_CHECK(strnlen(e.detail, sizeof(e.detail)) <= VMB_EVENT_DETAIL_MAX);
	FUZZ_CHECK(vmb_wire_is_line(e.device, strlen(e.device)));
	FUZZ_CHECK(vmb_wire_is_line(e.detail, strlen(e.detail)));
	vmb_event_encode(&e, again);
	FUZZ_CHECK(memcmp(record, again, sizeof(again)) == 0);
}

/* Text of any kind in an event comes out as one that can be decoded. */
static void encode(const uint8_t *data, size_t n)
{
	struct vmb_event e = {.kind = VMB_EVENT_NOTE, .phase = VMBOOT_PHASE_ROOT}, back;
	uint8_t record[VMB_EVENT_SIZE];

	memcpy(e.device, data, n < sizeof(e.device) ? n : sizeof(e.device));
	memcpy(e.detail, data, n < sizeof(e.detail) ? n : sizeof(e.detail));
	vmb_event_encode(&e, record);
	FUZZ_CHECK(vmb_event_decode(record, &back) == 0);
}

/* The bytes as they are, and with the checksum made right, which no fuzzer would guess. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t record[VMB_EVENT_SIZE] = {0};

	memcpy(record, data, n < sizeof(record) ? n : sizeof(record));
	decode(record);
	vmb_put_le(record + VMB_EVENT_SIZE - 4, vmb_crc32(0, record, VMB_EVENT_SIZE - 4), 4);
	decode(record);
	encode(data, n);
	return 0;
}
