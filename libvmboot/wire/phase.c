/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <vmboot/event.h>

#include "wire/phase.h"

static const struct {
	enum vmboot_phase phase;
	const char *name, *help;
} phases[] = {
	{VMBOOT_PHASE_VALIDATE, "validate", "the request and the host were checked"},
	{VMBOOT_PHASE_ACCEL, "accel", "whether KVM works here is known"},
	{VMBOOT_PHASE_IMAGE, "image", "the image is in the store"},
	{VMBOOT_PHASE_INITRAMFS, "initramfs", "kernel and initramfs are in the store"},
	{VMBOOT_PHASE_KERNEL_DISK, "kernel-disk",
	 "the kernel's modules and headers are in the store"},
	{VMBOOT_PHASE_DISKS, "disks", "overlay and config disk were made"},
	{VMBOOT_PHASE_XML, "xml", "the domain XML was generated"},
	{VMBOOT_PHASE_LIBVIRT, "libvirt", "libvirt started the domain"},
	{VMBOOT_PHASE_RESUMED, "resumed", "libvirt restored the guest from its saved state"},
	{VMBOOT_PHASE_FIRMWARE, "firmware", "from libvirt's start to the kernel's clock"},
	{VMBOOT_PHASE_KERNEL, "kernel", "the kernel, up to init's first instruction"},
	{VMBOOT_PHASE_MOUNTS, "mounts", "/dev, /proc and /sys are mounted"},
	{VMBOOT_PHASE_MODULES, "modules", "kernel modules were loaded"},
	{VMBOOT_PHASE_SETTLE_ROOT, "settle-root", "the root disk (vda) is there"},
	{VMBOOT_PHASE_SETTLE_OVERLAY, "settle-overlay", "the overlay disk (vdb) is there"},
	{VMBOOT_PHASE_SETTLE_CONFIG, "settle-config", "the config disk (vdc) is there"},
	{VMBOOT_PHASE_CONFIG, "config", "the guest config was read and checked"},
	{VMBOOT_PHASE_ROOT, "root", "the root disk is mounted"},
	{VMBOOT_PHASE_HEADERS, "headers",
	 "the kernel's modules and headers are mounted, or were skipped"},
	{VMBOOT_PHASE_OVERLAY, "overlay", "the overlay is mounted over the root disk"},
	{VMBOOT_PHASE_NETWORK, "network", "lo is up and the host name is set"},
	{VMBOOT_PHASE_SWITCH, "switch-root", "the image's root became the root"},
	{VMBOOT_PHASE_SETTINGS, "settings", "the request's sysctls and mounts are in place"},
	{VMBOOT_PHASE_AGENT, "agent", "the agent answers, or was skipped"},
	{VMBOOT_PHASE_PROGRAM, "program", "the program was started"},
	{VMBOOT_PHASE_READY, "ready", "the init system reached its default target"},
	{VMBOOT_PHASE_RESTART, "restart", "the program ended and was started again"},
	{VMBOOT_PHASE_HEALTHY, "healthy", "the program's health check succeeds"},
	{VMBOOT_PHASE_UNHEALTHY, "unhealthy", "the program's health check fails"},
	{VMBOOT_PHASE_EXIT, "exit", "the program ended"},
	{VMBOOT_PHASE_POWEROFF, "poweroff",
	 "disks are synced, and the guest is about to power off"},
	{VMBOOT_PHASE_STOPPED, "stopped", "the guest is gone"},
};

enum { N_PHASES = sizeof(phases) / sizeof(phases[0]) };

const char *vmboot_phase_name(enum vmboot_phase phase)
{
	for (int i = 0; i < N_PHASES; i++)
		if (phases[i].phase == phase)
			return phases[i].name;
	return "unknown";
}

const char *vmboot_phase_help(enum vmboot_phase phase)
{
	for (int i = 0; i < N_PHASES; i++)
		if (phases[i].phase == phase)
			return phases[i].help;
	return "";
}

int vmboot_phase_from_name(const char *name)
{
	for (int i = 0; name && i < N_PHASES; i++)
		if (strcmp(phases[i].name, name) == 0)
			return (int)phases[i].phase;
	return -EINVAL;
}

enum vmboot_phase vmb_phase_at(size_t i)
{
	return i < N_PHASES ? phases[i].phase : VMBOOT_PHASE_NONE;
}
