/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/ports.h"

#include <stdio.h>

#include "wire/stream.h"

enum {
	TAKEN = 1,
	DEVICE_PORTS = 31, /* of a virtio-serial device; 0 is a console's */
};

/*
 * Others may plug the same port at the same time. libvirt notices a second port of a number before it
 * does anything, but a second one of a name only when it has replaced the first one's socket: so the
 * numbers are ours to choose, from above, where libvirt gives none by itself.
 */
static int plug_port(virDomainPtr d, unsigned number, const char *name)
{
	char xml[256];

	snprintf(xml, sizeof(xml),
		 "<channel type='unix'><target type='virtio' name='%s'/>"
		 "<address type='virtio-serial' controller='0' bus='0' port='%u'/></channel>",
		 name, DEVICE_PORTS - number);
	if (virDomainAttachDeviceFlags(d, xml, VIR_DOMAIN_AFFECT_LIVE) == 0)
		return 0;
	vmb_libvirt_error("other processes use each port of the VM \"%s\" for exec, cp and attach, "
			  "and libvirt adds no other",
			  virDomainGetName(d));
	if (!vmb_link_is_missing(d, name))
		return 0; /* somebody else plugged it */
	return vmb_error(EBUSY, "%s", vmboot_last_error()->message);
}

/* TAKEN, or as vmb_link_open(). */
static int open_port(virDomainPtr d, const char *name, struct vmb_link **ret, int *ret_fd)
{
	int r = vmb_link_open(d, name, ret, ret_fd);

	return r == -EBUSY ? TAKEN : r;
}

static int open_or_plug(virDomainPtr d, unsigned number, struct vmb_link **ret, int *ret_fd)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), VMB_STREAM_PORTS "%u", number);
	r = open_port(d, name, ret, ret_fd);
	/* libvirt's word for a channel that is not there is no more than that something went wrong */
	if (number == 0 || (r != -ENOENT && r != -VMBOOT_ELIBVIRT))
		return r;
	r = plug_port(d, number, name);
	return r < 0 ? r : open_port(d, name, ret, ret_fd);
}

int vmb_ports_open(virDomainPtr d, struct vmb_link **ret, int *ret_fd)
{
	int r = TAKEN;

	for (unsigned i = 0; i < VMB_STREAM_PORTS_MAX && r == TAKEN; i++)
		r = open_or_plug(d, i, ret, ret_fd);
	if (r != TAKEN)
		return r;
	return vmb_error(EBUSY,
			 "%d processes use the VM \"%s\" for exec, cp and attach already, which "
			 "is as many as can at once",
			 VMB_STREAM_PORTS_MAX, virDomainGetName(d));
}
