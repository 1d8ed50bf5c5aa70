/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ps: the VMs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "format.h"
#include "ports.h"
#include "scope.h"
#include "verbs.h"

/* A VM with what its ledger adds. */
struct row {
	const struct vmboot_info *info;
	const char *health; /* " (healthy)"; NULL: it is not checked, or not yet */
	bool exited, saved;
	int exit_code; /* as a shell has it */
	int64_t ended; /* when its newest boot ended, seconds since 1970; 0: not known */
};

static const char *state_name(enum vmboot_state state)
{
	static const char *const names[] = {
		[VMBOOT_STATE_STOPPED] = "stopped",
		[VMBOOT_STATE_RUNNING] = "running",
		[VMBOOT_STATE_PAUSED] = "paused",
	};

	return (size_t)state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

/* ---- what a row has ---- */

/* The newest word counts; a program that was started again has yet to be checked. */
static void take_health(struct row *row, const struct vmboot_event *event)
{
	if (event->phase == VMBOOT_PHASE_HEALTHY)
		row->health = " (healthy)";
	else if (event->phase == VMBOOT_PHASE_UNHEALTHY)
		row->health = " (unhealthy)";
	else if (event->phase == VMBOOT_PHASE_RESTART)
		row->health = " (starting)";
}

/* A VM that went meanwhile, or whose files cannot be read, has no more to add. */
static void read_ledger(const struct args *args, struct row *row)
{
	_cleanup_(vm) struct vmboot_vm *vm = NULL;
	_cleanup_(ledger) struct vmboot_ledger *ledger = NULL;
	const struct vmboot_event *last;

	if (vmboot_open(args->opts, row->info->name, &vm) < 0 || vmboot_ledger(vm, &ledger) < 0)
		return;
	row->exited = ledger->exited;
	row->exit_code =
		ledger->exit_signal ? EXIT_SIGNAL + ledger->exit_signal : ledger->exit_code;
	for (size_t i = 0; i < ledger->n_events; i++)
		take_health(row, ledger->events[i]);
	if (!ledger->n_events || !row->info->started)
		return;
	last = ledger->events[ledger->n_events - 1];
	row->saved = last->phase == VMBOOT_PHASE_STOPPED && strcmp(last->detail, "saved") == 0;
	row->ended = row->info->started + last->end_us / 1000000;
}

static char *ago(int64_t when)
{
	char *duration, *text;

	if (when <= 0)
		return xasprintf("unknown");
	duration = format_duration(time(NULL) - when);
	text = xasprintf("%s ago", duration);
	free(duration);
	return text;
}

static char *up_status(const struct row *row)
{
	int64_t started = row->info->started;
	char *duration = started > 0 ? format_duration(time(NULL) - started) : NULL, *text;
	char *exited = row->exited ? xasprintf(", program exited (%d)", row->exit_code) : NULL;

	text = xasprintf("Up%s%s%s%s%s", duration ? " " : "", duration ? duration : "",
			 row->health && !row->exited ? row->health : "",
			 row->info->state == VMBOOT_STATE_PAUSED ? " (Paused)" : "",
			 exited ? exited : "");
	free(duration);
	free(exited);
	return text;
}

static char *status(const struct row *row)
{
	char *since, *text;

	if (row->info->state != VMBOOT_STATE_STOPPED)
		return up_status(row);
	since = ago(row->ended);
	if (row->saved)
		text = xasprintf("Saved %s", since);
	else if (row->exited)
		text = xasprintf("Exited (%d) %s", row->exit_code, since);
	else
		text = xasprintf("Stopped %s", since);
	free(since);
	return text;
}

static char *iso_time(int64_t when)
{
	char text[32] = "";
	time_t t = (time_t)when;
	struct tm tm;

	if (when > 0 && gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return xasprintf("%s", text);
}

/* ---- columns ---- */

/* JSON has the rest. */
static char *shortened(const char *text)
{
	enum { MAX = 30 };

	return strlen(text) > MAX ? xasprintf("%.*s...", MAX - 3, text) : printable(text);
}

#define GETTER(name, expression)                                                                   \
	static char *get_##name(const void *data)                                                  \
	{                                                                                          \
		const struct row *row = data;                                                      \
		const struct vmboot_info *info = row->info;                                        \
                                                                                                   \
		(void)info;                                                                        \
		return expression;                                                                 \
	}
GETTER(name, printable(info->name))
GETTER(image, printable(info->image))
GETTER(command, shortened(info->command))
GETTER(created, ago(info->created))
GETTER(created_at, iso_time(info->created))
GETTER(status, status(row))
GETTER(state, xasprintf("%s", state_name(info->state)))
GETTER(exit_code, row->exited ? xasprintf("%d", row->exit_code) : xasprintf("%s", ""))
GETTER(ports, ports_text(info->publish))
GETTER(store, printable(info->store))
GETTER(id, printable(info->uuid))
GETTER(accel, printable(info->accel))
GETTER(vcpus, xasprintf("%" PRIu64, info->vcpus))
GETTER(labels, printable_list(info->labels))
GETTER(memory, xasprintf("%" PRIu64 " MiB", info->memory_mib))

static const struct format_key keys[] = {
	{"Name", "NAME", get_name},
	{"Image", "IMAGE", get_image},
	{"Command", "COMMAND", get_command},
	{"Created", "CREATED", get_created},
	{"CreatedAt", "CREATED AT", get_created_at},
	{"Status", "STATUS", get_status},
	{"State", "STATE", get_state},
	{"ExitCode", "EXIT CODE", get_exit_code},
	{"Ports", "PORTS", get_ports},
	{"Store", "STORE", get_store},
	{"ID", "ID", get_id},
	{"Accel", "ACCEL", get_accel},
	{"VCPUs", "VCPUS", get_vcpus},
	{"Memory", "MEMORY", get_memory},
	{"Labels", "LABELS", get_labels},
};
#define DEFAULT_FORMAT                                                                             \
	"table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Created}}\t{{.Status}}\t{{.Ports}}"
#define ALL_STORES_FORMAT DEFAULT_FORMAT "\t{{.Store}}"

/* ---- filters ---- */

/* Podman's words for states, and ours. */
static bool has_status(const struct row *row, const char *value)
{
	if (strcmp(value, "exited") == 0)
		return row->info->state == VMBOOT_STATE_STOPPED;
	return strcmp(value, state_name(row->info->state)) == 0;
}

static bool has_name(const struct row *row, const char *value)
{
	return strstr(row->info->name, value);
}

static bool has_image(const struct row *row, const char *value)
{
	const char *image = row->info->image, *slash = strrchr(image, '/');
	size_t n = strlen(value);

	if (strcmp(image, value) == 0)
		return true;
	/* "node:20" and "node" of "docker.io/library/node:20" */
	image = slash ? slash + 1 : image;
	return strncmp(image, value, n) == 0 && (!image[n] || image[n] == ':');
}

/* "KEY" or "KEY=VALUE". */
static bool has_label(const struct row *row, const char *value)
{
	const char *const *label = row->info->labels;
	const size_t n = strlen(value);

	for (; label && *label; label++)
		if (strncmp(*label, value, n) == 0 &&
		    (strchr(value, '=') ? !(*label)[n] : (*label)[n] == '='))
			return true;
	return false;
}

static const struct filter {
	const char *key;
	bool (*matches)(const struct row *row, const char *value);
} filters[] = {
	{"name", has_name},	 {"status", has_status}, {"image", has_image},
	{"ancestor", has_image}, {"label", has_label},
};

static const struct filter *find_filter(const char *text)
{
	const char *equals = strchr(text, '=');

	for (size_t i = 0; equals && i < ARRAY_SIZE(filters); i++)
		if (strlen(filters[i].key) == (size_t)(equals - text) &&
		    strncmp(filters[i].key, text, strlen(filters[i].key)) == 0)
			return &filters[i];
	return NULL;
}

static int check_filters(const char *const *list)
{
	static const char *const states[] = {"running", "paused", "stopped", "exited"};

	for (; list && *list; list++) {
		const struct filter *filter = find_filter(*list);
		const char *value = filter ? strchr(*list, '=') + 1 : "";
		bool known = filter && filter->matches != has_status;
		char *safe;

		for (size_t i = 0; filter && i < ARRAY_SIZE(states); i++)
			known |= strcmp(states[i], value) == 0;
		if (known)
			continue;
		safe = printable(*list);
		usage_error("ps",
			    "--filter: \"%s\" is not name=TEXT, image=IMAGE, label=KEY[=VALUE] "
			    "or status=running, paused or exited",
			    safe);
		free(safe);
		return EXIT_USAGE;
	}
	return 0;
}

static bool asks_for_status(const char *const *list)
{
	for (; list && *list; list++)
		if (find_filter(*list)->matches == has_status)
			return true;
	return false;
}

/* Of one key any value will do, of several keys each has to match: as podman has it. */
static bool passes(const struct row *row, const char *const *list)
{
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		bool asked = false, matched = false;

		for (const char *const *f = list; f && *f; f++) {
			if (find_filter(*f) != &filters[i])
				continue;
			asked = true;
			matched |= filters[i].matches(row, strchr(*f, '=') + 1);
		}
		if (asked && !matched)
			return false;
	}
	return true;
}

/* ---- output ---- */

static struct json_object *labels_json(const char *const *labels)
{
	struct json_object *o = json_object_new_object();

	for (; labels && *labels; labels++) {
		const char *equals = strchr(*labels, '=');
		char *key = xasprintf("%.*s", (int)strcspn(*labels, "="), *labels);

		json_object_object_add(o, key, json_text(equals ? equals + 1 : ""));
		free(key);
	}
	return o;
}

static struct json_object *vm_json(const struct row *row)
{
	const struct vmboot_info *info = row->info;
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_text(info->name));
	json_object_object_add(o, "uuid", json_text(info->uuid));
	json_object_object_add(o, "image", json_text(info->image));
	json_object_object_add(o, "digest", json_text(info->digest));
	json_object_object_add(o, "command", json_text(info->command));
	json_object_object_add(o, "state", json_text(state_name(info->state)));
	json_object_object_add(o, "created", json_object_new_int64(info->created));
	json_object_object_add(o, "started", json_object_new_int64(info->started));
	if (row->exited)
		json_object_object_add(o, "exit_code", json_object_new_int(row->exit_code));
	json_object_object_add(o, "ephemeral", json_object_new_boolean(info->ephemeral));
	json_object_object_add(o, "skip_kernel_headers",
			       json_object_new_boolean(info->skip_kernel_headers));
	json_object_object_add(o, "skip_guest_agent",
			       json_object_new_boolean(info->skip_guest_agent));
	json_object_object_add(o, "skip_module_signatures",
			       json_object_new_boolean(info->skip_module_signatures));
	json_object_object_add(o, "vcpus", json_object_new_uint64(info->vcpus));
	json_object_object_add(o, "memory_mib", json_object_new_uint64(info->memory_mib));
	json_object_object_add(o, "accel", json_text(info->accel));
	json_object_object_add(o, "publish", json_list(info->publish));
	json_object_object_add(o, "labels", labels_json(info->labels));
	json_object_object_add(o, "store", json_text(info->store));
	json_object_object_add(o, "folder", json_text(info->folder));
	return o;
}

static void print_json(const struct row *rows, size_t n)
{
	_cleanup_(json) struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, vm_json(&rows[i]));
	out_json(list);
}

static const char *chosen_format(const struct args *args)
{
	if (args->format)
		return args->format;
	return args->all_stores ? ALL_STORES_FORMAT : DEFAULT_FORMAT;
}

static void print_rows(const struct args *args, struct row *rows, size_t n)
{
	if (args->quiet) {
		for (size_t i = 0; i < n; i++)
			out_name(rows[i].info->name);
		return;
	}
	for (size_t i = 0; i < n; i++)
		read_ledger(args, &rows[i]);
	if (args->json)
		print_json(rows, n);
	else
		format_print(chosen_format(args), keys, ARRAY_SIZE(keys), rows, sizeof(*rows), n);
}

static int check_args(struct args *args)
{
	int r = check_filters(args->filters);

	if (args->format && strcmp(args->format, "json") == 0)
		args->json = true;
	if (r == 0 && args->format && !args->json)
		r = format_check("ps", args->format, keys, ARRAY_SIZE(keys));
	return r;
}

int verb_ps(struct args *args)
{
	_cleanup_(infos) struct vmboot_info **infos = NULL;
	struct row *rows;
	size_t n = 0;
	int r = check_args(args);

	if (r)
		return r;
	/* who asks for a status sees it, running or not */
	r = vms_list(args, args->all || asks_for_status(args->filters) ? STATES_ALL : STATES_ACTIVE,
		     &infos);
	if (r)
		return r;
	while (infos[n])
		n++;
	rows = xrealloc(NULL, n + 1, sizeof(*rows));
	n = 0;
	for (size_t i = 0; infos[i]; i++) {
		rows[n] = (struct row){.info = infos[i]};
		n += passes(&rows[n], args->filters);
	}
	print_rows(args, rows, n);
	free(rows);
	return 0;
}
