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
	bool remote;	    /* resolve asks another host or program, so no plan does it */
	bool registry;	    /* a registry has it, and what is in the store need not be looked for */

	/* Fills path and tag from what is behind the prefix. NULL: all of it is a path. */
	int (*parse)(const char *rest, struct vmb_source *source);

	/* The name that an image of it gets. NULL: made of the last part of path, and of tag. */
	int (*name)(const struct vmb_source *source, char **ret);

	/*
	 * Fills digest, fstype and config of *image, which is empty; reads as little as it can. config
	 * may also come with fetch.
	 */
	int (*resolve)(const struct vmb_source *source, const struct vmb_store *store,
		       struct vmb_image *image);

	/*
	 * Into the folder, which is the image's in the store while it is being made. May take long. NULL:
	 * it is all here.
	 */
	int (*fetch)(const struct vmb_source *source, const struct vmb_store *store,
		     const struct vmb_image *image, const char *folder,
		     struct vmb_progress_count *import);

	/*
	 * Makes the file disk of that same image, or fails if the source is not that any more. NULL: fetch
	 * has made the folder an OCI layout, and the disk is made of that.
	 */
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

/* The name that an image of this source gets; and "localhost/<last part of path>:<tag>". */
int vmb_source_name(const struct vmb_source *source, char **ret);
int vmb_source_file_name(const struct vmb_source *source, char **ret);

/* "oci:DIR[:TAG], dir:DIR or tar:FILE": all there are. */
struct vmb_source_usage {
	char text[400];
};
struct vmb_source_usage vmb_source_usage(void);

/*
 * What image the source is; name NULL: named by the source. ask: also a source that is remote;
 * else that is looked for in the store. Takes the source over, also if it fails.
 */
int vmb_image_find_source(const struct vmb_store *store, struct vmb_source *source,
			  const char *name, bool ask, struct vmb_image *image);

extern const struct vmb_source_kind vmb_source_oci, vmb_source_dir, vmb_source_tar, vmb_source_disk;

/* By skopeo; in transport.c. */
extern const struct vmb_source_kind vmb_source_docker, vmb_source_docker_archive,
	vmb_source_oci_archive, vmb_source_storage, vmb_source_docker_daemon, vmb_source_skopeo_dir;

/* As vmb_source_oci's resolve, but of whatever platform the image's config says it is. */
int vmb_oci_read(const struct vmb_source *source, struct vmb_image *image);

/*
 * Splits "PATH[:REST]" at the first colon that has a path of that type before it; both may have colons.
 * ret_rest: NULL where there is none. -VMBOOT_EIMAGE: there is no such file.
 */
int vmb_source_split(const struct vmb_source_kind *kind, const char *text, char **ret_path,
		     char **ret_rest);

#endif
