/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a boot ends and the next begins: reboots come back from the same disks, panics are an end. */
#include <libvirt/libvirt.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "boot.h"

/* Of a boot's times: not the other clock's, nor those of another boot. */
#define BOUND_US (BOOT_TIMEOUT_MS * INT64_C(1000))

struct heard {
	int n, programs, exits;
	int64_t how[4];
	char why[4][200];
	char stopped[64];
};

static void hear(struct vmboot_vm *vm, const struct vmboot_event *e, void *data)
{
	struct heard *h = data;

	(void)vm;
	h->programs += e->phase == VMBOOT_PHASE_PROGRAM;
	h->exits += e->phase == VMBOOT_PHASE_EXIT;
	if (e->phase == VMBOOT_PHASE_POWEROFF && h->n < 4) {
		h->how[h->n] = e->value;
		snprintf(h->why[h->n++], sizeof(h->why[0]), "%s", e->detail);
	}
	if (e->phase == VMBOOT_PHASE_STOPPED)
		snprintf(h->stopped, sizeof(h->stopped), "%s", e->detail);
}

/* All there is, however slow the machine: the guest has said what it says. */
static void await_output(struct vmboot_vm *vm, const char *words)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);

	while (!strstr(boot_output(vm, VMBOOT_STREAM_STDOUT), words) &&
	       !vmb_deadline_passed(deadline))
		(void)vmboot_wait(vm, VMBOOT_PHASE_STOPPED, 50);
	CU_ASSERT_PTR_NOT_NULL(strstr(boot_output(vm, VMBOOT_STREAM_STDOUT), words));
}

/* The ledger of the newest boot: in order, whole, as long as a boot is. */
static void assert_ledger(struct vmboot_vm *vm, int reboots, const char *why)
{
	const struct vmboot_event *firmware, *kernel;
	struct vmboot_ledger *l;

	ASSERT_OK(vmboot_ledger(vm, &l));
	firmware = boot_event(l, VMBOOT_PHASE_FIRMWARE);
	kernel = boot_event(l, VMBOOT_PHASE_KERNEL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(firmware);
	CU_ASSERT_PTR_NOT_NULL_FATAL(kernel);
	CU_ASSERT_EQUAL(firmware->value, reboots);
	ASSERT_STR(firmware->detail, why);
	CU_ASSERT(l->events[0] == firmware); /* the host did nothing for it */
	CU_ASSERT_EQUAL(firmware->start_us, 0);
	CU_ASSERT(firmware->end_us >= 0 && firmware->end_us < BOUND_US);
	CU_ASSERT_EQUAL(kernel->start_us, firmware->end_us);
	CU_ASSERT(l->program_us > 0 && l->program_us < BOUND_US);
	CU_ASSERT_EQUAL(l->program_us, boot_event(l, VMBOOT_PHASE_PROGRAM)->end_us);
	CU_ASSERT_PTR_NULL(boot_event(l, VMBOOT_PHASE_POWEROFF));
	CU_ASSERT_PTR_NULL(boot_event(l, VMBOOT_PHASE_STOPPED));
	CU_ASSERT_FALSE(l->exited);
	vmboot_ledger_free(l);
}

static void reboot_by_button(const char *name)
{
	virConnectPtr c = virConnectOpen(test_path("qemu:///embed?root=%s/embed", boot_store()));
	virDomainPtr d;

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	d = virDomainLookupByName(c, name);
	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	CU_ASSERT_EQUAL(virDomainReboot(d, VIR_DOMAIN_REBOOT_ACPI_POWER_BTN), 0);
	virDomainFree(d);
	virConnectClose(c);
}

static void await_boot(struct vmboot_vm *vm, const struct heard *h, int programs)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);

	while (h->programs < programs && !vmb_deadline_passed(deadline))
		CU_ASSERT_EQUAL_FATAL(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, 50), -ETIMEDOUT);
	CU_ASSERT_EQUAL(h->programs, programs);
}

static void assert_crashed(struct vmboot_vm *vm, const char *why_before)
{
	struct vmboot_ledger *l;

	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS), VMBOOT_EENDED,
		     "ended (crashed");
	CU_ASSERT_PTR_NOT_NULL(strstr(vmboot_last_error()->console, "Kernel panic - not syncing"));
	ASSERT_OK(vmboot_ledger(vm, &l));
	CU_ASSERT_PTR_NOT_NULL_FATAL(boot_event(l, VMBOOT_PHASE_STOPPED));
	CU_ASSERT(l->events[l->n_events - 1] == boot_event(l, VMBOOT_PHASE_STOPPED));
	ASSERT_STR(boot_event(l, VMBOOT_PHASE_STOPPED)->detail, "crashed");
	ASSERT_STR(boot_event(l, VMBOOT_PHASE_FIRMWARE)->detail, why_before);
	CU_ASSERT_FALSE(l->exited);
	vmboot_ledger_free(l);
}

/* By the agent, by the power button, by a reset; and at last a panic, which is an end. */
static void reboots_from_the_same_disks(void)
{
	struct vmboot_opts opts =
		boot_opts("reboot", "echo boot >>/boots; sync; n=$(wc -l </boots); echo up $n; "
				    "[ $n = 4 ] && echo c >/proc/sysrq-trigger; sleep 100000");
	struct heard h = {0};
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_on_event(vm, hear, &h));
	await_output(vm, "up 1");
	CU_ASSERT_EQUAL(vmboot_reboot(vm, BOOT_TIMEOUT_MS), 0);
	CU_ASSERT_EQUAL(h.how[0], VMBOOT_POWEROFF_REBOOT);
	ASSERT_STR(h.why[0], "the agent was asked to reboot");
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS));
	CU_ASSERT_EQUAL(h.programs, 2);
	CU_ASSERT_EQUAL(h.exits, 0); /* no end of the program: it starts again */
	assert_ledger(vm, 1, "the agent was asked to reboot");
	await_output(vm, "up 2");
	reboot_by_button("reboot");
	await_boot(vm, &h, 3);
	CU_ASSERT_EQUAL(h.how[1], VMBOOT_POWEROFF_OFF);
	ASSERT_STR(h.why[1], "the power button was pressed");
	assert_ledger(vm, 2, "the power button was pressed");
	await_output(vm, "up 3");
	CU_ASSERT_EQUAL(vmboot_reboot(vm, 0), 1);
	assert_crashed(vm, "reset");
	CU_ASSERT_EQUAL(h.programs, 4);
	ASSERT_STR(h.stopped, "crashed");
	ASSERT_ERROR(vmboot_reboot(vm, 0), VMBOOT_EENDED, "not running");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	boot_assert_nothing_left("reboot");
}

/* An init system that dies. The agent's absence changes nothing. */
static void a_pid_1_that_ends_is_a_crash(void)
{
	struct vmboot_opts opts = boot_opts("reboot-pid1", "exit 3");
	struct vmboot_vm *vm;

	opts.init_mode = VMBOOT_INIT_SYSTEMD;
	opts.skip_guest_agent = true;
	opts.ephemeral = true;
	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS), VMBOOT_EENDED,
		     "ended (crashed");
	CU_ASSERT_PTR_NOT_NULL(strstr(vmboot_last_error()->console, "Attempted to kill init"));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* Our init's own death: its stack is overwritten, as by a bug. It goes by itself, and says so. */
static void an_init_that_crashes_powers_off(void)
{
	struct vmboot_opts opts =
		boot_opts("reboot-init",
			  "kill -SEGV 1; sleep 1; echo alive; "
			  "set -- $(cat /proc/1/syscall); sp=$(($8)); "
			  "head -c 4096 /dev/zero | tr '\\0' '\\377' | "
			  "dd of=/proc/1/mem bs=1 seek=$sp conv=notrunc; sleep 100000");
	struct heard h = {0};
	struct vmboot_vm *vm;

	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_on_event(vm, hear, &h));
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS), VMBOOT_EBOOT,
		     "init itself crashed");
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS));
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "alive\n");
	ASSERT_STR(h.stopped, "shutdown");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void dispatch_until_it_fails(struct vmboot_vm *vm)
{
	struct vmb_deadline deadline = vmb_deadline_in(BOOT_TIMEOUT_MS);
	struct pollfd p = {.fd = vmboot_event_fd(vm), .events = POLLIN};
	int r = 0;

	while (r >= 0 && poll(&p, 1, vmb_deadline_poll(deadline, -1)) > 0)
		r = vmboot_dispatch(vm);
	CU_ASSERT_EQUAL(r, -VMBOOT_EBOOT);
	CU_ASSERT_EQUAL(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS), 0);
}

/* A kernel that panics before anybody can tell would do so for ever. */
static void an_early_panic_fails_the_boot(void)
{
	struct vmboot_opts opts = boot_opts("reboot-early", "true");
	struct heard h = {0};
	struct vmboot_info *info;
	struct vmboot_vm *vm;

	opts.kernel_args = "rdinit=/nope";
	ASSERT_OK(vmboot_create(&opts, &vm));
	ASSERT_OK(vmboot_on_event(vm, hear, &h));
	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS), VMBOOT_EBOOT,
		     "reset before its program ran");
	CU_ASSERT_PTR_NOT_NULL(strstr(vmboot_last_error()->console, "Kernel panic - not syncing"));
	ASSERT_OK(vmboot_info(vm, &info));
	CU_ASSERT_EQUAL(info->state, VMBOOT_STATE_STOPPED);
	vmboot_info_free(info);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS));
	ASSERT_STR(h.stopped, "destroyed");
	/* and again, for who does nothing but dispatch */
	ASSERT_OK(vmboot_start(vm));
	dispatch_until_it_fails(vm);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

BOOT_MAIN("boot/reboot", {"reboots from the same disks", reboots_from_the_same_disks},
	  {"a PID 1 that ends is a crash", a_pid_1_that_ends_is_a_crash},
	  {"an init that crashes powers off", an_init_that_crashes_powers_off},
	  {"an early panic fails the boot", an_early_panic_fails_the_boot})
