/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <vmboot/version.h>

const char *vmboot_version(void)
{
	return VMBOOT_VERSION_STRING;
}

int vmboot_version_number(void)
{
	return VMBOOT_VERSION_NUMBER;
}
