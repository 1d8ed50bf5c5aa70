/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_PROBE_TSC_H
#define VMB_PROBE_TSC_H

/*
 * The time-stamp counter of this host, which an emulated guest reads as its own. A guest finds its
 * frequency out against an emulated timer: that takes time, and on a busy host, where the emulator
 * is interrupted at the wrong moment, it now and then comes out 40 times too low, and the guest's
 * clock runs as much too fast. So it is measured here, once for each boot of the host, and kept in
 * the store.
 */

#include "store/store.h"
#include "virt/connect.h"

/* kHz; 0: let the guest find out (QEMU is elsewhere, or the counter does not keep its pace). */
unsigned vmb_tsc_khz(const struct vmb_store *store, struct vmb_conn *conn);

/* The same, of this host, without a store; takes 10 ms. */
unsigned vmb_tsc_measure(void);

#endif
