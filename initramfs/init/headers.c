/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "init.h"
#include "wire/disks.h"

/*
 * The kernel disk has what belongs to /lib/modules and /usr/src, once for each way in which an
 * image can have its /lib; overlay.c lays the one that fits over the image, as one more layer. A
 * layer's folder in the place of an image's link would hide the link, so an image that has links
 * elsewhere than we know boots without.
 */
static const char *const must_be_folders[] = {"usr", "usr/lib", "usr/src"};
static const char *const links_to_usr[] = {"usr/lib", "/usr/lib", "./usr/lib", "usr/lib/",
					   "/usr/lib/"};

enum kind { ABSENT, FOLDER, LINK, OTHER };

static enum kind kind_of(const struct init *init, const char *name)
{
	char path[INIT_PATH_MAX];
	struct stat st;

	if (lstat(init_path(init, path, "/lower/%s", name), &st) < 0)
		return ABSENT;
	return S_ISDIR(st.st_mode) ? FOLDER : S_ISLNK(st.st_mode) ? LINK : OTHER;
}

static bool lib_is_in_usr(const struct init *init)
{
	char path[INIT_PATH_MAX], target[32];
	ssize_t n = readlink(init_path(init, path, "/lower/lib"), target, sizeof(target) - 1);

	target[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(links_to_usr); i++)
		if (strcmp(target, links_to_usr[i]) == 0)
			return true;
	return false;
}

/* The layer for this image; or NULL, and the detail says why. */
static const char *choose(const struct init *init, struct init_report *report)
{
	const char *odd = NULL;
	enum kind lib = kind_of(init, "lib");

	for (size_t i = 0; i < ARRAY_SIZE(must_be_folders) && !odd; i++)
		if (kind_of(init, must_be_folders[i]) > FOLDER)
			odd = must_be_folders[i];
	if (!odd && lib <= FOLDER)
		return "/kernel/split";
	if (!odd && lib == LINK && lib_is_in_usr(init))
		return "/kernel/merged";
	init_format(report->detail, sizeof(report->detail),
		    "no modules, no headers: the image's /%s is not a folder", odd ? odd : "lib");
	return NULL;
}

static int without(struct init *init, struct init_report *report)
{
	const char *what = "no kernel disk is attached";

	if (init->config.skip_kernel_headers) {
		what = "skipping kernel headers setup";
		init_log(init, "%s", what);
	}
	init_format(report->detail, sizeof(report->detail), "%s", what);
	return 0;
}

int init_headers(struct init *init, struct init_report *report)
{
	struct init_disk *disk = init_disk_find(init, VMB_SERIAL_KERNEL);
	char point[INIT_PATH_MAX];
	int r;

	if (!disk)
		return without(init, report);
	r = init_settle(init, disk, report);
	if (r < 0)
		return r;
	init->layer = choose(init, report);
	if (init->layer) {
		r = init_disk_mount(init, disk, init_path(init, point, "/kernel"), report);
		if (r < 0)
			return r;
		init_format(report->detail, sizeof(report->detail), "%s", init->config.kernel_note);
	}
	/* what is missing is a warning: on the console too, for who sees no ledger */
	if (report->detail[0])
		init_log(init, "%s", report->detail);
	return 0;
}
