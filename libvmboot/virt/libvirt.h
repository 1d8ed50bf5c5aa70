/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VIRT_LIBVIRT_H
#define VMB_VIRT_LIBVIRT_H

/* libvirt's types with our cleanup and error rule. */

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/error.h"

static inline void vmb_domain_freep(virDomainPtr *d)
{
	if (*d)
		virDomainFree(*d);
}
#define _cleanup_domain_ vmb_cleanup(vmb_domain_freep)

/* -VMBOOT_ELIBVIRT with our words, and libvirt's own code and words behind them. */
int vmb_libvirt_error(const char *fmt, ...) VMB_PRINTF(1, 2);

/* virConnectOpen() that prints nothing, nor will its connection; NULL: ask for libvirt's error. */
virConnectPtr vmb_libvirt_open(const char *uri);

/* libvirt's code of this thread's last libvirt error. */
int vmb_libvirt_code(void);

/*
 * -EMFILE or -ENFILE before a connection is opened or a guest started with too few descriptors left:
 * libvirt makes a thread for either, and GLib ends the whole process when it finds none for that.
 */
int vmb_libvirt_descriptors(void);

/* True if that error says that the connection is broken, so that a new one may do. */
bool vmb_libvirt_disconnected(void);

#endif
