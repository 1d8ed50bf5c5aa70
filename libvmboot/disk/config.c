/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk/disk.h"

#include "base/error.h"
#include "base/file.h"

static int refuse(long code)
{
	if (code == -E2BIG)
		return vmb_error(E2BIG,
				 "the program's arguments and environment are larger than Linux "
				 "takes: %d KiB each, %d KiB together",
				 (VMB_CONFIG_STRING_MAX + 1) / 1024, VMB_CONFIG_STRINGS_MAX / 1024);
	return vmb_error((int)code, "the guest config holds a value that it cannot have");
}

static int write_disk(const char *path, const uint8_t *bytes, size_t n)
{
	_cleanup_unlink_ char *half_made = NULL;
	_cleanup_free_ char *name = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	r = vmb_strdup(path, &name);
	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return vmb_errno(errno, "cannot make the config disk %s", path);
	half_made = TAKE_PTR(name);
	r = vmb_write_all(fd, path, bytes, n);
	if (r < 0)
		return r;
	free(TAKE_PTR(half_made));
	return 0;
}

int vmb_config_disk_create(const char *path, const struct vmb_guest_config *config)
{
	long n = vmb_config_encode(config, NULL, 0);
	_cleanup_free_ uint8_t *bytes = NULL;
	int r;

	if (n < 0)
		return refuse(n);
	bytes = malloc((size_t)n);
	if (!bytes)
		return vmb_oom();
	vmb_config_encode(config, bytes, (size_t)n);
	r = write_disk(path, bytes, (size_t)n);
	explicit_bzero(bytes, (size_t)n);
	return r;
}
