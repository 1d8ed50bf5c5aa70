/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <string.h>

#include "base/file.h"
#include "fake.h"
#include "initrd/bzimage.h"
#include "initrd/kernel.h"
#include "test.h"

static void reads_the_release_from_the_header(void)
{
	char release[VMB_RELEASE_MAX + 1] = "untouched";
	const char *path = test_path("%s/k", test_tmpdir());
	_cleanup_free_ char *bytes = NULL;
	size_t n;

	fake_kernel(path, "6.1.0-56-cloud-amd64");
	ASSERT_OK(vmb_read_file(path, 1 << 20, &bytes, &n));
	/* short of the text's end nothing is found, and nothing beyond is read */
	for (size_t cut = 0; cut < 0x600 + strlen("6.1.0-56-cloud-amd64") + 1; cut++) {
		_cleanup_free_ char *part = malloc(cut + 1);

		memcpy(part, bytes, cut);
		CU_ASSERT_EQUAL(vmb_kernel_decode_release(part, cut, release), -EBADMSG);
	}
	ASSERT_STR(release, "untouched");
	CU_ASSERT_EQUAL(vmb_kernel_decode_release(bytes, n, release), 0);
	ASSERT_STR(release, "6.1.0-56-cloud-amd64");
}

static void refuses_a_header_that_lies(void)
{
	static const struct {
		size_t at;
		unsigned char value;
	} lies[] = {
		{0x1fe, 0},    /* boot flag */
		{0x202, 'h'},  /* magic */
		{0x207, 1},    /* protocol 1.15 */
		{0x20f, 0xff}, /* the version lies behind the setup code */
		{0x1f1, 1},    /* and here too */
		{0x20f, 0},    /* no version */
		{0x600, '.'},  /* a hidden file */
		{0x602, '/'},  /* another folder */
		{0x602, 0x80}, /* not ASCII */
		{0x600, ' '},  /* empty */
	};
	const char *path = test_path("%s/k", test_tmpdir());
	char release[VMB_RELEASE_MAX + 1];
	_cleanup_free_ char *bytes = NULL;
	size_t n;

	fake_kernel(path, "6.1.0");
	ASSERT_OK(vmb_read_file(path, 1 << 20, &bytes, &n));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		char was = bytes[lies[i].at];

		bytes[lies[i].at] = (char)lies[i].value;
		CU_ASSERT_EQUAL(vmb_kernel_decode_release(bytes, n, release), -EBADMSG);
		bytes[lies[i].at] = was;
	}
	/* a pointer of 0 means none, whatever lies there */
	memcpy(bytes + 0x200, "1 ", 2);
	bytes[0x20f] = 0;
	CU_ASSERT_EQUAL(vmb_kernel_decode_release(bytes, n, release), -EBADMSG);
	bytes[0x20f] = 4;
	memset(bytes + 0x600, '1', VMB_RELEASE_MAX);
	bytes[0x600 + VMB_RELEASE_MAX] = ' ';
	CU_ASSERT_EQUAL(vmb_kernel_decode_release(bytes, n, release), 0);
	bytes[0x600 + VMB_RELEASE_MAX] = '1';
	bytes[0x600 + VMB_RELEASE_MAX + 1] = ' ';
	CU_ASSERT_EQUAL(vmb_kernel_decode_release(bytes, n, release), -EBADMSG);
}

static void finds_this_machines_kernel(void)
{
	_cleanup_kernel_ struct vmb_kernel k = {0}, same = {0};

	if (!real_kernel(&k))
		return;
	CU_ASSERT(vmb_exists(k.path));
	CU_ASSERT(strstr(k.path, k.release) != NULL);
	CU_ASSERT(strncmp(k.key, k.release, strlen(k.release)) == 0);
	ASSERT_STR(k.modules, test_path("/lib/modules/%s", k.release));
	ASSERT_OK(vmb_kernel_find("", k.path, &same));
	ASSERT_STR(same.key, k.key);
}

static void refuses_what_is_no_kernel(void)
{
	_cleanup_kernel_ struct vmb_kernel k = {0};
	const char *dir = test_tmpdir(), *path = test_path("%s/k", dir);

	ASSERT_ERROR(vmb_kernel_find("", path, &k), VMBOOT_EKERNEL, "there is no kernel");
	ASSERT_ERROR(vmb_kernel_find("", dir, &k), VMBOOT_EKERNEL, "is not a file");
	test_write(path, "#!/bin/sh\n");
	ASSERT_ERROR(vmb_kernel_find("", path, &k), VMBOOT_EKERNEL, "is not a kernel");
	CU_ASSERT(test_error_is(-VMBOOT_EKERNEL, path));
	CU_ASSERT(test_error_is(-VMBOOT_EKERNEL, "linux-image-cloud-amd64"));
	RUN("mkfifo", test_path("%s/fifo", dir));
	ASSERT_ERROR(vmb_kernel_find("", test_path("%s/fifo", dir), &k), VMBOOT_EKERNEL,
		     "is not a file");
	CU_ASSERT_PTR_NULL(k.path);
}

static void refuses_a_kernel_without_modules(void)
{
	_cleanup_kernel_ struct vmb_kernel k = {0};
	const char *root = test_tmpdir(), *path = test_path("%s/k", root);

	fake_kernel(path, "9.9.9");
	ASSERT_ERROR(vmb_kernel_find(root, path, &k), VMBOOT_EKERNEL, "has no modules");
	CU_ASSERT(test_error_is(-VMBOOT_EKERNEL, test_path("%s/lib/modules/9.9.9", root)));
	ASSERT_ERROR(vmb_kernel_find(root, NULL, &k), VMBOOT_EKERNEL, "no kernel in");
	RUN("mkdir", test_path("%s/boot", root));
	fake_kernel(test_path("%s/boot/vmlinuz-9.9.9", root), "9.9.9");
	test_write(test_path("%s/boot/vmlinuz-9.9.8", root), "no kernel");
	ASSERT_ERROR(vmb_kernel_find(root, NULL, &k), VMBOOT_EKERNEL,
		     "no installed kernel fits; the newest: the kernel");
	CU_ASSERT(test_error_is(-VMBOOT_EKERNEL, "has no modules"));
	RUN("mkdir", "-p", test_path("%s/lib/modules/9.9.9", root));
	ASSERT_ERROR(vmb_kernel_find(root, NULL, &k), VMBOOT_EKERNEL, "depmod 9.9.9");
}

static void says_how_to_mend_an_unreadable_kernel(void)
{
	const char *path = test_path("%s/vmlinuz", test_tmpdir());
	_cleanup_kernel_ struct vmb_kernel k = {0};
	uid_t me = geteuid();

	fake_kernel(path, "6.1.0");
	RUN("chmod", "0", path);
	if (me == 0)
		CU_ASSERT_EQUAL_FATAL(seteuid(65534), 0);
	ASSERT_ERROR(vmb_kernel_find("", path, &k), VMBOOT_EKERNEL, "chmod 0644");
	if (me == 0)
		CU_ASSERT_EQUAL_FATAL(seteuid(0), 0);
}

static void takes_the_newest_that_fits(void)
{
	_cleanup_kernel_ struct vmb_kernel real = {0}, k = {0}, other = {0}, third = {0};
	const char *root = test_tmpdir(), *boot = test_path("%s/boot", root);

	if (!real_kernel(&real))
		return;
	fake_root(root, "6.9.0", &real, NULL, NULL);
	fake_root(root, "6.10.0", &real, NULL, NULL);
	ASSERT_OK(vmb_kernel_find(root, NULL, &k));
	ASSERT_STR(k.path, test_path("%s/vmlinuz-6.10.0", boot));
	ASSERT_STR(k.release, "6.10.0");

	/* newer, but: no modules; a backup; not a kernel */
	fake_kernel(test_path("%s/vmlinuz-6.11.0", boot), "6.11.0");
	fake_kernel(test_path("%s/vmlinuz-6.10.0.old", boot), "6.10.0");
	test_write(test_path("%s/vmlinuz-7", boot), "no");
	ASSERT_OK(vmb_kernel_find(root, NULL, &other));
	ASSERT_STR(other.path, k.path);

	/* the same kernel where other distributions have it */
	RUN("mv", k.path, test_path("%s/lib/modules/6.10.0/vmlinuz", root));
	ASSERT_OK(vmb_kernel_find(root, NULL, &third));
	ASSERT_STR(third.path, test_path("%s/lib/modules/6.10.0/vmlinuz", root));
	CU_ASSERT_STRING_NOT_EQUAL(third.key, k.key);
}

static void copies_the_kernel_once(void)
{
	_cleanup_kernel_ struct vmb_kernel k = {0};
	const char *root = test_tmpdir(), *path = test_path("%s/k", root);
	struct vmb_store store = {.path = (char *)test_path("%s/store", root)};
	struct vmb_log log = vmb_log_of(NULL);
	_cleanup_free_ char *copy = NULL;
	bool direct = false;
	struct stat first, st;

	RUN("mkdir", "-p", test_path("%s/lib/modules/6.1.0", root));
	fake_kernel(path, "6.1.0");
	ASSERT_OK(vmb_kernel_find(root, path, &k));
	ASSERT_OK(vmb_kernel_store_path(&store, &k, &direct, &copy));
	CU_ASSERT(!vmb_exists(store.path));
	ASSERT_OK(vmb_kernel_ensure(&store, &k, &log, &direct, &copy));
	RUN("cmp", path, copy);
	CU_ASSERT_EQUAL(stat(copy, &first), 0);
	CU_ASSERT_EQUAL(first.st_mode & 0777, 0644);
	ASSERT_OK(vmb_kernel_ensure(&store, &k, &log, &direct, &copy));
	CU_ASSERT_EQUAL(stat(copy, &st), 0);
	CU_ASSERT_EQUAL(st.st_ino, first.st_ino);

	/* another file under the same name is another kernel, never under the old key */
	RUN("rm", copy);
	RUN("touch", "-d", "2001-01-01", path);
	ASSERT_ERROR(vmb_kernel_ensure(&store, &k, &log, &direct, &copy), EAGAIN, "was replaced");
	CU_ASSERT(!vmb_exists(copy));
}

static void remember_words(enum vmboot_log_level level, const char *message, void *data)
{
	if (level == VMBOOT_LOG_DEBUG)
		snprintf(data, 256, "%s", message);
}

/* No error: the image is used as it is, and nobody tries again. */
static void a_kernel_that_stays_packed(void)
{
	const char *root = test_tmpdir(), *path = test_path("%s/k", root);
	struct vmb_store store = {.path = (char *)test_path("%s/store", root)};
	_cleanup_free_ char *copy = NULL, *again = NULL;
	_cleanup_kernel_ struct vmb_kernel k = {0};
	char words[256] = "";
	struct vmb_log log = {.log = remember_words, .log_data = words};
	bool direct = true;

	RUN("mkdir", "-p", test_path("%s/lib/modules/6.1.0", root));
	fake_bzimage(path, "6.1.0", "packed in an odd way\0\0\0\0", 24);
	ASSERT_OK(vmb_kernel_find(root, path, &k));
	ASSERT_OK(vmb_kernel_store_path(&store, &k, &direct, &copy));
	CU_ASSERT(direct && vmb_ends_with(copy, "/vmlinux"));
	ASSERT_OK(vmb_kernel_ensure(&store, &k, &log, &direct, &copy));
	CU_ASSERT(!direct && vmb_ends_with(copy, "/vmlinuz"));
	RUN("cmp", path, copy);
	CU_ASSERT_PTR_NOT_NULL(strstr(words, "its compression is unknown"));
	RUN("sh", "-c", "test -z \"$(find \"$0\" -name '*.tmp-*')\"", store.path);

	direct = true;
	words[0] = '\0';
	ASSERT_OK(vmb_kernel_store_path(&store, &k, &direct, &again));
	CU_ASSERT(!direct);
	ASSERT_STR(again, copy);
	ASSERT_OK(vmb_kernel_ensure(&store, &k, &log, &direct, &again));
	ASSERT_STR(words, "");
}

struct job {
	const struct vmb_store *store;
	const struct vmb_kernel *kernel;
	bool direct;
	char *copy;
	int r;
};

static void *ensure(void *arg)
{
	struct vmb_log log = vmb_log_of(NULL);
	struct job *job = arg;

	job->r = vmb_kernel_ensure(job->store, job->kernel, &log, &job->direct, &job->copy);
	return NULL;
}

/* Both forms; the second is there when the machine's kernel has it. */
static void two_copy_at_once(void)
{
	struct vmb_store store = {.path = (char *)test_tmpdir()};
	_cleanup_kernel_ struct vmb_kernel k = {0};
	struct job jobs[4];
	pthread_t threads[4];

	if (!real_kernel(&k))
		return;
	for (int i = 0; i < 4; i++) {
		jobs[i] = (struct job){&store, &k, i % 2, NULL, -1};
		ASSERT_OK(vmb_kernel_store_path(&store, &k, &jobs[i].direct, &jobs[i].copy));
	}
	for (int i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, ensure, &jobs[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(jobs[i].r, 0);
		CU_ASSERT(vmb_exists(jobs[i].copy));
		ASSERT_STR(jobs[i].copy, jobs[i % 2].copy);
	}
	RUN("cmp", k.path, jobs[0].copy);
	for (int i = 0; i < 4; i++)
		free(jobs[i].copy);
	RUN("sh", "-c", "test -z \"$(find \"$0\" -name '*.tmp-*')\"", store.path);
}

/* As Debian's 6.1 says it: offsets of the boot protocol, 2.10 and later. */
static void how_much_memory_it_takes(void)
{
	unsigned char head[0x264] = {[0x1fe] = 0x55, [0x1ff] = 0xaa, [0x207] = 0x02,
				     [0x206] = 0x0f, [0x262] = 0x37, [0x263] = 0x03};

	memcpy(head + 0x202, "HdrS", 4);
	CU_ASSERT_EQUAL(vmb_kernel_decode_memory(head, sizeof(head)), 0x03370000);
	CU_ASSERT_EQUAL(vmb_kernel_decode_memory(head, sizeof(head) - 1), 0);
	head[0x206] = 0x09;
	CU_ASSERT_EQUAL(vmb_kernel_decode_memory(head, sizeof(head)), 0);
}

TEST_MAIN("initrd/kernel", {"how much memory it takes", how_much_memory_it_takes},
	  {"reads the release from the header", reads_the_release_from_the_header},
	  {"refuses a header that lies", refuses_a_header_that_lies},
	  {"finds this machine's kernel", finds_this_machines_kernel},
	  {"refuses what is no kernel", refuses_what_is_no_kernel},
	  {"refuses a kernel without modules", refuses_a_kernel_without_modules},
	  {"says how to mend an unreadable kernel", says_how_to_mend_an_unreadable_kernel},
	  {"takes the newest that fits", takes_the_newest_that_fits},
	  {"copies the kernel once", copies_the_kernel_once},
	  {"a kernel that stays packed", a_kernel_that_stays_packed},
	  {"two copy at once", two_copy_at_once})
