/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent.h"

void agent_streams_init(struct agent_streams *streams, const struct init *init,
			const char *const *env)
{
	*streams = (struct agent_streams){.init = init, .env = env};
}

void agent_streams_done(struct agent_streams *streams)
{
	for (size_t i = 0; i < VMB_STREAM_PORTS_MAX; i++)
		if (streams->all[i])
			agent_stream_free(streams->all[i]);
	agent_streams_init(streams, streams->init, streams->env);
}

static void open_stream(const char *name, const char *path, void *data)
{
	struct agent_streams *streams = data;
	int number = vmb_stream_port_number(name);
	struct agent_stream *s;

	if (number < 0 || streams->all[number])
		return;
	s = agent_stream_new(streams->init, streams->env);
	if (s && agent_stream_open(s, path) == 0)
		streams->all[number] = s;
	else if (s)
		agent_stream_free(s);
}

void agent_streams_look(struct agent_streams *streams)
{
	agent_ports_each(streams->init, open_stream, streams);
}

void agent_streams_give_up(const struct init *init)
{
	struct agent_streams streams;

	agent_streams_init(&streams, init, NULL);
	agent_streams_look(&streams);
	agent_streams_done(&streams);
}

void agent_streams_poll(struct agent_streams *streams, struct agent_polls *polls)
{
	for (size_t i = 0; i < VMB_STREAM_PORTS_MAX; i++)
		if (streams->all[i])
			agent_stream_poll(streams->all[i], polls);
}

int agent_streams_wait_ms(const struct agent_streams *streams)
{
	int first = -1, ms;

	for (size_t i = 0; i < VMB_STREAM_PORTS_MAX; i++) {
		ms = streams->all[i] ? agent_stream_wait_ms(streams->all[i]) : -1;
		if (ms >= 0 && (first < 0 || ms < first))
			first = ms;
	}
	return first;
}

void agent_streams_serve(struct agent_streams *streams, const struct agent_polls *polls)
{
	for (size_t i = 0; i < VMB_STREAM_PORTS_MAX; i++)
		if (streams->all[i])
			agent_stream_serve(streams->all[i], polls);
}

bool agent_streams_reap(struct agent_streams *streams, pid_t pid, uint32_t status)
{
	for (size_t i = 0; i < VMB_STREAM_PORTS_MAX; i++)
		if (streams->all[i] && agent_stream_reap(streams->all[i], pid, status))
			return true;
	return false;
}

bool agent_streams_busy(const struct agent_streams *streams)
{
	for (size_t i = 0; i < VMB_STREAM_PORTS_MAX; i++)
		if (streams->all[i] && agent_stream_busy(streams->all[i]))
			return true;
	return false;
}

void agent_streams_kill(const struct agent_streams *streams, int sig)
{
	for (size_t i = 0; i < VMB_STREAM_PORTS_MAX; i++)
		if (streams->all[i])
			agent_stream_kill(streams->all[i], sig);
}
