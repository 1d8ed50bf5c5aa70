/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The disk contract on real guests: disks that come late, never, in another order, or damaged. The
 * XML that the library gives to libvirt is changed on its way, in this program's own
 * virDomainDefineXML(), which stands before libvirt's.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "boot.h"

/* Returns a new XML, freed by the caller, or NULL to leave it. */
static char *(*change_xml)(const char *xml);
static char disk_xml[2048]; /* the disk that cut_disk() cut out */

virDomainPtr virDomainDefineXML(virConnectPtr conn, const char *xml)
{
	virDomainPtr (*real)(virConnectPtr, const char *);
	char *changed = change_xml ? change_xml(xml) : NULL;
	virDomainPtr d;

	*(void **)&real = dlsym(RTLD_NEXT, "virDomainDefineXML");
	d = real(conn, changed ? changed : xml);
	free(changed);
	return d;
}

/* Where it was, a running guest takes no device: libvirt shall find another place. */
static void forget_address(char *disk)
{
	char *start = strstr(disk, "<address "), *end = start ? strstr(start, "/>") : NULL;

	if (end)
		memmove(start, end + 2, strlen(end + 2) + 1);
}

/* Cuts the disk with this serial out, and keeps it in disk_xml. */
static char *cut_disk(const char *xml, const char *serial)
{
	const char *mark = strstr(xml, test_path("<serial>%s</serial>", serial));
	const char *start = xml, *end, *p;
	char *out;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mark);
	for (p = xml; (p = strstr(p, "<disk ")) && p < mark; p++)
		start = p;
	end = strstr(mark, "</disk>") + strlen("</disk>");
	snprintf(disk_xml, sizeof(disk_xml), "%.*s", (int)(end - start), start);
	forget_address(disk_xml);
	if (asprintf(&out, "%.*s%s", (int)(start - xml), xml, end) < 0)
		abort();
	return out;
}

static char *without_config(const char *xml)
{
	return cut_disk(xml, "vmboot-config");
}

static char *without_overlay(const char *xml)
{
	return cut_disk(xml, "vmboot-overlay");
}

/*
 * vda becomes vdc, vdb vda, vdc vdb: libvirt attaches them in the order of their letters; and so do
 * their slots, which is the order in which the kernel finds them.
 */
static char *rotate_letters(const char *xml)
{
	static const char letter[] = "dev=\"vd", slot[] = "slot=\"0x0";
	char *out = strdup(xml);

	for (char *p = out; (p = strstr(p, letter)); p++)
		p[strlen(letter)] = p[strlen(letter)] == 'a' ? 'c' : (char)(p[strlen(letter)] - 1);
	for (char *p = out; (p = strstr(p, slot)); p++)
		if (p[strlen(slot)] >= '3' && p[strlen(slot)] <= '5')
			p[strlen(slot)] =
				p[strlen(slot)] == '3' ? '5' : (char)(p[strlen(slot)] - 1);
	return out;
}

static struct vmboot_vm *create_with(const struct vmboot_opts *opts, char *(*change)(const char *))
{
	struct vmboot_vm *vm;

	change_xml = change;
	ASSERT_OK(vmboot_create(opts, &vm));
	change_xml = NULL;
	return vm;
}

/* A connection of the test's own to the same embedded driver: the library's is not public. */
static virDomainPtr look_up(const char *name, virConnectPtr *ret_conn)
{
	char uri[300];

	snprintf(uri, sizeof(uri), "qemu:///embed?root=%s/embed", boot_store());
	*ret_conn = virConnectOpen(uri);
	CU_ASSERT_PTR_NOT_NULL_FATAL(*ret_conn);
	return virDomainLookupByName(*ret_conn, name);
}

static void boots_when_vdc_comes_late(void)
{
	struct vmboot_opts opts = boot_opts("disk-late", "echo up");
	struct vmboot_vm *vm = create_with(&opts, without_config);
	struct vmboot_ledger *ledger;
	const struct vmboot_event *e;
	virConnectPtr conn;
	virDomainPtr d = look_up("disk-late", &conn);

	CU_ASSERT_PTR_NOT_NULL_FATAL(d);
	poll(NULL, 0, 300);
	CU_ASSERT_EQUAL_FATAL(virDomainAttachDevice(d, disk_xml), 0);
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS));
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "up\n");
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	e = boot_event(ledger, VMBOOT_PHASE_SETTLE_CONFIG);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	CU_ASSERT_PTR_NOT_NULL(strstr(e->device, "vmboot-config"));
	vmboot_ledger_free(ledger);
	virDomainFree(d);
	virConnectClose(conn);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

static void names_the_disk_that_never_comes(void)
{
	struct vmboot_opts opts = boot_opts("disk-never", "echo up");
	struct vmboot_vm *vm = create_with(&opts, without_overlay);
	const struct vmboot_error *e;

	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS), VMBOOT_EBOOT,
		     "vmboot-overlay");
	e = vmboot_last_error();
	ASSERT_STR(e->phase, "settle-overlay");
	CU_ASSERT_PTR_NOT_NULL(strstr(e->message, "vda=vmboot-root"));
	CU_ASSERT_PTR_NOT_NULL(strstr(e->message, "vmboot-config"));
	CU_ASSERT(*e->console != '\0');
	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_STOPPED, BOOT_TIMEOUT_MS));
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
	boot_assert_nothing_left("disk-never");
}

static void believes_the_serial_not_the_letter(void)
{
	struct vmboot_opts opts = boot_opts("disk-letters", "cat /etc/greeting");
	struct vmboot_vm *vm = create_with(&opts, rotate_letters);
	struct vmboot_ledger *ledger;
	const struct vmboot_event *e;

	ASSERT_OK(vmboot_wait(vm, VMBOOT_PHASE_EXIT, BOOT_TIMEOUT_MS));
	ASSERT_STR(boot_output(vm, VMBOOT_STREAM_STDOUT), "hello\n");
	ASSERT_OK(vmboot_ledger(vm, &ledger));
	e = boot_event(ledger, VMBOOT_PHASE_SETTLE_ROOT);
	CU_ASSERT_PTR_NOT_NULL_FATAL(e);
	/* the letters really were others */
	CU_ASSERT_PTR_NULL(strstr(e->device, "vda"));
	vmboot_ledger_free(ledger);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* Overwrites some bytes of a file of the VM's. */
static void damage(const char *path, off_t at, size_t n)
{
	char *junk = test_alloc(n);
	int fd = open(path, O_WRONLY);

	memset(junk, 0x5a, n);
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(pwrite(fd, junk, n, at), (ssize_t)n);
	close(fd);
}

static char *damage_config(const char *xml)
{
	(void)xml;
	damage(test_path("%s/vms/disk-config/config.img", boot_store()), 600, 8);
	return NULL;
}

static void refuses_a_damaged_config(void)
{
	struct vmboot_opts opts = boot_opts("disk-config", "echo up");
	struct vmboot_vm *vm = create_with(&opts, damage_config);

	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS), VMBOOT_EBOOT,
		     "vmboot-config");
	ASSERT_STR(vmboot_last_error()->phase, "config");
	CU_ASSERT_EQUAL(vmboot_last_error()->guest_errno, 74 /* EBADMSG */);
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

/* The root disk of this VM is a damaged copy of the image. */
static char *damage_root(const char *xml)
{
	const char *start = strstr(xml, "<source file=\""), *end;
	const char *copy = test_path("%s/damaged.img", boot_store());
	char *out;

	CU_ASSERT_PTR_NOT_NULL_FATAL(start);
	start += strlen("<source file=\"");
	end = strchr(start, '"');
	test_copy(test_path("%.*s", (int)(end - start), start), copy);
	damage(copy, 0, 4096);
	if (asprintf(&out, "%.*s%s%s", (int)(start - xml), xml, copy, end) < 0)
		abort();
	return out;
}

static void refuses_a_damaged_image(void)
{
	struct vmboot_opts opts = boot_opts("disk-root", "echo up");
	struct vmboot_vm *vm = create_with(&opts, damage_root);

	ASSERT_ERROR(vmboot_wait(vm, VMBOOT_PHASE_PROGRAM, BOOT_TIMEOUT_MS), VMBOOT_EBOOT,
		     "vmboot-root");
	ASSERT_STR(vmboot_last_error()->phase, "root");
	ASSERT_OK(vmboot_destroy(vm));
	vmboot_close(vm);
}

BOOT_MAIN("boot/disks", {"boots when vdc comes late", boots_when_vdc_comes_late},
	  {"names the disk that never comes", names_the_disk_that_never_comes},
	  {"believes the serial, not the letter", believes_the_serial_not_the_letter},
	  {"refuses a damaged config", refuses_a_damaged_config},
	  {"refuses a damaged image", refuses_a_damaged_image})
