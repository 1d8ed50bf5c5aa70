/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Trees as archives: there and back, and archives that no honest guest would send. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/tree.h"
#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/str.h"
#include "test.h"

struct bytes {
	struct vmb_buf buf;
	size_t at, step;
};

static int write_bytes(void *data, const void *bytes, size_t n)
{
	vmb_buf_add(&((struct bytes *)data)->buf, bytes, n);
	return 0;
}

static ssize_t read_bytes(void *data, const void **ret)
{
	struct bytes *b = data;
	size_t n = b->buf.len - b->at;

	if (b->step && n > b->step)
		n = b->step;
	*ret = b->buf.data + b->at;
	b->at += n;
	return (ssize_t)n;
}

static int extract(struct bytes *b, const char *folder, const char *from, const char *name)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY), r;

	CU_ASSERT_FATAL(fd >= 0);
	b->at = 0;
	r = vmb_tree_extract(fd, from, name, read_bytes, b);
	close(fd);
	return r;
}

/* ---- there and back ---- */

static void sh(const char *folder, const char *script)
{
	const char *const argv[] = {"sh", "-ec", test_path("cd '%s'; %s", folder, script), NULL};

	ASSERT_OK(vmb_run(argv, NULL));
}

/* What there is to compare, one line for each file. */
static const char *listing(const char *folder)
{
	const char *const argv[] = {
		"sh", "-ec",
		test_path("cd '%s'; find . -mindepth 1 -printf '%%p %%y %%m %%U %%G %%n %%T@ %%l "
			  "' \\( -type d -printf '\\n' -o -printf '%%s\\n' \\) | sort; "
			  "find . -type f -print0 | sort -z | xargs -0 sha256sum",
			  folder),
		NULL};
	char *out = NULL, *kept;

	ASSERT_OK(vmb_run(argv, &out));
	kept = (char *)(uintptr_t)test_path("%s", out);
	free(out);
	return kept;
}

static void make_tree(const char *folder)
{
	sh(folder,
	   "mkdir -p t/sub/empty; echo one >t/file; printf '' >t/none; chmod 4751 t/file;"
	   "ln t/file t/sub/hard; ln -s ../file t/sub/soft; ln -s /etc/passwd t/out;"
	   "ln -s nowhere/at/all t/dangling; mkfifo t/fifo;"
	   "printf x >\"t/$(printf 'odd\\n\\\\\\377 \\033[1m')\"; printf x >t/-rf; printf x >'t/ä';"
	   "printf start >t/sparse; printf end | dd of=t/sparse bs=1 seek=20000000 2>/dev/null;"
	   "truncate -s 40000000 t/sparse; truncate -s 5000000 t/hole;"
	   "head -c 3000000 /dev/urandom >t/big; chmod 1777 t/sub; chmod 0 t/none;"
	   "touch -d '2001-02-03 04:05:06.123456789' t/sub/hard t/big t/sub/empty;"
	   "touch -h -d '1965-01-01 00:00:00' t/sub/soft; touch -d 1999-01-01 t/sub t;"
	   "x=$(printf %0150d 7); mkdir -p t/$x/$x; echo deep >t/$x/$x/$x");
	if (geteuid() == 0)
		sh(folder, "chown 1234:5678 t/big; chown -h 3000000000:7 t/sub/soft");
}

static void a_tree_there_and_back(void)
{
	const char *from = test_path("%s/from", test_tmpdir());
	const char *to = test_path("%s/to", test_tmpdir());
	struct bytes b = {.step = 10007};
	struct stat st;

	CU_ASSERT_FATAL(mkdir(from, 0700) == 0 && mkdir(to, 0700) == 0);
	make_tree(from);
	ASSERT_OK(vmb_tree_pack(test_path("%s/t", from), "t", write_bytes, &b));
	CU_ASSERT(b.buf.len < 5000000); /* without the holes */
	ASSERT_OK(extract(&b, to, "t", "t"));
	ASSERT_STR(listing(to), listing(from));
	CU_ASSERT(stat(test_path("%s/t/sparse", to), &st) == 0 && st.st_blocks < 2000);
	CU_ASSERT(stat(test_path("%s/t/hole", to), &st) == 0 && st.st_blocks < 100);
	/* once more over itself, and under another name */
	ASSERT_OK(extract(&b, to, "t", "t"));
	ASSERT_STR(listing(to), listing(from));
	ASSERT_OK(extract(&b, to, "t", "new"));
	sh(to, "rm -r t; mv new t");
	ASSERT_STR(listing(to), listing(from));
	vmb_buf_done(&b.buf);
}

static void tar_reads_what_we_write_and_back(void)
{
	const char *from = test_path("%s/from", test_tmpdir());
	const char *to = test_path("%s/to", test_tmpdir());
	const char *file = test_path("%s/a.tar", test_tmpdir());
	struct bytes b = {0};

	CU_ASSERT_FATAL(mkdir(from, 0700) == 0 && mkdir(to, 0700) == 0);
	make_tree(from);
	ASSERT_OK(vmb_tree_pack(test_path("%s/t", from), "t", write_bytes, &b));
	ASSERT_OK(vmb_write_file_atomic(file, b.buf.data, b.buf.len, 0600));
	sh(to, "umask 0; tar --delay-directory-restore --numeric-owner -xpf ../a.tar 2>/dev/null");
	ASSERT_STR(listing(to), listing(from));
	vmb_buf_done(&b.buf);
	sh(from, "tar -c --format=pax --sparse --numeric-owner -f ../a.tar t");
	sh(to, "rm -r t");
	ASSERT_OK(vmb_read_file(file, 1 << 30, &b.buf.data, &b.buf.len));
	ASSERT_OK(extract(&b, to, "t", "t"));
	ASSERT_STR(listing(to), listing(from));
	free(b.buf.data);
}

static int repack(const char *file, struct bytes *b)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), r;

	CU_ASSERT_FATAL(fd >= 0);
	r = vmb_tree_repack(fd, write_bytes, b);
	close(fd);
	return r;
}

/* What tar makes is what we would have made; where it is rooted makes no difference. */
static void an_archive_is_passed_on(void)
{
	static const char *const ways[] = {"--sparse", "-z", "-J -P --transform 's,^t,/t,S'"};
	const char *from = test_path("%s/from", test_tmpdir());
	const char *file = test_path("%s/a.tar", test_tmpdir());
	const char *to = test_path("%s/to", test_tmpdir());
	struct bytes b = {0};

	CU_ASSERT_FATAL(mkdir(from, 0700) == 0);
	make_tree(from);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		CU_ASSERT_FATAL(mkdir(to, 0700) == 0);
		sh(from,
		   test_path("tar -c --format=pax --numeric-owner %s -f ../a.tar t", ways[i]));
		ASSERT_OK(repack(file, &b));
		ASSERT_OK(extract(&b, to, "t", "t"));
		ASSERT_STR(listing(to), listing(from));
		vmb_buf_done(&b.buf);
		b = (struct bytes){0};
		sh(from, "rm -r ../to");
	}
	sh(from, "head -c 3000 ../a.tar >../cut; echo hello >../text; : >../empty");
	CU_ASSERT(repack(test_path("%s/cut", test_tmpdir()), &b) < 0);
	CU_ASSERT(repack(test_path("%s/text", test_tmpdir()), &b) < 0);
	vmb_buf_done(&b.buf);
}

static void contents_go_into_the_folder(void)
{
	const char *from = test_path("%s/from", test_tmpdir());
	const char *to = test_path("%s/to", test_tmpdir());
	struct bytes b = {0};
	struct stat st;

	CU_ASSERT_FATAL(mkdir(from, 0711) == 0 && mkdir(to, 0700) == 0);
	sh(from, "echo 1 >a; mkdir d; echo 2 >d/b");
	ASSERT_OK(vmb_tree_pack(from, ".", write_bytes, &b));
	ASSERT_OK(extract(&b, to, ".", "."));
	ASSERT_STR(test_read(test_path("%s/d/b", to)), "2\n");
	CU_ASSERT(stat(to, &st) == 0 && (st.st_mode & 07777) == 0700);
	vmb_buf_done(&b.buf);
}

static void the_callers_folder_and_umask_stay(void)
{
	const char *to = test_path("%s/to", test_tmpdir());
	char before[4096], after[4096];
	struct bytes b = {0};
	mode_t mask = umask(0027);

	CU_ASSERT_FATAL(mkdir(to, 0700) == 0 && getcwd(before, sizeof(before)));
	sh(to, "echo 1 >x");
	ASSERT_OK(vmb_tree_pack(test_path("%s/x", to), "x", write_bytes, &b));
	ASSERT_OK(extract(&b, to, "x", "y"));
	CU_ASSERT_PTR_NOT_NULL(getcwd(after, sizeof(after)));
	ASSERT_STR(after, before);
	CU_ASSERT_EQUAL(umask(mask), 0027);
	vmb_buf_done(&b.buf);
}

/* ---- hostile ---- */

struct item {
	const char *name;
	unsigned type;
	const char *link; /* symbolic, or hard if type is 0 */
	const char *content;
};

static la_ssize_t keep(struct archive *a, void *data, const void *bytes, size_t n)
{
	(void)a;
	vmb_buf_add(data, bytes, n);
	return (la_ssize_t)n;
}

static void make_archive(struct bytes *b, const struct item *items)
{
	struct archive *a = archive_write_new();

	archive_write_set_format_pax(a);
	archive_write_set_format_option(a, "pax", "hdrcharset", "BINARY");
	archive_write_open(a, &b->buf, NULL, keep, NULL);
	for (; items->name; items++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_copy_pathname(e, items->name);
		archive_entry_set_mode(e, (items->type ? items->type : AE_IFREG) | 0755);
		if (items->type == AE_IFLNK)
			archive_entry_copy_symlink(e, items->link);
		else if (items->link)
			archive_entry_copy_hardlink(e, items->link);
		if (items->type == AE_IFBLK)
			archive_entry_set_rdev(e, makedev(7, 200));
		if (items->content)
			archive_entry_set_size(e, (la_int64_t)strlen(items->content));
		CU_ASSERT_EQUAL(archive_write_header(a, e), ARCHIVE_OK);
		if (items->content)
			archive_write_data(a, items->content, strlen(items->content));
		archive_entry_free(e);
	}
	archive_write_close(a);
	archive_write_free(a);
}

#define DIR_ITEM(name)                                                                             \
	{                                                                                          \
		name, AE_IFDIR, NULL, NULL                                                         \
	}
#define FILE_ITEM(name)                                                                            \
	{                                                                                          \
		name, AE_IFREG, NULL, "evil"                                                       \
	}
#define SYM_ITEM(name, to)                                                                         \
	{                                                                                          \
		name, AE_IFLNK, to, NULL                                                           \
	}
#define HARD_ITEM(name, to)                                                                        \
	{                                                                                          \
		name, 0, to, NULL                                                                  \
	}

static const struct attack {
	const char *words;
	struct item items[5];
} attacks[] = {
	{"leads elsewhere", {DIR_ITEM("t"), FILE_ITEM("t/../../victim")}},
	{"leads elsewhere", {DIR_ITEM("t"), FILE_ITEM("t/../victim")}},
	{"leads elsewhere", {DIR_ITEM("t"), FILE_ITEM("t/.")}},
	{"leads elsewhere", {DIR_ITEM("t"), FILE_ITEM("t//x")}},
	{"not what was asked", {FILE_ITEM("/etc/passwd-of-test")}},
	{"not what was asked", {FILE_ITEM("../victim")}},
	{"not what was asked", {FILE_ITEM("victim")}},
	{"not what was asked", {FILE_ITEM("tt")}},
	{"not what was asked", {DIR_ITEM("t"), FILE_ITEM("other/x")}},
	/* through links */
	{"", {DIR_ITEM("t"), SYM_ITEM("t/l", ".."), FILE_ITEM("t/l/victim")}},
	{"", {SYM_ITEM("t", "."), FILE_ITEM("t/victim")}},
	{"", {SYM_ITEM("t", ".."), FILE_ITEM("t/victim")}},
	{"", {DIR_ITEM("t"), SYM_ITEM("t/a", "b"), SYM_ITEM("t/b", ".."), FILE_ITEM("t/a/victim")}},
	/* hard links to what is outside, and to what a link shows */
	{"not what was asked", {DIR_ITEM("t"), HARD_ITEM("t/h", "/etc/passwd")}},
	{"not what was asked", {DIR_ITEM("t"), HARD_ITEM("t/h", "../victim")}},
	{"leads elsewhere", {DIR_ITEM("t"), HARD_ITEM("t/h", "t/../../victim")}},
	{"", {DIR_ITEM("t"), SYM_ITEM("t/l", ".."), HARD_ITEM("t/h", "t/l/victim")}},
	{"link to itself", {DIR_ITEM("t"), HARD_ITEM("t/h", "t/h")}},
	{"", {DIR_ITEM("t"), HARD_ITEM("t/h", "t")}},
};

/* Whatever is refused or taken, nothing stands or changes outside the target folder. */
static void hostile_names_and_links(void)
{
	const char *top = test_tmpdir();

	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++) {
		const char *outer = test_path("%s/%zu", top, i);
		const char *to = test_path("%s/to", outer);
		const char *victim = test_path("%s/victim", outer);
		struct bytes b = {0};
		int r, n = 0;
		DIR *d;

		CU_ASSERT_FATAL(mkdir(outer, 0700) == 0 && mkdir(to, 0700) == 0);
		test_write(victim, "innocent");
		make_archive(&b, attacks[i].items);
		r = extract(&b, to, "t", "t");
		if (r == 0 || (*attacks[i].words && r != -VMBOOT_EGUEST && i < 17) ||
		    !strstr(vmboot_last_error()->message, attacks[i].words)) {
			printf("attack %zu: %d %s\n", i, r, vmboot_last_error()->message);
			CU_FAIL("an attack was not refused, or not for the right reason");
		}
		ASSERT_STR(test_read(victim), "innocent");
		d = opendir(outer);
		while (d && readdir(d))
			n++;
		closedir(d);
		CU_ASSERT_EQUAL(n, 4); /* with . and .. */
		vmb_buf_done(&b.buf);
	}
}

/* Neither of the host's root, nor of what looks like it in the copy. */
static void a_link_to_the_root_leads_nowhere(void)
{
	const char *outer = test_tmpdir(), *to = test_path("%s/to", outer);
	const char *through = test_path("t/l%s/victim", outer);
	const struct item items[] = {DIR_ITEM("t"), SYM_ITEM("t/l", "/"), FILE_ITEM(through), {0}};
	struct bytes b = {0};

	CU_ASSERT_FATAL(mkdir(to, 0700) == 0);
	make_archive(&b, items);
	CU_ASSERT(extract(&b, to, "t", "t") < 0);
	CU_ASSERT_NOT_EQUAL(access(test_path("%s/victim", outer), F_OK), 0);
	CU_ASSERT_NOT_EQUAL(access(test_path("%s%s/victim", to, outer), F_OK), 0);
	vmb_buf_done(&b.buf);
}

/* One block of an archive: a header, of which only name, size and type count. */
static void add_header(struct bytes *b, const char *name, char type, uint64_t size)
{
	unsigned char block[512] = {0};
	unsigned sum = 0;

	snprintf((char *)block, 100, "%s", name);
	memcpy(block + 100, "0000644", 7);
	memcpy(block + 108, "0000000", 7);
	memcpy(block + 116, "0000000", 7);
	snprintf((char *)block + 124, 12, "%011llo", (unsigned long long)size);
	memcpy(block + 136, "00000000000", 11);
	memset(block + 148, ' ', 8);
	block[156] = (unsigned char)type;
	memcpy(block + 257, "ustar\00000", 8);
	for (int i = 0; i < 512; i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
	vmb_buf_add(&b->buf, block, sizeof(block));
}

/* Four bytes for each part of a file that is all holes: libarchive would keep fifty for each. */
static void a_map_of_holes_that_never_ends(void)
{
	enum { MAP = 32 << 20 };
	static const char records[] =
		"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
		"22 GNU.sparse.name=t\n\n34 GNU.sparse.realsize=99999999999\n";
	const char *to = test_tmpdir();
	struct bytes b = {.step = 65536};
	char block[512] = {0};

	memcpy(block, records, sizeof(records));
	add_header(&b, "x", 'x', strlen(records));
	vmb_buf_add(&b.buf, block, sizeof(block));
	add_header(&b, "t", '0', MAP);
	vmb_buf_str(&b.buf, "8000000\n");
	for (size_t i = 0; i < MAP / 4; i++)
		vmb_buf_str(&b.buf, "0\n0\n");
	ASSERT_ERROR(extract(&b, to, "t", "t"), VMBOOT_EGUEST, "a header of over 8388608 bytes");
	CU_ASSERT(b.at < 10 << 20);
	vmb_buf_done(&b.buf);
}

/* What stands in the target already may be a trap from an earlier copy. */
static void traps_in_the_target(void)
{
	static const struct item items[] = {
		DIR_ITEM("t"), FILE_ITEM("t/f"), DIR_ITEM("t/d"), FILE_ITEM("t/d/victim"), {0}};
	const char *top = test_tmpdir(), *to = test_path("%s/to", top);
	struct bytes b = {0};

	CU_ASSERT_FATAL(mkdir(to, 0700) == 0);
	sh(top, "echo innocent >victim; mkdir to/t; ln -s ../../victim to/t/f; ln -s ../.. to/t/d");
	make_archive(&b, items);
	(void)extract(&b, to, "t", "t"); /* refused or written in its place: both are right */
	ASSERT_STR(test_read(test_path("%s/victim", top)), "innocent\n");
	sh(top, "rm -r to/t; mkdir to/t; ln victim to/t/f");
	(void)extract(&b, to, "t", "t");
	ASSERT_STR(test_read(test_path("%s/victim", top)), "innocent\n");
	ASSERT_STR(test_read(test_path("%s/t/f", to)), "evil");
	vmb_buf_done(&b.buf);
}

static void folders_and_files_do_not_replace_each_other(void)
{
	static const struct item dir[] = {DIR_ITEM("t"), {0}}, file[] = {FILE_ITEM("t"), {0}};
	const char *to = test_tmpdir();
	struct bytes b = {0};

	test_write(test_path("%s/t", to), "kept");
	make_archive(&b, dir);
	ASSERT_ERROR(extract(&b, to, "t", "t"), ENOTDIR, "is a file");
	ASSERT_STR(test_read(test_path("%s/t", to)), "kept");
	vmb_buf_done(&b.buf);
	CU_ASSERT(mkdir(test_path("%s/d", to), 0700) == 0);
	make_archive(&b, file);
	ASSERT_ERROR(extract(&b, to, "t", "d"), EISDIR, "is a folder");
	vmb_buf_done(&b.buf);
}

/* A pipe stands for a device, which only root can make. */
static void devices_are_not_replaced(void)
{
	static const struct item ways[][2] = {{DIR_ITEM("t")},
					      {FILE_ITEM("t")},
					      {SYM_ITEM("t", "elsewhere")},
					      {HARD_ITEM("t", "t/other")}};
	const char *to = test_tmpdir(), *pipe = test_path("%s/t", to);
	struct stat st;

	CU_ASSERT_FATAL(mkfifo(pipe, 0600) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct bytes b = {0};

		make_archive(&b, ways[i]);
		ASSERT_ERROR(extract(&b, to, "t", "t"), EEXIST, "not replaced");
		CU_ASSERT(lstat(pipe, &st) == 0 && S_ISFIFO(st.st_mode));
		vmb_buf_done(&b.buf);
	}
}

static void devices_are_roots(void)
{
	static const struct item items[] = {{"t", AE_IFBLK, NULL, NULL}, {0}};
	struct bytes b = {0};

	if (geteuid() == 0) {
		printf("root may make devices ");
		return;
	}
	make_archive(&b, items);
	ASSERT_ERROR(extract(&b, test_tmpdir(), "t", "t"), EPERM, "device");
	vmb_buf_done(&b.buf);
}

/* Each cut of an archive, each byte of its start changed: an error or a copy, never a crash. */
static void damaged_archives(void)
{
	static const struct item items[] = {
		DIR_ITEM("t"), FILE_ITEM("t/f"), SYM_ITEM("t/l", "f"), {0}};
	const char *to = test_path("%s/to", test_tmpdir());
	struct bytes b = {0};
	size_t whole;

	CU_ASSERT_FATAL(mkdir(to, 0700) == 0);
	make_archive(&b, items);
	whole = b.buf.len;
	for (b.buf.len = 0; b.buf.len < whole - 1024; b.buf.len += 97)
		if (extract(&b, to, "t", "t") == 0 && b.buf.len < 3000) {
			printf("%zu bytes are taken for an archive\n", b.buf.len);
			CU_FAIL("a cut archive was taken");
		}
	b.buf.len = whole;
	for (size_t i = 0; i < whole; i += 7) {
		b.buf.data[i] ^= (char)0x81;
		(void)extract(&b, to, "t", "t");
		b.buf.data[i] ^= (char)0x81;
	}
	vmb_buf_done(&b.buf);
}

/* A size that lies: the header says more than comes. */
static void sizes_that_lie(void)
{
	static const struct item items[] = {FILE_ITEM("t"), {0}};
	struct bytes b = {0};
	unsigned sum = 0;
	uint8_t *h;

	make_archive(&b, items);
	h = (uint8_t *)b.buf.data;
	while (h[156] != '0')
		h += 512; /* over the pax header, to the file's own */
	memcpy(h + 124, "77777777777", 11);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	ASSERT_ERROR(extract(&b, test_tmpdir(), "t", "t"), VMBOOT_EGUEST, "no archive");
	vmb_buf_done(&b.buf);
}

static ssize_t read_nothing(void *data, const void **ret)
{
	(void)data;
	(void)ret;
	return vmb_error(VMBOOT_EENDED, "the guest is gone");
}

static void the_readers_error_is_told(void)
{
	int fd = open(test_tmpdir(), O_RDONLY | O_DIRECTORY);

	ASSERT_ERROR(vmb_tree_extract(fd, "t", "t", read_nothing, NULL), VMBOOT_EENDED,
		     "the guest is gone");
	close(fd);
}

TEST_MAIN("agent-host/tree", {"a tree there and back", a_tree_there_and_back},
	  {"tar reads what we write, and back", tar_reads_what_we_write_and_back},
	  {"an archive is passed on", an_archive_is_passed_on},
	  {"contents go into the folder", contents_go_into_the_folder},
	  {"the caller's folder and umask stay", the_callers_folder_and_umask_stay},
	  {"hostile names and links", hostile_names_and_links},
	  {"a link to the root leads nowhere", a_link_to_the_root_leads_nowhere},
	  {"a map of holes that never ends", a_map_of_holes_that_never_ends},
	  {"traps in the target", traps_in_the_target},
	  {"folders and files do not replace each other",
	   folders_and_files_do_not_replace_each_other},
	  {"devices are not replaced", devices_are_not_replaced},
	  {"devices are root's", devices_are_roots}, {"damaged archives", damaged_archives},
	  {"sizes that lie", sizes_that_lie},
	  {"the reader's error is told", the_readers_error_is_told})
