/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_ERROR_H
#define VMBOOT_ERROR_H

#include <stddef.h>

#include <vmboot/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Errors without an errno. Functions return them negated. Since 0.1. */
enum vmboot_error_code {
	VMBOOT_EOPTS = 5001,   /**< an option, or a field of a request, is not valid */
	VMBOOT_EIMAGE = 5002,  /**< an image or its config cannot be used */
	VMBOOT_EKERNEL = 5003, /**< the kernel, its modules or its configuration do not suffice */
	VMBOOT_ELIBVIRT =
		5004, /**< libvirt reported an error; its own code and message are in the error */
	VMBOOT_EHOST = 5005,	/**< a tool, a file or a permission is missing on this host */
	VMBOOT_EBOOT = 5006,	/**< the guest reported that its boot failed */
	VMBOOT_EGUEST = 5007,	/**< the guest sent invalid data */
	VMBOOT_EENDED = 5008,	/**< the guest ended before the awaited event happened */
	VMBOOT_ENOVM = 5009,	/**< there is no VM with that name */
	VMBOOT_ENOIMAGE = 5010, /**< the store has no image with that name */
	VMBOOT_ENOAGENT = 5011, /**< the VM runs without an agent: skip_guest_agent */
	VMBOOT_ELOST = 5012,	/**< output was dropped before it was read; since 0.2 */
};

/** The last error of a thread, in full. Members that do not apply are "" or 0. */
struct vmboot_error {
	size_t size;		     /**< of this struct in the library that filled it */
	int code;		     /**< what the function returned: negative */
	const char *message;	     /**< what was wrong, where, and what to do; one line */
	const char *field;	     /**< the option that caused the error, as in JSON */
	const char *phase;	     /**< the boot phase that failed, see event.h */
	const char *device;	     /**< the device that failed, e.g. "vdb vmboot-overlay" */
	int guest_errno;	     /**< errno in the guest, from a boot or a program's start */
	int libvirt_code;	     /**< virErrorNumber */
	const char *libvirt_message; /**< libvirt's own message */
	const char *console;	     /**< the last lines of the guest's console */
};

/**
 * vmboot_last_error: the error of this thread's last failed call.
 *
 * Returns: the error, never NULL. It belongs to the thread and stays valid until the thread's next call
 * of this library fails. Before any failure, its code is 0. Thread-safe. Since 0.1.
 */
VMBOOT_API const struct vmboot_error *vmboot_last_error(void);

/**
 * vmboot_strerror: a short text for a code that a function returned.
 * @code: negative or positive, an errno or a VMBOOT_E….
 *
 * Returns: a static string; never NULL. Thread-safe. Since 0.1.
 */
VMBOOT_API const char *vmboot_strerror(int code);

/**
 * vmboot_free: free a string that the library returned.
 * @ptr: the string, or NULL.
 *
 * Thread-safe. Since 0.1.
 */
VMBOOT_API void vmboot_free(void *ptr);

#ifdef __cplusplus
}
#endif
#endif
