/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain/domain.h"

#include "base/error.h"
#include "base/str.h"
#include "base/xml.h"
#include "domain/metadata.h"
#include "wire/disks.h"
#include "wire/event.h"
#include "wire/stream.h"

/* Modern virtio without the legacy half: one driver less to probe. */
#define VIRTIO_MODEL "virtio-non-transitional"

#define QEMU_XMLNS "http://libvirt.org/schemas/domain/qemu/1.0"

/*
 * q35: devices sit on the root complex itself. libvirt would give each a port of its own, which is
 * one more device to probe; one port is left free, for what somebody attaches later. On pc libvirt
 * numbers the slots itself, and any free one takes a device later.
 *
 * The kernel finds disks, and letters them, in the order of their addresses. The first four have a
 * slot each; of the others, eight share one, as functions of one device: so there is room for all.
 */
enum {
	SLOT_PORTS = 2,
	SLOT_DISKS,
	SLOT_NETWORK = 7,
	SLOT_SPARE,
	SLOT_MORE_DISKS,
	FUNCTIONS = 8,
	DISKS_WITH_A_SLOT = SLOT_NETWORK - SLOT_DISKS,
};

struct address {
	unsigned slot, function;
	bool multifunction; /* of function 0: there are others */
};

static struct address disk_address(size_t number)
{
	size_t more = number - DISKS_WITH_A_SLOT;

	if (number < DISKS_WITH_A_SLOT)
		return (struct address){.slot = SLOT_DISKS + (unsigned)number};
	return (struct address){
		.slot = SLOT_MORE_DISKS + (unsigned)(more / FUNCTIONS),
		.function = more % FUNCTIONS,
		.multifunction = more % FUNCTIONS == 0,
	};
}

static const char *domain_type(enum vmboot_accel accel)
{
	return accel == VMBOOT_ACCEL_KVM ? "kvm" : "qemu";
}

static void add_resources(xmlNodePtr domain, uint64_t memory_mib, uint64_t vcpus)
{
	vmb_xml_attrs(vmb_xml_addf(domain, "memory", "%llu", (unsigned long long)memory_mib),
		      "unit", "MiB", NULL);
	vmb_xml_addf(domain, "vcpu", "%llu", (unsigned long long)vcpus);
}

/* The machine of a plan or a probe. */
struct machine {
	const struct vmb_arch *arch;
	const char *type;
};

static struct machine machine_of(const struct vmb_plan *plan)
{
	return (struct machine){plan->facts.kernel.arch, plan->facts.machine};
}

static bool is_flat(struct machine machine)
{
	return vmb_streq(machine.type, machine.arch->flat_machine);
}

static void add_address(xmlNodePtr device, struct machine machine, struct address address)
{
	char slot[8], function[8];
	xmlNodePtr node;

	if (!is_flat(machine))
		return;
	snprintf(slot, sizeof(slot), "0x%02x", address.slot);
	snprintf(function, sizeof(function), "0x%x", address.function);
	node = vmb_xml_attrs(vmb_xml_add(device, "address", NULL), "type", "pci", "domain",
			     "0x0000", "bus", "0x00", "slot", slot, "function", function, NULL);
	if (address.multifunction)
		vmb_xml_attrs(node, "multifunction", "on", NULL);
}

static void add_os(xmlNodePtr domain, struct machine machine, const char *firmware,
		   const char *kernel, const char *initramfs, const char *cmdline)
{
	xmlNodePtr os = vmb_xml_add(domain, "os", NULL);

	vmb_xml_attrs(vmb_xml_add(os, "type", "hvm"), "arch", machine.arch->name, "machine",
		      machine.type, NULL);
	if (firmware)
		vmb_xml_attrs(vmb_xml_add(os, "loader", firmware), "readonly", "yes", "type", "rom",
			      NULL);
	vmb_xml_add(os, "kernel", kernel);
	vmb_xml_add(os, "initrd", initramfs);
	vmb_xml_add(os, "cmdline", cmdline);
}

/*
 * All that can be had. TCG's default would be a CPU of 2003, on which programs built for x86-64-v2
 * or later do not run, and whose lack of RDRAND costs a boot its random numbers.
 */
static void add_cpu(xmlNodePtr domain, const struct vmb_arch *arch, enum vmboot_accel accel,
		    bool maximum)
{
	xmlNodePtr features = vmb_xml_add(domain, "features", NULL), cpu;

	vmb_xml_add(features, "acpi", NULL);
	if (accel == VMBOOT_ACCEL_KVM) {
		vmb_xml_attrs(vmb_xml_add(domain, "cpu", NULL), "mode", "host-passthrough", NULL);
	} else if (maximum) {
		cpu = vmb_xml_attrs(vmb_xml_add(domain, "cpu", NULL), "mode", "maximum", NULL);
		for (const char *const *feature = arch->cpu_without; *feature; feature++)
			vmb_xml_attrs(vmb_xml_add(cpu, "feature", NULL), "policy", "disable",
				      "name", *feature, NULL);
	}
	vmb_xml_attrs(vmb_xml_add(domain, "clock", NULL), "offset", "utc", NULL);
}

/*
 * A guest that reboots comes up again from the same disks. One whose kernel panics is an end: the
 * panic device tells of it, as "crashed". Before its driver is there a panic is a reset (panic=-1);
 * whoever waits for the boot ends it then.
 */
static void add_lifecycle(xmlNodePtr domain, const char *on_reboot)
{
	vmb_xml_add(domain, "on_poweroff", "destroy");
	vmb_xml_add(domain, "on_reboot", on_reboot);
	vmb_xml_add(domain, "on_crash", "destroy");
}

/* libvirt would make its own user the owner of what is not this VM's own. */
static void add_disk(xmlNodePtr devices, const struct vmb_plan *plan, const struct vmb_disk *row,
		     size_t number)
{
	xmlNodePtr disk, driver, source;

	disk = vmb_xml_attrs(vmb_xml_add(devices, "disk", NULL), "type", "file", "device", "disk",
			     "model", VIRTIO_MODEL, NULL);
	driver = vmb_xml_attrs(vmb_xml_add(disk, "driver", NULL), "name", "qemu", "type",
			       row->format, NULL);
	if (row->writable)
		vmb_xml_attrs(driver, "discard", "unmap", "detect_zeroes", "unmap", NULL);
	source = vmb_xml_attrs(vmb_xml_add(disk, "source", NULL), "file", row->file, NULL);
	if (row->shared && plan->facts.dac_relabels)
		vmb_xml_attrs(vmb_xml_add(source, "seclabel", NULL), "model", "dac", "relabel",
			      "no", NULL);
	vmb_xml_attrs(vmb_xml_add(disk, "target", NULL), "dev", row->target, "bus", "virtio", NULL);
	if (!row->writable)
		vmb_xml_add(disk, "readonly", NULL);
	vmb_xml_add(disk, "serial", row->serial);
	add_address(disk, machine_of(plan), disk_address(number));
}

static void add_disks(xmlNodePtr devices, const struct vmb_plan *plan)
{
	for (size_t i = 0; i < plan->n_disks; i++)
		add_disk(devices, plan, &plan->disks[i], i);
}

/* Write-only, or, for debugging, a terminal (`virsh console`) of which the file is the record. */
static void add_serial(xmlNodePtr devices, const char *file, bool terminal)
{
	xmlNodePtr serial = vmb_xml_add(devices, "serial", NULL);

	vmb_xml_attrs(serial, "type", terminal ? "pty" : "file", NULL);
	if (terminal)
		vmb_xml_attrs(vmb_xml_add(serial, "log", NULL), "file", file, "append", "on", NULL);
	else
		vmb_xml_attrs(vmb_xml_add(serial, "source", NULL), "path", file, "append", "on",
			      NULL);
}

/* A port whose other end is a socket, which libvirt makes and names. */
static void add_socket_port(xmlNodePtr devices, const char *name)
{
	xmlNodePtr channel;

	channel = vmb_xml_attrs(vmb_xml_add(devices, "channel", NULL), "type", "unix", NULL);
	vmb_xml_attrs(vmb_xml_add(channel, "target", NULL), "type", "virtio", "name", name, NULL);
}

/* A port whose other end is a file: what the guest says is kept, whoever listens or not. */
static void add_port(xmlNodePtr devices, const char *name, const char *file)
{
	xmlNodePtr channel;

	channel = vmb_xml_attrs(vmb_xml_add(devices, "channel", NULL), "type", "file", NULL);
	vmb_xml_attrs(vmb_xml_add(channel, "source", NULL), "path", file, "append", "on", NULL);
	vmb_xml_attrs(vmb_xml_add(channel, "target", NULL), "type", "virtio", "name", name, NULL);
}

static void add_ports(xmlNodePtr devices, const struct vmb_plan *plan)
{
	add_port(devices, VMB_EVENT_PORT, plan->files.events);
	if (!plan->skip_guest_agent) {
		add_socket_port(devices, VMB_QGA_PORT);
		if (plan->guest_agent == VMBOOT_AGENT_VMBOOT)
			add_socket_port(devices, VMB_STREAM_PORT);
	}
	if (plan->init_mode == VMBOOT_INIT_SYSTEMD)
		return; /* an init system's output is the console's */
	add_port(devices, VMB_STDOUT_PORT, plan->files.out);
	add_port(devices, VMB_STDERR_PORT, plan->files.err);
}

/* Without firmware to boot from: that would be loaded, and run. */
static void add_network(xmlNodePtr devices, const struct vmb_plan *plan)
{
	xmlNodePtr interface;

	if (plan->network == VMBOOT_NETWORK_NONE)
		return;
	interface = vmb_xml_attrs(vmb_xml_add(devices, "interface", NULL), "type", "user", NULL);
	vmb_xml_attrs(vmb_xml_add(interface, "model", NULL), "type", VIRTIO_MODEL, NULL);
	vmb_xml_attrs(vmb_xml_add(interface, "rom", NULL), "enabled", "no", NULL);
	add_address(interface, machine_of(plan), (struct address){.slot = SLOT_NETWORK});
}

/* What libvirt would add by itself, and no boot of ours needs. */
static void add_absences(xmlNodePtr devices)
{
	vmb_xml_attrs(vmb_xml_add(devices, "controller", NULL), "type", "usb", "model", "none",
		      NULL);
	vmb_xml_attrs(vmb_xml_add(devices, "memballoon", NULL), "model", "none", NULL);
}

static void add_panic(xmlNodePtr devices, const struct vmb_arch *arch)
{
	vmb_xml_attrs(vmb_xml_add(devices, "panic", NULL), "model", arch->panic, NULL);
}

static void add_port_controller(xmlNodePtr devices, struct machine machine)
{
	xmlNodePtr controller = vmb_xml_add(devices, "controller", NULL);

	vmb_xml_attrs(controller, "type", "virtio-serial", "model", VIRTIO_MODEL, NULL);
	add_address(controller, machine, (struct address){.slot = SLOT_PORTS});
}

/* Where a device goes that somebody attaches to the running guest. */
static void add_spare_port(xmlNodePtr devices, struct machine machine)
{
	xmlNodePtr controller;

	if (!is_flat(machine))
		return;
	controller = vmb_xml_attrs(vmb_xml_add(devices, "controller", NULL), "type", "pci", "index",
				   "1", "model", "pcie-root-port", NULL);
	add_address(controller, machine, (struct address){.slot = SLOT_SPARE});
}

/*
 * With a label of ours libvirt runs QEMU as that user and changes no file's owner: neither of what
 * VMs share, nor of the VM's own, which we made for that user. Without, libvirt labels the files.
 */
static void add_seclabel(xmlNodePtr domain, const char *dac_label)
{
	xmlNodePtr label;

	if (!dac_label)
		return;
	label = vmb_xml_attrs(vmb_xml_add(domain, "seclabel", NULL), "type", "static", "model",
			      "dac", "relabel", "no", NULL);
	vmb_xml_add(label, "label", dac_label);
}

/*
 * What libvirt learns of the CPU that QEMU made, it asks for property by property: some 400 round
 * trips, which take half of a start's time. A QEMU without this capability it asks for the same
 * as a few words of CPUID bits. libvirt marks the domain as tainted: "custom-hypervisor-feature".
 */
static void add_cpu_words(xmlNodePtr domain, bool can)
{
	xmlNsPtr ns = can && domain ? xmlNewNs(domain, BAD_CAST QEMU_XMLNS, BAD_CAST "qemu") : NULL;
	xmlNodePtr capabilities, del;

	if (!ns)
		return;
	capabilities = vmb_xml_add(domain, "capabilities", NULL);
	del = vmb_xml_attrs(vmb_xml_add(capabilities, "del", NULL), "capability",
			    "cpu-unavailable-features", NULL);
	if (!del)
		return;
	xmlSetNs(capabilities, ns);
	xmlSetNs(del, ns);
}

static xmlNodePtr new_domain(xmlDocPtr doc, enum vmboot_accel accel, const char *name)
{
	xmlNodePtr domain = doc ? xmlNewNode(NULL, BAD_CAST "domain") : NULL;

	if (!domain)
		return NULL;
	xmlDocSetRootElement(doc, domain);
	vmb_xml_attrs(domain, "type", domain_type(accel), NULL);
	vmb_xml_add(domain, "name", name);
	return domain;
}

int vmb_domain_xml(const struct vmb_plan *plan, char **ret)
{
	_cleanup_xml_ xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
	_cleanup_metadata_ struct vmb_metadata metadata = {0};
	const struct vmb_facts *f = &plan->facts;
	const struct machine machine = machine_of(plan);
	xmlNodePtr domain = new_domain(doc, f->accel, plan->name), devices;
	int r = vmb_metadata_from_plan(plan, &metadata);

	if (r < 0)
		return r;
	vmb_metadata_add(domain, &metadata);
	add_resources(domain, plan->memory_mib, plan->vcpus);
	add_os(domain, machine, f->firmware, f->kernel_copy, f->initramfs, plan->cmdline);
	add_cpu(domain, machine.arch, f->accel, f->cpu_maximum);
	add_lifecycle(domain, "restart");
	devices = vmb_xml_add(domain, "devices", NULL);
	add_disks(devices, plan);
	add_network(devices, plan);
	add_absences(devices);
	add_port_controller(devices, machine);
	add_spare_port(devices, machine);
	add_serial(devices, plan->files.console, plan->debug);
	add_ports(devices, plan);
	add_panic(devices, machine.arch);
	add_seclabel(domain, f->dac_label);
	add_cpu_words(domain, f->cpu_words);
	return vmb_xml_text(domain ? doc : NULL, ret);
}

int vmb_domain_probe_xml(const struct vmb_probe *probe, char **ret)
{
	_cleanup_xml_ xmlDocPtr doc = xmlNewDoc(BAD_CAST "1.0");
	const struct vmb_metadata metadata = {.store = (char *)probe->store, .probe = true};
	const struct machine machine = {probe->arch, probe->machine};
	xmlNodePtr domain = new_domain(doc, probe->accel, probe->name), devices;
	char cmdline[128];

	snprintf(cmdline, sizeof(cmdline), "console=%s panic=-1 quiet " VMB_CMDLINE_PROBE,
		 probe->arch->console);
	vmb_metadata_add(domain, &metadata);
	add_resources(domain, 256, 1);
	add_os(domain, machine, probe->firmware, probe->kernel, probe->initramfs, cmdline);
	add_cpu(domain, probe->arch, probe->accel, false);
	add_lifecycle(domain, "destroy");
	devices = vmb_xml_add(domain, "devices", NULL);
	add_absences(devices);
	add_port_controller(devices, machine);
	add_serial(devices, probe->console, false);
	add_port(devices, VMB_EVENT_PORT, probe->events);
	add_seclabel(domain, probe->dac_label);
	return vmb_xml_text(domain ? doc : NULL, ret);
}
