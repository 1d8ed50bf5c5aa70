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

/*
 * A kernel that enforces signatures, or is locked down, refuses a module without one; the whole
 * module then shows whether that was why, and if so, no other is tried.
 */
static int load_file(struct init *init, int fd)
{
	int refused = init->unchecked ? init_load_unchecked(init, fd) : -ENODATA;
	int r;

	if (refused == 0)
		init->n_unchecked++;
	if (refused == 0 || refused == -EEXIST)
		return 0;
	r = init->ops->load_module(fd);
	if (r == -EEXIST)
		r = 0;
	if (r == 0 && refused != -ENODATA) {
		init->unchecked = false;
		init->insists = strerror(-refused);
	}
	return r;
}

static int load(struct init *init, const char *name)
{
	_cleanup_close_ int fd = open_module(init, name);

	return fd < 0 ? fd : load_file(init, fd);
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

/* In FIPS mode, a cipher in a module whose signature was not checked is a panic. */
static void heed_fips(struct init *init)
{
	char path[INIT_PATH_MAX], text[8];

	if (init_read_text(init_path(init, path, "/proc/sys/crypto/fips_enabled"), text,
			   sizeof(text)) <= 0 ||
	    strcmp(text, "0") == 0)
		return;
	init->unchecked = false;
	init->insists = "FIPS mode";
}

/* How many were loaded, the report says anyway. On the console too, for who sees no ledger. */
static void tell_signatures(const struct init *init, int n, struct init_report *report)
{
	const size_t size = sizeof(report->detail);

	if (init->insists)
		init_format(report->detail, size,
			    "skip_module_signatures has no effect, this kernel insists: %s",
			    init->insists);
	else if (init->n_unchecked == (size_t)n)
		init_format(report->detail, size, "signatures not checked");
	else /* the others have none */
		init_format(report->detail, size, "%zu signatures not checked", init->n_unchecked);
	init_log(init, "modules: %s", report->detail);
}

int init_modules(struct init *init, struct init_report *report)
{
	const bool unchecked = init->unchecked;
	int n;

	if (unchecked)
		heed_fips(init);
	n = each_line(init, VMB_INITRAMFS_MODULE_LIST, load, report);
	if (n < 0)
		return n;
	report->value = n;
	if (unchecked)
		tell_signatures(init, n, report);
	n = each_line(init, VMB_INITRAMFS_LATE_LIST, hold, report);
	return n < 0 ? n : 0;
}

void init_modules_late(struct init *init)
{
	for (size_t i = 0; i < init->n_late; i++) {
		int r = load_file(init, init->late[i]);

		if (r < 0)
			init_log(init, "late module %zu did not load: %s", i, strerror(-r));
		close(init->late[i]);
	}
	init->n_late = 0;
}
