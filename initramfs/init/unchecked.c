/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A signed module is an ELF file, its signature, 12 bytes that say how long that is, and a marker.
 * Without these three at its end the kernel has nothing to check, and loads and taints; all else
 * that it looks at, version magic and symbol versions among it, is as it was. Forcing the whole file
 * in (MODULE_INIT_IGNORE_VERMAGIC) would skip more than the signature, and taint more.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "init.h"

#define MARKER "~Module signature appended~\n"

enum {
	MARKER_SIZE = sizeof(MARKER) - 1,
	INFO_SIZE = 12,
	INFO_TYPE = 2,
	INFO_LENGTH = 8,
	PKCS7 = 2
};

size_t init_unsigned_length(const uint8_t *module, size_t n)
{
	uint8_t wanted[INFO_LENGTH] = {[INFO_TYPE] = PKCS7};
	const uint8_t *info, *length;
	size_t rest, signature;

	if (n <= MARKER_SIZE + INFO_SIZE || memcmp(module + n - MARKER_SIZE, MARKER, MARKER_SIZE))
		return n;
	rest = n - MARKER_SIZE - INFO_SIZE;
	info = module + rest;
	length = info + INFO_LENGTH;
	signature = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 |
		    length[3];
	/* of another kind, or longer than the file: the kernel is to say what it thinks of it */
	if (memcmp(info, wanted, sizeof(wanted)) != 0 || signature >= rest)
		return n;
	return rest - signature;
}

int init_load_unchecked(const struct init *init, int fd)
{
	struct stat st;
	size_t size, n;
	void *bytes;
	int r = -ENODATA;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size <= 0)
		return -ENODATA;
	size = (size_t)st.st_size;
	bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	n = init_unsigned_length(bytes, size);
	if (n < size)
		r = init->ops->load_bytes(bytes, n);
	munmap(bytes, size);
	return r;
}
