/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <pthread.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limit.h"
#include "opts/opts.h"
#include "opts/ports.h"
#include "opts/rules.h"

static const char *const init_modes[] = {"auto", "exec", "systemd", "pid1", NULL};
static const char *const on_exits[] = {"keep", "poweroff", NULL};
static const char *const guest_agents[] = {"vmboot", "image", NULL};
static const char *const accels[] = {"auto", "kvm", "tcg", NULL};
static const char *const networks[] = {"none", "user", NULL};
static const char *const kernel_starts[] = {"auto", "bzimage", NULL};
static const char *const pulls[] = {"missing", "always", "newer", "never", NULL};
static const char *const tls_verifies[] = {"auto", "true", "false", NULL};

#define MEMBER(member)                                                                             \
	.size = sizeof(struct vmboot_field), .name = #member,                                      \
	.offset = offsetof(struct vmboot_opts, member)

/* The one place where a field is described. A new one is a member, a row, and a line in NEWS. */
static const struct vmb_field fields[] = {
	{
		.pub = {MEMBER(name), .type = VMBOOT_FIELD_STRING, .max = 128, .metavar = "NAME",
			.rule = "1 to 128 of A-Z, a-z, 0-9, \"_\", \".\" and \"-\", the first a "
				"letter "
				"or a digit, without \".tmp-\"",
			.help = "name of the VM, and of its libvirt domain", .since = "0.1"},
		.accepts = vmb_rule_vm_name,
		.required = true,
	},
	{
		.pub = {MEMBER(image), .type = VMBOOT_FIELD_STRING, .max = 4096, .metavar = "IMAGE",
			.rule = "NAME[:TAG][@DIGEST], or a source such as oci:DIR[:TAG] or "
				"docker://NAME",
			.help = "what the VM boots", .since = "0.1"},
		.accepts = vmb_rule_line,
		.required = true,
	},
	{
		.pub = {MEMBER(skip_kernel_headers), .type = VMBOOT_FIELD_BOOL,
			.rule = "true or false",
			.help = "attach no disk with kernel modules and headers; DKMS cannot be "
				"used",
			.since = "0.1"},
	},
	{
		.pub = {MEMBER(skip_guest_agent), .type = VMBOOT_FIELD_BOOL,
			.rule = "true or false",
			.help = "run no agent in the guest; exec, stat and cp cannot be used",
			.since = "0.1"},
	},
	{
		.pub = {MEMBER(vcpus), .type = VMBOOT_FIELD_UINT, .min = 1, .max = 255,
			.default_value = 1, .metavar = "N", .rule = "a number from 1 to 255",
			.help = "virtual CPUs", .since = "0.1"},
	},
	{
		.pub = {MEMBER(memory_mib), .type = VMBOOT_FIELD_UINT, .min = 64, .max = 16777216,
			.default_value = 512, .metavar = "MIB",
			.rule = "a number of MiB from 64 to 16777216", .help = "memory, in MiB",
			.since = "0.1"},
	},
	{
		.pub = {MEMBER(overlay_mib), .type = VMBOOT_FIELD_UINT, .min = 64, .max = 16777216,
			.default_value = 10240, .metavar = "MIB",
			.rule = "a number of MiB from 64 to 16777216",
			.help = "size of the disk that takes the VM's writes, in MiB; it is sparse",
			.since = "0.1"},
	},
	{
		.pub = {MEMBER(entrypoint), .type = VMBOOT_FIELD_LIST, .max = 131071,
			.metavar = "ARG",
			.rule = "a list of strings, each at most 131071 bytes, 2 MiB in all",
			.help = "replaces the image's entrypoint and cmd", .since = "0.1"},
	},
	{
		.pub = {MEMBER(cmd), .type = VMBOOT_FIELD_LIST, .max = 131071, .metavar = "ARG",
			.rule = "a list of strings, each at most 131071 bytes, 2 MiB in all",
			.help = "replaces the image's cmd", .since = "0.1"},
	},
	{
		.pub = {MEMBER(env), .type = VMBOOT_FIELD_LIST, .max = 131071,
			.metavar = "KEY=VALUE",
			.rule = "a list of KEY=VALUE, each at most 131071 bytes, 2 MiB in all, KEY "
				"not empty",
			.help = "adds a variable to the image's environment, or replaces one",
			.since = "0.1", .short_flag = 'e'},
		.accepts = vmb_rule_env,
	},
	{
		.pub = {MEMBER(workdir), .type = VMBOOT_FIELD_STRING, .max = 4095, .metavar = "DIR",
			.rule = "an absolute path", .help = "the program's working folder",
			.since = "0.1", .short_flag = 'w'},
		.accepts = vmb_rule_absolute,
	},
	{
		.pub = {MEMBER(user), .type = VMBOOT_FIELD_STRING, .max = 255,
			.metavar = "USER[:GROUP]",
			.rule = "USER or USER:GROUP, each a name or a number",
			.help = "the user who runs the program", .since = "0.1", .short_flag = 'u'},
		.accepts = vmb_rule_user,
	},
	{
		.pub = {MEMBER(init_mode), .type = VMBOOT_FIELD_ENUM, .choices = init_modes,
			.metavar = "MODE", .rule = "auto, exec, systemd or pid1",
			.help = "which process runs as PID 1 in the guest", .since = "0.1"},
	},
	{
		.pub = {MEMBER(on_exit), .type = VMBOOT_FIELD_ENUM, .choices = on_exits,
			.metavar = "ACTION", .rule = "keep or poweroff",
			.help = "what the VM does when the program ends", .since = "0.1"},
	},
	{
		.pub = {MEMBER(accel), .type = VMBOOT_FIELD_ENUM, .choices = accels,
			.metavar = "ACCEL", .rule = "auto, kvm or tcg",
			.help = "what executes the guest; auto chooses KVM if a guest can run "
				"under it",
			.since = "0.1"},
	},
	{
		.pub = {MEMBER(kernel), .type = VMBOOT_FIELD_STRING, .max = 4095, .metavar = "FILE",
			.rule = "a path",
			.help = "the guest's kernel; default: the newest installed one that can "
				"boot the guest",
			.since = "0.1"},
		.accepts = vmb_rule_line,
	},
	{
		.pub = {MEMBER(kernel_args), .type = VMBOOT_FIELD_STRING, .max = 1024,
			.metavar = "ARGS", .rule = "one line of printable ASCII",
			.help = "added at the end of the kernel's command line, so they take "
				"precedence",
			.since = "0.1"},
		.accepts = vmb_rule_ascii,
	},
	{
		.pub = {MEMBER(uri), .type = VMBOOT_FIELD_STRING, .max = 1024, .metavar = "URI",
			.rule = "a libvirt URI, or embed",
			.help = "the libvirt to use; embed runs it in this process, without a "
				"daemon",
			.since = "0.1", .short_flag = 'c'},
		.accepts = vmb_rule_line,
	},
	{
		.pub = {MEMBER(store), .type = VMBOOT_FIELD_STRING, .max = 3072, .metavar = "DIR",
			.rule = "a path", .help = "the folder with images, kernels and VMs",
			.since = "0.1"},
		.accepts = vmb_rule_line,
	},
	{
		.pub = {MEMBER(network), .type = VMBOOT_FIELD_ENUM, .choices = networks,
			.metavar = "NETWORK", .rule = "none or user",
			.help = "the network that the guest can reach", .since = "0.1"},
	},
	{
		.pub = {MEMBER(ephemeral), .type = VMBOOT_FIELD_BOOL, .rule = "true or false",
			.help = "remove the VM when it stops", .since = "0.1"},
	},
	{
		.pub = {MEMBER(debug), .type = VMBOOT_FIELD_BOOL, .rule = "true or false",
			.help = "verbose boot, and a shell on the console if it fails",
			.since = "0.1"},
	},
	{
		.pub = {MEMBER(guest_agent), .type = VMBOOT_FIELD_ENUM, .choices = guest_agents,
			.metavar = "AGENT", .rule = "vmboot or image",
			.help = "whose agent runs in the guest", .since = "0.1"},
	},
	{
		.pub = {MEMBER(kernel_headers), .type = VMBOOT_FIELD_STRING, .max = 4095,
			.metavar = "PATH", .rule = "a path",
			.help = "the kernel's headers, a folder or a tar archive; default: those "
				"installed for it",
			.since = "0.1"},
		.accepts = vmb_rule_line,
	},
	{
		.pub = {MEMBER(kernel_start), .type = VMBOOT_FIELD_ENUM, .choices = kernel_starts,
			.metavar = "START", .rule = "auto or bzimage",
			.help = "how the kernel starts; auto unpacks it on the host, without KASLR",
			.since = "0.1"},
	},
	{
		.pub = {MEMBER(skip_module_signatures), .type = VMBOOT_FIELD_BOOL,
			.rule = "true or false",
			.help = "load the modules that the boot needs without checking their "
				"signatures; the kernel is tainted (E)",
			.since = "0.1"},
	},
	{
		.pub = {MEMBER(timeout_ms), .type = VMBOOT_FIELD_UINT, .min = 1, .max = 604800000,
			.default_value = VMB_LIMIT_DEFAULT_MS, .metavar = "MS",
			.rule = "a number of milliseconds from 1 to 604800000",
			.help = "how long creating the VM may take, in milliseconds",
			.since = "0.2"},
	},
	{
		.pub = {MEMBER(hostname), .type = VMBOOT_FIELD_STRING, .max = 64, .metavar = "NAME",
			.rule = "a host name of at most 64 bytes: letters, digits and inner "
				"dashes, in parts joined by dots",
			.help = "the guest's host name; default: made from the VM's name",
			.since = "0.2"},
		.accepts = vmb_rule_hostname,
	},
	{
		.pub = {MEMBER(log_max_mib), .type = VMBOOT_FIELD_UINT, .min = 1, .max = 1048576,
			.default_value = VMB_OPTS_LOG_MAX_MIB, .metavar = "MIB",
			.rule = "a number of MiB from 1 to 1048576",
			.help = "what is kept of each of its logs, in MiB; virtlogd has limits of "
				"its own",
			.since = "0.2"},
	},
	{
		.pub = {MEMBER(shm_size), .type = VMBOOT_FIELD_STRING, .max = 32, .metavar = "SIZE",
			.rule = "a number of bytes, or one with k, m or g for KiB, MiB or GiB",
			.help = "size of /dev/shm; default: half of the memory", .since = "0.2"},
		.accepts = vmb_rule_size,
	},
	{
		.pub = {MEMBER(tmpfs), .type = VMBOOT_FIELD_LIST, .max = 500,
			.metavar = "PATH[:OPTION,...]",
			.rule = "an absolute path other than /, and options of tmpfs: size=, "
				"mode=, "
				"uid=, gid=, nr_inodes=, ro, noexec, suid, dev, noatime, "
				"notmpcopyup",
			.help = "mounts a tmpfs that begins with what the image has there",
			.since = "0.2"},
		.accepts = vmb_rule_tmpfs,
	},
	{
		.pub = {MEMBER(sysctl), .type = VMBOOT_FIELD_LIST, .max = 4095,
			.metavar = "KEY=VALUE", .rule = "a list of KEY=VALUE, KEY as in sysctl(8)",
			.help = "sets a parameter of the guest's kernel before the program starts",
			.since = "0.2"},
		.accepts = vmb_rule_sysctl,
	},
	{
		.pub = {MEMBER(ulimit), .type = VMBOOT_FIELD_LIST, .max = 64,
			.metavar = "NAME=SOFT[:HARD]",
			.rule = "a list of NAME=SOFT or NAME=SOFT:HARD, NAME one of as, core, cpu, "
				"data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, "
				"rtprio, rttime, sigpending and stack, SOFT and HARD numbers or "
				"\"unlimited\"",
			.help = "sets a limit of the program, and of programs that exec runs",
			.since = "0.2"},
		.accepts = vmb_rule_ulimit,
	},
	{
		.pub = {MEMBER(ttl), .type = VMBOOT_FIELD_STRING, .max = 32, .metavar = "TIME",
			.rule = "a number of seconds, or times with ms, s, m or h, such as 1h30m",
			.help = "how long the guest runs at most; then it powers itself off",
			.since = "0.2"},
		.accepts = vmb_rule_time,
	},
	{
		.pub = {MEMBER(restart), .type = VMBOOT_FIELD_STRING, .max = 40,
			.metavar = "POLICY", .rule = "no, on-failure, on-failure:N or always",
			.help = "when the guest starts a program again that has ended (exec mode)",
			.since = "0.2"},
		.accepts = vmb_rule_restart,
	},
	{
		.pub = {MEMBER(health_cmd), .type = VMBOOT_FIELD_STRING, .max = 131071,
			.metavar = "COMMAND", .rule = "a shell command, or none",
			.help = "checks the program's health in the guest; default: the image's",
			.since = "0.2"},
	},
	{
		.pub = {MEMBER(health_interval), .type = VMBOOT_FIELD_STRING, .max = 32,
			.metavar = "TIME",
			.rule = "a number of seconds, or times with ms, s, m or h, such as 1h30m",
			.help = "time between two checks; default: the image's, or 30s",
			.since = "0.2"},
		.accepts = vmb_rule_time,
	},
	{
		.pub = {MEMBER(health_timeout), .type = VMBOOT_FIELD_STRING, .max = 32,
			.metavar = "TIME",
			.rule = "a number of seconds, or times with ms, s, m or h, such as 1h30m",
			.help = "a check that takes longer has failed; default: the image's, or "
				"30s",
			.since = "0.2"},
		.accepts = vmb_rule_time,
	},
	{
		.pub = {MEMBER(health_start_period), .type = VMBOOT_FIELD_STRING, .max = 32,
			.metavar = "TIME",
			.rule = "a number of seconds, or times with ms, s, m or h, such as 1h30m",
			.help = "time in which failed checks do not count; default: the image's, "
				"or 0",
			.since = "0.2"},
		.accepts = vmb_rule_duration,
	},
	{
		.pub = {MEMBER(health_retries), .type = VMBOOT_FIELD_UINT, .min = 1, .max = 1000,
			.default_value = VMB_OPTS_HEALTH_RETRIES, .metavar = "N",
			.rule = "a number from 1 to 1000",
			.help = "failed checks in a row that make the program unhealthy; with the "
				"default, the image's own number counts",
			.since = "0.2"},
	},
	{
		.pub = {MEMBER(read_only), .type = VMBOOT_FIELD_BOOL, .rule = "true or false",
			.help = "make the guest's root read-only, except /tmp, /var/tmp, /run and "
				"/dev",
			.since = "0.2"},
	},
	{
		.pub = {MEMBER(publish), .type = VMBOOT_FIELD_LIST, .max = 79,
			.metavar = "[[IP:][PORT]:]GUESTPORT[/udp]",
			.rule = "[[IP:][PORT]:]GUESTPORT[/tcp|udp], IP one of IPv4, and a port one "
				"number from 1 to 65535 or a range such as 8000-8010",
			.help = "listen on a port of the host for one of the guest's; implies "
				"--network user",
			.since = "0.2", .short_flag = 'p'},
		.accepts = vmb_ports_valid,
	},
	{
		.pub = {MEMBER(platform), .type = VMBOOT_FIELD_STRING, .max = 90,
			.metavar = "OS/ARCH", .rule = "OS/ARCH or OS/ARCH/VARIANT, as linux/amd64",
			.help = "which image is pulled, if there are several; default: this host's",
			.since = "0.2"},
		.accepts = vmb_rule_line,
	},
	{
		.pub = {MEMBER(authfile), .type = VMBOOT_FIELD_STRING, .max = 4095,
			.metavar = "FILE", .rule = "a path",
			.help = "the file with the passwords of registries; default: that of "
				"podman "
				"login",
			.since = "0.2"},
		.accepts = vmb_rule_line,
	},
	{
		.pub = {MEMBER(creds), .type = VMBOOT_FIELD_STRING, .max = 4095,
			.metavar = "USER:PASSWORD", .rule = "USER:PASSWORD, in one line",
			.help = "user and password for the registry", .since = "0.2"},
		.accepts = vmb_rule_creds,
		.secret = true,
	},
	{
		.pub = {MEMBER(cert_dir), .type = VMBOOT_FIELD_STRING, .max = 4095,
			.metavar = "DIR", .rule = "a path",
			.help = "the folder with certificates (*.crt, *.cert, *.key) for the "
				"registry; "
				"default: those of certs.d",
			.since = "0.2"},
		.accepts = vmb_rule_line,
	},
	{
		.pub = {MEMBER(pull), .type = VMBOOT_FIELD_ENUM, .choices = pulls,
			.metavar = "WHEN", .rule = "missing, always, newer or never",
			.help = "when the image is pulled, if its name leads to a registry",
			.since = "0.2"},
	},
	{
		.pub = {MEMBER(tls_verify), .type = VMBOOT_FIELD_ENUM, .choices = tls_verifies,
			.metavar = "WHETHER", .rule = "auto, true or false",
			.help = "whether a registry must have a valid certificate; auto does as "
				"registries.conf says",
			.since = "0.2"},
	},
	{
		.pub = {MEMBER(label), .type = VMBOOT_FIELD_LIST, .max = 1024,
			.metavar = "KEY=VALUE", .short_flag = 'l',
			.rule = "a list of KEY=VALUE without control characters, 1024 bytes each",
			.help = "a label of the VM, for programs and people that manage VMs",
			.since = "0.2"},
		.accepts = vmb_rule_label,
	},
};

const struct vmb_field *vmb_fields(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(fields);
	return fields;
}

/* The public parts. They never change once they are listed, which the first caller does. */
static const struct vmboot_field *public_fields[ARRAY_SIZE(fields)];
static pthread_once_t public_fields_listed = PTHREAD_ONCE_INIT;

static void list_public_fields(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		public_fields[i] = &fields[i].pub;
}

const struct vmboot_field *const *vmboot_opts_fields(size_t *ret_n)
{
	pthread_once(&public_fields_listed, list_public_fields);
	*ret_n = ARRAY_SIZE(public_fields);
	return public_fields;
}

const struct vmb_field *vmb_field_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strcmp(fields[i].pub.name, name) == 0)
			return &fields[i];
	return NULL;
}

void *vmb_field_member(const struct vmb_field *field, struct vmboot_opts *opts)
{
	return (char *)opts + field->pub.offset;
}

const void *vmb_field_member_const(const struct vmb_field *field, const struct vmboot_opts *opts)
{
	return (const char *)opts + field->pub.offset;
}

const char *vmb_field_choice(const struct vmb_field *field, const struct vmboot_opts *opts)
{
	return field->pub.choices[*(const unsigned *)vmb_field_member_const(field, opts)];
}
