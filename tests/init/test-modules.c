/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The phase that loads modules: their order, their signatures, those that come late. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "guest.h"
#include "test.h"

static char loaded[256]; /* first letters of what was loaded, in order */
static int load_result;

static int note_module(int fd)
{
	char text[2] = "";

	if (read(fd, text, 1) != 1)
		return -EIO;
	strcat(loaded, text);
	return load_result;
}

/* What a kernel is given without its signature; it says whether it takes it. */
static char given[256];
static int given_result;

static int note_bytes(const void *module, size_t n)
{
	strncat(given, module, n);
	strcat(given, "|");
	return given_result;
}

static struct init *guest_with_modules(void)
{
	static struct init_ops ops;
	struct init *init = guest_new();

	ops = guest_ops;
	ops.load_module = note_module;
	ops.load_bytes = note_bytes;
	init->ops = &ops;
	loaded[0] = given[0] = '\0';
	load_result = given_result = 0;
	for (const char *p = "zay"; *p; p++)
		guest_write(init, test_path("%c", *p), "vmboot/modules/%c.ko", *p);
	return init;
}

static void modules_load_in_order(void)
{
	struct init *init = guest_with_modules();
	struct init_report report = {0};

	guest_write(init, "z.ko\n\na.ko\ny.ko", "vmboot/modules.list");
	CU_ASSERT_EQUAL(init_modules(init, &report), 0);
	CU_ASSERT_EQUAL(report.value, 3);
	ASSERT_STR(loaded, "zay");
	load_result = -EEXIST; /* built in, or loaded already */
	CU_ASSERT_EQUAL(init_modules(init, &report), 0);
	guest_free(init);
}

static void the_failing_module_is_named(void)
{
	struct init *init = guest_with_modules();
	struct init_report report = {0};

	guest_write(init, "z.ko\nmissing.ko\ny.ko\n", "vmboot/modules.list");
	CU_ASSERT_EQUAL(init_modules(init, &report), -ENOENT);
	ASSERT_STR(report.detail, "missing.ko");
	ASSERT_STR(loaded, "z");
	load_result = -ENOEXEC;
	CU_ASSERT_EQUAL(init_modules(init, &report), -ENOEXEC);
	ASSERT_STR(report.detail, "z.ko");
	guest_write(init, "../../etc/x\n", "vmboot/modules.list");
	CU_ASSERT_EQUAL(init_modules(init, &report), -EINVAL);
	guest_free(init);
}

static void no_list_is_an_empty_list(void)
{
	struct init *init = guest_with_modules();
	struct init_report report = {0};

	CU_ASSERT_EQUAL(init_modules(init, &report), 0);
	CU_ASSERT_EQUAL(report.value, 0);
	guest_free(init);
}

static void late_modules_outlive_their_files(void)
{
	struct init *init = guest_with_modules();
	struct init_report report = {0};

	guest_write(init, "z.ko\n", "vmboot/modules.list");
	guest_write(init, "y.ko\na.ko\n", "vmboot/modules.late.list");
	CU_ASSERT_EQUAL(init_modules(init, &report), 0);
	ASSERT_STR(loaded, "z");
	CU_ASSERT_EQUAL(vmb_rm_rf(test_path("%s/vmboot", init->root)), 0);
	init_modules_late(init);
	ASSERT_STR(loaded, "zya");
	CU_ASSERT_EQUAL(init->n_late, 0);
	guest_free(init);
}

/* ---- signatures ---- */

#define MARKER "~Module signature appended~\n"
#define INFO(length) "\0\0\2\0\0\0\0\0\0\0\0" length
#define SIGNED(body) body "<signature>" INFO("\13") MARKER

static void a_signature_is_cut_where_it_begins(void)
{
#define ROW(bytes, left)                                                                           \
	{                                                                                          \
		bytes, sizeof(bytes) - 1, left                                                     \
	}
	static const struct {
		const char *bytes;
		size_t n, left;
	} rows[] = {
		ROW(SIGNED("ELF"), 3),
		ROW(SIGNED("E"), 1),
		ROW("ELF" INFO("\0") MARKER, 3), /* of no length */
		ROW(SIGNED(SIGNED("ELF")), sizeof(SIGNED("ELF")) - 1),
	};
	/* what is none, or damaged: for the kernel to judge, as it is */
	static const struct {
		const char *bytes;
		size_t n;
	} whole[] = {
#define WHOLE(bytes) {bytes, sizeof(bytes) - 1}
		WHOLE(""),
		WHOLE("ELF"),
		WHOLE(MARKER),
		WHOLE("x" MARKER),
		WHOLE(INFO("\0") MARKER),
		WHOLE("\2\0\0\0\0\0\0\0\0\0" MARKER),
		WHOLE(SIGNED("")),
		WHOLE("ELF<signature>" INFO("\16") MARKER),
		WHOLE("ELF<signature>" INFO("\377") MARKER),
		WHOLE(SIGNED("ELF") "x"),
		WHOLE("ELF<signature>" INFO("\13") "~Module signature appended~ "),
		WHOLE("ELF<signature>\0\0\2\0\0\0\0\0\377\377\377\377" MARKER),
		WHOLE("ELF<signature>\0\0\2\0\0\0\0\0\1\0\0\13" MARKER),
		WHOLE("ELF<signature>\0\0\1\0\0\0\0\0\0\0\0\13" MARKER), /* X.509 */
		WHOLE("ELF<signature>\1\0\2\0\0\0\0\0\0\0\0\13" MARKER),
		WHOLE("ELF<signature>\0\0\2\3\0\0\0\0\0\0\0\13" MARKER), /* a signer's name */
		WHOLE("ELF<signature>\0\0\2\0\0\0\0\1\0\0\0\13" MARKER),
	};

	/* what is before the file is not looked at */
	CU_ASSERT_EQUAL(init_unsigned_length((const uint8_t *)INFO("\0") MARKER + 12,
					     sizeof(MARKER) - 1),
			sizeof(MARKER) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CU_ASSERT_EQUAL(init_unsigned_length((const uint8_t *)rows[i].bytes, rows[i].n),
				rows[i].left);
	for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
		/* on the heap, so that a sanitizer sees a step beyond it */
		uint8_t *bytes = malloc(whole[i].n + 1);

		CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
		memcpy(bytes + 1, whole[i].bytes, whole[i].n);
		CU_ASSERT_EQUAL(init_unsigned_length(bytes + 1, whole[i].n), whole[i].n);
		free(bytes);
	}
}

static void write_bytes(const struct init *init, const char *bytes, size_t n, const char *path)
{
	path = test_path("%s/%s", init->root, path);
	unlink(path);
	ASSERT_OK(init_write_file(path, 0644, bytes, n));
}

/* z and y are signed, a is not. */
static struct init *guest_that_skips_signatures(void)
{
	struct init *init = guest_with_modules();

	guest_write(init, "z.ko\ny.ko\n", "vmboot/modules.list");
	write_bytes(init, SIGNED("z it is"), sizeof(SIGNED("z it is")) - 1, "vmboot/modules/z.ko");
	write_bytes(init, SIGNED("y it is"), sizeof(SIGNED("y it is")) - 1, "vmboot/modules/y.ko");
	init->unchecked = true;
	return init;
}

static void unless_asked_for_signatures_stay(void)
{
	struct init *init = guest_that_skips_signatures();
	struct init_report report = {0};

	init->unchecked = false;
	ASSERT_OK(init_modules(init, &report));
	ASSERT_STR(loaded, "zy");
	ASSERT_STR(given, "");
	ASSERT_STR(report.detail, "");
	guest_free(init);
}

static void modules_load_without_their_signatures(void)
{
	struct init *init = guest_that_skips_signatures();
	struct init_report report = {0};

	guest_write(init, "y.ko\n", "vmboot/modules.late.list");
	ASSERT_OK(init_modules(init, &report));
	ASSERT_STR(given, "z it is|y it is|");
	ASSERT_STR(loaded, "");
	CU_ASSERT_EQUAL(report.value, 2);
	ASSERT_STR(report.detail, "signatures not checked");
	init_modules_late(init);
	ASSERT_STR(given, "z it is|y it is|y it is|");
	guest_free(init);
}

static void a_module_without_a_signature_loads_as_it_is(void)
{
	struct init *init = guest_that_skips_signatures();
	struct init_report report = {0};

	guest_write(init, "z.ko\na.ko\n", "vmboot/modules.list");
	ASSERT_OK(init_modules(init, &report));
	ASSERT_STR(given, "z it is|");
	ASSERT_STR(loaded, "a");
	ASSERT_STR(report.detail, "1 signatures not checked");
	guest_write(init, "", "vmboot/modules/a.ko");
	CU_ASSERT_EQUAL(init_modules(init, &report), -EIO);
	ASSERT_STR(report.detail, "a.ko");
	guest_free(init);
}

/* Enforced signatures, lockdown: the first that is refused shows it. */
static void a_kernel_that_insists_gets_whole_modules(void)
{
	static const int refusals[] = {EKEYREJECTED, EPERM, EACCES, ENOSYS};

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		struct init *init = guest_that_skips_signatures();
		struct init_report report = {0};

		given_result = -refusals[i];
		ASSERT_OK(init_modules(init, &report));
		ASSERT_STR(given, "z it is|");
		ASSERT_STR(loaded, "zy");
		CU_ASSERT_EQUAL(report.value, 2);
		ASSERT_STR(report.detail, test_path("skip_module_signatures has no effect, this "
						    "kernel insists: %s",
						    strerror(refusals[i])));
		guest_free(init);
	}
}

/* What is wrong with a module is told as ever, and is not taken for the signature. */
static void a_module_that_fails_either_way_is_named(void)
{
	struct init *init = guest_that_skips_signatures();
	struct init_report report = {0};

	given_result = load_result = -ENOEXEC;
	CU_ASSERT_EQUAL(init_modules(init, &report), -ENOEXEC);
	ASSERT_STR(report.detail, "z.ko");
	given_result = load_result = -EEXIST;
	ASSERT_OK(init_modules(init, &report));
	ASSERT_STR(loaded, "z");
	guest_free(init);
}

static void fips_mode_insists(void)
{
	struct init *init = guest_that_skips_signatures();
	struct init_report report = {0};

	guest_write(init, "0\n", "proc/sys/crypto/fips_enabled");
	ASSERT_OK(init_modules(init, &report));
	ASSERT_STR(loaded, "");
	guest_write(init, "1\n", "proc/sys/crypto/fips_enabled");
	ASSERT_OK(init_modules(init, &report));
	ASSERT_STR(loaded, "zy");
	ASSERT_STR(report.detail,
		   "skip_module_signatures has no effect, this kernel insists: FIPS mode");
	guest_free(init);
}

/* ---- for the kernel ---- */

static char loaded[256];

/* Notes the name by its content; one is there already. */
static int note_name(int fd)
{
	char text[32] = "";

	if (read(fd, text, sizeof(text) - 1) < 0)
		return -errno;
	strcat(loaded, text);
	return strcmp(text, "b ") == 0 ? -EEXIST : strcmp(text, "bad ") == 0 ? -EINVAL : 0;
}

static const char *asked_for(struct init *init, const char *name, int expected)
{
	loaded[0] = '\0';
	CU_ASSERT_EQUAL(init_modprobe(init, "6.1", name), expected);
	return loaded;
}

static void the_kernel_asks_for_modules(void)
{
	static const char *const names[] = {"a", "b", "c-d", "bad"};
	struct init *init = guest_new();
	struct init_ops ops = guest_ops;

	ops.load_module = note_name;
	init->ops = &ops;
	asked_for(init, "a", -ENOENT); /* no modules at all */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		guest_write(init, test_path("%s ", names[i]), "lib/modules/6.1/kernel/%s.ko%s",
			    names[i], i == 1 ? ".xz" : "");
	guest_write(init,
		    "kernel/a.ko: kernel/b.ko.xz kernel/c-d.ko\nkernel/b.ko.xz: kernel/c-d.ko\n"
		    "kernel/c-d.ko:\nkernel/bad.ko:\nkernel/gone.ko:\nno colon\n",
		    "lib/modules/6.1/modules.dep");
	guest_write(init,
		    "# a comment\nalias fs-a a\nalias char-major-10-* c_d\nalias\nalias x\n"
		    "alias pci:v[0-9]-d* bad\nalias to-none none\nalias net-pf-16-proto-1? b",
		    "lib/modules/6.1/modules.alias");
	ASSERT_STR(asked_for(init, "a", 0), "c-d b a ");
	ASSERT_STR(asked_for(init, "b", 0), "c-d b ");
	ASSERT_STR(asked_for(init, "c_d", 0), "c-d ");
	ASSERT_STR(asked_for(init, "fs-a", 0), "c-d b a ");
	ASSERT_STR(asked_for(init, "char-major-10-229", 0), "c-d ");
	ASSERT_STR(asked_for(init, "net-pf-16-proto-12", 0), "c-d b ");
	ASSERT_STR(asked_for(init, "bad", -EINVAL), "bad ");
	ASSERT_STR(asked_for(init, "gone", -ENOENT), "");
	ASSERT_STR(asked_for(init, "to-none", -ENOENT), "");
	ASSERT_STR(asked_for(init, "", -ENOENT), "");
	guest_free(init);
}

static void aliases_match(void)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} rows[] = {
		{"fs-xfs", "fs-xfs", true},
		{"fs_xfs", "fs-xfs", true},
		{"fs-xfs", "fs-xf", false},
		{"fs-xf", "fs-xfs", false},
		{"*", "", true},
		{"*", "any", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-b-b", false},
		{"a?c", "abc", true},
		{"a?", "a", false},
		{"v[0-35]", "v2", true},
		{"v[0-35]", "v5", true},
		{"v[0-35]", "v4", false},
		{"v[", "v[", true},
		{"v*[0-9]x", "v1a2x", true},
		{"", "", true},
		{"pci:v*d*sv*", "pci:v1d2", false},
		{"[a-", "b", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CU_ASSERT_EQUAL(init_modprobe_matches(rows[i].pattern, rows[i].name),
				rows[i].matches);
}

static void device_nodes_are_parsed(void)
{
	static const char *const bad[] = {"# comment",	    "",
					  "fuse fuse",	    "fuse fuse x1:2",
					  "fuse fuse c1",   "fuse /fuse c1:2",
					  "fuse ../x c1:2", "fuse a c:2",
					  "fuse a c1:",	    "fuse a c1:2x",
					  "a a c4096:1",    "a a c1:1048576"};
	char line[64] = "tun net/tun c10:200", *text;
	const char *name;
	mode_t type;
	dev_t number;

	CU_ASSERT(init_devices_parse(line, &name, &type, &number));
	ASSERT_STR(name, "net/tun");
	CU_ASSERT(type == S_IFCHR && number == makedev(10, 200));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		text = strdup(bad[i]);
		CU_ASSERT_FALSE(init_devices_parse(text, &name, &type, &number));
		free(text);
	}
}

TEST_MAIN("init/modules", {"modules load in order", modules_load_in_order},
	  {"the failing module is named", the_failing_module_is_named},
	  {"no list is an empty list", no_list_is_an_empty_list},
	  {"late modules outlive their files", late_modules_outlive_their_files},
	  {"a signature is cut where it begins", a_signature_is_cut_where_it_begins},
	  {"unless asked for, signatures stay", unless_asked_for_signatures_stay},
	  {"modules load without their signatures", modules_load_without_their_signatures},
	  {"a module without a signature loads as it is",
	   a_module_without_a_signature_loads_as_it_is},
	  {"a kernel that insists gets whole modules", a_kernel_that_insists_gets_whole_modules},
	  {"a module that fails either way is named", a_module_that_fails_either_way_is_named},
	  {"FIPS mode insists", fips_mode_insists},
	  {"the kernel asks for modules", the_kernel_asks_for_modules},
	  {"aliases match", aliases_match}, {"device nodes are parsed", device_nodes_are_parsed})
