/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_ARCHIVE_TAROUT_H
#define VMB_ARCHIVE_TAROUT_H

/*
 * A tar stream in which every name is the bytes that it is: long names are in GNU 'L' and 'K'
 * records (those of pax are UTF-8), large numbers in base 256, there are no owner names, and pax is
 * only for xattrs.
 */

#include <archive.h>
#include <archive_entry.h>

#include "base/log.h"

struct vmb_tarout {
	int fd;		  /* non-blocking; not owned */
	const char *what; /* for messages */
	const struct vmb_log *log;
	uint8_t *buf;
	size_t len;
	uint64_t left; /* bytes of content that the entry still has to get */
	unsigned pad;
};

int vmb_tarout_init(struct vmb_tarout *out, int fd, const char *what, const struct vmb_log *log);
void vmb_tarout_done(struct vmb_tarout *out);
#define _cleanup_tarout_ vmb_cleanup(vmb_tarout_done)

/*
 * The header of entry at the clean path. A regular file's size must follow as content. -EPIPE:
 * the reader is gone, and its last words tell more than this error.
 */
int vmb_tarout_entry(struct vmb_tarout *out, const char *path, struct archive_entry *entry);
int vmb_tarout_link(struct vmb_tarout *out, const char *path, const char *target);
int vmb_tarout_folder(struct vmb_tarout *out, const char *path); /* 0755, of root */

/* Likewise, and overlayfs shows nothing that lower layers have there. */
int vmb_tarout_opaque(struct vmb_tarout *out, const char *path);

/* Content; data NULL: zeros. */
int vmb_tarout_data(struct vmb_tarout *out, const void *data, uint64_t n);

int vmb_tarout_end(struct vmb_tarout *out);

#endif
