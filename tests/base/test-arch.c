/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/arch.h"

#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static void a_row_has_everything(void)
{
	const struct vmb_arch *a = vmb_arch_find("x86_64");

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	ASSERT_STR(a->name, "x86_64");
	ASSERT_STR(a->oci, "amd64");
	CU_ASSERT(a->emulator && a->emulator_package && a->kernel_package);
	CU_ASSERT(a->firmwares && a->machines && a->machines[0] && a->cpu_without);
	CU_ASSERT(a->panic && a->console && a->words);
	CU_ASSERT_PTR_NULL(vmb_arch_find("x86"));
	CU_ASSERT_PTR_NULL(vmb_arch_find("x86_64 "));
}

/* A process for which uname says what another kind of host would. */
static void another_kind_of_host_is_refused_in_words(void)
{
	int status = -1;
	pid_t pid;

	if (!vmb_arch_of_host())
		return;
	pid = fork();
	if (pid == 0) {
		const struct vmb_arch *arch = NULL;

		if (personality(PER_LINUX32) < 0)
			_exit(77);
		if (vmb_arch_of_host() || vmb_arch_host(&arch) != -VMBOOT_EHOST || arch ||
		    !test_error_is(-VMBOOT_EHOST, "this host is i686, for which libvmboot has no "
						  "guests; it works on: x86_64"))
			_exit(1);
		_exit(0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		test_skip("this system has no PER_LINUX32");
	CU_ASSERT_EQUAL(status, 0);
}

TEST_MAIN("base/arch", {"a row has everything", a_row_has_everything},
	  {"another kind of host is refused in words", another_kind_of_host_is_refused_in_words})
