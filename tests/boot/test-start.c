/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a kernel starts: in itself, as all other tests' do, or by way of its decompressor. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "boot.h"
#include "initrd/bzimage.h"
#include "initrd/kernel.h"
#include "initrd/vmlinux.h"

enum { PAYLOAD_LENGTH = 0x24c }; /* in the header */

/* The version of the header that the kernel was started with: its own, in a bzImage, or what its
 * PVH entry makes up (Documentation/arch/x86/boot.rst). */
#define SHOW_VERSION "cat /sys/kernel/boot_params/version"
#define BY_PVH "0x020c\n"

static bool starts_directly(const struct vmboot_opts *opts)
{
	char *plan = NULL;
	bool direct;

	ASSERT_OK(vmboot_plan(opts, &plan));
	direct = strstr(plan, "\"start\": \"direct\"") != NULL;
	vmboot_free(plan);
	return direct;
}

static void end(struct vmboot_vm *vm)
{
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void check_version(struct vmboot_vm *vm)
{
	const char *version = boot_output(vm, VMBOOT_STREAM_STDOUT);

	CU_ASSERT_EQUAL(strncmp(version, "0x02", 4), 0);
	CU_ASSERT_STRING_NOT_EQUAL(version, BY_PVH);
}

/* With what a small guest does not have: more CPUs, memory above 4 GiB, and a network. */
static void in_its_first_instruction(void)
{
	struct vmboot_opts opts =
		boot_opts("start-direct", SHOW_VERSION "; grep -c ^processor /proc/cpuinfo;"
						       "ls /sys/class/net | grep -c eth0;"
						       "free -m | grep -c 'Mem: *[56]...'");
	struct vmboot_vm *vm;

	opts.vcpus = 4;
	opts.memory_mib = 6144;
	opts.network = VMBOOT_NETWORK_USER;
	vm = boot_run(&opts, 0);
	if (starts_directly(&opts))
		ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), BY_PVH "4\n1\n1\n");
	else
		test_not_tried("this kernel or QEMU starts by a bzImage only");
	end(vm);
}

static void by_way_of_its_decompressor(void)
{
	struct vmboot_opts opts = boot_opts("start-bzimage", SHOW_VERSION);
	struct vmboot_vm *vm;

	opts.kernel_start = VMBOOT_KERNEL_START_BZIMAGE;
	CU_ASSERT_FALSE(starts_directly(&opts));
	vm = boot_run(&opts, 0);
	check_version(vm);
	end(vm);
}

static void remember_words(enum vmboot_log_level level, const char *message, void *data)
{
	if (level == VMBOOT_LOG_DEBUG && strstr(message, "decompressor"))
		snprintf(data, 256, "%s", message);
}

/* The kernel of this machine, whose header tells a wrong end of its payload. Its decompressor does
 * not look there. */
static const char *odd_kernel(void)
{
	const char *path = test_path("%s/vmlinuz", test_tmpdir());
	_cleanup_kernel_ struct vmb_kernel k = {0};
	_cleanup_free_ char *bytes = NULL;
	struct vmb_payload payload;
	size_t n;

	ASSERT_OK(vmb_kernel_find("", NULL, &k));
	ASSERT_OK(vmb_read_file(k.path, 256 << 20, &bytes, &n));
	if (vmb_payload_decode(bytes, n, &payload) < 0)
		return NULL;
	bytes[PAYLOAD_LENGTH]++;
	ASSERT_OK(vmb_write_file_atomic(path, bytes, n, 0644));
	return path;
}

static void a_kernel_that_stays_packed(void)
{
	struct vmboot_opts opts = boot_opts("start-packed", SHOW_VERSION);
	char words[256] = "";
	struct vmboot_vm *vm;

	opts.kernel = odd_kernel();
	opts.log = remember_words;
	opts.log_data = words;
	if (!opts.kernel) {
		test_not_tried("this kernel does not tell where its payload is");
		return;
	}
	vm = boot_run(&opts, 0);
	check_version(vm);
	CU_ASSERT_STRING_NOT_EQUAL(words, "");
	CU_ASSERT_FALSE(starts_directly(&opts)); /* and it is not tried again */
	end(vm);
}

BOOT_MAIN("boot/start", {"in its first instruction", in_its_first_instruction},
	  {"by way of its decompressor", by_way_of_its_decompressor},
	  {"a kernel that stays packed", a_kernel_that_stays_packed})
