/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VIRT_DOMAINS_H
#define VMB_VIRT_DOMAINS_H

/* All domains that carry our metadata. */

#include "domain/domain.h"
#include "virt/connect.h"

struct vmb_domains {
	struct vmb_domains_row {
		virDomainPtr domain;
		struct vmb_metadata metadata;
	} * list;
	size_t n;
};

int vmb_domains_list(struct vmb_conn *conn, struct vmb_domains *ret);
void vmb_domains_done(struct vmb_domains *domains);
#define _cleanup_domains_ vmb_cleanup(vmb_domains_done)

#endif
