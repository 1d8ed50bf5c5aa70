/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_AGENT_TAR_H
#define VMB_AGENT_TAR_H

/* Archives as wire/stream.h describes them: ustar, with pax records and GNU.sparse 1.0. tar.c does no I/O. */

#include <limits.h>
#include <sys/stat.h>

#include "agent.h"

enum {
	TAR_BLOCK = 512,
	TAR_PAX_MAX = 1 << 20,
	TAR_PARTS_MAX = 16384, /* of a sparse file */
};

/* An entry, as its header and the pax records before it say. */
struct tar_entry {
	char type; /* of ustar: '0' file, '1' hard link, '2' link, '3' '4' devices, '5' folder, '6' fifo, 'x', 'g' */
	char path[PATH_MAX], link[PATH_MAX];
	uint64_t size; /* of what follows the header */
	uint64_t real; /* of the file, if sparse */
	bool sparse;
	uint32_t mode, uid, gid, major, minor;
	struct timespec atime, mtime;
	unsigned has; /* enum tar_has: what pax records said, which goes over the header */
};

enum tar_has {
	TAR_HAS_PATH = 1,
	TAR_HAS_LINK = 2,
	TAR_HAS_SIZE = 4,
	TAR_HAS_UID = 8,
	TAR_HAS_GID = 16,
	TAR_HAS_MTIME = 32,
	TAR_HAS_ATIME = 64,
	TAR_HAS_MAJOR = 128, /* of the sparse format */
	TAR_HAS_MINOR = 256,
	TAR_HAS_REAL = 512,
	TAR_HAS_NAME = 1024, /* of the sparse file */
};

struct tar_part {
	uint64_t at, n;
};

/* Fills in what the pax records left out. 0, 1: a block of zeros, or -EBADMSG. */
int tar_read_header(const uint8_t block[TAR_BLOCK], struct tar_entry *entry);
/* n bytes of pax records, with a 0 behind them, which it changes. 0 or -EBADMSG. */
int tar_read_pax(char *text, size_t n, struct tar_entry *entry);
/* A path without a way out, "./" and double slashes: in place. 0 or -EBADMSG; "" is the top itself. */
int tar_clean_path(char *path);

struct tar_map {
	size_t n, wanted;
	uint64_t number;  /* the one that is being read */
	unsigned numbers; /* how many were */
	struct tar_part parts[TAR_PARTS_MAX];
};

/*
 * Takes the next block of a sparse file's map. 1: that was the last, 0: more is to come, -EBADMSG:
 * no map of a file of that size, in order.
 */
int tar_read_map(const uint8_t block[TAR_BLOCK], uint64_t real, struct tar_map *map);

/* The ustar header. What it cannot hold must be in pax records before it. */
void tar_write_header(const struct tar_entry *entry, uint8_t block[TAR_BLOCK]);
/* Adds "LEN key=value\n"; false: no room. */
bool tar_write_pax(char *text, size_t size, size_t *n, const char *key, const char *value);

/* To stderr: what, which, and errno's words unless err is 0. Returns 1, the exit code. */
int tar_complain(const char *what, const char *which, int err);

#endif
