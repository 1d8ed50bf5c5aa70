/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake.h"

#include <string.h>

#include "base/file.h"
#include "base/process.h"
#include "test.h"

bool real_kernel(struct vmb_kernel *ret)
{
	if (vmb_kernel_find("", NULL, ret) == 0)
		return true;
	test_not_tried("%s", vmboot_last_error()->message);
	return false;
}

void run(const char *const *argv)
{
	ASSERT_OK(vmb_run(argv, NULL));
}

enum { SETUP_SIZE = 4096 };

static void fill_header(unsigned char image[SETUP_SIZE], const char *version)
{
	image[0x1f1] = 7;
	image[0x1fe] = 0x55;
	image[0x1ff] = 0xaa;
	memcpy(image + 0x202, "HdrS", 4);
	image[0x206] = 0x0f;
	image[0x207] = 0x02;
	image[0x20f] = 0x04; /* 0x400, less the first sector */
	snprintf((char *)image + 0x600, 256, "%s (somebody@somewhere) #1 SMP", version);
}

void fake_kernel(const char *path, const char *version)
{
	unsigned char image[SETUP_SIZE] = {0};

	fill_header(image, version);
	ASSERT_OK(vmb_write_file_atomic(path, image, sizeof(image), 0644));
}

void fake_bzimage(const char *path, const char *version, const void *payload, size_t n)
{
	static const size_t gap = 100; /* the decompressor, or so */
	size_t size = SETUP_SIZE + gap + n;
	unsigned char *image = test_alloc(size);

	fill_header(image, version);
	image[0x248] = (unsigned char)gap;
	for (int i = 0; i < 4; i++)
		image[0x24c + i] = (unsigned char)(n >> 8 * i);
	memcpy(image + SETUP_SIZE + gap, payload, n);
	ASSERT_OK(vmb_write_file_atomic(path, image, size, 0644));
}

static void copy_modules(const struct vmb_module_list *l, const char *folder, const char *without,
			 const char *const *compress)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *file = strrchr(l->list[i].path, '/') + 1;
		const char *argv[8] = {0};
		size_t n = 0;

		if (without && vmb_streq(l->list[i].name, without))
			continue;
		RUN("cp", l->list[i].path, folder);
		while (compress && compress[n]) {
			argv[n] = compress[n];
			n++;
		}
		argv[n] = test_path("%s/%s", folder, file);
		if (compress)
			run(argv);
	}
}

void fake_root(const char *root, const char *release, const struct vmb_kernel *real,
	       const char *without, const char *const *compress)
{
	const char *modules = test_path("%s/lib/modules/%s", root, release);
	const char *boot = test_path("%s/boot", root);
	const char *kernel = test_path("%s/kernel", modules);
	_cleanup_modules_ struct vmb_modules all = {0};

	ASSERT_OK(vmb_modules_resolve(real, "squashfs", 0, &all));
	RUN("mkdir", "-p", boot, kernel);
	fake_kernel(test_path("%s/vmlinuz-%s", boot, release), release);
	if (real->config)
		RUN("cp", real->config, test_path("%s/config-%s", boot, release));
	RUN("cp", test_path("%s/modules.builtin", real->modules),
	    test_path("%s/modules.builtin.modinfo", real->modules),
	    test_path("%s/modules.order", real->modules), modules);
	copy_modules(&all.early, kernel, without, compress);
	copy_modules(&all.late, kernel, without, compress);
	RUN("depmod", "-b", root, release);
}

void set_config(const char *path, const char *option, const char *value)
{
	const char *sed = value ? test_path("s/^%s=.*/%s=%s/", option, option, value)
				: test_path("/^%s=/d", option);

	RUN("sed", "-i", sed, path);
}
