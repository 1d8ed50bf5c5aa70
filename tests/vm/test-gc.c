/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernels, initramfs files and kernel disks; libvirt's own test driver knows none of these VMs. */
#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <vmboot/vm.h>

#include "base/error.h"
#include "base/file.h"
#include "disk/kernel.h"
#include "domain/domain.h"
#include "initrd/initrd.h"
#include "store/shared.h"
#include "test.h"
#include "vm/files.h"

#define OLD "0.0.1-0123456789ab"
#define OLD_LONG "0.0.1-0123456789abcdef"
#define VM_KERNEL "0.0.2-0123456789ab"

static struct vmb_store store;
static char words[1000]; /* what was logged last */

static void keep_words(enum vmboot_log_level level, const char *message, void *data)
{
	(void)level, (void)data;
	vmb_strlcpy(words, message, sizeof(words));
}

static int collect(unsigned flags, char **ret_json)
{
	const struct vmboot_opts where =
		VMBOOT_OPTS(.store = store.path, .uri = "test:///default", .log = keep_words);

	*words = '\0';
	return vmboot_gc(&where, flags, ret_json);
}

static const char *in_store(const char *path)
{
	return test_path("%s/%s", store.path, path);
}

static void put_file(const char *path)
{
	const char *file = in_store(path);

	ASSERT_OK(vmb_mkdir_p(test_path("%.*s", (int)(strrchr(file, '/') - file), file), 0755));
	test_write(file, "x");
}

/* A store with the files of two kernels, one of which a stopped VM uses. */
static void begin(void)
{
	struct vmb_shared files = {0};

	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	put_file("kernels/" OLD "/vmlinux");
	put_file("kernels/" OLD_LONG ".squashfs");
	put_file("kernels/" OLD_LONG ".squashfs.lock");
	put_file("initramfs/" OLD_LONG ".cpio");
	put_file("kernels/" VM_KERNEL "/vmlinux");
	put_file("initramfs/" VM_KERNEL ".cpio");
	ASSERT_OK(vmb_mkdir_p(in_store("vms/stopped"), 0711));
	files.kernel = in_store("kernels/" VM_KERNEL "/vmlinux");
	files.initramfs = in_store("initramfs/" VM_KERNEL ".cpio");
	ASSERT_OK(vmb_shared_use(&store, &files, in_store("vms/stopped")));
}

/* What stands for its domain, which libvirt does not have: somebody has the VM open. */
static int open_vm(void)
{
	int lock = -1;

	ASSERT_OK(vmb_files_lock(in_store("vms/stopped"), LOCK_SH, &lock));
	return lock;
}

static void what_no_vm_uses_goes(void)
{
	const char *outside = test_path("%s/outside", test_tmpdir());
	_cleanup_free_ char *json = NULL;
	int vm;

	begin();
	vm = open_vm();
	test_write(outside, "x");
	CU_ASSERT_EQUAL(symlink(outside, in_store("kernels/" OLD "/more")), 0);
	CU_ASSERT_EQUAL(symlink(outside, in_store("kernels/0.0.3-0123456789abcdef.squashfs")), 0);
	CU_ASSERT_EQUAL(collect(VMBOOT_GC_DRY_RUN, NULL), 3);
	CU_ASSERT(vmb_exists(in_store("kernels/" OLD "/vmlinux")));
	CU_ASSERT(vmb_exists(in_store("kernels/" OLD_LONG ".squashfs.lock")));
	CU_ASSERT_EQUAL(collect(0, &json), 3);
	CU_ASSERT(json && strstr(json, OLD_LONG ".cpio"));
	CU_ASSERT_FALSE(vmb_exists(in_store("kernels/" OLD)));
	CU_ASSERT_FALSE(vmb_exists(in_store("kernels/" OLD_LONG ".squashfs")));
	CU_ASSERT_FALSE(vmb_exists(in_store("kernels/" OLD_LONG ".squashfs.lock")));
	CU_ASSERT_FALSE(vmb_exists(in_store("initramfs/" OLD_LONG ".cpio")));
	CU_ASSERT(vmb_exists(in_store("kernels/" VM_KERNEL "/vmlinux")));
	CU_ASSERT(vmb_exists(in_store("initramfs/" VM_KERNEL ".cpio")));
	CU_ASSERT(vmb_exists(outside));
	CU_ASSERT(vmb_exists(in_store("kernels/0.0.3-0123456789abcdef.squashfs")));
	CU_ASSERT_EQUAL(collect(0, NULL), 0);
	ASSERT_STR(words, "");
	close(vm);
	/* the VM goes, and then what it used */
	CU_ASSERT_EQUAL(collect(0, NULL), 3);
	CU_ASSERT_FALSE(vmb_exists(in_store("kernels/" VM_KERNEL)));
	vmb_store_done(&store);
}

static void an_older_versions_vm_stops_it(void)
{
	int vm;

	begin();
	vm = open_vm();
	CU_ASSERT_EQUAL(unlink(in_store("vms/stopped/kernel")), 0);
	CU_ASSERT_EQUAL(collect(0, NULL), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(words, "the VM stopped does not say"));
	CU_ASSERT(vmb_exists(in_store("kernels/" OLD "/vmlinux")));
	close(vm);
	vmb_store_done(&store);
}

static void a_vm_that_is_being_made_stops_it(void)
{
	int vm, hold = -1;

	begin();
	vm = open_vm();
	ASSERT_OK(vmb_shared_hold(&store, 0, &hold));
	CU_ASSERT_EQUAL(collect(0, NULL), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(words, "a VM is being made"));
	CU_ASSERT(vmb_exists(in_store("kernels/" OLD "/vmlinux")));
	close(hold);
	CU_ASSERT_EQUAL(collect(0, NULL), 3);
	close(vm);
	vmb_store_done(&store);
}

static const char *const fstypes[] = {"squashfs", "erofs", "ext4"};

/* Unless the kernel cannot boot from such a file system. */
static void put_initramfs(const struct vmb_kernel *kernel, const char *init, const char *fstype,
			  unsigned needs)
{
	_cleanup_modules_ struct vmb_modules modules = {0};
	const struct vmb_log silent = {0};

	if (vmb_modules_resolve(kernel, fstype, needs, &modules) == 0)
		ASSERT_OK(vmb_initrd_ensure(&store, kernel, &modules, init, &silent));
}

/* What any VM would get stays, though none has it now. */
static void what_the_next_vm_uses_stays(void)
{
	_cleanup_kernel_ struct vmb_kernel k = {0};
	_cleanup_headers_ struct vmb_headers headers = {0};
	_cleanup_free_ char *disk = NULL, *init = NULL, *copy = NULL;
	const unsigned all = VMB_NEED_NETWORK | VMB_NEED_KERNEL_DISK;
	const struct vmb_log silent = {0};
	bool direct = false;

	if (vmb_kernel_find("", NULL, &k) < 0 || vmb_initrd_find_init(&init) < 0) {
		test_not_tried("%s", vmboot_last_error()->message);
		return;
	}
	begin();
	ASSERT_OK(vmb_kernel_store_path(&store, &k, &direct, &copy));
	ASSERT_OK(vmb_kernel_ensure(&store, &k, &silent, &direct, &copy));
	ASSERT_OK(vmb_headers_find("", &k, NULL, &headers));
	ASSERT_OK(vmb_kernel_disk_path(&store, &k, &headers, &disk));
	test_write(disk, "x");
	for (size_t i = 0; i < ARRAY_SIZE(fstypes); i++)
		for (unsigned needs = 0; needs <= all; needs++)
			put_initramfs(&k, init, fstypes[i], needs);
	CU_ASSERT_EQUAL(collect(0, NULL), 6); /* the VM, its files, the old kernel's */
	CU_ASSERT(vmb_exists(copy));
	CU_ASSERT(vmb_exists(disk));
	CU_ASSERT_EQUAL(collect(0, NULL), 0);
	vmb_store_done(&store);
}

/* ---- at the same time ---- */

static const char *late_xml;

/* For all of this program: libvirt's own, and then somebody is done with a VM. */
int virConnectListAllDomains(virConnectPtr c, virDomainPtr **list, unsigned flags)
{
	__typeof__(virConnectListAllDomains) *real;
	int n;

	*(void **)&real = dlsym(RTLD_NEXT, "virConnectListAllDomains");
	n = real(c, list, flags);
	if (late_xml)
		virDomainFree(virDomainDefineXML(c, late_xml));
	return n;
}

static void define_domain(const char *store_path)
{
	late_xml =
		test_path("<domain type='test'><name>stopped</name>"
			  "<uuid>8a5f5b0e-36a5-4c7d-9e61-0d8c3f2b7a10</uuid><memory>9000</memory>"
			  "<os><type>hvm</type></os><metadata>"
			  "<v:vm xmlns:v='" VMB_DOMAIN_XMLNS "'><v:store>%s</v:store></v:vm>"
			  "</metadata></domain>",
			  store_path);
}

static void undefine_domain(virConnectPtr c)
{
	virDomainPtr d = virDomainLookupByName(c, "stopped");

	late_xml = NULL;
	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	CU_ASSERT_EQUAL(virDomainUndefine(d), 0);
	virDomainFree(d);
}

static void a_vm_that_was_made_meanwhile_stays(void)
{
	virConnectPtr c = virConnectOpen("test:///default");

	begin();
	define_domain(store.path);
	CU_ASSERT_EQUAL(collect(0, NULL), 3); /* the old kernel's */
	CU_ASSERT(vmb_exists(in_store("vms/stopped")));
	CU_ASSERT(vmb_exists(in_store("kernels/" VM_KERNEL "/vmlinux")));
	undefine_domain(c);
	virConnectClose(c);
	vmb_store_done(&store);
}

/* ---- one store, two ways to it ---- */

static int collect_at(const char *path, const char *uri)
{
	const struct vmboot_opts where = VMBOOT_OPTS(.store = path, .uri = uri, .log = keep_words);

	*words = '\0';
	return vmboot_gc(&where, 0, NULL);
}

static void another_libvirts_vm_stays(void)
{
	begin();
	ASSERT_OK(vmb_files_note_libvirt(in_store("vms/stopped"), "qemu:///elsewhere"));
	CU_ASSERT_EQUAL(collect(0, NULL), 3); /* the old kernel's */
	CU_ASSERT_PTR_NOT_NULL(strstr(words, "stopped is left alone: it was made at qemu:///else"));
	CU_ASSERT(vmb_exists(in_store("vms/stopped")));
	CU_ASSERT_EQUAL(unlink(in_store("vms/stopped/libvirt")), 0);
	ASSERT_OK(vmb_files_note_libvirt(in_store("vms/stopped"), "test:///default"));
	CU_ASSERT_EQUAL(collect(0, NULL), 3); /* the VM, and what it used */
	CU_ASSERT_FALSE(vmb_exists(in_store("vms/stopped")));
	vmb_store_done(&store);
}

static void a_store_is_the_same_by_another_path(void)
{
	virConnectPtr c = virConnectOpen("test:///default");
	const char *link = test_path("%s/link", test_tmpdir());

	begin();
	put_file("vms/stopped/ledger"); /* all was made */
	CU_ASSERT_EQUAL(symlink(store.path, link), 0);
	define_domain(store.path);
	CU_ASSERT_EQUAL(collect_at(link, "test:///default"), 3); /* the old kernel's */
	CU_ASSERT(vmb_exists(in_store("vms/stopped")));
	define_domain(link); /* the store was moved, and this left in its place */
	CU_ASSERT_EQUAL(collect(0, NULL), 0);
	CU_ASSERT_EQUAL(unlink(link), 0); /* and that is gone, too */
	CU_ASSERT_EQUAL(collect(0, NULL), 0);
	CU_ASSERT(vmb_exists(in_store("vms/stopped")));
	undefine_domain(c);
	CU_ASSERT_EQUAL(collect_at(store.path, "test:///default"), 3);
	CU_ASSERT_FALSE(vmb_exists(in_store("vms/stopped")));
	virConnectClose(c);
	vmb_store_done(&store);
}

static enum { NOBODY, ANOTHER_GC, ANOTHER_VM } in_undefine;
static int alone;

/* For all of this program: libvirt's own, and what somebody else does before or after it. */
int virDomainUndefineFlags(virDomainPtr d, unsigned flags)
{
	__typeof__(virDomainUndefineFlags) *real;
	int r, lock = -1;

	*(void **)&real = dlsym(RTLD_NEXT, "virDomainUndefineFlags");
	/* which the test driver refuses */
	flags &= ~(unsigned)(VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA);
	if (in_undefine == ANOTHER_GC) {
		alone += vmb_files_lock(in_store("vms/stopped"), LOCK_SH, &lock) == -EBUSY;
		vmb_closep(&lock);
		real(d, flags);
	}
	r = real(d, flags);
	if (in_undefine == ANOTHER_VM)
		put_file("vms/stopped/ledger");
	return r;
}

/* The domain of a VM that was half made; with its libvirt. */
static virConnectPtr begin_half_made(void)
{
	virConnectPtr c = virConnectOpen("test:///default");

	begin();
	define_domain(store.path);
	virDomainFree(virDomainDefineXML(c, late_xml));
	late_xml = NULL;
	return c;
}

static void a_domain_that_others_remove_too(void)
{
	virConnectPtr c = begin_half_made();

	in_undefine = ANOTHER_GC;
	CU_ASSERT(collect(0, NULL) >= 0);
	in_undefine = NOBODY;
	CU_ASSERT_EQUAL(alone, 1);
	virConnectClose(c);
	vmb_store_done(&store);
}

static void another_vm_that_gets_the_name_stays(void)
{
	virConnectPtr c = begin_half_made();

	ASSERT_OK(vmb_rm_rf(in_store("vms/stopped")));
	CU_ASSERT(collect(VMBOOT_GC_DRY_RUN, NULL) > 0);
	in_undefine = ANOTHER_VM;
	CU_ASSERT(collect(0, NULL) > 0);
	in_undefine = NOBODY;
	CU_ASSERT(vmb_exists(in_store("vms/stopped/ledger")));
	virConnectClose(c);
	vmb_store_done(&store);
}

/* So many at least, and more until something was removed. */
enum { ROUNDS = 100, ROUNDS_MAX = 100000 };

static _Atomic bool made_all;
static _Atomic size_t removed;

static bool make_vm(const char *folder, const char *kernel, const char *initramfs)
{
	const struct vmb_shared files = {.kernel = kernel, .initramfs = initramfs};
	const char *const paths[] = {kernel, initramfs};
	int hold = -1;
	bool ok = vmb_shared_hold(&store, 60000, &hold) == 0;

	for (size_t i = 0; i < 2 && ok; i++) {
		_cleanup_free_ char *made = NULL;

		if (vmb_exists(paths[i]))
			continue;
		ok = vmb_store_path(&store, &made, "%s", paths[i] + strlen(store.path) + 1) == 0 &&
		     vmb_write_file_atomic(made, "x", 1, 0644) == 0;
	}
	ok = ok && vmb_mkdir_p(folder, 0711) == 0 && vmb_shared_use(&store, &files, folder) == 0;
	vmb_closep(&hold);
	return ok && vmb_exists(kernel) && vmb_exists(initramfs);
}

/* No VM's name has a dot, so that gc leaves this folder to us, but not what it uses. */
static void *make_vms(void *arg)
{
	const char *folder = in_store("vms/of.us"), *kernel = in_store("kernels/" OLD "/vmlinux"),
		   *initramfs = in_store("initramfs/" OLD_LONG ".cpio");
	size_t *lost = arg;

	for (int i = 0; i < ROUNDS || (removed == 0 && i < ROUNDS_MAX); i++) {
		*lost += !make_vm(folder, kernel, initramfs);
		*lost += vmb_rm_rf(folder) < 0;
	}
	made_all = true;
	return NULL;
}

static void who_makes_a_vm_loses_nothing(void)
{
	_cleanup_list_ char **unused = NULL;
	_cleanup_free_ char *silent = NULL;
	size_t lost = 0;
	pthread_t thread;

	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	made_all = false;
	removed = 0;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, make_vms, &lost), 0);
	while (!made_all) {
		_cleanup_close_ int lock = -1;

		poll(NULL, 0, 1);
		if (vmb_shared_seize(&store, 1000, &lock) < 0)
			continue;
		ASSERT_OK(vmb_shared_unused(&store, &unused, &silent));
		for (char **path = unused; *path; path++, removed++)
			ASSERT_OK(vmb_rm_rf(*path));
		vmb_list_free(TAKE_PTR(unused));
		free(TAKE_PTR(silent));
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(lost, 0);
	CU_ASSERT(removed > 0);
	vmb_store_done(&store);
}

TEST_MAIN("host/gc", {"what no VM uses goes", what_no_vm_uses_goes},
	  {"an older version's VM stops it", an_older_versions_vm_stops_it},
	  {"a VM that is being made stops it", a_vm_that_is_being_made_stops_it},
	  {"what the next VM uses stays", what_the_next_vm_uses_stays},
	  {"a VM that was made meanwhile stays", a_vm_that_was_made_meanwhile_stays},
	  {"another libvirt's VM stays", another_libvirts_vm_stays},
	  {"a store is the same by another path", a_store_is_the_same_by_another_path},
	  {"a domain that others remove, too", a_domain_that_others_remove_too},
	  {"another VM that gets the name stays", another_vm_that_gets_the_name_stays},
	  {"who makes a VM loses nothing", who_makes_a_vm_loses_nothing})
