/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_IMAGE_H
#define VMB_IMAGE_IMAGE_H

/*
 * The image room. In: a reference ("node:20", "oci:DIR[:TAG]", "tar:FILE", "dir:DIR",
 * "disk:FILE") and the store. Out: a read-only root disk in the store, keyed by digest, and the
 * image's config. Sources are only read; an import appears whole or not at all.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/str.h"
#include "store/store.h"

/* How the image wants its program checked, Docker's HEALTHCHECK. 0: the default of who checks. */
struct vmb_image_health {
	char **test; /* NULL: the image has none; else "NONE", "CMD" and a command, or "CMD-SHELL" */
	uint64_t interval_ms, timeout_ms, start_period_ms, start_interval_ms;
	uint64_t retries;
};

/* What the image says about its program; NULL or empty where it says nothing. */
struct vmb_image_config {
	char **entrypoint;
	char **cmd;
	char **env;
	char *workdir;
	char *user;
	char *stop_signal;    /* as the image has it: "SIGINT", "INT", "2", "SIGRTMIN+3" */
	char **exposed_ports; /* "80/tcp"; without the protocol it is tcp */
	char **volumes;	      /* paths */
	char **labels;	      /* name, value, name, value, … */
	struct vmb_image_health health;
};

void vmb_image_config_done(struct vmb_image_config *config);
#define _cleanup_image_config_ vmb_cleanup(vmb_image_config_done)

/* One layer that an image was made from. */
struct vmb_image_layer {
	char *digest;
	char *media_type; /* or NULL */
	uint64_t bytes;	  /* as it was read, mostly compressed */
};

/* One step of how an image was built. Texts that are not there are NULL. */
struct vmb_image_step {
	char *created, *created_by, *comment;
	bool empty; /* it made no layer */
};

/* What an image says about itself beside its config; all of it may be missing. */
struct vmb_image_origin {
	char *created; /* RFC 3339 */
	char *author;
	char *arch, *variant;		/* as OCI calls them */
	struct vmb_image_layer *layers; /* the lowest first */
	size_t n_layers;
	struct vmb_image_step *history; /* the oldest first */
	size_t n_history;
};

void vmb_image_origin_done(struct vmb_image_origin *origin);
#define _cleanup_image_origin_ vmb_cleanup(vmb_image_origin_done)

/* Where an image is imported from; see source.h. */
struct vmb_source {
	const struct vmb_source_kind *kind; /* NULL: from nowhere, it is in the store */
	char *path;			    /* absolute */
	char *tag;			    /* or NULL */
	const struct vmboot_opts *opts; /* borrowed: how a registry is asked; NULL: all default */
};

struct vmb_image {
	char *name;		/* in full, "localhost/node:20" */
	char *source;		/* what it was or would be imported from, or NULL */
	struct vmb_source from; /* the same, where the caller named a source */
	char *digest;		/* "sha256:…" of what it is made from */
	char *disk;		/* path in the store; where it will be if it is not yet */
	char *fstype;		/* "squashfs", "erofs", "ext4" */
	bool present;		/* in the store already */
	uint64_t bytes;		/* of the disk, if present */
	int64_t imported;	/* when, seconds since 1970, if present */
	struct vmb_image_config config;
	struct vmb_image_origin origin;
	char *manifest; /* as it stands in a registry that was just asked, or NULL */
	size_t n_manifest;
};

void vmb_image_done(struct vmb_image *image);
#define _cleanup_image_ vmb_cleanup(vmb_image_done)

/*
 * Finds out all about an image, and changes nothing. A source that is not imported yet is read
 * (and, for tar: and disk:, hashed) to get its digest; one that is not on this host is looked for in
 * the store only. -VMBOOT_ENOIMAGE: a name that no one imported; -VMBOOT_EIMAGE: a source that
 * cannot be used, or a reference that is none.
 */
int vmb_image_find(const struct vmb_store *store, const char *ref, struct vmb_image *ret);

/*
 * Imports what vmb_image_find() found from a source, if it is not present, and gives it its name.
 * Holds the store's lock for this digest, so a second importer waits and finds the first one's work.
 */
int vmb_image_import(const struct vmb_store *store, const struct vmb_log *log,
		     struct vmb_image *image);

/* Finds and imports; the source is asked wherever it is. name NULL: the name is made from it. */
int vmb_image_ensure(const struct vmb_store *store, const char *ref, const char *name,
		     const struct vmb_log *log, struct vmb_image *ret);

/*
 * The same for a source, or for a name, which registries are asked for in any case; in pull.c. opts:
 * platform, authfile, creds, cert_dir and tls_verify are read. An image that the store has, whatever
 * its name is there, is not fetched again, and else only those of its layers that the store lacks.
 */
int vmb_image_pull(const struct vmb_store *store, const struct vmboot_opts *opts, const char *ref,
		   const char *name, const struct vmb_log *log, struct vmb_image *ret);

/*
 * Before a plan: pulls opts->image, if opts->pull wants that, so that vmb_image_find() finds it. Does
 * nothing for a source that is on this host.
 */
int vmb_image_provide(const struct vmb_store *store, const struct vmboot_opts *opts,
		      const struct vmb_log *log);

/* Refuses, in words, an image that is for another platform than guests of this host. */
int vmb_image_check_platform(const struct vmb_image *image);

/*
 * Makes folder/image (folder: a VM's, vms/<name>) a link to the image, which keeps it from being
 * removed. -VMBOOT_ENOIMAGE if it was removed since it was found.
 */
int vmb_image_use(const struct vmb_store *store, const struct vmb_image *image, const char *folder);

/*
 * The digests of images that have neither a name nor a VM: what is left when a name moved on while
 * a VM used its old image, and that VM is gone. And the way to remove one, if it still is so: 1, or
 * 0 if it is not.
 */
int vmb_image_unused(const struct vmb_store *store, char ***ret_digests);
int vmb_image_drop(const struct vmb_store *store, const char *digest);

/*
 * The name in full that something gets: "node" is "localhost/node:latest". -VMBOOT_EIMAGE if it is
 * no name. What a name stands for that is looked for is more than that: see name.h.
 */
int vmb_image_full_name(const char *name, char **ret);

/* The name in full of what a user means by name, or -VMBOOT_ENOIMAGE. */
int vmb_image_known_name(const struct vmb_store *store, const char *name, char **ret);

#endif
