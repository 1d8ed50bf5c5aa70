/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_EVENT_H
#define VMBOOT_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmboot/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The phases of a boot, in the order in which they happen. The numbers are part of the ABI and of
 * the protocol between host and guest. A new phase of the host gets the next free number below 32, a phase
 * of the guest the next below 64. The rows here are in the order of a boot, and a ledger is sorted by
 * start; neither follows the numbers. Since 0.1.
 */
enum vmboot_phase {
	VMBOOT_PHASE_NONE = 0,

	/* the host, inside vmboot_create() or vmboot_start() */
	VMBOOT_PHASE_VALIDATE = 1,  /**< opts and host facts checked */
	VMBOOT_PHASE_ACCEL = 2,	    /**< KVM was tried, unless it was known whether it works */
	VMBOOT_PHASE_IMAGE = 3,	    /**< the image is in the store */
	VMBOOT_PHASE_INITRAMFS = 4, /**< kernel and initramfs are in the store */
	VMBOOT_PHASE_KERNEL_DISK =
		8,		  /**< the kernel disk is in the store; missing if it is skipped */
	VMBOOT_PHASE_DISKS = 5,	  /**< overlay and config disk made */
	VMBOOT_PHASE_XML = 6,	  /**< domain XML rendered */
	VMBOOT_PHASE_LIBVIRT = 7, /**< libvirt has started the domain */
	VMBOOT_PHASE_RESUMED = 9, /**< libvirt has restored the guest from its saved state; the boot
				     goes on. Since 0.2 */

	/* the guest */
	VMBOOT_PHASE_FIRMWARE = 32,	  /**< from libvirt's start, or the reset of a guest that
					     rebooted (value: number of reboots), to the
					     start of the kernel's clock */
	VMBOOT_PHASE_KERNEL = 33,	  /**< the kernel, to init's first instruction */
	VMBOOT_PHASE_MOUNTS = 34,	  /**< /dev, /proc, /sys */
	VMBOOT_PHASE_MODULES = 35,	  /**< modules loaded; value: how many */
	VMBOOT_PHASE_SETTLE_ROOT = 36,	  /**< vda is there */
	VMBOOT_PHASE_SETTLE_OVERLAY = 37, /**< vdb is there */
	VMBOOT_PHASE_SETTLE_CONFIG = 38,  /**< vdc is there */
	VMBOOT_PHASE_CONFIG = 39,	  /**< guest config read and checked */
	VMBOOT_PHASE_ROOT = 40,		  /**< root disk mounted */
	VMBOOT_PHASE_HEADERS = 41,	  /**< modules and headers are mounted, or were skipped */
	VMBOOT_PHASE_OVERLAY = 42,	  /**< overlay disk and overlayfs mounted */
	VMBOOT_PHASE_NETWORK = 43,	  /**< lo is up, the host name is set */
	VMBOOT_PHASE_SWITCH = 44,	  /**< the image's root became the root */
	VMBOOT_PHASE_SETTINGS = 50,	  /**< the request's sysctls and mounts are in place;
					     missing if it has none; since 0.2 */
	VMBOOT_PHASE_AGENT = 45,	  /**< the agent answers, or was skipped */
	VMBOOT_PHASE_PROGRAM = 46, /**< the program (or init system) was started; value: pid */
	VMBOOT_PHASE_READY = 47,   /**< an init system reached its default target */
	VMBOOT_PHASE_RESTART =
		51, /**< the program ended and was started again, see `restart`; value:
				       how it ended, as for exit; since 0.2 */
	VMBOOT_PHASE_HEALTHY = 52,   /**< the program's health check succeeds; since 0.2 */
	VMBOOT_PHASE_UNHEALTHY = 53, /**< it has failed too often; value: as for exit; since 0.2 */
	VMBOOT_PHASE_EXIT = 48,	     /**< the program ended, other than for a reboot; value: exit
				       code, or 256 + signal */
	VMBOOT_PHASE_POWEROFF = 49,  /**< disks are synced, the guest is about to power off; value:
				       enum vmboot_poweroff */

	VMBOOT_PHASE_STOPPED = 64, /**< the guest is gone; detail: libvirt's reason in a word,
				      "shutdown", "destroyed", "crashed", "failed", …; also "shutdown" if
				      no embedded libvirt saw the end of a guest that reported its power-off */
};

/** How a boot ends, as its init reports; the event's detail says why. Since 0.1. */
enum vmboot_poweroff {
	VMBOOT_POWEROFF_OFF = 0,
	VMBOOT_POWEROFF_REBOOT = 1, /**< the guest boots again from the same disks */
	VMBOOT_POWEROFF_HALT = 2,   /**< it halts, and its power must be cut */
};

/** One line of the ledger. Since 0.1. */
struct vmboot_event {
	size_t size;		 /**< of this struct in the library that filled it */
	enum vmboot_phase phase; /**< which phase ended */
	bool guest;		 /**< true: reported by the guest; false: seen by the host */
	int error;		 /**< 0, or the errno (positive) with which the phase failed */
	int64_t start_us;	 /**< microseconds since the boot began: vmboot_create(),
				    vmboot_start() or, after a reboot, the reset */
	int64_t end_us;		 /**< likewise; equal to start_us if the phase takes no time */
	int64_t value;		 /**< a number, see enum vmboot_phase */
	const char *device;	 /**< device concerned, or "" */
	const char *detail;	 /**< a short text, or "" */
};

/** All events of the newest boot of a VM on one time line. Since 0.1. */
struct vmboot_ledger {
	size_t size;	  /**< of this struct in the library that filled it */
	const char *name; /**< the VM's */
	size_t n_events;
	const struct vmboot_event *const *events; /**< by start; n_events of them */
	bool exited;				  /**< the program ended */
	int exit_code;				  /**< its code, if it ended by itself; else -1 */
	int exit_signal;			  /**< the signal that ended it, or 0 */
	int64_t program_us;	/**< from the beginning of the boot to the program's start, or -1 */
	int64_t clock_error_us; /**< how far guest times may be off against host times */

	/* since 0.2 */
	bool exit_oom;	 /**< the kernel killed it, or a process of its, for want of memory */
	char padding[7]; /**< 0 */
};

/**
 * vmboot_phase_name: a phase's name, as in JSON, tables and `vmboot wait`.
 * @phase: the phase.
 *
 * Returns: a static string, "unknown" for a number that no phase has. Thread-safe. Since 0.1.
 */
VMBOOT_API const char *vmboot_phase_name(enum vmboot_phase phase);

/**
 * vmboot_phase_help: what a phase is, in one line.
 * @phase: the phase.
 *
 * Returns: a static string, "" for a number that no phase has. Thread-safe. Since 0.1.
 */
VMBOOT_API const char *vmboot_phase_help(enum vmboot_phase phase);

/**
 * vmboot_phase_from_name: the phase that has a name.
 * @name: e.g. "program"; NULL is not a name.
 *
 * Returns: the phase, or -EINVAL. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_phase_from_name(const char *name);

/**
 * vmboot_ledger_json: a ledger as one JSON object.
 * @ledger: from vmboot_ledger().
 * @ret_json: (out) freed with vmboot_free().
 *
 * Returns: 0 or -ENOMEM. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_ledger_json(const struct vmboot_ledger *ledger, char **ret_json);

/**
 * vmboot_ledger_table: a ledger as a table for people, times in milliseconds.
 * @ledger: from vmboot_ledger().
 * @ret_text: (out) freed with vmboot_free(); ends with a newline.
 *
 * Returns: 0 or -ENOMEM. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_ledger_table(const struct vmboot_ledger *ledger, char **ret_text);

/**
 * vmboot_ledger_chart: a ledger as bars on a time line, for a terminal; plain ASCII.
 * @ledger: from vmboot_ledger().
 * @columns: width of the terminal; 48 to 1000 are used.
 * @ret_text: (out) freed with vmboot_free(); ends with a newline.
 *
 * The time line ends when the program runs and the agent answers. Later events are listed below it.
 *
 * Returns: 0 or -ENOMEM. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_ledger_chart(const struct vmboot_ledger *ledger, unsigned columns,
				   char **ret_text);

/**
 * vmboot_ledger_svg: a ledger as a picture, in the manner of `systemd-analyze plot`.
 * @ledger: from vmboot_ledger().
 * @ret_svg: (out) a whole SVG document; freed with vmboot_free().
 *
 * Returns: 0, -ENOMEM, or -EILSEQ: the guest sent a text that is not UTF-8. Thread-safe. Since 0.1.
 */
VMBOOT_API int vmboot_ledger_svg(const struct vmboot_ledger *ledger, char **ret_svg);

/**
 * vmboot_ledger_free: free a ledger.
 * @ledger: from vmboot_ledger(), or NULL.
 *
 * Thread-safe. Since 0.1.
 */
VMBOOT_API void vmboot_ledger_free(struct vmboot_ledger *ledger);

#ifdef __cplusplus
}
#endif
#endif
