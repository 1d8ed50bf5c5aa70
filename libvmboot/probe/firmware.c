/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/firmware.h"

#include "base/error.h"
#include "base/file.h"
#include "vm/files.h"

static bool is_readable(const char *path, const char *dac_label)
{
	_cleanup_free_ char *part = NULL;
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0 &&
	       vmb_files_obstacle(path, dac_label, &part) == 0;
}

int vmb_firmware_find(const struct vmb_arch *arch, const char *root, const char *dac_label,
		      char **ret)
{
	for (const char *const *p = arch->firmwares; *p; p++) {
		_cleanup_free_ char *path = NULL;
		int r = vmb_asprintf(&path, "%s%s", root, *p);

		if (r < 0)
			return r;
		if (is_readable(path, dac_label)) {
			*ret = TAKE_PTR(path);
			return 0;
		}
	}
	*ret = NULL;
	return 0;
}
