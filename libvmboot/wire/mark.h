/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_MARK_H
#define VMB_WIRE_MARK_H

/*
 * Marks: a no-op instruction with a number in it, which a tool that watches the guest's
 * instructions finds (bench/count.c). It costs the guest nothing and needs no device, so it is
 * there in every build, and what is measured is what is shipped.
 *
 *   0f 1f 80 56 4d 42 NN    nopl 0xNN424d56(%rax): "VMB" and the number
 *
 * 0 to 63: the end of that phase (enum vmboot_phase), before it is told. 128 and up: bench/mark.c.
 */
#define VMB_MARK_BYTES 0x0f, 0x1f, 0x80, 0x56, 0x4d, 0x42
enum { VMB_MARK_SIZE = 7, VMB_MARK_PHASES = 64, VMB_MARK_PROGRAM = 128, VMB_MARK_DONE = 129 };

#define VMB_MARK_STRING_(...) #__VA_ARGS__
#define VMB_MARK_STRING(...) VMB_MARK_STRING_(__VA_ARGS__)

#ifdef __x86_64__
/* n: a literal, or an expression that the assembler knows. */
#define VMB_MARK(n) __asm__ volatile(".byte " VMB_MARK_STRING(VMB_MARK_BYTES) ", %c0" : : "i"(n))
#else
#define VMB_MARK(n) ((void)(n))
#endif

#endif
