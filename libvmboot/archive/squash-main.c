/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <stdio.h>
#include <unistd.h>

#include "archive/squash-write.h"
#include "base/error.h"
#include "base/str.h"

/*
 * The program vmboot-squash: reads a tar stream of archive/tarout.h from standard input and writes
 * a squashfs file. It needs no root and no unpacked tree. If it fails, the reason is on standard
 * error.
 *
 *   vmboot-squash FILE MODE UID GID MTIME     of the root folder; numbers are decimal
 */

VMB_DEFINE_CLEANUP(read_freep, struct archive *, archive_read_free)

enum { FILE_NAME = 1, MODE, UID, GID, MTIME, N_ARGS, CHUNK = 1 << 18 };

static int read_failed(struct archive *in)
{
	const char *words = archive_error_string(in);

	return vmb_error(VMBOOT_EHOST, "cannot read the tar stream: %s", words ? words : "it ends");
}

static int copy_content(struct archive *in, struct vmb_squash_writer *w)
{
	const void *data;
	la_int64_t at;
	size_t n;
	int r = 0, got;

	while ((got = archive_read_data_block(in, &data, &n, &at)) == ARCHIVE_OK)
		if (n > 0 && (r = vmb_squash_writer_data(w, data, n)) < 0)
			return r;
	return got == ARCHIVE_EOF ? 0 : read_failed(in);
}

static int copy_all(struct archive *in, struct vmb_squash_writer *w)
{
	struct archive_entry *e;
	int r, got;

	while ((got = archive_read_next_header(in, &e)) == ARCHIVE_OK) {
		r = vmb_squash_writer_entry(w, e);
		if (r == 0 && archive_entry_size(e) > 0 && !archive_entry_hardlink(e))
			r = copy_content(in, w);
		if (r < 0)
			return r;
	}
	return got == ARCHIVE_EOF ? vmb_squash_writer_finish(w) : read_failed(in);
}

static int open_stream(struct archive *in)
{
	if (!in)
		return vmb_oom();
	if (archive_read_support_format_tar(in) != ARCHIVE_OK ||
	    archive_read_open_fd(in, STDIN_FILENO, CHUNK) != ARCHIVE_OK)
		return read_failed(in);
	return 0;
}

static int parse_root(char **argv, struct vmb_squash_root *ret)
{
	unsigned *const fields[] = {&ret->mode, &ret->uid, &ret->gid, &ret->mtime};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint64_t v;

		if (vmb_parse_u64(argv[MODE + i], &v) < 0 || v > UINT32_MAX)
			return vmb_error(EINVAL, "%s is no number for the root folder",
					 argv[MODE + i]);
		*fields[i] = (unsigned)v;
	}
	return 0;
}

static int run(int argc, char **argv)
{
	vmb_cleanup(vmb_squash_writer_freep) struct vmb_squash_writer *w = NULL;
	vmb_cleanup(read_freep) struct archive *in = archive_read_new();
	struct vmb_squash_root root;
	int r;

	if (argc != N_ARGS)
		return vmb_error(EINVAL, "libvmboot runs vmboot-squash with other arguments");
	r = parse_root(argv, &root);
	if (r == 0)
		r = open_stream(in);
	if (r == 0)
		r = vmb_squash_writer_new(argv[FILE_NAME], &root, &w);
	return r < 0 ? r : copy_all(in, w);
}

int main(int argc, char **argv)
{
	if (run(argc, argv) == 0)
		return 0;
	fprintf(stderr, "%s\n", vmboot_last_error()->message);
	return 1;
}
