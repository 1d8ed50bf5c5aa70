/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "loop.h"

/*
 * The agent as a unit of systemd's: PID 1 knows only what sd_notify(3) says, and what init handed
 * over lies in INIT_RUN.
 */

extern char **environ;

/* The texts in a file, each ended by a 0, which live as long as the agent; or NULL. */
static char **read_records(const struct init *init, const char *name, size_t *ret_n)
{
	char path[INIT_PATH_MAX], *text = NULL, **list;
	size_t n = 0;
	long len = qga_read_proc(init_path(init, path, "%s", name), &text);

	for (long i = 0; i < len; i++)
		n += text[i] == '\0';
	list = len < 0 ? NULL : calloc(n + 1, sizeof(*list));
	if (!list)
		return NULL;
	*ret_n = n;
	n = 0;
	for (char *p = text; p < text + len; p += strlen(p) + 1)
		list[n++] = p;
	return list;
}

static const char *const *read_environment(const struct init *init)
{
	size_t n;
	char **env = read_records(init, INIT_ENVIRONMENT, &n);

	return (const char *const *)(env ? env : environ);
}

static void read_defaults(struct init *init)
{
	size_t n = 0;
	char **records = read_records(init, INIT_DEFAULTS, &n);

	agent_take_defaults(init, n, records);
	free(records);
}

/* sd_notify(3): a datagram to the socket that the environment names; '@' stands for a 0. */
static void notify(const char *what)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = name ? strlen(name) : 0;
	_cleanup_close_ int fd = -1;

	if (n < 2 || n >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, name, n);
	if (name[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		sendto(fd, what, strlen(what), MSG_NOSIGNAL, (const struct sockaddr *)&to,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

/* Its output is the journal's. */
static void say(const char *line)
{
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
}

const char *const *agent_unit_begin(struct agent *agent)
{
	struct init *init = agent->init;
	char path[INIT_PATH_MAX];

	notify("READY=1"); /* that there is a port is not what a boot waits for */
	prctl(PR_SET_NAME, AGENT_NAME);
	agent->unit = true;
	agent->control = -1;
	init->system = INIT_SYSTEM_SYSTEMD;
	init->overlay =
		open(init_path(init, path, INIT_OVERLAY), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	read_defaults(init);
	return read_environment(init);
}

/* Of a boot only the first agent is news. */
void agent_unit_tell(struct agent *agent, uint64_t start_us)
{
	const struct init_report report = {.value = getpid()};
	char path[INIT_PATH_MAX];
	int first;

	notify("STATUS=the port is open");
	say("vmboot-agent " AGENT_VERSION ": the port is open\n");
	first = open(init_path(agent->init, path, INIT_RUN "/agent"),
		     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (first >= 0)
		init_late_tell(agent->init, VMBOOT_PHASE_AGENT, start_us, 0, &report);
	vmb_closep(&first);
}
