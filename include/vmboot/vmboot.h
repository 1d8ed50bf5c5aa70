/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_VMBOOT_H
#define VMBOOT_VMBOOT_H

/**
 * libvmboot: boot a container image in a virtual machine, and see how long each step takes.
 *
 * Rules that hold for every function, unless it says otherwise:
 *  - It returns 0 or more on success, a negative errno or a negative VMBOOT_E… on failure; the
 *    message is in vmboot_last_error() of the calling thread.
 *  - A ret_ argument is written only on success.
 *  - Strings are UTF-8. What the library returns as `char *` is freed with vmboot_free(); what it
 *    returns as `const char *` belongs to the object that it came from.
 *  - Any thread may call any function; several threads may use one handle.
 *  - The library prints nothing, sets no signal handler and never ends the program.
 */

#include <vmboot/cancel.h>
#include <vmboot/error.h>
#include <vmboot/event.h>
#include <vmboot/exec.h>
#include <vmboot/export.h>
#include <vmboot/image.h>
#include <vmboot/opts.h>
#include <vmboot/version.h>
#include <vmboot/vm.h>

#endif
