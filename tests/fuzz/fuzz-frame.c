/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/crc32.h"
#include "wire/stream.h"

/* What is taken lies within the bytes, and is written again as it came. */
static void check(const uint8_t *data, size_t n, const struct vmb_frame *f, long r)
{
	uint8_t head[VMB_FRAME_HEAD];

	FUZZ_CHECK((size_t)r == VMB_FRAME_HEAD + f->length && (size_t)r <= n);
	FUZZ_CHECK(f->payload == data + VMB_FRAME_HEAD);
	FUZZ_CHECK(f->type >= VMB_FRAME_HELLO && f->type <= VMB_FRAME_CLOSE);
	vmb_frame_head(f, head);
	FUZZ_CHECK(memcmp(head, data, sizeof(head)) == 0);
}

/* Goes through all of it as a receiver does; each step gets on. */
static void receive(const uint8_t *data, size_t n)
{
	size_t at = 0;

	while (at < n) {
		struct vmb_frame f;
		long r = vmb_frame_decode(data + at, n - at, &f);

		if (r == 0)
			break;
		if (r > 0) {
			check(data + at, n - at, &f, r);
			at += (size_t)r;
			continue;
		}
		FUZZ_CHECK(r == -EBADMSG);
		at++;
		at += vmb_frame_resync(data + at, n - at);
		FUZZ_CHECK(at <= n);
	}
}

/* The bytes as they are, and with the first frame's checksum made right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *bytes;
	size_t length;

	receive(data, n);
	if (n < VMB_FRAME_HEAD)
		return 0;
	bytes = malloc(n);
	FUZZ_CHECK(bytes);
	memcpy(bytes, data, n);
	length = (size_t)vmb_get_le(bytes + 20, 4);
	if (length > n - VMB_FRAME_HEAD)
		length = n - VMB_FRAME_HEAD;
	vmb_put_le(bytes + 20, length, 4);
	vmb_put_le(bytes + 4, vmb_crc32(0, bytes + 8, VMB_FRAME_HEAD - 8), 4);
	receive(bytes, n);
	free(bytes);
	return 0;
}
