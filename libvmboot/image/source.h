/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_SOURCE_H
#define VMB_IMAGE_SOURCE_H

/* Where an image is imported from. A kind of source is one row of a table, in source.c. */

#include <sys/stat.h>

#include "archive/progress.h"
#include "image/image.h"

struct vmb_source;

struct vmb_source_kind {
	const char *prefix; /* with the colon */
	mode_t type;	    /* what the path has to be: S_IFDIR or S_IFREG */
	/* Fills digest, fstype and config of *image, which is empty; reads as little as it can. */
	int (*identify)(const struct vmb_source *source, const struct vmb_store *store,
			struct vmb_image *image);
	/* Makes the file disk of that same image, or fails if the source is not that any more. */
	int (*build)(const struct vmb_source *source, const struct vmb_image *image,
		     const char *disk, struct vmb_progress_count *import);
};

struct vmb_source {
	const struct vmb_source_kind *kind;
	char *path; /* absolute */
	char *tag;  /* oci: or NULL */
};

/* 1: it is a source. 0: it does not look like one. -VMBOOT_EIMAGE: one that cannot be. */
int vmb_source_parse(const char *ref, struct vmb_source *ret);
bool vmb_is_source(const char *ref);
void vmb_source_done(struct vmb_source *source);
#define _cleanup_source_ vmb_cleanup(vmb_source_done)

/* "oci:/abs/dir:tag" */
int vmb_source_text(const struct vmb_source *source, char **ret);

/* The name that an image of this source gets: "localhost/<last part of path>:<tag>". */
int vmb_source_name(const struct vmb_source *source, char **ret);

extern const struct vmb_source_kind vmb_source_oci, vmb_source_dir, vmb_source_tar, vmb_source_disk;

#endif
