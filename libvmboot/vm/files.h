/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VM_FILES_H
#define VMB_VM_FILES_H

/*
 * A VM's own files. In: a plan. Out: its folder with disks and empty logs, which QEMU's user can
 * reach; or a message that names the file it could not, and the fix.
 */

#include "plan/plan.h"
#include "store/store.h"

/* A new empty file, mode 0600, owned by the label's user if there is a label. */
int vmb_files_create(const char *path, const char *dac_label);

/* Gives a file of ours to the label's user; nothing if label is NULL. */
int vmb_files_give(const char *path, const char *dac_label);

/* "+UID:+GID" as libvirt writes it; 0 or -EINVAL without setting an error. */
int vmb_files_parse_label(const char *label, uid_t *ret_uid, gid_t *ret_gid);

/*
 * Makes the VM's folder: -EEXIST if it is there. The descriptor that it returns holds the folder's
 * lock: as long as it is open, gc leaves the folder alone.
 */
int vmb_files_claim(const struct vmb_plan *plan, int *ret_lock);

/* operation: LOCK_SH for who uses the VM, LOCK_EX for who makes or removes it. -EBUSY if another's
 * lock forbids it; -VMBOOT_ENOVM if the folder is gone. */
int vmb_files_lock(const char *folder, int operation, int *ret_lock);

/*
 * Which libvirt, by its URI, has or will have the VM's domain: said in the VM's folder, for gc. read:
 * 1; 0 if the folder does not say it.
 */
int vmb_files_note_libvirt(const char *folder, const char *uri);
int vmb_files_read_libvirt(const char *folder, char **ret_uri);

/*
 * The kernel's copy and the initramfs of facts, in the store; made, unless they are there. Until
 * *ret_held is closed, nobody removes these or a kernel disk.
 */
int vmb_files_share(const struct vmb_store *store, struct vmb_facts *facts,
		    const struct vmb_log *log, int *ret_held);

/* Disks, logs, and links to what it shares with others, in the folder that was claimed. */
int vmb_files_make(const struct vmb_plan *plan, const struct vmb_store *store,
		   const struct vmb_log *log);

/* Empties logs and events for another boot. */
int vmb_files_reset(const struct vmb_plan_files *files, const char *dac_label);

/*
 * What is in the label's user's way to a file, or, if path ends with "/", into a folder: 'x', that
 * user may not pass through the folder *ret_part; 'r', nor read the file *ret_part; 0, nothing, as
 * far as mode bits tell. Or -ENOMEM.
 */
int vmb_files_obstacle(const char *path, const char *dac_label, char **ret_part);

/* -VMBOOT_EHOST, naming the file, if the label's user could not read what the VM needs. */
int vmb_files_check_access(const struct vmb_plan *plan);

#endif
