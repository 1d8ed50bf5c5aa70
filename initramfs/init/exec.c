/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "init.h"

enum { FILES = 1048576 }; /* open files: what podman gives, and the kernel's own bound */

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

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
char **init_environment(const struct vmb_guest_config *config)
{
	const size_t own = count(config->env);
	char **env = calloc(own + 4, sizeof(*env));
	size_t n = 0;

	for (; env && n < own; n++)
		env[n] = (char *)(uintptr_t)config->env[n];
	if (!env || add_default(env, &n, "PATH", INIT_DEFAULT_PATH) < 0 ||
	    add_default(env, &n, "HOSTNAME", config->hostname) < 0)
		return NULL;
	return env;
}

/*
 * What an init system must not see: that it is in a container, that somebody started it as a
 * service, or other libraries than its own.
 */
static bool misleads(const char *entry)
{
	static const char *const keys[] = {"container=",    "container_uuid=", "LISTEN_FDS=",
					   "LISTEN_PID=",   "LISTEN_FDNAMES=", "NOTIFY_SOCKET=",
					   "WATCHDOG_PID=", "WATCHDOG_USEC=",  "MANAGERPID=",
					   "LD_PRELOAD=",   "LD_LIBRARY_PATH="};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strncmp(entry, keys[i], strlen(keys[i])) == 0)
			return true;
	return false;
}

/* The kernel gives PID 1 HOME and TERM. */
char **init_system_environment(const struct vmb_guest_config *config)
{
	const size_t own = count(config->env);
	char **env = calloc(own + 4, sizeof(*env));
	size_t n = 0;

	for (size_t i = 0; env && i < own; i++)
		if (!misleads(config->env[i]))
			env[n++] = (char *)(uintptr_t)config->env[i];
	if (!env || add_default(env, &n, "PATH", INIT_DEFAULT_PATH) < 0 ||
	    add_default(env, &n, "HOME", "/") < 0 || add_default(env, &n, "TERM", "linux") < 0)
		return NULL;
	return env;
}

static void set_limit(int what, rlim_t most)
{
	struct rlimit limit = {most, most};

	if (setrlimit(what, &limit) == 0 || getrlimit(what, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max; /* without the right to raise it: tests, an agent's unit */
	setrlimit(what, &limit);
}

void init_set_limits(void)
{
	set_limit(RLIMIT_NOFILE, FILES);
	set_limit(RLIMIT_NPROC, RLIM_INFINITY);
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

int init_cannot_run(struct init_report *report, int r, const char *command)
{
	if (r == -ENOENT && strchr(command, '/') && access(command, F_OK) == 0)
		return init_failed(report, r, "the interpreter of \"%s\" is missing", command);
	return init_failed(report, r, "cannot run \"%s\"", command);
}
