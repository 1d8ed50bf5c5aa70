/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "wire/crc32.h"

#define VERSION_RECORD "vmboot-config=1"
#define FILE_NAME "vmboot.conf"

enum {
	/* POSIX ustar header */
	TAR_NAME = 0,
	TAR_MODE = 100,
	TAR_UID = 108,
	TAR_GID = 116,
	TAR_SIZE = 124,
	TAR_MTIME = 136,
	TAR_CHECKSUM = 148,
	TAR_TYPE = 156,
	TAR_MAGIC = 257,
	TAR_SIZE_DIGITS = 11,
	CRC_RECORD = sizeof("crc32=01234567"),
};

enum value_type { TEXT, FLAG, LIST };

const char *const vmb_config_root_fstypes[] = {"squashfs", "erofs", "ext4", NULL};

/* The one table of keys: encoder and decoder both walk it. */
static const struct key {
	const char *name;
	enum value_type type;
	size_t offset;
	size_t list_max;
	const char *const *choices; /* NULL: any text */
} keys[] = {
#define AT(member) offsetof(struct vmb_guest_config, member)
	{"hostname", TEXT, AT(hostname), 0, NULL},
	{"root_fstype", TEXT, AT(root_fstype), 0, vmb_config_root_fstypes},
	{"mode", TEXT, AT(mode), 0, (const char *const[]){"exec", "systemd", NULL}},
	{"on_exit", TEXT, AT(on_exit), 0, (const char *const[]){"keep", "poweroff", NULL}},
	{"kernel_fstype", TEXT, AT(kernel_fstype), 0,
	 (const char *const[]){"none", "squashfs", NULL}},
	{"kernel_note", TEXT, AT(kernel_note), 0, NULL},
	{"skip_kernel_headers", FLAG, AT(skip_kernel_headers), 0, NULL},
	{"skip_guest_agent", FLAG, AT(skip_guest_agent), 0, NULL},
	{"guest_agent", TEXT, AT(guest_agent), 0, (const char *const[]){"vmboot", "image", NULL}},
	{"address", TEXT, AT(address), 0, NULL},
	{"gateway", TEXT, AT(gateway), 0, NULL},
	{"nameserver", TEXT, AT(nameserver), 0, NULL},
	{"user", TEXT, AT(user), 0, NULL},
	{"workdir", TEXT, AT(workdir), 0, NULL},
	{"arg", LIST, AT(args), VMB_CONFIG_ARGS_MAX, NULL},
	{"env", LIST, AT(env), VMB_CONFIG_ENV_MAX, NULL},
#undef AT
};

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

static bool choice_ok(const struct key *key, const char *value)
{
	if (!key->choices)
		return true;
	for (size_t i = 0; key->choices[i]; i++)
		if (strcmp(key->choices[i], value) == 0)
			return true;
	return false;
}

/* ---- encoding ---- */

struct out {
	uint8_t *bytes; /* NULL: only measure */
	size_t len;
};

static void put(struct out *o, const char *s, size_t n)
{
	if (o->bytes)
		memcpy(o->bytes + o->len, s, n);
	o->len += n;
}

static int put_record(struct out *o, const struct key *key, const char *value)
{
	size_t n;

	if (!value || !choice_ok(key, value))
		return -EINVAL;
	n = strlen(value);
	if (n > VMB_CONFIG_STRING_MAX)
		return -E2BIG;
	put(o, key->name, strlen(key->name));
	put(o, "=", 1);
	put(o, value, n + 1);
	return 0;
}

static int put_key(struct out *o, const struct vmb_guest_config *c, const struct key *key)
{
	const void *member = (const char *)c + key->offset;
	const char *const *list = member;
	const char *text;
	size_t i;
	int r = 0;

	switch (key->type) {
	case TEXT:
		text = *(const char *const *)member;
		return put_record(o, key, text ? text : "");
	case FLAG:
		return put_record(o, key, *(const bool *)member ? "1" : "0");
	case LIST:
		for (i = 0; r == 0 && i <= key->list_max && list[i]; i++)
			r = i == key->list_max ? -E2BIG : put_record(o, key, list[i]);
		return r;
	}
	return -EINVAL;
}

static unsigned tar_checksum(const uint8_t *block)
{
	unsigned sum = 0;

	for (int i = 0; i < VMB_CONFIG_BLOCK; i++)
		sum += i >= TAR_CHECKSUM && i < TAR_CHECKSUM + 8 ? ' ' : block[i];
	return sum;
}

static void put_tar_header(uint8_t *block, size_t file_size)
{
	char *text = (char *)block;

	memset(block, 0, VMB_CONFIG_BLOCK);
	memcpy(text + TAR_NAME, FILE_NAME, sizeof(FILE_NAME));
	memcpy(text + TAR_MODE, "0000600", 8);
	memcpy(text + TAR_UID, "0000000", 8);
	memcpy(text + TAR_GID, "0000000", 8);
	snprintf(text + TAR_SIZE, TAR_SIZE_DIGITS + 1, "%011zo", file_size);
	memcpy(text + TAR_MTIME, "00000000000", 12);
	text[TAR_TYPE] = '0';
	memcpy(text + TAR_MAGIC,
	       "ustar\0"
	       "00",
	       8);
	snprintf(text + TAR_CHECKSUM, 8, "%06o", tar_checksum(block));
	text[TAR_CHECKSUM + 7] = ' ';
}

long vmb_config_encode(const struct vmb_guest_config *config, uint8_t *out, size_t size)
{
	const size_t head = VMB_CONFIG_BLOCK + sizeof(VERSION_RECORD) + CRC_RECORD;
	struct out measure = {.len = head}, o = {.bytes = out, .len = head};
	size_t total, file_end;
	int r = 0;

	for (int i = 0; i < N_KEYS && r == 0; i++)
		r = put_key(&measure, config, &keys[i]);
	if (r < 0)
		return r;
	file_end = measure.len;
	if (file_end - VMB_CONFIG_BLOCK > VMB_CONFIG_SIZE_MAX)
		return -E2BIG;
	/* an archive ends with two blocks of zeros */
	total = file_end + 3 * VMB_CONFIG_BLOCK;
	total = (total + VMB_CONFIG_PAD - 1) / VMB_CONFIG_PAD * VMB_CONFIG_PAD;
	if (!out || total > size)
		return (long)total;
	for (int i = 0; i < N_KEYS; i++)
		put_key(&o, config, &keys[i]);
	memset(out + file_end, 0, total - file_end);
	memcpy(out + VMB_CONFIG_BLOCK, VERSION_RECORD, sizeof(VERSION_RECORD));
	snprintf((char *)out + VMB_CONFIG_BLOCK + sizeof(VERSION_RECORD), CRC_RECORD, "crc32=%08x",
		 (unsigned)vmb_crc32(0, out + head, file_end - head));
	put_tar_header(out, file_end - VMB_CONFIG_BLOCK);
	return (long)total;
}

/* ---- decoding ---- */

/* An octal number of the header: digits, then a 0 or a space. -1 if it is none. */
static long octal(const uint8_t *p, int digits)
{
	long v = 0;

	for (int i = 0; i < digits; i++) {
		if (p[i] < '0' || p[i] > '7')
			return -1;
		v = v * 8 + (p[i] - '0');
		if (v > VMB_CONFIG_SIZE_MAX)
			return -1;
	}
	return v;
}

long vmb_config_length(const uint8_t block[VMB_CONFIG_BLOCK])
{
	long size = octal(block + TAR_SIZE, TAR_SIZE_DIGITS);

	if (memcmp(block + TAR_MAGIC, "ustar", 6) != 0 || block[TAR_TYPE] != '0' ||
	    memcmp(block + TAR_NAME, FILE_NAME, sizeof(FILE_NAME)) != 0 ||
	    octal(block + TAR_CHECKSUM, 6) != (long)tar_checksum(block) || size < 0)
		return -EBADMSG;
	return VMB_CONFIG_BLOCK + size;
}

static const struct key *find_key(const char *record, size_t name_len, int *ret_index)
{
	for (int i = 0; i < N_KEYS; i++)
		if (strlen(keys[i].name) == name_len &&
		    memcmp(keys[i].name, record, name_len) == 0) {
			*ret_index = i;
			return &keys[i];
		}
	return NULL;
}

static int take_value(struct vmb_guest_config *c, const struct key *key, const char *value,
		      size_t seen)
{
	void *member = (char *)c + key->offset;

	if (strlen(value) > VMB_CONFIG_STRING_MAX || !choice_ok(key, value))
		return -EBADMSG;
	switch (key->type) {
	case TEXT:
		*(const char **)member = value;
		return seen ? -EBADMSG : 0;
	case FLAG:
		*(bool *)member = value[0] == '1';
		return seen || (value[0] != '0' && value[0] != '1') || value[1] ? -EBADMSG : 0;
	case LIST:
		if (seen >= key->list_max)
			return -EBADMSG;
		((const char **)member)[seen] = value;
		return 0;
	}
	return -EBADMSG;
}

static int decode_records(const char *p, const char *end, struct vmb_guest_config *c,
			  const char **why)
{
	size_t seen[N_KEYS] = {0};
	int i;

	for (; p < end; p += strlen(p) + 1) {
		const char *eq = strchr(p, '=');
		const struct key *key = eq ? find_key(p, (size_t)(eq - p), &i) : NULL;

		*why = "unknown key";
		if (!key)
			return -EBADMSG;
		*why = key->name;
		if (take_value(c, key, eq + 1, seen[i]) < 0)
			return -EBADMSG;
		seen[i]++;
	}
	for (i = 0; i < N_KEYS; i++) {
		*why = keys[i].name;
		if (!seen[i] && keys[i].type != LIST)
			return -EBADMSG;
	}
	return 0;
}

/* By hand: init has no printf. */
static bool is_crc_record(const char *record, uint32_t crc)
{
	char expected[CRC_RECORD] = "crc32=";

	for (int i = 0; i < 8; i++)
		expected[6 + i] = "0123456789abcdef"[crc >> (28 - 4 * i) & 15];
	return memcmp(record, expected, sizeof(expected)) == 0;
}

/* The bytes behind the two leading records, or NULL; checks both. */
static const char *check_head(const char *file, size_t n, int *ret_error, const char **why)
{
	const size_t version = sizeof(VERSION_RECORD), head = version + CRC_RECORD;

	*ret_error = -EBADMSG;
	*why = "too short, or not ended";
	if (n < head || file[n - 1] != '\0')
		return NULL;
	*why = "no version";
	if (strncmp(file, VERSION_RECORD, version - 2) != 0)
		return NULL;
	*why = "another version";
	*ret_error = -EPROTONOSUPPORT;
	if (memcmp(file, VERSION_RECORD, version) != 0)
		return NULL;
	*why = "damaged: the checksum differs";
	*ret_error = -EBADMSG;
	return is_crc_record(file + version, vmb_crc32(0, file + head, n - head)) ? file + head
										  : NULL;
}

int vmb_config_decode(const uint8_t *bytes, size_t n, struct vmb_guest_config *ret,
		      const char **ret_why)
{
	const char *unused = NULL, **why = ret_why ? ret_why : &unused;
	struct vmb_guest_config config = {0};
	const char *records;
	long length;
	int r;

	*why = "not a config disk";
	length = n < VMB_CONFIG_BLOCK ? -EBADMSG : vmb_config_length(bytes);
	if (length < 0)
		return -EBADMSG;
	*why = "cut short";
	if ((size_t)length > n)
		return -EBADMSG;
	records = check_head((const char *)bytes + VMB_CONFIG_BLOCK,
			     (size_t)length - VMB_CONFIG_BLOCK, &r, why);
	if (!records)
		return r;
	r = decode_records(records, (const char *)bytes + length, &config, why);
	if (r < 0)
		return r;
	*why = "";
	*ret = config;
	return 0;
}
