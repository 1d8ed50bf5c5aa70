/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan/plan.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "opts/rules.h"
#include "plan/cmdline.h"
#include "wire/disks.h"

/* Commands that are init systems: an image that runs one is booted in systemd mode. */
static const char *const init_systems[] = {
	"/sbin/init",
	"/usr/sbin/init",
	"/bin/init",
	"/lib/systemd/systemd",
	"/usr/lib/systemd/systemd",
	"/bin/systemd",
	"/usr/bin/systemd",
	"/sbin/openrc-init",
	"/usr/sbin/openrc-init",
	"/linuxrc",
};

void vmb_facts_done(struct vmb_facts *facts)
{
	free(facts->store);
	vmb_image_done(&facts->image);
	vmb_kernel_done(&facts->kernel);
	vmb_modules_done(&facts->modules);
	free(facts->init);
	free(facts->kernel_copy);
	free(facts->firmware);
	free(facts->initramfs);
	vmb_headers_done(&facts->headers);
	free(facts->kernel_disk);
	free(facts->emulator);
	free(facts->machine);
	free(facts->dac_label);
	vmb_ports_done(&facts->ports);
	*facts = (struct vmb_facts){0};
}

void vmb_plan_files_done(struct vmb_plan_files *f)
{
	free(f->folder);
	free(f->overlay);
	free(f->config);
	free(f->console);
	free(f->out);
	free(f->err);
	free(f->events);
	free(f->ledger);
	*f = (struct vmb_plan_files){0};
}

void vmb_plan_done(struct vmb_plan *plan)
{
	vmb_facts_done(&plan->facts);
	free(plan->name);
	free(plan->hostname);
	vmb_list_free(plan->labels);
	vmb_command_done(&plan->command);
	vmb_settings_done(&plan->settings);
	free(plan->cmdline);
	free(plan->disks);
	vmb_list_free(plan->disk_strings);
	vmb_plan_files_done(&plan->files);
	*plan = (struct vmb_plan){0};
}

int vmb_plan_files(const char *store, const char *name, struct vmb_plan_files *ret)
{
	_cleanup_plan_files_ struct vmb_plan_files f = {0};
	const struct {
		char **path;
		const char *file;
	} files[] = {
		{&f.overlay, "overlay.img"}, {&f.config, "config.img"}, {&f.console, "console.log"},
		{&f.out, "stdout.log"},	     {&f.err, "stderr.log"},	{&f.events, "events"},
		{&f.ledger, "ledger"},
	};
	int r;

	r = vmb_asprintf(&f.folder, "%s/vms/%s", store, name);
	for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++)
		r = vmb_asprintf(files[i].path, "%s/%s", f.folder, files[i].file);
	if (r < 0)
		return r;
	*ret = f;
	f = (struct vmb_plan_files){0};
	return 0;
}

/*
 * What the guest's side of each network is. QEMU's user network has fixed addresses (its manual,
 * "-netdev user"), so that the guest need not ask.
 */
static const struct {
	const char *address, *gateway, *nameserver;
} networks[] = {
	[VMBOOT_NETWORK_NONE] = {"", "", ""},
	[VMBOOT_NETWORK_USER] = {"10.0.2.15/24", "10.0.2.2", "10.0.2.3"},
};

static bool is_busybox_init(char **args)
{
	const char *slash = strrchr(args[0], '/');

	return vmb_streq(slash ? slash + 1 : args[0], "busybox") && args[1] &&
	       vmb_streq(args[1], "init");
}

static enum vmboot_init_mode resolve_init_mode(enum vmboot_init_mode asked, char **args)
{
	if (asked != VMBOOT_INIT_AUTO)
		return asked;
	for (size_t i = 0; i < ARRAY_SIZE(init_systems); i++)
		if (vmb_streq(init_systems[i], args[0]))
			return VMBOOT_INIT_SYSTEMD;
	/* no distribution has its init system there, but s6-overlay and images' own scripts are */
	if (vmb_streq(args[0], "/init"))
		return VMBOOT_INIT_PID1;
	return is_busybox_init(args) ? VMBOOT_INIT_SYSTEMD : VMBOOT_INIT_EXEC;
}

static bool fill_guest_disk(const struct vmb_disk *disk, struct vmb_config_disk *ret)
{
	int n = snprintf(ret->options, sizeof(ret->options), "%s%s%s%s",
			 disk->writable ? "rw" : "ro", disk->required ? "" : ",nofail",
			 disk->options ? "," : "", disk->options ? disk->options : "");

	vmb_strlcpy(ret->serial, disk->serial, sizeof(ret->serial));
	vmb_strlcpy(ret->target, disk->target, sizeof(ret->target));
	vmb_strlcpy(ret->fstype, disk->fstype, sizeof(ret->fstype));
	ret->point = disk->point;
	return n >= 0 && (size_t)n < sizeof(ret->options) && vmb_streq(ret->serial, disk->serial) &&
	       vmb_streq(ret->fstype, disk->fstype);
}

static int add_guest_disks(const struct vmb_plan *plan, struct vmb_guest_config *config)
{
	for (size_t i = 0; i < plan->n_disks; i++)
		if (!fill_guest_disk(&plan->disks[i], &config->disks[config->n_disks++]))
			return vmb_error(E2BIG,
					 "serial, type or mount options of the disk %s are "
					 "too long",
					 plan->disks[i].serial);
	return 0;
}

int vmb_plan_guest_config(const struct vmb_plan *plan, struct vmb_guest_config *ret)
{
	*ret = (struct vmb_guest_config){
		.hostname = plan->hostname,
		.init_mode = plan->init_mode,
		.on_exit = plan->on_exit,
		.kernel_note = plan->facts.headers.note ? plan->facts.headers.note : "",
		.skip_kernel_headers = plan->skip_kernel_headers,
		.skip_guest_agent = plan->skip_guest_agent,
		.guest_agent = plan->guest_agent,
		.address = networks[plan->network].address,
		.gateway = networks[plan->network].gateway,
		.nameserver = networks[plan->network].nameserver,
		.user = plan->command.user ? plan->command.user : "",
		.workdir = plan->command.workdir,
		.args = vmb_list_const(plan->command.args),
		.env = vmb_list_const(plan->command.env),
	};
	vmb_settings_fill(&plan->settings, ret);
	return add_guest_disks(plan, ret);
}

/* For the program's path, and the variables that init adds. */
enum { EXEC_RESERVE = 8192 };

/* What exec(2) counts of them: the strings, and a pointer to each. */
static uint64_t exec_bytes(char *const *list)
{
	uint64_t n = 0;

	for (; list && *list; list++)
		n += strlen(*list) + 1 + sizeof(char *);
	return n;
}

/* Both ends check the bounds; this end first, while nothing has been made. */
static int check_guest_config(const struct vmb_plan *plan)
{
	_cleanup_free_ struct vmb_guest_config *config = malloc(sizeof(*config));
	long r;

	if (!config)
		return vmb_oom();
	r = vmb_plan_guest_config(plan, config);
	if (r < 0)
		return (int)r;
	r = vmb_config_encode(config, NULL, 0);
	if (r == -E2BIG || exec_bytes(plan->command.args) + exec_bytes(plan->command.env) >
				   VMB_CONFIG_STRINGS_MAX - EXEC_RESERVE)
		return vmb_error(
			E2BIG,
			"the program's arguments and environment are larger than Linux takes, "
			"%d bytes with a pointer for each",
			VMB_CONFIG_STRINGS_MAX - EXEC_RESERVE);
	return r < 0 ? vmb_errno((int)r, "the guest config cannot be written") : 0;
}

/*
 * MiB that a boot takes beside the kernel itself and the initramfs (once packed, once unpacked). Tried
 * with Debian's 6.1 and 51 MiB for the kernel: 70 MiB in all are enough for a program with neither agent
 * nor kernel disk, 72 with these and the network, 80 for four CPUs, or if the kernel unpacks itself.
 */
enum { BOOT_MIB = 20, CPU_MIB = 1, UNPACK_MIB = 8 };

static uint64_t least_memory(const struct vmb_plan *plan)
{
	const struct vmb_facts *f = &plan->facts;
	const uint64_t mib = 1 << 20;

	return (f->kernel.memory + 2 * f->initramfs_bytes + mib - 1) / mib + BOOT_MIB +
	       (plan->vcpus - 1) * CPU_MIB + (f->kernel_direct ? 0 : UNPACK_MIB);
}

static int check_memory(const struct vmb_plan *plan)
{
	const struct vmb_kernel *kernel = &plan->facts.kernel;

	if (kernel->memory == 0 || plan->memory_mib >= least_memory(plan))
		return 0;
	vmb_error(
		VMBOOT_EOPTS,
		"memory_mib: %llu MiB cannot hold the kernel %s (%llu MiB) and its initramfs; the "
		"least is %llu",
		(unsigned long long)plan->memory_mib, kernel->release,
		(unsigned long long)(kernel->memory >> 20), (unsigned long long)least_memory(plan));
	vmb_error_field("memory_mib");
	return -VMBOOT_EOPTS;
}

/* The VM's name, if it is a host name; else one label of what it has of letters and digits. */
static int derive_hostname(const char *name, char **ret)
{
	enum { LABEL_MAX = 63 };
	char *host;
	int r;

	if (vmb_rule_hostname(name))
		return vmb_strdup(name, ret);
	r = vmb_asprintf(&host, "%.*s", LABEL_MAX, name);
	if (r < 0)
		return r;
	for (char *p = host; *p; p++)
		if (*p == '_' || *p == '.')
			*p = '-';
	for (size_t n = strlen(host); n > 0 && host[n - 1] == '-'; n--)
		host[n - 1] = '\0';
	*ret = host;
	return 0;
}

/* Only our own init can start a program again, and only one that is not PID 1. */
static int check_restart(const struct vmb_plan *plan)
{
	if (!plan->settings.restart || vmb_streq(plan->settings.restart, "no") ||
	    plan->init_mode == VMBOOT_INIT_EXEC)
		return 0;
	vmb_error(VMBOOT_EOPTS,
		  "restart: \"%s\" needs init_mode exec: an image's init system, or a program that "
		  "is "
		  "PID 1, is not started again",
		  plan->settings.restart);
	vmb_error_field("restart");
	return -VMBOOT_EOPTS;
}

/* Of two with one key the later counts, as of variables. */
static int add_label(char ***labels, const char *label)
{
	const size_t n = strcspn(label, "=") + 1;

	for (char **l = *labels; l && *l; l++)
		if (strncmp(*l, label, n) == 0) {
			free(*l);
			*l = NULL;
			return vmb_strdup(label, l);
		}
	return vmb_list_add(labels, label);
}

static int copy_labels(const char *const *labels, char ***ret)
{
	int r = 0;

	for (; labels && *labels && r == 0; labels++)
		r = add_label(ret, *labels);
	return r;
}

int vmb_plan_make(const struct vmboot_opts *opts, struct vmb_facts *facts, struct vmb_plan *ret)
{
	_cleanup_plan_ struct vmb_plan p = {.facts = *facts};
	int r;

	*facts = (struct vmb_facts){0};
	p.vcpus = opts->vcpus;
	p.memory_mib = opts->memory_mib;
	p.overlay_mib = opts->overlay_mib;
	p.log_max_mib = opts->log_max_mib;
	p.ephemeral = opts->ephemeral;
	p.skip_kernel_headers = opts->skip_kernel_headers;
	p.skip_guest_agent = opts->skip_guest_agent;
	p.skip_module_signatures = opts->skip_module_signatures;
	p.on_exit = opts->on_exit;
	p.guest_agent = opts->guest_agent;
	p.network = opts->network;
	p.debug = opts->debug;
	r = vmb_strdup(opts->name, &p.name);
	if (r == 0)
		r = opts->hostname ? vmb_strdup(opts->hostname, &p.hostname)
				   : derive_hostname(opts->name, &p.hostname);
	if (r == 0)
		r = copy_labels(opts->label, &p.labels);
	if (r == 0)
		r = vmb_image_command(&p.facts.image, opts, &p.command);
	if (r == 0)
		r = vmb_settings_make(opts, &p.facts.image.config.health, &p.settings);
	if (r == 0)
		r = vmb_cmdline(opts, &p.facts, &p.cmdline);
	if (r == 0)
		r = vmb_plan_files(p.facts.store, p.name, &p.files);
	if (r == 0)
		r = vmb_plan_add_disks(&p);
	if (r < 0)
		return r;
	p.init_mode = resolve_init_mode(opts->init_mode, p.command.args);
	r = check_restart(&p);
	if (r == 0)
		r = check_memory(&p);
	if (r == 0)
		r = check_guest_config(&p);
	if (r < 0)
		return r;
	*ret = p;
	p = (struct vmb_plan){0};
	return 0;
}
