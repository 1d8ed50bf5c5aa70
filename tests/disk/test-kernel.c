/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel disk, from folders of the shapes that distributions have. */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/process.h"
#include "disk/kernel.h"
#include "test.h"

#define RELEASE "6.1.0-9-amd64"
#define ARCH "usr/src/linux-headers-" RELEASE
#define COMMON "usr/src/linux-headers-6.1.0-9-common"
#define KBUILD "usr/lib/linux-kbuild-6.1"

static const struct vmb_log silent;

static void run(const char *const *argv)
{
	ASSERT_OK(vmb_run(argv, NULL));
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static const char *output(const char *const *argv)
{
	_cleanup_free_ char *out = NULL;

	ASSERT_OK(vmb_run(argv, &out));
	return test_path("%s", out ? out : "");
}
#define OUTPUT(...) output((const char *const[]){__VA_ARGS__, NULL})

static struct vmb_store store_in(const char *folder)
{
	return (struct vmb_store){.path = (char *)test_path("%s/%s", test_tmpdir(), folder)};
}

/* ---- trees ---- */

static void put(const char *root, const char *path, const char *text)
{
	char *folder = (char *)test_path("%s/%s", root, path);

	*strrchr(folder, '/') = '\0';
	ASSERT_OK(vmb_mkdir_p(folder, 0755));
	test_write(test_path("%s/%s", root, path), text);
}

static void put_link(const char *root, const char *path, const char *target)
{
	CU_ASSERT_EQUAL(symlink(target, test_path("%s/%s", root, path)), 0);
}

static void put_modules(const char *root)
{
	put(root, "lib/modules/" RELEASE "/modules.dep", "kernel/drivers/net/dummy.ko:\n");
	put(root, "lib/modules/" RELEASE "/modules.dep.bin", "binary");
	put(root, "lib/modules/" RELEASE "/kernel/drivers/net/dummy.ko", "a module");
	put(root, "lib/modules/" RELEASE "/vmlinuz", "no module");
}

static void put_generated(const char *root, const char *folder, const char *release)
{
	put(root, test_path("%s/include/generated/autoconf.h", folder), "#define CONFIG_X 1\n");
	put(root, test_path("%s/include/generated/utsrelease.h", folder),
	    test_path("#define UTS_RELEASE \"%s\"\n", release));
}

/* As Debian's linux-headers, -common and linux-kbuild packages have it. */
static void put_debian(const char *root)
{
	put(root, "etc/debian_version", "12\n");
	put(root, ARCH "/Makefile", "include /" COMMON "/Makefile\n");
	put(root, ARCH "/.config", "CONFIG_X=y\n");
	put_generated(root, ARCH, RELEASE);
	put_link(root, ARCH "/scripts", "../../lib/linux-kbuild-6.1/scripts");
	put(root, COMMON "/Makefile", "VERSION = 6\ninclude scripts/x\n");
	put(root, COMMON "/include/linux/module.h", "/* */\n");
	put_link(root, COMMON "/scripts", "../../lib/linux-kbuild-6.1/scripts");
	put(root, KBUILD "/scripts/mod/modpost", "a program");
	CU_ASSERT_EQUAL(chmod(test_path("%s/" KBUILD "/scripts/mod/modpost", root), 0751), 0);
	put_link(root, "lib/modules/" RELEASE "/build", "/" ARCH);
	put_link(root, "lib/modules/" RELEASE "/source", "/" COMMON);
}

static void put_fedora(const char *root)
{
	put(root, "etc/redhat-release", "Fedora\n");
	put(root, "usr/src/kernels/" RELEASE "/Makefile", "VERSION = 6\n");
	put_generated(root, "usr/src/kernels/" RELEASE, RELEASE);
	put(root, "usr/src/kernels/" RELEASE "/scripts/mod/modpost", "a program");
	put_link(root, "lib/modules/" RELEASE "/build", "/usr/src/kernels/" RELEASE);
	put_link(root, "lib/modules/" RELEASE "/source", "build");
}

static struct vmb_kernel kernel_in(const char *root)
{
	return (struct vmb_kernel){.release = (char *)RELEASE,
				   .modules = (char *)test_path("%s/lib/modules/" RELEASE, root)};
}

static const char *new_root(const char *name)
{
	const char *root = test_path("%s/%s", test_tmpdir(), name);

	put_modules(root);
	return root;
}

/* ---- finding ---- */

static const char *places(const struct vmb_headers *h)
{
	const char *text = "";

	for (size_t i = 0; i < h->n; i++)
		text = test_path("%s%s%s", text, i ? " " : "", h->parts[i].guest);
	return text;
}

static void finds_what_is_installed(void)
{
	const char *debian = new_root("debian"), *fedora = new_root("fedora");
	struct vmb_kernel kd = kernel_in(debian), kf = kernel_in(fedora);
	_cleanup_headers_ struct vmb_headers d = {0}, f = {0}, unlinked = {0};

	put_debian(debian);
	ASSERT_OK(vmb_headers_find(debian, &kd, NULL, &d));
	ASSERT_STR(places(&d), ARCH " " KBUILD " " COMMON);
	ASSERT_STR(d.parts[0].host, test_path("%s/" ARCH, debian));
	ASSERT_STR(d.parts[2].host, test_path("%s/" COMMON, debian));
	CU_ASSERT_PTR_NULL(d.note);
	put_fedora(fedora);
	ASSERT_OK(vmb_headers_find(fedora, &kf, NULL, &f));
	ASSERT_STR(places(&f), "usr/src/kernels/" RELEASE);
	/* the link is not what decides */
	RUN("rm", test_path("%s/build", kd.modules));
	ASSERT_OK(vmb_headers_find(debian, &kd, NULL, &unlinked));
	ASSERT_STR(places(&unlinked), ARCH " " KBUILD " " COMMON);
}

/* As Ubuntu has it: links into a folder that all flavours share. */
static void follows_links_of_files(void)
{
	const char *root = new_root("ubuntu");
	struct vmb_kernel k = kernel_in(root);
	_cleanup_headers_ struct vmb_headers h = {0};

	put(root, "usr/src/linux-headers-6.1.0-9/Makefile", "VERSION = 6\n");
	put(root, "usr/src/linux-headers-6.1.0-9/arch/x", "x");
	put_generated(root, ARCH, RELEASE);
	put_link(root, ARCH "/Makefile", "../linux-headers-6.1.0-9/Makefile");
	put_link(root, ARCH "/arch", "../linux-headers-6.1.0-9/arch");
	ASSERT_OK(vmb_headers_find(root, &k, NULL, &h));
	ASSERT_STR(places(&h), ARCH " usr/src/linux-headers-6.1.0-9");
}

/* As Arch Linux has it: in the folder of the modules. */
static void takes_headers_among_the_modules(void)
{
	const char *root = new_root("arch");
	struct vmb_kernel k = kernel_in(root);
	_cleanup_headers_ struct vmb_headers h = {0};

	put(root, "lib/modules/" RELEASE "/build/Makefile", "VERSION = 6\n");
	put_generated(root, "lib/modules/" RELEASE "/build", RELEASE);
	ASSERT_OK(vmb_headers_find(root, &k, NULL, &h));
	ASSERT_STR(places(&h), ARCH);
	ASSERT_STR(h.parts[0].host, test_path("%s/build", k.modules));
}

static void names_the_package_that_is_missing(void)
{
	const char *debian = new_root("d"), *fedora = new_root("f"), *other = new_root("o");
	struct vmb_kernel kd = kernel_in(debian), kf = kernel_in(fedora), ko = kernel_in(other);
	_cleanup_headers_ struct vmb_headers d = {0}, f = {0}, o = {0}, half = {0}, old = {0};

	put(debian, "etc/debian_version", "12\n");
	put_link(debian, "lib/modules/" RELEASE "/build", "/" ARCH);
	ASSERT_OK(vmb_headers_find(debian, &kd, NULL, &d));
	CU_ASSERT_EQUAL(d.n, 0);
	ASSERT_STR(d.note, "modules only, no headers: install linux-headers-" RELEASE);
	put(fedora, "etc/redhat-release", "Fedora\n");
	ASSERT_OK(vmb_headers_find(fedora, &kf, NULL, &f));
	ASSERT_STR(f.note, "modules only, no headers: install kernel-devel-" RELEASE);
	ASSERT_OK(vmb_headers_find(other, &ko, NULL, &o));
	ASSERT_STR(o.note, "modules only, no headers: install the headers of this kernel");
	/* some are there, and of no use */
	RUN("rm", test_path("%s/build", kd.modules));
	put_debian(debian);
	RUN("rm", "-r", test_path("%s/usr/lib", debian));
	ASSERT_OK(vmb_headers_find(debian, &kd, NULL, &half));
	CU_ASSERT_EQUAL(half.n, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(half.note);
	CU_ASSERT_PTR_NOT_NULL(strstr(half.note, "/" KBUILD ", which is missing"));
	put_fedora(fedora);
	put_generated(fedora, "usr/src/kernels/" RELEASE, "6.1.0-8-amd64");
	ASSERT_OK(vmb_headers_find(fedora, &kf, NULL, &old));
	CU_ASSERT_EQUAL(old.n, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(old.note);
	CU_ASSERT_PTR_NOT_NULL(strstr(old.note, "another kernel than " RELEASE));
}

static void what_is_asked_for_must_be_right(void)
{
	const char *root = new_root("k"), *away = new_root("away");
	struct vmb_kernel k = kernel_in(root);
	_cleanup_headers_ struct vmb_headers h = {0}, plain = {0};

	ASSERT_ERROR(vmb_headers_find(root, &k, test_path("%s/none", root), &h), VMBOOT_EKERNEL,
		     "/none: No such file or directory");
	ASSERT_ERROR(vmb_headers_find(root, &k, root, &h), VMBOOT_EKERNEL, "has no kernel headers");
	/* a folder with its companions, wherever its root is */
	put_debian(away);
	ASSERT_OK(vmb_headers_find(root, &k, test_path("%s/" ARCH "/", away), &h));
	ASSERT_STR(places(&h), ARCH " " KBUILD " " COMMON);
	ASSERT_STR(h.parts[1].host, test_path("%s/" KBUILD, away));
	RUN("rm", "-r", test_path("%s/" COMMON, away));
	vmb_headers_done(&h);
	ASSERT_ERROR(vmb_headers_find(root, &k, test_path("%s/" ARCH, away), &h), VMBOOT_EKERNEL,
		     "/" COMMON ", which is missing");
	put(away, "plain/Makefile", "");
	put_generated(away, "plain", "6.1.0-8-amd64");
	ASSERT_ERROR(vmb_headers_find(root, &k, test_path("%s/plain", away), &h), VMBOOT_EKERNEL,
		     "another kernel");
	put_generated(away, "plain", RELEASE);
	ASSERT_OK(vmb_headers_find(root, &k, test_path("%s/plain", away), &plain));
	ASSERT_STR(places(&plain), ARCH);
	CU_ASSERT_EQUAL(h.n, 0);
}

/* No disk, which is said; and who names headers has to hear that they are not used. */
static void a_kernel_without_modules_has_none(void)
{
	const char *root = new_root("built-in");
	struct vmb_kernel k = kernel_in(root);
	_cleanup_headers_ struct vmb_headers h = {0}, asked = {0};

	put_debian(root);
	RUN("rm", "-r", k.modules);
	ASSERT_ERROR(vmb_headers_find(root, &k, test_path("%s/" ARCH, root), &asked),
		     VMBOOT_EKERNEL, "`kernel_headers` is ");
	ASSERT_ERROR(vmb_headers_find(root, &k, test_path("%s/none", root), &asked), VMBOOT_EKERNEL,
		     "the kernel " RELEASE " has no modules");
	CU_ASSERT_PTR_NULL(asked.note);
	ASSERT_OK(vmb_headers_find(root, &k, NULL, &h));
	CU_ASSERT_EQUAL(h.n, 0);
	ASSERT_STR(h.note, "the kernel has no modules, so there is nothing to build any for");
}

/* ---- archives ---- */

/* Packs what is in folder. */
static const char *pack(const char *folder, const char *name, const char *compress)
{
	const char *file = test_path("%s/%s", test_tmpdir(), name);

	RUN("sh", "-c", "cd \"$0\" && tar -c $2 -f \"$1\" *", folder, file, compress);
	return file;
}

static const char *fresh(const char *name)
{
	const char *folder = test_path("%s/%s", test_tmpdir(), name);

	(void)vmb_rm_rf(folder);
	ASSERT_OK(vmb_mkdir_p(folder, 0755));
	return folder;
}

static void finds_headers_in_an_archive(void)
{
	const char *away = new_root("away"), *to;
	struct vmb_kernel k = kernel_in(new_root("k"));
	_cleanup_headers_ struct vmb_headers whole = {0}, one = {0}, several = {0}, none = {0};
	_cleanup_headers_ struct vmb_headers named = {0};

	put_debian(away);
	RUN("rm", "-r", test_path("%s/etc", away), test_path("%s/lib", away));
	to = fresh("1");
	ASSERT_OK(vmb_headers_unpack(pack(away, "whole.tar.gz", "-z"), to, &silent));
	ASSERT_OK(vmb_headers_find_unpacked(to, &k, &whole));
	ASSERT_STR(places(&whole), ARCH " " KBUILD " " COMMON);
	ASSERT_STR(whole.parts[0].host, test_path("%s/" ARCH, to));
	/* one folder of any name, and another compression */
	put(away, "usr/src/kernels/" RELEASE "/Makefile", "VERSION = 6\n");
	put_generated(away, "usr/src/kernels/" RELEASE, RELEASE);
	to = fresh("2");
	ASSERT_OK(vmb_headers_unpack(
		pack(test_path("%s/usr/src/kernels", away), "one.tar.xz", "-J"), to, &silent));
	ASSERT_OK(vmb_headers_find_unpacked(to, &k, &one));
	ASSERT_STR(places(&one), ARCH);
	RUN("cp", "-r", test_path("%s/" RELEASE, to), test_path("%s/copy", to));
	ASSERT_ERROR(vmb_headers_find_unpacked(to, &k, &several), VMBOOT_EKERNEL,
		     "several folders");
	ASSERT_ERROR(vmb_headers_find_unpacked(fresh("3"), &k, &none), VMBOOT_EKERNEL,
		     "no kernel headers");
	/* the path of a file is no reason to look into it now */
	ASSERT_OK(vmb_headers_find("", &k, test_path("%s/whole.tar.gz", test_tmpdir()), &named));
	CU_ASSERT_EQUAL(named.n, 0);
	ASSERT_STR(named.archive, test_path("%s/whole.tar.gz", test_tmpdir()));
}

/* One or two entries, as no tar would write them; target: of a link. */
static const char *hostile(const char *path, mode_t type, const char *target, const char *second)
{
	const char *file = test_path("%s/hostile.tar", test_tmpdir());
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	archive_write_set_format_gnutar(a);
	archive_write_open_filename(a, file);
	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, type ? type | 0644 : S_IFREG | 0644);
	if (type == S_IFLNK)
		archive_entry_set_symlink(e, target);
	if (!type && target)
		archive_entry_set_hardlink(e, target);
	archive_write_header(a, e);
	if (second) {
		archive_entry_clear(e);
		archive_entry_set_pathname(e, second);
		archive_entry_set_mode(e, S_IFREG | 0644);
		archive_entry_set_size(e, 3);
		archive_write_header(a, e);
		archive_write_data(a, "bad", 3);
	}
	archive_entry_free(e);
	archive_write_close(a);
	archive_write_free(a);
	return file;
}

static void an_archive_stays_in_its_folder(void)
{
	const struct {
		const char *path;
		mode_t type;
		const char *target, *second, *words;
	} rows[] = {
		{"/abs", S_IFREG, NULL, NULL, "is an absolute path"},
		{"a/../../up", S_IFREG, NULL, NULL, "leads out of the root"},
		{"null", S_IFCHR, NULL, NULL, "neither file, folder nor link"},
		{"fifo", S_IFIFO, NULL, NULL, "neither file, folder nor link"},
		{"out", S_IFLNK, test_path("%s", test_tmpdir()), "out/up", "is no folder"},
		{"out", S_IFLNK, "..", "out/up", "is no folder"},
		{"hard", 0, "/etc/passwd", NULL, "is an absolute path"},
		{"hard", 0, "../up", NULL, "leads out of the root"},
		{"hard", 0, "missing", NULL, "is linked to, and is no file"},
		{"folder", S_IFDIR, NULL, "folder", "is there already, as a folder"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *file =
			hostile(rows[i].path, rows[i].type, rows[i].target, rows[i].second);

		ASSERT_ERROR(vmb_headers_unpack(file, fresh("to"), &silent), VMBOOT_EKERNEL,
			     rows[i].words);
		CU_ASSERT_FALSE(vmb_exists(test_path("%s/up", test_tmpdir())));
	}
	/* a link may lead anywhere, for nothing follows it; a later entry takes its place */
	ASSERT_OK(
		vmb_headers_unpack(hostile("out", S_IFLNK, "../up", "out"), fresh("to"), &silent));
	ASSERT_STR(test_read(test_path("%s/to/out", test_tmpdir())), "bad");
	CU_ASSERT_FALSE(vmb_exists(test_path("%s/up", test_tmpdir())));
	test_write(test_path("%s/text", test_tmpdir()), "no archive, and long enough to be one\n");
	ASSERT_ERROR(vmb_headers_unpack(test_path("%s/text", test_tmpdir()), fresh("to"), &silent),
		     VMBOOT_EKERNEL, "cannot read the kernel headers");
}

/* ---- the disk ---- */

static const char *make_disk(const struct vmb_store *store, const char *root, const char *asked)
{
	struct vmb_kernel k = kernel_in(root);
	_cleanup_headers_ struct vmb_headers h = {0};
	_cleanup_free_ char *path = NULL;

	ASSERT_OK(vmb_headers_find(root, &k, asked, &h));
	ASSERT_OK(vmb_kernel_disk_path(store, &k, &h, &path));
	ASSERT_OK(vmb_kernel_disk_ensure(store, &k, &h, &silent));
	CU_ASSERT(vmb_exists(path));
	return test_path("%s", path);
}

/* mode owner size date path, without the first line, which is the file's own name */
static const char *listing(const char *disk)
{
	const char *all = OUTPUT("unsquashfs", "-lls", disk);
	const char *start = strstr(all, "drwxr-xr-x");

	CU_ASSERT_PTR_NOT_NULL_FATAL(start);
	return start;
}

static const char *xattrs(const char *disk)
{
	/* trusted ones are shown to root only when unpacked, so the table's size tells */
	return OUTPUT("sh", "-c", "unsquashfs -s \"$0\" | grep -i xattr", disk);
}

static void a_disk_has_what_belongs_where(void)
{
	struct vmb_store store = store_in("store");
	const char *debian = new_root("debian"), *fedora = new_root("fedora"),
		   *bare = new_root("bare"), *disk;
	struct stat st;

	put_debian(debian);
	disk = make_disk(&store, debian, NULL);
	test_golden("disk/debian.txt", listing(disk));
	CU_ASSERT_EQUAL(stat(disk, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0444);
	CU_ASSERT_PTR_NOT_NULL(strstr(xattrs(disk), "Number of xattr ids 1"));
	put_fedora(fedora);
	test_golden("disk/fedora.txt", listing(make_disk(&store, fedora, NULL)));
	put_link(bare, "lib/modules/" RELEASE "/build", "/" ARCH);
	test_golden("disk/bare.txt", listing(make_disk(&store, bare, NULL)));
}

static const char *hash_of(const char *file)
{
	char hex[VMB_SHA256_HEX + 1];

	ASSERT_OK(vmb_hash_file(file, hex));
	return test_path("%s", hex);
}

/* Another time, another place, another umask, headers that came another way: the same bytes. */
static void same_content_same_bytes(void)
{
	struct vmb_store one = store_in("one"), two = store_in("two"), three = store_in("three");
	const char *a = new_root("a"), *b, *first, *archive;
	mode_t before;

	put_debian(a);
	first = hash_of(make_disk(&one, a, NULL));
	before = umask(077);
	b = new_root("b");
	put_debian(b);
	RUN("chmod", "-R", "o-rwx", test_path("%s/usr", b));
	RUN("find", b, "-exec", "touch", "-h", "-d", "2001-02-03", "{}", "+");
	ASSERT_STR(hash_of(make_disk(&two, b, NULL)), first);
	umask(before);
	archive = pack(a, "headers.tar.gz", "-z");
	ASSERT_STR(hash_of(make_disk(&three, a, archive)), first);
}

static void the_name_changes_with_the_content(void)
{
	static const char *const files[] = {
		"lib/modules/" RELEASE "/modules.dep",
		ARCH "/.config",
		ARCH "/Module.symvers",
		ARCH "/include/generated/autoconf.h",
		COMMON "/Makefile",
		KBUILD "/scripts/mod/modpost",
	};
	struct vmb_store store = store_in("store");
	const char *root = new_root("r");
	struct vmb_kernel k = kernel_in(root);
	_cleanup_headers_ struct vmb_headers h = {0};
	_cleanup_free_ char *before = NULL;
	unsigned long long moved;

	put_debian(root);
	put(root, ARCH "/Module.symvers", "");
	ASSERT_OK(vmb_headers_find(root, &k, NULL, &h));
	ASSERT_OK(vmb_kernel_disk_path(&store, &k, &h, &before));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		_cleanup_free_ char *after = NULL;

		/* in place: the time of the folder does not tell */
		RUN("sh", "-c", "echo more >>\"$0\"", test_path("%s/%s", root, files[i]));
		ASSERT_OK(vmb_kernel_disk_path(&store, &k, &h, &after));
		CU_ASSERT_STRING_NOT_EQUAL(after, before);
		free(before);
		before = TAKE_PTR(after);
	}
	CU_ASSERT_FALSE(vmb_exists(store.path));
	/* each boot looks: not at the content of what is large */
	RUN("truncate", "-s", "32M", test_path("%s/" ARCH "/Module.symvers", root),
	    test_path("%s/" KBUILD "/scripts/mod/modpost", root));
	moved = test_bytes_moved();
	for (int i = 0; i < 20; i++) {
		_cleanup_headers_ struct vmb_headers again = {0};
		_cleanup_free_ char *path = NULL;

		if (vmb_headers_find(root, &k, NULL, &again) < 0 ||
		    vmb_kernel_disk_path(&store, &k, &again, &path) < 0)
			CU_FAIL("not found again");
	}
	CU_ASSERT(test_bytes_moved() - moved < 1 << 20);
}

static void count_builds(enum vmboot_log_level level, const char *message, void *data)
{
	(void)level;
	*(int *)data += strstr(message, "building the kernel disk") != NULL;
}

static void two_builders_make_one(void)
{
	struct vmb_store store = store_in("store");
	const char *root = new_root("r");
	struct vmb_kernel k = kernel_in(root);
	_cleanup_headers_ struct vmb_headers h = {0};
	int builds = 0, status;
	pid_t pids[3];

	put_debian(root);
	ASSERT_OK(vmb_headers_find(root, &k, NULL, &h));
	for (size_t i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			int n = 0;
			struct vmb_log log = {.log = count_builds, .log_data = &n};

			_exit(vmb_kernel_disk_ensure(&store, &k, &h, &log) < 0 ? 100 : n);
		}
	}
	for (size_t i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(waitpid(pids[i], &status, 0), pids[i]);
		CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		builds += WEXITSTATUS(status);
	}
	CU_ASSERT_EQUAL(builds, 1);
	ASSERT_STR(OUTPUT("sh", "-c", "ls \"$0\"/kernels | grep -c squashfs$", store.path), "1\n");
}

static void a_failure_leaves_nothing(void)
{
	struct vmb_store store = store_in("store");
	const char *root = new_root("r"), *old;
	struct vmb_kernel k = kernel_in(root);
	_cleanup_headers_ struct vmb_headers h = {0}, archive = {0};
	const char *leftovers = test_path("%s/kernels", store.path);
	const char *odd = test_path("%s/kernel/odd", k.modules);

	put_debian(root);
	ASSERT_OK(vmb_headers_find(root, &k, NULL, &h));
	CU_ASSERT_EQUAL(mkfifo(odd, 0644), 0);
	ASSERT_ERROR(vmb_kernel_disk_ensure(&store, &k, &h, &silent), VMBOOT_EKERNEL,
		     "neither file, folder nor link");
	RUN("rm", odd);
	/* the tool dies half-way */
	old = test_replace_program(
		"vmboot-squash", "#!/bin/sh\nhead -c 3000 >\"$1\"\necho out of luck >&2\nexit 3\n");
	ASSERT_ERROR(vmb_kernel_disk_ensure(&store, &k, &h, &silent), VMBOOT_EHOST, "out of luck");
	setenv("VMBOOT_GUEST_DIR", old, 1);
	ASSERT_OK(vmb_headers_find(root, &k, hostile("/abs", S_IFREG, NULL, NULL), &archive));
	ASSERT_ERROR(vmb_kernel_disk_ensure(&store, &k, &archive, &silent), VMBOOT_EKERNEL,
		     "is an absolute path");
	ASSERT_STR(OUTPUT("sh", "-c", "ls \"$0\" | grep -v lock$ || true", leftovers), "");
}

static void tell_progress(const char *what, uint64_t done, uint64_t total, void *data)
{
	(void)what;
	if (done == total)
		++*(int *)data;
}

static void progress_is_told_to_the_end(void)
{
	struct vmb_store store = store_in("store");
	const char *root = new_root("r");
	struct vmb_kernel k = kernel_in(root);
	_cleanup_headers_ struct vmb_headers h = {0};
	int ends = 0;
	struct vmb_log log = {.progress = tell_progress, .progress_data = &ends};

	put_debian(root);
	ASSERT_OK(vmb_headers_find(root, &k, NULL, &h));
	ASSERT_OK(vmb_kernel_disk_ensure(&store, &k, &h, &log));
	CU_ASSERT_EQUAL(ends, 1);
}

TEST_MAIN("disk/kernel", {"finds what is installed", finds_what_is_installed},
	  {"follows links of files", follows_links_of_files},
	  {"takes headers among the modules", takes_headers_among_the_modules},
	  {"names the package that is missing", names_the_package_that_is_missing},
	  {"what is asked for must be right", what_is_asked_for_must_be_right},
	  {"a kernel without modules has none", a_kernel_without_modules_has_none},
	  {"finds headers in an archive", finds_headers_in_an_archive},
	  {"an archive stays in its folder", an_archive_stays_in_its_folder},
	  {"a disk has what belongs where", a_disk_has_what_belongs_where},
	  {"same content, same bytes", same_content_same_bytes},
	  {"the name changes with the content", the_name_changes_with_the_content},
	  {"two builders make one", two_builders_make_one},
	  {"a failure leaves nothing", a_failure_leaves_nothing},
	  {"progress is told to the end", progress_is_told_to_the_end})
