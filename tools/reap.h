/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMBOOT_TOOLS_REAP_H
#define VMBOOT_TOOLS_REAP_H

/*
 * From now on this process is the parent of the detached processes of libvirt's embedded driver, and
 * waits for them. To be called before there are other threads; with another uri it does nothing.
 */
void reap_orphans(const char *uri);

#endif
