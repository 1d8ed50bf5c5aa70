/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "init.h"
#include "wire/disks.h"

/*
 * The disks of one boot: three that every boot has and waits for before it can read anything, then
 * those that the config names. Whoever needs one settles on it (settle.c) and mounts it by what the
 * config says of it; a new kind of disk is a row there, and nothing here.
 */
static const struct {
	const char *serial, *target;
} contract[INIT_N_CONTRACT] = {
	[INIT_DISK_ROOT] = {VMB_SERIAL_ROOT, VMB_TARGET_ROOT},
	[INIT_DISK_OVERLAY] = {VMB_SERIAL_OVERLAY, VMB_TARGET_OVERLAY},
	[INIT_DISK_CONFIG] = {VMB_SERIAL_CONFIG, VMB_TARGET_CONFIG},
};

void init_disks_begin(struct init *init)
{
	for (int i = 0; i < INIT_N_CONTRACT; i++) {
		init->disks[i].serial = contract[i].serial;
		init->disks[i].target = contract[i].target;
	}
	init->n_disks = INIT_N_CONTRACT;
}

struct init_disk *init_disk_find(struct init *init, const char *serial)
{
	for (size_t i = 0; i < init->n_disks; i++)
		if (strcmp(init->disks[i].serial, serial) == 0)
			return &init->disks[i];
	return NULL;
}

int init_disks_add(struct init *init, struct init_report *report)
{
	for (size_t i = 0; i < init->config.n_disks; i++) {
		const struct vmb_config_disk *row = &init->config.disks[i];
		struct init_disk *disk = init_disk_find(init, row->serial);

		if (disk && disk->config)
			return init_failed(report, EBADMSG, "two disks are called %s", row->serial);
		if (!disk) {
			disk = &init->disks[init->n_disks++];
			disk->serial = row->serial;
			disk->target = row->target;
		}
		disk->config = row;
	}
	return 0;
}

/* ---- options ---- */

static const struct {
	const char *word;
	unsigned long flag;
} flags[] = {
	{"ro", MS_RDONLY},	  {"rw", 0},
	{"nosuid", MS_NOSUID},	  {"nodev", MS_NODEV},
	{"noexec", MS_NOEXEC},	  {"noatime", MS_NOATIME},
	{"sync", MS_SYNCHRONOUS}, {"nofail", 0}, /* for whoever settles on it */
};

static bool word_is(const char *word, size_t n, const char *wanted)
{
	return strlen(wanted) == n && memcmp(word, wanted, n) == 0;
}

static bool take_flag(const char *word, size_t n, unsigned long *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (word_is(word, n, flags[i].word)) {
			*ret |= flags[i].flag;
			return true;
		}
	return false;
}

/* What is no flag is the file system's own; data is as large as the options. */
static unsigned long split_options(const char *options, char *data)
{
	unsigned long result = 0;
	size_t len = 0;

	for (const char *p = options; *p;) {
		size_t n = strcspn(p, ",");

		if (!take_flag(p, n, &result)) {
			if (len > 0)
				data[len++] = ',';
			memcpy(data + len, p, n);
			len += n;
		}
		p += n + (p[n] == ',');
	}
	data[len] = '\0';
	return result;
}

bool init_disk_has_option(const struct init_disk *disk, const char *word)
{
	for (const char *p = disk->config ? disk->config->options : ""; *p;) {
		size_t n = strcspn(p, ",");

		if (word_is(p, n, word))
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

int init_disk_mount(struct init *init, const struct init_disk *disk, const char *folder,
		    struct init_report *report)
{
	char device[INIT_PATH_MAX], data[sizeof(disk->config->options)];
	unsigned long mount_flags;
	int r;

	init_report_disk(disk, report);
	if (!disk->config)
		return init_failed(report, EBADMSG, "the config does not say how to mount it");
	mount_flags = split_options(disk->config->options, data);
	init_path(init, device, "/dev/%s", disk->name);
	mkdir(folder, 0755); /* that it is there is as good; that it is not shows below */
	r = init->ops->mount(device, folder, disk->config->fstype, mount_flags,
			     *data ? data : NULL);
	return r < 0 ? init_failed(report, r, "mounting it as %s", disk->config->fstype) : 0;
}
