/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "init.h"

/*
 * Listen, look, wait: the socket is open before the first look, so nothing that comes after the
 * look goes unheard; and as events can be lost, there is another look every LOOK_MS at least.
 *
 * On a busy host the guest's clock goes on while the guest does not run. So a wait ends only if its
 * time is over and, besides, no device has appeared for a number of looks in a row: half as many as
 * fit into that time when the host is idle. BUSY_FACTOR times its time is the end in any case.
 */
enum {
	LOOK_MS = 10,
	BUSY_FACTOR = 30,
	BLANK_LOOKS = 2, /* a disk without a serial goes by its letter when it still has none */
};

/* Where the disk of that name is, or goes, in the sorted list; NULL: no room. */
static struct init_seen *seen_slot(struct init *init, const char *name)
{
	size_t i = 0;

	while (i < init->n_seen && strcmp(init->seen[i].name, name) < 0)
		i++;
	if (i < init->n_seen && strcmp(init->seen[i].name, name) == 0)
		return &init->seen[i];
	if (init->n_seen == INIT_SEEN_MAX || strlen(name) > INIT_NAME_MAX)
		return NULL;
	memmove(&init->seen[i + 1], &init->seen[i], (init->n_seen - i) * sizeof(init->seen[0]));
	init->n_seen++;
	init->seen[i] = (struct init_seen){0};
	strcpy(init->seen[i].name, name);
	return &init->seen[i];
}

static void look_at(struct init *init, const char *name)
{
	char path[INIT_PATH_MAX];
	struct init_seen *disk;

	/* what has no serial at that place, and no letter of ours, is none of ours */
	init_path(init, path, "/sys/block/%s/serial", name);
	if (strncmp(name, "vd", 2) != 0 && access(path, F_OK) < 0)
		return;
	disk = seen_slot(init, name);
	if (!disk)
		return;
	disk->present = true;
	if (!disk->serial[0] && init_read_text(path, disk->serial, sizeof(disk->serial)) <= 0)
		disk->blank++;
}

static void look(struct init *init)
{
	char path[INIT_PATH_MAX];
	struct dirent *e;
	DIR *d = opendir(init_path(init, path, "/sys/block"));

	for (size_t i = 0; i < init->n_seen; i++)
		init->seen[i].present = false;
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			look_at(init, e->d_name);
	if (d)
		closedir(d);
}

/* sysfs shows a disk a moment before it can be opened. */
static bool can_open(const struct init *init, const char *name)
{
	char path[INIT_PATH_MAX];
	_cleanup_close_ int fd =
		open(init_path(init, path, "/dev/%s", name), O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0;
}

static const struct init_seen *find_seen(const struct init *init, const struct init_disk *disk)
{
	const struct init_seen *d, *end = init->seen + init->n_seen;

	for (d = init->seen; d < end; d++)
		if (d->present && strcmp(d->serial, disk->serial) == 0)
			return d;
	for (d = init->seen; d < end; d++)
		if (d->present && !d->serial[0] && d->blank >= BLANK_LOOKS &&
		    strcmp(d->name, disk->target) == 0)
			return d;
	return NULL;
}

static bool take(struct init *init, struct init_disk *disk, struct init_report *report)
{
	const struct init_seen *d = find_seen(init, disk);

	if (!d || !can_open(init, d->name))
		return false;
	strcpy(disk->name, d->name);
	init_report_disk(disk, report);
	if (!d->serial[0])
		init_format(report->detail, sizeof(report->detail),
			    "no serial: taken by its letter");
	return true;
}

static int give_up(const struct init *init, const struct init_disk *disk,
		   struct init_report *report)
{
	size_t n = init_format(report->detail, sizeof(report->detail), "seen:");

	init_report_disk(disk, report);
	for (size_t i = 0; i < init->n_seen && n < sizeof(report->detail); i++)
		if (init->seen[i].present)
			n += init_format(report->detail + n, sizeof(report->detail) - n, " %s=%s",
					 init->seen[i].name, init->seen[i].serial);
	if (!strchr(report->detail, '='))
		init_format(report->detail, sizeof(report->detail), "seen: nothing");
	return -ENODEV;
}

static int settle_until(struct init *init, struct init_disk *disk, struct vmb_deadline until,
			struct init_report *report)
{
	struct vmb_deadline last = vmb_deadline_in(init->patience.disk * BUSY_FACTOR);
	int quiet = 0, quiet_min = init->patience.disk / LOOK_MS / 2;

	if (init->uevents < 0)
		init->uevents = init_uevent_open();
	for (bool first = true; !take(init, disk, report); first = false) {
		if (!first && ((vmb_deadline_passed(until) && quiet >= quiet_min) ||
			       vmb_deadline_passed(last)))
			return give_up(init, disk, report);
		if (!first)
			quiet = init_uevent_wait(init->uevents, LOOK_MS) ? 0 : quiet + 1;
		look(init);
		init_ports_look(init);
	}
	return 0;
}

int init_settle(struct init *init, struct init_disk *disk, struct init_report *report)
{
	return settle_until(init, disk, vmb_deadline_in(init->patience.disk), report);
}

int init_settle_root(struct init *init, struct init_report *report)
{
	return init_settle(init, &init->disks[INIT_DISK_ROOT], report);
}

int init_settle_overlay(struct init *init, struct init_report *report)
{
	return init_settle(init, &init->disks[INIT_DISK_OVERLAY], report);
}

int init_settle_config(struct init *init, struct init_report *report)
{
	struct vmb_deadline until = vmb_deadline_in(init->patience.disk);
	int r = settle_until(init, &init->disks[INIT_DISK_CONFIG], until, report);

	if (r == 0)
		init_ports_wait(init, until);
	return r;
}
