/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PROBE_CAPS_H
#define VMB_PROBE_CAPS_H

/* What libvirt says of its host. In: a connection. Out: the few facts that plans need. */

#include "base/arch.h"
#include "virt/connect.h"

struct vmb_caps {
	bool kvm;	  /* libvirt offers it; whether guests run under it is another matter */
	bool cpu_maximum; /* it knows that CPU model */
	bool cpu_words;	  /* its XML can switch off one of QEMU's capabilities: see domain.c */
	bool pvh;	  /* its QEMU starts a kernel without boot code of its own */
	char *emulator;	  /* the QEMU that libvirt runs, e.g. "/usr/bin/qemu-system-x86_64" */
	char *machine;	  /* the machine type to ask for */
	char *dac_label;  /* "+64055:+64055": the user that libvirt runs QEMU as; NULL: our own */
};

void vmb_caps_done(struct vmb_caps *caps);
#define _cleanup_caps_ vmb_cleanup(vmb_caps_done)

int vmb_caps_get(virConnectPtr c, struct vmb_caps *ret);

/* The same from libvirt's XML, without libvirt; but for cpu_maximum, cpu_words and pvh, of
 * which it says nothing. */
int vmb_caps_parse(const struct vmb_arch *arch, const char *xml, struct vmb_caps *ret);

#endif
