/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_VIRT_URI_H
#define VMB_VIRT_URI_H

/* Where a libvirt is. In: its URI, and its own name for its host. Out: whether that is this host. */

#include <stdbool.h>

enum vmb_uri_place {
	VMB_URI_HERE,
	VMB_URI_UNSURE, /* it names this host, which may lead elsewhere: ask libvirt for its name */
	VMB_URI_ELSEWHERE,
};

enum vmb_uri_place vmb_uri_place(const char *uri);

/* Whether that is this host's name, with its domain or without. */
bool vmb_uri_is_own_name(const char *name);

#endif
