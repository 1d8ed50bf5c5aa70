/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/lifecycle.h"

#include <stdatomic.h>
#include <sys/eventfd.h>

#include "domain/domain.h"

/* What libvirt's event loop may still hold when we are done with it. */
struct bell {
	atomic_int refs;
	int fd;
};

struct vmb_lifecycle {
	struct vmb_conn *conn;
	virDomainPtr d;
	struct bell *bell;
	int callback;
	bool connected;
};

static void bell_unref(void *data)
{
	struct bell *bell = data;

	if (atomic_fetch_sub(&bell->refs, 1) > 1)
		return;
	vmb_closep(&bell->fd);
	free(bell);
}

static void ring(struct bell *bell)
{
	const uint64_t one = 1;

	(void)!write(bell->fd, &one, sizeof(one));
}

/* What it became is asked when the bell has rung: so an event that comes late tells nothing old. */
static void on_event(virConnectPtr c VMB_UNUSED, virDomainPtr d VMB_UNUSED, int state VMB_UNUSED,
		     int reason VMB_UNUSED, void *data)
{
	ring(data);
}

static int new_bell(struct bell **ret)
{
	struct bell *bell = calloc(1, sizeof(*bell));

	if (!bell)
		return vmb_oom();
	atomic_init(&bell->refs, 1);
	bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (bell->fd < 0) {
		free(bell);
		return vmb_errno(errno, "cannot make an eventfd");
	}
	*ret = bell;
	return 0;
}

static int listen(struct vmb_lifecycle *l)
{
	atomic_fetch_add(&l->bell->refs, 1);
	l->callback = virConnectDomainEventRegisterAny(virDomainGetConnect(l->d), l->d,
						       VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
						       VIR_DOMAIN_EVENT_CALLBACK(on_event), l->bell,
						       bell_unref);
	if (l->callback < 0) {
		bell_unref(l->bell);
		return vmb_libvirt_error("cannot listen to what libvirt says of the guest's agent");
	}
	ring(l->bell); /* it may be there already */
	return 0;
}

int vmb_lifecycle_open(struct vmb_conn *conn, const char *name, struct vmb_lifecycle **ret)
{
	struct vmb_lifecycle *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return vmb_oom();
	l->callback = -1;
	r = new_bell(&l->bell);
	if (r == 0)
		r = vmb_conn_with_events(conn, &l->conn);
	if (r == 0)
		r = vmb_conn_domain(l->conn, name, &l->d);
	if (r == 0)
		r = listen(l);
	if (r < 0) {
		vmb_lifecycle_close(l);
		return r;
	}
	*ret = l;
	return 0;
}

void vmb_lifecycle_close(struct vmb_lifecycle *l)
{
	if (!l)
		return;
	if (l->callback >= 0)
		virConnectDomainEventDeregisterAny(virDomainGetConnect(l->d), l->callback);
	if (l->d)
		virDomainFree(l->d);
	if (l->conn)
		vmb_conn_unref(l->conn);
	if (l->bell)
		bell_unref(l->bell);
	free(l);
}

bool vmb_lifecycle_is_alive(struct vmb_lifecycle *l)
{
	return virConnectIsAlive(virDomainGetConnect(l->d)) == 1;
}

int vmb_lifecycle_fd(const struct vmb_lifecycle *l)
{
	return l->bell->fd;
}

int vmb_lifecycle_connected(struct vmb_lifecycle *l)
{
	_cleanup_free_ char *xml = NULL;
	uint64_t count;
	int r;

	if (read(l->bell->fd, &count, sizeof(count)) != sizeof(count))
		return l->connected;
	xml = virDomainGetXMLDesc(l->d, 0);
	if (!xml && vmb_libvirt_code() == VIR_ERR_NO_DOMAIN)
		return vmb_error(VMBOOT_EENDED, "the VM is gone");
	if (!xml)
		return vmb_libvirt_error("cannot ask libvirt for the guest's agent");
	r = vmb_domain_agent_connected(xml, &l->connected);
	return r < 0 ? r : l->connected;
}
