/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_CANCEL_H
#define VMBOOT_CANCEL_H

#include <vmboot/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An object that cancels long calls: the `cancel` of struct vmboot_opts. Since 0.2. */
struct vmboot_cancel;

/**
 * vmboot_cancel_new: make an object that cancels calls.
 * @ret_cancel: (out) freed with vmboot_cancel_free().
 *
 * Returns: 0, or a negative errno. Thread-safe. Since 0.2.
 */
VMBOOT_API int vmboot_cancel_new(struct vmboot_cancel **ret_cancel);

/**
 * vmboot_cancel: cancel all current and later calls that have this object in their opts.
 * @cancel: from vmboot_cancel_new(), or NULL.
 *
 * Does not wait. Each call undoes what it has half made and returns -ECANCELED. A call that has already
 * done its work returns 0. A call that waits for libvirt returns when libvirt has answered.
 *
 * It may be called from any thread, from the call's own progress or log function, and from a signal handler.
 * Thread-safe. Since 0.2.
 */
VMBOOT_API void vmboot_cancel(struct vmboot_cancel *cancel);

/**
 * vmboot_cancel_free: free the object.
 * @cancel: an object that no call uses any more, or NULL.
 *
 * Thread-safe. Since 0.2.
 */
VMBOOT_API void vmboot_cancel_free(struct vmboot_cancel *cancel);

#ifdef __cplusplus
}
#endif
#endif
