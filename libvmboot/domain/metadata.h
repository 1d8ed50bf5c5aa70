/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_DOMAIN_METADATA_H
#define VMB_DOMAIN_METADATA_H

#include "base/xml.h"
#include "domain/domain.h"

/* Our element with the frequency that the kernel's command line says, if it says one. */
#define VMB_METADATA_TSC "tsc_khz"

/* Adds <metadata>; domain may be NULL. */
void vmb_metadata_add(xmlNodePtr domain, const struct vmb_metadata *metadata);

#endif
