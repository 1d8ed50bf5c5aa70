/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "init.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The value of a key in a list of "K=V", or NULL. */
static const char *env_value(char *const *env, const char *key)
{
	size_t n = strlen(key);

	for (; *env; env++)
		if (strncmp(*env, key, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static int add_default(char **env, size_t *n, const char *key, const char *value)
{
	size_t size;

	if (env_value(env, key))
		return 0;
	size = strlen(key) + strlen(value) + 2;
	env[*n] = malloc(size);
	if (!env[*n])
		return -ENOMEM;
	init_format(env[(*n)++], size, "%s=%s", key, value);
	return 0;
}

/* PID 1 makes one environment in its life: the strings are never freed one by one. */
char **init_environment(const struct vmb_guest_config *config, const char *home)
{
	char **env = calloc(VMB_CONFIG_ENV_MAX + 4, sizeof(*env));
	size_t n = 0;

	while (env && config->env[n]) {
		env[n] = (char *)(uintptr_t)config->env[n];
		n++;
	}
	if (!env || add_default(env, &n, "PATH", DEFAULT_PATH) < 0 ||
	    add_default(env, &n, "HOSTNAME", config->hostname) < 0 ||
	    (home && add_default(env, &n, "HOME", home) < 0))
		return NULL;
	return env;
}

int init_exec(const char *const *args, char *const *env)
{
	char *const *argv = (char *const *)(uintptr_t)args;
	const char *dir = env_value(env, "PATH"), *name = args[0];
	char path[PATH_MAX];
	int err = ENOENT;

	if (strchr(name, '/')) {
		execve(name, argv, env);
		return -errno;
	}
	if (!name[0])
		return -ENOENT;
	for (size_t n; dir; dir = dir[n] ? dir + n + 1 : NULL) {
		n = strcspn(dir, ":");
		if (init_format(path, sizeof(path), "%.*s/%s", n ? (int)n : 1, n ? dir : ".",
				name) >= sizeof(path))
			continue;
		execve(path, argv, env);
		/* another folder may have it; that one was there and refused is what to report */
		if (errno == EACCES)
			err = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			return -errno;
	}
	return -err;
}
