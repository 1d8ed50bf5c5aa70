/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>

#include "agent.h"

static const struct {
	const char *name;
	int (*run)(const char *path, int fd);
	int fd;
} built_in[] = {{VMB_TAR_OUT, agent_tar_out, 1}, {VMB_TAR_IN, agent_tar_in, 0}};

static bool is_built_in(const char *const *args, size_t i)
{
	return strcmp(args[0], built_in[i].name) == 0 && args[1] && !args[2];
}

bool agent_is_built_in(const char *const *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
		if (is_built_in(args, i))
			return true;
	return false;
}

static void run_built_in(const char *const *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
		if (is_built_in(args, i)) {
			init_close_from(3);
			_exit(built_in[i].run(args[1], built_in[i].fd));
		}
}

/* An agent that ends takes its programs along: nobody could know of them. */
int agent_spawn(const struct init *init, struct init_start *what, struct init_child *ret)
{
	what->ends_with_us = true;
	what->built_in = run_built_in;
	what->instead = -1;
	return init_start(init, what, ret);
}

/* Before it has made its group, it is in ours. */
void agent_kill(pid_t pid, int sig)
{
	if (pid > 0 && kill(-pid, sig) < 0)
		kill(pid, sig);
}
