/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/sigpipe.h"
#include "disk/headers.h"
#include "host/accel.h"
#include "host/caps.h"
#include "host/kvm.h"
#include "host/vm.h"
#include "initrd/initrd.h"
#include "opts/opts.h"

enum status { OK, WARNING, ERROR };

/* What one check found; the next one may need it. */
struct exam {
	struct vmboot_opts opts;
	struct vmb_store store;
	struct vmb_conn *conn;
	struct vmb_caps caps;
	struct vmb_kernel kernel;
	struct vmb_modules modules;
	char found[1024], mend[512];
};

#define FOUND(e, ...) snprintf((e)->found, sizeof((e)->found), __VA_ARGS__)
#define MEND(e, ...) snprintf((e)->mend, sizeof((e)->mend), __VA_ARGS__)

static enum status failed(struct exam *e, const char *mend)
{
	FOUND(e, "%s", vmboot_last_error()->message);
	MEND(e, "%s", mend);
	return ERROR;
}

static enum status check_store(struct exam *e)
{
	struct statvfs fs;

	if (vmb_store_open(e->opts.store, &e->store) < 0)
		return failed(e, "choose another folder with --store or $VMBOOT_STORE");
	if (statvfs(e->store.path, &fs) < 0)
		return failed(e, "");
	FOUND(e, "%s, %llu MiB free", e->store.path,
	      (unsigned long long)fs.f_bavail * fs.f_frsize >> 20);
	if ((unsigned long long)fs.f_bavail * fs.f_frsize >> 20 > 512)
		return OK;
	MEND(e, "make room: images and VMs need some hundred MiB");
	return WARNING;
}

static enum status check_tool(struct exam *e, const char *tool, const char *package)
{
	_cleanup_free_ char *path = vmb_find_tool(tool);

	if (path) {
		FOUND(e, "%s", path);
		return OK;
	}
	FOUND(e, "%s is not installed", tool);
	MEND(e, "apt-get install %s", package);
	return ERROR;
}

static enum status check_sqfstar(struct exam *e)
{
	return check_tool(e, "sqfstar", "squashfs-tools");
}

static enum status check_mke2fs(struct exam *e)
{
	return check_tool(e, "mke2fs", "e2fsprogs");
}

static enum status check_qemu(struct exam *e)
{
	return check_tool(e, "qemu-system-x86_64", "qemu-system-x86");
}

static enum status check_init(struct exam *e)
{
	_cleanup_free_ char *path = NULL;

	if (vmb_initrd_find_init(&path) < 0)
		return failed(e, "install libvmboot's guest part, or set $VMBOOT_GUEST_DIR");
	FOUND(e, "%s", path);
	return OK;
}

static enum status check_kernel(struct exam *e)
{
	if (vmb_kernel_find("", e->opts.kernel, &e->kernel) < 0)
		return failed(e, "apt-get install linux-image-cloud-amd64");
	FOUND(e, "%s", e->kernel.path);
	return OK;
}

static enum status check_modules(struct exam *e)
{
	if (!e->kernel.path) {
		FOUND(e, "no kernel");
		return ERROR;
	}
	if (vmb_modules_resolve(&e->kernel, "squashfs", 0, &e->modules) < 0)
		return failed(e, "use a kernel that has it as a module or built in");
	FOUND(e, "%zu modules for a boot", e->modules.early.n);
	return OK;
}

/* Without them VMs boot, and build no modules. */
static enum status check_headers(struct exam *e)
{
	_cleanup_headers_ struct vmb_headers h = {0};

	if (!e->kernel.path) {
		FOUND(e, "no kernel");
		return WARNING;
	}
	if (vmb_headers_find("", &e->kernel, e->opts.kernel_headers, &h) < 0)
		return failed(e, "name a folder or an archive with headers of that kernel");
	if (!h.note) {
		FOUND(e, "%s", h.archive ? h.archive : h.parts[0].host);
		return OK;
	}
	FOUND(e, "%s", h.note);
	MEND(e, "apt-get install linux-headers-%s; or name them with `kernel_headers`",
	     e->kernel.release);
	return WARNING;
}

static enum status check_libvirt(struct exam *e)
{
	_cleanup_connect_ virConnectPtr c = NULL;
	unsigned long v = 0;

	if (!e->store.path || vmb_conn_open(&e->opts, &e->store, &e->conn) < 0 ||
	    vmb_conn_get(e->conn, NULL, &c) < 0 || vmb_caps_get(c, &e->caps) < 0)
		return failed(e, "start libvirtd or virtqemud, or use --uri embed");
	virConnectGetLibVersion(c, &v);
	FOUND(e, "%s, libvirt %lu.%lu.%lu", vmb_conn_uri(e->conn), v / 1000000, v / 1000 % 1000,
	      v % 1000);
	return OK;
}

static enum status check_kvm(struct exam *e)
{
	struct vmb_kvm kvm;
	int known = e->kernel.key ? vmb_accel_remembered(&e->store, &e->kernel) : -1;

	if (e->caps.kvm && known == 1) {
		FOUND(e, "guests run under KVM");
		return OK;
	}
	if (e->caps.kvm && known < 0) {
		FOUND(e, "offered; the first create will try whether a guest runs under it");
		return OK;
	}
	vmb_kvm_look(&kvm);
	if (!kvm.there)
		FOUND(e, "this host has no KVM device");
	else if (e->caps.kvm)
		FOUND(e, "%s is there, but no guest runs under it", kvm.node);
	else
		FOUND(e, "%s is there, but libvirt offers no KVM: may its user open it?", kvm.node);
	MEND(e, "turn on virtualisation in the firmware or the outer hypervisor, load kvm_intel or "
		"kvm_amd; until then TCG is used, which is slower");
	return WARNING;
}

static const struct {
	const char *name;
	enum status (*fn)(struct exam *e);
} checks[] = {
	{"store", check_store},	    {"sqfstar", check_sqfstar}, {"mke2fs", check_mke2fs},
	{"qemu", check_qemu},	    {"init", check_init},	{"kernel", check_kernel},
	{"modules", check_modules}, {"headers", check_headers}, {"libvirt", check_libvirt},
	{"kvm", check_kvm},
};

static void exam_done(struct exam *e)
{
	if (e->conn)
		vmb_conn_unref(e->conn);
	vmb_store_done(&e->store);
	vmb_caps_done(&e->caps);
	vmb_kernel_done(&e->kernel);
	vmb_modules_done(&e->modules);
}

static struct json_object *examine(struct exam *e, size_t i, int *errors)
{
	static const char *const words[] = {"ok", "warning", "error"};
	struct json_object *o = json_object_new_object();
	enum status status;

	e->found[0] = e->mend[0] = '\0';
	status = checks[i].fn(e);
	*errors += status == ERROR;
	vmb_json_str(o, "name", checks[i].name);
	vmb_json_str(o, "status", words[status]);
	vmb_json_str(o, "found", e->found);
	vmb_json_str(o, "mend", e->mend);
	return o;
}

int vmboot_doctor(const struct vmboot_opts *where, char **ret_json)
{
	VMB_NO_SIGPIPE;
	vmb_cleanup(exam_done) struct exam e = {0};
	_cleanup_json_ struct json_object *root = json_object_new_object();
	struct json_object *list = json_object_new_array();
	int r, errors = 0;

	r = vmb_opts_read(where, false, &e.opts);
	if (r < 0) {
		json_object_put(list);
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		json_object_array_add(list, examine(&e, i, &errors));
	json_object_object_add(root, "checks", list);
	r = vmb_json_text(root, ret_json);
	return r < 0 ? r : errors;
}
