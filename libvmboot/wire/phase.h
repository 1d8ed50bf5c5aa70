/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_PHASE_H
#define VMB_WIRE_PHASE_H

/* The phases' names, which host and guest share; see <vmboot/event.h> for the public side. */

#include <stddef.h>
#include <vmboot/event.h>

/* The i-th phase in the order of a boot, or VMBOOT_PHASE_NONE behind the last. */
enum vmboot_phase vmb_phase_at(size_t i);

#endif
