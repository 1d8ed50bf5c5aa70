/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/gunzip.h"

#include <isa-l.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"

enum { MAGIC_0 = 0x1f, MAGIC_1 = 0x8b, DEFLATE = 8 };

struct vmb_gunzip {
	struct inflate_state inflate;
	bool last_fed; /* the file ends behind what was fed */
	bool between;  /* a member has ended, and none has begun */
	/* isal_inflate() by itself forgets the flags of a header that comes in several pieces */
	struct isal_gzip_header header;
	bool in_header;
};

bool vmb_gunzip_is_for(const uint8_t *head, size_t n)
{
	return n >= 3 && head[0] == MAGIC_0 && head[1] == MAGIC_1 && head[2] == DEFLATE;
}

static void begin_member(struct vmb_gunzip *g)
{
	uint8_t *next = g->inflate.next_in;
	uint32_t n = g->inflate.avail_in;

	isal_inflate_init(&g->inflate);
	g->inflate.crc_flag = ISAL_GZIP_NO_HDR_VER; /* the checksum behind it is verified */
	memset(&g->header, 0, sizeof(g->header));
	isal_gzip_header_init(&g->header);
	g->in_header = true;
	g->inflate.next_in = next;
	g->inflate.avail_in = n;
	g->between = false;
}

int vmb_gunzip_new(struct vmb_gunzip **ret)
{
	struct vmb_gunzip *g = calloc(1, sizeof(*g));

	if (!g)
		return vmb_oom();
	begin_member(g);
	*ret = g;
	return 0;
}

void vmb_gunzip_free(struct vmb_gunzip *g)
{
	free(g);
}

void vmb_gunzip_feed(struct vmb_gunzip *g, const uint8_t *data, size_t n)
{
	g->inflate.next_in = (uint8_t *)data; /* which it only reads */
	g->inflate.avail_in = (uint32_t)n;
	g->last_fed = n == 0;
}

static enum vmb_gunzip_state broken(const char *why, const char **ret_why)
{
	*ret_why = why;
	return VMB_GUNZIP_BROKEN;
}

/* Behind a member: another, the end, or what is no gzip, which gzip itself ignores. */
static enum vmb_gunzip_state step_between(struct vmb_gunzip *g)
{
	if (g->inflate.avail_in == 0)
		return g->last_fed ? VMB_GUNZIP_END : VMB_GUNZIP_HUNGRY;
	if (*g->inflate.next_in != MAGIC_0)
		return VMB_GUNZIP_END;
	begin_member(g);
	return VMB_GUNZIP_OUTPUT;
}

static enum vmb_gunzip_state step_header(struct vmb_gunzip *g, const char **ret_why)
{
	int r = isal_read_gzip_header(&g->inflate, &g->header);

	if (r == ISAL_DECOMP_OK) {
		g->in_header = false;
		return VMB_GUNZIP_OUTPUT;
	}
	if (r != ISAL_END_INPUT)
		return broken("invalid gzip data", ret_why);
	return g->last_fed ? broken("truncated gzip input", ret_why) : VMB_GUNZIP_HUNGRY;
}

enum vmb_gunzip_state vmb_gunzip_step(struct vmb_gunzip *g, uint8_t *out, size_t size,
				      size_t *ret_n, const char **ret_why)
{
	struct inflate_state *s = &g->inflate;
	uint32_t before = s->avail_in;
	int r;

	*ret_n = 0;
	if (g->between)
		return step_between(g);
	if (g->in_header)
		return step_header(g, ret_why);
	s->next_out = out;
	s->avail_out = (uint32_t)size;
	r = isal_inflate(s);
	*ret_n = size - s->avail_out;
	if (r == ISAL_INCORRECT_CHECKSUM)
		return broken("gzip checksum is wrong", ret_why);
	if (r < 0)
		return broken("invalid gzip data", ret_why);
	if (s->block_state == ISAL_BLOCK_FINISH) {
		g->between = true;
		return VMB_GUNZIP_OUTPUT;
	}
	if (*ret_n > 0)
		return VMB_GUNZIP_OUTPUT;
	if (s->avail_in > 0 && s->avail_in == before)
		return broken("gzip data that leads nowhere", ret_why);
	return g->last_fed ? broken("truncated gzip input", ret_why) : VMB_GUNZIP_HUNGRY;
}
