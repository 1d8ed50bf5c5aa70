/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init.h"
#include "wire/disks.h"

enum need { NEEDED, OPTIONAL };

struct place {
	const char *source, *target, *type;
	unsigned long flags;
	const char *data;
	enum need need; /* OPTIONAL: a kernel may lack it */
};

static const struct place early[] = {
	{"dev", "/dev", "devtmpfs", MS_NOSUID, "mode=0755", NEEDED},
	{"proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, NEEDED},
	{"sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, NEEDED},
};

static const struct place shm = {"shm",	      "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV,
				 "mode=1777", NEEDED};

/* An init system makes these itself, and shm, unless it is there. */
static const struct place for_program[] = {
	{"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
	 "newinstance,ptmxmode=0666,mode=0620,gid=5", NEEDED},
	{"mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, OPTIONAL},
	{"cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, OPTIONAL},
};

static const struct {
	const char *to, *link;
} dev_links[] = {
	{"/proc/self/fd", "/dev/fd"},
	{"/proc/self/fd/0", "/dev/stdin"},
	{"/proc/self/fd/1", "/dev/stdout"},
	{"/proc/self/fd/2", "/dev/stderr"},
};

static int mount_place(struct init *init, const struct place *place, struct init_report *report)
{
	const char *size = init->config.shm_size, *data = place->data;
	char path[INIT_PATH_MAX], sized[64];
	int r;

	if (place == &shm && size && size[0]) {
		init_format(sized, sizeof(sized), "%s,size=%s", data, size);
		data = sized;
	}
	init_path(init, path, "%s", place->target);
	mkdir(path, 0755); /* that it is there is as good; that it is not shows below */
	r = init->ops->mount(place->source, path, place->type, place->flags, data);
	if (r == 0 || r == -EBUSY || place->need == OPTIONAL)
		return 0;
	return init_failed(report, r, "mounting %s at %s", place->type, place->target);
}

/* 0, 1 and 2 belong to the program; nothing of ours may land there. */
static void keep_standard_fds(struct init *init)
{
	char path[INIT_PATH_MAX];
	int fd = open(init_path(init, path, "/dev/null"), O_RDWR | O_CLOEXEC);

	while (fd >= 0 && fd < 3)
		fd = dup(fd);
	for (int i = 0; fd >= 0 && i < 3; i++)
		dup2(fd, i);
	if (fd >= 0)
		close(fd);
}

/* A kernel without a console still has its log. */
static void open_console(struct init *init)
{
	char path[INIT_PATH_MAX];
	const int flags = O_NOCTTY | O_CLOEXEC;

	init->console = open(init_path(init, path, "/dev/console"), O_RDWR | flags);
	if (init->console < 0)
		init->console = open(init_path(init, path, "/dev/kmsg"), O_WRONLY | flags);
}

static void read_cmdline(struct init *init)
{
	char path[INIT_PATH_MAX], words[4096];

	init_read_text(init_path(init, path, "/proc/cmdline"), words, sizeof(words));
	init->debug = init_has_word(words, VMB_CMDLINE_DEBUG);
	init->unchecked = init_has_word(words, VMB_CMDLINE_UNCHECKED);
	init->probe = init_has_word(words, VMB_CMDLINE_PROBE);
}

int init_mounts(struct init *init, struct init_report *report)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(early); i++)
		r = mount_place(init, &early[i], report);
	keep_standard_fds(init);
	open_console(init);
	read_cmdline(init);
	return r;
}

int init_mounts_late(struct init *init, struct init_report *report)
{
	char path[INIT_PATH_MAX];
	int r = 0;

	if (init->config.init_mode == VMBOOT_INIT_SYSTEMD) {
		if (init->config.shm_size && init->config.shm_size[0])
			r = mount_place(init, &shm, report);
		return r < 0 ? r : init_run(init, report);
	}
	mkdir(init_path(init, path, "/run"), 0755); /* an image's own is as good */
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(for_program); i++)
		r = mount_place(init, &for_program[i], report);
	if (r == 0)
		r = mount_place(init, &shm, report);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(dev_links); i++)
		if (symlink(dev_links[i].to, init_path(init, path, "%s", dev_links[i].link)) < 0 &&
		    errno != EEXIST)
			r = init_failed(report, errno, "making %s", dev_links[i].link);
	init_devices(init);
	init_modprobe_offer(init);
	/* podman, Docker and k3s in the guest need it; an init system does it itself */
	if (r == 0 &&
	    init->ops->mount(NULL, init_path(init, path, "/"), NULL, MS_REC | MS_SHARED, NULL) < 0)
		init_log(init, "mounts do not propagate: %s", "the root cannot be shared");
	return r;
}
