/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Feeds files, or all files of folders, to a fuzz target without a fuzzing engine. Called
 * "fuzz-<name>" with no arguments, it takes the committed corpus tests/fuzz/corpus/<name>.
 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "fuzz.h"
#include <vmboot/error.h>

enum { INPUT_MAX = 16 << 20 };

static int replay_file(const char *path)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ uint8_t *exact = NULL;
	size_t n;

	if (vmb_read_file(path, INPUT_MAX, &text, &n) < 0) {
		fprintf(stderr, "%s\n", vmboot_last_error()->message);
		return -1;
	}
	/* without the 0 that vmb_read_file() adds, so that sanitizers see an overrun */
	exact = malloc(n ? n : 1);
	FUZZ_CHECK(exact);
	memcpy(exact, text, n);
	/* what a crash belongs to, should there be one */
	printf("%s\n", path);
	fflush(stdout);
	return LLVMFuzzerTestOneInput(exact, n);
}

static int replay(const char *path, unsigned *count)
{
	_cleanup_closedir_ DIR *d = opendir(path);
	struct dirent *ent;

	if (!d) {
		(*count)++;
		return replay_file(path);
	}
	while ((ent = readdir(d))) {
		_cleanup_free_ char *file = NULL;

		if (ent->d_name[0] == '.')
			continue;
		if (vmb_asprintf(&file, "%s/%s", path, ent->d_name) < 0 || replay_file(file) < 0)
			return -1;
		(*count)++;
	}
	return 0;
}

static int replay_corpus(const char *program, unsigned *count)
{
	const char *name = strrchr(program, '/');
	_cleanup_free_ char *folder = NULL;

	name = vmb_skip_prefix(name ? name + 1 : program, "fuzz-");
	if (!name || vmb_asprintf(&folder, "%s/fuzz/corpus/%s", TEST_SRCDIR, name) < 0)
		return -1;
	return replay(folder, count);
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	int r = argc > 1 ? 0 : replay_corpus(argv[0], &count);

	for (int i = 1; i < argc && r == 0; i++)
		r = replay(argv[i], &count);
	printf("%u inputs replayed\n", count);
	return r == 0 && count > 0 ? 0 : 1;
}
