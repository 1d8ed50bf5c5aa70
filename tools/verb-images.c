/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* images, image prune, df: what is in the store. */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format.h"
#include "verb-image.h"

static char *size_text(uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double size = (double)bytes;
	size_t i = 0;

	for (; size >= 1024 && i + 1 < ARRAY_SIZE(units); i++)
		size /= 1024;
	return xasprintf("%.*f %s", i && size < 100 ? 1 : 0, size, units[i]);
}

/* ---- columns ---- */

/* "sha256:" and 12 digits more. */
static char *short_digest(const char *digest)
{
	const char *colon = strchr(digest, ':');

	return xasprintf("%.*s", colon ? (int)(colon - digest) + 13 : 12, digest);
}

/* Where the tag of a name begins, with its colon; NULL: it has none. */
static const char *tag_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return strchr(slash ? slash : name, ':');
}

static char *repository(const char *name)
{
	const char *tag = tag_of(name);

	return *name ? xasprintf("%.*s", tag ? (int)(tag - name) : (int)strlen(name), name)
		     : xasprintf("<none>");
}

static char *ago(int64_t when)
{
	char *duration = format_duration(time(NULL) - when), *text;

	text = xasprintf("%s ago", duration);
	free(duration);
	return text;
}

#define GETTER(name, expression)                                                                   \
	static char *get_##name(const void *data)                                                  \
	{                                                                                          \
		const struct vmboot_image *image = *(const struct vmboot_image *const *)data;      \
                                                                                                   \
		return expression;                                                                 \
	}
GETTER(name, printable(*image->name ? image->name : "<none>"))
GETTER(repository, repository(image->name))
GETTER(tag, printable(tag_of(image->name) ? tag_of(image->name) + 1 : "<none>"))
GETTER(id, short_digest(image->digest))
GETTER(digest, printable(image->digest))
GETTER(disk, printable(image->disk))
GETTER(disk_format, printable(image->format))
GETTER(size, size_text(image->bytes))
GETTER(bytes, xasprintf("%" PRIu64, image->bytes))
GETTER(imported, ago(image->imported))
GETTER(created, printable(image->created ? image->created : ""))
GETTER(users, printable_list(image->users))

static const struct format_key keys[] = {
	{"Name", "NAME", get_name},
	{"Repository", "REPOSITORY", get_repository},
	{"Tag", "TAG", get_tag},
	{"ID", "DIGEST", get_id},
	{"Digest", "DIGEST", get_digest},
	{"Disk", "DISK", get_disk},
	{"Format", "FORMAT", get_disk_format},
	{"Size", "SIZE", get_size},
	{"Bytes", "BYTES", get_bytes},
	{"Imported", "IMPORTED", get_imported},
	{"Created", "CREATED", get_created},
	{"Users", "USED BY", get_users},
};
#define TABLE(digest)                                                                              \
	"table {{.Name}}\t{{." digest "}}\t{{.Format}}\t{{.Size}}\t{{.Imported}}\t{{.Users}}"

/* ---- filters ---- */

static bool has_reference(const struct vmboot_image *image, const char *pattern)
{
	char *wide = xasprintf("*/%s", pattern), *any_tag = xasprintf("*/%s:*", pattern);
	bool r = *image->name &&
		 (fnmatch(pattern, image->name, 0) == 0 || fnmatch(wide, image->name, 0) == 0 ||
		  (!tag_of(pattern) && fnmatch(any_tag, image->name, 0) == 0));

	free(wide);
	free(any_tag);
	return r;
}

static bool is_dangling(const struct vmboot_image *image, const char *value)
{
	return (strcmp(value, "true") == 0) == !*image->name;
}

static bool has_label(const struct vmboot_image *image, const char *value)
{
	_cleanup_(json) struct json_object *config = json_tokener_parse(image->config_json);
	struct json_object *labels, *label;
	const char *equals = strchr(value, '=');
	char *name = xasprintf("%.*s", equals ? (int)(equals - value) : (int)strlen(value), value);
	bool r = json_object_object_get_ex(config, "labels", &labels) &&
		 json_object_object_get_ex(labels, name, &label) &&
		 (!equals || strcmp(json_object_get_string(label), equals + 1) == 0);

	free(name);
	return r;
}

static bool has_user(const struct vmboot_image *image, const char *value)
{
	for (const char *const *user = image->users; *user; user++)
		if (strcmp(*user, value) == 0)
			return true;
	return false;
}

static const struct filter {
	const char *key;
	bool (*matches)(const struct vmboot_image *image, const char *value);
} filters[] = {
	{"reference", has_reference},
	{"dangling", is_dangling},
	{"label", has_label},
	{"user", has_user},
};

static const struct filter *find_filter(const char *text)
{
	size_t n = strcspn(text, "=");

	for (size_t i = 0; text[n] && i < ARRAY_SIZE(filters); i++)
		if (strlen(filters[i].key) == n && strncmp(filters[i].key, text, n) == 0)
			return &filters[i];
	return NULL;
}

static int check_filters(const char *const *list)
{
	for (; list && *list; list++) {
		const struct filter *filter = find_filter(*list);
		const char *value = filter ? strchr(*list, '=') + 1 : "";
		char *safe;

		if (filter && (filter->matches != is_dangling || strcmp(value, "true") == 0 ||
			       strcmp(value, "false") == 0))
			continue;
		safe = printable(*list);
		usage_error("images",
			    "--filter: \"%s\" is not reference=PATTERN, dangling=true or false, "
			    "label=NAME[=VALUE] or user=VM",
			    safe);
		free(safe);
		return EXIT_USAGE;
	}
	return 0;
}

static bool passes(const struct vmboot_image *image, const char *const *list)
{
	for (; list && *list; list++)
		if (!find_filter(*list)->matches(image, strchr(*list, '=') + 1))
			return false;
	return true;
}

/* Drops those that do not pass; returns how many are left. */
static size_t filter_images(struct vmboot_image **images, const char *const *list)
{
	size_t n = 0;

	for (size_t i = 0; images[i]; i++) {
		if (passes(images[i], list))
			images[n++] = images[i];
		else
			vmboot_image_free(images[i]);
	}
	images[n] = NULL;
	return n;
}

/* ---- images ---- */

static void print_json(struct vmboot_image *const *images)
{
	_cleanup_(json) struct json_object *list = json_object_new_array();

	for (; *images; images++)
		json_object_array_add(list, image_json(*images));
	out_json(list);
}

static void print_names(struct vmboot_image *const *images)
{
	for (; *images; images++)
		if (*(*images)->name)
			out_name((*images)->name);
}

int verb_images(struct args *args)
{
	_cleanup_(images) struct vmboot_image **images = NULL;
	const char *format = args->format    ? args->format
			     : args->digests ? TABLE("Digest")
					     : TABLE("ID");
	bool json = args->json || strcmp(format, "json") == 0;
	int r = check_filters(args->filters);
	size_t n;

	if (r == 0 && !json)
		r = format_check("images", format, keys, ARRAY_SIZE(keys));
	if (r)
		return r;
	if (vmboot_image_list(args->opts, &images) < 0)
		return show_error(EXIT_FAILED);
	n = filter_images(images, args->filters);
	if (json)
		print_json(images);
	else if (args->quiet)
		print_names(images);
	else
		format_print(format, keys, ARRAY_SIZE(keys), images, sizeof(*images), n);
	return 0;
}

/* ---- image prune ---- */

/* "1h30m", "10m", "2d" ago; a time in seconds since 1970; or "2026-01-31[T12:00:00]", local. */
static bool parse_until(const char *text, int64_t *ret)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	const char *p = text;
	struct tm tm = {.tm_isdst = -1};
	int64_t ago_s = 0;
	char *end;

	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end || *end) {
		tm = (struct tm){.tm_isdst = -1};
		end = strptime(text, "%Y-%m-%d", &tm);
	}
	if (end && !*end)
		return (*ret = mktime(&tm)) > 0;
	errno = 0;
	while (*p && isdigit((unsigned char)*p)) {
		long long v = strtoll(p, &end, 10);
		size_t i = 0;

		if (!*end && p == text && !errno)
			return (*ret = v) > 0;
		while (i < ARRAY_SIZE(units) && units[i].unit != *end)
			i++;
		if (i == ARRAY_SIZE(units) || v > INT32_MAX)
			return false;
		ago_s += v * units[i].seconds;
		p = end + 1;
	}
	*ret = time(NULL) - ago_s;
	return p > text && !*p && *ret > 0;
}

static int parse_prune_filters(const char *const *list, int64_t *ret_before)
{
	for (; list && *list; list++) {
		const char *value = strncmp(*list, "until=", 6) == 0 ? *list + 6 : NULL;
		char *safe;

		if (value && parse_until(value, ret_before))
			continue;
		safe = printable(*list);
		usage_error("image prune",
			    "--filter: \"%s\" is not until=TIME, a time as 24h, 10m, "
			    "2026-01-31 or seconds since 1970",
			    safe);
		free(safe);
		return EXIT_USAGE;
	}
	return 0;
}

static int64_t json_number(struct json_object *o, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

static void print_pruned(struct json_object *list)
{
	uint64_t bytes = 0;
	char *size;

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i), *v;

		if (json_object_object_get_ex(o, "digest", &v))
			out_name(json_object_get_string(v));
		bytes += (uint64_t)json_number(o, "bytes");
	}
	size = size_text(bytes);
	say("%zu images, %s", json_object_array_length(list), size);
	free(size);
}

int verb_image_prune(struct args *args)
{
	_cleanup_(json) struct json_object *list = NULL;
	_cleanup_(text) char *text = NULL;
	unsigned flags =
		(args->all ? VMBOOT_PRUNE_ALL : 0U) | (args->dry_run ? VMBOOT_PRUNE_DRY_RUN : 0U);
	int64_t before = 0;
	int r = parse_prune_filters(args->filters, &before);

	if (r)
		return r;
	if (!args->force && !args->dry_run && !isatty(STDIN_FILENO))
		return usage_error("image prune",
				   "image prune: no terminal to ask on; give --force");
	if (!args->force && !args->dry_run &&
	    !ask(args->all ? "Remove all images that no VM uses?"
			   : "Remove all images without a name that no VM uses?"))
		return 0;
	if (vmboot_image_prune(args->opts, flags, before, &text) < 0)
		return show_error(EXIT_FAILED);
	list = json_tokener_parse(text);
	if (args->json)
		out_json(list);
	else
		print_pruned(list);
	return 0;
}

/* ---- df ---- */

static void print_df(struct json_object *list)
{
	static const char *const heads[] = {"TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"};
	struct table table;

	table_start(&table, heads, ARRAY_SIZE(heads));
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i), *type;
		char *size = size_text((uint64_t)json_number(o, "bytes"));
		char *free_size = size_text((uint64_t)json_number(o, "reclaimable"));

		json_object_object_get_ex(o, "type", &type);
		table_cell(&table, "%s", json_object_get_string(type));
		table_cell(&table, "%" PRIi64, json_number(o, "count"));
		table_cell(&table, "%" PRIi64, json_number(o, "active"));
		table_cell(&table, "%s", size);
		table_cell(&table, "%s", free_size);
		free(size);
		free(free_size);
	}
	table_print(&table);
}

int verb_df(struct args *args)
{
	_cleanup_(json) struct json_object *list = NULL;
	_cleanup_(text) char *text = NULL;

	if (vmboot_df(args->opts, &text) < 0)
		return show_error(EXIT_FAILED);
	list = json_tokener_parse(text);
	if (args->json)
		out_json(list);
	else
		print_df(list);
	return 0;
}
