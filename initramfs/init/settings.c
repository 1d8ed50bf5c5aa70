/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "init.h"

/*
 * What the request asks of the guest beside its program: kernel parameters, mounts, a root that cannot be
 * written, limits. The host has checked the texts, so what fails here is up to this kernel or image.
 */

/* ---- kernel parameters ---- */

static int set_sysctl(const struct init *init, const char *text, struct init_report *report)
{
	char path[INIT_PATH_MAX], key[VMB_SYSCTL_PATH_MAX];
	const char *value;
	_cleanup_close_ int fd = -1;

	if (vmb_sysctl_parse(text, key, &value) < 0)
		return init_failed(report, EINVAL, "sysctl \"%s\"", text);
	fd = open(init_path(init, path, "/proc/sys/%s", key), O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return init_failed(report, errno,
				   "sysctl \"%s\": this kernel has none of that name", text);
	if (write(fd, value, strlen(value)) < 0)
		return init_failed(report, errno, "sysctl \"%s\": the kernel refuses the value",
				   text);
	return 0;
}

/* ---- mounts ---- */

/* What a container with a read-only root can write, as podman has it; /dev is always a tmpfs. */
static const char *const written[] = {"/tmp", "/var/tmp", "/run"};

/* Else it has those of the image's folder. */
static bool says_owner(const char *data)
{
	return strstr(data, "mode=") || strstr(data, "uid=") || strstr(data, "gid=");
}

static int mount_tmpfs(struct init *init, const char *text, struct init_report *report)
{
	char path[INIT_PATH_MAX], name[INIT_PATH_MAX];
	struct vmb_tmpfs t;
	bool was_there;
	int from, r;

	if (vmb_tmpfs_parse(text, &t) < 0 || t.path_length >= sizeof(name))
		return init_failed(report, EINVAL, "tmpfs \"%s\"", text);
	memcpy(name, text, t.path_length);
	name[t.path_length] = '\0';
	was_there = access(init_path(init, path, "%s", name), F_OK) == 0;
	init_make_folders(path);
	from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return init_failed(report, errno, "tmpfs \"%s\": no folder to mount it at", text);
	r = init->ops->mount("tmpfs", path, "tmpfs", t.flags & ~(unsigned long)MS_RDONLY,
			     t.data[0] ? t.data : NULL);
	if (r == 0)
		r = init_copy_up(init, from, name, t.copy_up, was_there && !says_owner(t.data));
	else
		close(from);
	if (r == 0 && (t.flags & MS_RDONLY))
		r = init->ops->mount(NULL, path, NULL, t.flags | MS_REMOUNT, NULL);
	if (r == -EFBIG || r == -E2BIG)
		return init_failed(
			report, r,
			"tmpfs \"%s\": the image has too much there to copy; say notmpcopyup",
			text);
	return r < 0 ? init_failed(report, r, "tmpfs \"%s\"", text) : 0;
}

/* Whether the request has a tmpfs of its own there, or somebody has mounted one already. */
static bool has_tmpfs(const struct init *init, const char *path)
{
	struct vmb_tmpfs t;

	if (init->config.init_mode == VMBOOT_INIT_SYSTEMD && strcmp(path, "/run") == 0)
		return true;
	for (const char *const *text = init->config.tmpfs; text && *text; text++)
		if (vmb_tmpfs_parse(*text, &t) == 0 && strlen(path) == t.path_length &&
		    strncmp(*text, path, t.path_length) == 0)
			return true;
	return false;
}

int init_settings(struct init *init, struct init_report *report)
{
	const struct vmb_guest_config *c = &init->config;
	int r = 0;

	if (!(c->sysctl && c->sysctl[0]) && !(c->tmpfs && c->tmpfs[0]) && !c->read_only)
		return INIT_LATER; /* which is never: nobody asked */
	for (size_t i = 0; r == 0 && c->sysctl && c->sysctl[i]; i++)
		r = set_sysctl(init, c->sysctl[i], report);
	for (size_t i = 0; r == 0 && c->read_only && i < ARRAY_SIZE(written); i++)
		if (!has_tmpfs(init, written[i]))
			r = mount_tmpfs(init, written[i], report);
	for (size_t i = 0; r == 0 && c->tmpfs && c->tmpfs[i]; i++)
		r = mount_tmpfs(init, c->tmpfs[i], report);
	return r;
}

int init_seal_root(struct init *init, struct init_report *report)
{
	const unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
	char path[INIT_PATH_MAX];
	int r;

	if (!init->config.read_only)
		return 0;
	/* the program's starter would make it, and cannot any more */
	if (init->config.workdir && init->config.workdir[0] == '/') {
		init_path(init, path, "%s", init->config.workdir);
		init_make_folders(path);
	}
	r = init->ops->mount(NULL, init_path(init, path, "/"), NULL, flags, NULL);
	return r < 0 ? init_failed(report, r, "making the root read-only") : 0;
}

/* ---- limits ---- */

int init_set_ulimits(const struct init *init, struct init_report *report)
{
	struct vmb_ulimit l;

	for (const char *const *text = init->config.ulimit; text && *text; text++) {
		struct rlimit limit;

		if (vmb_ulimit_parse(*text, &l) < 0)
			return init_failed(report, EINVAL, "ulimit \"%s\"", *text);
		limit.rlim_cur = l.soft == VMB_ULIMIT_NONE ? RLIM_INFINITY : l.soft;
		limit.rlim_max = l.hard == VMB_ULIMIT_NONE ? RLIM_INFINITY : l.hard;
		if (setrlimit(l.resource, &limit) < 0)
			return init_failed(report, errno, "the kernel refuses the ulimit \"%s\"",
					   *text);
	}
	return 0;
}
