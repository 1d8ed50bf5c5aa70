/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_SOURCE_H
#define VMB_IMAGE_SOURCE_H

/*
 * Where an image is imported from. A kind of source is one row of a table, in source.c:
 *
 *   resolve   reference → digest and config
 *   fetch     digest → all that build needs, on this host
 *   build     → root disk
 */

#include <sys/stat.h>

#include "archive/progress.h"
#include "image/image.h"

struct vmb_source_kind {
	const char *prefix; /* with the colon */
	const char *usage;  /* "oci:DIR[:TAG]" */
	mode_t type;	    /* what the path has to be: S_IFDIR or S_IFREG; 0: it is no path */
	bool remote;	    /* resolve asks another host, so no plan does it */

	/* Fills path and tag from what is behind the prefix. NULL: all of it is a path. */
	int (*parse)(const char *rest, struct vmb_source *source);

	/* Fills digest, fstype and config of *image, which is empty; reads as little as it can. */
	int (*resolve)(const struct vmb_source *source, const struct vmb_store *store,
		       struct vmb_image *image);

	/* NULL: it is all here. May take long. */
	int (*fetch)(const struct vmb_source *source, const struct vmb_store *store,
		     const struct vmb_image *image, struct vmb_progress_count *import);

	/* Makes the file disk of that same image, or fails if the source is not that any more. */
	int (*build)(const struct vmb_source *source, const struct vmb_image *image,
		     const char *disk, struct vmb_progress_count *import);
};

/* 1: it is a source. 0: it does not look like one. -VMBOOT_EIMAGE: one that cannot be. */
int vmb_source_parse(const char *ref, struct vmb_source *ret);
bool vmb_is_source(const char *ref);

/* The kind whose prefix ref begins with, or NULL. */
const struct vmb_source_kind *vmb_source_kind_of(const char *ref);

void vmb_source_done(struct vmb_source *source);
#define _cleanup_source_ vmb_cleanup(vmb_source_done)

/* "oci:/abs/dir:tag" */
int vmb_source_text(const struct vmb_source *source, char **ret);

/* The name that an image of this source gets: "localhost/<last part of path>:<tag>". */
int vmb_source_name(const struct vmb_source *source, char **ret);

/* "oci:DIR[:TAG], dir:DIR or tar:FILE": all there are. */
struct vmb_source_usage {
	char text[200];
};
struct vmb_source_usage vmb_source_usage(void);

/*
 * What image the source is; name NULL: named by the source. ask: also a source that is remote;
 * else that is looked for in the store. Takes the source over, also if it fails.
 */
int vmb_image_find_source(const struct vmb_store *store, struct vmb_source *source,
			  const char *name, bool ask, struct vmb_image *image);

extern const struct vmb_source_kind vmb_source_oci, vmb_source_dir, vmb_source_tar, vmb_source_disk;

#endif
