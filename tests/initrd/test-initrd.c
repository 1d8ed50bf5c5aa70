/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <pthread.h>
#include <string.h>

#include "base/file.h"
#include "fake.h"
#include "initrd/initrd.h"
#include "test.h"

static const struct vmb_log silent;

/* What a build needs, in a fresh folder. */
struct bench {
	struct vmb_store store;
	const char *init;
	struct vmb_kernel kernel;
	struct vmb_modules modules;
};

static void bench_done(struct bench *b)
{
	vmb_kernel_done(&b->kernel);
	vmb_modules_done(&b->modules);
}
#define _cleanup_bench_ vmb_cleanup(bench_done)

static bool bench_start(struct bench *b)
{
	*b = (struct bench){.store.path = (char *)test_path("%s/store", test_tmpdir()),
			    .init = test_path("%s/vmboot-init", test_tmpdir())};
	if (!real_kernel(&b->kernel))
		return false;
	ASSERT_OK(vmb_modules_resolve(&b->kernel, "squashfs", 0, &b->modules));
	test_write(b->init, "\177ELF, or so");
	return true;
}

static const char *path_of(const struct bench *b)
{
	_cleanup_free_ char *path = NULL;

	ASSERT_OK(vmb_initrd_store_path(&b->store, &b->kernel, &b->modules, b->init, &path));
	return test_path("%s", path);
}

static const char *build(const struct bench *b)
{
	ASSERT_OK(vmb_initrd_ensure(&b->store, &b->kernel, &b->modules, b->init, &silent));
	return path_of(b);
}

static void add_content(struct archive *a, struct archive_entry *entry, struct vmb_buf *text)
{
	const char *name = archive_entry_pathname(entry);
	char content[4096];
	la_ssize_t n;

	if (!vmb_ends_with(name, ".list"))
		return;
	n = archive_read_data(a, content, sizeof(content) - 1);
	CU_ASSERT_FATAL(n >= 0);
	content[n] = '\0';
	for (char *line = strtok(content, "\n"); line; line = strtok(NULL, "\n"))
		vmb_buf_printf(text, "\t%s\n", line);
}

/* Mode, owner and name of each member, and the lines of the lists. */
static const char *listing(const char *path)
{
	struct archive *a = archive_read_new();
	_cleanup_buf_ struct vmb_buf text = {0};
	_cleanup_free_ char *owned = NULL;
	struct archive_entry *entry;

	archive_read_support_format_cpio(a);
	CU_ASSERT_EQUAL_FATAL(archive_read_open_filename(a, path, 65536), ARCHIVE_OK);
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
		vmb_buf_printf(&text, "%06o %d:%d %s", archive_entry_mode(entry),
			       (int)archive_entry_uid(entry), (int)archive_entry_gid(entry),
			       archive_entry_pathname(entry));
		if (archive_entry_filetype(entry) == AE_IFCHR)
			vmb_buf_printf(&text, " %d,%d", (int)archive_entry_rdevmajor(entry),
				       (int)archive_entry_rdevminor(entry));
		vmb_buf_str(&text, "\n");
		CU_ASSERT_EQUAL(archive_entry_mtime(entry), 0);
		add_content(a, entry, &text);
	}
	CU_ASSERT_EQUAL(archive_format(a), ARCHIVE_FORMAT_CPIO_SVR4_NOCRC);
	archive_read_free(a);
	ASSERT_OK(vmb_buf_take(&text, &owned));
	return test_path("%s", owned);
}

/* What is built in differs between kernels; the golden lists are of one kind. */
static bool has_golden(const struct vmb_kernel *k)
{
	if (strstr(k->release, "-cloud-amd64") && strncmp(k->release, "6.1.", 4) == 0)
		return true;
	test_not_tried("%s is not Debian 12's cloud kernel", k->release);
	return false;
}

static void has_what_init_reads(void)
{
	_cleanup_bench_ struct bench b = {0};
	struct stat st;

	if (!bench_start(&b))
		return;
	CU_ASSERT_EQUAL(stat(build(&b), &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0644);
	CU_ASSERT(strstr(listing(path_of(&b)), "vmboot/modules.late.list\n") != NULL);
	if (!has_golden(&b.kernel))
		return;
	test_golden("initrd/squashfs.golden", listing(path_of(&b)));
}

static void loads_erofs_in_order(void)
{
	_cleanup_bench_ struct bench b = {0};

	if (!bench_start(&b) || !has_golden(&b.kernel))
		return;
	vmb_modules_done(&b.modules);
	ASSERT_OK(vmb_modules_resolve(&b.kernel, "erofs", 0, &b.modules));
	test_golden("initrd/erofs.golden", listing(build(&b)));
}

static void gives_the_same_bytes_twice(void)
{
	_cleanup_bench_ struct bench b = {0};
	const char *first;

	if (!bench_start(&b))
		return;
	first = build(&b);
	RUN("mv", first, test_path("%s/first", test_tmpdir()));
	RUN("cmp", test_path("%s/first", test_tmpdir()), build(&b));
}

/* The same modules, all of them early. */
static const char *path_without_late(struct bench *b)
{
	struct vmb_module_list *early = &b->modules.early, *late = &b->modules.late;
	const char *path;
	size_t n;

	early->list = reallocarray(early->list, early->n + late->n, sizeof(*early->list));
	CU_ASSERT_PTR_NOT_NULL_FATAL(early->list);
	if (late->n == 0)
		return "";
	n = late->n;
	memcpy(early->list + early->n, late->list, n * sizeof(*late->list));
	early->n += n;
	late->n = 0;
	path = path_of(b);
	early->n -= n;
	late->n = n;
	return path;
}

static void is_built_once_for_one_content(void)
{
	_cleanup_bench_ struct bench b = {0};
	const char *first, *init;
	struct stat st, again;

	if (!bench_start(&b))
		return;
	first = path_of(&b);
	CU_ASSERT(!vmb_exists(b.store.path)); /* asking for the path makes nothing */
	build(&b);
	CU_ASSERT_EQUAL(stat(first, &st), 0);
	build(&b);
	CU_ASSERT_EQUAL(stat(first, &again), 0);
	CU_ASSERT_EQUAL(st.st_ino, again.st_ino);

	test_write(b.init, "\177ELF, or SO");
	init = build(&b);
	CU_ASSERT_STRING_NOT_EQUAL(init, first);
	CU_ASSERT(vmb_exists(first) && vmb_exists(init));
	CU_ASSERT_STRING_NOT_EQUAL(path_without_late(&b), init);
}

static void a_module_that_changes_is_another_content(void)
{
	const char *root = test_path("%s/root", test_tmpdir());
	_cleanup_bench_ struct bench b = {0};
	const char *before;

	if (!bench_start(&b) || b.modules.early.n == 0)
		return;
	fake_root(root, "6.1.0", &b.kernel, NULL, NULL);
	bench_done(&b);
	ASSERT_OK(vmb_kernel_find(root, NULL, &b.kernel));
	ASSERT_OK(vmb_modules_resolve(&b.kernel, "squashfs", 0, &b.modules));
	before = path_of(&b);
	RUN("touch", "-d", "2001-01-01", b.modules.early.list[0].path);
	CU_ASSERT_STRING_NOT_EQUAL(path_of(&b), before);
}

/* Packs the modules of a list and makes the list name the packed files. */
static void pack(struct vmb_module_list *l, const char *folder, const char *suffix,
		 const char *const command[2])
{
	RUN("mkdir", "-p", folder);
	for (size_t i = 0; i < l->n; i++) {
		struct vmb_module *m = &l->list[i];
		const char *copy = test_path("%s/%s.ko", folder, m->name);

		RUN("cp", m->path, copy);
		RUN(command[0], command[1], copy);
		free(TAKE_PTR(m->path));
		ASSERT_OK(vmb_asprintf(&m->path, "%s%s", copy, suffix));
	}
}

static void unpacks_modules(void)
{
	static const struct {
		const char *suffix;
		const char *command[2];
	} packers[] = {
		{".xz", {"xz", "--check=crc32"}},
		{".zst", {"zstd", "--quiet"}},
		{".gz", {"gzip", "--no-name"}},
	};
	_cleanup_bench_ struct bench b = {0};
	const char *plain;

	if (!bench_start(&b))
		return;
	plain = build(&b);
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		const char *folder = test_path("%s/%zu", test_tmpdir(), i);
		_cleanup_modules_ struct vmb_modules packed = {0};
		struct bench other = b;

		ASSERT_OK(vmb_modules_resolve(&b.kernel, "squashfs", 0, &packed));
		pack(&packed.early, folder, packers[i].suffix, packers[i].command);
		pack(&packed.late, folder, packers[i].suffix, packers[i].command);
		other.modules = packed;
		CU_ASSERT_STRING_NOT_EQUAL(path_of(&other), plain);
		RUN("cmp", plain, build(&other));
	}
}

static void refuses_a_module_that_is_cut_short(void)
{
	_cleanup_bench_ struct bench b = {0};
	const char *folder = test_path("%s/cut", test_tmpdir()), *last;

	if (!bench_start(&b) || b.modules.early.n == 0)
		return;
	pack(&b.modules.early, folder, ".xz", (const char *const[]){"xz", "--check=crc32"});
	last = b.modules.early.list[b.modules.early.n - 1].path;
	RUN("truncate", "-s", "-100", last);
	ASSERT_ERROR(vmb_initrd_ensure(&b.store, &b.kernel, &b.modules, b.init, &silent),
		     VMBOOT_EKERNEL, test_path("cannot read the module %s", last));
}

static void refuses_what_is_no_module(void)
{
	_cleanup_bench_ struct bench b = {0};
	const char *bad = test_path("%s/bad.ko", test_tmpdir());
	char *was;

	if (!bench_start(&b) || b.modules.early.n == 0)
		return;
	was = b.modules.early.list[0].path;
	b.modules.early.list[0].path = (char *)bad;
	ASSERT_ERROR(vmb_initrd_ensure(&b.store, &b.kernel, &b.modules, b.init, &silent), ENOENT,
		     bad);
	test_write(bad, "hello");
	ASSERT_ERROR(vmb_initrd_ensure(&b.store, &b.kernel, &b.modules, b.init, &silent),
		     VMBOOT_EKERNEL, "is not a module");
	test_write(bad, "");
	ASSERT_ERROR(vmb_initrd_ensure(&b.store, &b.kernel, &b.modules, b.init, &silent),
		     VMBOOT_EKERNEL, bad);
	/* nothing whole, nothing half */
	RUN("sh", "-c", "test -z \"$(find \"$0\" -type f)\"", b.store.path);
	b.modules.early.list[0].path = was;
}

static void finds_our_init(void)
{
	const char *was = getenv("VMBOOT_GUEST_DIR");
	const char *kept = was ? test_path("%s", was) : NULL;
	struct vmb_store store = {.path = (char *)test_tmpdir()};
	_cleanup_free_ char *path = NULL, *unused = NULL;
	struct vmb_kernel kernel = {.release = (char *)"6.1.0"};
	struct vmb_modules none = {0};

	setenv("VMBOOT_GUEST_DIR", test_tmpdir(), 1);
	ASSERT_ERROR(vmb_initrd_find_init(&path), VMBOOT_EHOST, "$VMBOOT_GUEST_DIR");
	test_write(test_path("%s/vmboot-init", test_tmpdir()), "#!/bin/sh\n");
	ASSERT_OK(vmb_initrd_find_init(&path));
	ASSERT_STR(path, test_path("%s/vmboot-init", test_tmpdir()));
	ASSERT_ERROR(vmb_initrd_store_path(&store, &kernel, &none, path, &unused), VMBOOT_EHOST,
		     "is not a program");
	if (kept)
		setenv("VMBOOT_GUEST_DIR", kept, 1);
	else
		unsetenv("VMBOOT_GUEST_DIR");
}

struct job {
	const struct bench *bench;
	int r;
};

static void *ensure(void *arg)
{
	struct job *job = arg;
	const struct bench *b = job->bench;

	job->r = vmb_initrd_ensure(&b->store, &b->kernel, &b->modules, b->init, &silent);
	return NULL;
}

static void two_build_at_once(void)
{
	_cleanup_bench_ struct bench b = {0};
	struct job jobs[2];
	pthread_t threads[2];
	const char *alone;

	if (!bench_start(&b))
		return;
	alone = test_path("%s/alone", test_tmpdir());
	RUN("mv", build(&b), alone);
	for (int i = 0; i < 2; i++) {
		jobs[i] = (struct job){&b, -1};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, ensure, &jobs[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(jobs[i].r, 0);
	}
	RUN("cmp", alone, path_of(&b));
	RUN("sh", "-c", "test -z \"$(find \"$0\" -name '*.tmp-*')\"", b.store.path);
}

TEST_MAIN("initrd/initrd", {"has what init reads", has_what_init_reads},
	  {"loads erofs in order", loads_erofs_in_order},
	  {"gives the same bytes twice", gives_the_same_bytes_twice},
	  {"is built once for one content", is_built_once_for_one_content},
	  {"a module that changes is another content", a_module_that_changes_is_another_content},
	  {"unpacks modules", unpacks_modules},
	  {"refuses a module that is cut short", refuses_a_module_that_is_cut_short},
	  {"refuses what is no module", refuses_what_is_no_module},
	  {"finds our init", finds_our_init}, {"two build at once", two_build_at_once})
