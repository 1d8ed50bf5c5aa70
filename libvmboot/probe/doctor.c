/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pwd.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <vmboot/image.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/process.h"
#include "base/sigpipe.h"
#include "base/str.h"
#include "disk/headers.h"
#include "initrd/initrd.h"
#include "opts/opts.h"
#include "probe/accel.h"
#include "probe/distro.h"
#include "probe/facts.h"
#include "probe/firmware.h"
#include "probe/kvm.h"
#include "virt/embed.h"
#include "vm/files.h"
#include "vm/vm.h"

VMB_DEFINE_CLEANUP(image_list_freep, struct vmboot_image **, vmboot_image_list_free)
#define _cleanup_images_ vmb_cleanup(image_list_freep)

enum status { OK, WARNING, ERROR };

/* What one check found; the next one may need it. */
struct exam {
	struct vmboot_opts opts;
	struct vmb_store store;
	struct vmb_conn *conn;
	bool connected;
	struct vmb_caps caps;
	struct vmb_kernel kernel;
	struct vmb_modules modules;
	bool bootable; /* modules are all that a boot needs, if any */
	char found[1024], fix[512];
};

#define FOUND(e, ...) snprintf((e)->found, sizeof((e)->found), __VA_ARGS__)
#define SET_FIX(e, ...) snprintf((e)->fix, sizeof((e)->fix), __VA_ARGS__)

static enum status failed(struct exam *e, const char *fix)
{
	FOUND(e, "%s", vmboot_last_error()->message);
	SET_FIX(e, "%s", fix);
	return ERROR;
}

/* A check that another one's failure leaves nothing to do for. */
static enum status skipped(struct exam *e, const char *other)
{
	SET_FIX(e, "fix this first: %s", other);
	return WARNING;
}

static enum status check_store(struct exam *e)
{
	struct statvfs fs;

	if (vmb_store_open(e->opts.store, &e->store) < 0)
		return failed(e, "choose another folder with --store or $VMBOOT_STORE");
	if (statvfs(e->store.path, &fs) < 0)
		return failed(e, "choose another folder with --store or $VMBOOT_STORE");
	FOUND(e, "%s, %llu MiB free", e->store.path,
	      (unsigned long long)fs.f_bavail * fs.f_frsize >> 20);
	if ((unsigned long long)fs.f_bavail * fs.f_frsize >> 20 > 512)
		return OK;
	SET_FIX(e, "make room: images and VMs need some hundred MiB");
	return WARNING;
}

static void suggest_install(struct exam *e, enum vmb_package package)
{
	vmb_distro_install("", package, e->fix, sizeof(e->fix));
}

static enum status check_tool(struct exam *e, const char *tool, enum vmb_package package)
{
	_cleanup_free_ char *path = vmb_find_tool(tool);

	if (path) {
		FOUND(e, "%s", path);
		return OK;
	}
	FOUND(e, "%s is not installed", tool);
	suggest_install(e, package);
	return ERROR;
}

static enum status check_mke2fs(struct exam *e)
{
	return check_tool(e, "mke2fs", VMB_PACKAGE_E2FSPROGS);
}

/* All but the pulling of images works without. */
static enum status check_skopeo(struct exam *e)
{
	return check_tool(e, "skopeo", VMB_PACKAGE_SKOPEO) == OK ? OK : WARNING;
}

/* Only saving images needs it. */
static enum status check_sqfs2tar(struct exam *e)
{
	return check_tool(e, "sqfs2tar", VMB_PACKAGE_SQUASHFS_NG) == OK ? OK : WARNING;
}

/* The one that libvirt runs, if it says; RHEL has it where no PATH leads. */
static enum status check_qemu(struct exam *e)
{
	static const char rhels[] = "/usr/libexec/qemu-kvm";
	const char *path = e->caps.emulator && *e->caps.emulator ? e->caps.emulator : rhels;
	const struct vmb_arch *arch;

	if (vmb_arch_host(&arch) < 0)
		return failed(e, "use another host");
	if (access(path, X_OK) == 0) {
		FOUND(e, "%s", path);
		return OK;
	}
	return check_tool(e, arch->emulator, VMB_PACKAGE_QEMU);
}

static enum status check_init(struct exam *e)
{
	_cleanup_free_ char *path = NULL, *importer = NULL, *writer = NULL, *limiter = NULL;

	if (vmb_initrd_find_init(&path) < 0 ||
	    vmb_find_installed("vmboot-import", "the importer", X_OK, &importer) < 0 ||
	    vmb_find_installed("vmboot-squash", "the writer of squashfs", X_OK, &writer) < 0 ||
	    vmb_find_installed("vmboot-logs", "the program that limits logs", X_OK, &limiter) < 0)
		return failed(e, "install libvmboot's guest part, or set $VMBOOT_GUEST_DIR");
	FOUND(e, "%s", path);
	return OK;
}

static enum status check_kernel(struct exam *e)
{
	if (vmb_kernel_find("", e->opts.kernel, &e->kernel) < 0) {
		FOUND(e, "%s", vmboot_last_error()->message);
		suggest_install(e, VMB_PACKAGE_KERNEL);
		return ERROR;
	}
	FOUND(e, "%s", e->kernel.path);
	return OK;
}

static enum status check_modules(struct exam *e)
{
	if (!e->kernel.path) {
		FOUND(e, "no kernel");
		return skipped(e, "kernel");
	}
	if (vmb_modules_resolve(&e->kernel, "squashfs", 0, &e->modules) < 0)
		return failed(e, "use a kernel that has it as a module or built in");
	e->bootable = true;
	if (vmb_kernel_has_modules(&e->kernel))
		FOUND(e, "%zu modules for a boot", e->modules.early.n);
	else
		FOUND(e, "none: all is built in, says %s", e->kernel.config);
	return OK;
}

/* Without them VMs boot, and build no modules. */
static enum status check_headers(struct exam *e)
{
	_cleanup_headers_ struct vmb_headers h = {0};

	if (!e->kernel.path) {
		FOUND(e, "no kernel");
		return skipped(e, "kernel");
	}
	if (vmb_headers_find("", &e->kernel, e->opts.kernel_headers, &h) < 0)
		return failed(e, vmb_kernel_has_modules(&e->kernel)
					 ? "name a folder or an archive with headers of that kernel"
					 : "leave `kernel_headers` out");
	if (!h.note) {
		FOUND(e, "%s", h.archive ? h.archive : h.parts[0].host);
		return OK;
	}
	FOUND(e, "%s", h.note);
	if (!vmb_kernel_has_modules(&e->kernel))
		return OK;
	SET_FIX(e,
		"install that package, or name the headers with `kernel_headers`; without, guests "
		"boot "
		"and cannot build modules");
	return WARNING;
}

/* The user that a system's libvirt runs QEMU as, by one of its names. */
static bool has_qemu_user(void)
{
	static const char *const names[] = {"libvirt-qemu", "qemu"};
	struct passwd user, *found = NULL;
	char buf[4096];

	for (size_t i = 0; i < ARRAY_SIZE(names) && !found; i++)
		(void)getpwnam_r(names[i], &user, buf, sizeof(buf), &found);
	return found;
}

static bool is_kept_from_socket(void)
{
	static const char *const sockets[] = {"/run/libvirt/libvirt-sock",
					      "/run/libvirt/virtqemud-sock"};

	for (size_t i = 0; i < ARRAY_SIZE(sockets); i++)
		if (access(sockets[i], W_OK) < 0 && errno == EACCES)
			return true;
	return false;
}

static bool is_auth_error(int code)
{
	return code == VIR_ERR_AUTH_FAILED || code == VIR_ERR_AUTH_CANCELLED ||
	       code == VIR_ERR_AUTH_UNAVAILABLE;
}

static void suggest_for_embedded(struct exam *e)
{
	_cleanup_free_ char *uri = NULL;

	if (geteuid() == 0 && !has_qemu_user()) {
		suggest_install(e, VMB_PACKAGE_LIBVIRT);
		vmb_strlcat(e->fix, ": it makes the user that QEMU runs as", sizeof(e->fix));
	} else if (!e->conn && vmb_embed_prepare(&e->store, &uri) == 0 && vmb_embed_is_taken(uri)) {
		SET_FIX(e, "another process has this embedded libvirt: end it, or choose another "
			   "folder with --store");
	} else {
		SET_FIX(e, "choose another folder with --store, or use a libvirt with a daemon");
	}
}

static enum status libvirt_failed(struct exam *e)
{
	const int code = vmboot_last_error()->libvirt_code;

	FOUND(e, "%s", vmboot_last_error()->message);
	if (vmb_conn_is_in_store(&e->opts))
		suggest_for_embedded(e);
	else if (is_auth_error(code) || is_kept_from_socket())
		SET_FIX(e, "join the group libvirt, or use --uri qemu:///session");
	else
		SET_FIX(e, "start libvirtd or virtqemud, or use --uri embed");
	return ERROR;
}

static enum status check_libvirt(struct exam *e)
{
	_cleanup_connect_ virConnectPtr c = NULL;
	unsigned long v = 0;

	if (!e->store.path) {
		FOUND(e, "no store");
		return skipped(e, "store");
	}
	if (vmb_conn_open(&e->opts, &e->store, &e->conn) < 0 ||
	    vmb_conn_get(e->conn, NULL, &c) < 0 || vmb_caps_get(c, &e->caps) < 0)
		return libvirt_failed(e);
	e->connected = true;
	virConnectGetLibVersion(c, &v);
	FOUND(e, "%s, libvirt %lu.%lu.%lu", vmb_conn_uri(e->conn), v / 1000000, v / 1000 % 1000,
	      v % 1000);
	return OK;
}

/* True if libvirt's user is kept from path. */
static bool kept_from(struct exam *e, const char *path)
{
	_cleanup_free_ char *part = NULL;
	int bit = vmb_files_obstacle(path, e->caps.dac_label, &part);

	if (bit <= 0)
		return false;
	FOUND(e, "libvirt's user (%s) cannot %s %s", e->caps.dac_label,
	      bit == 'x' ? "pass through" : "read", part);
	SET_FIX(e, "chmod o+%c %s%s", bit, part,
		bit == 'x' ? ", or choose another folder with --store" : "");
	return true;
}

/* The files that VMs share; each VM's own are given to libvirt's user when they are made. */
static enum status check_access(struct exam *e)
{
	_cleanup_images_ struct vmboot_image **images = NULL;
	_cleanup_free_ char *folder = NULL;
	int n;

	if (!e->connected) {
		FOUND(e, "no libvirt");
		return skipped(e, "libvirt");
	}
	if (!e->caps.dac_label) {
		FOUND(e, "libvirt runs QEMU as the user who calls it");
		return OK;
	}
	n = vmboot_image_list(&e->opts, &images);
	if (n < 0 || vmb_asprintf(&folder, "%s/", e->store.path) < 0)
		return failed(e, "look at the store, or choose another folder with --store");
	if (kept_from(e, folder))
		return ERROR;
	for (int i = 0; i < n; i++)
		if (kept_from(e, images[i]->disk))
			return ERROR;
	FOUND(e, "libvirt's user (%s) reaches the store and %d images", e->caps.dac_label, n);
	return OK;
}

/* Without it guests start by libvirt's usual one, a little later. */
static enum status check_firmware(struct exam *e)
{
	_cleanup_free_ char *path = NULL;

	const struct vmb_arch *arch;

	if (vmb_arch_host(&arch) < 0)
		return failed(e, "use another host");
	if (vmb_firmware_find(arch, "", e->caps.dac_label, &path) < 0)
		return failed(e, "free some memory");
	if (path) {
		FOUND(e, "%s", path);
		return OK;
	}
	FOUND(e, "qboot.rom is not there, or not for libvirt's user to read");
	suggest_install(e, VMB_PACKAGE_QBOOT);
	vmb_strlcat(e->fix, "; without it guests start a little later", sizeof(e->fix));
	return WARNING;
}

/* Boots the kernel under KVM, unless that is known. 1: it runs, 0: it does not, or negative. */
static int try_kvm(struct exam *e)
{
	const struct vmb_log log = vmb_log_of(&e->opts);
	_cleanup_free_ char *init = NULL, *initramfs = NULL;
	/* borrowed, but for how the kernel starts */
	struct vmb_facts f = {
		.store = e->store.path,
		.kernel = e->kernel,
		.modules = e->modules,
		.kvm_offered = true,
		.emulator = e->caps.emulator,
		.machine = e->caps.machine,
		.dac_label = geteuid() == 0 ? e->caps.dac_label : NULL,
	};
	int r = vmb_initrd_find_init(&init);

	if (r == 0)
		r = vmb_facts_kernel_start(e->opts.kernel_start, &e->store, &e->caps, &f);
	if (r == 0)
		r = vmb_initrd_store_path(&e->store, &e->kernel, &e->modules, init, &initramfs);
	f.init = init;
	f.initramfs = initramfs;
	if (r == 0)
		r = vmb_accel_resolve(VMBOOT_ACCEL_AUTO, &e->store, e->conn, &f, &log);
	free(f.kernel_copy);
	free(f.firmware);
	return r < 0 ? r : f.accel == VMBOOT_ACCEL_KVM;
}

static enum status check_kvm(struct exam *e)
{
	struct vmb_kvm kvm;
	int works = e->caps.kvm && e->bootable ? try_kvm(e) : -1;

	if (works == 1) {
		FOUND(e, "guests run under KVM");
		return OK;
	}
	vmb_kvm_look(&kvm);
	if (!e->connected) {
		FOUND(e, "no libvirt");
		return skipped(e, "libvirt");
	}
	if (!kvm.there)
		FOUND(e, "this host has no KVM device");
	else if (!e->caps.kvm)
		FOUND(e, "%s is there, but libvirt offers no KVM: may its user open it?", kvm.node);
	else if (works < 0)
		FOUND(e, "%s is there, but no guest could be tried", kvm.node);
	else
		FOUND(e, "%s is there, but no guest runs under it", kvm.node);
	SET_FIX(e,
		"turn on virtualisation in the firmware or the outer hypervisor, load kvm_intel or "
		"kvm_amd; until then TCG is used, which is slower");
	return WARNING;
}

static const struct {
	const char *name;
	enum status (*fn)(struct exam *e);
} checks[] = {
	{"store", check_store},	      {"mke2fs", check_mke2fs},	  {"sqfs2tar", check_sqfs2tar},
	{"init", check_init},	      {"kernel", check_kernel},	  {"modules", check_modules},
	{"headers", check_headers},   {"libvirt", check_libvirt}, {"qemu", check_qemu},
	{"firmware", check_firmware}, {"access", check_access},	  {"kvm", check_kvm},
	{"skopeo", check_skopeo},
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

	e->found[0] = e->fix[0] = '\0';
	status = checks[i].fn(e);
	*errors += status == ERROR;
	vmb_json_str(o, "name", checks[i].name);
	vmb_json_str(o, "status", words[status]);
	vmb_json_str(o, "found", e->found);
	vmb_json_str(o, "mend", e->fix);
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
