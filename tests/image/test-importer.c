/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <vmboot/image.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/limit.h"
#include "base/process.h"
#include "fixture.h"
#include "image/importer.h"

/* The process that builds disks: what it may take, how it ends, and what is believed of it. */

static const struct fixture_layer plain = LAYER(FILE_OF("a", "1"));

/* A tar with the empty file "f": xz --check=crc32 --lzma2=preset=6,dict=1536MiB,nice=273 */
static const unsigned char wide_xz[] = {
	0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, 0x02, 0x00,
	0x21, 0x01, 0x25, 0x00, 0x00, 0x00, 0x3b, 0x78, 0x7b, 0x41, 0xe0, 0x07, 0xff, 0x00,
	0x30, 0x5d, 0x00, 0x33, 0x00, 0x33, 0x50, 0x18, 0x68, 0x89, 0x83, 0x01, 0xdc, 0xe2,
	0x6e, 0x34, 0x0a, 0xe3, 0xd2, 0xb4, 0x05, 0x36, 0x3a, 0x5a, 0xb7, 0x70, 0x0e, 0x73,
	0x3d, 0xc5, 0x1b, 0x81, 0x32, 0x52, 0xc7, 0x38, 0xf5, 0xf8, 0x4e, 0x7c, 0x05, 0xff,
	0xaf, 0x55, 0x45, 0xa3, 0x28, 0x46, 0x59, 0xfd, 0x00, 0x00, 0x47, 0xab, 0xd4, 0x0e,
	0x00, 0x01, 0x48, 0x80, 0x10, 0x00, 0x00, 0x00, 0xd1, 0xbb, 0xa1, 0xc1, 0x3e, 0x30,
	0x0d, 0x8b, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x59, 0x5a};

static int import_into(const char *store, const char *source)
{
	struct vmboot_opts where = VMBOOT_OPTS(.store = store);

	return vmboot_image_import(&where, source, "x", NULL);
}

/* What a failed import must not have made. */
static void check_nothing_is_left(const char *store)
{
	CU_ASSERT_EQUAL(fixture_count(test_path("%s/images", store), ""), 0);
	CU_ASSERT_EQUAL(fixture_count(test_path("%s/names", store), ""), 0);
}

static void a_decoder_may_not_take_all_memory(void)
{
	const char *path = test_path("%s/wide.tar.xz", test_tmpdir());
	const char *store = test_path("%s/store", test_tmpdir());

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	test_not_tried("memory is not limited in a build with sanitizers");
	return;
#endif
	ASSERT_OK(vmb_write_file_atomic(path, (const char *)wide_xz, sizeof(wide_xz), 0644));
	ASSERT_ERROR(import_into(store, test_path("tar:%s", path)), ENOMEM,
		     "importing localhost/x:latest takes more memory than the 1280 MiB");
	CU_ASSERT(test_error_is(-ENOMEM, "Cannot allocate memory"));
	check_nothing_is_left(store);
}

/* ---- other programs in its place ---- */

static void put_program(const char *path, const char *script)
{
	test_write(path, script);
	CU_ASSERT_EQUAL_FATAL(chmod(path, 0755), 0);
}

static const char *guest_dir;

static void use_folder(const char *folder)
{
	guest_dir = getenv("VMBOOT_GUEST_DIR");
	guest_dir = guest_dir ? test_path("%s", guest_dir) : NULL;
	setenv("VMBOOT_GUEST_DIR", folder, 1);
}

static void use_own_folder(void)
{
	if (guest_dir)
		setenv("VMBOOT_GUEST_DIR", guest_dir, 1);
	else
		unsetenv("VMBOOT_GUEST_DIR");
}

#define WRONG_LINE "wrote a line that it never writes"

/* $6 is the disk. */
static const struct {
	const char *script;
	int code;
	const char *words;
} endings[] = {
	{"kill -SEGV $$", VMBOOT_EIMAGE,
	 "the image may be damaged: vmboot-import was killed by signal"},
	{"echo 'Fatal Internal Error in libarchive: Out of memory' >&2; exit 1", ENOMEM,
	 "takes more memory than the 1280 MiB"},
	{"echo error 12 no room", ENOMEM, "that an import may have: no room"},
	{"echo error 5005 no tool", VMBOOT_EHOST, "no tool"},
	{"echo error 5002 no image; kill -KILL $$", VMBOOT_EIMAGE, "no image"},
	{"exit 3", VMBOOT_EIMAGE, "failed with status 3"},
	{"echo >$6; echo ok; exit 3", VMBOOT_EIMAGE, "failed with status 3"},
	{"exit 0", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo ok", VMBOOT_EIMAGE, "made no regular file"},
	{"mkfifo $6; echo ok", VMBOOT_EIMAGE, "made no regular file"},
	{"ln -s /etc/passwd $6; echo ok", VMBOOT_EIMAGE, "made no regular file"},
	{"echo >$6; echo okay", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo >$6; echo ok then", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo >$6; echo ok; echo ok", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo >$6; printf ok", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo error 0 fine", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo error -5 fine", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo error 99999999999 fine", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo error 5", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo progress 1", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo progress 1 2 3", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo progress 1 x", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo log 77 x", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo log 1", VMBOOT_EIMAGE, WRONG_LINE},
	{"echo", VMBOOT_EIMAGE, WRONG_LINE},
	{"tr '\\0' x </dev/zero", VMBOOT_EIMAGE, WRONG_LINE},
	{"cat /dev/zero", VMBOOT_EIMAGE, WRONG_LINE},
};

static void what_it_writes_is_not_trusted(void)
{
	const char *tar = test_path("%s/t.tar", test_tmpdir());
	const char *store = test_path("%s/store", test_tmpdir());
	const char *program = test_path("%s/vmboot-import", test_tmpdir());

	fixture_tar(tar, &plain, "none");
	use_folder(test_tmpdir());
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		put_program(program, test_path("#!/bin/sh\n%s\n", endings[i].script));
		ASSERT_ERROR(import_into(store, test_path("tar:%s", tar)), endings[i].code,
			     endings[i].words);
		if (!test_error_is(-endings[i].code, endings[i].words))
			fprintf(stderr, "%s: %s\n", endings[i].script,
				vmboot_last_error()->message);
		check_nothing_is_left(store);
	}
	use_own_folder();
}

static void an_importer_that_is_not_there_is_named(void)
{
	const char *tar = test_path("%s/t.tar", test_tmpdir());
	const char *store = test_path("%s/store", test_tmpdir());

	fixture_tar(tar, &plain, "none");
	use_folder(test_tmpdir());
	ASSERT_ERROR(import_into(store, test_path("tar:%s", tar)), VMBOOT_EHOST,
		     test_path("cannot run the importer %s/vmboot-import; install libvmboot",
			       test_tmpdir()));
	use_own_folder();
	check_nothing_is_left(store);
}

struct heard {
	unsigned lines;
	char last[200];
	uint64_t done, total;
};

static void hear_log(enum vmboot_log_level level, const char *text, void *data)
{
	struct heard *h = data;

	(void)level;
	h->lines++;
	vmb_strlcpy(h->last, text, sizeof(h->last));
}

static void hear_progress(const char *what, uint64_t done, uint64_t total, void *data)
{
	struct heard *h = data;

	ASSERT_STR(what, "importing localhost/x:latest");
	h->done = done;
	h->total = total;
}

static void its_log_and_progress_arrive(void)
{
	const char *tar = test_path("%s/t.tar", test_tmpdir());
	struct heard h = {0};
	struct vmboot_opts where =
		VMBOOT_OPTS(.store = test_path("%s/store", test_tmpdir()), .log = hear_log,
			    .log_data = &h, .progress = hear_progress, .progress_data = &h);

	fixture_tar(tar, &plain, "none");
	use_folder(test_tmpdir());
	put_program(test_path("%s/vmboot-import", test_tmpdir()),
		    "#!/bin/sh\n"
		    "echo progress 3 9; printf 'log 1 a\\033[31mb\\n'; echo >$6\n"
		    "for i in $(seq 2000); do echo log 1 c; done; echo ok\n");
	ASSERT_OK(vmboot_image_import(&where, test_path("tar:%s", tar), "x", NULL));
	use_own_folder();
	CU_ASSERT_EQUAL(h.done, 3);
	CU_ASSERT_EQUAL(h.total, 9);
	CU_ASSERT_EQUAL(h.lines, VMB_IMPORTER_LOG_MAX);
	ASSERT_STR(h.last, "c");
}

/* ---- the program alone ---- */

static int start(struct vmb_process *p, const char *protocol, const char *source)
{
	const char *program = test_path("%s/initramfs/vmboot-import", TEST_BUILDDIR);
	char hex[VMB_SHA256_HEX + 1];

	ASSERT_OK(vmb_hash_file(source, hex));
	return vmb_process_start(p,
				 (const char *const[]){program, protocol, "tar:", source, "",
						       test_path("sha256:%s", hex),
						       test_path("%s/disk", test_tmpdir()), "x",
						       NULL},
				 VMB_PIPE_STDIN | VMB_PIPE_STDOUT);
}

static void one_of_another_version_says_so(void)
{
	const char *tar = test_path("%s/t.tar", test_tmpdir());
	_cleanup_process_ struct vmb_process p = VMB_PROCESS_INIT;
	char line[200] = "";

	fixture_tar(tar, &plain, "none");
	ASSERT_OK(start(&p, "0", tar));
	CU_ASSERT(read(p.stdout_fd, line, sizeof(line) - 1) > 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(line, "error 5005 vmboot-import is of another version"));
	ASSERT_OK(vmb_process_finish(&p));
}

/* So does its vmboot-squash, which writes to a fifo when it runs, and waits. */
static void it_ends_with_who_started_it(void)
{
	const char *tar = test_path("%s/t.tar", test_tmpdir());
	const char *fifo = test_path("%s/fifo", test_tmpdir());
	const char *old;
	_cleanup_process_ struct vmb_process p = VMB_PROCESS_INIT;
	vmb_cleanup(vmb_limit_leave) struct vmb_limit limit;
	_cleanup_close_ int fd = -1;
	char c[2];

	vmb_limit_enter(&limit, 60000, NULL, "waiting for its end");
	fixture_tar(tar, &plain, "none");
	RUN("mkfifo", fifo);
	old = test_replace_program("vmboot-squash",
				   test_path("#!/bin/sh\nexec 3>%s\necho >&3\nexec sleep 90\n",
					     fifo));
	ASSERT_OK(start(&p, VMB_IMPORTER_PROTOCOL, tar));
	setenv("VMBOOT_GUEST_DIR", old, 1);
	fd = open(fifo, O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(read(fd, c, sizeof(c)), 1);
	ASSERT_ERROR(vmb_process_finish(&p), VMBOOT_EHOST, "killed by signal 9");
	CU_ASSERT_EQUAL(read(fd, c, sizeof(c)), 0);
}

TEST_MAIN("image/importer",
	  {"a decoder may not take all memory", a_decoder_may_not_take_all_memory},
	  {"what it writes is not trusted", what_it_writes_is_not_trusted},
	  {"an importer that is not there is named", an_importer_that_is_not_there_is_named},
	  {"its log and progress arrive", its_log_and_progress_arrive},
	  {"one of another version says so", one_of_another_version_says_so},
	  {"it ends with who started it", it_ends_with_who_started_it})
