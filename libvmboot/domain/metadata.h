/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_DOMAIN_METADATA_H
#define VMB_DOMAIN_METADATA_H

#include "base/xml.h"
#include "domain/domain.h"

/* Our element with the frequency that the kernel's command line tells, if that does. */
#define VMB_METADATA_TSC "tsc_khz"

/* Add <metadata> with our facts; domain may be NULL. */
void vmb_metadata_add_plan(xmlNodePtr domain, const struct vmb_plan *plan);
void vmb_metadata_add_probe(xmlNodePtr domain, const struct vmb_probe *probe);

#endif
