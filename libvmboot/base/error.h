/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_BASE_ERROR_H
#define VMB_BASE_ERROR_H

/*
 * The one error rule: a function returns a negative code and has set the thread's last error with
 * one of these, at the place where the cause is known; callers pass the code on, and may put
 * context before the words. In: code and words. Out: vmboot_last_error().
 */

#include <errno.h>
#include <vmboot/error.h>

#include "base/cleanup.h"

/* Sets the thread's last error and returns -|code|. The words name what, where, and the fix. */
int vmb_error(int code, const char *fmt, ...) VMB_PRINTF(2, 3);

/* The same for a failed system call: ": <strerror(err)>" is added; returns -|err|. */
int vmb_errno(int err, const char *fmt, ...) VMB_PRINTF(2, 3);

/* Puts "<words>: " before the last error's message; returns its code. */
int vmb_error_prefix(const char *fmt, ...) VMB_PRINTF(1, 2);

int vmb_oom(void); /* -ENOMEM, with the error set */

/* Add to the last error; each copies its argument. */
void vmb_error_field(const char *field);
void vmb_error_libvirt(int code, const char *message);
void vmb_error_boot(const char *phase, const char *device, int guest_errno, const char *console);

/* The last error across cleanup that may fail itself: save, undo, restore (which frees it). */
struct vmb_saved_error;
struct vmb_saved_error *vmb_error_save(void);
void vmb_error_restore(struct vmb_saved_error *saved);

/* Makes what was saved, in this thread or another, this thread's last error, too; returns code. */
int vmb_error_repeat(const struct vmb_saved_error *saved, int code);

#endif
