/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which layer of the kernel disk goes over which image. */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "guest.h"
#include "test.h"
#include "wire/disks.h"

static const char *mounted; /* "source target type" of the last mount */
static int mount_result;

static int note_mount(const char *source, const char *target, const char *type, unsigned long flags,
		      const char *data)
{
	CU_ASSERT_EQUAL(flags, MS_RDONLY);
	CU_ASSERT_PTR_NULL(data);
	mounted = test_path("%s %s %s", source, target, type);
	return mount_result;
}

static const struct vmb_config_disk kernel_row = {VMB_SERIAL_KERNEL, "vdd", "squashfs", "ro",
						  VMB_POINT_KERNEL};

static struct init *guest_with(const char *const *folders, const char *const *links)
{
	static struct init_ops ops;
	struct init *init = guest_new();

	ops = guest_ops;
	ops.mount = note_mount;
	init->ops = &ops;
	init->config = (struct vmb_guest_config){.init_mode = VMBOOT_INIT_EXEC, .kernel_note = ""};
	guest_config_disk(init, &kernel_row);
	mounted = "";
	mount_result = 0;
	ASSERT_OK(vmb_rm_rf(test_path("%s/lower", init->root)));
	ASSERT_OK(vmb_mkdir_p(test_path("%s/lower", init->root), 0755));
	for (; *folders; folders++)
		ASSERT_OK(vmb_mkdir_p(test_path("%s/lower/%s", init->root, *folders), 0755));
	for (; *links; links += 2)
		CU_ASSERT_EQUAL(symlink(links[1], test_path("%s/lower/%s", init->root, links[0])),
				0);
	guest_disk(init, "vdd", VMB_SERIAL_KERNEL);
	return init;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NONE ((const char *const[]){NULL})

static void the_layer_fits_the_image(void)
{
	const struct {
		const char *const *folders, *const *links;
		const char *layer, *odd;
	} rows[] = {
		{LIST("usr/lib"), LIST("lib", "usr/lib"), "/kernel/merged", ""},
		{LIST("usr/lib", "usr/src"), LIST("lib", "/usr/lib/"), "/kernel/merged", ""},
		{NONE, LIST("lib", "./usr/lib"), "/kernel/merged", ""},
		{LIST("lib/modules/9.9.9", "usr/lib"), NONE, "/kernel/split", ""},
		{LIST("usr"), NONE, "/kernel/split", ""},
		{NONE, NONE, "/kernel/split", ""},
		/* what it may be there, the layer's folder is in its place */
		{LIST("lib"), LIST("lib/modules", "/srv/modules"), "/kernel/split", ""},
		{LIST("usr/lib64"), LIST("lib", "usr/lib64"), NULL, "/lib "},
		{LIST("usr/lib"), LIST("lib", "usr/lib/../lib/even/longer/than/all/of/them"), NULL,
		 "/lib "},
		{LIST("usr", "src"), LIST("usr/src", "../src"), NULL, "/usr/src "},
		{LIST("usr", "lib"), LIST("usr/lib", "../lib"), NULL, "/usr/lib "},
		{LIST("bin"), LIST("usr", "."), NULL, "/usr "},
		{NONE, LIST("lib", "usr/lib", "usr", "sys"), NULL, "/usr "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct init *init = guest_with(rows[i].folders, rows[i].links);
		struct init_report report = {0};

		CU_ASSERT_EQUAL(init_headers(init, &report), 0);
		if (rows[i].layer) {
			ASSERT_STR(init->layer, rows[i].layer);
			ASSERT_STR(report.detail, "");
			ASSERT_STR(mounted, test_path("%s/dev/vdd %s/kernel squashfs", init->root,
						      init->root));
		} else {
			CU_ASSERT_PTR_NULL(init->layer);
			ASSERT_STR(
				report.detail,
				test_path("no modules, no headers: the image's %sis not a folder",
					  rows[i].odd));
			ASSERT_STR(mounted, "");
		}
		ASSERT_STR(report.device, "vdd " VMB_SERIAL_KERNEL);
		guest_free(init);
	}
}

static void what_is_missing_is_told(void)
{
	struct init *init = guest_with(LIST("lib"), NONE);
	struct init_report report = {0};
	char line[256] = "";
	int p[2];

	CU_ASSERT_EQUAL_FATAL(pipe2(p, O_NONBLOCK), 0);
	init->console = p[1];
	init->config.kernel_note = "modules only, no headers: install x";
	CU_ASSERT_EQUAL(init_headers(init, &report), 0);
	ASSERT_STR(init->layer, "/kernel/split");
	ASSERT_STR(report.detail, init->config.kernel_note);
	CU_ASSERT(read(p[0], line, sizeof(line) - 1) > 0);
	ASSERT_STR(line, "vmboot: modules only, no headers: install x\n");
	close(p[0]);
	close(p[1]);
	guest_free(init);
}

static void a_disk_that_does_not_mount_fails_the_boot(void)
{
	struct init *init = guest_with(LIST("lib"), NONE);
	struct init_report report = {0};

	mount_result = -EINVAL;
	init->config.kernel_note = "modules only";
	CU_ASSERT_EQUAL(init_headers(init, &report), -EINVAL);
	ASSERT_STR(report.detail, "mounting it as squashfs");
	ASSERT_STR(report.device, "vdd " VMB_SERIAL_KERNEL);
	guest_free(init);
}

static void without_a_disk_nothing_is_waited_for(void)
{
	struct init *init = guest_with(LIST("lib"), NONE);
	struct init_report report = {0};
	struct vmb_deadline until = vmb_deadline_in(GUEST_MS);

	ASSERT_OK(vmb_rm_rf(test_path("%s/sys/block/vdd", init->root)));
	init->n_disks = INIT_N_CONTRACT;
	init->config.skip_kernel_headers = true;
	CU_ASSERT_EQUAL(init_headers(init, &report), 0);
	ASSERT_STR(report.detail, "skipping kernel headers setup");
	init->config.skip_kernel_headers = false;
	CU_ASSERT_EQUAL(init_headers(init, &report), 0);
	ASSERT_STR(report.detail, "no kernel disk is attached");
	CU_ASSERT_FALSE(vmb_deadline_passed(until));
	CU_ASSERT_PTR_NULL(init->layer);
	ASSERT_STR(mounted, "");
	guest_free(init);
}

TEST_MAIN("init/headers", {"the layer fits the image", the_layer_fits_the_image},
	  {"what is missing is told", what_is_missing_is_told},
	  {"a disk that does not mount fails the boot", a_disk_that_does_not_mount_fails_the_boot},
	  {"without a disk nothing is waited for", without_a_disk_nothing_is_waited_for})
