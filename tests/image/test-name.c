/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "archive/path.h"
#include "base/error.h"
#include "image/image.h"
#include "image/name.h"
#include "test.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void fills_in_what_a_name_leaves_out(void)
{
	static const char *const names[][2] = {
		{"node", "localhost/node:latest"},
		{"node:20", "localhost/node:20"},
		{"a/b", "localhost/a/b:latest"},
		{"a/b/c:1", "localhost/a/b/c:1"},
		{"docker.io/node", "docker.io/library/node:latest"},
		{"index.docker.io/a/b", "docker.io/a/b:latest"},
		{"quay.io/node", "quay.io/node:latest"},
		{"quay.io:5000/a/b:t", "quay.io:5000/a/b:t"},
		{"host:5000/node", "host:5000/node:latest"},
		{"localhost/x", "localhost/x:latest"},
		{"localhost", "localhost/localhost:latest"},
		{"Reg.Example.COM/x", "Reg.Example.COM/x:latest"},
		{"a__b/c-d--e.f_g", "localhost/a__b/c-d--e.f_g:latest"},
		{"node:V_1.0-x", "localhost/node:V_1.0-x"},
		{"node@sha256:" HEX, "localhost/node@sha256:" HEX},
		{"node:20@sha256:" HEX, "localhost/node:20@sha256:" HEX},
		{"node:" X64 X64, "localhost/node:" X64 X64},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *full = NULL, *again = NULL;

		ASSERT_OK(vmb_image_full_name(names[i][0], &full));
		ASSERT_STR(full, names[i][1]);
		ASSERT_OK(vmb_image_full_name(full, &again));
		ASSERT_STR(again, full);
	}
}

/* The order in which podman looks at its storage. */
static void looks_where_a_short_name_may_be(void)
{
	static const char *const names[][3] = {
		{"node", "localhost/node:latest", "docker.io/library/node:latest"},
		{"a/b:1", "localhost/a/b:1", "docker.io/a/b:1"},
		{"x@sha256:" HEX, "localhost/x@sha256:" HEX, "docker.io/library/x@sha256:" HEX},
		{"localhost/node", "localhost/node:latest", NULL},
		{"docker.io/node", "docker.io/library/node:latest", NULL},
		{"index.docker.io/node", "docker.io/library/node:latest", NULL},
		{"quay.io/node", "quay.io/node:latest", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_list_ char **list = NULL;

		ASSERT_OK(vmb_name_candidates(names[i][0], &list));
		ASSERT_STR(list[0], names[i][1]);
		CU_ASSERT(vmb_streq(list[1], names[i][2]) || (!list[1] && !names[i][2]));
	}
}

static void refuses_what_is_no_name(void)
{
	static const char *const names[] = {
		"",
		"/",
		"a/",
		"/a",
		"a//b",
		"Node",
		"a/B",
		"a b",
		"-a",
		"a-",
		".a",
		"a.",
		"a..b",
		"a___b",
		"_a",
		"a._b",
		"node:",
		":20",
		"node:.x",
		"node:-x",
		"node:a b",
		"node:a/b",
		"node@",
		"node@x",
		"node@sha256:12",
		"a\n",
		"a\xc3\xa9",
		"../x",
		"a/../b",
		"docker://node",
		HEX,
		"h:port/x",
		"h:123456/x",
		"h:/x",
		"-h.io/x",
		"h-.io/x",
		"h..io/x",
		".io/x",
		"[::1]:5/x",
		"x@sha256:" A64 "@y",
		"node:" X64 X64 "x",
		"node@sha256:" X64,
		X64 X64 X64 X64,
	};
	char *full = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r = vmb_image_full_name(names[i], &full);

		if (r != -VMBOOT_EIMAGE)
			fprintf(stderr, "\"%s\" gives %d %s\n", names[i], r, r == 0 ? full : "");
		CU_ASSERT(r == -VMBOOT_EIMAGE);
		CU_ASSERT(test_error_is(-VMBOOT_EIMAGE, "is not the name of an image: a name is"));
		CU_ASSERT_PTR_NULL(full);
	}
	ASSERT_ERROR(vmb_image_full_name(NULL, &full), VMBOOT_EIMAGE, "is not the name");
}

static void makes_names_that_fit(void)
{
	static const char *const names[][3] = {
		{"node", "20", "localhost/node:20"},
		{"My Images", NULL, "localhost/my-images:latest"},
		{"..a..b__", "", "localhost/a.b:latest"},
		{"\xc3\xa9", "\xc3\xa9", "localhost/image:latest"},
		{"x", "a/b c", "localhost/x:a-b-c"},
		{"x", "-.v1", "localhost/x:v1"},
		{HEX, "1",
		 "localhost/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde:1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *name = NULL, *full = NULL;

		ASSERT_OK(vmb_name_make(names[i][0], names[i][1], &name));
		ASSERT_STR(name, names[i][2]);
		ASSERT_OK(vmb_image_full_name(name, &full));
		ASSERT_STR(full, name);
	}
}

static void cleans_paths(void)
{
	static const char *const paths[][2] = {
		{"a", "a"},
		{"./a//b/", "a/b"},
		{"/a", "a"},
		{".", ""},
		{"/", ""},
		{"./", ""},
		{"a/./b", "a/b"},
		{"...", "..."},
		{"..a", "..a"},
		{"//./a", "a"},
		{"a/..", ""},
		{"/a/../b", "b"},
		{"a/b/../c/", "a/c"},
		{"a/b/./../../c", "c"},
	};
	static const char *const bad[] = {"",	 "..",		"../a",
					  "/..", "a/../../etc", "a/b/../../../a/b"};
	char path[PATH_MAX], longest[PATH_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		ASSERT_OK(vmb_path_clean(paths[i][0], path));
		ASSERT_STR(path, paths[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(vmb_path_clean(bad[i], path), -VMBOOT_EIMAGE);
	ASSERT_ERROR(vmb_path_clean(NULL, path), VMBOOT_EIMAGE, "no name");

	memset(longest, 'a', sizeof(longest));
	for (size_t i = 200; i < sizeof(longest); i += 200)
		longest[i] = '/';
	longest[PATH_MAX - 1] = '\0';
	ASSERT_OK(vmb_path_clean(longest, path));
	longest[PATH_MAX - 1] = 'a';
	longest[PATH_MAX] = '\0';
	ASSERT_ERROR(vmb_path_clean(longest, path), VMBOOT_EIMAGE, "too long");
	memset(longest, 'a', 256);
	longest[256] = '\0';
	ASSERT_ERROR(vmb_path_clean(longest, path), VMBOOT_EIMAGE, "too long");
}

TEST_MAIN("image/name", {"fills in what a name leaves out", fills_in_what_a_name_leaves_out},
	  {"looks where a short name may be", looks_where_a_short_name_may_be},
	  {"refuses what is no name", refuses_what_is_no_name},
	  {"makes names that fit", makes_names_that_fit}, {"cleans paths", cleans_paths})
