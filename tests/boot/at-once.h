/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TEST_BOOT_AT_ONCE_H
#define TEST_BOOT_AT_ONCE_H

/*
 * `vmboot exec` in a VM of qemu:///system from many processes at once, each with its own input and
 * output.
 */
void at_once_run(const char *name);

#endif
