/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/config.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "test.h"
#include "wire/crc32.h"

static struct vmb_guest_config sample(void)
{
	return (struct vmb_guest_config){
		.hostname = "web",
		.init_mode = VMBOOT_INIT_SYSTEMD,
		.on_exit = VMBOOT_ON_EXIT_POWEROFF,
		.kernel_note = "modules only",
		.skip_kernel_headers = true,
		.skip_guest_agent = false,
		.guest_agent = VMBOOT_AGENT_IMAGE,
		.address = "10.0.2.15/24",
		.gateway = "10.0.2.2",
		.nameserver = "10.0.2.3",
		.user = "node:1000",
		.workdir = "/srv/app",
		.shm_size = "64m",
		.restart = "always",
		.read_only = true,
		.ttl_ms = 999999999999999999,
		.health_interval_ms = 30000,
		.health_cmd = TEST_LIST("true", "x"),
		.tmpfs = TEST_LIST("/x:size=1m"),
		.sysctl = TEST_LIST("a=b", "c=d"),
		.ulimit = TEST_LIST("core=0"),
		.args = TEST_LIST("node", "app.js", "", "a=b", "two\nlines"),
		.env = TEST_LIST("PATH=/usr/bin:/bin", "EMPTY=", "X=\xff\x01"),
		.disks = {{"vmboot-root", "vda", "squashfs", "ro", "lower"},
			  {"vmboot-config", "vdc", "none", "ro", "none"},
			  {"serial-of-20-bytes-x", "vdaa", "ext4", "rw,a=b", "/a path, so\n"}},
		.n_disks = 3,
	};
}

static bool same_list(const char *const *a, const char *const *b)
{
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return !*a && !*b;
}

static bool same_disks(const struct vmb_guest_config *a, const struct vmb_guest_config *b)
{
	for (size_t i = 0; a->n_disks == b->n_disks && i < a->n_disks; i++) {
		const struct vmb_config_disk *x = &a->disks[i], *y = &b->disks[i];

		if (strcmp(x->serial, y->serial) != 0 || strcmp(x->target, y->target) != 0 ||
		    strcmp(x->fstype, y->fstype) != 0 || strcmp(x->options, y->options) != 0 ||
		    strcmp(x->point, y->point) != 0)
			return false;
	}
	return a->n_disks == b->n_disks;
}

static bool same(const struct vmb_guest_config *a, const struct vmb_guest_config *b)
{
	return strcmp(a->hostname, b->hostname) == 0 && a->init_mode == b->init_mode &&
	       a->on_exit == b->on_exit && strcmp(a->kernel_note, b->kernel_note) == 0 &&
	       a->skip_kernel_headers == b->skip_kernel_headers &&
	       a->skip_guest_agent == b->skip_guest_agent && a->guest_agent == b->guest_agent &&
	       strcmp(a->address, b->address) == 0 && strcmp(a->gateway, b->gateway) == 0 &&
	       strcmp(a->nameserver, b->nameserver) == 0 && strcmp(a->user, b->user) == 0 &&
	       strcmp(a->workdir, b->workdir) == 0 && same_list(a->args, b->args) &&
	       strcmp(a->shm_size, b->shm_size) == 0 && a->read_only == b->read_only &&
	       a->ttl_ms == b->ttl_ms && same_list(a->tmpfs, b->tmpfs) &&
	       same_list(a->health_cmd, b->health_cmd) && same_list(a->sysctl, b->sysctl) &&
	       same_list(a->ulimit, b->ulimit) && same_list(a->env, b->env) && same_disks(a, b);
}

/* Freed by the caller; exactly as long as it must be, so that sanitizers see an overrun. */
static uint8_t *encoded(const struct vmb_guest_config *c, size_t *ret_n)
{
	long n = vmb_config_encode(c, NULL, 0);
	uint8_t *disk;

	CU_ASSERT_FATAL(n > 0);
	disk = malloc((size_t)n);
	CU_ASSERT_EQUAL_FATAL(vmb_config_encode(c, disk, (size_t)n), n);
	*ret_n = (size_t)n;
	return disk;
}

static void decodes_what_it_encodes(void)
{
	struct vmb_guest_config c = sample(), back;
	const char *why = NULL;
	_cleanup_free_ uint8_t *disk = NULL;
	size_t n;

	disk = encoded(&c, &n);
	CU_ASSERT_EQUAL(n, VMB_CONFIG_PAD);
	CU_ASSERT_EQUAL_FATAL(vmb_config_decode(disk, n, &back, &why), 0);
	CU_ASSERT(same(&c, &back));
	ASSERT_STR(why, "");
	CU_ASSERT(!back.skip_guest_agent);
	CU_ASSERT(back.skip_kernel_headers);
	vmb_config_done(&back);
	CU_ASSERT_EQUAL(vmb_config_decode(disk, n, &back, NULL), 0);
	vmb_config_done(&back);
}

static void tar_shows_it(void)
{
	const char *path = test_path("%s/config.img", test_tmpdir());
	_cleanup_free_ char *list = NULL, *text = NULL;
	struct vmb_guest_config c = sample();
	_cleanup_free_ uint8_t *disk = NULL;
	size_t n;

	disk = encoded(&c, &n);
	ASSERT_OK(vmb_write_file_atomic(path, disk, n, 0600));
	ASSERT_OK(vmb_run((const char *const[]){"tar", "-tvf", path, NULL}, &list));
	CU_ASSERT_PTR_NOT_NULL(strstr(list, "-rw------- 0/0"));
	CU_ASSERT(vmb_ends_with(list, " vmboot.conf\n"));
	ASSERT_OK(vmb_run((const char *const[]){"sh", "-c", "tar -xO -f \"$0\" | tr '\\0' '\\n'",
						path, NULL},
			  &text));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "vmboot-config=2\ncrc32="));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nskip_kernel_headers=1\nskip_guest_agent=0\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "\nargs=node\nargs=app.js\nargs=\nargs=a=b\n"));
}

/* What the disk has behind the archive is not read. */
static void every_truncation_is_refused_or_harmless(void)
{
	struct vmb_guest_config c = sample(), back;
	_cleanup_free_ uint8_t *disk = NULL;
	size_t n, length;

	disk = encoded(&c, &n);
	length = (size_t)vmb_config_length(disk);
	for (size_t cut = 0; cut <= n; cut++) {
		_cleanup_free_ uint8_t *copy = malloc(cut ? cut : 1);
		int r;

		memcpy(copy, disk, cut);
		r = vmb_config_decode(copy, cut, &back, NULL);
		CU_ASSERT_EQUAL(r, cut < length ? -EBADMSG : 0);
		if (r == 0) {
			CU_ASSERT(same(&c, &back));
			vmb_config_done(&back);
		}
	}
}

static void every_single_bit_flip_is_refused_or_harmless(void)
{
	struct vmb_guest_config c = sample(), back;
	_cleanup_free_ uint8_t *disk = NULL;
	size_t n, length, harmless = 0;
	int r;

	disk = encoded(&c, &n);
	length = (size_t)vmb_config_length(disk);
	for (size_t bit = 0; bit < 8 * n; bit++) {
		disk[bit / 8] ^= (uint8_t)(1 << bit % 8);
		r = vmb_config_decode(disk, n, &back, NULL);
		CU_ASSERT(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
		CU_ASSERT(r != 0 || same(&c, &back));
		if (r == 0)
			vmb_config_done(&back);
		harmless += r == 0 && bit / 8 < length;
		disk[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* the two bytes that end the header's checksum */
	CU_ASSERT_EQUAL(harmless, 16);
}

/* A disk of records of the test's own, with right checksums; freed by the caller. */
static uint8_t *disk_of(const char *version, const char *records, size_t n, size_t *ret_n)
{
	struct vmb_guest_config c = sample();
	uint8_t *disk = encoded(&c, ret_n);
	char *file = (char *)disk + VMB_CONFIG_BLOCK, *header = (char *)disk;
	size_t head = strlen(version) + 1 + sizeof("crc32=01234567");
	unsigned sum = 0;

	CU_ASSERT_FATAL(head + n < VMB_CONFIG_PAD - VMB_CONFIG_BLOCK);
	strcpy(file, version);
	sprintf(file + strlen(version) + 1, "crc32=%08x", (unsigned)vmb_crc32(0, records, n));
	memcpy(file + head, records, n);
	sprintf(header + 124, "%011zo", head + n);
	memset(header + 148, ' ', 8);
	for (int i = 0; i < VMB_CONFIG_BLOCK; i++)
		sum += disk[i];
	sprintf(header + 148, "%06o", sum);
	return disk;
}

#define REST                                                                                       \
	"hostname=h\0on_exit=keep\0kernel_note=\0"                                                 \
	"skip_kernel_headers=0\0skip_guest_agent=1\0guest_agent=vmboot\0address=\0gateway=\0"      \
	"nameserver=\0user=\0workdir=/\0shm_size=\0restart=\0read_only=0\0ttl_ms=0\0"              \
	"health_interval_ms=0\0health_timeout_ms=0\0health_start_period_ms=0\0health_retries=0\0"
#define ALL "init_mode=exec\0" REST

static void records_that_are_wrong(void)
{
#define ROW(text, result, why)                                                                     \
	{                                                                                          \
		text, sizeof(text) - 1, result, why                                                \
	}
	static const struct {
		const char *text;
		size_t n;
		int result;
		const char *why;
	} rows[] = {
		ROW(ALL, 0, ""),
		ROW(ALL "args=\0env=\0", 0, ""),
		ROW(REST, -EBADMSG, "init_mode"),
		ROW(ALL "init_mode=exec\0", -EBADMSG, "init_mode"),
		ROW(ALL "skip_guest_agent=1\0", -EBADMSG, "skip_guest_agent"),
		ROW(ALL "nonsense=1\0", -EBADMSG, "unknown key"),
		ROW(ALL "args\0", -EBADMSG, "unknown key"),
		ROW(ALL "args", -EBADMSG, "too short, or not ended"),
		ROW(ALL "\0", -EBADMSG, "unknown key"),
		ROW(ALL "=x\0", -EBADMSG, "unknown key"),
		ROW(ALL "argss=x\0", -EBADMSG, "unknown key"),
		ROW(ALL "arg=x\0", -EBADMSG, "unknown key"),
		ROW(ALL "Args=x\0", -EBADMSG, "unknown key"),
		ROW("init_mode=shell\0" REST, -EBADMSG, "init_mode"),
		ROW("init_mode=\0" REST, -EBADMSG, "init_mode"),
		ROW("init_mode=auto\0" REST, -EBADMSG, "init_mode"),
		ROW("", -EBADMSG, "hostname"),
		ROW("hostname=h\0root_fstype=ext4\0", -EBADMSG, "unknown key"),
		ROW("skip_guest_agent=\0", -EBADMSG, "skip_guest_agent"),
		ROW("ttl_ms=\0", -EBADMSG, "ttl_ms"),
		ROW("ttl_ms=-1\0", -EBADMSG, "ttl_ms"),
		ROW("ttl_ms=1000000000000000000\0", -EBADMSG, "ttl_ms"),
		ROW("skip_guest_agent=2\0", -EBADMSG, "skip_guest_agent"),
		ROW("skip_guest_agent=10\0", -EBADMSG, "skip_guest_agent"),
		ROW("skip_guest_agent=true\0", -EBADMSG, "skip_guest_agent"),
		ROW("guest_agent=qemu\0", -EBADMSG, "guest_agent"),
		ROW("on_exit=reboot\0", -EBADMSG, "on_exit"),
		ROW(ALL "disks=s vda ext4 rw /a b\0disks=t vdb none ro none\0", 0, ""),
		ROW(ALL "disks=\0", -EBADMSG, "disks"),
		ROW(ALL "disks=s vda ext4 rw\0", -EBADMSG, "disks"),
		ROW(ALL "disks=s vda ext4 rw \0", -EBADMSG, "disks"),
		ROW(ALL "disks=s vda ext4 rw a/b\0", -EBADMSG, "disks"),
		ROW(ALL "disks=s  vda ext4 rw /\0", -EBADMSG, "disks"),
		ROW(ALL "disks=s vda\text4 rw /\0", -EBADMSG, "disks"),
		ROW(ALL "disks=s vda ext\xe9 rw /\0", -EBADMSG, "disks"),
		ROW(ALL "disks=12345678901234567890 v x r /\0", 0, ""),
		ROW(ALL "disks=123456789012345678901 v x r /\0", -EBADMSG, "disks"),
	};
	const char *why;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ uint8_t *disk =
			disk_of("vmboot-config=2", rows[i].text, rows[i].n, &n);
		struct vmb_guest_config c;

		why = "nothing";
		CU_ASSERT_EQUAL(vmb_config_decode(disk, n, &c, &why), rows[i].result);
		ASSERT_STR(why, rows[i].why);
		if (rows[i].result == 0)
			vmb_config_done(&c);
	}
#undef ROW
}

static void another_version_is_told_from_damage(void)
{
	static const struct {
		const char *version;
		int result;
		const char *why;
	} rows[] = {
		{"vmboot-config=1", -EPROTONOSUPPORT, "another version"},
		{"vmboot-config=20", -EPROTONOSUPPORT, "another version"},
		{"vmboot-config=", -EPROTONOSUPPORT, "another version"},
		{"vmboot-conf=1", -EBADMSG, "no version"},
		{"hostname=1", -EBADMSG, "no version"},
	};
	const char *why;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ uint8_t *disk = disk_of(rows[i].version, ALL, sizeof(ALL) - 1, &n);
		struct vmb_guest_config c;

		CU_ASSERT_EQUAL(vmb_config_decode(disk, n, &c, &why), rows[i].result);
		ASSERT_STR(why, rows[i].why);
	}
}

static void a_refused_disk_changes_nothing(void)
{
	struct vmb_guest_config c = sample(), before = sample();
	_cleanup_free_ uint8_t *disk = NULL;
	size_t n;

	disk = disk_of("vmboot-config=2", ALL "nonsense=\0", sizeof(ALL "nonsense=\0") - 1, &n);
	CU_ASSERT_EQUAL(vmb_config_decode(disk, n, &c, NULL), -EBADMSG);
	CU_ASSERT(same(&c, &before));
}

static void what_is_no_config_disk(void)
{
	uint8_t zeros[VMB_CONFIG_PAD] = {0}, ones[VMB_CONFIG_PAD];
	struct vmb_guest_config c;
	const char *why;

	memset(ones, 0xff, sizeof(ones));
	CU_ASSERT_EQUAL(vmb_config_decode(zeros, sizeof(zeros), &c, &why), -EBADMSG);
	ASSERT_STR(why, "not a config disk");
	CU_ASSERT_EQUAL(vmb_config_decode(ones, sizeof(ones), &c, &why), -EBADMSG);
	CU_ASSERT_EQUAL(vmb_config_decode(NULL, 0, &c, &why), -EBADMSG);
	CU_ASSERT_EQUAL(vmb_config_length(zeros), -EBADMSG);
}

/* A real archive, by tar, that is not ours. */
static void another_archive_is_refused(void)
{
	const char *dir = test_tmpdir();
	_cleanup_free_ char *bytes = NULL;
	struct vmb_guest_config c;
	const char *why;
	size_t n;

	test_write(test_path("%s/other", dir), "x");
	test_write(test_path("%s/vmboot.conf", dir), "x");
	ASSERT_OK(vmb_run((const char *const[]){"tar", "-C", dir, "--format=ustar", "-cf",
						test_path("%s/t.tar", dir), "other", NULL},
			  NULL));
	ASSERT_OK(vmb_read_file(test_path("%s/t.tar", dir), 1 << 20, &bytes, &n));
	CU_ASSERT_EQUAL(vmb_config_decode((uint8_t *)bytes, n, &c, &why), -EBADMSG);
	ASSERT_STR(why, "not a config disk");
	free(TAKE_PTR(bytes));
	ASSERT_OK(vmb_run((const char *const[]){"tar", "-C", dir, "--format=ustar", "-cf",
						test_path("%s/t.tar", dir), "vmboot.conf", NULL},
			  NULL));
	ASSERT_OK(vmb_read_file(test_path("%s/t.tar", dir), 1 << 20, &bytes, &n));
	CU_ASSERT_EQUAL(vmb_config_decode((uint8_t *)bytes, n, &c, &why), -EBADMSG);
	ASSERT_STR(why, "too short, or not ended");
}

static void values_that_cannot_be_are_not_encoded(void)
{
	struct vmb_guest_config c = sample();

	c.init_mode = VMBOOT_INIT_AUTO;
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -EINVAL);
	c.init_mode = 99;
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -EINVAL);
	c = sample();
	c.disks[1].fstype[0] = '\0';
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -EINVAL);
	c = sample();
	strcpy(c.disks[1].options, "two words");
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -EINVAL);
	c = sample();
	memset(c.disks[1].serial, 'x', sizeof(c.disks[1].serial));
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -EINVAL);
	c = sample();
	c.disks[1].point = "a/b";
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -EINVAL);
	c.disks[1].point = NULL;
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -EINVAL);
	c = sample();
	c.n_disks = VMB_CONFIG_DISKS_MAX + 1;
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -E2BIG);
}

static void a_text_that_is_null_is_empty(void)
{
	struct vmb_guest_config c = sample(), back;
	_cleanup_free_ uint8_t *disk = NULL;
	size_t n;

	c.user = NULL;
	disk = encoded(&c, &n);
	CU_ASSERT_EQUAL_FATAL(vmb_config_decode(disk, n, &back, NULL), 0);
	ASSERT_STR(back.user, "");
	vmb_config_done(&back);
}

/* n times the entry; freed when the test ends */
static const char **list_of(const char *entry, size_t n)
{
	const char **list = test_alloc((n + 1) * sizeof(*list));

	for (size_t i = 0; i < n; i++)
		list[i] = entry;
	return list;
}

static void a_list_has_at_most_its_maximum(void)
{
	struct vmb_guest_config c = sample(), back;
	_cleanup_free_ uint8_t *disk = NULL;
	size_t n;

	c.args = list_of("", VMB_CONFIG_LIST_MAX);
	disk = encoded(&c, &n);
	CU_ASSERT_EQUAL_FATAL(vmb_config_decode(disk, n, &back, NULL), 0);
	CU_ASSERT(same(&c, &back));
	vmb_config_done(&back);
	c.args = list_of("", VMB_CONFIG_LIST_MAX + 1);
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -E2BIG);
}

static void lists_may_be_mixed_and_empty(void)
{
	static const char records[] = ALL "env=A=1\0args=a\0env=B=2\0args=b\0";
	struct vmb_guest_config c;
	_cleanup_free_ uint8_t *disk = NULL;
	size_t n;

	disk = disk_of("vmboot-config=2", records, sizeof(records) - 1, &n);
	CU_ASSERT_EQUAL_FATAL(vmb_config_decode(disk, n, &c, NULL), 0);
	CU_ASSERT(same_list(c.args, TEST_LIST("a", "b")));
	CU_ASSERT(same_list(c.env, TEST_LIST("A=1", "B=2")));
	vmb_config_done(&c);
	free(disk);
	disk = disk_of("vmboot-config=2", ALL, sizeof(ALL) - 1, &n);
	CU_ASSERT_EQUAL_FATAL(vmb_config_decode(disk, n, &c, NULL), 0);
	CU_ASSERT(!c.args[0] && !c.env[0]);
	vmb_config_done(&c);
}

static void a_string_has_at_most_its_maximum(void)
{
	_cleanup_free_ char *s = malloc(VMB_CONFIG_STRING_MAX + 2);
	struct vmb_guest_config c = sample(), back;
	_cleanup_free_ uint8_t *disk = NULL;
	size_t n;

	memset(s, 's', VMB_CONFIG_STRING_MAX + 1);
	s[VMB_CONFIG_STRING_MAX] = '\0';
	c.args = TEST_LIST(s);
	disk = encoded(&c, &n);
	CU_ASSERT_EQUAL_FATAL(vmb_config_decode(disk, n, &back, NULL), 0);
	CU_ASSERT(same(&c, &back));
	vmb_config_done(&back);
	s[VMB_CONFIG_STRING_MAX] = 's';
	s[VMB_CONFIG_STRING_MAX + 1] = '\0';
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -E2BIG);
}

/* Long strings and one that fills the rest to the last byte. */
static void the_whole_has_at_most_its_maximum(void)
{
	_cleanup_free_ char *s = calloc(1, VMB_CONFIG_STRING_MAX + 1);
	_cleanup_free_ char *last = calloc(1, VMB_CONFIG_STRING_MAX + 1);
	struct vmb_guest_config c = sample(), back;
	_cleanup_free_ uint8_t *disk = NULL;
	const char **list;
	size_t n, file, fill;

	memset(s, 's', VMB_CONFIG_STRING_MAX);
	list = list_of(s, 17);
	list[16] = last;
	c.args = list;
	disk = encoded(&c, &n);
	file = (size_t)vmb_config_length(disk) - VMB_CONFIG_BLOCK;
	free(TAKE_PTR(disk));
	fill = VMB_CONFIG_SIZE_MAX - file;
	CU_ASSERT_FATAL(fill > 0 && fill < VMB_CONFIG_STRING_MAX);
	memset(last, 'l', fill);
	disk = encoded(&c, &n);
	CU_ASSERT_EQUAL(vmb_config_length(disk), VMB_CONFIG_BLOCK + VMB_CONFIG_SIZE_MAX);
	CU_ASSERT_EQUAL_FATAL(vmb_config_decode(disk, n, &back, NULL), 0);
	CU_ASSERT(same(&c, &back));
	vmb_config_done(&back);
	last[fill] = 'l';
	CU_ASSERT_EQUAL(vmb_config_encode(&c, NULL, 0), -E2BIG);
}

static void too_small_a_buffer_is_not_touched(void)
{
	struct vmb_guest_config c = sample();
	uint8_t small[VMB_CONFIG_PAD - 1];
	size_t changed = 0;

	memset(small, 0xaa, sizeof(small));
	CU_ASSERT_EQUAL(vmb_config_encode(&c, small, sizeof(small)), VMB_CONFIG_PAD);
	for (size_t i = 0; i < sizeof(small); i++)
		changed += small[i] != 0xaa;
	CU_ASSERT_EQUAL(changed, 0);
}

static void the_same_config_gives_the_same_bytes(void)
{
	struct vmb_guest_config c = sample();
	_cleanup_free_ uint8_t *a = NULL, *b = NULL;
	size_t n, m;

	a = encoded(&c, &n);
	b = encoded(&c, &m);
	CU_ASSERT_FATAL(n == m);
	CU_ASSERT_EQUAL(memcmp(a, b, n), 0);
}

TEST_MAIN("wire/config", {"decodes what it encodes", decodes_what_it_encodes},
	  {"tar shows it", tar_shows_it},
	  {"every truncation is refused or harmless", every_truncation_is_refused_or_harmless},
	  {"every single bit flip is refused or harmless",
	   every_single_bit_flip_is_refused_or_harmless},
	  {"records that are wrong", records_that_are_wrong},
	  {"another version is told from damage", another_version_is_told_from_damage},
	  {"a refused disk changes nothing", a_refused_disk_changes_nothing},
	  {"what is no config disk", what_is_no_config_disk},
	  {"another archive is refused", another_archive_is_refused},
	  {"values that cannot be are not encoded", values_that_cannot_be_are_not_encoded},
	  {"a text that is NULL is empty", a_text_that_is_null_is_empty},
	  {"a list has at most its maximum", a_list_has_at_most_its_maximum},
	  {"lists may be mixed and empty", lists_may_be_mixed_and_empty},
	  {"a string has at most its maximum", a_string_has_at_most_its_maximum},
	  {"the whole has at most its maximum", the_whole_has_at_most_its_maximum},
	  {"too small a buffer is not touched", too_small_a_buffer_is_not_touched},
	  {"the same config gives the same bytes", the_same_config_gives_the_same_bytes})
