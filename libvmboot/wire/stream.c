/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/stream.h"

#include <errno.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/crc32.h"

enum { MAGIC_SIZE = 4, CRC_AT = 4, CHECKED_AT = 8, FRAME_VERSION = 1, NUMBER_MAX = 65535 };

static const uint8_t magic[MAGIC_SIZE] = {'V', 'M', 'B', 'S'};

int vmb_stream_port_number(const char *name)
{
	const size_t prefix = strlen(VMB_STREAM_PORTS);
	int number = 0;

	if (strncmp(name, VMB_STREAM_PORTS, prefix) != 0)
		return -1;
	name += prefix;
	if (!*name || (*name == '0' && name[1]))
		return -1;
	for (; *name >= '0' && *name <= '9' && number < VMB_STREAM_PORTS_MAX; name++)
		number = number * 10 + (*name - '0');
	return *name || number >= VMB_STREAM_PORTS_MAX ? -1 : number;
}

/* ---- frames ---- */

static uint32_t checksum(const uint8_t *head)
{
	return vmb_crc32(0, head + CHECKED_AT, VMB_FRAME_HEAD - CHECKED_AT);
}

void vmb_frame_head(const struct vmb_frame *frame, uint8_t out[VMB_FRAME_HEAD])
{
	memcpy(out, magic, MAGIC_SIZE);
	out[8] = FRAME_VERSION;
	out[9] = (uint8_t)frame->type;
	vmb_put_le(out + 10, 0, 2);
	vmb_put_le(out + 12, frame->session, 4);
	vmb_put_le(out + 16, frame->value, 4);
	vmb_put_le(out + 20, frame->length, 4);
	vmb_put_le(out + CRC_AT, checksum(out), 4);
}

/* As much of the magic as is there. */
static bool may_start(const uint8_t *bytes, size_t n)
{
	return memcmp(bytes, magic, n < MAGIC_SIZE ? n : MAGIC_SIZE) == 0;
}

long vmb_frame_decode(const uint8_t *bytes, size_t n, struct vmb_frame *ret)
{
	size_t length;

	if (n == 0)
		return 0;
	if (!may_start(bytes, n))
		return -EBADMSG;
	if (n < VMB_FRAME_HEAD)
		return 0;
	length = (size_t)vmb_get_le(bytes + 20, 4);
	if (bytes[8] != FRAME_VERSION || bytes[9] < VMB_FRAME_HELLO || bytes[9] > VMB_FRAME_CLOSE ||
	    vmb_get_le(bytes + 10, 2) != 0 || length > VMB_FRAME_PAYLOAD_MAX)
		return -EBADMSG;
	if (vmb_get_le(bytes + CRC_AT, 4) != checksum(bytes))
		return -EBADMSG;
	if (n < VMB_FRAME_HEAD + length)
		return 0;
	ret->type = (enum vmb_frame_type)bytes[9];
	ret->session = (uint32_t)vmb_get_le(bytes + 12, 4);
	ret->value = (uint32_t)vmb_get_le(bytes + 16, 4);
	ret->payload = bytes + VMB_FRAME_HEAD;
	ret->length = length;
	return (long)(VMB_FRAME_HEAD + length);
}

size_t vmb_frame_resync(const uint8_t *bytes, size_t n)
{
	size_t i = 0;

	while (i < n && !may_start(bytes + i, n - i))
		i++;
	return i;
}

size_t vmb_frame_skip_to_hello(const uint8_t *bytes, size_t n)
{
	size_t at = vmb_frame_resync(bytes, n);

	while (n - at >= VMB_FRAME_HEAD &&
	       (bytes[at + 9] != VMB_FRAME_HELLO || vmb_get_le(bytes + at + 20, 4) != 0))
		at += 1 + vmb_frame_resync(bytes + at + 1, n - at - 1);
	return at;
}

/* ---- the request of EXEC: one table of keys that encoder and decoder walk ---- */

enum value_type { FLAG, NUMBER, TEXT, LIST };

static const struct key {
	const char *name;
	enum value_type type;
	size_t offset;
	size_t list_max;
} keys[] = {
#define AT(member) offsetof(struct vmb_exec_request, member)
	{"tty", FLAG, AT(tty), 0},
	{"rows", NUMBER, AT(rows), 0},
	{"columns", NUMBER, AT(columns), 0},
	{"user", TEXT, AT(user), 0},
	{"workdir", TEXT, AT(workdir), 0},
	{"arg", LIST, AT(args), VMB_EXEC_LIST_MAX},
	{"env", LIST, AT(env), VMB_EXEC_LIST_MAX},
#undef AT
};

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

/* What holds for a request, made or received. */
static bool request_ok(const struct vmb_exec_request *r)
{
	if (!r->args[0] || !r->args[0][0] || r->rows > NUMBER_MAX || r->columns > NUMBER_MAX)
		return false;
	if (r->workdir && r->workdir[0] && r->workdir[0] != '/')
		return false;
	for (size_t i = 0; r->env[i]; i++)
		if (r->env[i][0] == '=' || !strchr(r->env[i], '='))
			return false;
	return true;
}

struct out {
	uint8_t *bytes; /* NULL: only measure */
	size_t len;
};

static int put(struct out *o, const struct key *key, const char *value)
{
	size_t name = strlen(key->name), n = strlen(value) + 1;

	if (n - 1 > VMB_CONFIG_STRING_MAX || o->len + name + 1 + n > VMB_EXEC_REQUEST_MAX)
		return -E2BIG;
	if (o->bytes) {
		memcpy(o->bytes + o->len, key->name, name);
		o->bytes[o->len + name] = '=';
		memcpy(o->bytes + o->len + name + 1, value, n);
	}
	o->len += name + 1 + n;
	return 0;
}

static int put_number(struct out *o, const struct key *key, unsigned v)
{
	char digits[12], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	return put(o, key, p);
}

static int put_key(struct out *o, const struct key *key, const struct vmb_exec_request *r)
{
	const void *member = (const char *)r + key->offset;
	const char *const *text = member;
	int err = 0;

	switch (key->type) {
	case FLAG:
		return put_number(o, key, *(const bool *)member);
	case NUMBER:
		return put_number(o, key, *(const unsigned *)member);
	case TEXT:
		return put(o, key, *text ? *text : "");
	case LIST:
		for (size_t i = 0; err == 0 && text[i]; i++)
			err = i == key->list_max ? -E2BIG : put(o, key, text[i]);
		return err;
	}
	return -EINVAL;
}

long vmb_exec_request_encode(const struct vmb_exec_request *request, uint8_t *out, size_t size)
{
	struct out measure = {0}, o = {.bytes = out};
	int r = 0;

	for (int i = 0; r == 0 && i < N_KEYS; i++)
		r = put_key(&measure, &keys[i], request);
	if (r == 0 && !request_ok(request))
		r = -EINVAL;
	if (r < 0)
		return r;
	for (int i = 0; out && measure.len <= size && i < N_KEYS; i++)
		put_key(&o, &keys[i], request);
	return (long)measure.len;
}

static const struct key *find_key(const char *record, int *ret_index)
{
	for (int i = 0; i < N_KEYS; i++) {
		size_t n = strlen(keys[i].name);

		if (strncmp(record, keys[i].name, n) == 0 && record[n] == '=') {
			*ret_index = i;
			return &keys[i];
		}
	}
	return NULL;
}

static int take_number(const char *text, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (!*text || strlen(text) > 5)
		return -EBADMSG;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EBADMSG;
		v = v * 10 + (unsigned)(*text - '0');
	}
	*ret = v;
	return v > max ? -EBADMSG : 0;
}

static int take(struct vmb_exec_request *request, const struct key *key, const char *value,
		size_t seen)
{
	void *member = (char *)request + key->offset;
	unsigned v = 0;
	int r;

	switch (key->type) {
	case FLAG:
		r = take_number(value, 1, &v);
		*(bool *)member = v == 1;
		return seen ? -EBADMSG : r;
	case NUMBER:
		r = take_number(value, NUMBER_MAX, member);
		return seen ? -EBADMSG : r;
	case TEXT:
		*(const char **)member = value;
		return seen ? -EBADMSG : 0;
	case LIST:
		if (seen >= key->list_max)
			return -EBADMSG;
		((const char **)member)[seen] = value;
		return 0;
	}
	return -EBADMSG;
}

int vmb_exec_request_decode(const uint8_t *bytes, size_t n, struct vmb_exec_request *ret)
{
	const char *p = (const char *)bytes, *end = p + n;
	size_t seen[N_KEYS] = {0};
	int i = 0;

	if (n == 0 || n > VMB_EXEC_REQUEST_MAX || end[-1] != '\0')
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	ret->user = ret->workdir = "";
	for (; p < end; p += strlen(p) + 1) {
		const struct key *key = find_key(p, &i);

		if (!key || take(ret, key, strchr(p, '=') + 1, seen[i]++) < 0)
			return -EBADMSG;
	}
	return request_ok(ret) ? 0 : -EBADMSG;
}
