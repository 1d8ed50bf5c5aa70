/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the agent archives, libarchive and GNU tar extract; what they archive, the agent extracts;
 * and what a hostile archive says leads nowhere.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/process.h"
#include "tar.h"
#include "test.h"

/* ---- the two programs, as a child with files for standard input, output and errors ---- */

static const char *errors; /* of the last one */

static int run(int (*program)(const char *path, int fd), const char *path, const char *archive,
	       bool writes)
{
	const char *err = test_path("%s/errors", test_tmpdir());
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		int fd = open(archive, writes ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY, 0600);
		int fd2 = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		_exit(fd < 0 || fd2 < 0 || dup2(fd2, 2) < 0 ? 9 : program(path, fd));
	}
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_FATAL(WIFEXITED(status));
	errors = test_read(err);
	return WEXITSTATUS(status);
}

static const char *out(const char *path)
{
	const char *archive = test_path("%s/archive.tar", test_tmpdir());
	int r = run(agent_tar_out, path, archive, true);

	if (r)
		fprintf(stderr, "%s\n", errors);
	CU_ASSERT_EQUAL(r, 0);
	ASSERT_STR(errors, "");
	return archive;
}

static void in(const char *archive, const char *folder)
{
	int r = run(agent_tar_in, folder, archive, false);

	if (r)
		fprintf(stderr, "%s\n", errors);
	CU_ASSERT_EQUAL(r, 0);
}

/* valgrind 3.19 does not know openat2(2), without which nothing is extracted. */
static bool can_extract(void)
{
	return !getenv("TEST_VALGRIND");
}

static const char *folder(const char *name)
{
	const char *path = test_path("%s/%s", test_tmpdir(), name);

	CU_ASSERT_EQUAL_FATAL(mkdir(path, 0755), 0);
	return path;
}

static int sh(const char *script)
{
	const char *const argv[] = {"sh", "-ec", script, NULL};

	return vmb_run(argv, NULL);
}

/* ---- a tree with all there is ---- */

static void make_tree(const char *top)
{
	const char *script = test_path(
		"cd '%s'; umask 022; mkdir -p d/e empty; echo hello >d/f; ln d/f hard; ln d/f "
		"d/e/hard2;"
		"ln -s ../d/f d/link; ln -s /nowhere dangling; mkfifo d/fifo; : >nothing;"
		"n=$(printf '%%0200d' 0); mkdir $n; echo x >$n/$n; ln -s $n/$n longlink;"
		"ln $n/$n longhard; printf y >\"$(printf 'odd\\n \\377\\001name')\";"
		"truncate -s 10M hole; printf end | dd of=hole bs=1 seek=5000000 conv=notrunc "
		"status=none; truncate -s 3M allhole; dd if=/dev/urandom of=data bs=100000 count=3 "
		"status=none; head -c 4096 data >startdata; truncate -s 8M startdata;"
		"chmod 4751 d/f; chmod 0500 d/e; chmod 1777 empty; touch -d @1.000000005 nothing;"
		"touch -d '1965-03-04 01:02:03' data; touch -hd @1234567.125 dangling;"
		"touch -d @99.5 d",
		top);

	ASSERT_OK(sh(script));
	if (geteuid() == 0)
		ASSERT_OK(sh(test_path("cd '%s'; chown 12345:3000000 data; chown -h 7:8 dangling",
				       top)));
}

/* Everything that find and sha256sum see, and where the holes are roughly. */
static const char *list(const char *top)
{
	const char *file = test_path("%s/list", test_tmpdir());

	ASSERT_OK(sh(test_path("cd '%s'; { find . -mindepth 1 -printf '%%P|%%y|%%m|%%U:%%G|%%T@|"
			       "%%n|%%l\\n' | sed 's/0\\{10,\\}/0../g'; find . -type f -printf "
			       "'%%p %%s\\n'; find . -type f -exec sha256sum {} +; } | sort >'%s'",
			       top, file)));
	return test_read(file);
}

static int64_t blocks(const char *path)
{
	struct stat st;

	CU_ASSERT_EQUAL(stat(path, &st), 0);
	return st.st_blocks * 512;
}

static void same_holes(const char *a, const char *b)
{
	static const char *const files[] = {"hole", "allhole", "startdata"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		CU_ASSERT(blocks(test_path("%s/%s", b, files[i])) <=
			  blocks(test_path("%s/%s", a, files[i])) + 65536);
}

static void round_trip(void)
{
	const char *top = folder("top"), *copy = folder("copy");

	if (!can_extract())
		return;
	make_tree(top);
	/* tools disagree on what such a time is, so only here */
	ASSERT_OK(sh(test_path("touch -d '1965-03-04 01:02:03.25' '%s/nothing'", top)));
	in(out(top), copy);
	ASSERT_STR(list(test_path("%s/top", copy)), list(top));
	same_holes(top, test_path("%s/top", copy));
	/* over what is there already, where one may write */
	ASSERT_OK(sh(test_path("chmod u+w '%s/top/d/e'", copy)));
	in(out(top), copy);
	ASSERT_STR(list(test_path("%s/top", copy)), list(top));
}

static void gnu_tar_reads(void)
{
	const char *top = folder("top"), *copy = folder("copy");

	make_tree(top);
	ASSERT_OK(sh(test_path("tar -xpf '%s' -C '%s' --numeric-owner --delay-directory-restore",
			       out(top), copy)));
	ASSERT_STR(list(test_path("%s/top", copy)), list(top));
	same_holes(top, test_path("%s/top", copy));
}

static void gnu_tar_writes(void)
{
	const char *top = folder("top"), *copy = folder("copy");
	const char *archive = test_path("%s/gnu.tar", test_tmpdir());

	if (!can_extract())
		return;
	make_tree(top);
	ASSERT_OK(sh(test_path("tar -C '%s' --format=pax --sparse --sparse-version=1.0 "
			       "--numeric-owner -cf '%s' top",
			       test_tmpdir(), archive)));
	in(archive, copy);
	ASSERT_STR(list(test_path("%s/top", copy)), list(top));
	same_holes(top, test_path("%s/top", copy));
}

static void libarchive_reads(void)
{
	const char *top = folder("top"), *copy = folder("copy"), *archive;
	struct archive *a = archive_read_new(), *disk = archive_write_disk_new();
	struct archive_entry *e;
	int r;

	make_tree(top);
	archive = out(top);
	CU_ASSERT_EQUAL_FATAL(chdir(copy), 0);
	archive_read_support_format_tar(a);
	archive_write_disk_set_options(disk, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
						     ARCHIVE_EXTRACT_TIME);
	CU_ASSERT_EQUAL_FATAL(archive_read_open_filename(a, archive, 10240), ARCHIVE_OK);
	while ((r = archive_read_next_header(a, &e)) == ARCHIVE_OK) {
		r = archive_read_extract2(a, e, disk);
		if (r != ARCHIVE_OK)
			fprintf(stderr, "%s: %s\n", archive_entry_pathname(e),
				archive_error_string(a));
		CU_ASSERT_EQUAL(r, ARCHIVE_OK);
	}
	CU_ASSERT_EQUAL(r, ARCHIVE_EOF);
	archive_write_free(disk);
	archive_read_free(a);
	CU_ASSERT_EQUAL(chdir("/"), 0);
	ASSERT_STR(list(test_path("%s/top", copy)), list(top));
	same_holes(top, test_path("%s/top", copy));
}

static void write_disk(struct archive *a, const char *top)
{
	struct archive *disk = archive_read_disk_new();
	struct archive_entry *e = archive_entry_new();
	struct archive_entry_linkresolver *links = archive_entry_linkresolver_new();
	char bytes[65536];

	archive_entry_linkresolver_set_strategy(links, archive_format(a));
	archive_read_disk_set_behavior(disk, ARCHIVE_READDISK_NO_TRAVERSE_MOUNTS);
	CU_ASSERT_EQUAL_FATAL(archive_read_disk_open(disk, top), ARCHIVE_OK);
	while (archive_read_next_header2(disk, e) == ARCHIVE_OK) {
		struct archive_entry *spare = NULL;
		const void *block;
		size_t n;
		int64_t at, done = 0;

		archive_read_disk_descend(disk);
		archive_entry_linkify(links, &e, &spare);
		CU_ASSERT(archive_write_header(a, e) >= ARCHIVE_WARN);
		memset(bytes, 0, sizeof(bytes));
		while (archive_entry_size(e) > 0 &&
		       archive_read_data_block(disk, &block, &n, &at) == ARCHIVE_OK) {
			while (done < at) {
				size_t gap = (size_t)(at - done);

				gap = gap < sizeof(bytes) ? gap : sizeof(bytes);
				CU_ASSERT(archive_write_data(a, bytes, gap) >= 0);
				done += (int64_t)gap;
			}
			CU_ASSERT(archive_write_data(a, block, n) >= 0);
			done += (int64_t)n;
		}
		if (!e)
			e = archive_entry_new();
	}
	archive_entry_free(e);
	archive_entry_linkresolver_free(links);
	archive_read_free(disk);
}

static void libarchive_writes(void)
{
	const char *copy = folder("copy"), *archive = test_path("%s/la.tar", test_tmpdir());
	const char *top = folder("top");
	struct archive *a;

	if (!can_extract())
		return;
	a = archive_write_new();
	make_tree(top);
	archive_write_set_format_pax(a);
	CU_ASSERT_EQUAL_FATAL(archive_write_open_filename(a, archive), ARCHIVE_OK);
	CU_ASSERT_EQUAL_FATAL(chdir(test_tmpdir()), 0);
	write_disk(a, "top");
	CU_ASSERT_EQUAL(chdir("/"), 0);
	CU_ASSERT_EQUAL(archive_write_free(a), ARCHIVE_OK);
	in(archive, copy);
	ASSERT_STR(list(test_path("%s/top", copy)), list(top));
	same_holes(top, test_path("%s/top", copy));
}

/* ---- single things, and names of the top ---- */

static const char *names(const char *archive)
{
	const char *file = test_path("%s/names", test_tmpdir());

	ASSERT_OK(sh(test_path("tar -tf '%s' >'%s'", archive, file)));
	return test_read(file);
}

static void names_of_the_top(void)
{
	const char *top = folder("top");

	test_write(test_path("%s/f", top), "x");
	CU_ASSERT_EQUAL(symlink("top", test_path("%s/link", test_tmpdir())), 0);
	ASSERT_STR(names(out(top)), "top/\ntop/f\n");
	ASSERT_STR(names(out(test_path("%s/", top))), "top/\ntop/f\n");
	ASSERT_STR(names(out(test_path("%s/.", top))), "./\n./f\n");
	ASSERT_STR(names(out(test_path("%s/f", top))), "f\n");
	ASSERT_STR(names(out(test_path("%s/link", test_tmpdir()))), "link\n");
	ASSERT_STR(names(out(test_path("%s/link/", test_tmpdir()))), "link/\nlink/f\n");
	CU_ASSERT_EQUAL(run(agent_tar_out, "/no/such", "/dev/null", true), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "/no/such: No such file"));
	CU_ASSERT_EQUAL(run(agent_tar_in, "/no/such", "/dev/null", false), 1);
	/* the top itself, "." */
	if (!can_extract())
		return;
	in(out(test_path("%s/.", top)), folder("copy"));
	ASSERT_STR(test_read(test_path("%s/copy/f", test_tmpdir())), "x");
}

static void what_is_mounted_is_left_out(void)
{
	const char *top = folder("top");

	if (geteuid() != 0 || sh(test_path("mkdir '%s/m'; unshare -m true 2>/dev/null", top)) < 0) {
		test_not_tried("it takes root");
		return;
	}
	ASSERT_OK(sh(test_path("mount -t tmpfs x '%s/m' && touch '%s/m/inside'", top, top)));
	ASSERT_STR(names(out(top)), "top/\ntop/m/\n");
	ASSERT_OK(sh(test_path("umount '%s/m'", top)));
}

/* ---- hostile archives ---- */

struct member {
	char type;
	const char *path, *link, *content;
};

static const char *make_archive(const struct member *members, size_t n)
{
	const char *archive = test_path("%s/bad.tar", test_tmpdir());
	FILE *f = fopen(archive, "w");
	static const uint8_t zeros[2 * TAR_BLOCK];

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (size_t i = 0; i < n; i++) {
		static struct tar_entry e;
		uint8_t block[TAR_BLOCK];
		size_t size = members[i].content ? strlen(members[i].content) : 0;

		memset(&e, 0, sizeof(e));
		e.type = members[i].type;
		e.mode = 0644;
		e.uid = geteuid();
		e.gid = getegid();
		e.size = size;
		snprintf(e.path, sizeof(e.path), "%s", members[i].path);
		snprintf(e.link, sizeof(e.link), "%s", members[i].link ? members[i].link : "");
		tar_write_header(&e, block);
		fwrite(block, 1, TAR_BLOCK, f);
		if (size)
			fwrite(members[i].content, 1, size, f);
		fwrite(zeros, 1, -size % TAR_BLOCK, f);
	}
	fwrite(zeros, 1, sizeof(zeros), f);
	fclose(f);
	return archive;
}

#define REFUSED(words, ...)                                                                        \
	do {                                                                                       \
		const struct member m_[] = {__VA_ARGS__};                                          \
		int r_ = run(agent_tar_in, copy, make_archive(m_, ARRAY_SIZE(m_)), false);         \
                                                                                                   \
		CU_ASSERT_EQUAL(r_, 1);                                                            \
		if (!strstr(errors, words))                                                        \
			fprintf(stderr, "no \"%s\" in \"%s\"\n", words, errors);                   \
		CU_ASSERT_PTR_NOT_NULL(strstr(errors, words));                                     \
		ASSERT_STR(test_read(outside), "safe");                                            \
		CU_ASSERT_EQUAL(access(test_path("%s/new", test_tmpdir()), F_OK), -1);             \
	} while (0)

static void nothing_gets_out(void)
{
	const char *copy = folder("copy"), *outside = test_path("%s/outside", test_tmpdir());
	const char *tmp = test_tmpdir();

	if (!can_extract())
		return;
	test_write(outside, "safe");
	REFUSED("leads out", {'0', "../outside", NULL, "bad"});
	REFUSED("leads out", {'0', "a/../../outside", NULL, "bad"});
	REFUSED("leads out", {'0', outside, NULL, "bad"});
	REFUSED("leads out", {'5', "../new", NULL, NULL});
	REFUSED("leads out", {'1', "hard", "../outside", NULL});
	REFUSED("leads out", {'1', "hard", outside, NULL});
	REFUSED("the folder of", {'2', "l", tmp, NULL}, {'0', "l/outside", NULL, "bad"});
	REFUSED("the folder of", {'2', "m", "..", NULL}, {'0', "m/new", NULL, "bad"});
	REFUSED("the folder of", {'2', "n", "..", NULL}, {'5', "n/new/x", NULL, NULL});
	REFUSED("making the folder", {'2', "o", "..", NULL}, {'5', "o", NULL, NULL});
	REFUSED("linking", {'2', "p", "..", NULL}, {'1', "q", "p/outside", NULL});
	REFUSED("no file", {'9', "x", NULL, NULL});
	REFUSED("empty name", {'0', ".", NULL, "x"});
	REFUSED("replacing", {'5', "dir", NULL, NULL}, {'0', "dir", NULL, "x"});
	REFUSED("has none", {'2', "s", "x", "content"});
	/* a link in the place of a file is replaced, not followed; a hard link to it is one to it */
	const struct member last[] = {{'2', "t", outside, NULL},
				      {'0', "t", NULL, "new"},
				      {'2', "u", outside, NULL},
				      {'1', "v", "u", NULL},
				      {'0', "v", NULL, "new"}};

	in(make_archive(last, ARRAY_SIZE(last)), copy);
	ASSERT_STR(test_read(outside), "safe");
	ASSERT_STR(test_read(test_path("%s/t", copy)), "new");
}

/* Cut or changed anywhere, it ends, and writes nothing elsewhere. */
static void damage(void)
{
	const char *top = folder("top"), *copy = folder("copy");
	const char *archive, *bad = test_path("%s/bad.tar", test_tmpdir());
	char *bytes;
	size_t n;

	if (!can_extract())
		return;
	ASSERT_OK(
		sh(test_path("cd '%s'; truncate -s 1M hole; printf x | dd of=hole bs=1 seek=500000 "
			     "conv=notrunc status=none; echo y >%0120d; ln hole hard",
			     top, 0)));
	archive = out(top);
	ASSERT_OK(vmb_read_file(archive, 1 << 20, &bytes, &n));
	for (size_t i = 0; i < n; i += i < 4096 ? 61 : 509) {
		FILE *f = fopen(bad, "w");
		bool cut = i % 2 == 0;

		CU_ASSERT_PTR_NOT_NULL_FATAL(f);
		bytes[i] ^= 0x11;
		fwrite(bytes, 1, cut ? i : n, f);
		bytes[i] ^= 0x11;
		fclose(f);
		run(agent_tar_in, copy, bad, false);
	}
	free(bytes);
	CU_ASSERT_EQUAL(sh(test_path("test \"$(ls '%s' | sort | tr '\\n' ' ')\" = "
				     "'archive.tar bad.tar copy errors top '",
				     test_tmpdir())),
			0);
}

TEST_MAIN("agent/tar", {"round trip", round_trip}, {"GNU tar reads", gnu_tar_reads},
	  {"GNU tar writes", gnu_tar_writes}, {"libarchive reads", libarchive_reads},
	  {"libarchive writes", libarchive_writes}, {"names of the top", names_of_the_top},
	  {"what is mounted is left out", what_is_mounted_is_left_out},
	  {"nothing gets out", nothing_gets_out}, {"damage", damage})
