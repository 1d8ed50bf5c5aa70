/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/event.h"

#include <errno.h>
#include <string.h>

#include "test.h"
#include "wire/bytes.h"
#include "wire/crc32.h"

static const struct vmb_event sample = {
	.kind = VMB_EVENT_PHASE,
	.phase = VMBOOT_PHASE_SETTLE_OVERLAY,
	.seq = 0x01020304,
	.error = ENODEV,
	.start_us = 1234567,
	.end_us = 0x123456789abc,
	.value = -2,
	.device = "vdb vmboot-overlay",
	.detail = "not there after 2 s; there are: vda, vdc – é",
};

static bool same(const struct vmb_event *a, const struct vmb_event *b)
{
	return a->kind == b->kind && a->phase == b->phase && a->seq == b->seq &&
	       a->error == b->error && a->start_us == b->start_us && a->end_us == b->end_us &&
	       a->value == b->value && strcmp(a->device, b->device) == 0 &&
	       strcmp(a->detail, b->detail) == 0;
}

/* After a change that is meant to be wrong in this one place only. */
static void seal(uint8_t record[VMB_EVENT_SIZE])
{
	vmb_put_le(record + 252, vmb_crc32(0, record, 252), 4);
}

static void decodes_what_it_encodes(void)
{
	uint8_t record[VMB_EVENT_SIZE];
	struct vmb_event e;

	memset(record, 0xaa, sizeof(record));
	vmb_event_encode(&sample, record);
	CU_ASSERT_EQUAL_FATAL(vmb_event_decode(record, &e), 0);
	CU_ASSERT(same(&e, &sample));
}

/* The layout that the header states, so that it stays what the newest and oldest init speak. */
static void the_bytes_are_as_documented(void)
{
	static const uint8_t head[40] = {
		'V',  'M',  'B',  'E',	1,    1,    37,	  0,	4,    3,    2,	  1,	19,   0,
		0,    0,    0x87, 0xd6, 0x12, 0,    0,	  0,	0,    0,    0xbc, 0x9a, 0x78, 0x56,
		0x34, 0x12, 0,	  0,	0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	};
	uint8_t record[VMB_EVENT_SIZE], zeros[160] = {0};

	vmb_event_encode(&sample, record);
	CU_ASSERT_EQUAL(memcmp(record, head, sizeof(head)), 0);
	CU_ASSERT_EQUAL(memcmp(record + 40, "vdb vmboot-overlay", 18), 0);
	CU_ASSERT_EQUAL(memcmp(record + 58, zeros, 30), 0);
	CU_ASSERT_EQUAL(memcmp(record + 88, "not there", 9), 0);
	CU_ASSERT_EQUAL(
		memcmp(record + 88 + strlen(sample.detail), zeros, 164 - strlen(sample.detail)), 0);
	CU_ASSERT_EQUAL(vmb_get_le(record + 252, 4), vmb_crc32(0, record, 252));
}

static void every_single_bit_flip_is_refused(void)
{
	uint8_t record[VMB_EVENT_SIZE];
	struct vmb_event e;

	vmb_event_encode(&sample, record);
	for (int bit = 0; bit < 8 * VMB_EVENT_SIZE; bit++) {
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CU_ASSERT_EQUAL(vmb_event_decode(record, &e), -EBADMSG);
		record[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* A record cut anywhere, the rest being zeros, 0xff, or the beginning of the next one. */
static void every_truncation_is_refused(void)
{
	uint8_t record[VMB_EVENT_SIZE], cut[VMB_EVENT_SIZE];
	struct vmb_event e;

	vmb_event_encode(&sample, record);
	for (size_t n = 0; n < VMB_EVENT_SIZE; n++) {
		memset(cut, 0, sizeof(cut));
		memcpy(cut, record, n);
		CU_ASSERT_EQUAL(vmb_event_decode(cut, &e), -EBADMSG);
		memset(cut + n, 0xff, sizeof(cut) - n);
		CU_ASSERT_EQUAL(vmb_event_decode(cut, &e), -EBADMSG);
		if (n == 0)
			continue;
		memcpy(cut + n, record, sizeof(cut) - n);
		CU_ASSERT_EQUAL(vmb_event_decode(cut, &e), -EBADMSG);
	}
}

static void wrong_values_with_a_right_checksum_are_refused(void)
{
	static const struct {
		int offset, bytes;
		uint64_t value;
	} rows[] = {
		{0, 1, 'v'},		       /* magic */
		{4, 1, 0},		       /* version */
		{4, 1, 2},		       /* version */
		{5, 1, 0},		       /* kind */
		{5, 1, 3},		       /* kind */
		{6, 2, VMBOOT_PHASE_NONE},     /* no phase */
		{6, 2, VMBOOT_PHASE_LIBVIRT},  /* a phase of the host */
		{6, 2, VMBOOT_PHASE_FIRMWARE}, /* which only the host can tell */
		{6, 2, VMBOOT_PHASE_STOPPED},  /* likewise */
		{6, 2, 0xffff},		       /* none at all */
		{12, 4, 4096},		       /* no errno */
		{12, 4, 0xffffffff},	       /* negative */
		{16, 8, 0x123456789abd},       /* starts after its end */
		{24, 8, 0x7fffffffffffffff},   /* sums of times would overflow */
		{24, 8, 0xffffffffffffffff},   /* likewise */
		{40, 1, 0x1b},		       /* control character in device */
		{58, 1, 0xc3},		       /* half a character in device */
		{87, 1, 'x'},		       /* text behind device's 0 */
		{88, 1, '\n'},		       /* control character in detail */
		{247, 1, 'x'},		       /* text behind detail's 0 */
		{248, 4, 1},		       /* reserved */
	};
	uint8_t record[VMB_EVENT_SIZE];
	struct vmb_event e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		vmb_event_encode(&sample, record);
		vmb_put_le(record + rows[i].offset, rows[i].value, rows[i].bytes);
		seal(record);
		if (vmb_event_decode(record, &e) != -EBADMSG) {
			fprintf(stderr, "row %zu is taken\n", i);
			CU_FAIL("a wrong value is taken");
		}
	}
}

static void text_without_an_end_is_refused(void)
{
	uint8_t record[VMB_EVENT_SIZE];
	struct vmb_event e;

	vmb_event_encode(&sample, record);
	memset(record + 40, 'x', 48);
	seal(record);
	CU_ASSERT_EQUAL(vmb_event_decode(record, &e), -EBADMSG);
	vmb_event_encode(&sample, record);
	memset(record + 88, 'x', 160);
	seal(record);
	CU_ASSERT_EQUAL(vmb_event_decode(record, &e), -EBADMSG);
}

static void a_refused_record_changes_nothing(void)
{
	uint8_t record[VMB_EVENT_SIZE];
	struct vmb_event e = sample;

	vmb_event_encode(&(struct vmb_event){.kind = VMB_EVENT_NOTE, .phase = VMBOOT_PHASE_ROOT},
			 record);
	record[90] = '\n';
	seal(record);
	CU_ASSERT_EQUAL(vmb_event_decode(record, &e), -EBADMSG);
	CU_ASSERT(same(&e, &sample));
}

static void the_bounds_are_taken(void)
{
	struct vmb_event e = {.kind = VMB_EVENT_NOTE, .phase = VMBOOT_PHASE_KERNEL}, back;
	uint8_t record[VMB_EVENT_SIZE];

	e.seq = UINT32_MAX;
	e.error = 4095;
	e.start_us = e.end_us = INT64_MAX / 2;
	e.value = INT64_MIN;
	memset(e.device, 'd', VMB_EVENT_DEVICE_MAX);
	memset(e.detail, 'e', VMB_EVENT_DETAIL_MAX);
	vmb_event_encode(&e, record);
	CU_ASSERT_EQUAL(vmb_event_decode(record, &back), 0);
	CU_ASSERT(same(&e, &back));
	e.phase = (enum vmboot_phase)63; /* a phase of a later version */
	vmb_event_encode(&e, record);
	CU_ASSERT_EQUAL(vmb_event_decode(record, &back), 0);
}

/* Else a file name in a hostile image could make the guest's own words unreadable. */
static void the_encoder_mends_text(void)
{
	struct vmb_event e = sample, back;
	uint8_t record[VMB_EVENT_SIZE];

	memset(e.device, 'x', sizeof(e.device)); /* not even ended */
	memcpy(e.device + 46, "é", 2);		 /* is cut in the middle */
	strcpy(e.detail, "no user \x1b[2Jroot\n");
	vmb_event_encode(&e, record);
	CU_ASSERT_EQUAL_FATAL(vmb_event_decode(record, &back), 0);
	CU_ASSERT_EQUAL(strlen(back.device), VMB_EVENT_DEVICE_MAX);
	CU_ASSERT_EQUAL(back.device[46], '?');
	ASSERT_STR(back.detail, "no user root?");
}

TEST_MAIN("wire/event", {"decodes what it encodes", decodes_what_it_encodes},
	  {"the bytes are as documented", the_bytes_are_as_documented},
	  {"every single bit flip is refused", every_single_bit_flip_is_refused},
	  {"every truncation is refused", every_truncation_is_refused},
	  {"wrong values with a right checksum are refused",
	   wrong_values_with_a_right_checksum_are_refused},
	  {"text without an end is refused", text_without_an_end_is_refused},
	  {"a refused record changes nothing", a_refused_record_changes_nothing},
	  {"the bounds are taken", the_bounds_are_taken},
	  {"the encoder mends text", the_encoder_mends_text})
