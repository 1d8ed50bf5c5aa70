/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/firmware.h"

#include "base/error.h"
#include "base/file.h"
#include "vm/files.h"

/* QEMU's data folder, as it installs itself and as distributions have it. libvirt's AppArmor
 * profiles let guests read the first one, and SELinux all of /usr. */
static const char *const paths[] = {
	"/usr/share/qemu/qboot.rom",
	"/usr/share/qemu-kvm/qboot.rom",
	"/usr/share/qboot/bios.bin",
};

static bool is_readable(const char *path, const char *dac_label)
{
	_cleanup_free_ char *part = NULL;
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, R_OK) == 0 &&
	       vmb_files_obstacle(path, dac_label, &part) == 0;
}

int vmb_firmware_find(const char *root, const char *dac_label, char **ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_free_ char *path = NULL;
		int r = vmb_asprintf(&path, "%s%s", root, paths[i]);

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
