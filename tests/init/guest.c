/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "test.h"

static int load_module(int fd)
{
	(void)fd;
	return 0;
}

static int load_bytes(const void *module, size_t n)
{
	(void)module, (void)n;
	return 0;
}

static int become(const struct init_user *user)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(user->n_groups, user->groups) < 0 || setgid(user->gid) < 0 ||
	    setuid(user->uid) < 0)
		return -errno;
	return 0;
}

static int no_mount(const char *source, const char *target, const char *type, unsigned long flags,
		    const char *data)
{
	(void)source, (void)target, (void)type, (void)flags, (void)data;
	return 0;
}

/* Our own children only; what they leave behind becomes ours, too (a subreaper's). */
static void kill_rest(int sig)
{
	char path[64], pids[4096], *p = pids, *end;
	long pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	init_read_text(path, pids, sizeof(pids));
	while ((pid = strtol(p, &end, 10)) > 1 && end > p) {
		kill((pid_t)pid, sig);
		p = end;
	}
}

static void power_off(int how)
{
	(void)how;
}

static void agent_gone(const struct init *init)
{
	(void)init;
}

static int make_node(const char *path, mode_t mode, dev_t number)
{
	(void)path, (void)mode, (void)number;
	return 0;
}

const struct init_ops guest_ops = {load_module, load_bytes, become,    no_mount,
				   make_node,	kill_rest,  power_off, agent_gone};

struct init *guest_new(void)
{
	static const char *const folders[] = {"dev", "sys/block",      "sys/class/virtio-ports",
					      "etc", "vmboot/modules", "proc"};
	struct init *init = calloc(1, sizeof(*init));
	uint8_t *bytes = malloc(VMB_CONFIG_BLOCK + VMB_CONFIG_SIZE_MAX);

	if (!init || !bytes)
		abort();
	init_setup(init, test_path("%s/guest", test_tmpdir()), &guest_ops);
	init->patience = (struct init_patience){GUEST_MS, GUEST_MS, GUEST_MS, GUEST_MS, GUEST_MS};
	init->config_bytes = bytes;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (vmb_mkdir_p(test_path("%s/%s", init->root, folders[i]), 0755) < 0)
			abort();
	if (symlink("/dev/null", test_path("%s/dev/null", init->root)) < 0 && errno != EEXIST)
		abort();
	return init;
}

void guest_free(struct init *init)
{
	for (int i = 0; i < INIT_N_PORTS; i++)
		vmb_closep(&init->ports[i]);
	vmb_closep(&init->uevents);
	vmb_closep(&init->signals);
	vmb_config_done(&init->config);
	free(init->config_bytes);
	free(init);
}

void guest_write(const struct init *init, const char *text, const char *fmt, ...)
{
	char *name, *folder, *slash;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&name, fmt, ap) < 0)
		abort();
	va_end(ap);
	folder = strdup(test_path("%s/%s", init->root, name));
	slash = strrchr(folder, '/');
	*slash = '\0';
	if (vmb_mkdir_p(folder, 0755) < 0)
		abort();
	test_write(test_path("%s/%s", init->root, name), text);
	free(folder);
	free(name);
}

void guest_disk(const struct init *init, const char *name, const char *serial)
{
	guest_write(init, "", "dev/%s", name);
	guest_write(init, "8", "sys/block/%s/size", name);
	if (serial)
		guest_write(init, serial, "sys/block/%s/serial", name);
}

void guest_config_disk(struct init *init, const struct vmb_config_disk *row)
{
	struct init_report report = {0};

	for (size_t i = 0; i < init->n_disks; i++)
		init->disks[i].config = NULL;
	init->config.disks[init->config.n_disks++] = *row;
	if (init_disks_add(init, &report) < 0)
		abort();
}

bool guest_event(int fd, struct vmb_event *ret)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t record[VMB_EVENT_SIZE];

	return poll(&p, 1, GUEST_MS) > 0 && read(fd, record, sizeof(record)) == sizeof(record) &&
	       vmb_event_decode(record, ret) == 0;
}
