/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "init.h"

enum {
	LOOK_MS = 10,
	UNNAMED_MS = 100, /* a port without a name may get one, or never */
};

static const char *const names[INIT_N_PORTS] = {
	[INIT_PORT_EVENTS] = VMB_EVENT_PORT,
	[INIT_PORT_STDOUT] = VMB_STDOUT_PORT,
	[INIT_PORT_STDERR] = VMB_STDERR_PORT,
};

static void open_port(struct init *init, const char *node, const char *name)
{
	char path[INIT_PATH_MAX];

	for (int i = 0; i < INIT_N_PORTS; i++)
		if (init->ports[i] < 0 && strcmp(names[i], name) == 0)
			init->ports[i] = open(init_path(init, path, "/dev/%s", node),
					      O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (init->events.fd < 0 && init->ports[INIT_PORT_EVENTS] >= 0) {
		init->events.fd = init->ports[INIT_PORT_EVENTS];
		init_event_flush(&init->events, 0);
	}
}

static bool all_open(const struct init *init)
{
	for (int i = 0; i < INIT_N_PORTS; i++)
		if (init->ports[i] < 0)
			return false;
	return true;
}

/*
 * True when no more can come: all are open; or ours for events is, and every port has its name.
 * The device announces all its ports before it names the first.
 */
bool init_ports_look(struct init *init)
{
	char path[INIT_PATH_MAX], name[64];
	bool unnamed = false;
	struct dirent *e;
	DIR *d;

	if (all_open(init))
		return true;
	d = opendir(init_path(init, path, "/sys/class/virtio-ports"));
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		init_path(init, path, "/sys/class/virtio-ports/%s/name", e->d_name);
		if (init_read_text(path, name, sizeof(name)) > 0)
			open_port(init, e->d_name, name);
		else
			unnamed = true;
	}
	if (d)
		closedir(d);
	return all_open(init) || (init->events.fd >= 0 && !unnamed);
}

/* Without a device that is bound to the driver, no port will ever come. */
static bool has_device(const struct init *init)
{
	char path[INIT_PATH_MAX];
	struct dirent *e;
	bool found = false;
	DIR *d = opendir(init_path(init, path, "/sys/bus/virtio/drivers/virtio_console"));

	while (d && !found && (e = readdir(d)))
		found = strncmp(e->d_name, "virtio", 6) == 0;
	if (d)
		closedir(d);
	return found;
}

void init_ports_wait(struct init *init, struct vmb_deadline until)
{
	bool had_events = init->events.fd >= 0;
	struct vmb_deadline unnamed = vmb_deadline_in(UNNAMED_MS);

	while (!init_ports_look(init) && has_device(init)) {
		if (!had_events && init->events.fd >= 0) {
			had_events = true;
			unnamed = vmb_deadline_in(UNNAMED_MS);
		}
		if (vmb_deadline_passed(until) || (had_events && vmb_deadline_passed(unnamed)))
			return;
		init_uevent_wait(init->uevents, LOOK_MS);
	}
}
