/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is remembered of a trial of KVM. libvirt's calls give what a row says. */
#include "probe/accel.h"

#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "base/file.h"
#include "initrd/initrd.h"
#include "test.h"

static const struct row {
	const char *what;
	int refusal;   /* 0: it starts */
	bool whatever; /* without KVM, too */
	const char *words;
	int state; /* then; -1: libvirt does not answer */
	int remembered;
} rows[] = {
	{"the disk is full", VIR_ERR_INTERNAL_ERROR, true, "qemu: x: kein Platz", 0, -1},
	{"libvirt is gone", VIR_ERR_RPC, true, "end of file", 0, -1},
	{"libvirt goes meanwhile", 0, false, NULL, -1, -1},
	{"emulation breaks", 0, false, NULL, VIR_DOMAIN_PAUSED, 0},
	{"QEMU cannot", VIR_ERR_INTERNAL_ERROR, false, "qemu: failed to set MSR", 0, 0},
};

static const struct row *row;
static bool refused;

virDomainPtr virDomainCreateXML(virConnectPtr c, const char *xml, unsigned flags)
{
	(void)flags;
	refused = row->refusal && (row->whatever || strstr(xml, "<domain type=\"kvm\""));
	return refused ? NULL : virDomainLookupByName(c, "test");
}

virErrorPtr virGetLastError(void)
{
	static virError e;
	__typeof__(virGetLastError) *real;

	*(void **)&real = dlsym(RTLD_NEXT, "virGetLastError");
	if (!refused)
		return real();
	e.code = row->refusal;
	e.message = (char *)row->words;
	return &e;
}

const char *virGetLastErrorMessage(void)
{
	virErrorPtr e = virGetLastError();

	return e && e->message ? e->message : "";
}

int virDomainDestroy(virDomainPtr d)
{
	(void)d;
	return 0;
}

int virDomainGetState(virDomainPtr d, int *state, int *reason, unsigned flags)
{
	__typeof__(virDomainGetState) *real;
	int r;

	*(void **)&real = dlsym(RTLD_NEXT, "virDomainGetState");
	r = real(d, state, reason, flags);
	if (row->state < 0)
		return -1;
	*state = row->state;
	return r;
}

/* As vmb_facts_gather() does, but for a libvirt that offers KVM. */
static int gather(const struct vmb_store *store, struct vmb_facts *f)
{
	int r = vmb_kernel_find("", NULL, &f->kernel);

	if (r == 0)
		r = vmb_modules_resolve(&f->kernel, "squashfs", 0, &f->modules);
	if (r == 0)
		r = vmb_initrd_find_init(&f->init);
	if (r == 0)
		r = vmb_initrd_store_path(store, &f->kernel, &f->modules, f->init, &f->initramfs);
	if (r == 0)
		r = vmb_kernel_store_path(store, &f->kernel, &f->kernel_direct, &f->kernel_copy);
	if (r < 0)
		return r;
	f->store = strdup(store->path);
	f->machine = strdup("q35");
	f->kvm_offered = true;
	return 0;
}

static void only_a_trial_is_remembered(void)
{
	const struct vmboot_opts opts = VMBOOT_OPTS(.uri = "test:///default");
	_cleanup_facts_ struct vmb_facts f = {0};
	_cleanup_store_ struct vmb_store store = {0};
	const struct vmb_log silent = {0};
	struct vmb_conn *conn = NULL;
	const char *memo;

	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	memo = test_path("%s/memo", store.path);
	if (gather(&store, &f) < 0) {
		test_not_tried("%s", vmboot_last_error()->message);
		return;
	}
	ASSERT_OK(vmb_conn_open(&opts, &store, &conn));
	for (row = rows; row < rows + ARRAY_SIZE(rows); row++) {
		refused = false;
		ASSERT_OK(vmb_accel_resolve(VMBOOT_ACCEL_AUTO, &store, conn, &f, &silent));
		CU_ASSERT_EQUAL(f.accel, VMBOOT_ACCEL_TCG);
		if (vmb_accel_remembered(&store, &f) != row->remembered)
			CU_FAIL(row->what);
		ASSERT_OK(vmb_rm_rf(memo));
	}
	vmb_conn_unref(conn);
}

TEST_MAIN("host/accel", {"only a trial is remembered", only_a_trial_is_remembered})
