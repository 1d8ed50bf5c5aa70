/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events: what happens to VMs, as it happens; and what their ledgers tell of the time before. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scope.h"
#include "verbs.h"

static const char *word(struct json_object *o, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(o, key));

	return text ? text : "";
}

static int64_t number(struct json_object *o, const char *key)
{
	return json_object_get_int64(json_object_object_get(o, key));
}

/* "10m" and the like: that long ago; a number: seconds since 1970. -1: neither. */
static int64_t parse_time_us(const char *text)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	long long v = strtoll(text, &end, 10);

	if (end == text || v < 0 || v > INT64_MAX / 86400 / 1000000)
		return -1;
	if (!*end)
		return v * 1000000;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (*end == units[i].unit && !end[1])
			return ((int64_t)time(NULL) - v * units[i].seconds) * 1000000;
	return -1;
}

/* ---- filters: as ps has them, one of each key and all keys ---- */

static bool has_label(struct json_object *event, const char *value)
{
	struct json_object *labels = json_object_object_get(event, "labels"), *found;
	char *key = xasprintf("%.*s", (int)strcspn(value, "="), value);
	const char *equals = strchr(value, '=');
	bool has = json_object_object_get_ex(labels, key, &found);

	free(key);
	return has && (!equals || strcmp(json_object_get_string(found), equals + 1) == 0);
}

static bool is_text(struct json_object *event, const char *key, const char *value)
{
	return strcmp(word(event, key), value) == 0;
}

static bool matches(struct json_object *event, const char *filter)
{
	const char *value = strchr(filter, '=') + 1;

	if (strncmp(filter, "label=", 6) == 0)
		return has_label(event, value);
	if (strncmp(filter, "event=", 6) == 0)
		return is_text(event, "type", value);
	return is_text(event, strncmp(filter, "image=", 6) == 0 ? "image" : "name", value);
}

static const char *const keys[] = {"event=", "image=", "label=", "name=", "vm="};

static bool passes(const struct args *args, struct json_object *event)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		bool asked = false, matched = false;

		for (const char **f = args->filters; f && *f; f++)
			if (strncmp(*f, keys[i], strlen(keys[i])) == 0) {
				asked = true;
				matched |= matches(event, *f);
			}
		if (asked && !matched)
			return false;
	}
	return true;
}

static int check_filters(const struct args *args)
{
	for (const char **f = args->filters; f && *f; f++) {
		bool known = false;
		char *safe;

		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			known |= strncmp(*f, keys[i], strlen(keys[i])) == 0;
		if (known)
			continue;
		safe = printable(*f);
		usage_error("events",
			    "--filter: \"%s\" is not event=TYPE, name=NAME, image=IMAGE or "
			    "label=KEY[=VALUE]",
			    safe);
		free(safe);
		return EXIT_USAGE;
	}
	return 0;
}

/* ---- output ---- */

static void print_event(const struct args *args, struct json_object *event)
{
	int64_t us = number(event, "time_us");
	time_t seconds = (time_t)(us / 1000000);
	char when[40] = "", *safe;
	struct tm tm;

	if (!passes(args, event))
		return;
	if (args->json) {
		out("%s\n", json_object_to_json_string_ext(event, JSON_C_TO_STRING_PLAIN));
		return;
	}
	if (localtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	safe = printable(word(event, "image"));
	out("%s.%03d %s %s (image=%s", when, (int)(us / 1000 % 1000), word(event, "type"),
	    word(event, "name"), safe);
	free(safe);
	if (json_object_object_get(event, "exit_code"))
		out(", exit_code=%s, exit_signal=%s", word(event, "exit_code"),
		    word(event, "exit_signal"));
	safe = printable(word(event, "detail"));
	out("%s%s)\n", *safe ? ", " : "", safe);
	free(safe);
}

/* ---- what was ---- */

struct history {
	struct json_object *list;
	const struct vmboot_info *info;
};

static struct json_object *add(struct history *h, const char *type, int64_t time_us)
{
	struct json_object *o = json_object_new_object(), *labels = json_object_new_object();

	json_object_object_add(o, "type", json_object_new_string(type));
	json_object_object_add(o, "time_us", json_object_new_int64(time_us));
	json_object_object_add(o, "name", json_text(h->info->name));
	json_object_object_add(o, "uuid", json_text(h->info->uuid));
	json_object_object_add(o, "image", json_text(h->info->image));
	for (const char *const *l = h->info->labels; l && *l; l++) {
		char *key = xasprintf("%.*s", (int)strcspn(*l, "="), *l);

		json_object_object_add(labels, key, json_text(strchr(*l, '=') + 1));
		free(key);
	}
	json_object_object_add(o, "labels", labels);
	json_object_array_add(h->list, o);
	return o;
}

static void add_row(struct history *h, const struct vmboot_event *e)
{
	int64_t at = h->info->started * 1000000 + e->end_us;
	struct json_object *o;

	if (e->phase == VMBOOT_PHASE_PROGRAM && !e->error) {
		add(h, "program", at);
	} else if (e->phase == VMBOOT_PHASE_EXIT && !e->error) {
		o = add(h, "exited", at);
		json_object_object_add(o, "exit_code",
				       json_object_new_int64(e->value < 256 ? e->value : -1));
		json_object_object_add(o, "exit_signal",
				       json_object_new_int64(e->value > 256 ? e->value - 256 : 0));
	} else if (e->phase == VMBOOT_PHASE_RESUMED) {
		add(h, "restored", at);
	} else if (e->phase == VMBOOT_PHASE_STOPPED) {
		o = add(h, "stopped", at);
		json_object_object_add(o, "detail", json_text(e->detail));
	}
}

static void add_vm(const struct args *args, struct history *h)
{
	_cleanup_(ledger) struct vmboot_ledger *ledger = NULL;
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	const int64_t created = h->info->created, started = h->info->started;

	/* a boot begins with the call that makes the VM's files */
	add(h, "created", (started && started < created ? started : created) * 1000000);
	add(h, "started", started * 1000000);
	if (vmboot_open(args->opts, h->info->name, &vm) < 0 || vmboot_ledger(vm, &ledger) < 0)
		return;
	for (size_t i = 0; i < ledger->n_events; i++)
		add_row(h, ledger->events[i]);
}

static int by_time(const void *a, const void *b)
{
	int64_t x = number(*(struct json_object *const *)a, "time_us");
	int64_t y = number(*(struct json_object *const *)b, "time_us");

	return x < y ? -1 : x > y;
}

static int print_history(struct args *args, int64_t since, int64_t until)
{
	_cleanup_(json) struct json_object *list = json_object_new_array();
	_cleanup_(infos) struct vmboot_info **infos = NULL;
	struct history h = {.list = list};

	if (vmboot_list(args->opts, &infos) < 0)
		return show_error(EXIT_FAILED);
	for (size_t i = 0; infos[i]; i++) {
		h.info = infos[i];
		add_vm(args, &h);
	}
	json_object_array_sort(list, by_time);
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *event = json_object_array_get_idx(list, i);
		int64_t at = number(event, "time_us");

		if (at > 0 && at >= since && at <= until)
			print_event(args, event);
	}
	return 0;
}

/* ---- what happens ---- */

static int print_new(const struct args *args, struct vmboot_events *events)
{
	_cleanup_(text) char *json = NULL;
	_cleanup_(json) struct json_object *event = NULL;
	int r = vmboot_events_next(events, &json);

	if (r == -VMBOOT_ELOST)
		return show_error(0), 1;
	if (r <= 0)
		return r;
	event = json_tokener_parse(json);
	print_event(args, event);
	return out_finish(0) ? 0 : 1;
}

static int left_ms(int64_t until_us)
{
	int64_t left = until_us / 1000 - (int64_t)time(NULL) * 1000;

	return until_us == INT64_MAX ? 1000 : left < 0 ? -1 : left > 1000 ? 1000 : (int)left;
}

static int follow(const struct args *args, struct vmboot_events *events, int64_t until)
{
	struct pollfd p = {.fd = vmboot_events_fd(events), .events = POLLIN};
	int r, ms;

	for (;;) {
		do
			r = print_new(args, events);
		while (r > 0);
		if (r < 0)
			return show_error(EXIT_FAILED);
		ms = left_ms(until);
		if (ms < 0 || out_finish(0))
			return out_finish(0);
		poll(&p, 1, ms);
	}
}

int verb_events(struct args *args)
{
	int64_t since = args->since ? parse_time_us(args->since) : INT64_MAX;
	int64_t until = args->until ? parse_time_us(args->until) : INT64_MAX;
	struct vmboot_events *events = NULL;
	int r = check_filters(args);

	if (r)
		return r;
	if (since < 0 || until < 0)
		return usage_error("events", "--%s is not a time, as 10m, 2h or seconds since 1970",
				   since < 0 ? "since" : "until");
	if (args->format && strcmp(args->format, "json") != 0)
		return usage_error("events", "--format: only \"json\" is known");
	args->json |= args->format != NULL;
	/* first, so that nothing between the history and the present is missed */
	if (!args->no_stream && vmboot_events_open(args->opts, &events) < 0)
		return show_error(EXIT_FAILED);
	if (args->since || args->no_stream)
		r = print_history(args, args->since ? since : 0, until);
	if (r == 0 && events)
		r = follow(args, events, until);
	vmboot_events_close(events);
	return r;
}
