/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/crc32.h"

#define VERSION_RECORD "vmboot-config=2"
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
	NUMBER_DIGITS_MAX = 18, /* that no number is too large for */
};

const char *const vmb_config_root_fstypes[] = {"squashfs", "erofs", "ext4", NULL};

static const char *const init_modes[] = {
	[VMBOOT_INIT_EXEC] = "exec",
	[VMBOOT_INIT_SYSTEMD] = "systemd",
	[VMBOOT_INIT_PID1] = "pid1",
};
static const char *const on_exits[] = {
	[VMBOOT_ON_EXIT_KEEP] = "keep",
	[VMBOOT_ON_EXIT_POWEROFF] = "poweroff",
};
static const char *const guest_agents[] = {
	[VMBOOT_AGENT_VMBOOT] = "vmboot",
	[VMBOOT_AGENT_IMAGE] = "image",
};

static const struct vmb_config_key keys[] = {
#define AT(member) offsetof(struct vmb_guest_config, member)
#define WORDS(words) sizeof(words) / sizeof((words)[0]), words
	{"hostname", VMB_KEY_TEXT, AT(hostname), 0, NULL},
	{"init_mode", VMB_KEY_CHOICE, AT(init_mode), WORDS(init_modes)},
	{"on_exit", VMB_KEY_CHOICE, AT(on_exit), WORDS(on_exits)},
	{"skip_kernel_headers", VMB_KEY_FLAG, AT(skip_kernel_headers), 0, NULL},
	{"skip_guest_agent", VMB_KEY_FLAG, AT(skip_guest_agent), 0, NULL},
	{"guest_agent", VMB_KEY_CHOICE, AT(guest_agent), WORDS(guest_agents)},
	{"kernel_note", VMB_KEY_TEXT, AT(kernel_note), 0, NULL},
	{"address", VMB_KEY_TEXT, AT(address), 0, NULL},
	{"gateway", VMB_KEY_TEXT, AT(gateway), 0, NULL},
	{"nameserver", VMB_KEY_TEXT, AT(nameserver), 0, NULL},
	{"user", VMB_KEY_TEXT, AT(user), 0, NULL},
	{"workdir", VMB_KEY_TEXT, AT(workdir), 0, NULL},
	{"shm_size", VMB_KEY_TEXT, AT(shm_size), 0, NULL},
	{"restart", VMB_KEY_TEXT, AT(restart), 0, NULL},
	{"read_only", VMB_KEY_FLAG, AT(read_only), 0, NULL},
	{"ttl_ms", VMB_KEY_NUMBER, AT(ttl_ms), 0, NULL},
	{"health_interval_ms", VMB_KEY_NUMBER, AT(health_interval_ms), 0, NULL},
	{"health_timeout_ms", VMB_KEY_NUMBER, AT(health_timeout_ms), 0, NULL},
	{"health_start_period_ms", VMB_KEY_NUMBER, AT(health_start_period_ms), 0, NULL},
	{"health_retries", VMB_KEY_NUMBER, AT(health_retries), 0, NULL},
	{"health_cmd", VMB_KEY_LIST, AT(health_cmd), VMB_CONFIG_LIST_MAX, NULL},
	{"tmpfs", VMB_KEY_LIST, AT(tmpfs), VMB_CONFIG_LIST_MAX, NULL},
	{"sysctl", VMB_KEY_LIST, AT(sysctl), VMB_CONFIG_LIST_MAX, NULL},
	{"ulimit", VMB_KEY_LIST, AT(ulimit), VMB_CONFIG_LIST_MAX, NULL},
	{"args", VMB_KEY_LIST, AT(args), VMB_CONFIG_LIST_MAX, NULL},
	{"env", VMB_KEY_LIST, AT(env), VMB_CONFIG_LIST_MAX, NULL},
	{"disks", VMB_KEY_DISKS, AT(disks), VMB_CONFIG_DISKS_MAX, NULL},
#undef WORDS
#undef AT
};

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

const struct vmb_config_key *vmb_config_keys(size_t *ret_n)
{
	*ret_n = N_KEYS;
	return keys;
}

/* The words of a disk, in the order in which they stand; the point is the rest. */
static const struct disk_word {
	size_t offset, size; /* in struct vmb_config_disk, with the 0 at its end */
} disk_words[] = {
#define WORD(member)                                                                               \
	{                                                                                          \
		offsetof(struct vmb_config_disk, member),                                          \
			sizeof(((struct vmb_config_disk *)NULL)->member)                           \
	}
	WORD(serial),
	WORD(target),
	WORD(fstype),
	WORD(options),
#undef WORD
};

enum { N_DISK_WORDS = sizeof(disk_words) / sizeof(disk_words[0]) };

/* How long the word at p is: up to the first byte that no word has. */
static size_t word_length(const char *p)
{
	size_t n = 0;

	while (p[n] > ' ' && p[n] < 0x7f)
		n++;
	return n;
}

static bool point_ok(const char *point)
{
	return point[0] == '/' || (point[0] && !strchr(point, '/'));
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

static void put_name(struct out *o, const struct vmb_config_key *key)
{
	put(o, key->name, strlen(key->name));
	put(o, "=", 1);
}

static int put_record(struct out *o, const struct vmb_config_key *key, const char *value)
{
	size_t n = strlen(value);

	if (n > VMB_CONFIG_STRING_MAX)
		return -E2BIG;
	put_name(o, key);
	put(o, value, n + 1);
	return 0;
}

static int put_number(struct out *o, const struct vmb_config_key *key, uint64_t value)
{
	char digits[24], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	return put_record(o, key, p);
}

static int put_choice(struct out *o, const struct vmb_config_key *key, unsigned value)
{
	if (value >= key->max || !key->words[value])
		return -EINVAL;
	return put_record(o, key, key->words[value]);
}

static int put_disk(struct out *o, const struct vmb_config_key *key,
		    const struct vmb_config_disk *disk)
{
	if (!disk->point || !point_ok(disk->point))
		return -EINVAL;
	if (strlen(disk->point) > VMB_CONFIG_STRING_MAX)
		return -E2BIG;
	put_name(o, key);
	for (int i = 0; i < N_DISK_WORDS; i++) {
		const char *word = (const char *)disk + disk_words[i].offset;
		size_t n = strnlen(word, disk_words[i].size);

		if (n == 0 || n == disk_words[i].size || word_length(word) != n)
			return -EINVAL;
		put(o, word, n);
		put(o, " ", 1);
	}
	put(o, disk->point, strlen(disk->point) + 1);
	return 0;
}

static int put_key(struct out *o, const struct vmb_guest_config *c,
		   const struct vmb_config_key *key)
{
	const void *member = (const char *)c + key->offset;
	const char *const *list;
	const char *text;
	int r = 0;

	switch (key->type) {
	case VMB_KEY_TEXT:
		text = *(const char *const *)member;
		return put_record(o, key, text ? text : "");
	case VMB_KEY_FLAG:
		return put_record(o, key, *(const bool *)member ? "1" : "0");
	case VMB_KEY_NUMBER:
		return put_number(o, key, *(const uint64_t *)member);
	case VMB_KEY_CHOICE:
		return put_choice(o, key, *(const unsigned *)member);
	case VMB_KEY_LIST:
		list = *(const char *const *const *)member;
		for (size_t i = 0; r == 0 && list && list[i]; i++)
			r = i == key->max ? -E2BIG : put_record(o, key, list[i]);
		return r;
	case VMB_KEY_DISKS:
		if (c->n_disks > key->max)
			return -E2BIG;
		for (size_t i = 0; r == 0 && i < c->n_disks; i++)
			r = put_disk(o, key, &c->disks[i]);
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

static const struct vmb_config_key *find_key(const char *record, size_t name_len, int *ret_index)
{
	for (int i = 0; i < N_KEYS; i++)
		if (strlen(keys[i].name) == name_len &&
		    memcmp(keys[i].name, record, name_len) == 0) {
			*ret_index = i;
			return &keys[i];
		}
	return NULL;
}

static int take_number(uint64_t *member, const char *value)
{
	uint64_t v = 0;

	if (!*value || strlen(value) > NUMBER_DIGITS_MAX)
		return -EBADMSG;
	for (; *value; value++) {
		if (*value < '0' || *value > '9')
			return -EBADMSG;
		v = v * 10 + (uint64_t)(*value - '0');
	}
	*member = v;
	return 0;
}

static int take_choice(unsigned *member, const struct vmb_config_key *key, const char *value)
{
	for (unsigned i = 0; i < key->max; i++)
		if (key->words[i] && strcmp(key->words[i], value) == 0) {
			*member = i;
			return 0;
		}
	return -EBADMSG;
}

static int take_disk(struct vmb_config_disk *disk, const char *value)
{
	for (int i = 0; i < N_DISK_WORDS; i++) {
		size_t n = word_length(value);

		if (n == 0 || n >= disk_words[i].size || value[n] != ' ')
			return -EBADMSG;
		memcpy((char *)disk + disk_words[i].offset, value, n);
		value += n + 1;
	}
	disk->point = value;
	return point_ok(value) ? 0 : -EBADMSG;
}

/* seen: how many records of that key were there before. */
static int take_value(struct vmb_guest_config *c, const struct vmb_config_key *key,
		      const char *value, size_t seen)
{
	const bool many = key->type == VMB_KEY_LIST || key->type == VMB_KEY_DISKS;
	void *member = (char *)c + key->offset;

	if (strlen(value) > VMB_CONFIG_STRING_MAX || seen >= (many ? key->max : 1))
		return -EBADMSG;
	switch (key->type) {
	case VMB_KEY_TEXT:
		*(const char **)member = value;
		return 0;
	case VMB_KEY_FLAG:
		*(bool *)member = value[0] == '1';
		return (value[0] != '0' && value[0] != '1') || value[1] ? -EBADMSG : 0;
	case VMB_KEY_NUMBER:
		return take_number(member, value);
	case VMB_KEY_CHOICE:
		return take_choice(member, key, value);
	case VMB_KEY_LIST:
		(*(const char ***)member)[seen] = value;
		return 0;
	case VMB_KEY_DISKS:
		c->n_disks = seen + 1;
		return take_disk(&c->disks[seen], value);
	}
	return -EBADMSG;
}

/* How many records each key has; -EBADMSG: one is none of ours. */
static int count_records(const char *p, const char *end, size_t counts[N_KEYS], const char **why)
{
	int i;

	*why = "unknown key";
	for (; p < end; p += strlen(p) + 1) {
		const char *eq = strchr(p, '=');

		if (!eq || !find_key(p, (size_t)(eq - p), &i))
			return -EBADMSG;
		counts[i]++;
	}
	return 0;
}

/* One allocation for the pointers of all lists. */
static int make_lists(struct vmb_guest_config *c, const size_t counts[N_KEYS], const char **why)
{
	const char **next;
	size_t n = 0;

	for (int i = 0; i < N_KEYS; i++) {
		*why = keys[i].name;
		if (keys[i].type == VMB_KEY_LIST && counts[i] > keys[i].max)
			return -EBADMSG;
		n += keys[i].type == VMB_KEY_LIST ? counts[i] + 1 : 0;
	}
	*why = "no memory for its lists";
	c->lists = next = calloc(n, sizeof(*next));
	if (!next)
		return -ENOMEM;
	for (int i = 0; i < N_KEYS; i++)
		if (keys[i].type == VMB_KEY_LIST) {
			*(const char ***)(void *)((char *)c + keys[i].offset) = next;
			next += counts[i] + 1;
		}
	return 0;
}

static int decode_records(const char *p, const char *end, struct vmb_guest_config *c,
			  const char **why)
{
	size_t counts[N_KEYS] = {0}, seen[N_KEYS] = {0};
	int i = 0, r = count_records(p, end, counts, why);

	if (r == 0)
		r = make_lists(c, counts, why);
	if (r < 0)
		return r;
	for (; p < end; p += strlen(p) + 1) {
		const char *eq = strchr(p, '=');
		const struct vmb_config_key *key = find_key(p, (size_t)(eq - p), &i);

		*why = key->name;
		if (take_value(c, key, eq + 1, seen[i]) < 0)
			return -EBADMSG;
		seen[i]++;
	}
	for (i = 0; i < N_KEYS; i++) {
		*why = keys[i].name;
		if (!seen[i] && keys[i].type != VMB_KEY_LIST && keys[i].type != VMB_KEY_DISKS)
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
	if (r < 0) {
		vmb_config_done(&config);
		return r;
	}
	*why = "";
	*ret = config;
	return 0;
}

void vmb_config_done(struct vmb_guest_config *config)
{
	free(config->lists);
	*config = (struct vmb_guest_config){0};
}
