/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_CANCEL_H
#define VMBOOT_CANCEL_H

#include <vmboot/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A way to end calls that take long: the `cancel` of struct vmboot_opts. Since 0.2. */
struct vmboot_cancel;

/**
 * vmboot_cancel_new: make a way to cancel.
 * @ret_cancel: (out) freed with vmboot_cancel_free().
 *
 * Returns: 0, or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_cancel_new(struct vmboot_cancel **ret_cancel);

/**
 * vmboot_cancel: cancel all calls that have it in their opts, now and from now on.
 * @cancel: from vmboot_cancel_new(), or NULL.
 *
 * Does not wait: each call undoes what it has half made and returns -ECANCELED. One that has already
 * done its work returns 0. A call that waits for libvirt returns when libvirt has answered.
 *
 * From any thread, from the call's own progress or log function, and from a signal handler.
 * Thread-safe. Since 0.2.
 */
VMBOOT_API void vmboot_cancel(struct vmboot_cancel *cancel);

/**
 * vmboot_cancel_free: free it.
 * @cancel: that no call uses any more, or NULL.
 *
 * Thread-safe. Since 0.2.
 */
VMBOOT_API void vmboot_cancel_free(struct vmboot_cancel *cancel);

#ifdef __cplusplus
}
#endif
#endif
