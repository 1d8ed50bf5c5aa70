/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two who start, stop and remove one VM. libvirt's own test driver has the domains; what somebody else
 * does meanwhile is done within libvirt's calls, in this program's own versions of them.
 */
#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <vmboot/vm.h>

#include "base/error.h"
#include "base/file.h"
#include "domain/domain.h"
#include "store/store.h"
#include "test.h"
#include "vm/files.h"

#define NAME "life"

static struct vmb_store store;
static virConnectPtr conn;

static const char *folder(void)
{
	return test_path("%s/vms/" NAME, store.path);
}

static const char *file(const char *name)
{
	return test_path("%s/%s", folder(), name);
}

/* ---- libvirt ---- */

static int calls, alone; /* of those that change a domain; and with the VM for its caller alone */
/* set by a test, taken by whichever thread asks libvirt first */
typedef void (*action)(void);
static _Atomic action meanwhile, once_known;
static atomic_bool leaving; /* the next to ask hears that it is shutting down */

static void note_call(void)
{
	int fd = -1;

	calls++;
	if (vmb_store_lock_folder(folder(), 0, &fd) == -ETIMEDOUT)
		alone++;
	vmb_closep(&fd);
}

static void act(_Atomic action *what)
{
	action fn = atomic_exchange(what, NULL);

	if (fn)
		fn();
}

#define REAL(name)                                                                                 \
	__typeof__(name) *real;                                                                    \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

int virDomainCreate(virDomainPtr d)
{
	REAL(virDomainCreate);
	note_call();
	return real(d);
}

int virDomainDestroy(virDomainPtr d)
{
	REAL(virDomainDestroy);
	note_call();
	return real(d);
}

int virDomainUndefineFlags(virDomainPtr d, unsigned flags)
{
	REAL(virDomainUndefineFlags);

	/* the test driver refuses flags that it does not know, and is asked again without them */
	if (!(flags & VIR_DOMAIN_UNDEFINE_NVRAM))
		note_call();
	return real(d, flags);
}

/* The test driver has no power button. */
int virDomainShutdownFlags(virDomainPtr d, unsigned flags)
{
	REAL(virDomainDestroy);
	(void)flags;
	return real(d);
}

int virDomainGetState(virDomainPtr d, int *state, int *reason, unsigned flags)
{
	REAL(virDomainGetState);
	int r = real(d, state, reason, flags);

	if (atomic_exchange(&leaving, false))
		*state = VIR_DOMAIN_SHUTDOWN;
	act(&meanwhile);
	return r;
}

char *virDomainGetMetadata(virDomainPtr d, int type, const char *uri, unsigned flags)
{
	REAL(virDomainGetMetadata);
	char *xml = real(d, type, uri, flags);

	act(&once_known);
	return xml;
}

/* The test driver knows other machines than libvmboot does. */
char *virConnectGetCapabilities(virConnectPtr c)
{
	(void)c;
	return strdup("<capabilities><guest><os_type>hvm</os_type><arch name='x86_64'>"
		      "<machine>q35</machine></arch></guest></capabilities>");
}

/* ---- the VM ---- */

static void define(void)
{
	virDomainPtr d = virDomainDefineXML(
		conn,
		test_path("<domain type='test'><name>" NAME "</name><memory>9000</memory>"
			  "<os><type>hvm</type></os><metadata><v:vm xmlns:v='" VMB_DOMAIN_XMLNS
			  "'><v:store>%s</v:store></v:vm></metadata></domain>",
			  store.path));

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	virDomainFree(d);
}

static void make_vm(void)
{
	static const char *const files[] = {"events", "stdout.log", "stderr.log", "console.log"};
	int lock = -1;

	ASSERT_OK(vmb_mkdir_p(folder(), 0711));
	ASSERT_OK(vmb_files_lock(folder(), LOCK_EX, &lock));
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		test_write(file(files[i]), "");
	test_write(file("ledger"), "{\"start_real_us\": 1, \"phases\": []}");
	define();
	close(lock);
}

static struct vmboot_vm *open_vm(void)
{
	const struct vmboot_opts where = VMBOOT_OPTS(.store = store.path, .uri = "test:///default");
	struct vmboot_vm *vm = NULL;

	ASSERT_OK(vmboot_open(&where, NAME, &vm));
	return vm;
}

static struct vmboot_vm *begin(void)
{
	ASSERT_OK(vmb_store_open(test_path("%s/store", test_tmpdir()), &store));
	conn = virConnectOpen("test:///default");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
	make_vm();
	calls = alone = 0;
	return open_vm();
}

static void finish(void)
{
	virConnectClose(conn);
	vmb_store_done(&store);
}

/* As another process would. */
static void remove_vm(void)
{
	struct vmboot_vm *other = open_vm();

	ASSERT_OK(vmboot_destroy(other));
	vmboot_close(other);
}

static void start_vm(void)
{
	struct vmboot_vm *other = open_vm();

	ASSERT_OK(vmboot_start(other));
	vmboot_close(other);
}

static enum vmboot_state state_of(struct vmboot_vm *vm)
{
	struct vmboot_info *info = NULL;
	enum vmboot_state state;

	ASSERT_OK(vmboot_info(vm, &info));
	state = info->state;
	vmboot_info_free(info);
	return state;
}

/* ---- tests ---- */

static void who_changes_it_is_alone(void)
{
	struct vmboot_vm *vm = begin();

	ASSERT_OK(vmboot_start(vm));
	CU_ASSERT_EQUAL(vmboot_stop(vm, 0), 1);
	ASSERT_OK(vmboot_start(vm));
	ASSERT_OK(vmboot_destroy(vm));
	CU_ASSERT_EQUAL(calls, 5);
	CU_ASSERT_EQUAL(alone, calls);
	CU_ASSERT_FALSE(vmb_exists(folder()));
	vmboot_close(vm);
	finish();
}

static void another_of_its_name_is_left_alone(void)
{
	struct vmboot_vm *vm = begin(), *other;
	struct vmboot_ledger *ledger;
	struct vmboot_info *info;

	remove_vm();
	make_vm();
	start_vm();
	ASSERT_ERROR(vmboot_stop(vm, 0), VMBOOT_ENOVM, "another has its name");
	ASSERT_ERROR(vmboot_start(vm), VMBOOT_ENOVM, "another has its name");
	ASSERT_ERROR(vmboot_info(vm, &info), VMBOOT_ENOVM, "another has its name");
	ASSERT_ERROR(vmboot_ledger(vm, &ledger), VMBOOT_ENOVM, "another has its name");
	ASSERT_OK(vmboot_destroy(vm)); /* it is gone */
	vmboot_close(vm);
	CU_ASSERT(vmb_exists(file("events")));
	other = open_vm();
	CU_ASSERT_EQUAL(state_of(other), VMBOOT_STATE_RUNNING);
	ASSERT_OK(vmboot_destroy(other));
	CU_ASSERT_FALSE(vmb_exists(folder()));
	vmboot_close(other);
	finish();
}

static void replace_vm(void)
{
	remove_vm();
	make_vm();
}

static void what_is_opened_is_one_vm(void)
{
	struct vmboot_vm *vm = begin(), *other = NULL;
	const struct vmboot_opts where = VMBOOT_OPTS(.store = store.path, .uri = "test:///default");

	vmboot_close(vm);
	once_known = replace_vm;
	ASSERT_ERROR(vmboot_open(&where, NAME, &other), VMBOOT_ENOVM, "gone");
	CU_ASSERT_PTR_NULL(other);
	remove_vm();
	finish();
}

/* Not even a folder, which would keep its name. */
static void remove_behind_its_back(void)
{
	virDomainPtr d = virDomainLookupByName(conn, NAME);

	CU_ASSERT_EQUAL(virDomainUndefine(d), 0);
	virDomainFree(d);
	ASSERT_OK(vmb_rm_rf(folder()));
}

static void a_start_makes_nothing_of_what_was_removed(void)
{
	struct vmboot_vm *vm = begin();

	meanwhile = remove_behind_its_back;
	CU_ASSERT(vmboot_start(vm) < 0);
	CU_ASSERT_FALSE(vmb_exists(folder()));
	vmboot_close(vm);
	finish();
}

/* It is told in the call that stops the VM, when the guest has powered off. */
static void start_once_stopped(struct vmboot_vm *vm, const struct vmboot_event *e, void *data)
{
	(void)vm, (void)data;
	if (e->phase == VMBOOT_PHASE_STOPPED)
		start_vm();
}

static void who_stops_it_lets_the_next_start_be(void)
{
	struct vmboot_vm *vm = begin();

	ASSERT_OK(vmboot_start(vm));
	vmboot_on_event(vm, start_once_stopped, NULL);
	CU_ASSERT_EQUAL(vmboot_stop(vm, 60000), 0);
	CU_ASSERT_EQUAL(state_of(vm), VMBOOT_STATE_RUNNING);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	finish();
}

static void one_that_is_shutting_down_is_started(void)
{
	struct vmboot_vm *vm = begin();

	ASSERT_OK(vmboot_start(vm));
	leaving = true;
	ASSERT_OK(vmboot_start(vm));
	CU_ASSERT_EQUAL(state_of(vm), VMBOOT_STATE_RUNNING);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	finish();
}

static void pause_changes_what_state_says(void)
{
	struct vmboot_vm *vm = begin();

	ASSERT_ERROR(vmboot_pause(vm), VMBOOT_EENDED, "is not running");
	ASSERT_ERROR(vmboot_unpause(vm), VMBOOT_EENDED, "is not running");
	ASSERT_OK(vmboot_start(vm));
	ASSERT_ERROR(vmboot_unpause(vm), EALREADY, "is not paused");
	ASSERT_OK(vmboot_pause(vm));
	CU_ASSERT_EQUAL(state_of(vm), VMBOOT_STATE_PAUSED);
	ASSERT_ERROR(vmboot_pause(vm), EALREADY, "is paused");
	ASSERT_ERROR(vmboot_start(vm), EALREADY, "is paused");
	ASSERT_OK(vmboot_unpause(vm));
	CU_ASSERT_EQUAL(state_of(vm), VMBOOT_STATE_RUNNING);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	finish();
}

static void save(void)
{
	virDomainPtr d = virDomainLookupByName(conn, NAME);

	CU_ASSERT_EQUAL(virDomainManagedSave(d, 0), 0);
	virDomainFree(d);
}

static const struct vmboot_event *row_of(const struct vmboot_ledger *ledger,
					 enum vmboot_phase phase)
{
	for (size_t i = 0; i < ledger->n_events; i++)
		if (ledger->events[i]->phase == phase)
			return ledger->events[i];
	return NULL;
}

/* As after `virsh managedsave`: with the same logs, which a new boot would empty. */
static void a_saved_guest_goes_on_with_its_boot(void)
{
	struct vmboot_vm *vm = begin();
	struct vmboot_ledger *ledger;

	ASSERT_OK(vmboot_start(vm));
	test_write(file("stdout.log"), "before\n");
	save();
	CU_ASSERT_EQUAL(state_of(vm), VMBOOT_STATE_STOPPED);
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	CU_ASSERT_PTR_NOT_NULL(row_of(ledger, VMBOOT_PHASE_STOPPED));
	vmboot_ledger_free(ledger);
	ASSERT_OK(vmboot_start(vm));
	CU_ASSERT_EQUAL(state_of(vm), VMBOOT_STATE_RUNNING);
	ASSERT_STR(test_read(file("stdout.log")), "before\n");
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	CU_ASSERT_PTR_NOT_NULL(row_of(ledger, VMBOOT_PHASE_RESUMED));
	CU_ASSERT_PTR_NOT_NULL(row_of(ledger, VMBOOT_PHASE_LIBVIRT));
	CU_ASSERT_PTR_NULL(row_of(ledger, VMBOOT_PHASE_STOPPED));
	vmboot_ledger_free(ledger);
	CU_ASSERT_EQUAL(vmboot_stop(vm, 0), 1);
	ASSERT_OK(vmboot_start(vm));
	ASSERT_STR(test_read(file("stdout.log")), "");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	finish();
}

static void a_saved_state_and_snapshots_go_with_the_vm(void)
{
	struct vmboot_vm *vm = begin();
	virDomainSnapshotPtr snapshot;
	virDomainPtr d;

	d = virDomainLookupByName(conn, NAME);
	ASSERT_OK(vmboot_start(vm));
	snapshot = virDomainSnapshotCreateXML(d, "<domainsnapshot/>", 0);
	CU_ASSERT_PTR_NOT_NULL(snapshot);
	virDomainSnapshotFree(snapshot);
	virDomainFree(d);
	save();
	ASSERT_OK(vmboot_destroy(vm));
	CU_ASSERT_FALSE(vmb_exists(folder()));
	CU_ASSERT_PTR_NULL(virDomainLookupByName(conn, NAME));
	vmboot_close(vm);
	finish();
}

TEST_MAIN("host/life", {"pause changes what the state says", pause_changes_what_state_says},
	  {"a saved guest goes on with its boot", a_saved_guest_goes_on_with_its_boot},
	  {"a saved state and snapshots go with the VM",
	   a_saved_state_and_snapshots_go_with_the_vm},
	  {"who changes it is alone", who_changes_it_is_alone},
	  {"another of its name is left alone", another_of_its_name_is_left_alone},
	  {"what is opened is one VM", what_is_opened_is_one_vm},
	  {"a start makes nothing of what was removed", a_start_makes_nothing_of_what_was_removed},
	  {"who stops it lets the next start be", who_stops_it_lets_the_next_start_be},
	  {"one that is shutting down is started", one_that_is_shutting_down_is_started})
