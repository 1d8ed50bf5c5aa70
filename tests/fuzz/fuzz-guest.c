/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest sends on its stream port to a host with three sessions, of which one is closed:
 * however wrong it is, what the host keeps of it has bounds.
 */
#include "fuzz.h"

#include <string.h>
#include <sys/eventfd.h>

#include "agent/stream-private.h"

enum { HEAD = 6, SESSIONS = 3, PIECES = 1026 };

static struct vmb_session *add(struct vmb_stream *s)
{
	struct vmb_session *x = calloc(1, sizeof(*x));

	FUZZ_CHECK(x);
	x->stream = s;
	x->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	x->id = ++s->last_id;
	x->next = s->sessions;
	s->sessions = x;
	s->n_sessions++;
	return x;
}

static void check(const struct vmb_session *x)
{
	size_t bytes = 0, n = 0;

	for (const struct vmb_piece *p = x->first; p; p = p->next) {
		FUZZ_CHECK(p->n > 0 && p->n <= p->cap);
		bytes += p->n;
		n++;
	}
	FUZZ_CHECK(n == x->n_pieces && n <= PIECES);
	FUZZ_CHECK(x->in_credit <= VMB_STREAM_WINDOW);
	FUZZ_CHECK(x->out_credit + bytes ==
		   (x->state == RUNNING || x->state == ENDED ? VMB_STREAM_WINDOW : 0));
	FUZZ_CHECK(x->state != FAILED || (x->status > 0 && x->status < 4096));
	FUZZ_CHECK(x->state != ENDED || (x->status >= 0 && x->status <= 256 + 64));
	FUZZ_CHECK(strnlen(x->words, sizeof(x->words)) < sizeof(x->words));
}

/* Six bytes make a frame's head, which no fuzzer would guess; what follows is its payload. */
static size_t frame(struct vmb_stream *s, const uint8_t *data, size_t n, uint8_t *buf)
{
	size_t length = data[4] | (size_t)data[5] << 8, had = n - HEAD, used = 0;
	struct vmb_frame f = {.type = (enum vmb_frame_type)(data[0] & 15)};

	length = length < had ? length : had;
	f.session = data[1] & 3;
	f.value = data[2] & 128 ? VMB_STREAM_WINDOW - (uint32_t)data[3]
				: data[3] | (uint32_t)(data[2] & 127) << 8;
	f.payload = data + HEAD;
	f.length = length;
	vmb_frame_head(&f, buf);
	memcpy(buf + VMB_FRAME_HEAD, f.payload, length);
	used = vmb_stream_take(s, buf, VMB_FRAME_HEAD + length);
	FUZZ_CHECK(s->broken || used == VMB_FRAME_HEAD + length);
	return HEAD + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static uint8_t buf[VMB_FRAME_HEAD + VMB_FRAME_PAYLOAD_MAX];
	struct vmb_stream *s = vmb_stream_new(-1);
	struct vmb_session *x[SESSIONS];

	FUZZ_CHECK(s);
	if (n % 2) /* as it is, before a greeting */
		FUZZ_CHECK(vmb_stream_take(s, data, n) <= n);
	s->ready = true;
	for (int i = 0; i < SESSIONS; i++)
		x[i] = add(s);
	s->late = 1000;
	vmb_session_close(x[1]);
	while (n >= HEAD && !s->broken) {
		size_t used = frame(s, data, n, buf);

		data += used;
		n -= used;
	}
	check(x[0]);
	check(x[2]);
	FUZZ_CHECK(!s->broken || *s->why);
	FUZZ_CHECK(vmb_stream_out_waiting(s) < (size_t)SESSIONS * 2 * VMB_FRAME_HEAD);
	vmb_session_close(x[0]);
	vmb_session_close(x[2]);
	vmb_stream_free(s);
	return 0;
}
