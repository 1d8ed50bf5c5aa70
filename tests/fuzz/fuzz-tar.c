/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>

#include "tar.h"

/* pax records, then a header, then a map of holes: as tar-in.c takes them. */
static void check_path(char *path)
{
	char *part, *rest = path;

	FUZZ_CHECK(strnlen(path, PATH_MAX) < PATH_MAX);
	if (tar_clean_path(path) < 0)
		return;
	FUZZ_CHECK(path[0] != '/' && (!path[0] || path[strlen(path) - 1] != '/'));
	while (path[0] && (part = strsep(&rest, "/")))
		FUZZ_CHECK(*part && strcmp(part, ".") != 0 && strcmp(part, "..") != 0);
}

static void read_map(const uint8_t *data, size_t n, uint64_t real)
{
	static struct tar_map map;
	uint64_t end = 0;
	int r = 0;

	map.n = map.wanted = map.numbers = 0;
	map.number = 0;
	while (r == 0 && n >= TAR_BLOCK) {
		r = tar_read_map(data, real, &map);
		data += TAR_BLOCK;
		n -= TAR_BLOCK;
	}
	for (size_t i = 0; r > 0 && i < map.n; i++) {
		FUZZ_CHECK(map.parts[i].at >= end && map.parts[i].at <= real);
		FUZZ_CHECK(map.parts[i].n <= real - map.parts[i].at);
		end = map.parts[i].at + map.parts[i].n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct tar_entry e;
	size_t pax = n < TAR_BLOCK ? n : n - TAR_BLOCK;
	char *text = malloc(pax + 1);

	FUZZ_CHECK(text);
	memcpy(text, data, pax);
	text[pax] = '\0';
	memset(&e, 0, sizeof(e));
	if (tar_read_pax(text, pax, &e) == 0 && n >= TAR_BLOCK &&
	    tar_read_header(data + n - TAR_BLOCK, &e) == 0) {
		FUZZ_CHECK(e.size <= INT64_MAX && e.mtime.tv_nsec < 1000000000);
		check_path(e.path);
		check_path(e.link);
	}
	free(text);
	memset(&e, 0, sizeof(e));
	if (n >= TAR_BLOCK && tar_read_header(data, &e) == 0)
		check_path(e.path);
	read_map(data, n, 1 << 30);
	return 0;
}
