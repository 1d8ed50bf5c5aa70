/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command vmboot: one table of verbs. */
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complete.h"
#include "reap.h"
#include "verbs.h"

#define COMMON (FLAG_HELP | FLAG_VERBOSE)

static const struct verb verbs[] = {
	{.name = "run",
	 .operands = "IMAGE [CMD...]",
	 .operand = OPERAND_IMAGE_FIRST,
	 .help = "Boot an image, run its program and exit with its exit code",
	 .more = "The VM powers off when the program ends, unless --on-exit says otherwise. It is\n"
		 "kept unless --rm is given. Ctrl-C stops it; a second Ctrl-C cuts its power.\n"
		 "Exit code: the program's, or 128 + its signal; 125 if vmboot failed, 126 if the\n"
		 "command cannot be executed, 127 if it does not exist; 2 for a bad request.",
	 .fn = verb_run,
	 .flags = COMMON | FLAG_DETACH | FLAG_REPORT | FLAG_RM | FLAG_REQUEST | FLAG_MACHINE,
	 .fields = FIELDS_ALL,
	 .command = true},
	{.name = "start",
	 .operands = "NAME...",
	 .operand = OPERAND_VM_STOPPED,
	 .help = "Start stopped VMs",
	 .fn = verb_start,
	 .flags = COMMON,
	 .min_operands = 1,
	 .max_operands = -1},
	{.name = "stop",
	 .operands = "NAME...",
	 .operand = OPERAND_VM_RUNNING,
	 .help = "Ask VMs to power off, then cut their power",
	 .fn = verb_stop,
	 .flags = COMMON | FLAG_STOP_TIME | FLAG_EACH,
	 .max_operands = -1},
	{.name = "pause",
	 .operands = "NAME...",
	 .operand = OPERAND_VM_RUNNING,
	 .help = "Stop the CPUs of VMs, which keep their memory",
	 .fn = verb_pause,
	 .flags = COMMON | FLAG_EACH,
	 .max_operands = -1},
	{.name = "unpause",
	 .operands = "NAME...",
	 .operand = OPERAND_VM_PAUSED,
	 .help = "Let paused VMs go on, and set their clocks",
	 .fn = verb_unpause,
	 .flags = COMMON | FLAG_EACH,
	 .max_operands = -1},
	{.name = "restart",
	 .operands = "NAME...",
	 .operand = OPERAND_VM,
	 .help = "Ask VMs to reboot, then reset them; start stopped ones",
	 .fn = verb_restart,
	 .flags = COMMON | FLAG_STOP_TIME,
	 .min_operands = 1,
	 .max_operands = -1},
	{.name = "rm",
	 .operands = "NAME...",
	 .operand = OPERAND_VM,
	 .help = "Remove VMs with their disks and logs, but not their images",
	 .fn = verb_rm,
	 .flags = COMMON | FLAG_FORCE | FLAG_EACH | FLAG_ALL_STORES,
	 .max_operands = -1},
	{.name = "prune",
	 .operands = "",
	 .help = "Remove all stopped VMs with their disks and logs",
	 .fn = verb_prune,
	 .flags = COMMON | FLAG_YES},
	{.name = "ps",
	 .operands = "",
	 .help = "List running VMs",
	 .fn = verb_ps,
	 .flags = COMMON | FLAG_ALL | FLAG_ALL_STORES | FLAG_FILTER | FLAG_FORMAT | FLAG_JSON |
		  FLAG_QUIET},
	{.name = "port",
	 .operands = "NAME [PORT[/udp]]",
	 .operand = OPERAND_VM_FIRST,
	 .help = "Print, add or remove published ports of a VM",
	 .fn = verb_port,
	 .flags = COMMON | FLAG_PORT,
	 .min_operands = 1,
	 .max_operands = 2},
	{.name = "inspect",
	 .operands = "NAME...",
	 .operand = OPERAND_VM,
	 .help = "Print all that is known of VMs, as JSON",
	 .fn = verb_inspect,
	 .flags = COMMON,
	 .min_operands = 1,
	 .max_operands = -1},
	{.name = "events",
	 .operands = "",
	 .help = "Print what happens to VMs, as it happens",
	 .fn = verb_events,
	 .flags = COMMON | FLAG_EVENTS | FLAG_ONCE | FLAG_JSON},
	{.name = "stats",
	 .operands = "[NAME...]",
	 .operand = OPERAND_VM_RUNNING,
	 .help = "Print each second what running VMs use",
	 .fn = verb_stats,
	 .flags = COMMON | FLAG_ALL_STORES | FLAG_ONCE | FLAG_JSON,
	 .max_operands = -1},
	{.name = "top",
	 .operands = "NAME",
	 .operand = OPERAND_VM_RUNNING,
	 .help = "List the processes of a running VM",
	 .fn = verb_top,
	 .flags = COMMON | FLAG_JSON,
	 .min_operands = 1,
	 .max_operands = 1},
	{.name = "exec",
	 .operands = "NAME CMD...",
	 .operand = OPERAND_VM_FIRST,
	 .help = "Run a command in a running VM and exit with its exit code",
	 .more = "A \"--\" before CMD is dropped. Exit code: the command's, or 128 + its signal; "
		 "125 "
		 "if\nvmboot failed, 126 if the command cannot be executed, 127 if it does not "
		 "exist.",
	 .fn = verb_exec,
	 .flags = COMMON | FLAG_INTERACTIVE | FLAG_TTY | FLAG_PROGRAM,
	 .rest = true,
	 .min_operands = 2,
	 .max_operands = -1},
	{.name = "cp",
	 .operands = "SRC DST",
	 .operand = OPERAND_VM_PATH,
	 .help = "Copy files between the host and a running VM",
	 .more = "One of SRC and DST is NAME:PATH. If DST is an existing folder, the copy is put\n"
		 "into it under its own name. Owners, modes, times, links and holes are kept.\n"
		 "\"-\" as SRC reads a tar archive from standard input and unpacks it into the\n"
		 "folder DST; as DST it writes one to standard output.",
	 .fn = verb_cp,
	 .flags = COMMON,
	 .min_operands = 2,
	 .max_operands = 2},
	{.name = "stat",
	 .operands = "NAME PATH",
	 .operand = OPERAND_VM_FIRST,
	 .help = "Describe a path in a running VM",
	 .fn = verb_stat,
	 .flags = COMMON | FLAG_DEREFERENCE | FLAG_JSON,
	 .min_operands = 2,
	 .max_operands = 2},
	{.name = "logs",
	 .operands = "NAME",
	 .operand = OPERAND_VM,
	 .help = "Print the output of a VM's program",
	 .fn = verb_logs,
	 .flags = COMMON | FLAG_FOLLOW | FLAG_TAIL | FLAG_CONSOLE,
	 .min_operands = 1,
	 .max_operands = 1},
	{.name = "wait",
	 .operands = "NAME...",
	 .operand = OPERAND_VM,
	 .help = "Wait until VMs' programs end, and print their exit codes",
	 .fn = verb_wait,
	 .flags = COMMON | FLAG_PHASE | FLAG_WAIT_TIME,
	 .min_operands = 1,
	 .max_operands = -1},
	{.name = "report",
	 .operands = "NAME",
	 .operand = OPERAND_VM,
	 .help = "Print how long each step of a VM's newest boot took",
	 .fn = verb_report,
	 .flags = COMMON | FLAG_CHART | FLAG_JSON | FLAG_SVG,
	 .min_operands = 1,
	 .max_operands = 1},
	{.name = "plan",
	 .operands = "IMAGE [CMD...]",
	 .operand = OPERAND_IMAGE_FIRST,
	 .help = "Print what run would do, as JSON, without making a VM",
	 .more = "Without --name the VM is planned as \"" NAME_OF_PLAN "\".",
	 .fn = verb_plan,
	 .flags = COMMON | FLAG_REQUEST | FLAG_MACHINE,
	 .fields = FIELDS_ALL,
	 .command = true},
	{.name = "xml",
	 .operands = "IMAGE [CMD...]",
	 .operand = OPERAND_IMAGE_FIRST,
	 .help = "Print the libvirt domain XML that run would use",
	 .more = "Without --name the VM is planned as \"" NAME_OF_PLAN "\".",
	 .fn = verb_xml,
	 .flags = COMMON | FLAG_REQUEST | FLAG_MACHINE,
	 .fields = FIELDS_ALL,
	 .command = true},
	{.name = "import",
	 .operands = "SOURCE",
	 .operand = OPERAND_SOURCE,
	 .help = "Import an image into the store and print its name",
	 .more = "SOURCE is oci:DIR[:TAG], tar:FILE, dir:DIR or disk:FILE; or, by skopeo,\n"
		 "docker://NAME, docker-archive:FILE[:NAME], oci-archive:FILE[:TAG],\n"
		 "containers-storage:NAME, docker-daemon:NAME or skopeo-dir:DIR.",
	 .fn = verb_import,
	 .flags = COMMON | FLAG_NAME | FLAG_JSON,
	 .fields = FIELDS_PULL,
	 .min_operands = 1,
	 .max_operands = 1},
	{.name = "pull",
	 .operands = "IMAGE",
	 .operand = OPERAND_IMAGE,
	 .help = "Fetch an image from its registry into the store and print its name",
	 .more = "Only layers that the store does not have are fetched. run does this by itself,\n"
		 "as its --pull says.",
	 .fn = verb_pull,
	 .flags = COMMON | FLAG_NAME | FLAG_JSON | FLAG_NO_PROGRESS,
	 .fields = FIELDS_PULL,
	 .min_operands = 1,
	 .max_operands = 1},
	{.name = "images",
	 .operands = "",
	 .help = "List the images in the store",
	 .fn = verb_images,
	 .flags = COMMON | FLAG_IMAGES | FLAG_FORMAT | FLAG_JSON | FLAG_QUIET},
	{.name = "image inspect",
	 .operands = "NAME...",
	 .operand = OPERAND_IMAGE,
	 .help = "Print all that the store knows about images, as JSON",
	 .fn = verb_image_inspect,
	 .flags = COMMON,
	 .min_operands = 1,
	 .max_operands = -1},
	{.name = "image prune",
	 .operands = "",
	 .help = "Remove images that no VM uses and that have no name",
	 .fn = verb_image_prune,
	 .flags = COMMON | FLAG_UNUSED | FLAG_DRY_RUN | FLAG_YES | FLAG_JSON},
	{.name = "save",
	 .operands = "NAME TARGET",
	 .operand = OPERAND_IMAGE,
	 .help = "Write an image as an OCI layout or archive",
	 .more = "TARGET is oci:DIR[:TAG] or oci-archive:FILE[:TAG], and must not exist.",
	 .fn = verb_save,
	 .flags = COMMON,
	 .min_operands = 2,
	 .max_operands = 2},
	{.name = "tag",
	 .operands = "NAME NEW...",
	 .operand = OPERAND_IMAGE,
	 .help = "Give an image more names",
	 .fn = verb_tag,
	 .flags = COMMON,
	 .min_operands = 2,
	 .max_operands = -1},
	{.name = "rmi",
	 .operands = "NAME...",
	 .operand = OPERAND_IMAGE,
	 .help = "Remove images from the store",
	 .fn = verb_rmi,
	 .flags = COMMON | FLAG_USERS,
	 .min_operands = 1,
	 .max_operands = -1},
	{.name = "doctor",
	 .operands = "",
	 .help = "Check this host: what works, what is missing and how to fix it",
	 .fn = verb_doctor,
	 .flags = COMMON | FLAG_JSON,
	 .fields = FIELDS_DOCTOR},
	{.name = "df",
	 .operands = "",
	 .help = "Print what takes how much disk space in the store",
	 .fn = verb_df,
	 .flags = COMMON | FLAG_JSON},
	{.name = "gc",
	 .operands = "",
	 .help = "Remove what killed programs left behind, and old kernels",
	 .fn = verb_gc,
	 .flags = COMMON | FLAG_DRY_RUN | FLAG_JSON},
};

/* What may stand before the verb. */
static const struct verb no_verb = {.flags = COMMON | FLAG_VERSION, .max_operands = -1};

/* The verb that argv begins with; *ret_n: how many words it has. */
static const struct verb *find_verb(int argc, char *const *argv, int *ret_n)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		*ret_n = verb_words(&verbs[i], argc, argv);
		if (*ret_n)
			return &verbs[i];
	}
	return NULL;
}

static bool is_group(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (in_group(&verbs[i], name))
			return true;
	return false;
}

/* argv has at least one word. */
static int unknown_verb(int argc, char *const *argv)
{
	struct nearest near = {0};
	char *name = argc > 1 && is_group(argv[0]) ? xasprintf("%s %s", argv[0], argv[1])
						   : xasprintf("%s", argv[0]);
	char *safe = printable(name);

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		nearest_try(&near, name, verbs[i].name);
	nearest_try(&near, name, "help");
	if (near.best)
		usage_error(NULL, "unknown verb \"%s\"; did you mean \"%s\"?", safe, near.best);
	else
		usage_error(NULL, "unknown verb \"%s\"", safe);
	free(safe);
	free(name);
	return EXIT_USAGE;
}

static int help_all(void)
{
	out("Usage: vmboot [FLAG...] VERB [FLAG...] [OPERAND...]\n"
	    "Boot a container image in a virtual machine, and see how long each step takes.\n\n"
	    "Verbs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		out("  %-13s  %s\n", verbs[i].name, verbs[i].help);
	out("  %-13s  %s\n", "help", "Show the help of a verb");
	out("\nFlags before any verb: --uri URI, --store DIR, --debug, -v, --help, --version.\n"
	    "See vmboot(1), and 'vmboot help VERB'.\n");
	return 0;
}

static int help(int argc, char *const *argv)
{
	const struct verb *verb;
	int words;

	if (argc < 1)
		return help_all();
	verb = find_verb(argc, argv, &words);
	if (!verb)
		return unknown_verb(argc, argv);
	args_help(verb);
	return 0;
}

static int run_verb(struct args *args, const struct verb *verb, int argc, char *const *argv)
{
	int r = args_parse(args, verb, argc, argv, verb->command || verb->rest);

	if (r)
		return r;
	if (args->help) {
		args_help(verb);
		return 0;
	}
	r = args_opts(args);
	if (r == 0) {
		reap_orphans(args->opts->uri);
		r = verb->fn(args);
	}
	progress_clear();
	return r;
}

static int run(struct args *args, int argc, char *const *argv)
{
	const struct verb *verb;
	int n, words, r;

	r = args_parse(args, &no_verb, argc, argv, true);
	if (r)
		return r;
	if (args->version) {
		out("vmboot %s\n", vmboot_version());
		return 0;
	}
	n = args->n_operands;
	argv += argc - n;
	if (n == 0 && !args->help)
		return usage_error(NULL, "which verb?");
	if (args->help || strcmp(argv[0], "help") == 0)
		return help(args->help ? n : n - 1, args->help ? argv : argv + 1);
	if (strcmp(argv[0], "__complete") == 0)
		return complete(verbs, ARRAY_SIZE(verbs), &no_verb, n - 1, argv + 1);
	verb = find_verb(n, argv, &words);
	return verb ? run_verb(args, verb, n - words, argv + words) : unknown_verb(n, argv);
}

/* If 0, 1 or 2 is closed, the next file would take its place: fill it with one that fails. */
static void fill_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
			_exit(EXIT_FAILED);
}

/* libvirt's words come in our errors: it need not print them as well. */
static void say_nothing(void *data, virErrorPtr error)
{
	(void)data, (void)error;
}

int main(int argc, char **argv)
{
	struct args args = {.seconds = -1};
	int r;

	fill_standard_fds();
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN); /* a reader that went away shows as an error of write */
	/* the embedded driver logs where libvirtd would; what matters reaches us as errors */
	setenv("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null", 0);
	virSetErrorFunc(NULL, say_nothing);
	r = run(&args, argc - 1, argv + 1);
	args_done(&args);
	r = out_finish(r);
	/*
	 * Not exit(): libvirt's embedded driver lives on in threads of this process, and destructors
	 * of its libraries, run under their feet, make them complain or crash.
	 */
	_exit(r);
}
