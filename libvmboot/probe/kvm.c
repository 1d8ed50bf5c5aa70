/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/kvm.h"

#include <libudev.h>

#include "base/str.h"

VMB_DEFINE_CLEANUP(udev_unrefp, struct udev *, udev_unref)
VMB_DEFINE_CLEANUP(udev_device_unrefp, struct udev_device *, udev_device_unref)

void vmb_kvm_look(struct vmb_kvm *ret)
{
	vmb_cleanup(udev_unrefp) struct udev *udev = udev_new();
	vmb_cleanup(udev_device_unrefp) struct udev_device *device = NULL;
	const char *node, *since;

	*ret = (struct vmb_kvm){0};
	if (udev)
		device = udev_device_new_from_subsystem_sysname(udev, "misc", "kvm");
	if (!device)
		return;
	ret->there = true;
	node = udev_device_get_devnode(device);
	/* without a udevd, as in a container, there is no such property */
	since = udev_device_get_property_value(device, "USEC_INITIALIZED");
	vmb_strlcpy(ret->node, node ? node : "", sizeof(ret->node));
	vmb_strlcpy(ret->since, since ? since : "", sizeof(ret->since));
}
