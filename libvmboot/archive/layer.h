/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_LAYER_H
#define VMB_ARCHIVE_LAYER_H

/*
 * Reads one layer: a tar file, compressed or not, whose digest is checked on the way. In: which
 * file it is and has to be. Out: its entries.
 */

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include "archive/gunzip.h"
#include "archive/progress.h"
#include "archive/spool.h"
#include "base/hash.h"

struct vmb_layer {
	char *path;
	char *what; /* for messages: "layer 2 of 5 (sha256:…)" */
	char hex[VMB_SHA256_HEX + 1];
	uint64_t size;
	bool whiteouts;	 /* .wh.NAME means that NAME is gone, as in OCI layers */
	bool any_filter; /* each compression that libarchive has, not just what OCI has */
};

struct vmb_layers {
	struct vmb_layer *v; /* the lowest first */
	size_t n;
};
void vmb_layers_done(struct vmb_layers *layers);
#define _cleanup_layers_ vmb_cleanup(vmb_layers_done)

struct vmb_layer_reader {
	const struct vmb_layer *layer;
	struct vmb_progress_count *import;
	struct archive *packed;	     /* the file, of which it takes the compression off */
	struct archive *archive;     /* what is in that: tar */
	struct archive_entry *entry; /* the archive's */
	int fd;
	int read_errno;
	int limit; /* what vmb_limit_check() said, with the error set */
	struct vmb_hash hash;
	uint64_t bytes;	 /* of the file */
	uint64_t plain;	 /* of them without compression */
	bool plain_ends; /* at plain */
	uint8_t *buf;
	size_t head;		   /* bytes in buf that were read to see what the file is */
	struct vmb_gunzip *gunzip; /* in place of packed, or NULL */
	uint8_t *inflated;
	struct vmb_spool *spool; /* where it is written or read, or NULL */
	struct vmb_spool_part *part;
	uint64_t spooled; /* of the part, read */
	bool from_spool;
};

int vmb_layer_open(struct vmb_layer_reader *r, const struct vmb_layer *layer,
		   struct vmb_progress_count *import);

/* The same, and what it is without compression goes to the spool, and is read from there. */
int vmb_layer_open_spooling(struct vmb_layer_reader *r, const struct vmb_layer *layer,
			    struct vmb_progress_count *import, struct vmb_spool *spool,
			    struct vmb_spool_part *part);
int vmb_layer_open_spooled(struct vmb_layer_reader *r, const struct vmb_layer *layer,
			   struct vmb_progress_count *import, struct vmb_spool *spool,
			   struct vmb_spool_part *part);
void vmb_layer_done(struct vmb_layer_reader *r);
#define _cleanup_layer_ vmb_cleanup(vmb_layer_done)

/* 1: r->entry is the next entry. 0: no more, and the file was what it has to be. */
int vmb_layer_next(struct vmb_layer_reader *r);

/* A piece of the entry's content: 1, or 0 at its end. */
int vmb_layer_data(struct vmb_layer_reader *r, const void **ret, size_t *ret_n, int64_t *ret_at);

/*
 * libarchive converts names between character sets, and composes UTF-8 anew on the way, unless the
 * thread's locale is "C": then names stay the bytes that they are. For the scope of a function.
 */
struct vmb_c_locale {
	locale_t c, old;
};
int vmb_c_locale_enter(struct vmb_c_locale *l);
void vmb_c_locale_leave(struct vmb_c_locale *l);
#define _cleanup_c_locale_ vmb_cleanup(vmb_c_locale_leave)

#endif
