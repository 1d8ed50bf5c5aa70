/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_DOMAIN_DOMAIN_H
#define VMB_DOMAIN_DOMAIN_H

/*
 * The domain XML. In: a plan. Out: XML, written with libxml2, one function a section, only the
 * devices that the boot needs. Our facts sit in <metadata> under our namespace, and are read back
 * from there: libvirt is the only database.
 */

#include "plan/plan.h"

#define VMB_DOMAIN_XMLNS "https://vmboot.org/xmlns/domain/1.0"
#define VMB_DOMAIN_PREFIX "vmboot"

/* Where libvirt looks for a QEMU guest agent. */
#define VMB_QGA_PORT "org.qemu.guest_agent.0"

/* The whole XML; freed by the caller. -EILSEQ: a path is not UTF-8. */
int vmb_domain_xml(const struct vmb_plan *plan, char **ret);

/* What <metadata> says about a VM. */
struct vmb_metadata {
	char *store, *image, *digest;
	char *command; /* its beginning, for people */
	char *publish; /* see vmb_ports_text(); NULL or "": none */
	char **labels; /* "K=V"; or NULL */
	bool probe;    /* no VM: somebody tries an accelerator */
	enum vmboot_accel accel;
	unsigned tsc_khz; /* that the kernel's command line says; 0: none */
	bool ephemeral, skip_kernel_headers, skip_guest_agent, skip_module_signatures;
	enum vmboot_init_mode init_mode;
	enum vmboot_guest_agent guest_agent;
	unsigned log_max_mib;
};

void vmb_metadata_done(struct vmb_metadata *metadata);
#define _cleanup_metadata_ vmb_cleanup(vmb_metadata_done)

/* What the metadata of the plan's domain will say. */
int vmb_metadata_from_plan(const struct vmb_plan *plan, struct vmb_metadata *ret);

/* Our element as virDomainSetMetadata() takes it (without its namespace); freed by the caller. */
int vmb_metadata_xml(const struct vmb_metadata *metadata, char **ret);

/* Sets what the metadata knows of info's members; strings are allocated, see vmboot_info_free(). */
struct vmboot_info;
int vmb_metadata_fill_info(const struct vmb_metadata *metadata, struct vmboot_info *info);

/*
 * xml: our element, as virDomainGetMetadata() returns it (without its namespace).
 * -VMBOOT_ELIBVIRT if it is not ours.
 */
int vmb_metadata_parse(const char *xml, struct vmb_metadata *ret);

/*
 * Whether something in the guest has the QEMU guest agent's port open, by the XML of a domain that
 * runs. -VMBOOT_ELIBVIRT: that is no XML.
 */
int vmb_domain_agent_connected(const char *xml, bool *ret);

/* Whether its first network device is on QEMU's user network, by its XML. Errors as above. */
int vmb_domain_has_user_network(const char *xml, bool *ret);

/* Whether a domain has a channel of that name, by its XML. Errors as above. */
int vmb_domain_has_channel(const char *xml, const char *name, bool *ret);

/*
 * The XML of a domain that does not run, with the frequency of this host's counter in place of that
 * of the host it was planned on; khz 0: not known. 1, and *ret is freed by the caller; 0: nothing
 * is to be changed.
 */
int vmb_domain_set_tsc(const char *xml, unsigned khz, char **ret);

/* The smallest domain in which our init says that it runs, for trying an accelerator. */
struct vmb_probe {
	const struct vmb_arch *arch;
	const char *store, *name, *machine, *firmware, *kernel, *initramfs;
	const char *console, *events, *dac_label;
	enum vmboot_accel accel;
};
int vmb_domain_probe_xml(const struct vmb_probe *probe, char **ret);

#endif
