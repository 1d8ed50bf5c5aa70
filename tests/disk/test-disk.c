/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "disk/disk.h"
#include "test.h"

static const struct vmb_log silent;

static void run(const char *const *argv)
{
	ASSERT_OK(vmb_run(argv, NULL));
}
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL})

static struct vmb_store store_in(const char *folder)
{
	return (struct vmb_store){.path = (char *)test_path("%s/%s", test_tmpdir(), folder)};
}

static const char *output(const char *const *argv)
{
	_cleanup_free_ char *out = NULL;

	ASSERT_OK(vmb_run(argv, &out));
	return test_path("%s", out);
}
#define OUTPUT(...) output((const char *const[]){__VA_ARGS__, NULL})

static void an_overlay_is_small_and_sound(void)
{
	/* as many inodes as blocks on small ones: a node_modules of 100,000 files fits 512 MiB */
	static const struct {
		uint64_t mib;
		const char *inodes;
	} rows[] = {{16, "4096"},     {64, "16384"},	{512, "131072"},   {1024, "262144"},
		    {4096, "262144"}, {8192, "524288"}, {10240, "655360"}, {102400, "6553600"}};
	struct vmb_store store = store_in("store");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *path = test_path("%s/%zu.img", test_tmpdir(), i), *count;
		struct stat st;

		ASSERT_OK(vmb_overlay_create(&store, path, rows[i].mib, &silent));
		CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
		CU_ASSERT_EQUAL((uint64_t)st.st_size, rows[i].mib << 20);
		CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
		CU_ASSERT(st.st_blocks * 512 < 512 * 1024);
		RUN("e2fsck", "-fn", path);
		count = strstr(OUTPUT("dumpe2fs", "-h", path), "Inode count:");
		CU_ASSERT_PTR_NOT_NULL_FATAL(count);
		count += strlen("Inode count:");
		count += strspn(count, " ");
		ASSERT_STR(test_path("%.*s", (int)strcspn(count, "\n"), count), rows[i].inodes);
	}
}

static void the_guest_has_nothing_left_to_do(void)
{
	struct vmb_store store = store_in("store");
	const char *path = test_path("%s/o.img", test_tmpdir()), *dump;
	size_t groups = 0, zeroed = 0;

	ASSERT_OK(vmb_overlay_create(&store, path, 2048, &silent));
	dump = OUTPUT("dumpe2fs", path);
	CU_ASSERT(strstr(dump, "has_journal") != NULL);
	CU_ASSERT(strstr(dump, "Total journal size:       32M") != NULL);
	for (const char *p = dump; (p = strstr(p, ": (Blocks ")); p++)
		groups++;
	for (const char *p = dump; (p = strstr(p, "ITABLE_ZEROED")); p++)
		zeroed++;
	CU_ASSERT_EQUAL(groups, 16);
	CU_ASSERT_EQUAL(zeroed, groups);
}

static void an_overlay_can_grow(void)
{
	struct vmb_store store = store_in("store");
	static const uint64_t sizes[] = {64, 512, 1024, 3072, 10240};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const char *path = test_path("%s/grow-%zu.img", test_tmpdir(), i);

		ASSERT_OK(vmb_overlay_create(&store, path, sizes[i], &silent));
		RUN("truncate", "-s", "20G", path);
		RUN("resize2fs", path);
		RUN("e2fsck", "-fn", path);
	}
}

static void every_host_gives_the_same_bytes(void)
{
	struct vmb_store one = store_in("one"), two = store_in("two");
	const char *a = test_path("%s/a", test_tmpdir()), *b = test_path("%s/b", test_tmpdir());
	const char *conf = test_path("%s/mke2fs.conf", test_tmpdir());

	ASSERT_OK(vmb_overlay_create(&one, a, 64, &silent));
	/* another time, another configuration of mke2fs */
	test_write(conf, "[defaults]\n"
			 "base_features = resize_inode\n"
			 "default_mntopts = nobarrier\n"
			 "inode_ratio = 4096\n"
			 "blocksize = 1024\n");
	usleep(1100000);
	setenv("MKE2FS_CONFIG", conf, 1);
	ASSERT_OK(vmb_overlay_create(&two, b, 64, &silent));
	unsetenv("MKE2FS_CONFIG");
	RUN("cmp", a, b);
}

static struct vmb_guest_config sound_config(void)
{
	return (struct vmb_guest_config){
		.hostname = "web",
		.init_mode = VMBOOT_INIT_EXEC,
		.on_exit = VMBOOT_ON_EXIT_KEEP,
		.kernel_note = "",
		.address = "",
		.gateway = "",
		.nameserver = "",
		.user = "",
		.workdir = "/",
	};
}

static void never_touches_what_is_there(void)
{
	const char *path = test_path("%s/o.img", test_tmpdir());
	struct vmb_guest_config config = sound_config();
	struct vmb_store store = store_in("store");

	test_write(path, "mine");
	ASSERT_ERROR(vmb_overlay_create(&store, path, 64, &silent), EEXIST, path);
	ASSERT_STR(test_read(path), "mine");
	ASSERT_ERROR(vmb_config_disk_create(path, &config), EEXIST, path);
	ASSERT_STR(test_read(path), "mine");
}

static void refuses_sizes_that_cannot_be(void)
{
	const char *path = test_path("%s/o.img", test_tmpdir());
	struct vmb_store store = store_in("store");

	ASSERT_ERROR(vmb_overlay_create(&store, path, 0, &silent), EINVAL, "0 MiB");
	ASSERT_ERROR(vmb_overlay_create(&store, path, UINT64_MAX, &silent), EINVAL, "MiB cannot");
	CU_ASSERT(!vmb_exists(path));
}

static void leaves_nothing_half_made(void)
{
	struct vmb_guest_config config = sound_config();
	const char *path = test_path("%s/o.img", test_tmpdir());
	struct vmb_store store = store_in("store"), other = store_in("other");
	struct rlimit was, small;

	ASSERT_OK(vmb_overlay_create(&store, test_path("%s/ok", test_tmpdir()), 64, &silent));
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	small = (struct rlimit){1024, was.rlim_max};
	setrlimit(RLIMIT_FSIZE, &small);
	CU_ASSERT_EQUAL(vmb_overlay_create(&store, path, 64, &silent), -EFBIG);
	CU_ASSERT_EQUAL(vmb_overlay_create(&other, path, 64, &silent), -EFBIG);
	CU_ASSERT_EQUAL(vmb_config_disk_create(path, &config), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &was);
	signal(SIGXFSZ, SIG_DFL);
	CU_ASSERT(!vmb_exists(path));
	RUN("sh", "-c", "test -z \"$(find \"$0\" -name '*.tmp-*' -o -name '*.img')\"", other.path);
}

struct job {
	const struct vmb_store *store;
	const char *path;
	atomic_int *templates; /* made by all */
	int r;
};

static void count_templates(enum vmboot_log_level level, const char *message, void *data)
{
	(void)level;
	if (strstr(message, "template"))
		atomic_fetch_add((atomic_int *)data, 1);
}

static void *create(void *arg)
{
	struct job *job = arg;
	struct vmb_log log = {.log = count_templates, .log_data = job->templates};

	job->r = vmb_overlay_create(job->store, job->path, 64, &log);
	return NULL;
}

static void many_create_at_once(void)
{
	struct vmb_store store = store_in("store");
	atomic_int templates = 0;
	pthread_t threads[4];
	struct job jobs[4];

	for (int i = 0; i < 4; i++) {
		jobs[i] =
			(struct job){&store, test_path("%s/%d", test_tmpdir(), i), &templates, -1};
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, create, &jobs[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(jobs[i].r, 0);
		RUN("cmp", jobs[0].path, jobs[i].path);
	}
	CU_ASSERT_EQUAL(templates, 1);
	RUN("sh", "-c", "test $(find \"$0\" -name '*.img' -o -name '*.tmp-*' | wc -l) = 1",
	    store.path);
}

/* Of 10 GiB what the template has is copied, and the template is made once. */
static void a_clone_is_cheap(void)
{
	struct vmb_store store = store_in("store");
	atomic_int templates = 0;
	struct vmb_log log = {.log = count_templates, .log_data = &templates};
	unsigned long long moved = 0;

	for (int i = 0; i < 5; i++) {
		if (i == 1)
			moved = test_bytes_moved();
		ASSERT_OK(vmb_overlay_create(&store, test_path("%s/%d.img", test_tmpdir(), i),
					     10240, &log));
	}
	moved = test_bytes_moved() - moved;
	printf("clone of 10 GiB: %llu bytes\n", moved / 4);
	CU_ASSERT(moved / 4 < 2 << 20);
	CU_ASSERT_EQUAL(templates, 1);
}

static void tar_reads_the_config_disk(void)
{
	const char *path = test_path("%s/config.img", test_tmpdir()), *text;
	struct vmb_guest_config config = sound_config();
	struct stat st;
	mode_t mask = umask(0);

	config.args = TEST_LIST("/bin/true");
	config.env = TEST_LIST("SECRET=1");
	ASSERT_OK(vmb_config_disk_create(path, &config));
	umask(mask);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	CU_ASSERT_EQUAL(st.st_size % VMB_CONFIG_PAD, 0);
	text = OUTPUT("sh", "-c", "tar -xOf \"$0\" | tr '\\0' '\\n'", path);
	CU_ASSERT(strstr(text, "hostname=web\n") != NULL);
	CU_ASSERT(strstr(text, "args=/bin/true\nenv=SECRET=1\n") != NULL);
}

static void says_which_bound_was_passed(void)
{
	const char *path = test_path("%s/config.img", test_tmpdir());
	struct vmb_guest_config config = sound_config();
	char *arg = test_alloc(VMB_CONFIG_STRING_MAX + 2);

	memset(arg, 'x', VMB_CONFIG_STRING_MAX + 1);
	config.args = TEST_LIST(arg);
	ASSERT_ERROR(vmb_config_disk_create(path, &config), E2BIG,
		     "128 KiB each, 2048 KiB together");
	config.args = NULL;
	config.init_mode = VMBOOT_INIT_AUTO;
	ASSERT_ERROR(vmb_config_disk_create(path, &config), EINVAL, "guest config");
	CU_ASSERT(!vmb_exists(path));
}

TEST_MAIN("disk", {"an overlay is small and sound", an_overlay_is_small_and_sound},
	  {"a clone is cheap", a_clone_is_cheap},
	  {"the guest has nothing left to do", the_guest_has_nothing_left_to_do},
	  {"an overlay can grow", an_overlay_can_grow},
	  {"every host gives the same bytes", every_host_gives_the_same_bytes},
	  {"never touches what is there", never_touches_what_is_there},
	  {"refuses sizes that cannot be", refuses_sizes_that_cannot_be},
	  {"leaves nothing half-made", leaves_nothing_half_made},
	  {"many create at once", many_create_at_once},
	  {"tar reads the config disk", tar_reads_the_config_disk},
	  {"says which bound was passed", says_which_bound_was_passed})
