/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/registries.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "image/name.h"

enum { FILE_MAX = 1 << 20, LIST_MAX = 1000, WORD_SIZE = 1024 };

void vmb_registries_done(struct vmb_registries *registries)
{
	vmb_list_free(TAKE_PTR(registries->search));
	vmb_list_free(TAKE_PTR(registries->aliases));
}

/* ---- the few parts of TOML that matter ---- */

struct toml {
	const char *at, *end;
	bool in_root, in_aliases; /* else in another table */
	struct vmb_registries *r;
};

static void skip_line(struct toml *t)
{
	while (t->at < t->end && *t->at != '\n')
		t->at++;
}

/* lines: over their ends and comments, too */
static void skip_space(struct toml *t, bool lines)
{
	for (; t->at < t->end; t->at++) {
		if (lines && *t->at == '#')
			skip_line(t);
		if (t->at < t->end && !strchr(lines ? " \t\r\n" : " \t", *t->at))
			return;
	}
}

static bool take_char(struct toml *t, char c)
{
	if (t->at >= t->end || *t->at != c)
		return false;
	t->at++;
	return true;
}

/* "text" or 'text' on one line; what is too long is none. */
static bool take_string(struct toml *t, char out[WORD_SIZE])
{
	char quote = t->at < t->end ? *t->at : 0;
	size_t n = 0;

	if (quote != '"' && quote != '\'')
		return false;
	for (t->at++; t->at < t->end && *t->at != '\n'; t->at++) {
		if (*t->at == quote) {
			t->at++;
			out[n] = '\0';
			return true;
		}
		if (quote == '"' && *t->at == '\\' && t->at + 1 < t->end)
			t->at++;
		if (n + 1 >= WORD_SIZE || !*t->at)
			return false;
		out[n++] = *t->at;
	}
	return false;
}

static bool take_bare(struct toml *t, char out[WORD_SIZE])
{
	size_t n = 0;

	while (t->at < t->end && n + 1 < WORD_SIZE &&
	       ((*t->at >= 'a' && *t->at <= 'z') || (*t->at >= 'A' && *t->at <= 'Z') ||
		(*t->at >= '0' && *t->at <= '9') || *t->at == '-' || *t->at == '_'))
		out[n++] = *t->at++;
	out[n] = '\0';
	return n > 0;
}

static bool take_key(struct toml *t, char out[WORD_SIZE])
{
	return take_string(t, out) || take_bare(t, out);
}

/* "[name]" or "[[name]]" */
static void take_table(struct toml *t)
{
	char name[WORD_SIZE];
	bool array = take_char(t, '[') && take_char(t, '[');

	skip_space(t, false);
	t->in_aliases = take_key(t, name) && vmb_streq(name, "aliases") && !array;
	skip_space(t, false);
	t->in_aliases = t->in_aliases && take_char(t, ']');
	t->in_root = false;
}

/* What of an array is no string ends it: it is skipped as a line. */
static int take_strings(struct toml *t, char ***ret)
{
	_cleanup_list_ char **list = NULL;
	char word[WORD_SIZE];
	int r = vmb_list_add(&list, NULL);

	for (size_t n = 0; r == 0 && n < LIST_MAX; n++) {
		skip_space(t, true);
		if (!take_string(t, word))
			break;
		r = vmb_list_add(&list, word);
		skip_space(t, true);
		if (!take_char(t, ','))
			break;
	}
	if (r == 0)
		*ret = TAKE_PTR(list);
	return r;
}

static int set_search(struct toml *t)
{
	char **list = NULL;
	int r;

	if (!take_char(t, '['))
		return 0;
	r = take_strings(t, &list);
	if (r == 0) {
		vmb_list_free(t->r->search);
		t->r->search = list;
	}
	return r;
}

/* Each is tried from the end: a later one counts. */
static int add_alias(struct toml *t, const char *key)
{
	_cleanup_free_ char *both = NULL;
	char value[WORD_SIZE];
	int r;

	if (!take_string(t, value) || strchr(key, '=') ||
	    vmb_list_len(vmb_list_const(t->r->aliases)) >= LIST_MAX)
		return 0;
	r = vmb_asprintf(&both, "%s=%s", key, value);
	return r < 0 ? r : vmb_list_add(&t->r->aliases, both);
}

static int take_setting(struct toml *t)
{
	char key[WORD_SIZE];

	if (!take_key(t, key))
		return 0;
	skip_space(t, false);
	if (!take_char(t, '='))
		return 0;
	skip_space(t, false);
	if (t->in_root && vmb_streq(key, "unqualified-search-registries"))
		return set_search(t);
	return t->in_aliases ? add_alias(t, key) : 0;
}

int vmb_registries_decode(const char *text, size_t n, struct vmb_registries *registries)
{
	struct toml t = {.at = text, .end = text + n, .in_root = true, .r = registries};
	int r = 0;

	for (skip_space(&t, true); r == 0 && t.at < t.end; skip_space(&t, true)) {
		if (*t.at == '[')
			take_table(&t);
		else
			r = take_setting(&t);
		skip_line(&t);
	}
	return r;
}

/* ---- the files ---- */

/* One that cannot be read is as one that is not there. */
static int read_file(const char *path, struct vmb_registries *registries)
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r;

	if (access(path, R_OK) < 0)
		return 0;
	r = vmb_read_file(path, FILE_MAX, &text, &n);
	if (r == 0)
		r = vmb_registries_decode(text, n, registries);
	return r == -ENOMEM ? r : 0;
}

static int is_conf(const struct dirent *d)
{
	return vmb_ends_with(d->d_name, ".conf");
}

/* In the order of their names. */
static int read_folder(const char *folder, struct vmb_registries *registries)
{
	struct dirent **found = NULL;
	int n = scandir(folder, &found, is_conf, alphasort), r = 0;

	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = NULL;

		if (r == 0)
			r = vmb_asprintf(&path, "%s/%s", folder, found[i]->d_name);
		if (r == 0)
			r = read_file(path, registries);
		free(found[i]);
	}
	free(found);
	return r;
}

#define SYSTEM_CONF "/etc/containers/registries.conf"

/* The main file; *ret_system: it is the host's, and so is what it takes from a folder. */
static int read_main(const char *home, struct vmb_registries *registries, bool *ret_system)
{
	const char *chosen = secure_getenv("CONTAINERS_REGISTRIES_CONF");
	_cleanup_free_ char *own = NULL;
	int r = vmb_asprintf(&own, "%s/.config/containers/registries.conf", home);

	if (r < 0)
		return r;
	*ret_system = !(chosen && *chosen) && access(own, F_OK) < 0;
	if (chosen && *chosen)
		return read_file(chosen, registries);
	return read_file(*ret_system ? SYSTEM_CONF : own, registries);
}

static int read_all(struct vmb_registries *registries)
{
	const char *home = secure_getenv("HOME");
	_cleanup_free_ char *folder = NULL, *cache = NULL;
	bool system;
	int r = read_main(home ? home : "", registries, &system);

	if (r == 0 && system)
		r = read_folder(SYSTEM_CONF ".d", registries);
	if (r == 0)
		r = vmb_asprintf(&folder, "%s/.config/containers/registries.conf.d",
				 home ? home : "");
	if (r == 0)
		r = read_folder(folder, registries);
	if (r == 0 && geteuid() == 0)
		r = vmb_strdup("/var/cache/containers/short-name-aliases.conf", &cache);
	else if (r == 0)
		r = vmb_asprintf(&cache, "%s/.cache/containers/short-name-aliases.conf",
				 home ? home : "");
	return r < 0 ? r : read_file(cache, registries);
}

/* ---- names ---- */

/* The alias of a name without tag and digest, or NULL. */
static const char *find_alias(const struct vmb_registries *registries, const char *name, size_t n)
{
	for (size_t i = vmb_list_len(vmb_list_const(registries->aliases)); i-- > 0;) {
		const char *alias = registries->aliases[i];

		if (strncmp(alias, name, n) == 0 && alias[n] == '=')
			return alias[n + 1] ? alias + n + 1 : NULL;
	}
	return NULL;
}

/* "host/path" or "host", and the rest of the name. What is no name is left out. */
static int add_name(char ***list, const char *before, const char *rest)
{
	_cleanup_free_ char *name = NULL, *full = NULL;
	int r = vmb_asprintf(&name, "%s%s", before, rest);

	if (r == 0)
		r = vmb_name_on_hub(name, &full);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	return vmb_list_add(list, full);
}

static int add_short(const struct vmb_registries *registries, const char *name, char ***list)
{
	static const char *const hub[] = {"docker.io", NULL};
	const size_t n = strcspn(name, ":@");
	const char *alias = find_alias(registries, name, n);
	const char *const *hosts = registries->search && *registries->search
					   ? vmb_list_const(registries->search)
					   : hub;
	int r = 0;

	if (alias)
		return add_name(list, alias, name + n);
	for (; *hosts && r == 0; hosts++) {
		_cleanup_free_ char *host = NULL;

		r = vmb_asprintf(&host, "%s/", *hosts);
		if (r == 0)
			r = add_name(list, host, name);
	}
	return r;
}

int vmb_registries_names(const char *name, char ***ret)
{
	vmb_cleanup(vmb_registries_done) struct vmb_registries registries = {0};
	_cleanup_list_ char **list = NULL;
	_cleanup_free_ char *full = NULL;
	bool is_short;
	int r = vmb_name_check(name, &is_short);

	if (r == 0)
		r = vmb_list_add(&list, NULL);
	if (r == 0 && is_short)
		r = read_all(&registries);
	if (r == 0 && is_short)
		r = add_short(&registries, name, &list);
	else if (r == 0)
		r = vmb_name_on_hub(name, &full);
	if (r == 0 && full && !vmb_skip_prefix(full, "localhost/"))
		r = vmb_list_add(&list, full);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	return 0;
}
