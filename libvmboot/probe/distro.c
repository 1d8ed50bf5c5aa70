/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/distro.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/str.h"

enum { OS_RELEASE_MAX = 65536 };

/* One row for each family, by what ID or ID_LIKE says; the last one is for all others. */
static const struct family {
	const char *id, *install;
	const char *packages[VMB_PACKAGES];
} families[] = {
	{"debian",
	 "apt-get install",
	 {
		 [VMB_PACKAGE_E2FSPROGS] = "e2fsprogs",
		 [VMB_PACKAGE_SQUASHFS_NG] = "squashfs-tools-ng",
		 [VMB_PACKAGE_QEMU] = "qemu-system-x86",
		 [VMB_PACKAGE_KERNEL] = "linux-image-cloud-amd64",
		 [VMB_PACKAGE_LIBVIRT] = "libvirt-daemon-system",
		 [VMB_PACKAGE_QBOOT] = "qemu-system-data",
		 [VMB_PACKAGE_SKOPEO] = "skopeo",
	 }},
	{"ubuntu",
	 "apt-get install",
	 {
		 [VMB_PACKAGE_E2FSPROGS] = "e2fsprogs",
		 [VMB_PACKAGE_SQUASHFS_NG] = "squashfs-tools-ng",
		 [VMB_PACKAGE_QEMU] = "qemu-system-x86",
		 [VMB_PACKAGE_KERNEL] = "linux-image-virtual",
		 [VMB_PACKAGE_LIBVIRT] = "libvirt-daemon-system",
		 [VMB_PACKAGE_QBOOT] = "qemu-system-data",
		 [VMB_PACKAGE_SKOPEO] = "skopeo",
	 }},
	{"rhel",
	 "dnf install",
	 {
		 [VMB_PACKAGE_E2FSPROGS] = "e2fsprogs",
		 [VMB_PACKAGE_SQUASHFS_NG] = "squashfs-tools-ng",
		 [VMB_PACKAGE_QEMU] = "qemu-kvm",
		 [VMB_PACKAGE_KERNEL] = "kernel-core",
		 [VMB_PACKAGE_LIBVIRT] = "libvirt-daemon-driver-qemu",
		 [VMB_PACKAGE_QBOOT] = "qemu-kvm",
		 [VMB_PACKAGE_SKOPEO] = "skopeo",
	 }},
	{"fedora",
	 "dnf install",
	 {
		 [VMB_PACKAGE_E2FSPROGS] = "e2fsprogs",
		 [VMB_PACKAGE_SQUASHFS_NG] = "squashfs-tools-ng",
		 [VMB_PACKAGE_QEMU] = "qemu-system-x86-core",
		 [VMB_PACKAGE_KERNEL] = "kernel-core",
		 [VMB_PACKAGE_LIBVIRT] = "libvirt-daemon-driver-qemu",
		 [VMB_PACKAGE_QBOOT] = "qboot",
		 [VMB_PACKAGE_SKOPEO] = "skopeo",
	 }},
	{"suse",
	 "zypper install",
	 {
		 [VMB_PACKAGE_E2FSPROGS] = "e2fsprogs",
		 [VMB_PACKAGE_SQUASHFS_NG] = "squashfs-tools-ng",
		 [VMB_PACKAGE_QEMU] = "qemu-x86",
		 [VMB_PACKAGE_KERNEL] = "kernel-default",
		 [VMB_PACKAGE_LIBVIRT] = "libvirt-daemon-qemu",
		 [VMB_PACKAGE_QBOOT] = "qemu-microvm",
		 [VMB_PACKAGE_SKOPEO] = "skopeo",
	 }},
	{NULL,
	 "install",
	 {
		 [VMB_PACKAGE_E2FSPROGS] = "e2fsprogs",
		 [VMB_PACKAGE_SQUASHFS_NG] = "squashfs-tools-ng",
		 [VMB_PACKAGE_QEMU] = "QEMU for x86_64",
		 [VMB_PACKAGE_KERNEL] = "a Linux kernel with its modules",
		 [VMB_PACKAGE_LIBVIRT] = "libvirt's QEMU driver",
		 [VMB_PACKAGE_QBOOT] = "QEMU's firmware qboot.rom",
		 [VMB_PACKAGE_SKOPEO] = "skopeo",
	 }},
};

/* The value of a line such as ID_LIKE="rhel centos fedora", without its quotes; it is cut out of text. */
static char *value_of(char *text, const char *key)
{
	const size_t n = strlen(key);
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (strncmp(line, key, n) != 0 || line[n] != '=')
			continue;
		line += n + 1;
		if (*line == '"' || *line == '\'')
			line++;
		line[strcspn(line, "\"'")] = '\0';
		return line;
	}
	return NULL;
}

/* The first word of the value that names a family, or NULL. */
static const struct family *family_of(const char *text, const char *key)
{
	_cleanup_free_ char *copy = strdup(text);
	char *value = copy ? value_of(copy, key) : NULL, *word;

	while ((word = strsep(&value, " ")))
		for (const struct family *f = families; f->id; f++)
			if (vmb_streq(word, f->id))
				return f;
	return NULL;
}

static const struct family *find_family(const char *root)
{
	static const char *const files[] = {"/etc/os-release", "/usr/lib/os-release"};
	static const char *const keys[] = {"ID", "ID_LIKE"};
	struct vmb_saved_error *saved = vmb_error_save();
	_cleanup_free_ char *text = NULL;
	const struct family *f = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(files) && !text; i++) {
		_cleanup_free_ char *path = NULL;

		if (vmb_asprintf(&path, "%s%s", root, files[i]) == 0)
			(void)vmb_read_file(path, OS_RELEASE_MAX, &text, NULL);
	}
	vmb_error_restore(saved);
	for (size_t i = 0; i < ARRAY_SIZE(keys) && text && !f; i++)
		f = family_of(text, keys[i]);
	return f ? f : &families[ARRAY_SIZE(families) - 1];
}

void vmb_distro_install(const char *root, enum vmb_package package, char *ret, size_t size)
{
	const struct family *f = find_family(root);

	snprintf(ret, size, "%s %s", f->install, f->packages[package]);
}
