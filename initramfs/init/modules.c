/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"
#include "wire/disks.h"

enum { LIST_MAX = 65536 };

static int open_module(const struct init *init, const char *name)
{
	char path[INIT_PATH_MAX];
	int fd;

	if (strchr(name, '/'))
		return -EINVAL;
	init_path(init, path, VMB_INITRAMFS_MODULES "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int load(struct init *init, const char *name)
{
	_cleanup_close_ int fd = open_module(init, name);
	int r = fd < 0 ? fd : init->ops->load_module(fd);

	return r == -EEXIST ? 0 : r;
}

/* The initramfs is gone by the time these are loaded: their files are held open. */
static int hold(struct init *init, const char *name)
{
	int fd;

	if (init->n_late == INIT_LATE_MAX)
		return -E2BIG;
	fd = open_module(init, name);
	if (fd < 0)
		return fd;
	init->late[init->n_late++] = fd;
	return 0;
}

/* Calls fn for each line; returns how many, or what fn returned. A list that is not there is empty. */
static int each_line(struct init *init, const char *list, int (*fn)(struct init *, const char *),
		     struct init_report *report)
{
	_cleanup_free_ char *text = NULL;
	char path[INIT_PATH_MAX], *line, *rest;
	int r, count = 0;

	r = init_read_file(init_path(init, path, "%s", list), LIST_MAX, &text);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return init_failed(report, r, "%s", list);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		r = fn(init, line);
		if (r < 0)
			return init_failed(report, r, "%s", line);
		count++;
	}
	return count;
}

int init_modules(struct init *init, struct init_report *report)
{
	int n = each_line(init, VMB_INITRAMFS_MODULE_LIST, load, report);

	if (n < 0)
		return n;
	report->value = n;
	n = each_line(init, VMB_INITRAMFS_LATE_LIST, hold, report);
	return n < 0 ? n : 0;
}

void init_modules_late(struct init *init)
{
	for (size_t i = 0; i < init->n_late; i++) {
		int r = init->ops->load_module(init->late[i]);

		if (r < 0 && r != -EEXIST)
			init_log(init, "late module %zu did not load: %s", i, strerror(-r));
		close(init->late[i]);
	}
	init->n_late = 0;
}
