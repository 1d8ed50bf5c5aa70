/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PROBE_KVM_H
#define VMB_PROBE_KVM_H

/* The host's KVM device, as udev knows it. Opens nothing: libvirt's user opens it, not we. */

#include <stdbool.h>

struct vmb_kvm {
	bool there;
	char node[64]; /* "/dev/kvm" */
	char since
		[32]; /* when udev first saw it, USEC_INITIALIZED: another after a module reload */
};

void vmb_kvm_look(struct vmb_kvm *ret);

#endif
