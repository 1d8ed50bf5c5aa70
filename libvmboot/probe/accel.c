/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "probe/accel.h"

#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/sigpipe.h"
#include "domain/domain.h"
#include "guest/watch.h"
#include "probe/kvm.h"
#include "probe/tsc.h"
#include "vm/files.h"

enum {
	/* A kernel that runs reaches init in well under a second under KVM. */
	PROBE_TIMEOUT_MS = 10000,
	PROBE_CHECK_MS = 100, /* a broken guest is paused, which no file shows */
	BOOT_ID_MAX = 64,
	MEMO_MAX = 256,
};

/* memo/kvm-<hash of this boot of the host, its KVM, the kernel and QEMU> */
static int memo_path(const struct vmb_store *store, const struct vmb_facts *f, char **ret)
{
	_cleanup_free_ char *boot_id = NULL;
	char hex[VMB_SHA256_HEX + 1];
	struct stat st = {0};
	struct vmb_kvm kvm;
	struct vmb_hash h;
	int r;

	r = vmb_read_file("/proc/sys/kernel/random/boot_id", BOOT_ID_MAX, &boot_id, NULL);
	if (r < 0)
		return r;
	if (f->emulator)
		(void)stat(f->emulator, &st);
	vmb_kvm_look(&kvm);
	vmb_hash_init(&h);
	vmb_hash_str(&h, boot_id);
	vmb_hash_str(&h, kvm.since);
	vmb_hash_str(&h, f->kernel.key);
	vmb_hash_add(&h, &st.st_mtim, sizeof(st.st_mtim));
	vmb_hash_hex(&h, hex);
	return vmb_store_path(store, ret, "memo/kvm-%.16s", hex);
}

int vmb_accel_remembered(const struct vmb_store *store, const struct vmb_facts *f)
{
	_cleanup_free_ char *path = NULL, *text = NULL;

	if (memo_path(store, f, &path) < 0 || vmb_read_file(path, MEMO_MAX, &text, NULL) < 0)
		return -1;
	return vmb_skip_prefix(text, "works") ? 1 : 0;
}

static void remember(const struct vmb_store *store, const struct vmb_facts *f, bool works)
{
	const char *text = works ? "works\n" : "broken\n";
	_cleanup_free_ char *path = NULL;

	/* a memo that cannot be written costs another probe, no more */
	if (memo_path(store, f, &path) == 0)
		(void)vmb_write_file_atomic(path, text, strlen(text), 0644);
}

struct probe {
	char *folder, *console, *events, *name;
	int lock;
	virDomainPtr domain;
	struct vmb_watch *watch;
};

static void probe_done(struct probe *p)
{
	if (p->domain) {
		virDomainDestroy(p->domain);
		virDomainFree(p->domain);
	}
	vmb_watch_close(p->watch);
	vmb_closep(&p->lock);
	if (p->folder)
		(void)vmb_rm_rf(p->folder);
	free(p->folder);
	free(p->console);
	free(p->events);
	free(p->name);
}

static int probe_files(const struct vmb_store *store, const struct vmb_facts *f, struct probe *p)
{
	_cleanup_free_ char *folder = NULL;
	int r;

	r = vmb_store_path(store, &folder, "memo/probe.tmp-XXXXXX");
	if (r < 0)
		return r;
	if (!mkdtemp(folder))
		return vmb_errno(errno, "cannot make %s", folder);
	p->folder = TAKE_PTR(folder);
	if (chmod(p->folder, 0711) < 0)
		return vmb_errno(errno, "cannot set the mode of %s", p->folder);
	r = vmb_files_lock(p->folder, LOCK_EX, &p->lock);
	if (r == 0)
		r = vmb_asprintf(&p->console, "%s/console.log", p->folder);
	if (r == 0)
		r = vmb_asprintf(&p->events, "%s/events", p->folder);
	if (r == 0)
		r = vmb_asprintf(&p->name, "vmboot-probe-%s", strrchr(p->folder, '-') + 1);
	if (r == 0)
		r = vmb_files_create(p->console, f->dac_label);
	if (r == 0)
		r = vmb_files_create(p->events, f->dac_label);
	return r;
}

static int start_guest(const struct vmb_facts *f, virConnectPtr c, const struct probe *p,
		       enum vmboot_accel accel, virDomainPtr *ret)
{
	VMB_KEEP_SIGPIPE;
	const struct vmb_probe probe = {
		.store = f->store,
		.name = p->name,
		.arch = f->kernel.arch,
		.machine = f->machine,
		.firmware = f->firmware,
		.kernel = f->kernel_copy,
		.initramfs = f->initramfs,
		.console = p->console,
		.events = p->events,
		.dac_label = f->dac_label,
		.accel = accel,
	};
	_cleanup_free_ char *xml = NULL;
	int r = vmb_domain_probe_xml(&probe, &xml);

	if (r == 0)
		r = vmb_libvirt_descriptors();
	if (r < 0)
		return r;
	*ret = virDomainCreateXML(c, xml, 0);
	if (!*ret)
		return vmb_libvirt_error("a guest under %s does not start",
					 accel == VMBOOT_ACCEL_KVM ? "KVM" : "TCG");
	return 0;
}

/* Whether the same guest starts under TCG: then it is not the host's state that is in the way. */
static bool starts_without_kvm(const struct vmb_facts *f, virConnectPtr c, const struct probe *p)
{
	struct vmb_saved_error *saved = vmb_error_save();
	_cleanup_domain_ virDomainPtr d = NULL;
	bool starts = start_guest(f, c, p, VMBOOT_ACCEL_TCG, &d) == 0;

	if (starts)
		virDomainDestroy(d);
	vmb_error_restore(saved);
	return starts;
}

/* 1; 0: such a guest does not start under KVM; or an error. */
static int probe_start(const struct vmb_facts *f, virConnectPtr c, struct probe *p)
{
	const struct vmb_watch_paths paths = {
		.events = p->events,
		.streams = {p->console, p->console, p->console},
	};
	int r = vmb_watch_open(&paths, &p->watch);

	if (r == 0)
		r = start_guest(f, c, p, VMBOOT_ACCEL_KVM, &p->domain);
	if (r == 0)
		return 1;
	if (r == -VMBOOT_ELIBVIRT && starts_without_kvm(f, c, p))
		return 0;
	return r;
}

/* 1 or 0; or an error, if libvirt does not say: it was restarted, perhaps. */
static int still_running(virDomainPtr d)
{
	int state;

	if (virDomainGetState(d, &state, NULL, 0) == 0)
		return state == VIR_DOMAIN_RUNNING;
	if (vmb_libvirt_code() == VIR_ERR_NO_DOMAIN)
		return 0;
	return vmb_libvirt_error("cannot ask for the state of the guest that tries KVM");
}

/* 1 once init has said that it runs; 0: it does not; or an error, and nobody knows. */
static int probe_answers(struct probe *p)
{
	struct vmb_deadline deadline = vmb_deadline_in(PROBE_TIMEOUT_MS);
	struct pollfd fd = {.fd = vmb_watch_fd(p->watch), .events = POLLIN};
	int running = 1;

	while (running > 0 && !vmb_deadline_passed(deadline)) {
		poll(&fd, 1, vmb_deadline_poll(deadline, PROBE_CHECK_MS));
		running = still_running(p->domain);
		if (vmb_watch_take(p->watch, NULL) > 0)
			return 1;
	}
	return running < 0 ? running : 0;
}

/* 1, 0; or an error: there was no trial, for a reason that may pass, such as a full disk. */
static int kvm_works(const struct vmb_store *store, virConnectPtr c, struct vmb_facts *f,
		     const struct vmb_log *log)
{
	_cleanup_close_ int shared = -1; /* kernel and initramfs stay until QEMU is gone */
	vmb_cleanup(probe_done) struct probe p = {.lock = -1};
	int r;

	vmb_log(log, VMBOOT_LOG_INFO, "trying whether a guest runs under KVM here");
	r = vmb_files_share(store, f, log, &shared);
	if (r == 0)
		r = probe_files(store, f, &p);
	if (r < 0)
		return r;
	r = probe_start(f, c, &p);
	if (r == 0)
		vmb_log(log, VMBOOT_LOG_WARNING, "KVM is not used: %s",
			vmboot_last_error()->message);
	return r <= 0 ? r : probe_answers(&p);
}

static enum vmboot_accel find_out(const struct vmb_store *store, virConnectPtr c,
				  struct vmb_facts *f, const struct vmb_log *log)
{
	int known = vmb_accel_remembered(store, f);

	if (known < 0) {
		known = kvm_works(store, c, f, log);
		if (known >= 0)
			remember(store, f, known);
		if (known < 0)
			vmb_log(log, VMBOOT_LOG_WARNING, "KVM is not used this time: %s",
				vmboot_last_error()->message);
		if (known == 0)
			vmb_log(log, VMBOOT_LOG_WARNING,
				"/dev/kvm is there, but no guest runs under it: TCG is used, which "
				"is slower");
	}
	return known > 0 ? VMBOOT_ACCEL_KVM : VMBOOT_ACCEL_TCG;
}

int vmb_accel_resolve(enum vmboot_accel asked, const struct vmb_store *store, struct vmb_conn *conn,
		      struct vmb_facts *facts, const struct vmb_log *log)
{
	_cleanup_connect_ virConnectPtr c = NULL;
	int r;

	r = vmb_conn_get(conn, NULL, &c);
	if (r < 0)
		return r;
	if (asked == VMBOOT_ACCEL_KVM && !facts->kvm_offered) {
		vmb_error(VMBOOT_EHOST, "accel is kvm, but libvirt offers no KVM here (is /dev/kvm "
					"there, and may its user open it?)");
		vmb_error_field("accel");
		return -VMBOOT_EHOST;
	}
	if (asked != VMBOOT_ACCEL_AUTO)
		facts->accel = asked;
	else if (!facts->kvm_offered)
		facts->accel = VMBOOT_ACCEL_TCG;
	else
		facts->accel = find_out(store, c, facts, log);
	if (facts->accel == VMBOOT_ACCEL_TCG)
		facts->tsc_khz = vmb_tsc_khz(store, conn);
	return 0;
}
