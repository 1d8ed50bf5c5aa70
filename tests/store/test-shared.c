/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/shared.h"

#include "base/error.h"
#include "base/file.h"
#include "test.h"

static struct vmb_store store;

static const char *in_store(const char *path)
{
	return test_path("%s/%s", store.path, path);
}

static void put_file(const char *path)
{
	const char *file = in_store(path);

	ASSERT_OK(vmb_mkdir_p(test_path("%.*s", (int)(strrchr(file, '/') - file), file), 0755));
	test_write(file, path);
}

static void put_link(const char *target, const char *path)
{
	CU_ASSERT_EQUAL_FATAL(symlink(target, in_store(path)), 0);
}

#define OLD "5.10.0-1-amd64-0123456789ab"
#define NEW "6.1.0-56-cloud-amd64-ba9876543210"
#define OLD_LONG "5.10.0-1-amd64-0123456789abcdef"
#define NEW_LONG "6.1.0-56-cloud-amd64-fedcba9876543210"

/* A store with two kernels and all that belongs to them. */
static void put_all(void)
{
	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	put_file("kernels/" OLD "/vmlinuz");
	put_file("kernels/" OLD "/vmlinux");
	put_file("kernels/" OLD_LONG ".squashfs");
	put_file("initramfs/" OLD_LONG ".cpio");
	put_file("kernels/" NEW "/vmlinux");
	put_file("kernels/" NEW_LONG ".squashfs");
	put_file("initramfs/" NEW_LONG ".cpio");
}

static void put_vm(const char *name, const char *key, const char *long_key, bool disk)
{
	const struct vmb_shared files = {
		.kernel = in_store(test_path("kernels/%s/vmlinux", key)),
		.initramfs = in_store(test_path("initramfs/%s.cpio", long_key)),
		.kernel_disk = disk ? in_store(test_path("kernels/%s.squashfs", long_key)) : NULL,
	};
	const char *folder = in_store(test_path("vms/%s", name));

	ASSERT_OK(vmb_mkdir_p(folder, 0711));
	ASSERT_OK(vmb_shared_use(&store, &files, folder));
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The unused, sorted, a line each; or whose folder says nothing. */
static const char *unused(void)
{
	_cleanup_list_ char **list = NULL;
	_cleanup_free_ char *silent = NULL;
	const char *text = "";

	ASSERT_OK(vmb_shared_unused(&store, &list, &silent));
	if (silent) {
		CU_ASSERT_PTR_NULL(*list);
		return test_path("silent: %s", silent);
	}
	qsort(list, vmb_list_len(vmb_list_const(list)), sizeof(*list), compare);
	for (char **path = list; *path; path++)
		text = test_path("%s%s\n", text, *path + strlen(store.path) + 1);
	return text;
}

#define OF_OLD "initramfs/" OLD_LONG ".cpio\nkernels/" OLD "\nkernels/" OLD_LONG ".squashfs\n"

static void what_no_vm_uses(void)
{
	put_all();
	put_vm("web", NEW, NEW_LONG, true);
	ASSERT_STR(unused(), OF_OLD);
	put_vm("old", OLD, OLD_LONG, false);
	ASSERT_STR(unused(), "kernels/" OLD_LONG ".squashfs\n");
	put_vm("older", OLD, OLD_LONG, true);
	ASSERT_STR(unused(), "");
	ASSERT_OK(vmb_rm_rf(in_store("vms/web")));
	ASSERT_STR(unused(),
		   "initramfs/" NEW_LONG ".cpio\nkernels/" NEW "\nkernels/" NEW_LONG ".squashfs\n");
	vmb_store_done(&store);
}

static void a_store_with_nothing(void)
{
	ASSERT_OK(vmb_store_open(test_tmpdir(), &store));
	ASSERT_STR(unused(), "");
	vmb_store_done(&store);
}

/* The links can be followed, by people too. */
static void the_links_lead_to_the_files(void)
{
	put_all();
	put_vm("web", NEW, NEW_LONG, true);
	ASSERT_STR(test_read(in_store("vms/web/kernel")), "kernels/" NEW "/vmlinux");
	ASSERT_STR(test_read(in_store("vms/web/initramfs")), "initramfs/" NEW_LONG ".cpio");
	ASSERT_STR(test_read(in_store("vms/web/kernel-disk")), "kernels/" NEW_LONG ".squashfs");
	vmb_store_done(&store);
}

static void only_of_the_store(void)
{
	const char *files[] = {"/boot/vmlinuz", "relative",
			       test_path("%s/storex/k", test_tmpdir())};

	put_all();
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const struct vmb_shared shared = {.kernel = files[i], .initramfs = files[i]};

		ASSERT_ERROR(vmb_shared_use(&store, &shared, test_tmpdir()), EINVAL,
			     "is not in the store");
	}
	vmb_store_done(&store);
}

/* Whoever made it, or left it half-made: nothing is known to be unused. */
static void a_vm_that_says_nothing_stops_it(void)
{
	const char *kernel, *initramfs;

	put_all();
	put_vm("web", NEW, NEW_LONG, true);
	put_file("vms/older/overlay.img");
	ASSERT_STR(unused(), "silent: older");
	put_link("../../initramfs/" NEW_LONG ".cpio", "vms/older/initramfs");
	ASSERT_STR(unused(), "silent: older");
	/* no links of ours */
	kernel = in_store("vms/older/kernel");
	initramfs = in_store("vms/older/initramfs");
	put_link(in_store("kernels/" NEW "/vmlinux"), "vms/older/kernel");
	ASSERT_STR(unused(), "silent: older");
	CU_ASSERT_EQUAL(unlink(kernel), 0);
	test_write(kernel, "../../kernels/" NEW "/vmlinux");
	ASSERT_STR(unused(), "silent: older");
	CU_ASSERT_EQUAL(unlink(kernel), 0);
	put_link("../../kernels/" NEW "/vmlinux", "vms/older/kernel");
	ASSERT_STR(unused(), OF_OLD);
	CU_ASSERT_EQUAL(unlink(initramfs), 0);
	ASSERT_STR(unused(), "silent: older");
	/* a VM's folder may be elsewhere, and that not be there just now */
	CU_ASSERT_EQUAL(rename(in_store("vms/older"), test_path("%s/moved", test_tmpdir())), 0);
	put_link(test_path("%s/moved", test_tmpdir()), "vms/older");
	ASSERT_STR(unused(), "silent: older");
	put_link("../../initramfs/" OLD_LONG ".cpio", "vms/older/initramfs");
	ASSERT_STR(unused(), "kernels/" OLD "\nkernels/" OLD_LONG ".squashfs\n");
	CU_ASSERT_EQUAL(rename(test_path("%s/moved", test_tmpdir()),
			       test_path("%s/gone", test_tmpdir())),
			0);
	ASSERT_STR(unused(), "silent: older");
	vmb_store_done(&store);
}

/* A copy that somebody keeps beside VMs is none, yet what it has links to stays. */
static void what_is_beside_vms_says_nothing(void)
{
	put_all();
	put_vm("web", NEW, NEW_LONG, true);
	put_file("vms/README");
	put_file("vms/web.bak/overlay.img");
	ASSERT_STR(unused(), OF_OLD);
	put_vm("old.bak", OLD, OLD_LONG, true);
	ASSERT_STR(unused(), "");
	vmb_store_done(&store);
}

static void what_is_not_ours_is_left_alone(void)
{
	static const char *const files[] = {
		"kernels/README",
		"kernels/mine/vmlinuz",
		"kernels/5.10.0-1-amd64/vmlinuz",
		"kernels/-0123456789ab/vmlinuz",
		"kernels/5.10.0-0123456789a/vmlinuz",  /* short */
		"kernels/5.10.0-0123456789AB/vmlinuz", /* no hash of ours */
		"kernels/5.10.0-0123456789ab.old/vmlinuz",
		"kernels/5.10.0-0123456789ab.tmp-abcdef/x",  /* half-made */
		"kernels/5.10.0-0123456789ab",		     /* a file */
		"kernels/5.10.1-0123456789ab.squashfs/disk", /* a folder */
		"kernels/5.10.1-0123456789ab.squashfs.lock",
		"kernels/5.10.1-0123456789ab.cpio",
		"initramfs/5.10.1-0123456789ab.squashfs",
		"initramfs/5.10.1-0123456789ab",
		"initramfs/5.10.1-0123456789ab.cpio/x",
		"initramfs/.cpio",
		"5.10.1-0123456789ab/vmlinuz",
	};

	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		put_file(files[i]);
	put_link("/boot", "kernels/5.10.2-0123456789ab");
	put_link("/boot/vmlinuz", "kernels/5.10.2-0123456789ab.squashfs");
	put_link("../kernels/README", "initramfs/5.10.2-0123456789ab.cpio");
	ASSERT_STR(unused(), "");
	vmb_store_done(&store);
}

/* Part of a name is not the name. */
static void a_longer_name_is_another(void)
{
	ASSERT_OK(vmb_store_open(test_tmpdir(), &store));
	put_file("kernels/" OLD "/vmlinux");
	put_file("kernels/" OLD_LONG "/vmlinux");
	put_vm("web", OLD_LONG, OLD_LONG, false);
	ASSERT_STR(unused(), "kernels/" OLD "\n");
	vmb_store_done(&store);
}

static void many_hold_or_one_seizes(void)
{
	int a = -1, b = -1, all = -1;

	ASSERT_OK(vmb_store_open(test_tmpdir(), &store));
	ASSERT_OK(vmb_shared_hold(&store, 0, &a));
	ASSERT_OK(vmb_shared_hold(&store, 0, &b));
	ASSERT_ERROR(vmb_shared_seize(&store, 0, &all), ETIMEDOUT, "kernels.lock");
	close(a);
	ASSERT_ERROR(vmb_shared_seize(&store, 0, &all), ETIMEDOUT, "kernels.lock");
	close(b);
	ASSERT_OK(vmb_shared_seize(&store, 0, &all));
	ASSERT_ERROR(vmb_shared_hold(&store, 0, &a), ETIMEDOUT, "kernels.lock");
	ASSERT_ERROR(vmb_shared_seize(&store, 0, &a), ETIMEDOUT, "kernels.lock");
	close(all);
	ASSERT_OK(vmb_shared_hold(&store, 0, &a));
	close(a);
	vmb_store_done(&store);
}

TEST_MAIN("store/shared", {"what no VM uses", what_no_vm_uses},
	  {"a store with nothing", a_store_with_nothing},
	  {"the links lead to the files", the_links_lead_to_the_files},
	  {"only of the store", only_of_the_store},
	  {"a VM that says nothing stops it", a_vm_that_says_nothing_stops_it},
	  {"what is beside VMs says nothing", what_is_beside_vms_says_nothing},
	  {"what is not ours is left alone", what_is_not_ours_is_left_alone},
	  {"a longer name is another", a_longer_name_is_another},
	  {"many hold or one seizes", many_hold_or_one_seizes})
