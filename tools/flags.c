/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "flags.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct flag flags[] = {
#define MEMBER(m) offsetof(struct args, m)
	{FLAG_ALL, "all", 'a', KIND_BOOL, MEMBER(all), "", "list stopped VMs, too"},
	{FLAG_UNUSED, "all", 'a', KIND_BOOL, MEMBER(all), "", "remove images that have names, too"},
	{FLAG_PORT, "add", 0, KIND_TEXT, MEMBER(port_add), "[[IP:][PORT]:]GUESTPORT[/udp]",
	 "publish this port, too, and print it"},
	{FLAG_EACH, "all", 'a', KIND_BOOL, MEMBER(all), "",
	 "all VMs of the store; no names are given"},
	{FLAG_ALL_STORES, "all-stores", 0, KIND_BOOL, MEMBER(all_stores), "",
	 "include VMs whose files are in other stores"},
	{FLAG_CONSOLE, "console", 0, KIND_BOOL, MEMBER(console), "",
	 "print the console of kernel and init instead of the program's output"},
	{FLAG_DEREFERENCE, "dereference", 'L', KIND_BOOL, MEMBER(dereference), "",
	 "follow a link and describe its target"},
	{FLAG_CHART, "chart", 0, KIND_BOOL, MEMBER(chart), "", "print bars on a time line"},
	{FLAG_MACHINE, "cpus", 0, KIND_CPUS, 0, "N", "the same as --vcpus"},
	{FLAG_DETACH, "detach", 'd', KIND_BOOL, MEMBER(detach), "",
	 "start the VM, print its name and leave it running"},
	{FLAG_IMAGES, "digests", 0, KIND_BOOL, MEMBER(digests), "", "print whole digests"},
	{FLAG_DRY_RUN, "dry-run", 'n', KIND_BOOL, MEMBER(dry_run), "",
	 "only print what would be removed"},
	{FLAG_PROGRAM, "env", 'e', KIND_LIST, MEMBER(env), "KEY=VALUE",
	 "add a variable to the environment of the VM's program; may be repeated"},
	{FLAG_MACHINE | FLAG_PROGRAM, "env-file", 0, KIND_ENV_FILE, MEMBER(env), "FILE",
	 "read variables from lines of KEY=VALUE; KEY alone has your own value; may be repeated"},
	{FLAG_FILTER, "filter", 0, KIND_LIST, MEMBER(filters), "KEY=VALUE",
	 "only VMs with this name, image, label or status (running, paused, exited); may be "
	 "repeated"},
	{FLAG_EVENTS, "filter", 0, KIND_LIST, MEMBER(filters), "KEY=VALUE",
	 "only events with this event (type), name, image or label; may be repeated"},
	{FLAG_IMAGES, "filter", 0, KIND_LIST, MEMBER(filters), "KEY=VALUE",
	 "only images with this reference, dangling, label or user; may be repeated"},
	{FLAG_UNUSED, "filter", 0, KIND_LIST, MEMBER(filters), "until=TIME",
	 "only images that were imported before, as 24h, 10m or 2026-01-31"},
	{FLAG_FOLLOW, "follow", 'f', KIND_BOOL, MEMBER(follow), "",
	 "keep printing until the VM stops"},
	{FLAG_FORCE, "force", 'f', KIND_BOOL, MEMBER(force), "",
	 "cut the power of a running VM; a VM that does not exist is no error"},
	{FLAG_USERS, "force", 'f', KIND_BOOL, MEMBER(force), "",
	 "remove the VMs that use an image first, with their disks"},
	{FLAG_YES, "force", 'f', KIND_BOOL, MEMBER(force), "", "do not ask"},
	{FLAG_FORMAT, "format", 0, KIND_TEXT, MEMBER(format), "FORMAT",
	 "print each one in this format, such as \"{{.Name}} {{.Status}}\"; \"table ...\": with a "
	 "heading; "
	 "\"json\""},
	{FLAG_INTERACTIVE, "interactive", 'i', KIND_BOOL, MEMBER(interactive), "",
	 "connect standard input to the program"},
	{FLAG_JSON, "json", 0, KIND_BOOL, MEMBER(json), "", "print JSON"},
	{FLAG_MACHINE, "memory", 'm', KIND_MEMORY, 0, "SIZE",
	 "memory with its unit, such as 512m or 1g; like --memory-mib"},
	{FLAG_NAME, "name", 'n', KIND_TEXT, MEMBER(name), "NAME", "the name to give the image"},
	{FLAG_ONCE, "no-stream", 0, KIND_BOOL, MEMBER(no_stream), "",
	 "print what there is, and end"},
	{FLAG_ONCE | FLAG_EVENTS, "format", 0, KIND_TEXT, MEMBER(format), "FORMAT",
	 "\"json\": the same as --json"},
	{FLAG_PHASE, "next-boot", 0, KIND_BOOL, MEMBER(next_boot), "",
	 "wait in the boot that follows the current one"},
	{FLAG_PHASE, "phase", 0, KIND_TEXT, MEMBER(phase), "PHASE",
	 "wait for the end of this phase (default: exit); see vmboot-events(7)"},
	{FLAG_QUIET, "quiet", 'q', KIND_BOOL, MEMBER(quiet), "", "print names only"},
	{FLAG_PORT, "remove", 0, KIND_TEXT, MEMBER(port_remove), "[IP:]PORT:GUESTPORT[/udp]",
	 "publish this port no more"},
	{FLAG_NO_PROGRESS, "quiet", 'q', KIND_BOOL, MEMBER(quiet), "", "show no progress"},
	{FLAG_REPORT, "report", 0, KIND_BOOL, MEMBER(report), "",
	 "at the end, print the boot's ledger on standard error"},
	{FLAG_REQUEST, "request", 0, KIND_TEXT, MEMBER(request_file), "FILE",
	 "read a JSON request (\"-\": standard input); flags override it"},
	{FLAG_RM, "rm", 0, KIND_BOOL, MEMBER(rm), "", "the same as --ephemeral"},
	{FLAG_EVENTS, "since", 0, KIND_TEXT, MEMBER(since), "TIME",
	 "begin with events since then, as far as ledgers have them: 10m, 2h, or seconds since "
	 "1970"},
	{FLAG_SVG, "svg", 0, KIND_BOOL, MEMBER(svg), "", "print an SVG picture"},
	{FLAG_STOP_TIME, "time", 't', KIND_SECONDS, MEMBER(seconds), "SECONDS",
	 "cut the power after this time (default: 10)"},
	{FLAG_WAIT_TIME, "time", 't', KIND_SECONDS, MEMBER(seconds), "SECONDS",
	 "give up after this time (default: never)"},
	{FLAG_TAIL, "tail", 'n', KIND_TEXT, MEMBER(tail), "LINES",
	 "begin with this many of the last lines"},
	{FLAG_TTY, "tty", 't', KIND_BOOL, MEMBER(tty), "", "give the program a terminal"},
	{FLAG_EVENTS, "until", 0, KIND_TEXT, MEMBER(until), "TIME",
	 "end then, or if it is in the past, with the events until then"},
	{FLAG_PROGRAM, "user", 'u', KIND_TEXT, MEMBER(user), "USER[:GROUP]",
	 "the user who runs the program (default: as the VM's program)"},
	{FLAG_VERBOSE, "verbose", 'v', KIND_BOOL, MEMBER(verbose), "",
	 "report on standard error what is done"},
	{FLAG_VERSION, "version", 0, KIND_BOOL, MEMBER(version), "", "print the version"},
	{FLAG_PROGRAM, "workdir", 'w', KIND_TEXT, MEMBER(workdir), "DIR",
	 "the program's working folder (default: as the VM's program)"},
	{FLAG_HELP, "help", 'h', KIND_BOOL, MEMBER(help), "", "show this help"},
#undef MEMBER
};

static bool takes_field(const struct verb *verb, const struct vmboot_field *field)
{
	static const struct {
		enum verb_fields of; /* FIELDS_WHERE: of all */
		const char *name;
	} where[] = {{FIELDS_WHERE, "uri"},	 {FIELDS_WHERE, "store"},
		     {FIELDS_WHERE, "debug"},	 {FIELDS_DOCTOR, "kernel"},
		     {FIELDS_PULL, "platform"},	 {FIELDS_PULL, "authfile"},
		     {FIELDS_PULL, "creds"},	 {FIELDS_PULL, "cert_dir"},
		     {FIELDS_PULL, "tls_verify"}};

	if (verb->fields == FIELDS_ALL)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(where); i++)
		if ((where[i].of == FIELDS_WHERE || where[i].of == verb->fields) &&
		    strcmp(field->name, where[i].name) == 0)
			return true;
	return false;
}

char *flag_name(const struct vmboot_field *field)
{
	char *name = xasprintf("%s", field->name);

	for (char *p = name; *p; p++)
		if (*p == '_')
			*p = '-';
	return name;
}

bool flag_find_long(const struct verb *verb, const char *name, struct found *ret)
{
	const struct vmboot_field *const *fields;
	bool is = false;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if ((verb->flags & flags[i].id) && strcmp(flags[i].name, name) == 0)
			return *ret = (struct found){.flag = &flags[i]}, true;
	fields = vmboot_opts_fields(&n);
	for (size_t i = 0; i < n && !is; i++) {
		char *own = takes_field(verb, fields[i]) ? flag_name(fields[i]) : NULL;

		is = own && strcmp(own, name) == 0;
		if (is)
			*ret = (struct found){.field = fields[i]};
		free(own);
	}
	return is;
}

/* Of a verb that boots an image, -v is what container engines mount volumes with. */
static char short_flag_of(const struct verb *verb, const struct flag *flag)
{
	return flag->id == FLAG_VERBOSE && verb->command ? '\0' : flag->short_flag;
}

bool flag_find_short(const struct verb *verb, char c, struct found *ret)
{
	const struct vmboot_field *const *fields;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if ((verb->flags & flags[i].id) && short_flag_of(verb, &flags[i]) == c)
			return *ret = (struct found){.flag = &flags[i]}, true;
	fields = vmboot_opts_fields(&n);
	for (size_t i = 0; i < n; i++)
		if (takes_field(verb, fields[i]) && fields[i]->short_flag == c)
			return *ret = (struct found){.field = fields[i]}, true;
	return false;
}

void flag_each(const struct verb *verb, void (*fn)(const char *name, const char *help, void *data),
	       void *data)
{
	const struct vmboot_field *const *fields;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (verb->flags & flags[i].id)
			fn(flags[i].name, flags[i].help, data);
	fields = vmboot_opts_fields(&n);
	for (size_t i = 0; i < n; i++)
		if (takes_field(verb, fields[i])) {
			char *name = flag_name(fields[i]);

			fn(name, fields[i]->help, data);
			free(name);
		}
}

/* Flags of container engines that hands know, and what to do here. */
static const struct {
	char short_flag;
	const char *name, *words;
} foreign[] = {
	{'v', "volume",
	 "volumes are not supported; copy files with \"vmboot cp\". For more words: "
	 "--verbose"},
	{'i', "interactive", "the program's input is /dev/null; use -d, then \"vmboot exec -i\""},
	{'t', "tty", "the program has no terminal; use -d, then \"vmboot exec -it\""},
};

int flag_unknown_short(const struct verb *verb, char c)
{
	char *safe = printable((char[]){c, '\0'});
	const char *words = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(foreign) && verb->command; i++)
		if (foreign[i].short_flag == c)
			words = foreign[i].words;
	usage_error(verb->name, "unknown flag -%s%s%s", safe, words ? ": " : "",
		    words ? words : "");
	free(safe);
	return EXIT_USAGE;
}

int flag_unknown(const struct verb *verb, const char *name)
{
	const struct vmboot_field *const *fields;
	struct nearest near = {0};
	char *safe = printable(name), *best = NULL;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(foreign) && verb->command; i++)
		if (strcmp(foreign[i].name, name) == 0) {
			free(safe);
			return usage_error(verb->name, "unknown flag --%s: %s", name,
					   foreign[i].words);
		}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (verb->flags & flags[i].id)
			nearest_try(&near, name, flags[i].name);
	fields = vmboot_opts_fields(&n);
	for (size_t i = 0; i < n; i++)
		if (takes_field(verb, fields[i])) {
			char *own = flag_name(fields[i]);

			nearest_try(&near, name, own);
			if (near.best == own) {
				free(best);
				best = own;
			} else {
				free(own);
			}
		}
	if (near.best)
		usage_error(verb->name, "unknown flag --%s; did you mean --%s?", safe, near.best);
	else
		usage_error(verb->name, "unknown flag --%s", safe);
	free(best);
	free(safe);
	return EXIT_USAGE;
}

enum { HELP_COLUMN = 34, HELP_WIDTH = 96 };

/* Text from HELP_COLUMN on, in lines of whole words; the cursor is there already. */
static void help_text(const char *text)
{
	const int width = HELP_WIDTH - HELP_COLUMN;

	while (strlen(text) > (size_t)width) {
		int n = width;

		while (n > 0 && text[n] != ' ')
			n--;
		if (n == 0)
			break;
		out("%.*s\n%*s", n, text, HELP_COLUMN, "");
		text += n + 1;
	}
	out("%s\n", text);
}

/* "  -n, --name NAME  what it does". */
static void help_line(char short_flag, const char *name, const char *metavar, const char *help)
{
	char *left = xasprintf("  %c%c%c --%s%s%s", short_flag ? '-' : ' ',
			       short_flag ? short_flag : ' ', short_flag ? ',' : ' ', name,
			       *metavar ? " " : "", metavar);

	if (strlen(left) < HELP_COLUMN)
		out("%-*s", HELP_COLUMN, left);
	else
		out("%s\n%*s", left, HELP_COLUMN, "");
	help_text(help);
	free(left);
}

static void help_field(const struct vmboot_field *f)
{
	char *name = flag_name(f), *text;

	if (f->type == VMBOOT_FIELD_UINT)
		text = xasprintf("%s (default: %" PRIu64 ")", f->help, f->default_value);
	else if (f->type == VMBOOT_FIELD_ENUM)
		text = xasprintf("%s (%s)", f->help, f->rule);
	else
		text = xasprintf("%s%s", f->help,
				 f->type == VMBOOT_FIELD_LIST ? "; may be repeated" : "");
	help_line(f->short_flag, name, f->type == VMBOOT_FIELD_BOOL ? "" : f->metavar, text);
	free(text);
	free(name);
}

void args_help(const struct verb *verb)
{
	const struct vmboot_field *const *fields;
	size_t n;

	out("Usage: vmboot %s [FLAG...]%s%s\n%s.\n", verb->name, *verb->operands ? " " : "",
	    verb->operands, verb->help);
	if (verb->more)
		out("\n%s\n", verb->more);
	out("\nFlags:\n");
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (verb->flags & flags[i].id)
			help_line(short_flag_of(verb, &flags[i]), flags[i].name, flags[i].metavar,
				  flags[i].help);
	out("\n%s:\n", verb->fields == FIELDS_ALL ? "Fields of the request" : "Where");
	fields = vmboot_opts_fields(&n);
	for (size_t i = 0; i < n; i++)
		if (takes_field(verb, fields[i]))
			help_field(fields[i]);
}
