/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "init.h"

/*
 * Who the machine is, for an init system; its name is written by names.c. All VMs of an
 * image would have its machine-id; the VM's is its UUID, in a file of /run that is mounted over the
 * image's, which is how systemd itself sets one for a boot. A guest that has given itself one, or has
 * made ours its own (systemd-machine-id-commit), keeps that.
 */

enum { ID_LEN = 32 };

static bool is_id(const char *text)
{
	size_t n = strspn(text, "0123456789abcdef");

	return n == ID_LEN && (text[n] == '\0' || text[n] == '\n') && strspn(text, "0") < ID_LEN;
}

/* The UUID that libvirt gave the VM, without dashes. */
static bool id_of_vm(const struct init *init, char id[ID_LEN + 1])
{
	char path[INIT_PATH_MAX], uuid[64];
	size_t n = 0;

	init_read_text(init_path(init, path, "/sys/class/dmi/id/product_uuid"), uuid, sizeof(uuid));
	for (const char *p = uuid; *p && n < ID_LEN; p++)
		if (*p != '-')
			id[n++] = (char)tolower((unsigned char)*p);
	id[n] = '\0';
	return is_id(id);
}

/* As a UUID of version 4 has it. */
static bool random_id(char id[ID_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t bytes[ID_LEN / 2];

	if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != sizeof(bytes))
		return false;
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < ID_LEN; i++)
		id[i] = hex[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
	id[ID_LEN] = '\0';
	return true;
}

static bool guest_has_its_own(const struct init *init)
{
	_cleanup_close_ int fd = openat(init->overlay, "upper/etc/machine-id",
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[64] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	return is_id(text);
}

static int cover(const struct init *init, const char *what, const char *file)
{
	char from[INIT_PATH_MAX], to[INIT_PATH_MAX];

	init_path(init, from, "%s", what);
	init_path(init, to, "%s", file);
	return init->ops->mount(from, to, NULL, MS_BIND, NULL);
}

/* The form in which systemd knows an id that is not on disk yet. */
static int set_id(const struct init *init)
{
	char path[INIT_PATH_MAX], line[ID_LEN + 2];
	_cleanup_close_ int fd = -1;
	int r;

	if (guest_has_its_own(init) || (!id_of_vm(init, line) && !random_id(line)))
		return 0;
	line[ID_LEN] = '\n';
	r = init_write_file(init_path(init, path, "/run/machine-id"), 0444, line, ID_LEN + 1);
	if (r < 0)
		return r;
	/* there must be something to mount it over; empty means the same as none */
	init_path(init, path, "/etc/machine-id");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444);
	return cover(init, "/run/machine-id", "/etc/machine-id");
}

/*
 * The program that came with the initramfs, in a folder that is also the one to which systemd goes
 * back at the very end: see shutdown.c. It is never written to.
 */
static int show_self(const struct init *init, struct init_report *report)
{
	const unsigned long flags = MS_BIND | MS_NOSUID | MS_NODEV | MS_RDONLY;
	char from[64], to[INIT_PATH_MAX];
	int r;

	if (init->self < 0)
		return init_failed(report, ENOENT, "init's own file is not there any more");
	init_format(from, sizeof(from), "/proc/self/fd/%d", init->self);
	mkdir(init_path(init, to, INIT_SELF_FOLDER), 0755);
	r = init->ops->mount(from, to, NULL, MS_BIND, NULL);
	if (r == 0)
		r = init->ops->mount(NULL, to, NULL, flags | MS_REMOUNT, NULL);
	return r < 0 ? init_failed(report, r, "mounting init's own file") : 0;
}

/* For programs that the agent starts: it can hold secrets. */
static int save_environment(const struct init *init)
{
	const char *const *env = init->config.env;
	_cleanup_free_ char *text = NULL;
	char path[INIT_PATH_MAX];
	size_t n = 0;

	for (size_t i = 0; env && env[i]; i++)
		n += strlen(env[i]) + 1;
	text = malloc(n + 1);
	if (!text)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; env && env[i]; i++) {
		strcpy(text + n, env[i]);
		n += strlen(env[i]) + 1;
	}
	return init_write_file(init_path(init, path, INIT_ENVIRONMENT), 0600, text, n);
}

static int save_defaults(const struct init *init)
{
	char path[INIT_PATH_MAX];
	size_t n = 0;
	_cleanup_free_ char *text = init_agent_defaults(&init->config, &n);

	if (!text)
		return -ENOMEM;
	return init_write_file(init_path(init, path, INIT_DEFAULTS), 0600, text, n);
}

int init_machine(struct init *init, struct init_report *report)
{
	char path[INIT_PATH_MAX];
	int r;

	init->system = init_system_find(init, init->config.args[0]);
	mkdir(init_path(init, path, INIT_RUN), 0755);
	/* an image without such files, or with odd ones in their place, still boots */
	if (set_id(init) < 0)
		init_log(init, "%s", "cannot set the machine-id");
	if (init->system != INIT_SYSTEM_SYSTEMD)
		return 0;
	r = show_self(init, report);
	if (r == 0 && init->agent.wanted && (save_environment(init) < 0 || save_defaults(init) < 0))
		r = init_failed(report, EIO, "writing " INIT_ENVIRONMENT " and " INIT_DEFAULTS);
	if (r == 0)
		r = init_units(init, report);
	if (r < 0)
		return r;
	init_without_tools(init);
	init_network_files(init);
	init_spare(init);
	return 0;
}
