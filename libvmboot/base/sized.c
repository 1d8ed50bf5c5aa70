/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/sized.h"

#include <errno.h>
#include <string.h>
#include <vmboot/version.h>

#include "base/error.h"

/* No version will have more: a larger size was never set. */
enum { LARGEST = 4096 };

int vmb_read_sized(const void *from, const char *name, size_t first, void *ret, size_t size)
{
	const char *bytes = from;
	size_t n;

	memcpy(&n, from, sizeof(n));
	if (n < first || n > LARGEST)
		return vmb_error(EINVAL, "%s.size is %zu: set it to sizeof(struct vmboot_%s)", name,
				 n, name);
	for (size_t i = size; i < n; i++)
		if (bytes[i])
			return vmb_error(VMBOOT_EOPTS,
					 "the caller uses options of a newer libvmboot than %s",
					 vmboot_version());
	memset(ret, 0, size);
	memcpy(ret, from, n < size ? n : size);
	memcpy(ret, &size, sizeof(size));
	return 0;
}
