/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints, as mdoc, what the manual pages have from the library's tables: flags, fields or phases. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <vmboot/vmboot.h>

static void print_flag(const struct vmboot_field *f)
{
	printf(".It ");
	if (f->short_flag)
		printf("Fl %c , ", f->short_flag);
	printf("Fl Fl ");
	for (const char *p = f->name; *p; p++)
		putchar(*p == '_' ? '-' : *p);
	if (f->type != VMBOOT_FIELD_BOOL)
		printf(" Ar %s", f->metavar);
	printf("\n%s", f->help);
	if (f->type == VMBOOT_FIELD_ENUM)
		printf(": %s", f->rule);
	if (f->type == VMBOOT_FIELD_UINT)
		printf("; default: %" PRIu64, f->default_value);
	printf(".\n");
}

static void print_field(const struct vmboot_field *f)
{
	static const char *const types[] = {
		[VMBOOT_FIELD_STRING] = "string", [VMBOOT_FIELD_BOOL] = "boolean",
		[VMBOOT_FIELD_UINT] = "number",	  [VMBOOT_FIELD_ENUM] = "string",
		[VMBOOT_FIELD_LIST] = "list",
	};

	printf(".It Cm %s Pq %s\n%s.\nRule: %s.\n", f->name, types[f->type], f->help, f->rule);
	if (f->type == VMBOOT_FIELD_UINT)
		printf("Default: %" PRIu64 ".\n", f->default_value);
	else if (f->type == VMBOOT_FIELD_BOOL)
		printf("Default: false.\n");
	else if (f->type == VMBOOT_FIELD_ENUM)
		printf("Default: %s.\n", f->choices[0]);
	printf("Since %s.\n", f->since);
}

static int print_fields(void (*print)(const struct vmboot_field *))
{
	size_t n;
	const struct vmboot_field *const *fields = vmboot_opts_fields(&n);

	for (size_t i = 0; i < n; i++)
		print(fields[i]);
	return 0;
}

static int print_phases(void)
{
	for (int i = 1; i < 1000; i++) {
		enum vmboot_phase phase = (enum vmboot_phase)i;

		if (strcmp(vmboot_phase_name(phase), "unknown") != 0)
			printf(".It Cm %s Pq %d\n%s\n", vmboot_phase_name(phase), i,
			       vmboot_phase_help(phase));
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "flags") == 0)
		return print_fields(print_flag);
	if (strcmp(what, "fields") == 0)
		return print_fields(print_field);
	return strcmp(what, "phases") == 0 ? print_phases() : 2;
}
