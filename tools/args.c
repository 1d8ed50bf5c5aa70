/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "args.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "env-file.h"
#include "flags.h"

bool in_group(const struct verb *verb, const char *word)
{
	size_t n = strlen(word);

	return n && strncmp(verb->name, word, n) == 0 && verb->name[n] == ' ';
}

int verb_words(const struct verb *verb, int argc, char *const *argv)
{
	if (argc < 1)
		return 0;
	if (strcmp(verb->name, argv[0]) == 0)
		return 1;
	if (argc < 2 || !in_group(verb, argv[0]))
		return 0;
	return strcmp(verb->name + strlen(argv[0]) + 1, argv[1]) == 0 ? 2 : 0;
}

static int set_seconds(const struct verb *verb, const char *name, const char *value, int *ret)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(value, &end, 10);
	if (errno || end == value || *end || v < 0 || v > INT_MAX / 1000) {
		char *safe = printable(value);

		usage_error(verb->name, "--%s: \"%s\" is not a number of seconds from 0 to %d",
			    name, safe, INT_MAX / 1000);
		free(safe);
		return EXIT_USAGE;
	}
	*ret = (int)v;
	return 0;
}

/* Whole MiB of "512m", "1g", "1.5g", "1073741824b"; 0: it is none of these. */
static unsigned long long parse_mib(const char *value)
{
	static const struct {
		const char *unit;
		double mib;
	} units[] = {
		{"b", 1.0 / (1 << 20)}, {"k", 1.0 / 1024}, {"m", 1}, {"g", 1024}, {"t", 1 << 20},
	};
	char *end;
	double v = strtod(value, &end);

	if (end == value || !strchr("0123456789.", value[0]))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		const double mib = v * units[i].mib;
		const size_t n = strcspn(end, "iB");

		if (n != 1 || strncasecmp(end, units[i].unit, 1) != 0 ||
		    (strcmp(end + 1, "") != 0 && strcmp(end + 1, "iB") != 0) || !(mib < 1e12))
			continue;
		return (double)(unsigned long long)mib == mib ? (unsigned long long)mib : 0;
	}
	return 0;
}

static int bad_value(const struct verb *verb, const char *flag, const char *value, const char *rule)
{
	char *safe = printable(value);

	usage_error(verb->name, "--%s: \"%s\" is not %s", flag, safe, rule);
	free(safe);
	return EXIT_USAGE;
}

static const struct vmboot_field *find_field(const char *name)
{
	const struct vmboot_field *const *fields;
	size_t n;

	fields = vmboot_opts_fields(&n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i]->name, name) == 0)
			return fields[i];
	return NULL;
}

static void add_text(const char ***list, const char *value)
{
	size_t n = 0;

	while (*list && (*list)[n])
		n++;
	*list = xrealloc((void *)*list, n + 2, sizeof(**list));
	(*list)[n] = value;
	(*list)[n + 1] = NULL;
}

static void add_setting(struct args *args, const struct vmboot_field *field, const char *value)
{
	args->settings = xrealloc(args->settings, args->n_settings + 1, sizeof(*args->settings));
	args->settings[args->n_settings++] = (struct setting){field, value};
}

static int set_memory(struct args *args, const struct verb *verb, const char *value)
{
	unsigned long long mib = parse_mib(value);
	char *text;

	if (mib == 0)
		return bad_value(verb, "memory", value,
				 "a whole number of MiB with its unit, as 512m or 1g");
	text = xasprintf("%llu", mib);
	add_text((const char ***)(void *)&args->made, text);
	add_setting(args, find_field("memory_mib"), text);
	return 0;
}

static int set_cpus(struct args *args, const struct verb *verb, const char *value)
{
	if (!*value || value[strspn(value, "0123456789")])
		return bad_value(verb, "cpus", value,
				 "a whole number: a VM has no fractions of CPUs");
	add_setting(args, find_field("vcpus"), value);
	return 0;
}

struct env_sink {
	struct args *args;
	const struct verb *verb;
};

/* Where --env would have put it. */
static void add_variable(char *variable, void *data)
{
	struct env_sink *sink = data;

	add_text((const char ***)(void *)&sink->args->made, variable);
	if (sink->verb->flags & FLAG_PROGRAM)
		add_text(&sink->args->env, variable);
	else
		add_setting(sink->args, find_field("env"), variable);
}

static int read_env_file(struct args *args, const struct verb *verb, const char *path)
{
	int error = env_file_read(path, add_variable, &(struct env_sink){args, verb});
	char *safe;

	if (!error)
		return 0;
	safe = printable(path);
	usage_error(verb->name, "--env-file: cannot read %s: %s", safe, strerror(error));
	free(safe);
	return EXIT_USAGE;
}

static int set_flag(struct args *args, const struct verb *verb, const struct flag *flag,
		    const char *value)
{
	void *member = (char *)args + flag->offset;

	switch (flag->kind) {
	case KIND_BOOL:
		if (value)
			return usage_error(verb->name, "--%s takes no value", flag->name);
		*(bool *)member = true;
		return 0;
	case KIND_TEXT:
		*(const char **)member = value;
		return 0;
	case KIND_LIST:
		add_text(member, value);
		return 0;
	case KIND_SECONDS:
		return set_seconds(verb, flag->name, value, member);
	case KIND_MEMORY:
		return set_memory(args, verb, value);
	case KIND_CPUS:
		return set_cpus(args, verb, value);
	case KIND_ENV_FILE:
		return read_env_file(args, verb, value);
	}
	return EXIT_USAGE;
}

/* value: from "--flag=value" or "-fvalue", or NULL; rest: argv behind the flag. *used: of rest. */
static int take(struct args *args, const struct verb *verb, const struct found *found,
		const char *value, int n_rest, char *const *rest, int *used)
{
	bool wants = found->flag ? found->flag->kind != KIND_BOOL
				 : found->field->type != VMBOOT_FIELD_BOOL;

	*used = 0;
	if (wants && !value) {
		if (n_rest < 1) {
			char *own = found->flag ? xasprintf("%s", found->flag->name)
						: flag_name(found->field);

			usage_error(verb->name, "--%s needs a value", own);
			free(own);
			return EXIT_USAGE;
		}
		value = rest[0];
		*used = 1;
	}
	if (found->flag)
		return set_flag(args, verb, found->flag, value);
	add_setting(args, found->field, value ? value : "true");
	return 0;
}

static int parse_long(struct args *args, const struct verb *verb, int argc, char *const *argv,
		      int *used)
{
	const char *name = argv[0] + 2, *equals = strchr(name, '=');
	char *own = xasprintf("%.*s", (int)(equals ? equals - name : (long)strlen(name)), name);
	struct found found;
	int r;

	if (flag_find_long(verb, own, &found))
		r = take(args, verb, &found, equals ? equals + 1 : NULL, argc - 1, argv + 1, used);
	else
		r = flag_unknown(verb, own);
	free(own);
	return r;
}

/* One word of short flags: "-q", "-aq", "-eK=V", "-e" "K=V". */
static int parse_short(struct args *args, const struct verb *verb, int argc, char *const *argv,
		       int *used)
{
	struct found found;
	int r = 0;

	*used = 0;
	for (const char *p = argv[0] + 1; *p && r == 0; p++) {
		bool bare;

		if (!flag_find_short(verb, *p, &found))
			return flag_unknown_short(verb, *p);
		bare = found.flag ? found.flag->kind == KIND_BOOL
				  : found.field->type == VMBOOT_FIELD_BOOL;
		if (bare) {
			r = take(args, verb, &found, NULL, 0, NULL, used);
			continue;
		}
		return take(args, verb, &found, p[1] ? p + 1 : NULL, argc - 1, argv + 1, used);
	}
	return r;
}

int args_parse(struct args *args, const struct verb *verb, int argc, char *const *argv, bool stop)
{
	char **operands = xrealloc(NULL, (size_t)argc + 1, sizeof(*operands));
	int i = 0, r = 0, used;

	free(args->operands);
	args->verb = verb;
	args->operands = operands;
	args->n_operands = 0;
	args->dashes = false;
	for (; i < argc && r == 0; i++) {
		if (strcmp(argv[i], "--") == 0) {
			args->dashes = args->n_operands == 0;
			i++;
			break;
		}
		if (argv[i][0] != '-' || argv[i][1] == '\0') {
			if (stop)
				break;
			operands[args->n_operands++] = argv[i];
			continue;
		}
		used = 0;
		if (argv[i][1] == '-')
			r = parse_long(args, verb, argc - i, argv + i, &used);
		else
			r = parse_short(args, verb, argc - i, argv + i, &used);
		i += used;
	}
	for (; r == 0 && i < argc; i++)
		operands[args->n_operands++] = argv[i];
	operands[args->n_operands] = NULL;
	return r;
}

bool args_given(const struct args *args, const char *field)
{
	for (size_t i = 0; i < args->n_settings; i++)
		if (strcmp(args->settings[i].field->name, field) == 0)
			return true;
	return args->request && json_object_object_get_ex(args->request, field, NULL);
}

void args_done(struct args *args)
{
	vmboot_opts_free(args->opts);
	json_object_put(args->request);
	free(args->operands);
	free((void *)args->env);
	free((void *)args->filters);
	for (char **made = args->made; made && *made; made++)
		free(*made);
	free(args->made);
	free(args->settings);
}
