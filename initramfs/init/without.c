/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"

/*
 * For systemd in an image without udev or kmod, such as mmdebstrap's minbase with systemd-sysv: what it
 * would wait 90 s for, and the unit that would fail, because the kernel disk meets its condition.
 */

#define UDEV "/run/udev"
#define KMOD_UNIT "kmod-static-nodes.service"

static bool has_any(const struct init *init, const char *const *paths)
{
	char path[INIT_PATH_MAX];

	for (; *paths; paths++)
		if (access(init_path(init, path, "%s", *paths), X_OK) == 0)
			return true;
	return false;
}

static bool has_udev(const struct init *init)
{
	static const char *const paths[] = {"/lib/systemd/systemd-udevd",
					    "/usr/lib/systemd/systemd-udevd",
					    "/sbin/udevd",
					    "/bin/udevadm",
					    "/usr/bin/udevadm",
					    NULL};

	return has_any(init, paths);
}

static bool has_kmod(const struct init *init)
{
	static const char *const paths[] = {"/bin/kmod", "/usr/bin/kmod", "/sbin/kmod", NULL};

	return has_any(init, paths);
}

/* ---- devices that nobody announces ---- */

/*
 * What udev writes of a device that has its rules behind it: systemd makes a unit of what has the tag,
 * and networkd configures what is initialized (I). id: "c4:64", "n2".
 */
static void announce(const struct init *init, const char *id)
{
	static const char data[] = "I:1\nG:systemd\nQ:systemd\nV:1\n";
	char path[INIT_PATH_MAX];

	init_path(init, path, UDEV "/data/%s", id);
	if (init_write_file(path, 0644, data, sizeof(data) - 1) < 0 ||
	    init_write_file(init_path(init, path, UDEV "/tags/systemd/%s", id), 0644, "", 0) < 0)
		init_debug(init, "cannot write %s", path);
}

/* serial-getty@ttyS0.service waits for the device of our console. */
static void announce_consoles(const struct init *init)
{
	char path[INIT_PATH_MAX], names[256], number[32], id[40], *name, *rest;

	init_read_text(init_path(init, path, "/sys/class/tty/console/active"), names,
		       sizeof(names));
	for (name = strtok_r(names, " \n", &rest); name; name = strtok_r(NULL, " \n", &rest)) {
		init_path(init, path, "/sys/class/tty/%s/dev", name);
		init_read_text(path, number, sizeof(number));
		init_format(id, sizeof(id), "c%s", number);
		if (number[0])
			announce(init, id);
	}
}

static void announce_network(const struct init *init)
{
	char path[INIT_PATH_MAX], name[16], index[16], id[20];

	if (!init->config.address[0] || !init_network_device(init, vmb_deadline_in(0), name))
		return;
	init_path(init, path, "/sys/class/net/%s/ifindex", name);
	init_read_text(path, index, sizeof(index));
	init_format(id, sizeof(id), "n%s", index);
	if (index[0])
		announce(init, id);
}

static void announce_devices(const struct init *init)
{
	static const char *const folders[] = {UDEV, UDEV "/data", UDEV "/tags",
					      UDEV "/tags/systemd"};
	char path[INIT_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		mkdir(init_path(init, path, "%s", folders[i]), 0755);
	announce_consoles(init);
	announce_network(init);
}

/* ---- modules ---- */

/* The condition is looked at when the unit starts: a kmod that was installed since is used. */
static void do_without_kmod(const struct init *init)
{
	static const char text[] = "# made by libvmboot's init at each boot\n"
				   "[Unit]\n"
				   "ConditionFileIsExecutable=|/bin/kmod\n"
				   "ConditionFileIsExecutable=|/usr/bin/kmod\n";
	char path[INIT_PATH_MAX];

	mkdir(init_path(init, path, "/run/systemd/system/" KMOD_UNIT ".d"), 0755);
	init_path(init, path, "/run/systemd/system/" KMOD_UNIT ".d/50-vmboot.conf");
	if (init_write_file(path, 0644, text, sizeof(text) - 1) < 0)
		init_debug(init, "cannot write %s", path);
	init_devices(init);
	init_devices_late(init);
	init_modprobe_offer(init);
}

void init_without_tools(const struct init *init)
{
	if (!has_udev(init))
		announce_devices(init);
	if (!has_kmod(init))
		do_without_kmod(init);
}
