/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "qga.h"

/* ---- where a disk is ---- */

struct pci {
	int64_t domain, bus, slot, function;
};

static bool hex(const char **s, int digits, char end, int64_t *ret)
{
	int64_t v = 0;

	for (int i = 0; i < digits; i++) {
		char c = (*s)[i];

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + (c - 'a' + 10);
		else
			return false;
	}
	if ((*s)[digits] != end)
		return false;
	*s += digits + (end != '\0');
	*ret = v;
	return true;
}

/* "0000:00:1f.2" */
static bool parse_pci(const char *s, struct pci *ret)
{
	struct pci p;

	if (!hex(&s, 4, ':', &p.domain) || !hex(&s, 2, ':', &p.bus) || !hex(&s, 2, '.', &p.slot) ||
	    !hex(&s, 1, '\0', &p.function))
		return false;
	*ret = p;
	return true;
}

struct place {
	struct pci pci;	      /* all -1: unknown */
	const char *bus_type; /* of QEMU's enum GuestDiskBusType */
	char disk[64];	      /* the whole one's name, also for a part of it */
};

/* A path in /sys: ".../pci0000:00/0000:00:03.0/virtio2/block/vdb/vdb1" */
static void take_place(char *path, struct place *ret)
{
	char *part, *before = NULL;

	*ret = (struct place){.pci = {-1, -1, -1, -1}, .bus_type = "unknown"};
	while ((part = strsep(&path, "/"))) {
		parse_pci(part, &ret->pci);
		if (strncmp(part, "virtio", 6) == 0)
			ret->bus_type = "virtio";
		if (strncmp(part, "nvme", 4) == 0)
			ret->bus_type = "nvme";
		if (strncmp(part, "host", 4) == 0 && strcmp(ret->bus_type, "unknown") == 0)
			ret->bus_type = "scsi";
		if (before && strcmp(before, "block") == 0)
			init_format(ret->disk, sizeof(ret->disk), "%s", part);
		before = part;
	}
}

/* Target and unit tell the disks of one controller apart; each of ours is a controller. */
static void put_address(struct agent_qga *q, struct ajson_out *out, const char *name,
			char *sys_path)
{
	char path[INIT_PATH_MAX], text[64];
	struct place place;

	take_place(sys_path, &place);
	ajson_open(out, name, '{');
	ajson_open(out, "pci-controller", '{');
	ajson_int(out, "domain", place.pci.domain);
	ajson_int(out, "bus", place.pci.bus);
	ajson_int(out, "slot", place.pci.slot);
	ajson_int(out, "function", place.pci.function);
	ajson_close(out, '}');
	ajson_string(out, "bus-type", place.bus_type);
	ajson_int(out, "bus", 0);
	ajson_int(out, "target", 0);
	ajson_int(out, "unit", 0);
	init_path(q->init, path, "/sys/block/%s/serial", place.disk);
	if (place.disk[0] && init_read_text(path, text, sizeof(text)) > 0)
		ajson_string(out, "serial", text);
	init_format(text, sizeof(text), "/dev/%s", place.disk);
	if (place.disk[0])
		ajson_string(out, "dev", text);
	ajson_close(out, '}');
}

/* What the link at path points to, in target; false: it is none. */
static bool read_link(const char *path, char target[INIT_PATH_MAX])
{
	ssize_t n = readlink(path, target, INIT_PATH_MAX - 1);

	target[n > 0 ? n : 0] = '\0';
	return n > 0;
}

void qga_disk_address(struct agent_qga *q, struct ajson_out *out, const char *name, unsigned major,
		      unsigned minor)
{
	char path[INIT_PATH_MAX], target[INIT_PATH_MAX];

	init_path(q->init, path, "/sys/dev/block/%d:%d", (int)major, (int)minor);
	if (read_link(path, target))
		put_address(q, out, name, target);
}

/* ---- all disks ---- */

static void put_disk(struct agent_qga *q, struct ajson_out *out, const char *disk, const char *part)
{
	char path[INIT_PATH_MAX], target[INIT_PATH_MAX], text[300];

	ajson_open(out, NULL, '{');
	init_format(text, sizeof(text), "/dev/%s", part ? part : disk);
	ajson_string(out, "name", text);
	ajson_bool(out, "partition", part != NULL);
	ajson_open(out, "dependencies", '[');
	init_format(text, sizeof(text), "/dev/%s", disk);
	if (part)
		ajson_string(out, NULL, text);
	ajson_close(out, ']');
	init_path(q->init, path, "/sys/block/%s", disk);
	if (!part && read_link(path, target) && strstr(target, "/pci"))
		put_address(q, out, "address", target);
	ajson_close(out, '}');
}

static void put_parts(struct agent_qga *q, struct ajson_out *out, const char *disk)
{
	char path[INIT_PATH_MAX], text[16];
	DIR *d = opendir(init_path(q->init, path, "/sys/block/%s", disk));
	struct dirent *e;

	while (d && (e = readdir(d))) {
		init_path(q->init, path, "/sys/block/%s/%s/partition", disk, e->d_name);
		if (e->d_name[0] != '.' && init_read_text(path, text, sizeof(text)) > 0)
			put_disk(q, out, disk, e->d_name);
	}
	if (d)
		closedir(d);
}

/* A device that has no size has nothing in it. */
static bool has_size(struct agent_qga *q, const char *disk)
{
	char path[INIT_PATH_MAX], text[32];

	init_path(q->init, path, "/sys/block/%s/size", disk);
	return init_read_text(path, text, sizeof(text)) > 0 && strcmp(text, "0") != 0;
}

QGA_COMMAND(get_disks)
{
	char path[INIT_PATH_MAX];
	DIR *d = opendir(init_path(q->init, path, "/sys/block"));
	struct dirent *e;

	(void)call;
	if (!d)
		return qga_fail_errno(q, "reading", path);
	ajson_open(out, NULL, '[');
	while ((e = readdir(d)))
		if (e->d_name[0] != '.' && has_size(q, e->d_name)) {
			put_disk(q, out, e->d_name, NULL);
			put_parts(q, out, e->d_name);
		}
	closedir(d);
	ajson_close(out, ']');
	return 0;
}
