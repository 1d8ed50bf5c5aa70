/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/saved.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/str.h"

enum {
	NAME_BYTES = 100, /* of a header; longer ones are in a header of their own */
	SIZE_AT = 124,
	SIZE_BYTES = 12,
	TYPE_AT = 156,
	PREFIX_AT = 345, /* the folder of a long name */
	HEADERS_MAX = 4096,
};

/* Octal digits, or with the highest bit set a big-endian number. False: neither. */
static bool read_size(const unsigned char *block, uint64_t *ret)
{
	const unsigned char *p = block + SIZE_AT, *end = p + SIZE_BYTES;
	uint64_t v = 0;

	if (*p & 0x80) {
		for (p += SIZE_BYTES - 8; p < end; p++)
			v = v << 8 | *p;
		*ret = v;
		return v <= INT64_MAX / 2;
	}
	while (p < end && *p == ' ')
		p++;
	for (; p < end && *p >= '0' && *p <= '7'; p++)
		v = v << 3 | (unsigned)(*p - '0');
	*ret = v;
	return p == end || *p == '\0' || *p == ' ';
}

/* Older archives have a folder or files for each layer, and a config, all named by a digest. */
static bool is_by_digest(const char *name)
{
	return strspn(name, "0123456789abcdef") == VMB_SHA256_HEX;
}

static void take_name(struct vmb_saved *s, const char *name)
{
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	if (vmb_streq(name, "manifest.json"))
		s->manifest = true;
	else if (vmb_streq(name, "index.json"))
		s->index = true;
	else if (vmb_streq(name, "oci-layout"))
		s->layout = true;
	else if (vmb_streq(name, "blobs") || vmb_skip_prefix(name, "blobs/"))
		s->blobs = true;
	else if (*name && !vmb_streq(name, ".") && !vmb_streq(name, "repositories") &&
		 !is_by_digest(name))
		s->other = true;
}

int vmb_saved_header(struct vmb_saved *saved, const unsigned char block[VMB_SAVED_BLOCK],
		     uint64_t *ret_skip)
{
	char name[NAME_BYTES + 1] = "";
	uint64_t size;

	if (!block[0] || !read_size(block, &size))
		return 0;
	/* x, g, L and K tell about the next header; what is named there is longer than these names */
	if (!strchr("xgLK", block[TYPE_AT]) || !block[TYPE_AT]) {
		memcpy(name, block, NAME_BYTES);
		take_name(saved, block[PREFIX_AT] ? "a folder" : name);
	}
	*ret_skip = (size + VMB_SAVED_BLOCK - 1) / VMB_SAVED_BLOCK * VMB_SAVED_BLOCK;
	return !saved->other;
}

const char *vmb_saved_kind(const struct vmb_saved *saved)
{
	if (saved->other)
		return NULL;
	if (saved->layout && saved->index)
		return "oci-archive:";
	return saved->manifest ? "docker-archive:" : NULL;
}

const char *vmb_saved_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	unsigned char block[VMB_SAVED_BLOCK];
	struct vmb_saved saved = {0};
	uint64_t at = 0, skip;

	for (int i = 0; fd >= 0 && i < HEADERS_MAX; i++) {
		if (pread(fd, block, sizeof(block), (off_t)at) != sizeof(block) ||
		    vmb_saved_header(&saved, block, &skip) <= 0)
			break;
		at += sizeof(block) + skip;
		if (at > INT64_MAX / 2)
			break;
	}
	return vmb_saved_kind(&saved);
}
