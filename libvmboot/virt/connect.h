/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VIRT_CONNECT_H
#define VMB_VIRT_CONNECT_H

/*
 * Connections to libvirt. In: a URI or a connection that the caller lends. Out: one shared
 * connection for each URI in this process (a stock libvirtd serves 20 clients), opened again when
 * it broke. It is closed with its last user, except for the embedded driver, which a process can
 * open only a few times: that one stays until the process ends.
 */

#include <vmboot/opts.h>

#include "store/store.h"
#include "virt/libvirt.h"

struct vmb_conn;

/* opts: checked. The store holds the embedded driver's root. */
int vmb_conn_open(const struct vmboot_opts *opts, const struct vmb_store *store,
		  struct vmb_conn **ret);
void vmb_conn_unref(struct vmb_conn *conn);
VMB_DEFINE_CLEANUP(vmb_conn_unrefp, struct vmb_conn *, vmb_conn_unref)
#define _cleanup_conn_ vmb_cleanup(vmb_conn_unrefp)

/*
 * libvirt's connection with a reference of the caller's own (virConnectClose()). broken: the one
 * that failed, if any; another is opened in its stead, unless somebody did already or it was lent.
 */
int vmb_conn_get(struct vmb_conn *conn, virConnectPtr broken, virConnectPtr *ret);

/*
 * One to the same libvirt that was opened with an event loop, which streams and events need: a
 * second one, shared likewise, unless conn is that of a driver in this process.
 */
int vmb_conn_with_events(struct vmb_conn *conn, struct vmb_conn **ret);

/* The libvirt that these opts ask for is the embedded one, with its root in the store. */
bool vmb_conn_is_in_store(const struct vmboot_opts *opts);

/* libvirt's driver is in this process, and sees what happens only while that lives. */
bool vmb_conn_in_process(const struct vmb_conn *conn);

const char *vmb_conn_uri(const struct vmb_conn *conn); /* for messages */

/*
 * Whether QEMU runs on this host, where the files are that a VM is made of; -VMBOOT_EOPTS if not. The
 * former looks at the URI alone and connects to nothing, the latter also asks libvirt for its host's
 * name, if the URI leaves a doubt.
 */
int vmb_conn_check_uri(const struct vmboot_opts *opts);
int vmb_conn_check_here(struct vmb_conn *conn);

/* libvirt's own word for which libvirt it is, whatever alias it was opened by. */
int vmb_conn_real_uri(struct vmb_conn *conn, char **ret);

/* A domain by name; -VMBOOT_ENOVM if there is none. Opens a broken connection again. */
int vmb_conn_domain(struct vmb_conn *conn, const char *name, virDomainPtr *ret);

static inline void vmb_connect_closep(virConnectPtr *c)
{
	if (*c)
		virConnectClose(*c);
}
#define _cleanup_connect_ vmb_cleanup(vmb_connect_closep)

#endif
