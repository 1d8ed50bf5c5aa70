/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "initrd/bzimage.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	/* x86 boot protocol, offsets in the image */
	SETUP_SECTS = 0x1f1,
	BOOT_FLAG = 0x1fe,
	HEADER_MAGIC = 0x202,
	PROTOCOL = 0x206,
	KERNEL_VERSION = 0x20e,
	KERNEL_VERSION_END = 0x210,
	PAYLOAD_OFFSET = 0x248,
	PAYLOAD_LENGTH = 0x24c,
	PAYLOAD_END = 0x250,
	INIT_SIZE = 0x260,
	INIT_SIZE_END = 0x264,
	VERSION_BASE = 0x200,
	SECTOR = 512,
	DEFAULT_SETUP_SECTS = 4, /* what 0 means */
};

static uint32_t le(const unsigned char *p, size_t n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | p[n];
	return v;
}

/* Where the setup code ends; 0: no image of that protocol or a later one, whose header ends there. */
static size_t setup_end(const unsigned char *p, size_t n, size_t header_end, unsigned protocol)
{
	if (n < header_end || le(p + BOOT_FLAG, 2) != 0xaa55 ||
	    memcmp(p + HEADER_MAGIC, "HdrS", 4) != 0 || le(p + PROTOCOL, 2) < protocol)
		return 0;
	return ((p[SETUP_SECTS] ? p[SETUP_SECTS] : DEFAULT_SETUP_SECTS) + (size_t)1) * SECTOR;
}

/* A release becomes a part of paths. */
static bool is_release(const char *s, size_t n)
{
	if (n == 0 || n > VMB_RELEASE_MAX || s[0] == '.')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isascii(s[i]) || (!isalnum((unsigned char)s[i]) && !strchr(".-_+~", s[i])))
			return false;
	return true;
}

int vmb_kernel_decode_release(const void *bytes, size_t n, char ret[VMB_RELEASE_MAX + 1])
{
	const unsigned char *p = bytes;
	size_t end = setup_end(p, n, KERNEL_VERSION_END, 0x200), start, len = 0;

	if (end == 0)
		return -EBADMSG;
	start = le(p + KERNEL_VERSION, 2) + VERSION_BASE;
	end = end < n ? end : n;
	if (start == VERSION_BASE || start >= end)
		return -EBADMSG;
	while (start + len < end && p[start + len] != '\0' && p[start + len] != ' ')
		len++;
	if (start + len == end || !is_release((const char *)p + start, len))
		return -EBADMSG;
	memcpy(ret, p + start, len);
	ret[len] = '\0';
	return 0;
}

uint64_t vmb_kernel_decode_memory(const void *head, size_t n)
{
	const unsigned char *p = head;

	return setup_end(p, n, INIT_SIZE_END, 0x20a) ? le(p + INIT_SIZE, 4) : 0;
}

int vmb_payload_decode(const void *head, size_t n, struct vmb_payload *ret)
{
	const unsigned char *p = head;
	size_t end = setup_end(p, n, PAYLOAD_END, 0x208);

	if (end == 0)
		return -EBADMSG;
	ret->offset = end + le(p + PAYLOAD_OFFSET, 4);
	ret->length = le(p + PAYLOAD_LENGTH, 4);
	return ret->length > VMB_PAYLOAD_MIN ? 0 : -EBADMSG;
}
