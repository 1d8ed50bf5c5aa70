/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An archive from a guest, extracted for real: whatever it says, nothing appears outside the folder,
 * and a file that lies there stays as it is.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/tree.h"
#include "base/file.h"

enum { BLOCK = 512, CHECKSUM = 148, MAGIC = 257 };

struct input {
	const uint8_t *bytes;
	size_t n;
};

static ssize_t give(void *data, const void **ret)
{
	struct input *in = data;
	size_t n = in->n;

	*ret = in->bytes;
	in->n = 0;
	return (ssize_t)n;
}

/* No fuzzer guesses a checksum: each block that says that it is a header gets its own. */
static void mend_headers(uint8_t *bytes, size_t n)
{
	for (size_t at = 0; at + BLOCK <= n; at += BLOCK) {
		uint8_t *block = bytes + at;
		unsigned sum = 0;
		char text[8] = "";

		if (memcmp(block + MAGIC, "ustar", 5) != 0)
			continue;
		memset(block + CHECKSUM, ' ', 8);
		for (int i = 0; i < BLOCK; i++)
			sum += block[i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(block + CHECKSUM, text, sizeof(text));
	}
}

static unsigned count(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	FUZZ_CHECK(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void check_victim(const char *path)
{
	struct stat st;

	FUZZ_CHECK(lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 8);
	FUZZ_CHECK((st.st_mode & 07777) == 0600 && st.st_nlink == 1 && st.st_mtime == 1000);
}

static void extract(const uint8_t *data, size_t n, const char *top, const char *name)
{
	static const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct input in = {data, n};
	char path[64], victim[64];
	int fd;

	snprintf(path, sizeof(path), "%s/to", top);
	snprintf(victim, sizeof(victim), "%s/victim", top);
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	FUZZ_CHECK(vmb_write_file_atomic(victim, "innocent", 8, 0600) == 0);
	FUZZ_CHECK(utimensat(AT_FDCWD, victim, times, 0) == 0);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	FUZZ_CHECK(fd >= 0);
	(void)vmb_tree_extract(fd, name, name, give, &in);
	close(fd);
	check_victim(victim);
	FUZZ_CHECK(count(top) == 4);
	/* or could not be removed by who is not root */
	FUZZ_CHECK(chmod(path, 0700) == 0);
	FUZZ_CHECK(vmb_rm_rf(path) == 0 || geteuid() != 0);
	vmb_rm_rf(victim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char top[] = "/tmp/vmboot-fuzz-XXXXXX";
	uint8_t *bytes = malloc(n ? n : 1); /* to its very end: an overrun shows */

	FUZZ_CHECK(bytes && mkdtemp(top));
	memcpy(bytes, data, n);
	mend_headers(bytes, n);
	extract(bytes, n, top, n % 2 ? "t" : ".");
	vmb_rm_rf(top);
	free(bytes);
	return 0;
}
