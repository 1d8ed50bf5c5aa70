/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "fixture.h"

/* Imports what is at ref into a fresh store: its disk. */
static const char *import(const char *ref)
{
	_cleanup_image_ struct vmb_image image = {0};
	_cleanup_store_ struct vmb_store store = {0};

	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	ASSERT_OK(vmb_image_ensure(&store, ref, NULL, NULL, &image));
	return test_path("%s", image.disk);
}

static int try_import(const char *ref)
{
	_cleanup_image_ struct vmb_image image = {0};
	_cleanup_store_ struct vmb_store store = {0};
	int r;

	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	r = vmb_image_ensure(&store, ref, NULL, NULL, &image);
	CU_ASSERT_EQUAL(fixture_count(test_path("%s/names", store.path), ""), r < 0 ? 0 : 1);
	CU_ASSERT(r == 0 || vmb_rm_rf(test_path("%s/images", store.path)) == 0);
	return r;
}

/* What layers upon layers come to: contents are told apart by their sizes. */
struct stack {
	const char *what;
	size_t n;
	struct fixture_layer layers[4];
	const char *listing;
};

static const struct stack stacks[] = {
	{"a whiteout takes a file away",
	 2,
	 {LAYER(FOLDER("d"), FILE_OF("d/a", "1"), FILE_OF("d/b", "22")), LAYER(MARK("d/.wh.a"))},
	 "drwxr-xr-x 0/0 d\n"
	 "-rw-r--r-- 0/0 2 d/b\n"},
	{"a whiteout takes a folder away with all that is in it",
	 2,
	 {LAYER(FOLDER("d"), FOLDER("d/e"), FILE_OF("d/e/f", "1"), FILE_OF("x", "1")),
	  LAYER(MARK(".wh.d"))},
	 "-rw-r--r-- 0/0 1 x\n"},
	{"a whiteout does not concern its own layer",
	 2,
	 {LAYER(FOLDER("d"), FILE_OF("d/a", "1"), FILE_OF("d/b", "1")),
	  LAYER(FOLDER("d", .mode = 0700), FILE_OF("d/a", "22"), MARK(".wh.d"))},
	 "drwx------ 0/0 d\n"
	 "-rw-r--r-- 0/0 2 d/a\n"},
	{"what was taken away can come again",
	 3,
	 {LAYER(FILE_OF("a", "1")), LAYER(MARK(".wh.a")), LAYER(FILE_OF("a", "333"))},
	 "-rw-r--r-- 0/0 3 a\n"},
	{"an opaque folder hides what lower layers have in it, wherever the mark stands",
	 2,
	 {LAYER(FOLDER("d", .mode = 0700), FILE_OF("d/a", "1"), FOLDER("d/e"),
		FILE_OF("d/e/f", "1")),
	  LAYER(FILE_OF("d/b", "22"), MARK("d/.wh..wh..opq"), FILE_OF("d/c", "333"))},
	 "drwx------ 0/0 d\n"
	 "-rw-r--r-- 0/0 2 d/b\n"
	 "-rw-r--r-- 0/0 3 d/c\n"},
	{"in an opaque folder a folder that comes again is empty at first",
	 2,
	 {LAYER(FOLDER("d"), FOLDER("d/e", .mode = 0700), FILE_OF("d/e/f", "1"), FOLDER("d/g"),
		FILE_OF("d/g/h", "1")),
	  LAYER(MARK("d/.wh..wh..opq"), FILE_OF("d/e/i", "22"), FOLDER("d/g"))},
	 "drwxr-xr-x 0/0 d\n"
	 "drwxr-xr-x 0/0 d/e\n"
	 "-rw-r--r-- 0/0 2 d/e/i\n"
	 "drwxr-xr-x 0/0 d/g\n"},
	{"the root can be opaque",
	 2,
	 {LAYER(FILE_OF("a", "1")), LAYER(MARK(".wh..wh..opq"), FILE_OF("b", "1"))},
	 "-rw-r--r-- 0/0 1 b\n"},
	{"a file in a folder's place",
	 2,
	 {LAYER(FOLDER("x"), FILE_OF("x/a", "1")), LAYER(FILE_OF("x", "22"))},
	 "-rw-r--r-- 0/0 2 x\n"},
	{"a folder in a file's place",
	 2,
	 {LAYER(FILE_OF("x", "22")), LAYER(FOLDER("x"), FILE_OF("x/a", "1"))},
	 "drwxr-xr-x 0/0 x\n"
	 "-rw-r--r-- 0/0 1 x/a\n"},
	{"a folder, a file, a folder: nothing of the first is left",
	 3,
	 {LAYER(FOLDER("x"), FILE_OF("x/a", "1")), LAYER(FILE_OF("x", "22")),
	  LAYER(FOLDER("x"), FILE_OF("x/b", "1"))},
	 "drwxr-xr-x 0/0 x\n"
	 "-rw-r--r-- 0/0 1 x/b\n"},
	{"a symlink in a folder's place is not followed",
	 2,
	 {LAYER(FOLDER("x"), FILE_OF("x/a", "1"), FOLDER("y"), FILE_OF("y/b", "1")),
	  LAYER(SYMLINK("x", "y"), FILE_OF("y/c", "1"))},
	 "lrwxrwxrwx 0/0 1 x -> y\n"
	 "drwxr-xr-x 0/0 y\n"
	 "-rw-r--r-- 0/0 1 y/b\n"
	 "-rw-r--r-- 0/0 1 y/c\n"},
	{"a folder's owner and mode are the upper layer's, its files stay",
	 2,
	 {LAYER(FOLDER("d", .mode = 0700, OWNED(1, 2)), FILE_OF("d/a", "1")),
	  LAYER(FOLDER("d", .mode = 01777, OWNED(3, 4)))},
	 "drwxrwxrwt 3/4 d\n"
	 "-rw-r--r-- 0/0 1 d/a\n"},
	{"folders that no one names are root's",
	 1,
	 {LAYER(FILE_OF("a/b/c", "1", OWNED(5, 5)))},
	 "drwxr-xr-x 0/0 a\n"
	 "drwxr-xr-x 0/0 a/b\n"
	 "-rw-r--r-- 5/5 1 a/b/c\n"},
	{"a folder that an upper layer does not name keeps the lower one's mode",
	 2,
	 {LAYER(FOLDER("a", .mode = 0700, OWNED(7, 7))), LAYER(FILE_OF("a/b", "1"))},
	 "drwx------ 7/7 a\n"
	 "-rw-r--r-- 0/0 1 a/b\n"},
	{"of two entries in one layer the later counts",
	 1,
	 {LAYER(FILE_OF("a", "1"), FILE_OF("./a", "22"), FOLDER("b"), FILE_OF("b/x", "1"),
		FILE_OF("b", "1"))},
	 "-rw-r--r-- 0/0 2 a\n"
	 "-rw-r--r-- 0/0 1 b\n"},
	{"a hard link to a lower layer's file",
	 2,
	 {LAYER(FILE_OF("a", "1")), LAYER(HARDLINK("b", "a"))},
	 "-rw-r--r-- 0/0 1 a\n"
	 "-rw-r--r-- 0/0 1 b\n"},
	{"a hard link outlives its target",
	 3,
	 {LAYER(FILE_OF("a", "4444", .mode = 0600, OWNED(9, 9))),
	  LAYER(HARDLINK("b", "/a"), HARDLINK("c", "./b")), LAYER(MARK(".wh.a"))},
	 "-rw------- 9/9 4 b\n"
	 "-rw------- 9/9 4 c\n"},
	{"a hard link keeps the content when its target gets another",
	 2,
	 {LAYER(FILE_OF("a", "1"), HARDLINK("b", "a")), LAYER(FILE_OF("a", "22"))},
	 "-rw-r--r-- 0/0 2 a\n"
	 "-rw-r--r-- 0/0 1 b\n"},
	{"in one layer, too",
	 1,
	 {LAYER(FILE_OF("a", "1"), HARDLINK("b", "a"), FILE_OF("a", "22"), HARDLINK("c", "a"))},
	 "-rw-r--r-- 0/0 2 a\n"
	 "-rw-r--r-- 0/0 1 b\n"
	 "-rw-r--r-- 0/0 2 c\n"},
	{"a hard link to a symlink or a device",
	 1,
	 {LAYER(SYMLINK("l", "/t"), HARDLINK("m", "l"), DEVICE("c"), HARDLINK("d", "c"))},
	 "crw-r--r-- 0/0 5, c\n"
	 "crw-r--r-- 0/0 5, d\n"
	 "lrwxrwxrwx 0/0 2 l -> /t\n"
	 "lrwxrwxrwx 0/0 2 m -> /t\n"},
	{"an entry below a symlink of its layer",
	 1,
	 {LAYER(FOLDER("usr"), FOLDER("usr/lib", .mode = 0700), SYMLINK("lib", "usr/lib"),
		FILE_OF("lib/x", "1"), HARDLINK("y", "lib/x"), FOLDER("lib/d"))},
	 "lrwxrwxrwx 0/0 7 lib -> usr/lib\n"
	 "drwxr-xr-x 0/0 usr\n"
	 "drwx------ 0/0 usr/lib\n"
	 "drwxr-xr-x 0/0 usr/lib/d\n"
	 "-rw-r--r-- 0/0 1 usr/lib/x\n"
	 "-rw-r--r-- 0/0 1 y\n"},
	{"below a symlink to what is not there yet, and below links to links",
	 1,
	 {LAYER(SYMLINK("lib", "/usr/./lib//"), SYMLINK("l", "lib"), HARDLINK("m", "l"),
		FILE_OF("m/x", "1"), FOLDER("usr", .mode = 0700))},
	 "lrwxrwxrwx 0/0 3 l -> lib\n"
	 "lrwxrwxrwx 0/0 12 lib -> /usr/./lib//\n"
	 "lrwxrwxrwx 0/0 3 m -> lib\n"
	 "drwx------ 0/0 usr\n"
	 "drwxr-xr-x 0/0 usr/lib\n"
	 "-rw-r--r-- 0/0 1 usr/lib/x\n"},
	{"a symlink never leads out of the root",
	 1,
	 {LAYER(SYMLINK("up", "../../etc"), SYMLINK("abs", "/etc"), FOLDER("a"),
		SYMLINK("a/b", "../../../tmp"), FILE_OF("up/x", "1"), FILE_OF("abs/y", "1"),
		FILE_OF("a/b/z", "1"))},
	 "drwxr-xr-x 0/0 a\n"
	 "lrwxrwxrwx 0/0 12 a/b -> ../../../tmp\n"
	 "lrwxrwxrwx 0/0 4 abs -> /etc\n"
	 "drwxr-xr-x 0/0 etc\n"
	 "-rw-r--r-- 0/0 1 etc/x\n"
	 "-rw-r--r-- 0/0 1 etc/y\n"
	 "drwxr-xr-x 0/0 tmp\n"
	 "-rw-r--r-- 0/0 1 tmp/z\n"
	 "lrwxrwxrwx 0/0 9 up -> ../../etc\n"},
	{"entries, whiteouts and opaque folders below a symlink of a lower layer",
	 2,
	 {LAYER(FOLDER("usr"), FOLDER("usr/lib"), FILE_OF("usr/lib/a", "1"), FOLDER("usr/lib/d"),
		FILE_OF("usr/lib/d/e", "1"), SYMLINK("lib", "usr/lib"), SYMLINK("d", "/lib/d")),
	  LAYER(FILE_OF("lib/x", "22"), MARK("lib/.wh.a"), MARK("d/.wh..wh..opq"),
		FILE_OF("lib/d/f", "333"))},
	 "lrwxrwxrwx 0/0 6 d -> /lib/d\n"
	 "lrwxrwxrwx 0/0 7 lib -> usr/lib\n"
	 "drwxr-xr-x 0/0 usr\n"
	 "drwxr-xr-x 0/0 usr/lib\n"
	 "drwxr-xr-x 0/0 usr/lib/d\n"
	 "-rw-r--r-- 0/0 3 usr/lib/d/f\n"
	 "-rw-r--r-- 0/0 2 usr/lib/x\n"},
	{"a folder's own entry takes a symlink's place",
	 2,
	 {LAYER(FOLDER("usr"), SYMLINK("lib", "usr")), LAYER(FOLDER("lib"), FILE_OF("lib/x", "1"))},
	 "drwxr-xr-x 0/0 lib\n"
	 "-rw-r--r-- 0/0 1 lib/x\n"
	 "drwxr-xr-x 0/0 usr\n"},
	{"a name that goes up and down within the root",
	 1,
	 {LAYER(FOLDER("a"), FILE_OF("a/../b", "1"), FILE_OF("./a/b/../../c/d", "1"),
		HARDLINK("a/../e", "/c/../b"))},
	 "drwxr-xr-x 0/0 a\n"
	 "-rw-r--r-- 0/0 1 b\n"
	 "drwxr-xr-x 0/0 c\n"
	 "-rw-r--r-- 0/0 1 c/d\n"
	 "-rw-r--r-- 0/0 1 e\n"},
};

/* What umoci refuses or, of aufs, keeps. */
static const struct stack more_stacks[] = {
	{"a file below a lower layer's file makes that a folder",
	 2,
	 {LAYER(FILE_OF("x", "22")), LAYER(FILE_OF("x/a", "1"))},
	 "drwxr-xr-x 0/0 x\n"
	 "-rw-r--r-- 0/0 1 x/a\n"},
	{"a hard link before its target",
	 1,
	 {LAYER(HARDLINK("b", "a"), FILE_OF("a", "4444", .mode = 0600, OWNED(9, 9)))},
	 "-rw------- 9/9 4 a\n"
	 "-rw------- 9/9 4 b\n"},
	{"hard links before their targets, in chains, in any order",
	 1,
	 {LAYER(HARDLINK("d", "b"), HARDLINK("c", "d"), HARDLINK("b", "a"), HARDLINK("e", "c"),
		FILE_OF("x", "1"), FILE_OF("a", "4444"), HARDLINK("f", "e"))},
	 "-rw-r--r-- 0/0 4 a\n"
	 "-rw-r--r-- 0/0 4 b\n"
	 "-rw-r--r-- 0/0 4 c\n"
	 "-rw-r--r-- 0/0 4 d\n"
	 "-rw-r--r-- 0/0 4 e\n"
	 "-rw-r--r-- 0/0 4 f\n"
	 "-rw-r--r-- 0/0 1 x\n"},
	{"a hard link that waits for its target and is replaced",
	 1,
	 {LAYER(HARDLINK("b", "a"), HARDLINK("d/c", "nowhere"), FILE_OF("b", "22"),
		FILE_OF("d", "1"), FILE_OF("a", "4444"))},
	 "-rw-r--r-- 0/0 4 a\n"
	 "-rw-r--r-- 0/0 2 b\n"
	 "-rw-r--r-- 0/0 1 d\n"},
	{"whiteouts of nothing and aufs' files are nothing",
	 2,
	 {LAYER(FILE_OF("a", "1")),
	  LAYER(MARK(".wh.b"), MARK("n/.wh.b"), MARK("n/.wh..wh..opq"), FOLDER(".wh..wh.plnk"),
		FILE_OF(".wh..wh.plnk/1", "1"), MARK(".wh..wh.aufs"))},
	 "-rw-r--r-- 0/0 1 a\n"},
};

static void check_stack(const struct stack *s, const char *filter)
{
	const char *dir = test_path("%s/%s", test_tmpdir(), s->what), *listing;

	fixture_image(dir, "t", NULL, s->layers, s->n, filter);
	listing = fixture_listing(import(test_path("oci:%s", dir)));
	if (strcmp(listing, s->listing) != 0)
		fprintf(stderr, "%s:\n", s->what);
	ASSERT_STR(listing, s->listing);
}

static void layers_come_to_what_they_should(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++)
		check_stack(&stacks[i], i % 2 ? "gzip" : "none");
	for (size_t i = 0; i < ARRAY_SIZE(more_stacks); i++)
		check_stack(&more_stacks[i], i % 2 ? "gzip" : "none");
}

/* Names, types, modes and targets of all that lies below a folder. */
static const char *tree_of(const char *dir)
{
	return RUN("sh", "-c",
		   "cd \"$0\" && find . -mindepth 1 -printf '%M %P %l\\n' | LC_ALL=C sort", dir);
}

/* What umoci unpacks, which follows links as containerd does. */
static void umoci_unpacks_the_same(void)
{
	if (geteuid() != 0) {
		test_not_tried("only root can unpack devices and owners");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
		const char *dir = test_path("%s/%zu", test_tmpdir(), i),
			   *tar = test_path("%s.tar", dir);
		const char *image = test_path("%s:t", dir), *theirs = test_path("%s.theirs", dir);
		const char *ours = test_path("%s.ours", dir);

		RUN("umoci", "init", "--layout", dir);
		RUN("umoci", "new", "--image", image);
		for (size_t k = 0; k < stacks[i].n; k++) {
			fixture_tar(tar, &stacks[i].layers[k], "none");
			RUN("umoci", "raw", "add-layer", "--image", image, tar);
		}
		RUN("umoci", "unpack", "--image", image, theirs);
		fixture_unpack(import(test_path("oci:%s", image)), ours);
		if (strcmp(tree_of(ours), tree_of(test_path("%s/rootfs", theirs))) != 0)
			fprintf(stderr, "%s:\n", stacks[i].what);
		ASSERT_STR(tree_of(ours), tree_of(test_path("%s/rootfs", theirs)));
	}
}

#define LONG "0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
#define LONGER LONG LONG LONG LONG

static void odd_entries_survive(void)
{
	static const struct fixture_layer layer[] = {LAYER(
		FOLDER("./", .mode = 01751, OWNED(7, 8)),
		FILE_OF("setuid", "1", .mode = 06755, OWNED(4294967294U, 3000000)),
		SYMLINK("abs", "/" LONGER "x"), SYMLINK("up", "../../" LONGER "x"),
		SYMLINK("\xc3\xa9", "/\xc3\xa9"), FILE_OF("e\xcc\x81", "nfd"),
		FILE_OF(LONGER "end", "deep"), FILE_OF(" a\nb\\\t* ", "odd"), FILE_OF("-rf", "1"),
		DEVICE("dev", .mode = 0600, OWNED(7, 8)), SPARSE("sparse"), FILE_OF("empty", ""))};
	const char *dir = test_path("%s/oci", test_tmpdir()), *disk, *listing, *text;

	/* a caller's locale must not change names: libarchive would compose the accent */
	CU_ASSERT_PTR_NOT_NULL(setlocale(LC_ALL, "C.UTF-8"));
	fixture_image(dir, NULL, NULL, layer, 1, "zstd");
	disk = import(test_path("oci:%s", dir));
	setlocale(LC_ALL, "C");
	listing = fixture_listing(disk);
	CU_ASSERT_PTR_NOT_NULL(strstr(listing, "-rwsr-sr-x 4294967294/3000000 1 setuid\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(listing, " abs -> /" LONGER "x\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(listing, " up -> ../../" LONGER "x\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(listing, " \xc3\xa9 -> /\xc3\xa9\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(listing, " 0/0 3 e\xcc\x81\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(listing, "crw------- 7/8 5, dev\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(listing, " 1048576 sparse\n"));
	ASSERT_STR(fixture_cat(disk, LONGER "end"), "deep");
	ASSERT_STR(fixture_cat(disk, " a\nb\\\\\t\\* "), "odd");
	text = RUN("env", "TZ=UTC", "unsquashfs", "-lln", disk);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "drwxr-x--t 7/8 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "2001-09-09 01:46 squashfs-root\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "1970-01-01 00:00 squashfs-root/0123456789\n"));
}

static void links_and_holes_are_real(void)
{
	static const struct fixture_layer layers[] = {LAYER(FILE_OF("a", "1"), SPARSE("sparse")),
						      LAYER(HARDLINK("b", "a"),
							    HARDLINK("c", "b"))};
	const char *dir = test_path("%s/oci", test_tmpdir()), *out;
	_cleanup_free_ char *text = NULL;
	struct stat a, b, c;
	size_t n;

	fixture_image(dir, NULL, NULL, layers, 2, "gzip");
	out = test_path("%s/out", test_tmpdir());
	fixture_unpack(import(test_path("oci:%s", dir)), out);
	CU_ASSERT(stat(test_path("%s/a", out), &a) == 0 && stat(test_path("%s/b", out), &b) == 0 &&
		  stat(test_path("%s/c", out), &c) == 0);
	CU_ASSERT(a.st_ino == b.st_ino && b.st_ino == c.st_ino && a.st_nlink == 3);
	CU_ASSERT_EQUAL(a.st_mtim.tv_sec, 1000000000);
	ASSERT_OK(vmb_read_file(test_path("%s/sparse", out), 1 << 20, &text, &n));
	CU_ASSERT(n == 1 << 20 && text[0] == 0 && text[(1 << 19) - 1] == 0 &&
		  text[1 << 19] == 'x' && text[(1 << 19) + 4095] == 'x' &&
		  text[(1 << 19) + 4096] == 0);
}

static bool has_xattrs(const char *dir, const char *name)
{
	const char *path = test_path("%s/probe", dir);

	test_write(path, "");
	return setxattr(path, name, "1", 1, 0) == 0;
}

static void check_xattr(const char *path, const char *name, const char *value)
{
	char buf[64] = "";
	ssize_t n = lgetxattr(path, name, buf, sizeof(buf) - 1);

	CU_ASSERT_EQUAL(n, value ? (ssize_t)strlen(value) : -1);
	if (value)
		ASSERT_STR(buf, value);
}

static void xattrs_survive(void)
{
	static const struct fixture_layer layer[] = {
		LAYER(FILE_OF("a", "1", .xattr = "user.x=line\n=2"), HARDLINK("b", "a"),
		      FOLDER("d", .xattr = "user.d=1"), FILE_OF("t", "1", .xattr = "trusted.t=2"),
		      FILE_OF("o", "1", .xattr = "trusted.overlay.opaque=y"),
		      FILE_OF("z", "1", .xattr = "system.z=1"))};
	const char *dir = test_path("%s/oci", test_tmpdir()), *out, *disk;

	fixture_image(dir, NULL, NULL, layer, 1, "none");
	disk = import(test_path("oci:%s", dir));
	if (!has_xattrs(test_tmpdir(), "user.probe")) {
		test_not_tried("there are no user xattrs in %s", test_tmpdir());
		return;
	}
	out = test_path("%s/out", test_tmpdir());
	RUN("unsquashfs", "-q", "-n", geteuid() ? "-user-xattrs" : "-xattrs", "-d", out, disk);
	check_xattr(test_path("%s/a", out), "user.x", "line\n=2");
	check_xattr(test_path("%s/b", out), "user.x", "line\n=2");
	check_xattr(test_path("%s/d", out), "user.d", "1");
	if (geteuid() == 0) {
		check_xattr(test_path("%s/t", out), "trusted.t", "2");
		check_xattr(test_path("%s/o", out), "trusted.overlay.opaque", NULL);
	}
}

static void hostile_entries_are_refused(void)
{
	static const struct {
		struct fixture_layer layer;
		const char *words;
	} table[] = {
		{LAYER(FILE_OF("../x", "1")), "layer 1 of 1"},
		{LAYER(FILE_OF("../x", "1")), "name leads out of the root: ../x"},
		{LAYER(FILE_OF("a/../../x", "1")), "leads out of the root"},
		{LAYER(FILE_OF("a", "1"), HARDLINK("b", "../a")), "leads out of the root"},
		{LAYER(MARK("a/../../.wh.x")), "leads out of the root"},
		{LAYER(HARDLINK("b", "a")), "b is a hard link to a, which is not there"},
		{LAYER(HARDLINK("b", "a")), "layer 1 of 1"},
		{LAYER(HARDLINK("a", "a")), "a is a hard link to a, which is not there"},
		{LAYER(HARDLINK("a", "b"), HARDLINK("b", "c"), HARDLINK("c", "a")), "not there"},
		{LAYER(HARDLINK("b", "a"), FOLDER("a")), "which is a folder"},
		{LAYER(FOLDER("a"), HARDLINK("b", "a")), "which is a folder"},
		{LAYER(MARK(".wh.")), "names nothing"},
		{LAYER(MARK("a/.wh...")), "names nothing"},
		{LAYER(FILE_OF("a", "1"), FILE_OF("a/b", "1")), "a/b lies below something"},
		{LAYER(FILE_OF("f", "1"), SYMLINK("a", "f"), FILE_OF("a/b", "1")),
		 "a/b lies below something"},
		{LAYER(SYMLINK("a", "a"), FILE_OF("a/b", "1")), "a/b has more than 40 symbolic"},
		{LAYER(SYMLINK("a", "b/x"), SYMLINK("b", "a"), FILE_OF("a/b", "1")),
		 "more than 40"},
		{LAYER(FOLDER("d"), FILE_OF("x", "1"), SYMLINK("d/a", "../d/a"), MARK("d/a/.wh.x")),
		 "more than 40"},
		{LAYER(SYMLINK("a", "b"), SYMLINK("b", "a"), HARDLINK("c", "a/x")), "more than 40"},
		{LAYER(FILE_OF(".", "1")), "root is not a folder"},
		{LAYER(MARK(".wh.x")), "nothing in it"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const char *dir = test_path("%s/%zu", test_tmpdir(), i);

		fixture_image(dir, NULL, NULL, &table[i].layer, 1, "none");
		ASSERT_ERROR(try_import(test_path("oci:%s", dir)), VMBOOT_EIMAGE, table[i].words);
	}
}

/* A short path that a link makes too long for anyone. */
static void a_path_that_links_make_too_long(void)
{
	char *deep = malloc(PATH_MAX + 8), *below = malloc(PATH_MAX + 8);
	struct fixture_layer layer = LAYER(SYMLINK("a", deep), FILE_OF(below, "1"));
	const char *dir = test_path("%s/oci", test_tmpdir());

	for (size_t i = 0; i < PATH_MAX - 200; i++)
		deep[i] = i % 100 == 99 ? '/' : 'x';
	deep[PATH_MAX - 200] = '\0';
	snprintf(below, PATH_MAX, "a/%s", deep);
	fixture_image(dir, NULL, NULL, &layer, 1, "none");
	ASSERT_ERROR(try_import(test_path("oci:%s", dir)), VMBOOT_EIMAGE, "more than 4095 bytes");
	free(below);
	free(deep);
}

static void the_same_layers_give_the_same_disk(void)
{
	static const struct fixture_layer layers[] = {LAYER(FOLDER("d"), FILE_OF("d/a", "1"),
							    FILE_OF("b", "22")),
						      LAYER(FILE_OF("d/c", "333"))};
	const char *digests[2];

	/* whenever and wherever it is: the clock and the environment have no part in it */
	for (int i = 0; i < 2; i++) {
		const char *dir = test_path("%s/%d", test_tmpdir(), i);
		char hex[VMB_SHA256_HEX + 1];

		fixture_image(dir, i ? "x" : NULL, i ? "{}" : NULL, layers, 2, "gzip");
		if (i)
			setenv("SOURCE_DATE_EPOCH", "7", 1);
		ASSERT_OK(vmb_hash_file(import(test_path("oci:%s", dir)), hex));
		digests[i] = test_path("%s", hex);
	}
	unsetenv("SOURCE_DATE_EPOCH");
	ASSERT_STR(digests[1], digests[0]);
}

TEST_MAIN("image/flatten", {"layers come to what they should", layers_come_to_what_they_should},
	  {"umoci unpacks the same", umoci_unpacks_the_same},
	  {"odd entries survive", odd_entries_survive},
	  {"links and holes are real", links_and_holes_are_real},
	  {"xattrs survive", xattrs_survive},
	  {"hostile entries are refused", hostile_entries_are_refused},
	  {"a path that links make too long", a_path_that_links_make_too_long},
	  {"the same layers give the same disk", the_same_layers_give_the_same_disk})
