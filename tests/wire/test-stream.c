/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/stream.h"

#include <errno.h>
#include <string.h>

#include "test.h"
#include "wire/bytes.h"

static size_t frame(uint8_t *out, enum vmb_frame_type type, const char *payload)
{
	const struct vmb_frame f = {type, 7, 0xfedcba98, (const uint8_t *)payload, strlen(payload)};

	vmb_frame_head(&f, out);
	memcpy(out + VMB_FRAME_HEAD, payload, f.length);
	return VMB_FRAME_HEAD + f.length;
}

static void names_of_ports(void)
{
	CU_ASSERT_EQUAL(vmb_stream_port_number("org.vmboot.stream.0"), 0);
	CU_ASSERT_EQUAL(vmb_stream_port_number("org.vmboot.stream.24"), 24);
	CU_ASSERT_EQUAL(vmb_stream_port_number("org.vmboot.stream.25"), -1);
	CU_ASSERT_EQUAL(vmb_stream_port_number("org.vmboot.stream.99999999999999999999"), -1);
	CU_ASSERT_EQUAL(vmb_stream_port_number("org.vmboot.stream.01"), -1);
	CU_ASSERT_EQUAL(vmb_stream_port_number("org.vmboot.stream.1x"), -1);
	CU_ASSERT_EQUAL(vmb_stream_port_number("org.vmboot.stream.-1"), -1);
	CU_ASSERT_EQUAL(vmb_stream_port_number("org.vmboot.stream."), -1);
	CU_ASSERT_EQUAL(vmb_stream_port_number("org.vmboot.events.0"), -1);
}

static void frames_come_back(void)
{
	uint8_t bytes[64];
	struct vmb_frame f;
	size_t n = frame(bytes, VMB_FRAME_STDOUT, "hello");

	CU_ASSERT_EQUAL(memcmp(bytes, "VMBS", 4), 0);
	for (size_t i = 0; i < n; i++)
		CU_ASSERT_EQUAL(vmb_frame_decode(bytes, i, &f), 0);
	CU_ASSERT_EQUAL(vmb_frame_decode(bytes, sizeof(bytes), &f), (long)n);
	CU_ASSERT_EQUAL(f.type, VMB_FRAME_STDOUT);
	CU_ASSERT_EQUAL(f.session, 7);
	CU_ASSERT_EQUAL(f.value, 0xfedcba98);
	CU_ASSERT_EQUAL(f.length, 5);
	CU_ASSERT_EQUAL(memcmp(f.payload, "hello", 5), 0);
}

/* Any bit of a head that is not as it was sent is noticed, and at once. */
static void damage_shows(void)
{
	uint8_t bytes[64];
	struct vmb_frame f;

	frame(bytes, VMB_FRAME_STDIN, "payload");
	for (size_t i = 0; i < VMB_FRAME_HEAD; i++)
		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (uint8_t)(1 << bit);
			CU_ASSERT_EQUAL(vmb_frame_decode(bytes, VMB_FRAME_HEAD, &f), -EBADMSG);
			bytes[i] ^= (uint8_t)(1 << bit);
		}
}

static void finds_the_next_frame(void)
{
	const uint8_t *noise = (const uint8_t *)"VMVMBxVMBS";

	CU_ASSERT_EQUAL(vmb_frame_resync(noise, 10), 6);
	CU_ASSERT_EQUAL(vmb_frame_resync(noise, 5), 2);
	CU_ASSERT_EQUAL(vmb_frame_resync(noise, 6), 6);
	CU_ASSERT_EQUAL(vmb_frame_resync(noise + 6, 4), 0);
	CU_ASSERT_EQUAL(vmb_frame_resync(noise, 0), 0);
}

/* A whole head that promises 60000 bytes does not swallow the greeting behind it. */
static void finds_the_greeting(void)
{
	const struct vmb_frame hello = {VMB_FRAME_HELLO, 0, 9, NULL, 0};
	static uint8_t big[60000];
	const struct vmb_frame cut = {VMB_FRAME_STDOUT, 1, 0, big, sizeof(big)};
	uint8_t bytes[3 * VMB_FRAME_HEAD + 5];
	size_t at = 5 + VMB_FRAME_HEAD;
	struct vmb_frame f;

	memcpy(bytes, "VMBSx", 5);
	vmb_frame_head(&cut, bytes + 5);
	vmb_frame_head(&hello, bytes + at);
	memcpy(bytes + at + VMB_FRAME_HEAD, bytes, VMB_FRAME_HEAD);
	CU_ASSERT_EQUAL(vmb_frame_decode(bytes + 5, sizeof(bytes) - 5, &f), 0);
	CU_ASSERT_EQUAL(vmb_frame_skip_to_hello(bytes, sizeof(bytes)), at);
	CU_ASSERT_EQUAL(vmb_frame_skip_to_hello(bytes, at + 4), at);
	CU_ASSERT_EQUAL(vmb_frame_decode(bytes + at, VMB_FRAME_HEAD, &f), VMB_FRAME_HEAD);
	CU_ASSERT_EQUAL(vmb_frame_skip_to_hello(bytes, 5), 0);
	CU_ASSERT_EQUAL(vmb_frame_skip_to_hello(bytes, 0), 0);
}

static void requests_come_back(void)
{
	struct vmb_exec_request r = {.tty = true,
				     .rows = 24,
				     .columns = 65535,
				     .user = "app",
				     .args = {"sh", "-c", ""},
				     .env = {"A=1", "B="}};
	struct vmb_exec_request back;
	uint8_t bytes[256];
	long n = vmb_exec_request_encode(&r, bytes, sizeof(bytes));

	CU_ASSERT_FATAL(n > 0);
	CU_ASSERT_EQUAL(vmb_exec_request_encode(&r, NULL, 0), n);
	CU_ASSERT_EQUAL(vmb_exec_request_decode(bytes, (size_t)n, &back), 0);
	CU_ASSERT(back.tty);
	CU_ASSERT_EQUAL(back.rows, 24);
	CU_ASSERT_EQUAL(back.columns, 65535);
	ASSERT_STR(back.user, "app");
	ASSERT_STR(back.workdir, "");
	ASSERT_STR(back.args[1], "-c");
	ASSERT_STR(back.args[2], "");
	CU_ASSERT_PTR_NULL(back.args[3]);
	ASSERT_STR(back.env[1], "B=");
	CU_ASSERT_PTR_NULL(back.env[2]);
	CU_ASSERT_EQUAL(vmb_exec_request_decode(bytes, (size_t)n - 1, &back), -EBADMSG);
}

static void nonsense_is_refused(void)
{
	static const struct {
		const char *bytes;
		size_t n;
	} bad[] = {
#define ROW(s) {s, sizeof(s)}
		ROW(""),
		ROW("tty=1"),
		ROW("arg="),
		ROW("arg=a\0tty=2"),
		ROW("arg=a\0rows=65536"),
		ROW("arg=a\0rows="),
		ROW("arg=a\0rows=-1"),
		ROW("arg=a\0workdir=x"),
		ROW("arg=a\0env=x"),
		ROW("arg=a\0env==x"),
		ROW("arg=a\0what=x"),
		ROW("arg=a\0user=a\0user=a"),
		ROW("arg=a\0arg"),
#undef ROW
	};
	struct vmb_exec_request r = {.args = {"a"}, .workdir = "x"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(vmb_exec_request_decode((const uint8_t *)bad[i].bytes, bad[i].n,
							&r),
				-EBADMSG);
	r = (struct vmb_exec_request){.args = {"a"}, .workdir = "x"};
	CU_ASSERT_EQUAL(vmb_exec_request_encode(&r, NULL, 0), -EINVAL);
	r = (struct vmb_exec_request){.rows = 1};
	CU_ASSERT_EQUAL(vmb_exec_request_encode(&r, NULL, 0), -EINVAL);
}

/* What Linux takes, and a little more: 128 KiB a string, 2 MiB in all. */
static void requests_are_bounded(void)
{
	struct vmb_exec_request r = {.args = {"a"}};
	char *big = test_alloc(VMB_CONFIG_STRING_MAX + 2);
	size_t n = VMB_EXEC_REQUEST_MAX / (VMB_CONFIG_STRING_MAX + 5);

	memset(big, 'x', VMB_CONFIG_STRING_MAX);
	for (size_t i = 1; i <= n; i++)
		r.args[i] = big;
	CU_ASSERT(vmb_exec_request_encode(&r, NULL, 0) > 2 << 20);
	r.args[n + 1] = big;
	CU_ASSERT_EQUAL(vmb_exec_request_encode(&r, NULL, 0), -E2BIG);
	r.args[2] = NULL;
	big[VMB_CONFIG_STRING_MAX] = 'x';
	CU_ASSERT_EQUAL(vmb_exec_request_encode(&r, NULL, 0), -E2BIG);
}

TEST_MAIN("wire/stream", {"names of ports", names_of_ports}, {"frames come back", frames_come_back},
	  {"damage shows", damage_shows}, {"finds the next frame", finds_the_next_frame},
	  {"finds the greeting", finds_the_greeting}, {"requests come back", requests_come_back},
	  {"nonsense is refused", nonsense_is_refused},
	  {"requests are bounded", requests_are_bounded})
