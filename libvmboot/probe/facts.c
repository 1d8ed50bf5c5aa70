/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/facts.h"

#include <unistd.h>

#include "base/error.h"
#include "disk/kernel.h"
#include "initrd/initrd.h"
#include "probe/firmware.h"
#include "probe/ports.h"

static int gather_kernel_disk(const struct vmboot_opts *opts, const struct vmb_store *store,
			      struct vmb_facts *f)
{
	int r;

	if (opts->skip_kernel_headers)
		return 0;
	r = vmb_headers_find("", &f->kernel, opts->kernel_headers, &f->headers);
	if (r < 0 || !vmb_kernel_has_modules(&f->kernel))
		return r;
	return vmb_kernel_disk_path(store, &f->kernel, &f->headers, &f->kernel_disk);
}

static int gather_files(const struct vmboot_opts *opts, const struct vmb_store *store,
			struct vmb_facts *f)
{
	unsigned needs = 0;
	int r;

	if (opts->network != VMBOOT_NETWORK_NONE)
		needs |= VMB_NEED_NETWORK;
	r = vmb_image_find(store, opts->image, &f->image);
	if (r == 0)
		r = vmb_image_check_platform(&f->image);
	if (r == 0)
		r = vmb_kernel_find("", opts->kernel, &f->kernel);
	if (r == 0)
		r = gather_kernel_disk(opts, store, f);
	if (f->kernel_disk)
		needs |= VMB_NEED_KERNEL_DISK;
	if (r == 0)
		r = vmb_modules_resolve(&f->kernel, f->image.fstype, needs, &f->modules);
	if (r == 0)
		r = vmb_initrd_find_init(&f->init);
	if (r == 0)
		r = vmb_initrd_store_path(store, &f->kernel, &f->modules, f->init, &f->initramfs);
	if (r == 0)
		r = vmb_initrd_estimate(&f->modules, f->init, &f->initramfs_bytes);
	return r;
}

/* ---- what is made for VMs that ask for nothing special ---- */

static int add_initramfs(const struct vmb_store *store, const struct vmb_kernel *kernel,
			 const char *init, const char *fstype, unsigned needs, char ***list)
{
	_cleanup_modules_ struct vmb_modules modules = {0};
	_cleanup_free_ char *path = NULL;
	int r = vmb_modules_resolve(kernel, fstype, needs, &modules);

	if (r == 0)
		r = vmb_initrd_store_path(store, kernel, &modules, init, &path);
	return r < 0 ? r : vmb_list_add(list, path);
}

static int add_each_initramfs(const struct vmb_store *store, const struct vmb_kernel *kernel,
			      char ***list)
{
	const char *const *fstype = vmb_config_root_fstypes;
	const unsigned all = VMB_NEED_NETWORK | VMB_NEED_KERNEL_DISK;
	_cleanup_free_ char *init = NULL;
	int r = vmb_initrd_find_init(&init);

	/* a kernel may be without one of the file systems */
	for (; *fstype && init; fstype++)
		for (unsigned needs = 0; needs <= all && r != -ENOMEM; needs++)
			r = add_initramfs(store, kernel, init, *fstype, needs, list);
	return r;
}

static int add_kernel_disk(const struct vmb_store *store, const struct vmb_kernel *kernel,
			   char ***list)
{
	_cleanup_headers_ struct vmb_headers headers = {0};
	_cleanup_free_ char *path = NULL;
	int r = vmb_headers_find("", kernel, NULL, &headers);

	if (r == 0)
		r = vmb_kernel_disk_path(store, kernel, &headers, &path);
	return r < 0 ? r : vmb_list_add(list, path);
}

int vmb_facts_usual_files(const struct vmb_store *store, char ***ret)
{
	_cleanup_kernel_ struct vmb_kernel kernel = {0};
	_cleanup_list_ char **list = NULL;
	_cleanup_free_ char *folder = NULL;
	int r = vmb_list_add(&list, NULL);

	if (r == 0)
		r = vmb_kernel_find("", NULL, &kernel);
	if (r == 0)
		r = vmb_asprintf(&folder, "%s/kernels/%s", store->path, kernel.key);
	if (r == 0)
		r = vmb_list_add(&list, folder);
	if (r == 0)
		r = add_kernel_disk(store, &kernel, &list);
	if (r != -ENOMEM && kernel.path)
		r = add_each_initramfs(store, &kernel, &list);
	if (r == -ENOMEM)
		return r;
	*ret = TAKE_PTR(list);
	return 0;
}

/* ---- all facts ---- */

int vmb_facts_kernel_start(enum vmboot_kernel_start asked, const struct vmb_store *store,
			   const struct vmb_caps *caps, struct vmb_facts *f)
{
	int r = 0;

	f->kernel_direct = asked == VMBOOT_KERNEL_START_AUTO && caps->pvh;
	if (asked == VMBOOT_KERNEL_START_AUTO)
		r = vmb_firmware_find(f->kernel.arch, "", caps->dac_label, &f->firmware);
	return r < 0 ? r
		     : vmb_kernel_store_path(store, &f->kernel, &f->kernel_direct, &f->kernel_copy);
}

/* Only root can make files for another user; for others libvirt does it. */
static void take_label(struct vmb_caps *caps, struct vmb_facts *f)
{
	f->dac_relabels = caps->dac_label && geteuid() != 0;
	if (!f->dac_relabels)
		f->dac_label = TAKE_PTR(caps->dac_label);
}

int vmb_facts_gather(const struct vmboot_opts *opts, const struct vmb_store *store,
		     struct vmb_conn *conn, struct vmb_facts *ret)
{
	_cleanup_facts_ struct vmb_facts f = {0};
	_cleanup_caps_ struct vmb_caps caps = {0};
	_cleanup_connect_ virConnectPtr c = NULL;
	int r;

	r = vmb_strdup(store->path, &f.store);
	if (r == 0)
		r = gather_files(opts, store, &f);
	if (r == 0)
		r = vmb_conn_get(conn, NULL, &c);
	if (r == 0)
		r = vmb_caps_get(c, &caps);
	if (r == 0)
		r = vmb_facts_kernel_start(opts->kernel_start, store, &caps, &f);
	if (r < 0)
		return r;
	r = vmb_ports_read(opts->publish, &f.ports);
	if (r == 0)
		r = vmb_ports_resolve(&f.ports);
	if (r < 0)
		return r;
	f.emulator = TAKE_PTR(caps.emulator);
	f.machine = TAKE_PTR(caps.machine);
	f.kvm_offered = caps.kvm;
	f.cpu_maximum = caps.cpu_maximum;
	f.cpu_words = caps.cpu_words;
	take_label(&caps, &f);
	*ret = f;
	f = (struct vmb_facts){0};
	return 0;
}
