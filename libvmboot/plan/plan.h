/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PLAN_PLAN_H
#define VMB_PLAN_PLAN_H

/*
 * The plan: everything decided before anything is touched. In: checked opts and facts about the
 * host, its images and kernels. Out: files, kernel command line, guest config and what the domain
 * XML says. A pure function: the same input gives the same bytes.
 */

#include <vmboot/opts.h>

#include "disk/headers.h"
#include "image/command.h"
#include "image/image.h"
#include "initrd/kernel.h"
#include "initrd/modules.h"
#include "opts/ports.h"
#include "plan/disk.h"
#include "plan/settings.h"
#include "wire/config.h"

/* What was found out before; the plan takes it over with vmb_plan_make(). */
struct vmb_facts {
	char *store;		    /* absolute */
	struct vmb_image image;	    /* found, maybe not imported yet */
	struct vmb_kernel kernel;   /* the host's */
	struct vmb_modules modules; /* for that kernel and image */
	char *init;		    /* path of our init */
	char *kernel_copy;	    /* paths in the store */
	bool kernel_direct;	    /* that copy is unpacked, and is started in itself */
	char *firmware;		    /* one that does no more than start it; NULL: libvirt's */
	char *initramfs;
	uint64_t initramfs_bytes;   /* about */
	struct vmb_headers headers; /* for that kernel */
	char *kernel_disk;	    /* path in the store; NULL: skipped */
	bool kvm_offered;	    /* by libvirt; it may not work all the same */
	enum vmboot_accel accel;    /* KVM or TCG: resolved */
	unsigned tsc_khz;	    /* of the counter that an emulated guest reads; 0: unknown */
	char *emulator;		    /* the QEMU that libvirt runs */
	char *machine;		    /* libvirt's machine type, e.g. "q35" */
	bool cpu_maximum;	    /* libvirt knows the CPU model "maximum" */
	bool cpu_words;		    /* libvirt can be told to read the guest's CPU at once */
	char *dac_label;	    /* "+107:+107": we make the files for that user; or NULL */
	struct vmb_ports ports;	    /* that are to be published; they were free */
	bool dac_relabels;	    /* libvirt makes its user the owner of the files */
};

void vmb_facts_done(struct vmb_facts *facts);
#define _cleanup_facts_ vmb_cleanup(vmb_facts_done)

/* The VM's own files; all in folder. */
struct vmb_plan_files {
	char *folder, *overlay, *config;
	char *console, *out, *err, *events;
	char *ledger;
};

struct vmb_plan {
	struct vmb_facts facts;
	char *name, *hostname;
	char **labels; /* one of each key */
	uint64_t vcpus, memory_mib, overlay_mib, log_max_mib;
	bool ephemeral, skip_kernel_headers, skip_guest_agent, skip_module_signatures, debug;
	enum vmboot_init_mode init_mode; /* EXEC or SYSTEMD: resolved */
	enum vmboot_on_exit on_exit;
	enum vmboot_guest_agent guest_agent;
	enum vmboot_network network;
	struct vmb_command command;
	struct vmb_settings settings;
	char *cmdline; /* the kernel's */
	struct vmb_plan_files files;
	struct vmb_disk *disks; /* in the order in which the guest's kernel finds them */
	size_t n_disks;
	char **disk_strings; /* what the disks point to: facts may change while files are made */
};

void vmb_plan_done(struct vmb_plan *plan);
#define _cleanup_plan_ vmb_cleanup(vmb_plan_done)

/*
 * opts: checked and with defaults (vmb_opts_read()). facts: emptied, also on failure.
 * -VMBOOT_EIMAGE: the image has no program and none was asked for; -VMBOOT_EOPTS: so little memory does
 * not hold kernel and initramfs; -E2BIG: what the guest config
 * is to hold is over its bounds.
 */
int vmb_plan_make(const struct vmboot_opts *opts, struct vmb_facts *facts, struct vmb_plan *ret);

/* The paths of a VM's files: in the store, by name. */
int vmb_plan_files(const char *store, const char *name, struct vmb_plan_files *ret);
void vmb_plan_files_done(struct vmb_plan_files *files);
#define _cleanup_plan_files_ vmb_cleanup(vmb_plan_files_done)

/* What goes onto the config disk; points into the plan. */
int vmb_plan_guest_config(const struct vmb_plan *plan, struct vmb_guest_config *ret);

/* The plan as JSON, freed by the caller. */
int vmb_plan_json(const struct vmb_plan *plan, char **ret);

#endif
