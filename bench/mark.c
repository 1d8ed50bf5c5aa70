/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program that benchmarks boot to, in our guest and in any peer's: a mark at its first
 * instruction, a line on standard output, and the end; as PID 1 it powers the guest off.
 */
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "wire/mark.h"

#define LINE "vmboot-bench\n"

int main(void)
{
	VMB_MARK(VMB_MARK_PROGRAM);
	if (write(STDOUT_FILENO, LINE, strlen(LINE)) < 0)
		return 1;
	VMB_MARK(VMB_MARK_DONE);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 0;
}
