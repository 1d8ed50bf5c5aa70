/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <vmboot/image.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/process.h"
#include "fixture.h"
#include "image/source.h"

static const struct fixture_layer plain[] = {
	LAYER(FOLDER("d"), FILE_OF("d/a", "1"), FILE_OF("b", "22"))};
#define PLAIN_LISTING                                                                              \
	"-rw-r--r-- 0/0 2 b\n"                                                                     \
	"drwxr-xr-x 0/0 d\n"                                                                       \
	"-rw-r--r-- 0/0 1 d/a\n"

static const char *store_path(void)
{
	return test_path("%s/store", test_tmpdir());
}

static int import(const char *source, const char *name, struct vmboot_image **ret)
{
	struct vmboot_opts where = VMBOOT_OPTS(.store = store_path());

	return vmboot_image_import(&where, source, name, ret);
}

/* Imports and gives the disk's path. */
static const char *disk_of(const char *source, const char *name)
{
	struct vmboot_image *image;
	const char *disk;

	ASSERT_OK(import(source, name, &image));
	disk = test_path("%s", image->disk);
	vmboot_image_free(image);
	return disk;
}

static int find(const char *ref, struct vmb_image *ret)
{
	_cleanup_store_ struct vmb_store store = {0};

	ASSERT_OK(vmb_store_open(store_path(), &store));
	return vmb_image_find(&store, ref, ret);
}

static int remove_name(const char *name)
{
	struct vmboot_opts where = VMBOOT_OPTS(.store = store_path());

	return vmboot_image_remove(&where, name);
}

/* "name digest…" of all, a line each. */
static const char *list(void)
{
	struct vmboot_opts where = VMBOOT_OPTS(.store = store_path());
	struct vmboot_image **images;
	const char *text = "";
	int n = vmboot_image_list(&where, &images), i;

	ASSERT_OK(n);
	for (i = 0; images[i]; i++)
		text = test_path("%s%s\n", text, images[i]->name);
	CU_ASSERT_EQUAL(i, n);
	vmboot_image_list_free(images);
	return text;
}

static size_t count_images(void)
{
	size_t all = fixture_count(test_path("%s/images", store_path()), "sha256-"), locks = 0;
	_cleanup_closedir_ DIR *dir = opendir(test_path("%s/images", store_path()));
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		locks += vmb_ends_with(d->d_name, ".lock");
	return all - locks;
}

static void nothing_is_left(void)
{
	CU_ASSERT_EQUAL(fixture_count(test_path("%s/images", store_path()), ""), 0);
	CU_ASSERT_EQUAL(fixture_count(test_path("%s/names", store_path()), ""), 0);
}

/* ---- sources ---- */

static void an_image_made_by_umoci(void)
{
	const char *oci = test_path("%s/my oci", test_tmpdir()), *bundle, *root, *disk;
	const char *tagged = test_path("%s:1.0", oci);
	struct vmboot_image *image;

	bundle = test_path("%s/bundle", test_tmpdir());
	root = test_path("%s/rootfs", bundle);
	RUN("umoci", "init", "--layout", oci);
	RUN("umoci", "new", "--image", tagged);
	RUN("umoci", "unpack", "--rootless", "--image", tagged, bundle);
	RUN("mkdir", "-p", test_path("%s/etc", root), test_path("%s/bin", root));
	test_write(test_path("%s/etc/one", root), "1");
	test_write(test_path("%s/bin/sh", root), "sh");
	RUN("chmod", "4755", test_path("%s/bin/sh", root));
	RUN("ln", test_path("%s/etc/one", root), test_path("%s/etc/two", root));
	RUN("umoci", "repack", "--refresh-bundle", "--image", tagged, bundle);
	RUN("rm", test_path("%s/etc/one", root));
	RUN("ln", "-s", "/bin/sh", test_path("%s/etc/link", root));
	RUN("umoci", "repack", "--refresh-bundle", "--image", tagged, bundle);
	RUN("umoci", "config", "--image", tagged, "--config.entrypoint", "/bin/sh", "--config.cmd",
	    "-c", "--config.env", "A=1", "--config.workingdir", "/etc", "--config.user", "1:2");

	ASSERT_OK(import(test_path("oci:%s", tagged), "node:20", &image));
	CU_ASSERT(image->size >= sizeof(*image));
	ASSERT_STR(image->name, "localhost/node:20");
	ASSERT_STR(image->format, "squashfs");
	ASSERT_STR(image->config_json, "{\"entrypoint\":[\"/bin/sh\"],\"cmd\":[\"-c\"],"
				       "\"env\":[\"A=1\"],\"workdir\":\"/etc\",\"user\":\"1:2\"}");
	CU_ASSERT(image->bytes > 0 && image->imported > 1700000000);
	disk = test_path("%s", image->disk);
	vmboot_image_free(image);
	ASSERT_STR(fixture_listing(disk), "drwxr-xr-x 0/0 bin\n"
					  "-rwsr-xr-x 0/0 2 bin/sh\n"
					  "drwxr-xr-x 0/0 etc\n"
					  "lrwxrwxrwx 0/0 7 etc/link -> /bin/sh\n"
					  "-rw-r--r-- 0/0 1 etc/two\n");
}

static void what_skopeo_makes_of_it(void)
{
	const char *from = test_path("oci:%s/oci", test_tmpdir());
	const char *zstd = test_path("oci:%s/zstd", test_tmpdir());
	const char *archive = test_path("%s/saved.tar", test_tmpdir());
	const char *oci_archive = test_path("%s/oci.tar", test_tmpdir());

	fixture_image(from + 4, NULL,
		      "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":"
		      "{\"type\":\"layers\",\"diff_ids\":[]}}",
		      NULL, 0, "gzip");
	RUN("rm", "-r", from + 4);
	fixture_image(from + 4, NULL, NULL, plain, 1, "gzip");
	RUN("skopeo", "--insecure-policy", "copy", "-q", "--dest-compress-format", "zstd",
	    "--dest-compress", from, test_path("%s:a:b/c", zstd));
	ASSERT_STR(fixture_listing(disk_of(test_path("%s:a:b/c", zstd), NULL)), PLAIN_LISTING);
	ASSERT_STR(list(), "localhost/zstd:a-b-c\n");

	RUN("skopeo", "--insecure-policy", "copy", "-q", from,
	    test_path("docker-archive:%s:x:1", archive));
	/* it is taken as that; skopeo wants more of a config than there is in this one */
	ASSERT_ERROR(import(test_path("tar:%s", archive), NULL, NULL), VMBOOT_EIMAGE,
		     "cannot read docker-archive:");
	RUN("gzip", archive);
	ASSERT_ERROR(import(test_path("tar:%s.gz", archive), NULL, NULL), VMBOOT_EIMAGE,
		     "import it as docker-archive:");
	RUN("skopeo", "--insecure-policy", "copy", "-q", from,
	    test_path("oci-archive:%s:x:1", oci_archive));
	ASSERT_STR(fixture_listing(disk_of(test_path("tar:%s", oci_archive), NULL)), PLAIN_LISTING);
	ASSERT_STR(list(), "localhost/oci:latest\nlocalhost/zstd:a-b-c\n");
	CU_ASSERT_EQUAL(count_images(), 2);
}

static void tars_of_any_compression(void)
{
	static const char *const filters[] = {"none", "gzip", "zstd", "bzip2", "xz", "lz4"};
	static const struct fixture_layer layer =
		LAYER(MARK(".wh.plain"), FILE_OF("a", "1"), HARDLINK("b", "a"), FILE_OF("a", "22"));

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		const char *path = test_path("%s/My Root.tar.%s", test_tmpdir(), filters[i]);

		fixture_tar(path, &layer, filters[i]);
		ASSERT_STR(fixture_listing(disk_of(test_path("tar:%s", path), NULL)),
			   "-rw-r--r-- 0/0 0 .wh.plain\n"
			   "-rw-r--r-- 0/0 2 a\n"
			   "-rw-r--r-- 0/0 1 b\n");
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(list(), "localhost/my-root"));
}

static void make_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	vmb_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void a_folder(void)
{
	const char *dir = test_path("%s/root", test_tmpdir()), *disk, *source, *expected;
	struct vmb_image image = {0};

	source = test_path("dir:%s/../root/", dir);
	RUN("mkdir", "-p", test_path("%s/b/c", dir));
	test_write(test_path("%s/b/two", dir), "22");
	test_write(test_path("%s/.wh.x", dir), "1");
	RUN("ln", test_path("%s/b/two", dir), test_path("%s/again", dir));
	RUN("ln", "-s", "/../nowhere", test_path("%s/link", dir));
	RUN("mkfifo", test_path("%s/pipe", dir));
	RUN("chmod", "3750", test_path("%s/b", dir));
	RUN("chmod", "0711", dir);
	make_socket(test_path("%s/socket", dir));
	ASSERT_OK(find(source, &image));
	CU_ASSERT_FALSE(image.present);
	ASSERT_STR(image.source, test_path("dir:%s", dir));
	vmb_image_done(&image);

	disk = disk_of(source, NULL);
	ASSERT_OK(find(source, &image));
	CU_ASSERT(image.present);
	ASSERT_STR(image.disk, disk);
	ASSERT_STR(image.name, "localhost/root:latest");
	vmb_image_done(&image);
	expected = test_path("-rw-r--r-- %1$u/%2$u 1 .wh.x\n"
			     "-rw-r--r-- %1$u/%2$u 2 again\n"
			     "drwxr-s--T %1$u/%2$u b\n"
			     "drwxr-xr-x %1$u/%2$u b/c\n"
			     "-rw-r--r-- %1$u/%2$u 2 b/two\n"
			     "lrwxrwxrwx %1$u/%2$u 11 link -> /../nowhere\n"
			     "prw-r--r-- %1$u/%2$u 0 pipe\n",
			     getuid(), getgid());
	ASSERT_STR(fixture_listing(disk), expected);
	CU_ASSERT_PTR_NOT_NULL(strstr(RUN("unsquashfs", "-lln", disk), "drwx--x--x "));
	fixture_unpack(disk, test_path("%s/out", test_tmpdir()));
	RUN("test", test_path("%s/out/again", test_tmpdir()), "-ef",
	    test_path("%s/out/b/two", test_tmpdir()));
}

/* Each of these is seen in the folder's digest. */
static void a_changed_folder_is_another_image(void)
{
	const char *dir = test_path("%s/root", test_tmpdir()), *file = test_path("%s/f", dir);
	const char *const *changes[] = {
		(const char *const[]){"touch", "-d", "2001-01-01", file, NULL},
		(const char *const[]){"chmod", "0600", file, NULL},
		(const char *const[]){"ln", file, test_path("%s/g", dir), NULL},
		(const char *const[]){"mv", test_path("%s/g", dir), test_path("%s/h", dir), NULL},
		/* same size, same times */
		(const char *const[]){"sh", "-c", "echo b >\"$0\"; touch -d 2001-01-01 \"$0\"",
				      file, NULL},
		(const char *const[]){"ln", "-sfn", "elsewhere", test_path("%s/l", dir), NULL},
	};
	struct vmb_image image = {0};

	RUN("mkdir", dir);
	test_write(file, "a\n");
	RUN("ln", "-s", "somewhere", test_path("%s/l", dir));
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		disk_of(test_path("dir:%s", dir), NULL);
		ASSERT_OK(find(test_path("dir:%s", dir), &image));
		CU_ASSERT(image.present);
		vmb_image_done(&image);
		fixture_run(changes[i]);
		ASSERT_OK(find(test_path("dir:%s", dir), &image));
		if (image.present)
			fprintf(stderr, "change %zu went unseen\n", i);
		CU_ASSERT_FALSE(image.present);
		vmb_image_done(&image);
	}
	/* the name moved on each time, so only the last one is left */
	CU_ASSERT_EQUAL(count_images(), 1);
}

static void the_root_folder_is_right_wherever_its_inode_lies(void)
{
	const char *dir = test_path("%s/root", test_tmpdir()), *link = test_path("%s/z", dir);
	char target[64];

	/* inodes of links take 24 bytes and their target; blocks of inodes hold 8192 */
	RUN("mkdir", dir);
	for (int i = 0; i < 325; i++)
		CU_ASSERT_EQUAL(symlink("x", test_path("%s/%d", dir, i)), 0);
	for (int i = 1; i < 60; i += 3) {
		const char *listing;

		memset(target, 'x', sizeof(target));
		target[i] = '\0';
		unlink(link);
		CU_ASSERT_EQUAL(symlink(target, link), 0);
		RUN("chmod", "1713", dir);
		RUN("touch", "-d", "2002-02-02T02:02:02Z", dir);
		listing = RUN("env", "TZ=UTC", "unsquashfs", "-lln",
			      disk_of(test_path("dir:%s", dir), NULL));
		CU_ASSERT_PTR_NOT_NULL(
			strstr(listing, test_path("drwx--x-wt %u/%u", getuid(), getgid())));
		CU_ASSERT_PTR_NOT_NULL(strstr(listing, " 2002-02-02 02:02 squashfs-root\n"));
	}
}

static void a_ready_disk(void)
{
	const char *dir = test_path("%s/root", test_tmpdir());
	const char *erofs = test_path("%s/a.erofs", test_tmpdir());
	const char *ext4 = test_path("%s/a.ext4", test_tmpdir());
	const char *squashfs = test_path("%s/a.squashfs", test_tmpdir());
	const char *const disks[][2] = {{erofs, "erofs"}, {ext4, "ext4"}, {squashfs, "squashfs"}};
	struct stat st, copy;

	RUN("mkdir", dir);
	test_write(test_path("%s/f", dir), "1");
	RUN("mkfs.erofs", erofs, dir);
	RUN("mke2fs", "-q", "-t", "ext4", "-d", dir, ext4, "64m");
	RUN("mksquashfs", dir, squashfs, "-quiet", "-no-progress");
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		struct vmboot_image *image;

		ASSERT_OK(import(test_path("disk:%s", disks[i][0]), NULL, &image));
		ASSERT_STR(image->format, disks[i][1]);
		ASSERT_STR(image->name, "localhost/a:latest");
		ASSERT_STR(image->config_json, "{}");
		RUN("cmp", disks[i][0], image->disk);
		CU_ASSERT(stat(image->disk, &copy) == 0 && stat(disks[i][0], &st) == 0);
		CU_ASSERT_EQUAL(copy.st_mode & 0777, 0444);
		CU_ASSERT(copy.st_ino != st.st_ino);
		CU_ASSERT(copy.st_blocks <= st.st_blocks + 64);
		vmboot_image_free(image);
	}
}

static void a_disk_that_cannot_be_mounted(void)
{
	const char *path = test_path("%s/d", test_tmpdir());
	const char *source = test_path("disk:%s", path);
	static const struct {
		const char *command, *words;
	} table[] = {
		{"mke2fs -q -t ext4 \"$0\" 8m && debugfs -w -R 'feature needs_recovery' \"$0\"",
		 "was not unmounted"},
		{"rm -f \"$0\"; mke2fs -q -t ext4 \"$0\" 8m && truncate -s 4M \"$0\"", "cut off"},
		{"rm -f \"$0\"; mksquashfs /etc/hostname \"$0\" && truncate -s 200 \"$0\"",
		 "cut off"},
		{"rm -f \"$0\"; mkdir \"$0.d\" && cp /bin/sh \"$0.d\" && "
		 "mkfs.erofs \"$0\" \"$0.d\" && truncate -s 4096 \"$0\"",
		 "cut off"},
		{"printf hsqs >\"$0\"", "version 4"},
		{"rm -f \"$0\"; truncate -s 1M \"$0\"", "not a squashfs, erofs or ext4"},
		{": >\"$0\"", "not a squashfs, erofs or ext4"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		RUN("sh", "-c", table[i].command, path);
		ASSERT_ERROR(import(source, NULL, NULL), VMBOOT_EIMAGE, table[i].words);
	}
	nothing_is_left();
}

static void sources_that_are_none(void)
{
	const char *dir = test_path("%s/x", test_tmpdir()),
		   *file = test_path("%s/y", test_tmpdir());
	const struct {
		const char *source, *words;
	} table[] = {
		{"node:20", "nothing to import"},
		{"", "nothing to import"},
		{"oci:", "needs a path"},
		{test_path("oci:%s", dir), "not an OCI layout"},
		{test_path("oci:%s:", dir), "empty tag"},
		{test_path("oci:%s/no:t", dir), "no such folder"},
		{test_path("dir:%s", file), "is not a folder"},
		{test_path("tar:%s", dir), "is not a regular file"},
		{test_path("tar:%s/no", dir), "does not exist"},
		{test_path("tar:%s", file), "cannot be read as an archive"},
		{test_path("disk:%s", dir), "is not a regular file"},
		{test_path("tar:%s/pipe", dir), "is not a regular file"},
		{test_path("tar:%s/empty", dir),
		 "importing localhost/empty:latest: the image has nothing in it"},
	};

	RUN("mkdir", dir);
	RUN("mkfifo", test_path("%s/pipe", dir));
	test_write(file, "not an archive");
	test_write(test_path("%s/empty", dir), "");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		ASSERT_ERROR(import(table[i].source, NULL, NULL), VMBOOT_EIMAGE, table[i].words);
	ASSERT_ERROR(import(NULL, NULL, NULL), VMBOOT_EIMAGE, "nothing to import");
	ASSERT_ERROR(import(test_path("dir:%s", dir), "Bad Name", NULL), VMBOOT_EIMAGE,
		     "\"Bad Name\" is not the name");
	nothing_is_left();
}

/* ---- a kind of source ---- */

/* What a kind's functions were called for, in this order. */
static char steps[100];

static int fake_resolve(const struct vmb_source *source, const struct vmb_store *store,
			struct vmb_image *image)
{
	(void)store;
	vmb_strlcat(steps, "resolve ", sizeof(steps));
	ASSERT_STR(source->path, "/registry/base");
	ASSERT_OK(vmb_asprintf(&image->digest, "sha256:%064d", 7));
	return vmb_strdup("squashfs", &image->fstype);
}

static int fake_fetch(const struct vmb_source *source, const struct vmb_store *store,
		      const struct vmb_image *image, const char *folder,
		      struct vmb_progress_count *import)
{
	(void)source, (void)store, (void)image, (void)folder, (void)import;
	vmb_strlcat(steps, "fetch ", sizeof(steps));
	return 0;
}

static int fake_build(const struct vmb_source *source, const struct vmb_image *image,
		      const char *disk, struct vmb_progress_count *import)
{
	(void)source, (void)image, (void)import;
	vmb_strlcat(steps, "build ", sizeof(steps));
	test_write(disk, "disk");
	return 0;
}

static const struct vmb_source_kind fake = {
	.prefix = "fake:",
	.remote = true,
	.resolve = fake_resolve,
	.fetch = fake_fetch,
	.build = fake_build,
};

static void fake_source(struct vmb_source *ret)
{
	*ret = (struct vmb_source){.kind = &fake};
	ASSERT_OK(vmb_strdup("/registry/base", &ret->path));
}

static void a_remote_source_is_asked_by_imports_only(void)
{
	_cleanup_image_ struct vmb_image planned = {0}, image = {0}, again = {0};
	_cleanup_source_ struct vmb_source source = {0};
	_cleanup_store_ struct vmb_store store = {0};

	ASSERT_OK(vmb_store_open(store_path(), &store));
	*steps = '\0';
	fake_source(&source);
	ASSERT_ERROR(vmb_image_find_source(&store, &source, NULL, false, &planned), VMBOOT_ENOIMAGE,
		     "does not have fake:/registry/base yet");
	ASSERT_STR(steps, "");
	fake_source(&source);
	ASSERT_OK(vmb_image_find_source(&store, &source, NULL, true, &image));
	CU_ASSERT_FALSE(image.present);
	ASSERT_OK(vmb_image_import(&store, NULL, &image));
	ASSERT_STR(steps, "resolve fetch build ");
	fake_source(&source);
	ASSERT_OK(vmb_image_find_source(&store, &source, NULL, false, &again));
	ASSERT_STR(again.disk, image.disk);
	ASSERT_STR(again.name, "localhost/base:latest");
	ASSERT_STR(steps, "resolve fetch build ");
}

/* The order in which files came into a folder is no part of the image. tmpfs tells of it. */
static void a_folder_is_read_in_the_order_of_names(void)
{
	char hex[2][VMB_SHA256_HEX + 1], shm[] = "/dev/shm/vmboot-test-XXXXXX";

	if (!mkdtemp(shm)) {
		test_not_tried("there is no /dev/shm");
		return;
	}
	for (int i = 0; i < 2; i++) {
		RUN("sh", "-c",
		    i ? "cd \"$0\" && echo 1 >a && echo 2 >b && echo 3 >c"
		      : "cd \"$0\" && echo 3 >c && echo 2 >b && echo 1 >a",
		    shm);
		RUN("sh", "-c", "cd \"$0\" && touch -d 2001-01-01 a b c .", shm);
		ASSERT_OK(vmb_hash_file(disk_of(test_path("dir:%s", shm), NULL), hex[i]));
		RUN("sh", "-c", "rm \"$0\"/*", shm);
	}
	CU_ASSERT_EQUAL(rmdir(shm), 0);
	ASSERT_STR(hex[1], hex[0]);
}

static void what_is_mounted_in_a_folder_stays_out(void)
{
	const char *dir = test_path("%s/root", test_tmpdir()), *at = test_path("%s/m", dir);

	RUN("mkdir", "-p", at);
	if (geteuid() != 0 || mount("tmpfs", at, "tmpfs", 0, NULL) < 0) {
		test_not_tried("there is no right to mount");
		return;
	}
	test_write(test_path("%s/f", at), "1");
	ASSERT_STR(fixture_listing(disk_of(test_path("dir:%s", dir), NULL)), "drwxrwxrwt 0/0 m\n");
	CU_ASSERT_EQUAL(umount(at), 0);
}

/* What does not fit ends before the store is full, and leaves nothing. */
static void a_store_that_is_too_small_is_not_filled(void)
{
	const char *small = test_path("%s/small", test_tmpdir());
	const char *tar = test_path("%s/large.tar", test_tmpdir());
	struct vmboot_opts where = VMBOOT_OPTS(.store = small);

	RUN("mkdir", "-p", small, test_path("%s/large", test_tmpdir()));
	if (geteuid() != 0 || mount("tmpfs", small, "tmpfs", 0, "size=40m,mode=700") < 0) {
		test_not_tried("there is no right to mount");
		return;
	}
	RUN("sh", "-c",
	    "head -c 60M /dev/urandom >\"$0\"/large/f && tar -C \"$0\"/large -cf \"$1\" .",
	    test_tmpdir(), tar);
	ASSERT_ERROR(vmboot_image_import(&where, test_path("tar:%s", tar), NULL, NULL), ENOSPC,
		     "less than 16 MiB would be left");
	CU_ASSERT_EQUAL(fixture_count(test_path("%s/images", small), ""), 0);
	CU_ASSERT_EQUAL(umount(small), 0);
	RUN("rm", tar, test_path("%s/large/f", test_tmpdir()));
}

/* Its digest was told, then it changed before it was read. */
static void a_source_that_changes_meanwhile_is_refused(void)
{
	struct vmb_image image = {.digest = (char *)"sha256:"
						    "00000000000000000000000000000000"
						    "00000000000000000000000000000000"};
	const char *oci = test_path("%s/oci", test_tmpdir());
	const char *tar = test_path("%s/t.tar", test_tmpdir());
	const char *disk = test_path("%s/t.ext4", test_tmpdir());
	const char *const sources[][2] = {
		{test_path("oci:%s", oci), "changed while it was imported; try again"},
		{test_path("dir:%s", oci), "changed while it was imported; try again"},
		{test_path("tar:%s", tar), "is damaged: the sha256 of"},
		{test_path("disk:%s", disk), "changed while it was imported; try again"},
	};

	fixture_image(oci, NULL, NULL, plain, 1, "gzip");
	fixture_tar(tar, &plain[0], "none");
	RUN("mke2fs", "-q", "-t", "ext4", disk, "8m");
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		_cleanup_source_ struct vmb_source source = {0};
		struct vmb_progress_count progress = {.what = "x"};

		ASSERT_OK(vmb_source_parse(sources[i][0], &source));
		ASSERT_ERROR(source.kind->build(&source, &image,
						test_path("%s/%zu", test_tmpdir(), i), &progress),
			     VMBOOT_EIMAGE, sources[i][1]);
	}
}

/* ---- layouts ---- */

static void tags_choose(void)
{
	static const struct fixture_layer other[] = {LAYER(FILE_OF("o", "1"))};
	const char *dir = test_path("%s/oci", test_tmpdir());

	fixture_image(dir, "1", NULL, plain, 1, "gzip");
	ASSERT_STR(fixture_listing(disk_of(test_path("oci:%s", dir), NULL)), PLAIN_LISTING);
	fixture_image(dir, "2", NULL, other, 1, "gzip");
	fixture_image(dir, NULL, "{}", other, 1, "gzip");
	ASSERT_STR(fixture_listing(disk_of(test_path("oci:%s:2", dir), NULL)),
		   "-rw-r--r-- 0/0 1 o\n");
	ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE,
		     "more than one image; choose one");
	CU_ASSERT(test_error_is(-VMBOOT_EIMAGE, "from: 1, 2, (no tag)"));
	ASSERT_ERROR(import(test_path("oci:%s:3", dir), NULL, NULL), VMBOOT_EIMAGE,
		     "has no tag 3; it has: 1, 2, (no tag)");
}

static const char *host_arch(void)
{
	const char *machine = RUN("uname", "-m");

	return strncmp(machine, "x86_64", 6) == 0    ? "amd64"
	       : strncmp(machine, "aarch64", 7) == 0 ? "arm64"
						     : "unknown";
}

static void an_index_chooses_by_arch(void)
{
	static const struct fixture_layer other[] = {LAYER(FILE_OF("o", "1"))};
	static const char form[] =
		"{\"schemaVersion\":2,\"manifests\":["
		"{\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\","
		"\"digest\":\"%s\",\"size\":%zu,\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"%s\"}},"
		"{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\","
		"\"digest\":\"%s\",\"size\":%zu,\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"%s\"}}]}";
	const char *dir = test_path("%s/oci", test_tmpdir()), *mine, *others, *index;
	size_t n_mine, n_others;

	mine = fixture_image(dir, NULL, NULL, plain, 1, "gzip");
	others = fixture_image(dir, NULL, "{\"architecture\":\"mips\"}", other, 1, "gzip");
	n_mine = strlen(test_read(test_path("%s/blobs/sha256/%s", dir, mine + 7)));
	n_others = strlen(test_read(test_path("%s/blobs/sha256/%s", dir, others + 7)));

	index = test_path(form, others, n_others, "mips", mine, n_mine, host_arch());
	test_write(test_path("%s/index.json", dir),
		   test_path("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":"
			     "\"application/vnd.oci.image.index.v1+json\",\"digest\":\"%s\","
			     "\"size\":%zu}]}",
			     fixture_blob(dir, index), strlen(index)));
	ASSERT_STR(fixture_listing(disk_of(test_path("oci:%s", dir), NULL)), PLAIN_LISTING);

	test_write(test_path("%s/index.json", dir),
		   test_path(form, others, n_others, "mips", others, n_others, "arm"));
	ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE,
		     test_path("no image for linux/%s; it has: linux/mips, linux/arm",
			       host_arch()));
	/* what the index says is one thing, what the config says another */
	test_write(test_path("%s/index.json", dir),
		   test_path(form, others, n_others, host_arch(), others, n_others, "arm"));
	ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE,
		     "is for mips, and this host is");
}

/* Of amd64's variants, the one for the newest CPU that runs here, by KVM or emulated. */
static void an_index_chooses_by_variant(void)
{
#ifdef __x86_64__
	const char *dir = test_path("%s/oci", test_tmpdir()), *entries = "", *list;
	static const char *const variants[] = {"v4", "", "v9", "v2", "x"};
	const char *digests[ARRAY_SIZE(variants)];
	bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
	_cleanup_image_ struct vmb_image image = {0};

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		const char *name = test_path("f%zu", i);
		const struct fixture_layer layer = LAYER(FILE_OF(name, "1"));

		digests[i] = fixture_image(dir, NULL, NULL, &layer, 1, "none");
		list = test_read(test_path("%s/blobs/sha256/%s", dir, digests[i] + 7));
		entries = test_path("%s%s{\"digest\":\"%s\",\"size\":%zu,\"platform\":{\"os\":"
				    "\"linux\",\"architecture\":\"amd64\",\"variant\":\"%s\"}}",
				    entries, i ? "," : "", digests[i], strlen(list), variants[i]);
	}
	test_write(test_path("%s/index.json", dir), test_path("{\"manifests\":[%s]}", entries));
	ASSERT_OK(find(test_path("oci:%s", dir), &image));
	ASSERT_STR(image.digest, digests[v2 ? 3 : 1]);
#endif
}

/* The path of the layout's largest blob that is not JSON: its layer. */
static const char *layer_path(const char *dir)
{
	const char *out = RUN("sh", "-c",
			      "cd \"$0\"/blobs/sha256 && grep -L schemaVersion * | "
			      "xargs ls -S | head -n1",
			      dir);

	return test_path("%s/blobs/sha256/%.64s", dir, out);
}

static void damage_is_noticed(void)
{
	static const struct {
		const char *command, *words;
	} table[] = {
		{"truncate -s -10 \"$0\"", "layer 1 of 1 (sha256:"},
		{"truncate -s -10 \"$0\"", "bytes, not "},
		{"truncate -s 0 \"$0\"", "has 0 bytes, not "},
		{"printf x | dd of=\"$0\" bs=1 seek=40 conv=notrunc 2>/dev/null",
		 "is damaged: the sha256"},
		{"echo more >>\"$0\"", "bytes, not "},
		{"rm \"$0\"", "does not exist"},
		{"rm \"$0\"; mkfifo \"$0\"", "is not a regular file"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		const char *dir = test_path("%s/%zu", test_tmpdir(), i);

		fixture_image(dir, NULL, NULL, plain, 1, i % 2 ? "none" : "gzip");
		RUN("sh", "-c", table[i].command, layer_path(dir));
		ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE,
			     table[i].words);
		nothing_is_left();
	}
}

static void damaged_json_is_noticed(void)
{
	const char *dir = test_path("%s/oci", test_tmpdir()), *digest, *path;

	digest = fixture_image(dir, NULL, NULL, plain, 1, "gzip");
	path = test_path("%s/blobs/sha256/%s", dir, digest + 7);
	test_write(path, test_path("%s ", test_read(path)));
	ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE,
		     "is damaged: its sha256");
	path = test_path("%s/index.json", dir);
	RUN("rm", "-r", test_path("%s/blobs", dir));
	RUN("rm", path);
	fixture_image(dir, NULL, NULL, plain, 1, "gzip");
	RUN("sed", "-i", "s/size\":/&1/", path);
	ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE, "bytes, not 1");
	test_write(path, "{");
	ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE,
		     test_path("index.json in %s: it is not valid JSON", dir));
	RUN("sh", "-c", "head -c 5000000 /dev/zero >\"$0\"", test_path("%s/index.json", dir));
	ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE, "larger than");
	test_write(test_path("%s/oci-layout", dir), "{\"imageLayoutVersion\":\"2.0.0\"}");
	ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE, "version 1");
	nothing_is_left();
}

/* A tar without a digest to check it by: libarchive has to notice. */
static void a_truncated_tar_is_noticed(void)
{
	const char *path = test_path("%s/t.tar.gz", test_tmpdir());

	RUN("sh", "-c",
	    "head -c 300000 /dev/urandom >\"$1\"/r && tar -C \"$1\" -czf \"$0\" r && "
	    "truncate -s -1000 \"$0\"",
	    path, test_tmpdir());
	ASSERT_ERROR(import(test_path("tar:%s", path), NULL, NULL), VMBOOT_EIMAGE,
		     "cannot be read as an archive");
	nothing_is_left();
}

/* umoci ends such a layer with the last byte of the file. */
static void a_layer_without_padding(void)
{
	const char *dir = test_path("%s/insert", test_tmpdir()), *image = test_path("%s:t", dir);
	const char *file = test_path("%s/f", test_tmpdir());
	struct vmboot_image *pub;

	test_write(file, "hello");
	RUN("umoci", "init", "--layout", dir);
	RUN("umoci", "new", "--image", image);
	RUN("umoci", "insert", "--image", image, file, "/etc/f");
	ASSERT_OK(import(test_path("oci:%s", dir), NULL, &pub));
	ASSERT_STR(RUN("unsquashfs", "-cat", pub->disk, "etc/f"), "hello");
	vmboot_image_free(pub);
}

/* Cut off within a file, and published like that: its digest is right. */
static void a_layer_that_ends_within_a_file(void)
{
	const char *dir = test_path("%s/cut", test_tmpdir()), *image = test_path("%s:t", dir);

	RUN("sh", "-c",
	    "umoci init --layout \"$0\" && umoci new --image \"$1\" && "
	    "head -c 700 /dev/urandom >\"$2/x\" && tar -C \"$2\" -cf \"$2/l.tar\" x && "
	    "truncate -s 1200 \"$2/l.tar\" && umoci raw add-layer --image \"$1\" \"$2/l.tar\"",
	    dir, image, test_tmpdir());
	ASSERT_ERROR(import(test_path("oci:%s", dir), NULL, NULL), VMBOOT_EIMAGE,
		     "ends within the file x");
	nothing_is_left();
}

/* ---- the store ---- */

static void names_come_and_go(void)
{
	const char *a = test_path("%s/a", test_tmpdir()), *b = test_path("%s/b", test_tmpdir());
	static const struct fixture_layer other[] = {LAYER(FILE_OF("o", "1"))};
	_cleanup_image_ struct vmb_image image = {0}, by_digest = {0};
	struct vmboot_image *pub;
	const char *disk;

	ASSERT_STR(list(), "");
	fixture_image(a, NULL, NULL, plain, 1, "gzip");
	fixture_image(b, NULL, NULL, other, 1, "gzip");
	ASSERT_OK(import(test_path("oci:%s", a), "node:20", &pub));
	disk = test_path("%s", pub->disk);
	vmboot_image_free(pub);
	ASSERT_STR(disk_of(test_path("oci:%s", a), "quay.io/x/y"), disk);
	ASSERT_STR(list(), "localhost/node:20\nquay.io/x/y:latest\n");
	CU_ASSERT_EQUAL(count_images(), 1);

	ASSERT_OK(find("node:20", &image));
	CU_ASSERT(image.present);
	ASSERT_STR(image.disk, disk);
	ASSERT_STR(image.source, test_path("oci:%s", a));
	ASSERT_STR(image.config.cmd[0], "/bin/sh");
	ASSERT_OK(find(test_path("any@%s", image.digest), &by_digest));
	ASSERT_STR(by_digest.disk, disk);

	ASSERT_ERROR(find("node:21", &by_digest), VMBOOT_ENOIMAGE,
		     "no image node:21; pull it: `vmboot pull docker.io/library/node:21`, or "
		     "import it: `vmboot import SOURCE --name node:21`");
	ASSERT_ERROR(find("Node", &by_digest), VMBOOT_EIMAGE, "is not the name");
	ASSERT_ERROR(remove_name("node:21"), VMBOOT_ENOIMAGE, "has no image");

	ASSERT_OK(remove_name("node:20"));
	ASSERT_ERROR(remove_name("node:20"), VMBOOT_ENOIMAGE, "has no image");
	CU_ASSERT(vmb_exists(disk));
	/* a name that moves on takes its old image with it */
	disk_of(test_path("oci:%s", b), "quay.io/x/y");
	CU_ASSERT_FALSE(vmb_exists(disk));
	CU_ASSERT_EQUAL(count_images(), 1);
	ASSERT_OK(remove_name("quay.io/x/y:latest"));
	nothing_is_left();
	CU_ASSERT_EQUAL(fixture_count(test_path("%s/images", store_path()), ""), 0);
}

/* A short name means what podman means by it; older versions called everything docker.io/library/. */
static void a_short_name_is_local_first(void)
{
	static const struct fixture_layer other[] = {LAYER(FILE_OF("o", "1"))};
	const char *a = test_path("%s/a", test_tmpdir()), *b = test_path("%s/base", test_tmpdir());
	_cleanup_image_ struct vmb_image hub = {0}, local = {0}, in_full = {0}, by_digest = {0};

	fixture_image(a, NULL, NULL, plain, 1, "gzip");
	fixture_image(b, NULL, NULL, other, 1, "gzip");
	disk_of(test_path("oci:%s", a), "docker.io/library/base");
	ASSERT_OK(find("base", &hub));
	ASSERT_STR(hub.name, "docker.io/library/base:latest");
	disk_of(test_path("oci:%s", b), NULL);
	ASSERT_OK(find("base", &local));
	ASSERT_STR(local.name, "localhost/base:latest");
	CU_ASSERT(!vmb_streq(local.digest, hub.digest));
	ASSERT_OK(find("docker.io/base", &in_full));
	ASSERT_STR(in_full.digest, hub.digest);
	ASSERT_OK(find(test_path("base:latest@%s", hub.digest), &by_digest));
	ASSERT_STR(by_digest.disk, hub.disk);

	ASSERT_OK(remove_name("base"));
	ASSERT_STR(list(), "docker.io/library/base:latest\n");
	ASSERT_OK(remove_name("base"));
	nothing_is_left();
}

static void a_vm_keeps_its_image(void)
{
	const char *oci = test_path("%s/a", test_tmpdir()), *vm, *target;
	_cleanup_store_ struct vmb_store store = {0};
	_cleanup_image_ struct vmb_image image = {0};
	_cleanup_list_ char **unused = NULL;

	fixture_image(oci, NULL, NULL, plain, 1, "gzip");
	disk_of(test_path("oci:%s", oci), "x");
	disk_of(test_path("oci:%s", oci), "y");
	ASSERT_OK(find("x", &image));
	ASSERT_OK(vmb_store_open(store_path(), &store));
	vm = test_path("%s/vms/web", store_path());
	ASSERT_OK(vmb_mkdir_p(vm, 0711));
	ASSERT_OK(vmb_image_use(&store, &image, vm));
	target = test_path("%s/image/root.squashfs", vm);
	RUN("test", target, "-ef", image.disk);

	ASSERT_OK(remove_name("x"));
	ASSERT_ERROR(remove_name("y"), EBUSY, "the VM web uses the image");
	ASSERT_STR(list(), "localhost/y:latest\n");
	/* also when the name moves on; then only the VM keeps it */
	disk_of(test_path("dir:%s", vm), "y");
	CU_ASSERT(vmb_exists(target));
	ASSERT_OK(vmb_image_unused(&store, &unused));
	CU_ASSERT_PTR_NULL(*unused);
	vmb_list_free(TAKE_PTR(unused));
	CU_ASSERT_EQUAL(vmb_image_drop(&store, image.digest), 0);

	/* somebody began to remove it, and was killed */
	ASSERT_OK(vmb_rename(vm, test_path("%s.tmp-abcdef", vm)));
	ASSERT_OK(vmb_image_unused(&store, &unused));
	ASSERT_STR(unused[0], image.digest);
	CU_ASSERT_PTR_NULL(unused[1]);
	CU_ASSERT_EQUAL(vmb_image_drop(&store, image.digest), 1);
	CU_ASSERT_FALSE(vmb_exists(image.disk));
	ASSERT_OK(remove_name("y"));
	ASSERT_OK(vmb_mkdir_p(vm, 0711));
	ASSERT_ERROR(vmb_image_use(&store, &image, vm), VMBOOT_ENOIMAGE, "was removed just now");
	CU_ASSERT_EQUAL(fixture_count(vm, ""), 0);
}

static void without_descriptors_no_image_is_said_to_be_missing(void)
{
	const char *oci = test_path("%s/a", test_tmpdir());
	_cleanup_image_ struct vmb_image image = {0};
	struct rlimit old, none;
	int r;

	fixture_image(oci, NULL, NULL, plain, 1, "gzip");
	disk_of(test_path("oci:%s", oci), "x");
	CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = find("x", &image);
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &old), 0);
	CU_ASSERT_EQUAL(r, -EMFILE);
}

static void a_store_that_lost_a_disk_gets_it_again(void)
{
	const char *oci = test_path("%s/a", test_tmpdir()), *disk;
	struct vmb_image image = {0};

	fixture_image(oci, NULL, NULL, plain, 1, "gzip");
	disk = disk_of(test_path("oci:%s", oci), "x");
	RUN("chmod", "u+w", disk);
	RUN("truncate", "-s", "100", disk);
	ASSERT_ERROR(find("x", &image), VMBOOT_ENOIMAGE, "has no image");
	ASSERT_STR(list(), "");
	ASSERT_STR(disk_of(test_path("oci:%s", oci), "x"), disk);
	ASSERT_STR(fixture_listing(disk), PLAIN_LISTING);
	test_write(test_path("%.*s/image.json", (int)(strrchr(disk, '/') - disk), disk), "{}");
	ASSERT_STR(disk_of(test_path("oci:%s", oci), "x"), disk);
	ASSERT_OK(find("x", &image));
	vmb_image_done(&image);
	CU_ASSERT_EQUAL(count_images(), 1);
}

static void others_may_read_disks_but_not_write(void)
{
	const char *oci = test_path("%s/a", test_tmpdir()), *disk;
	struct stat st, folder;
	mode_t old = umask(077);

	fixture_image(oci, NULL, NULL, plain, 1, "gzip");
	disk = disk_of(test_path("oci:%s", oci), "x");
	umask(old);
	CU_ASSERT(stat(disk, &st) == 0 && (st.st_mode & 0777) == 0444);
	CU_ASSERT(stat(test_path("%.*s", (int)(strrchr(disk, '/') - disk), disk), &folder) == 0 &&
		  (folder.st_mode & 0777) == 0755);
}

static void what_was_hashed_once_is_not_hashed_again(void)
{
	const char *fresh = test_path("%s/t.tar", test_tmpdir()), *memo;
	static const char old[] =
		"tar:/bin/sh"; /* is no tar, but telling its digest is no import */
	_cleanup_image_ struct vmb_image a = {0}, b = {0}, c = {0};

	memo = test_path("%s/memo", store_path());
	fixture_tar(fresh, &plain[0], "none");
	ASSERT_OK(find(test_path("tar:%s", fresh), &a));
	CU_ASSERT_EQUAL(fixture_count(memo, "file-"), 0); /* too fresh to be sure of */
	ASSERT_OK(find(old, &b));
	CU_ASSERT_EQUAL(fixture_count(memo, "file-"), 1);
	RUN("sh", "-c", "for f in \"$0\"/file-*; do printf %064d 7 >$f; done", memo);
	ASSERT_OK(find(old, &c));
	ASSERT_STR(c.digest,
		   "sha256:0000000000000000000000000000000000000000000000000000000000000007");
	/* and a memo that lies does not get a wrong disk into the store */
	ASSERT_ERROR(import(old, NULL, NULL), VMBOOT_EIMAGE, "is damaged");
}

/* ---- two at once, killed ---- */

struct importer {
	pthread_barrier_t *start;
	const char *store, *source, *name;
	unsigned told;
	int result;
};

static void count(const char *what, uint64_t done, uint64_t total, void *data)
{
	(void)what, (void)done, (void)total;
	++*(unsigned *)data;
}

static void *run_importer(void *data)
{
	struct importer *i = data;
	struct vmboot_opts where =
		VMBOOT_OPTS(.store = i->store, .progress = count, .progress_data = &i->told);

	pthread_barrier_wait(i->start);
	i->result = vmboot_image_import(&where, i->source, i->name, NULL);
	if (i->result < 0)
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
	return NULL;
}

enum { IMPORTERS = 4 };

static void one_of_many_imports_does_the_work(void)
{
	const char *oci = test_path("%s/a", test_tmpdir());
	struct importer importers[IMPORTERS];
	pthread_t threads[IMPORTERS];
	pthread_barrier_t start;
	unsigned worked = 0;

	fixture_image(oci, NULL, NULL, plain, 1, "gzip");
	pthread_barrier_init(&start, NULL, IMPORTERS);
	for (int i = 0; i < IMPORTERS; i++) {
		importers[i] = (struct importer){
			&start, store_path(), test_path("oci:%s", oci), test_path("x:%d", i % 2), 0,
			0};
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&threads[i], NULL, run_importer, &importers[i]), 0);
	}
	for (int i = 0; i < IMPORTERS; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(importers[i].result, 0);
		worked += importers[i].told > 0;
	}
	pthread_barrier_destroy(&start);
	CU_ASSERT_EQUAL(worked, 1);
	CU_ASSERT_EQUAL(count_images(), 1);
	ASSERT_STR(list(), "localhost/x:0\nlocalhost/x:1\n");
}

static void die_late(const char *what, uint64_t done, uint64_t total, void *data)
{
	(void)what, (void)data;
	if (done > total / 2)
		raise(SIGKILL);
}

static void a_killed_import_leaves_nothing_that_counts(void)
{
	const char *tar = test_path("%s/t.tar", test_tmpdir()), *source = test_path("tar:%s", tar);
	struct vmboot_opts where = VMBOOT_OPTS(.store = store_path(), .progress = die_late);
	struct vmb_image image = {0};
	int status;
	pid_t pid;

	RUN("sh", "-c", "head -c 4000000 /dev/urandom >\"$1\"/r && tar -C \"$1\" -cf \"$0\" r", tar,
	    test_tmpdir());
	pid = fork();
	if (pid == 0)
		_exit(vmboot_image_import(&where, source, "x", NULL) < 0 ? 1 : 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CU_ASSERT_EQUAL(count_images(), 1); /* half-made */
	ASSERT_STR(list(), "");
	ASSERT_OK(find(source, &image));
	CU_ASSERT_FALSE(image.present);
	vmb_image_done(&image);

	ASSERT_OK(import(source, "x", NULL));
	CU_ASSERT_EQUAL(count_images(), 1);
	ASSERT_STR(list(), "localhost/x:latest\n");
	CU_ASSERT_EQUAL(fixture_count(test_path("%s/images", store_path()), "sha256-"), 2);
}

struct seen {
	uint64_t done, total;
	unsigned calls, wrong;
};

static void watch(const char *what, uint64_t done, uint64_t total, void *data)
{
	struct seen *s = data;

	s->wrong += done < s->done || done > total || (s->total && s->total != total) ||
		    !vmb_streq(what, "importing localhost/x:latest");
	s->done = done;
	s->total = total;
	s->calls++;
}

static void progress_goes_up_to_the_end(void)
{
	const char *tar = test_path("%s/t.tar.gz", test_tmpdir()),
		   *dir = test_path("%s/d", test_tmpdir());
	struct seen seen = {0};
	struct vmboot_opts where =
		VMBOOT_OPTS(.store = store_path(), .progress = watch, .progress_data = &seen);

	RUN("mkdir", dir);
	RUN("sh", "-c", "head -c 4000000 /dev/urandom >\"$1\"/r && tar -C \"$1\" -czf \"$0\" r",
	    tar, dir);
	ASSERT_OK(vmboot_image_import(&where, test_path("tar:%s", tar), "x", NULL));
	CU_ASSERT(seen.wrong == 0 && seen.calls >= 8 && seen.done == seen.total);
	CU_ASSERT(seen.total > 8000000);
	seen = (struct seen){0};
	ASSERT_OK(vmboot_image_import(&where, test_path("dir:%s", dir), "x", NULL));
	CU_ASSERT(seen.wrong == 0 && seen.calls >= 4 && seen.done == seen.total &&
		  seen.total == 4000000);
}

static void a_failing_writer_is_reported_and_raises_no_signal(void)
{
	const char *tar = test_path("%s/t.tar", test_tmpdir()), *old;

	RUN("sh", "-c", "head -c 4000000 /dev/urandom >\"$1\"/r && tar -C \"$1\" -cf \"$0\" r", tar,
	    test_tmpdir());
	old = test_replace_program("vmboot-squash", "#!/bin/sh\necho no room >&2\nexit 1\n");
	ASSERT_ERROR(import(test_path("tar:%s", tar), NULL, NULL), VMBOOT_EHOST,
		     "vmboot-squash failed with status 1: no room");
	setenv("VMBOOT_GUEST_DIR", old, 1);
	test_replace_program("vmboot-squash", "#!/bin/sh\n");
	ASSERT_ERROR(import(test_path("tar:%s", tar), NULL, NULL), VMBOOT_EHOST,
		     "vmboot-squash ended before it had read everything");
	setenv("VMBOOT_GUEST_DIR", old, 1);
	nothing_is_left();
}

/* ---- limits ---- */

static const char *big_tar(void)
{
	const char *tar = test_path("%s/t.tar", test_tmpdir());

	RUN("sh", "-c", "head -c 4000000 /dev/urandom >\"$1\"/r && tar -C \"$1\" -cf \"$0\" r", tar,
	    test_tmpdir());
	return tar;
}

struct canceller {
	struct vmboot_cancel *cancel;
	uint64_t when; /* of the source's bytes are read */
};

static void cancel_at(const char *what, uint64_t done, uint64_t total, void *data)
{
	struct canceller *c = data;

	(void)what, (void)total;
	if (done >= c->when)
		vmboot_cancel(c->cancel);
}

static void a_cancelled_import_leaves_nothing(void)
{
	const char *tar = big_tar();
	const char *const sources[] = {test_path("tar:%s", tar),
				       test_path("dir:%s", test_tmpdir())};
	const uint64_t moments[] = {1, 5000000};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		for (size_t k = 0; k < ARRAY_SIZE(moments); k++) {
			struct canceller c = {.when = moments[k]};
			struct vmboot_opts where =
				VMBOOT_OPTS(.store = store_path(), .progress = cancel_at,
					    .progress_data = &c);

			ASSERT_OK(vmboot_cancel_new(&c.cancel));
			where.cancel = c.cancel;
			if (i == 1)
				where.store = test_path("/dev/shm/vmboot-test-%d", getpid());
			ASSERT_ERROR(vmboot_image_import(&where, sources[i], "x", NULL), ECANCELED,
				     "cancelled while importing the image");
			CU_ASSERT_EQUAL(fixture_count(test_path("%s/images", where.store), ""), 0);
			CU_ASSERT_EQUAL(fixture_count(test_path("%s/names", where.store), ""), 0);
			RUN("rm", "-rf", where.store);
			vmboot_cancel_free(c.cancel);
		}
}

/* A writer that takes all and never ends, and one that takes nothing. */
static void an_import_has_a_deadline(void)
{
	static const char *const scripts[] = {"#!/bin/sh\ncat >/dev/null\nexec sleep 1000\n",
					      "#!/bin/sh\nexec sleep 1000\n"};
	struct vmboot_opts where = VMBOOT_OPTS(.store = store_path(), .timeout_ms = 300);
	const char *source = test_path("tar:%s", big_tar());

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		const char *old = test_replace_program("vmboot-squash", scripts[i]);

		ASSERT_ERROR(vmboot_image_import(&where, source, "x", NULL), ETIMEDOUT,
			     "the 300 ms of timeout_ms have passed while importing the image");
		setenv("VMBOOT_GUEST_DIR", old, 1);
		nothing_is_left();
		CU_ASSERT(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	}
}

/* As by `ulimit -f`: neither the caller ends, nor is anything left. */
static void a_limit_on_files_leaves_nothing(void)
{
	const char *dir = test_path("%s/tree", test_tmpdir());
	struct vmboot_image *image = NULL;
	enum { SIZE = 1 << 20 };
	char *noise = test_alloc(SIZE);
	struct rlimit before, low;
	int r;

	for (size_t i = 0, x = 1; i < SIZE; i++, x = x * 1103515245 + 12345)
		noise[i] = (char)(x >> 16);
	CU_ASSERT_EQUAL_FATAL(mkdir(dir, 0755), 0);
	ASSERT_OK(vmb_write_file_atomic(test_path("%s/noise", dir), noise, SIZE, 0644));
	ASSERT_OK(import(test_path("dir:%s", dir), "before", &image));
	vmboot_image_free(image);
	ASSERT_OK(remove_name("before"));
	CU_ASSERT_EQUAL(count_images(), 0);
	signal(SIGXFSZ, SIG_DFL);
	getrlimit(RLIMIT_FSIZE, &before);
	low = (struct rlimit){SIZE / 4, before.rlim_max};
	setrlimit(RLIMIT_FSIZE, &low);
	r = import(test_path("dir:%s", dir), "limited", &image);
	setrlimit(RLIMIT_FSIZE, &before);
	ASSERT_ERROR(r, EFBIG, "limit");
	CU_ASSERT_EQUAL(count_images(), 0);
	ASSERT_STR(list(), "");
}

TEST_MAIN("image/import", {"a limit on files leaves nothing", a_limit_on_files_leaves_nothing},
	  {"an image made by umoci", an_image_made_by_umoci},
	  {"what skopeo makes of it", what_skopeo_makes_of_it},
	  {"tars of any compression", tars_of_any_compression}, {"a folder", a_folder},
	  {"a changed folder is another image", a_changed_folder_is_another_image},
	  {"the root folder is right wherever its inode lies",
	   the_root_folder_is_right_wherever_its_inode_lies},
	  {"a ready disk", a_ready_disk},
	  {"a disk that cannot be mounted", a_disk_that_cannot_be_mounted},
	  {"a folder is read in the order of names", a_folder_is_read_in_the_order_of_names},
	  {"what is mounted in a folder stays out", what_is_mounted_in_a_folder_stays_out},
	  {"a store that is too small is not filled", a_store_that_is_too_small_is_not_filled},
	  {"a source that changes meanwhile is refused",
	   a_source_that_changes_meanwhile_is_refused},
	  {"sources that are none", sources_that_are_none},
	  {"a remote source is asked by imports only", a_remote_source_is_asked_by_imports_only},
	  {"tags choose", tags_choose}, {"an index chooses by arch", an_index_chooses_by_arch},
	  {"an index chooses by variant", an_index_chooses_by_variant},
	  {"damage is noticed", damage_is_noticed},
	  {"damaged JSON is noticed", damaged_json_is_noticed},
	  {"a truncated tar is noticed", a_truncated_tar_is_noticed},
	  {"a layer without padding", a_layer_without_padding},
	  {"a layer that ends within a file", a_layer_that_ends_within_a_file},
	  {"names come and go", names_come_and_go},
	  {"a short name is local first", a_short_name_is_local_first},
	  {"a VM keeps its image", a_vm_keeps_its_image},
	  {"without descriptors no image is said to be missing",
	   without_descriptors_no_image_is_said_to_be_missing},
	  {"a store that lost a disk gets it again", a_store_that_lost_a_disk_gets_it_again},
	  {"others may read disks but not write", others_may_read_disks_but_not_write},
	  {"what was hashed once is not hashed again", what_was_hashed_once_is_not_hashed_again},
	  {"one of many imports does the work", one_of_many_imports_does_the_work},
	  {"a killed import leaves nothing that counts",
	   a_killed_import_leaves_nothing_that_counts},
	  {"a cancelled import leaves nothing", a_cancelled_import_leaves_nothing},
	  {"an import has a deadline", an_import_has_a_deadline},
	  {"progress goes up to the end", progress_goes_up_to_the_end},
	  {"a failing writer is reported and raises no signal",
	   a_failing_writer_is_reported_and_raises_no_signal})
