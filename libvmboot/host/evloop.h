/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_HOST_EVLOOP_H
#define VMB_HOST_EVLOOP_H

/*
 * libvirt's embedded driver lives in this process and needs an event loop there. If the program has
 * registered one, that one serves, and the program runs it. If not, libvirt's own is registered (a
 * process can do so once, and never undo it) and a thread of ours runs it while anybody needs it.
 */

int vmb_evloop_ref(void);
void vmb_evloop_unref(void); /* the last one ends the thread */

#endif
