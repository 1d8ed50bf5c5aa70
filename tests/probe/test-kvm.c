/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/kvm.h"

#include <string.h>
#include <unistd.h>

#include "test.h"

/* The kernel's own word, in sysfs, against udev's. */
static void finds_what_the_kernel_has(void)
{
	struct vmb_kvm kvm;

	vmb_kvm_look(&kvm);
	CU_ASSERT_EQUAL(kvm.there, access("/sys/class/misc/kvm", F_OK) == 0);
	ASSERT_STR(kvm.node, kvm.there ? "/dev/kvm" : "");
	CU_ASSERT_EQUAL(strspn(kvm.since, "0123456789"), strlen(kvm.since));
}

TEST_MAIN("host/kvm", {"finds what the kernel has", finds_what_the_kernel_has})
