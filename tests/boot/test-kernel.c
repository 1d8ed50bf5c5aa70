/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel disk in real guests: modules and headers of the kernel that runs, in images of each
 * shape, and a module that Debian's DKMS builds from them.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "boot.h"
#include "initrd/kernel.h"

/* The release that guests of this machine boot. */
static const char *release(void)
{
	_cleanup_kernel_ struct vmb_kernel k = {0};

	ASSERT_OK(vmb_kernel_find("", NULL, &k));
	return test_path("%s", k.release);
}

static bool headers_are_installed(void)
{
	if (vmb_exists(test_path("/lib/modules/%s/build/Makefile", release())))
		return true;
	test_not_tried("no kernel headers are installed");
	return false;
}

static void check_told(struct vmboot_vm *vm, const char *device, const char *detail)
{
	struct vmboot_ledger *ledger;
	const struct vmboot_event *e;

	ASSERT_OK(vmboot_ledger(vm, &ledger));
	e = boot_event(ledger, VMBOOT_PHASE_HEADERS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	ASSERT_STR(e->device, device);
	ASSERT_STR(e->detail, detail);
	vmboot_ledger_free(ledger);
}

/* The host's half: a phase of its own, in which the disk was made or found. */
static void check_made(struct vmboot_vm *vm, bool made)
{
	struct vmboot_ledger *ledger;

	ASSERT_OK(vmboot_ledger(vm, &ledger));
	CU_ASSERT_EQUAL(boot_event(ledger, VMBOOT_PHASE_KERNEL_DISK) != NULL, made);
	vmboot_ledger_free(ledger);
}

static void end(struct vmboot_vm *vm)
{
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static struct vmboot_opts with_kernel_disk(const char *name, const char *script)
{
	struct vmboot_opts opts = boot_opts(name, script);

	opts.skip_kernel_headers = false;
	return opts;
}

/* Boots image with a script that must end well; what it said. */
static const char *boot_image(const char *name, const char *image, const char *script,
			      const char *device, const char *detail)
{
	struct vmboot_opts opts = with_kernel_disk(name, script);
	struct vmboot_vm *vm;
	const char *out;

	opts.image = image;
	vm = boot_run(&opts, 0);
	out = boot_output(vm, VMBOOT_STREAM_STDOUT);
	fprintf(stderr, "%s", boot_output(vm, VMBOOT_STREAM_STDERR));
	check_told(vm, device, detail);
	check_made(vm, true);
	end(vm);
	return out;
}

#define IN_KERNEL "cd /lib/modules/$(uname -r) && "
/* Loads a module, with one that it needs, and puts another file there. */
#define USE_MODULES                                                                                \
	"grep -q '^macvlan ' /proc/modules && exit 5; modprobe macvtap || exit 6; "                \
	"grep -q '^macvlan ' /proc/modules || exit 7; "                                            \
	"mkdir updates && echo hello >updates/x && cat updates/x; "

static void an_image_without_lib(void)
{
	const char *out;

	out = boot_image("kernel-bare", "test",
			 IN_KERNEL USE_MODULES
			 "ls /lib/modules; ls -d /usr/src/linux-headers-$(uname -r); "
			 "test -e build/Makefile && test -e source/Makefile && echo resolves; "
			 "grep -c -e ' /kernel ' -e vdd /proc/mounts; stat -c %u:%g:%a /usr /lib",
			 "vdd vmboot-kernel", "");
	if (headers_are_installed())
		ASSERT_STR(out, test_path("hello\n%s\n/usr/src/linux-headers-%s\nresolves\n0\n"
					  "0:0:755\n0:0:755\n",
					  release(), release()));
}

/*
 * An image whose /lib is a folder, with modules and headers of other kernels, and of the same one,
 * and with folders that are not root's alone.
 */
static void import_split(void)
{
	const char *root = test_path("%s/split", test_tmpdir());
	struct vmboot_opts where = boot_where();
	const char *script =
		"set -e; mkdir -p $0/bin $0/lib/modules/9.9.9 $0/lib/modules/$1/kernel "
		"$0/usr/src/linux-headers-9.9.9 $0/usr/src/linux-headers-$1/include/config "
		"$0/usr/lib/keep; "
		"echo decoy >$0/lib/modules/9.9.9/modules.dep; "
		"echo decoy >$0/lib/modules/$1/kernel/decoy.ko; "
		"echo decoy >$0/usr/src/linux-headers-$1/include/config/DECOY; "
		"b=$(command -v busybox); cp $b $0/bin/busybox; "
		"for a in $(busybox --list); do ln -s busybox $0/bin/$a 2>/dev/null || :; done; "
		"chmod 0711 $0/usr/src; chmod 2775 $0/lib; "
		"if [ $(id -u) = 0 ]; then chown 0:12 $0/lib; fi";

	ASSERT_OK(vmb_run((const char *const[]){"sh", "-c", script, root, release(), NULL}, NULL));
	ASSERT_OK(vmboot_image_import(&where, test_path("dir:%s", root), "split", NULL));
	/* the same, but where headers go there is a link */
	ASSERT_OK(vmb_run((const char *const[]){"sh", "-c",
						"mv $0/usr/src $0/src && ln -s ../src $0/usr/src",
						root, NULL},
			  NULL));
	ASSERT_OK(vmboot_image_import(&where, test_path("dir:%s", root), "odd", NULL));
}

static void an_image_whose_lib_is_a_folder(void)
{
	const char *out;

	import_split();
	out = boot_image("kernel-split", "split",
			 IN_KERNEL USE_MODULES "ls /lib/modules; ls kernel | grep decoy; "
					       "ls build/include/config/ | grep DECOY; "
					       "ls -d /usr/lib/keep /usr/src/linux-headers-9.9.9; "
					       "test -L /lib || stat -c %a /usr/src /lib; "
					       "depmod && grep -c macvtap.ko modules.dep",
			 "vdd vmboot-kernel", "");
	ASSERT_STR(out, test_path("hello\n%s\n/usr/lib/keep\n/usr/src/linux-headers-9.9.9\n"
				  "711\n2775\n1\n",
				  release()));
}

static void an_image_that_it_does_not_fit(void)
{
	const char *out;

	import_split();
	out = boot_image("kernel-odd", "odd", "ls /lib/modules /usr/src/", "vdd vmboot-kernel",
			 "no modules, no headers: the image's /usr/src is not a folder");
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "9.9.9"));
}

static void skipped(void)
{
	struct vmboot_opts opts =
		boot_opts("kernel-skip", "ls /dev/vdd /lib/modules /usr/src 2>&1; "
					 "echo taint $(cat /proc/sys/kernel/tainted)");
	struct vmboot_vm *vm;

	opts.skip_kernel_headers = opts.skip_guest_agent = true;
	vm = boot_run(&opts, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(boot_output(vm, VMBOOT_STREAM_STDOUT),
				      "/dev/vdd: No such file or directory"));
	CU_ASSERT_PTR_NOT_NULL(strstr(boot_output(vm, VMBOOT_STREAM_STDOUT),
				      "/lib/modules: No such file or directory"));
	CU_ASSERT_PTR_NOT_NULL(strstr(boot_output(vm, VMBOOT_STREAM_STDOUT), "\ntaint 0\n"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(boot_output(vm, VMBOOT_STREAM_CONSOLE), "skipping kernel headers setup"));
	check_told(vm, "", "skipping kernel headers setup");
	check_made(vm, false);
	end(vm);
}

/* ---- signatures of modules ---- */

/* Whether the kernel is tainted, a module of the boot's, and one that the guest loads itself. */
#define TAINTS                                                                                     \
	"modprobe macvlan || exit 6; echo $(cat /proc/sys/kernel/tainted) "                        \
	"$(cat /sys/module/virtio_blk/taint)- $(cat /sys/module/macvlan/taint)-"

static void signatures_are_skipped_if_the_kernel_lets(void)
{
	static const struct {
		const char *name, *kernel_args, *detail, *taints;
	} rows[] = {
		/* 8192: an unsigned module was loaded, and nothing else, such as force */
		{"signatures", "", "signatures not checked", "8192 E- -\n"},
		{"signatures-enforced", "module.sig_enforce=1",
		 "skip_module_signatures has no effect, this kernel insists: Key was rejected by "
		 "service",
		 "0 - -\n"},
		{"signatures-fips", "fips=1",
		 "skip_module_signatures has no effect, this kernel insists: FIPS mode", "0 - -\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vmboot_opts opts = with_kernel_disk(rows[i].name, TAINTS);
		const struct vmboot_event *e;
		struct vmboot_ledger *ledger;
		struct vmboot_info *info;
		struct vmboot_vm *vm;

		opts.skip_module_signatures = true;
		opts.kernel_args = rows[i].kernel_args;
		vm = boot_run(&opts, 0);
		ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), rows[i].taints);
		CU_ASSERT_PTR_NOT_NULL(strstr(boot_output(vm, VMBOOT_STREAM_CONSOLE),
					      test_path("vmboot: modules: %s", rows[i].detail)));
		ASSERT_OK(vmboot_ledger(vm, &ledger));
		e = boot_event(ledger, VMBOOT_PHASE_MODULES);
		CU_ASSERT_PTR_NOT_NULL_FATAL(e);
		CU_ASSERT(e->value > 0);
		ASSERT_STR(e->detail, rows[i].detail);
		vmboot_ledger_free(ledger);
		ASSERT_OK(vmboot_info(vm, &info));
		CU_ASSERT(info->skip_module_signatures);
		vmboot_info_free(info);
		end(vm);
	}
}

/* ---- DKMS ---- */

/* What a shell in the guest says, and that it ends well. */
static const char *in_guest(struct vmboot_vm *vm, const char *script)
{
	const struct vmboot_exec_opts e =
		VMBOOT_EXEC_OPTS(.args = (const char *const[]){"/bin/sh", "-c", script, NULL},
				 .timeout_ms = 4 * BOOT_TIMEOUT_MS);
	struct vmboot_exec_result *result;
	const char *out;

	ASSERT_OK(vmboot_exec(vm, &e, &result));
	if (result->exit_code)
		fprintf(stderr, "%s:\n%s%s\n", script, result->out, result->err);
	CU_ASSERT_EQUAL(result->exit_code, 0);
	out = test_path("%s", result->out);
	vmboot_exec_result_free(result);
	return out;
}

#define TINY                                                                                       \
	"#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\n"                                    \
	"static int __init tiny(void) { pr_info(\"tiny is here\\n\"); return 0; }\n"               \
	"module_init(tiny);\n"

static void dkms_builds_installs_and_loads(void)
{
	struct vmboot_opts opts = with_kernel_disk("kernel-dkms", "exec sleep 100000");
	struct vmboot_vm *vm;

	if (!headers_are_installed())
		return;
	boot_import_debian();
	opts.image = "debian";
	opts.memory_mib = 1024;
	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	in_guest(vm, "! lsmod | grep -q '^vpoll '");
	in_guest(vm, "dkms build -m vpoll -v 0.1 && dkms install -m vpoll -v 0.1");
	ASSERT_STR(in_guest(vm, "dkms status"),
		   test_path("vpoll/0.1, %s, x86_64: installed\n", release()));
	in_guest(vm, "modprobe vpoll && lsmod | grep '^vpoll '");
	in_guest(vm, "test -e /dev/vpoll && modinfo -n vpoll | "
		     "grep \"^/lib/modules/$(uname -r)/updates/dkms/vpoll.ko\"");
	/* and by hand */
	in_guest(vm, "mkdir /tmp/tiny && cd /tmp/tiny && echo 'obj-m := tiny.o' >Makefile && "
		     "printf '%s' '" TINY "' >tiny.c && "
		     "make -C /lib/modules/$(uname -r)/build M=$PWD modules && insmod ./tiny.ko && "
		     "dmesg | grep 'tiny is here'");
	CU_ASSERT(vmboot_stop(vm, BOOT_TIMEOUT_MS) >= 0);
	ASSERT_OK(vmboot_start(vm));
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_AGENT, BOOT_TIMEOUT_MS));
	check_told(vm, "vdd vmboot-kernel", "");
	in_guest(vm, "! lsmod | grep -q '^vpoll '");
	ASSERT_STR(in_guest(vm, "dkms status"),
		   test_path("vpoll/0.1, %s, x86_64: installed\n", release()));
	in_guest(vm, "modprobe vpoll && lsmod | grep '^vpoll '");
	end(vm);
}

/* ---- without headers ---- */

static void take_warning(enum vmboot_log_level level, const char *message, void *data)
{
	if (level == VMBOOT_LOG_WARNING)
		*(const char **)data = test_path("%s", message);
}

/* This program sees an empty /usr/src from now on: the last test. */
static void boots_with_a_warning_without_headers(void)
{
	struct vmboot_opts opts = with_kernel_disk("kernel-none", IN_KERNEL USE_MODULES
						   "test -L build && ! test -e build/");
	const char *detail, *warning = "";
	struct vmboot_vm *vm;

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/usr/src", "tmpfs", 0, NULL) < 0) {
		test_not_tried("it takes root, and a mount");
		return;
	}
	detail = vmb_exists("/etc/debian_version") ? "install linux-headers-" : "install ";
	opts.log = take_warning;
	opts.log_data = &warning;
	vm = boot_run(&opts, 0);
	detail = test_path("modules only, no headers: %s%s", detail, release());
	ASSERT_STR(warning, detail);
	check_told(vm, "vdd vmboot-kernel", detail);
	CU_ASSERT_PTR_NOT_NULL(strstr(boot_output(vm, VMBOOT_STREAM_CONSOLE), detail));
	end(vm);
	/* asked for, they must be there */
	opts.kernel_headers = "/usr/src";
	ASSERT_ERROR(vmboot_create(&opts, &vm), VMBOOT_EKERNEL, "/usr/src has no kernel headers");
	boot_assert_nothing_left("kernel-none");
}

BOOT_MAIN("boot/kernel", {"an image without /lib", an_image_without_lib},
	  {"an image whose /lib is a folder", an_image_whose_lib_is_a_folder},
	  {"an image that it does not fit", an_image_that_it_does_not_fit}, {"skipped", skipped},
	  {"signatures are skipped if the kernel lets", signatures_are_skipped_if_the_kernel_lets},
	  {"DKMS builds, installs and loads", dkms_builds_installs_and_loads},
	  {"boots with a warning without headers", boots_with_a_warning_without_headers})
