/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_IMAGE_IMPORTER_H
#define VMB_IMAGE_IMPORTER_H

/*
 * A disk is built in a process of its own, vmboot-import, which lies where vmboot-init does. What it
 * unpacks is not trusted, and libarchive ends its process when there is no memory; so it is that
 * process that ends, and the memory it may have is limited.
 *
 *   vmboot-import PROTOCOL KIND PATH TAG DIGEST DISK WHAT
 *
 * KIND is the prefix of a struct vmb_source_kind, TAG may be empty, WHAT is for messages. It leads a
 * process group, which is killed when its standard input ends, and writes lines to its standard output:
 *
 *   progress DONE TOTAL
 *   log LEVEL TEXT
 *   error CODE TEXT     CODE > 0; the last line
 *   ok                  DISK is complete; the last line
 *
 * The reader trusts none of it.
 *
 *   vmboot-import PROTOCOL tool PROGRAM ARGUMENT...
 *
 * runs a tool, with the same standard output and error, in that process group, so that it ends when
 * its caller does. It ends as the tool does.
 */

#include "image/source.h"

#define VMB_IMPORTER_PROTOCOL "1"
#define VMB_IMPORTER_TOOL "tool"

enum {
	VMB_IMPORTER_LINE_MAX = 8192, /* with its end */
	VMB_IMPORTER_LOG_MAX = 1000,  /* lines; more are dropped */

	/* Address space: a tree of the most entries and names needs 700, a decoder of xz -9 65. */
	VMB_IMPORTER_MEMORY_MIB = 1280,
};

/*
 * As source->kind->build(), in that process, for a kind of source.c's table. -ENOMEM: it needs more
 * memory than it may have. -VMBOOT_EIMAGE: as build(), or the process died of the image.
 * -VMBOOT_EHOST: as build(), or there is no such program. The file disk may be there after a failure.
 */
int vmb_importer_build(const struct vmb_source *source, const struct vmb_image *image,
		       const char *disk, struct vmb_progress_count *import);

#endif
