/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TEST_IMAGE_FIXTURE_H
#define TEST_IMAGE_FIXTURE_H

/* OCI layouts and tars to order, and what an imported disk has in it. All abort on failure. */

#include "image/image.h"
#include "test.h"

/* One entry of a tar. */
struct fixture_entry {
	char type; /* 'f', 'd', 'l' symlink, 'h' hard link, 'c' device 5:1, 's' sparse of 1 MiB */
	const char *path;
	const char *text; /* content or target */
	unsigned mode;	  /* 0: 0644, of folders 0755 */
	unsigned uid, gid;
	const char *xattr; /* "name=value" */
};

enum { FIXTURE_ENTRIES_MAX = 12 };

struct fixture_layer {
	struct fixture_entry entries[FIXTURE_ENTRIES_MAX + 1]; /* ended by one without a path */
};

#define FILE_OF(p, t, ...)                                                                         \
	{                                                                                          \
		.type = 'f', .path = p, .text = t, ##__VA_ARGS__                                   \
	}
#define MARK(p)                                                                                    \
	{                                                                                          \
		.type = 'f', .path = p                                                             \
	}
#define FOLDER(p, ...)                                                                             \
	{                                                                                          \
		.type = 'd', .path = p, ##__VA_ARGS__                                              \
	}
#define SYMLINK(p, t)                                                                              \
	{                                                                                          \
		.type = 'l', .path = p, .text = t                                                  \
	}
#define HARDLINK(p, t)                                                                             \
	{                                                                                          \
		.type = 'h', .path = p, .text = t                                                  \
	}
#define DEVICE(p, ...)                                                                             \
	{                                                                                          \
		.type = 'c', .path = p, ##__VA_ARGS__                                              \
	}
#define SPARSE(p)                                                                                  \
	{                                                                                          \
		.type = 's', .path = p                                                             \
	}
#define OWNED(u, g) .uid = u, .gid = g
#define LAYER(...)                                                                                 \
	{                                                                                          \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

/* filter: "none", "gzip", "zstd", "bzip2", "xz" */
void fixture_tar(const char *path, const struct fixture_layer *layer, const char *filter);

/*
 * Puts an image into the layout dir, which is made if need be: its manifest's digest. config NULL:
 * a plain one. tag NULL: none.
 */
const char *fixture_image(const char *dir, const char *tag, const char *config,
			  const struct fixture_layer *layers, size_t n, const char *filter);

/* Puts any bytes into the layout as a blob: its digest. */
const char *fixture_blob(const char *dir, const char *text);

/* "MODE uid/gid SIZE path[ -> target]\n" of all but the root, sorted; folders without size. */
const char *fixture_listing(const char *disk);
const char *fixture_cat(const char *disk, const char *path);
void fixture_unpack(const char *disk, const char *dir);

/* Runs a tool, which must succeed; what it wrote lives as test_path()'s. */
const char *fixture_run(const char *const *argv);
#define RUN(...) fixture_run((const char *const[]){__VA_ARGS__, NULL})

/* How many entries a folder has that start with prefix; 0 if it is not there. */
size_t fixture_count(const char *dir, const char *prefix);

#endif
