/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include "init.h"

/*
 * Device nodes whose opening has the kernel ask for their module: what kmod and udev make for an init
 * system ("static nodes"), with udev's modes. Those that programs in containers look for are there
 * before the program starts, also where there is no module for them; the others, which the kernel
 * disk's modules.devname lists, come a moment later.
 */

enum { MISC_MAJOR = 10, GROUP_DISK = 6, FILE_MAX = 65536, NAME_SIZE = 64 };

static const struct device {
	const char *name;
	mode_t mode;
	gid_t gid;
	int minor; /* of MISC_MAJOR; -1: only modules.devname says that there is such a node */
} devices[] = {
	{"fuse", 0666, 0, 229},
	{"net/tun", 0666, 0, 200},
	{"loop-control", 0660, GROUP_DISK, 237},
	{"btrfs-control", 0660, GROUP_DISK, -1},
	{"kvm", 0666, 0, -1},
	{"vfio/vfio", 0666, 0, -1},
	{"vhost-net", 0666, 0, -1},
	{"vhost-vsock", 0666, 0, -1},
};

static void make_node(const struct init *init, const char *name, mode_t type, dev_t number)
{
	char path[INIT_PATH_MAX], *slash;
	struct device d = {.mode = 0600};

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (strcmp(devices[i].name, name) == 0)
			d = devices[i];
	init_path(init, path, "/dev/%s", name);
	slash = strrchr(path, '/');
	if (strchr(name, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	if (init->ops->make_node(path, type | 0600, number) < 0 && errno != EEXIST)
		return;
	/* one that the kernel made itself, as for what is built in, is root's */
	if (d.gid != 0 && lchown(path, 0, d.gid) < 0)
		init_debug(init, "cannot change the group of /dev/%s", name);
	if (d.mode != 0600 && chmod(path, d.mode) < 0)
		init_debug(init, "cannot change the mode of /dev/%s", name);
}

void init_devices(const struct init *init)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices) && devices[i].minor >= 0; i++)
		make_node(init, devices[i].name, S_IFCHR,
			  makedev(MISC_MAJOR, (unsigned)devices[i].minor));
}

/* "fuse fuse c10:229": module, node, kind and number. */
bool init_devices_parse(char *line, const char **ret_name, mode_t *ret_type, dev_t *ret_number)
{
	char *name, *number, *end, *rest;
	unsigned long major, minor;

	if (line[0] == '#' || !strtok_r(line, " ", &rest))
		return false;
	name = strtok_r(NULL, " ", &rest);
	number = strtok_r(NULL, " ", &rest);
	if (!number || strlen(name) >= NAME_SIZE || name[0] == '/' || strstr(name, "..") ||
	    (number[0] != 'c' && number[0] != 'b'))
		return false;
	major = strtoul(number + 1, &end, 10);
	if (*end != ':' || end == number + 1 || major > 4095)
		return false;
	minor = strtoul(end + 1, &rest, 10);
	if (*rest || rest == end + 1 || minor > 1048575)
		return false;
	*ret_name = name;
	*ret_type = number[0] == 'c' ? S_IFCHR : S_IFBLK;
	*ret_number = makedev((unsigned)major, (unsigned)minor);
	return true;
}

void init_devices_late(const struct init *init)
{
	_cleanup_free_ char *text = NULL;
	char path[INIT_PATH_MAX], *line, *rest;
	struct utsname u;
	const char *name;
	mode_t type;
	dev_t number;

	if (!init->layer || uname(&u) < 0 ||
	    init_read_file(init_path(init, path, "/lib/modules/%s/modules.devname", u.release),
			   FILE_MAX, &text) < 0)
		return;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (init_devices_parse(line, &name, &type, &number))
			make_node(init, name, type, number);
}
