/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/mark.h"
#include "init.h"

#ifdef __x86_64__
enum { SLOT = VMB_MARK_SIZE + 1 };

/* One function for each phase, all of the same size: the number is in the instruction itself. */
__asm__(".pushsection .text.init_marks, \"ax\", @progbits\n"
	".hidden init_marks\n"
	".globl init_marks\n"
	".type init_marks, @function\n"
	"init_marks:\n"
	"	.set init_mark_n, 0\n"
	"	.rept 64\n"
	"	.byte " VMB_MARK_STRING(VMB_MARK_BYTES) ", init_mark_n\n"
							"	ret\n"
							"	.set init_mark_n, init_mark_n + 1\n"
							"	.endr\n"
							".size init_marks, . - init_marks\n"
							".popsection");
void init_marks(void) __attribute__((visibility("hidden")));

void init_mark(enum vmboot_phase phase)
{
	if ((unsigned)phase < VMB_MARK_PHASES)
		((void (*)(void))((uintptr_t)init_marks + SLOT * (unsigned)phase))();
}
#else
void init_mark(enum vmboot_phase phase VMB_UNUSED)
{
}
#endif
