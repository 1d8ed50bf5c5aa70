/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/command.h"

#include <search.h>

#include "base/error.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void vmb_command_done(struct vmb_command *command)
{
	vmb_list_free(TAKE_PTR(command->args));
	vmb_list_free(TAKE_PTR(command->env));
	free(TAKE_PTR(command->workdir));
	free(TAKE_PTR(command->user));
}

/* Makes room once: there may be very many. */
static int add_all(char ***list, const char *const *more)
{
	size_t n = vmb_list_len(vmb_list_const(*list)), n_more = vmb_list_len(more);
	char **grown;
	int r = 0;

	if (n_more == 0)
		return 0;
	grown = reallocarray(*list, n + n_more + 1, sizeof(*grown));
	if (!grown)
		return vmb_oom();
	*list = grown;
	grown[n] = NULL;
	for (; *more && r == 0; more++) {
		grown[n + 1] = NULL;
		r = vmb_strdup(*more, &grown[n++]);
	}
	return r;
}

static int make_args(const struct vmb_image *image, const struct vmboot_opts *opts, char ***ret)
{
	const struct vmb_image_config *c = &image->config;
	const char *const *entrypoint = opts->entrypoint, *const *cmd = opts->cmd;
	_cleanup_list_ char **args = NULL;
	int r;

	if (!cmd && !entrypoint)
		cmd = vmb_list_const(c->cmd);
	if (!entrypoint)
		entrypoint = vmb_list_const(c->entrypoint);
	r = add_all(&args, entrypoint);
	if (r == 0)
		r = add_all(&args, cmd);
	if (r < 0)
		return r;
	if (!args)
		return vmb_error(VMBOOT_EIMAGE,
				 "the image %s has no entrypoint or cmd, and none was given",
				 image->name);
	if (!*args[0])
		return vmb_error(VMBOOT_EIMAGE, "the command of the image %s is empty",
				 image->name);
	*ret = TAKE_PTR(args);
	return 0;
}

/* "KEY=" comes before "KEY=value"; 0: they have the same key. */
static int compare_keys(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;

	while (*x == *y && *x != '=') {
		x++;
		y++;
	}
	return (unsigned char)*x - (unsigned char)*y;
}

/* The variables, and a tree of them by key; both have room for all that may come. */
struct environment {
	char **list;
	size_t n;
	void *by_key;
};

static void do_nothing(void *node)
{
	(void)node;
}

static void environment_done(struct environment *env)
{
	tdestroy(env->by_key, do_nothing);
	vmb_list_free(env->list);
}

/* A key that is there already gets its new value in its old place. */
static int set_env(struct environment *env, const char *s)
{
	char ***node, **slot = &env->list[env->n];
	int r = vmb_strdup(s, slot);

	if (r < 0)
		return r;
	node = tsearch(slot, &env->by_key, compare_keys);
	if (!node)
		return vmb_oom();
	if (*node == slot) {
		env->n++;
		return 0;
	}
	free(**node);
	**node = TAKE_PTR(*slot);
	return 0;
}

static int set_all(struct environment *env, const char *const *more)
{
	int r = 0;

	for (; more && *more && r == 0; more++)
		if (**more != '=' && strchr(*more, '='))
			r = set_env(env, *more);
	return r;
}

static int make_env(const struct vmb_image *image, const struct vmboot_opts *opts, char ***ret)
{
	static const char *const defaults[] = {DEFAULT_PATH, NULL};
	const char *const *const lists[] = {defaults, vmb_list_const(image->config.env), opts->env};
	vmb_cleanup(environment_done) struct environment env = {0};
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		n += vmb_list_len(lists[i]);
	env.list = calloc(n + 1, sizeof(*env.list));
	if (!env.list)
		return vmb_oom();
	for (size_t i = 0; i < ARRAY_SIZE(lists) && r == 0; i++)
		r = set_all(&env, lists[i]);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(env.list);
	return 0;
}

/* The first that says something. */
static const char *either(const char *a, const char *b, const char *otherwise)
{
	if (a && *a)
		return a;
	return b && *b ? b : otherwise;
}

int vmb_image_command(const struct vmb_image *image, const struct vmboot_opts *opts,
		      struct vmb_command *ret)
{
	const char *workdir = either(opts->workdir, image->config.workdir, "/");
	const char *user = either(opts->user, image->config.user, "");
	_cleanup_command_ struct vmb_command c = {0};
	int r = make_args(image, opts, &c.args);

	if (r == 0)
		r = make_env(image, opts, &c.env);
	if (r == 0)
		r = vmb_asprintf(&c.workdir, "%s%s", workdir[0] == '/' ? "" : "/", workdir);
	if (r == 0)
		r = vmb_strdup(user, &c.user);
	if (r < 0)
		return r;
	*ret = c;
	c = (struct vmb_command){0};
	return 0;
}
