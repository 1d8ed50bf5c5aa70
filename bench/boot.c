/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * boot PLUGIN REQUEST [QEMU-ARGUMENT…]: boots one VM under the plugin (count.c), removes it, and
 * prints how many instructions each phase took, as JSON; README.md says more. The library knows
 * nothing of it: it prepares the VM, and what QEMU gets besides is added to its XML here. REQUEST
 * is a request's JSON; its store's embedded libvirt runs the guest, under TCG.
 */
#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vmboot/vmboot.h>

enum { WAIT_MS = 900000, LOOK_MS = 500, MARK_PROGRAM = 128, LINE_SIZE = 128 };

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

/* Time is what instructions take, and chance is the same each time. */
static const char *const fixed[] = {
	"-icount", "shift=0,sleep=on", "-rtc", "base=2024-01-01,clock=vm", "-seed", "1",
};

static int failed(const char *what)
{
	fprintf(stderr, "boot: %s: %s\n", what, vmboot_last_error()->message);
	return -1;
}

/* libvirt prints otherwise, also what is no error of ours. */
static void quiet(void *data, virErrorPtr error)
{
	(void)data, (void)error;
}

/* ---- the guest ---- */

static void add_argument(xmlNodePtr line, const char *value)
{
	xmlNodePtr arg = xmlNewChild(line, line->ns, BAD_CAST "arg", NULL);

	xmlNewProp(arg, BAD_CAST "value", BAD_CAST value);
}

/* The XML with the plugin and the arguments; freed with xmlFree(). */
static xmlChar *with_arguments(const char *xml, const char *plugin, const char *const *args,
			       size_t n)
{
	xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET);
	xmlNodePtr root = doc ? xmlDocGetRootElement(doc) : NULL, line;
	xmlChar *text = NULL;
	xmlNsPtr qemu;
	int size;

	if (!root)
		return NULL;
	qemu = xmlSearchNsByHref(doc, root, BAD_CAST QEMU_NAMESPACE);
	if (!qemu)
		qemu = xmlNewNs(root, BAD_CAST QEMU_NAMESPACE, BAD_CAST "qemu");
	line = xmlNewChild(root, qemu, BAD_CAST "commandline", NULL);
	add_argument(line, "-plugin");
	add_argument(line, plugin);
	for (size_t i = 0; i < n; i++)
		add_argument(line, args[i]);
	xmlDocDumpMemory(doc, &text, &size);
	xmlFreeDoc(doc);
	return text;
}

static int start(virConnectPtr conn, const xmlChar *xml)
{
	virDomainPtr domain = xml ? virDomainDefineXML(conn, (const char *)xml) : NULL;
	int r = domain ? virDomainCreate(domain) : -1;

	if (r < 0)
		fprintf(stderr, "boot: libvirt: %s\n", virGetLastErrorMessage());
	if (domain)
		virDomainFree(domain);
	return r;
}

/* Interrupted, the guest goes, too: see wait_for(). */
static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void catch_signals(void)
{
	const struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static int wait_for(struct vmboot_vm *vm, enum vmboot_phase phase)
{
	int r = -ETIMEDOUT;

	for (int ms = 0; r == -ETIMEDOUT && ms < WAIT_MS && !stopped; ms += LOOK_MS)
		r = vmboot_wait(vm, phase, LOOK_MS);
	return r;
}

/* Until the program ended, or the init system is up; and until the agent answers. */
static int wait_for_all(struct vmboot_vm *vm, const struct vmboot_opts *opts)
{
	enum vmboot_phase end =
		opts->init_mode == VMBOOT_INIT_SYSTEMD ? VMBOOT_PHASE_READY : VMBOOT_PHASE_EXIT;

	if (wait_for(vm, end) < 0 ||
	    (!opts->skip_guest_agent && wait_for(vm, VMBOOT_PHASE_AGENT) < 0)) {
		if (!stopped)
			return failed("the boot");
		fprintf(stderr, "boot: interrupted\n");
		return -1;
	}
	return 0;
}

static int boot(const struct vmboot_opts *opts, const char *plugin, const char *const *args,
		size_t n)
{
	struct vmboot_vm *vm;
	xmlChar *more;
	char *xml;
	int r;

	if (vmboot_prepare(opts, &vm, &xml) < 0)
		return failed("vmboot_prepare");
	more = with_arguments(xml, plugin, args, n);
	r = start(opts->connection, more);
	xmlFree(more);
	vmboot_free(xml);
	if (r == 0)
		r = wait_for_all(vm, opts);
	if (vmboot_destroy(vm) < 0)
		r = failed("vmboot_destroy");
	vmboot_close(vm);
	return r;
}

/* ---- what the plugin says ---- */

struct line {
	char name[32];
	unsigned long long total, nanoseconds, user;
};

/* The phase that ends there, or NULL: none. A guest with an init system has no program of ours. */
static const char *phase_of(const struct line *line, bool systemd)
{
	unsigned n;

	if (strcmp(line->name, "kernel") == 0)
		return "firmware";
	if (strcmp(line->name, "text") == 0)
		return "unpack";
	if (sscanf(line->name, "mark-%u", &n) != 1)
		return NULL;
	if (n == MARK_PROGRAM)
		return "program";
	/* init may hear of its program's start before that runs, or after */
	if ((n == VMBOOT_PHASE_PROGRAM && !systemd) || n > MARK_PROGRAM)
		return NULL;
	return vmboot_phase_name((enum vmboot_phase)n);
}

static void print_row(const struct line *line, const struct line *since, const char *phase,
		      const char *comma)
{
	printf("%s\n    {\"phase\": \"%s\", \"insns\": %llu, \"user\": %llu, \"us\": %llu}", comma,
	       phase, line->total - since->total, line->user - since->user,
	       (line->nanoseconds - since->nanoseconds) / 1000);
}

/* What comes after the program's start is beside it, and counts from there. */
static int print_rows(FILE *f, bool systemd)
{
	struct line line, since = {.name = ""};
	bool program = false;
	const char *comma = "";
	char text[LINE_SIZE];

	while (fgets(text, sizeof(text), f) &&
	       sscanf(text, "%31s %llu %llu %llu", line.name, &line.total, &line.nanoseconds,
		      &line.user) == 4) {
		const char *phase = phase_of(&line, systemd);

		if (phase) {
			print_row(&line, &since, phase, comma);
			comma = ",";
		}
		if (!program && (phase || !since.name[0]))
			since = line;
		program = program || (phase && strcmp(phase, "program") == 0);
	}
	return program ? 0 : -1;
}

static int print_report(const char *file, unsigned long qemu, bool systemd)
{
	FILE *f = fopen(file, "re");
	int r;

	if (!f)
		return -1;
	printf("{\n  \"qemu\": \"%lu.%lu.%lu\",\n  \"phases\": [", qemu / 1000000,
	       qemu / 1000 % 1000, qemu % 1000);
	r = print_rows(f, systemd);
	printf("\n  ]\n}\n");
	if (r < 0)
		fprintf(stderr, "boot: the plugin saw no program start\n");
	fclose(f);
	return r;
}

/* ---- */

/* A connection of our own to the store's embedded libvirt, which the library made ready. */
static virConnectPtr connect_to(struct vmboot_opts *opts)
{
	virConnectPtr conn;
	char uri[4096], *plan;

	opts->uri = "embed";
	if (vmboot_plan(opts, &plan) < 0) { /* makes the store, if it is new */
		failed("vmboot_plan");
		return NULL;
	}
	vmboot_free(plan);
	snprintf(uri, sizeof(uri), "qemu:///embed?root=%s/embed", opts->store);
	opts->uri = NULL;
	conn = virConnectOpen(uri);
	if (!conn)
		fprintf(stderr, "boot: libvirt: %s\n", virGetLastErrorMessage());
	return conn;
}

static int run(struct vmboot_opts *opts, const char *plugin, const char *const *args, size_t n)
{
	char folder[2048], file[2048 + 8], argument[8192];
	unsigned long qemu = 0;
	mode_t mask = umask(0);
	FILE *f;
	int r;

	/* in the store, so that it goes with that at the latest; QEMU may run as another user, who
	 * needs to pass through and to write */
	snprintf(folder, sizeof(folder), "%s/count-XXXXXX", opts->store);
	if (!mkdtemp(folder) || chmod(folder, 0711) < 0)
		return -1;
	snprintf(file, sizeof(file), "%s/out", folder);
	snprintf(argument, sizeof(argument), "file=%s,out=%s", plugin, file);
	f = fopen(file, "wxe");
	umask(mask);
	r = f ? boot(opts, argument, args, n) : -1;
	if (r == 0 && virConnectGetVersion(opts->connection, &qemu) == 0)
		r = print_report(file, qemu, opts->init_mode == VMBOOT_INIT_SYSTEMD);
	if (f)
		fclose(f);
	unlink(file);
	rmdir(folder);
	return r;
}

int main(int argc, char **argv)
{
	struct vmboot_opts *opts;
	int r = 1;

	if (argc < 3) {
		fprintf(stderr, "usage: boot PLUGIN REQUEST [QEMU-ARGUMENT...]\n");
		return 2;
	}
	if (vmboot_opts_from_json(argv[2], &opts) < 0)
		return failed("the request") < 0;
	if (!opts->store || (opts->uri && strcmp(opts->uri, "embed") != 0)) {
		fprintf(stderr, "boot: the request needs a store, whose own libvirt is used\n");
		return 2;
	}
	virSetErrorFunc(NULL, quiet);
	catch_signals();
	opts->accel = VMBOOT_ACCEL_TCG;
	opts->connection = connect_to(opts);
	if (opts->connection)
		r = argc > 3 ? run(opts, argv[1], (const char *const *)argv + 3, (size_t)argc - 3)
			     : run(opts, argv[1], fixed, sizeof(fixed) / sizeof(fixed[0]));
	fflush(stdout);
	_exit(r != 0); /* with libvirt's embedded driver: see README.md */
}
