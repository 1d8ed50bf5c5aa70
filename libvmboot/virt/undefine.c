/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/undefine.h"

/* For libvirts and drivers that know less than this one. */
static const unsigned flag_sets[] = {
	VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
		VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM,
	VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA,
	0,
};

static void report_what_goes_with_it(virDomainPtr d, const struct vmb_log *log)
{
	int snapshots = virDomainSnapshotNum(d, 0);
	bool saved = virDomainHasManagedSaveImage(d, 0) > 0;

	if (saved)
		vmb_log(log, VMBOOT_LOG_WARNING,
			"the saved state of the VM \"%s\" is removed with it", virDomainGetName(d));
	if (snapshots > 0)
		vmb_log(log, VMBOOT_LOG_WARNING,
			"libvirt's records of %d snapshot%s of the VM \"%s\" are removed with it",
			snapshots, snapshots == 1 ? "" : "s", virDomainGetName(d));
}

int vmb_domain_undefine(virDomainPtr d, const struct vmb_log *log)
{
	report_what_goes_with_it(d, log);
	for (size_t i = 0; i < ARRAY_SIZE(flag_sets); i++) {
		if (virDomainUndefineFlags(d, flag_sets[i]) == 0)
			return 1;
		if (vmb_libvirt_code() == VIR_ERR_NO_DOMAIN)
			return 0;
		if (vmb_libvirt_code() != VIR_ERR_INVALID_ARG)
			break;
	}
	return vmb_libvirt_error("cannot remove the VM \"%s\"", virDomainGetName(d));
}
