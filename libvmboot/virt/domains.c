/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "virt/domains.h"

#include "vm/vm.h"

void vmb_domains_done(struct vmb_domains *domains)
{
	for (size_t i = 0; i < domains->n; i++) {
		virDomainFree(domains->list[i].domain);
		vmb_metadata_done(&domains->list[i].metadata);
	}
	free(domains->list);
	*domains = (struct vmb_domains){0};
}

/* All domains, ours or not; opens a broken connection again. */
static int list_all(struct vmb_conn *conn, virDomainPtr **ret)
{
	_cleanup_connect_ virConnectPtr c = NULL, again = NULL;
	int n, r;

	r = vmb_conn_get(conn, NULL, &c);
	if (r < 0)
		return r;
	n = virConnectListAllDomains(c, ret, 0);
	if (n < 0 && vmb_libvirt_disconnected()) {
		r = vmb_conn_get(conn, c, &again);
		if (r < 0)
			return r;
		n = virConnectListAllDomains(again, ret, 0);
	}
	return n < 0 ? vmb_libvirt_error("cannot list the domains") : n;
}

int vmb_domains_list(struct vmb_conn *conn, struct vmb_domains *ret)
{
	struct vmb_domains domains = {0};
	virDomainPtr *all = NULL;
	int n;

	n = list_all(conn, &all);
	if (n < 0)
		return n;
	domains.list = calloc((size_t)n + 1, sizeof(*domains.list));
	for (int i = 0; i < n; i++) {
		struct vmb_domains_row *row = domains.list ? &domains.list[domains.n] : NULL;

		if (row && vmb_vm_metadata(all[i], virDomainGetName(all[i]), &row->metadata) == 0) {
			row->domain = all[i];
			domains.n++;
		} else {
			virDomainFree(all[i]);
		}
	}
	free(all);
	if (!domains.list)
		return vmb_oom();
	*ret = domains;
	return 0;
}
