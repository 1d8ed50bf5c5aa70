/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <sys/stat.h>
#include <vmboot/vmboot.h>

#include "base/file.h"
#include "image/platform.h"
#include "image/registries.h"
#include "image/saved.h"
#include "image/skopeo.h"
#include "test.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- registries.conf ---- */

static const char conf[] = "# comment\n"
			   "unqualified-search-registries = [ \"one.example\", # first\n"
			   "  'two.example:5000',\n"
			   "]\n"
			   "short-name-mode = \"enforcing\"\n"
			   "[[registry]]\n"
			   "location = \"three.example\"\n"
			   "unqualified-search-registries = [\"none.example\"]\n"
			   "[aliases]\n"
			   "  \"node\" = \"docker.io/library/node\"\n"
			   "own = 'two.example:5000/team/own' # mine\n"
			   "\"a/b\" = \"four.example/b\"\n"
			   "gone = \"five.example/gone\"\n"
			   "gone = \"\"\n"
			   "broken = \"no end\n"
			   "= nothing\n"
			   "[other]\n"
			   "node = \"six.example/node\"\n";

static void ask_as_podman_would(void)
{
	static const char *const names[][3] = {
		{"node:20", "docker.io/library/node:20", NULL},
		{"node@sha256:" HEX, "docker.io/library/node@sha256:" HEX, NULL},
		{"own", "two.example:5000/team/own:latest", NULL},
		{"a/b:1", "four.example/b:1", NULL},
		{"gone:1", "one.example/gone:1", "two.example:5000/gone:1"},
		{"else", "one.example/else:latest", "two.example:5000/else:latest"},
		{"quay.io/x", "quay.io/x:latest", NULL},
		{"localhost/x", NULL, NULL},
		{"localhost:5000/x", "localhost:5000/x:latest", NULL},
	};
	const char *path = test_path("%s/registries.conf", test_tmpdir());

	test_write(path, conf);
	setenv("HOME", test_tmpdir(), 1);
	setenv("CONTAINERS_REGISTRIES_CONF", path, 1);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_list_ char **list = NULL;
		size_t n = !!names[i][1] + !!names[i][2];

		ASSERT_OK(vmb_registries_names(names[i][0], &list));
		CU_ASSERT_EQUAL_FATAL(vmb_list_len(vmb_list_const(list)), n);
		for (size_t k = 0; k < n; k++)
			ASSERT_STR(list[k], names[i][k + 1]);
	}
	unsetenv("CONTAINERS_REGISTRIES_CONF");
}

static void later_files_count_more(void)
{
	_cleanup_list_ char **list = NULL, **other = NULL;
	const char *folder = test_path("%s/.config/containers", test_tmpdir());

	setenv("HOME", test_tmpdir(), 1);
	ASSERT_OK(vmb_mkdir_p(test_path("%s/registries.conf.d", folder), 0755));
	test_write(test_path("%s/registries.conf", folder), conf);
	test_write(test_path("%s/registries.conf.d/1.conf", folder),
		   "[aliases]\nnode = \"one.example/node\"\n");
	test_write(test_path("%s/registries.conf.d/2.conf", folder),
		   "unqualified-search-registries = [\"last.example\"]\n"
		   "[aliases]\nnode = \"two.example/node\"\n");
	test_write(test_path("%s/registries.conf.d/3.off", folder),
		   "[aliases]\nnode = \"three.example/node\"\n");
	ASSERT_OK(vmb_registries_names("node:1", &list));
	ASSERT_STR(list[0], "two.example/node:1");
	ASSERT_OK(vmb_registries_names("else", &other));
	ASSERT_STR(other[0], "last.example/else:latest");
	CU_ASSERT_PTR_NULL(other[1]);
}

/* ---- platforms ---- */

static void platforms_in_words(void)
{
	static const char *const bad[] = {
		"", "linux", "linux/", "/amd64", "linux/amd64/", "a/b/c/d", "linux/am d64"};
	struct vmb_platform p;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ASSERT_ERROR(vmb_platform_parse(bad[i], &p), VMBOOT_EOPTS, "is not OS/ARCH");
	ASSERT_OK(vmb_platform_parse("linux/arm64/v8", &p));
	ASSERT_STR(vmb_platform_name(&p).text, "linux/arm64/v8");
	CU_ASSERT_FALSE(p.host);
	ASSERT_OK(vmb_platform_parse(NULL, &p));
	CU_ASSERT(p.host);
	ASSERT_OK(vmb_platform_check(vmb_platform_name(&p).text));
	ASSERT_ERROR(vmb_platform_check("linux/s390x"), VMBOOT_EOPTS, "cannot run here");
	ASSERT_ERROR(vmb_platform_check("windows/amd64"), VMBOOT_EOPTS, "cannot run here");
}

static struct vmb_oci_blob blob(char id, const char *arch, const char *variant)
{
	struct vmb_oci_blob b = {.type = VMB_OCI_MANIFEST,
				 .os = (char *)"linux",
				 .arch = (char *)arch,
				 .variant = (char *)variant};

	memset(b.hex, id, VMB_SHA256_HEX);
	return b;
}

static void an_index_has_what_is_wanted(void)
{
	struct vmb_oci_blob blobs[] = {blob('0', "arm", "v6"), blob('1', "arm", "v7"),
				       blob('2', "arm64", "v8"), blob('3', "arm64", NULL),
				       blob('4', "unknown", NULL)};
	const struct vmb_oci_index index = {blobs, ARRAY_SIZE(blobs)};
	static const struct {
		const char *platform;
		char found; /* 0: none */
	} wanted[] = {{"linux/arm/v7", '1'}, {"linux/arm/v6", '0'}, {"linux/arm64/v8", '2'},
		      {"linux/arm64", '2'},  {"linux/arm/v5", 0},   {"linux/mips", 0}};
	char words[200];
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		const struct vmb_oci_blob *found;
		struct vmb_platform p;

		ASSERT_OK(vmb_platform_parse(wanted[i].platform, &p));
		found = vmb_platform_choose(&p, &index, NULL, &n);
		CU_ASSERT_EQUAL(found ? found->hex[0] : 0, wanted[i].found);
	}
	vmb_platform_list(&index, words, sizeof(words));
	ASSERT_STR(words, "linux/arm/v6, linux/arm/v7, linux/arm64/v8, linux/arm64, linux/unknown");
}

/* ---- saved images ---- */

static const char *kind_of(const char *const *names)
{
	struct vmb_saved saved = {0};
	uint64_t skip = 0;

	for (; *names; names++) {
		unsigned char block[VMB_SAVED_BLOCK] = "";

		vmb_strlcpy((char *)block, *names, 100);
		strcpy((char *)block + 124, "00000001001");
		block[156] = '0';
		if (vmb_saved_header(&saved, block, &skip) <= 0)
			break;
		CU_ASSERT_EQUAL(skip, 1024);
	}
	return vmb_saved_kind(&saved);
}

static void saved_images_are_told_from_roots(void)
{
	ASSERT_STR(kind_of(TEST_LIST(HEX ".json", HEX "/layer.tar", "manifest.json")),
		   "docker-archive:");
	ASSERT_STR(kind_of(TEST_LIST("./", "./blobs/", "./oci-layout", "./index.json")),
		   "oci-archive:");
	CU_ASSERT_PTR_NULL(kind_of(TEST_LIST("manifest.json", "bin/")));
	CU_ASSERT_PTR_NULL(kind_of(TEST_LIST("oci-layout", "etc/passwd", "index.json")));
	CU_ASSERT_PTR_NULL(kind_of(TEST_LIST("index.json", "blobs/")));
	CU_ASSERT_PTR_NULL(vmb_saved_file("/no/such/file"));
}

/* ---- a skopeo whose registry does what no real one can be made to do ---- */

static const struct vmboot_opts defaults = VMBOOT_OPTS(.creds = "user:geheim");

static void fake_skopeo(const char *script)
{
	const char *tool = test_path("%s/skopeo", test_tmpdir());

	test_write(tool, test_path("#!/bin/sh\n%s\n", script));
	chmod(tool, 0755);
	setenv("PATH", test_path("%s:/usr/bin:/bin", test_tmpdir()), 1);
	ASSERT_OK(vmb_mkdir_p(test_path("%s/layout", test_tmpdir()), 0755));
}

static int copy(const struct vmb_oci_index *layers)
{
	const struct vmb_skopeo_copy c = {
		.opts = &defaults,
		.ref = "docker://far.example/x:1",
		.registry = "far.example",
		.layout = test_path("%s/layout", test_tmpdir()),
		.blobs = test_path("%s/blobs", test_tmpdir()),
		.what = "far.example/x:1",
		.layers = layers,
		.stall_ms = 300,
	};

	return vmb_skopeo_copy(&c);
}

static void a_registry_that_stalls_is_left(void)
{
	fake_skopeo("exec sleep 1000");
	ASSERT_ERROR(copy(NULL), ETIMEDOUT, "far.example/x:1 does not answer");
}

static void more_than_the_manifest_says_is_not_taken(void)
{
	struct vmb_oci_blob layer = blob('a', NULL, NULL);
	const struct vmb_oci_index layers = {&layer, 1};

	layer.size = 1000;
	fake_skopeo(test_path("truncate -s 100M %s/layout/oci-put-blob1; exec sleep 1000",
			      test_tmpdir()));
	ASSERT_ERROR(copy(&layers), VMBOOT_EIMAGE, "more comes than its manifest says");
	layer.size = UINT64_MAX / 2;
	ASSERT_ERROR(copy(&layers), ENOSPC, "and the disk of the store has");
}

static void a_password_is_in_no_argument(void)
{
	_cleanup_free_ char *json = NULL;
	size_t n;

	fake_skopeo(
		"for a; do case $a in *geheim*) exit 1;; --authfile=*) file=${a#*=};; esac; done\n"
		"tr '\\0' '\\n' <\"/proc/$PPID/cmdline\" | grep -q geheim && exit 1\n"
		"cat \"$file\"");
	ASSERT_OK(
		vmb_skopeo_inspect(&defaults, "docker://far.example/x", "far.example", &json, &n));
	ASSERT_STR(json, "{\"auths\":{\"far.example\":{\"auth\":\"dXNlcjpnZWhlaW0=\"}}}");
}

static void words_that_say_what_to_do(void)
{
	_cleanup_free_ char *json = NULL;
	size_t n;

	fake_skopeo("echo 'time=\"now\" level=fatal msg=\"pinging: \\\"x\\\": unauthorized\"' >&2; "
		    "exit 1");
	ASSERT_ERROR(vmb_skopeo_inspect(&defaults, "docker://far.example/x", NULL, &json, &n),
		     EACCES, "podman login` (skopeo: pinging: \"x\": unauthorized)");
	fake_skopeo("head -c 5000000 /dev/zero");
	ASSERT_ERROR(vmb_skopeo_inspect(&defaults, "docker://far.example/x", NULL, &json, &n),
		     VMBOOT_EIMAGE, "is larger than");
	setenv("PATH", test_tmpdir(), 1);
	unlink(test_path("%s/skopeo", test_tmpdir()));
	ASSERT_ERROR(vmb_skopeo_inspect(&defaults, "docker://far.example/x", NULL, &json, &n),
		     VMBOOT_EHOST, "install the package skopeo");
}

TEST_MAIN("image/pull", {"ask as podman would", ask_as_podman_would},
	  {"later files count more", later_files_count_more},
	  {"platforms in words", platforms_in_words},
	  {"an index has what is wanted", an_index_has_what_is_wanted},
	  {"saved images are told from roots", saved_images_are_told_from_roots},
	  {"a registry that stalls is left", a_registry_that_stalls_is_left},
	  {"more than the manifest says is not taken", more_than_the_manifest_says_is_not_taken},
	  {"a password is in no argument", a_password_is_in_no_argument},
	  {"words that say what to do", words_that_say_what_to_do})
