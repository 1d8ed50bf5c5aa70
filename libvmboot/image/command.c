/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/command.h"

#include "base/error.h"
#include "wire/config.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void vmb_command_done(struct vmb_command *command)
{
	vmb_list_free(TAKE_PTR(command->args));
	vmb_list_free(TAKE_PTR(command->env));
	free(TAKE_PTR(command->workdir));
	free(TAKE_PTR(command->user));
}

static int add_all(char ***list, const char *const *more)
{
	int r = 0;

	for (; more && *more && r == 0; more++)
		r = vmb_list_add(list, *more);
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
	if (vmb_list_len(vmb_list_const(args)) > VMB_CONFIG_ARGS_MAX)
		return vmb_error(VMBOOT_EIMAGE,
				 "the command of the image %s has more than %d parts", image->name,
				 VMB_CONFIG_ARGS_MAX);
	*ret = TAKE_PTR(args);
	return 0;
}

/* The length of "KEY=" in "KEY=value", or 0 where there is no key. */
static size_t key_length(const char *s)
{
	const char *equals = strchr(s, '=');

	return equals && equals != s ? (size_t)(equals - s) + 1 : 0;
}

/* A key that is there already gets its new value in its old place. */
static int set_env(char ***env, const char *s)
{
	size_t n = key_length(s);
	char *copy;
	int r;

	if (n == 0)
		return 0;
	for (char **e = *env; e && *e; e++) {
		if (strncmp(*e, s, n) != 0)
			continue;
		r = vmb_strdup(s, &copy);
		if (r == 0) {
			free(*e);
			*e = copy;
		}
		return r;
	}
	return vmb_list_add(env, s);
}

static int set_all(char ***env, const char *const *more)
{
	int r = 0;

	for (; more && *more && r == 0; more++)
		r = set_env(env, *more);
	return r;
}

static int make_env(const struct vmb_image *image, const struct vmboot_opts *opts, char ***ret)
{
	_cleanup_list_ char **env = NULL;
	int r = vmb_list_add(&env, DEFAULT_PATH);

	if (r == 0)
		r = set_all(&env, vmb_list_const(image->config.env));
	if (r == 0)
		r = set_all(&env, opts->env);
	if (r < 0)
		return r;
	if (vmb_list_len(vmb_list_const(env)) > VMB_CONFIG_ENV_MAX)
		return vmb_error(VMBOOT_EIMAGE,
				 "the image %s and the request have more than %d "
				 "environment variables together",
				 image->name, VMB_CONFIG_ENV_MAX);
	*ret = TAKE_PTR(env);
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
