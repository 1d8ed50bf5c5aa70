/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the command line to opts: the request first, then the flags, then image and command. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"

enum { REQUEST_MAX = VMBOOT_REQUEST_MAX };

/* The whole of f, at most REQUEST_MAX bytes and one more, ended by 0; NULL with errno set. */
static char *read_all(FILE *f, size_t *ret_n)
{
	char *text = xrealloc(NULL, REQUEST_MAX + 2, 1);

	errno = 0;
	*ret_n = fread(text, 1, REQUEST_MAX + 1, f);
	if (ferror(f)) {
		free(text);
		return NULL;
	}
	text[*ret_n] = '\0';
	return text;
}

static char *read_request(const char *path)
{
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	char *text = NULL, *safe = printable(is_stdin ? "standard input" : path);
	size_t n = 0;

	if (f)
		text = read_all(f, &n);
	if (!text)
		say("cannot read the request from %s: %s", safe, strerror(errno));
	else if (n > REQUEST_MAX)
		say("the request in %s is over %d bytes", safe, REQUEST_MAX);
	else if (strlen(text) != n)
		say("the request in %s has a 0 byte in it", safe);
	if (text && (n > REQUEST_MAX || strlen(text) != n)) {
		free(text);
		text = NULL;
	}
	if (f && !is_stdin)
		fclose(f);
	free(safe);
	return text;
}

static int load_request(struct args *args)
{
	char *text = read_request(args->request_file);
	int r;

	if (!text)
		return EXIT_USAGE;
	r = vmboot_opts_from_json(text, &args->opts);
	if (r >= 0)
		args->request = json_tokener_parse(text);
	free(text);
	return r < 0 ? show_error(EXIT_FAILED) : 0;
}

/* Variables and labels add up; any other list of a flag replaces the request's. */
static bool adds_up(const struct vmboot_field *field)
{
	return strcmp(field->name, "env") == 0 || strcmp(field->name, "label") == 0;
}

static int set(struct args *args, const char *field, const char *value)
{
	return vmboot_opts_set(args->opts, field, value) < 0 ? show_error(EXIT_FAILED) : 0;
}

static bool first_of_field(const struct args *args, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (args->settings[k].field == args->settings[i].field)
			return false;
	return true;
}

static int apply_settings(struct args *args)
{
	int r = 0;

	for (size_t i = 0; i < args->n_settings && r == 0; i++) {
		const struct setting *s = &args->settings[i];
		bool list = s->field->type == VMBOOT_FIELD_LIST && !adds_up(s->field);

		bool first = list && first_of_field(args, i);

		if (first)
			r = set(args, s->field->name, NULL);
		if (r == 0 && !(first && !*s->value)) /* --entrypoint '': none */
			r = set(args, s->field->name, s->value);
	}
	return r;
}

/* IMAGE [CMD…]; behind a bare "--" all is CMD if the image is known by other means. */
static int apply_command(struct args *args)
{
	int i = 0, r = 0;

	if (args->n_operands && !(args->dashes && args->opts->image))
		r = set(args, "image", args->operands[i++]);
	if (i == 1 && i < args->n_operands && !args->dashes && strcmp(args->operands[i], "--") == 0)
		i++;
	if (r == 0 && i < args->n_operands)
		r = set(args, "cmd", NULL);
	for (; r == 0 && i < args->n_operands; i++)
		r = set(args, "cmd", args->operands[i]);
	if (r == 0 && !args->opts->image)
		return usage_error(args->verb->name,
				   "which image? give IMAGE, --image or --request");
	return r;
}

static int check_operands(const struct args *args)
{
	const struct verb *v = args->verb;

	if (v->command)
		return 0;
	if (args->n_operands < v->min_operands)
		return usage_error(v->name, "%s needs %s", v->name, v->operands);
	if (v->max_operands >= 0 && args->n_operands > v->max_operands) {
		char *safe = printable(args->operands[v->max_operands]);

		usage_error(v->name, "%s: \"%s\" is too much", v->name, safe);
		free(safe);
		return EXIT_USAGE;
	}
	return 0;
}

/* A password on the command line is copied; other users shall not read it in /proc any longer. */
static void hide_passwords(const struct args *args)
{
	for (size_t i = 0; i < args->n_settings; i++)
		if (strcmp(args->settings[i].field->name, "creds") == 0 && args->settings[i].value)
			memset((char *)args->settings[i].value, 'x',
			       strlen(args->settings[i].value));
}

int args_opts(struct args *args)
{
	int r = check_operands(args);

	if (r)
		return r;
	if (args->request_file)
		r = load_request(args);
	else if (vmboot_opts_new(&args->opts) < 0)
		r = show_error(EXIT_FAILED);
	if (r == 0)
		r = apply_settings(args);
	hide_passwords(args);
	if (r == 0 && args->verb->command)
		r = apply_command(args);
	if (r == 0 && args->rm)
		r = set(args, "ephemeral", "true");
	if (r)
		return r;
	if (args->verbose || args->opts->debug) {
		args->log_level = args->opts->debug ? VMBOOT_LOG_DEBUG : VMBOOT_LOG_INFO;
		args->opts->log = log_show;
		args->opts->log_data = &args->log_level;
	}
	if (isatty(STDERR_FILENO) && !args->quiet)
		args->opts->progress = progress_show;
	return 0;
}
