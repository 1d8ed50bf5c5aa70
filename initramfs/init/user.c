/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"

/*
 * The rules of container runtimes: a number is an id, anything else a name; a number that no file
 * knows is taken as it is, with group 0; a name that no file knows is an error. Groups that list
 * the user are added unless a group was asked for. The image's own files decide; no NSS.
 */

enum {
	FILE_MAX = 1 << 20,
	FIELDS_MAX = 7,
};

#define ID_MAX 0xfffffffeU /* the one above means "no id" to the kernel */

static bool parse_id(const char *s, unsigned *ret)
{
	unsigned long v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		v = v * 10 + (unsigned long)(*s - '0');
		if (v > ID_MAX)
			return false;
	}
	*ret = (unsigned)v;
	return true;
}

/* A file of lines of fields; one that is not there has no lines. */
struct table {
	char *text, *next;
};

static void table_done(struct table *table)
{
	free(table->text);
}

static int table_open(const struct init *init, const char *name, struct table *table,
		      struct init_report *report)
{
	char path[INIT_PATH_MAX];
	int r = init_read_file(init_path(init, path, "%s", name), FILE_MAX, &table->text);

	table->next = table->text;
	if (r < 0 && r != -ENOENT && r != -ENOTDIR)
		return init_failed(report, r, "%s in the image cannot be read", name);
	return 0;
}

/* Splits the next line in place; how many fields, or -1 at the end. */
static int table_next(struct table *table, char *fields[FIELDS_MAX])
{
	char *line = table->next, *end;
	int n = 0;

	if (!line || !*line)
		return -1;
	end = strchr(line, '\n');
	table->next = end ? end + 1 : line + strlen(line);
	if (end)
		*end = '\0';
	while (line && n < FIELDS_MAX)
		fields[n++] = strsep(&line, ":");
	return n;
}

struct wanted {
	const char *name;
	unsigned id;
	bool is_id;
};

static struct wanted wanted(const char *text)
{
	struct wanted w = {.name = text};

	w.is_id = parse_id(text, &w.id);
	return w;
}

static bool matches(const struct wanted *w, const char *name, unsigned id)
{
	return w->is_id ? w->id == id : strcmp(w->name, name) == 0;
}

/* 1: found, 0: not. name gets the entry's, for the search in /etc/group. */
static int find_passwd(const struct init *init, const struct wanted *w, struct init_user *user,
		       char *name, size_t size, struct init_report *report)
{
	__attribute__((cleanup(table_done))) struct table table = {0};
	char *f[FIELDS_MAX];
	unsigned uid, gid;
	int n, r = table_open(init, "/etc/passwd", &table, report);

	while (r == 0 && (n = table_next(&table, f)) >= 0) {
		if (n < 4 || !parse_id(f[2], &uid) || !parse_id(f[3], &gid) ||
		    !matches(w, f[0], uid))
			continue;
		user->uid = uid;
		user->gid = gid;
		init_format(user->home, sizeof(user->home), "%s", n > 5 && f[5][0] ? f[5] : "/");
		init_format(name, size, "%s", f[0]);
		r = 1;
	}
	return r;
}

static bool lists(char *members, const char *name)
{
	char *member;

	while ((member = strsep(&members, ",")))
		if (name[0] && strcmp(member, name) == 0)
			return true;
	return false;
}

static int add_group(struct init_user *user, gid_t gid, struct init_report *report)
{
	for (size_t i = 0; i < user->n_groups; i++)
		if (user->groups[i] == gid)
			return 0;
	if (user->n_groups == INIT_GROUPS_MAX)
		return init_failed(report, E2BIG, "the user is in more than %d groups",
				   INIT_GROUPS_MAX);
	user->groups[user->n_groups++] = gid;
	return 0;
}

/* Sets user->gid to the group that was asked for. */
static int find_group(const struct init *init, const char *spec, struct init_user *user,
		      struct init_report *report)
{
	__attribute__((cleanup(table_done))) struct table table = {0};
	const struct wanted w = wanted(spec);
	char *f[FIELDS_MAX];
	unsigned gid;
	int n, r = table_open(init, "/etc/group", &table, report);

	if (r < 0)
		return r;
	while ((n = table_next(&table, f)) >= 0)
		if (n >= 3 && parse_id(f[2], &gid) && matches(&w, f[0], gid)) {
			user->gid = gid;
			return 0;
		}
	if (!w.is_id)
		return init_failed(report, EINVAL, "no group \"%s\" in the image's /etc/group",
				   spec);
	user->gid = w.id;
	return 0;
}

static int add_supplementary(const struct init *init, const char *name, struct init_user *user,
			     struct init_report *report)
{
	__attribute__((cleanup(table_done))) struct table table = {0};
	char *f[FIELDS_MAX];
	unsigned gid;
	int n, r = table_open(init, "/etc/group", &table, report);

	while (r == 0 && (n = table_next(&table, f)) >= 0)
		if (n >= 4 && parse_id(f[2], &gid) && lists(f[3], name))
			r = add_group(user, gid, report);
	return r;
}

int init_user_find(const struct init *init, const char *spec, struct init_user *ret,
		   struct init_report *report)
{
	struct init_user user = {.home = "/"};
	char text[256], name[256] = "", *group = text;
	const char *who;
	struct wanted w;
	int r;

	if (init_format(text, sizeof(text), "%s", spec) >= sizeof(text))
		return init_failed(report, EINVAL, "the user's name is too long");
	who = strsep(&group, ":");
	w = wanted(who[0] ? who : "0");
	r = find_passwd(init, &w, &user, name, sizeof(name), report);
	if (r < 0)
		return r;
	if (r == 0 && !w.is_id)
		return init_failed(report, EINVAL, "no user \"%s\" in the image's /etc/passwd",
				   who);
	if (r == 0)
		user.uid = w.id;
	if (group && group[0])
		r = find_group(init, group, &user, report);
	else
		r = add_supplementary(init, name, &user, report);
	if (r == 0)
		r = add_group(&user, user.gid, report);
	if (r == 0)
		*ret = user;
	return r;
}
