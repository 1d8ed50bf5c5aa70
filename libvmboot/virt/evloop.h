/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VIRT_EVLOOP_H
#define VMB_VIRT_EVLOOP_H

/*
 * libvirt's event loop, which its embedded driver and streams need in this process. If the program
 * has registered one, that one serves, and the program runs it. If not, ours is registered (a
 * process can do so once, and never undo it); a thread of ours runs it while anybody needs it.
 *
 * Not libvirt's own default: that one lives on GLib's default context, where a thread of ours would
 * run what a GLib program has put there for its own main loop.
 */

/* 0: we run it; 1: the program does. Only 0 takes a reference. */
int vmb_evloop_ref(void);
void vmb_evloop_unref(void); /* the last one ends the thread */

#endif
