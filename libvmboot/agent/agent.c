/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "agent/agent.h"

#include "agent/ports.h"
#include "domain/domain.h"
#include "wire/event.h"

void vmb_agent_init(struct vmb_agent *a)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->changed, &attr);
	pthread_condattr_destroy(&attr);
}

void vmb_agent_done(struct vmb_agent *a)
{
	if (a->conn)
		vmb_conn_unref(a->conn);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
}

struct vmb_conn *vmb_agent_take_conn(struct vmb_agent *a)
{
	return TAKE_PTR(a->conn);
}

int vmb_agent_wanted(struct vmb_agent *agent)
{
	int r;

	if (!agent->vm.metadata->skip_guest_agent) {
		if (!agent->vm.is_given_up(agent->vm.data))
			return 0;
		return vmb_error(VMBOOT_ENOAGENT,
				 "the VM \"%s\": " VMB_AGENT_GIVEN_UP
				 "; stop and start the VM to have one again",
				 agent->vm.name);
	}
	r = vmb_error(VMBOOT_ENOAGENT,
		      "the VM \"%s\" was made with skip_guest_agent, so exec, stat and cp cannot "
		      "reach it; make it again without that option",
		      agent->vm.name);
	vmb_error_field("skip_guest_agent");
	return r;
}

int vmb_agent_domain(const struct vmb_agent *a, virDomainPtr *ret)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	int r = vmb_conn_domain(a->vm.conn, a->vm.name, &d);

	if (r == 0)
		r = a->vm.check_same(a->vm.data, d);
	if (r == 0)
		*ret = TAKE_PTR(d);
	return r;
}

static int connect_stream(struct vmb_agent *a, struct vmb_deadline until, struct vmb_link **ret,
			  struct vmb_stream **ret_stream)
{
	_cleanup_domain_ virDomainPtr d = NULL;
	struct vmb_link *link;
	int r = 0, fd;

	if (!a->conn)
		r = vmb_conn_with_events(a->vm.conn, &a->conn);
	if (r == 0)
		r = vmb_conn_domain(a->conn, a->vm.name, &d);
	if (r == 0)
		r = a->vm.check_same(a->vm.data, d);
	if (r == 0)
		r = vmb_ports_open(d, &link, &fd);
	if (r < 0)
		return r;
	r = vmb_stream_open(fd, until, ret_stream);
	if (r < 0) {
		vmb_link_close(link);
		return r;
	}
	*ret = link;
	return 0;
}

/* Waits for others that open or close, or whose connection broke; the lock is held. */
static int wait_turn(struct vmb_agent *a, struct vmb_deadline until)
{
	const struct timespec at = {until.at_us / 1000000, until.at_us % 1000000 * 1000};

	while (a->busy || (a->stream && vmb_stream_is_broken(a->stream)))
		if (pthread_cond_timedwait(&a->changed, &a->lock, &at) == ETIMEDOUT)
			return vmb_error(ETIMEDOUT, "the agent of the VM \"%s\" does not answer",
					 a->vm.name);
	return 0;
}

/* Opens or closes with the lock released: what users share stays theirs alone meanwhile. */
static int open_shared(struct vmb_agent *a, struct vmb_deadline until)
{
	struct vmb_stream *stream = NULL;
	struct vmb_link *link = NULL;
	int r;

	a->busy = true;
	pthread_mutex_unlock(&a->lock);
	r = connect_stream(a, until, &link, &stream);
	pthread_mutex_lock(&a->lock);
	a->stream = stream;
	a->link = link;
	a->busy = false;
	pthread_cond_broadcast(&a->changed);
	return r;
}

int vmb_agent_get(struct vmb_agent *a, struct vmb_deadline until, struct vmb_stream **ret)
{
	int r;

	pthread_mutex_lock(&a->lock);
	r = wait_turn(a, until);
	if (r == 0 && !a->stream)
		r = open_shared(a, until);
	if (r == 0) {
		a->users++;
		*ret = a->stream;
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

void vmb_agent_put(struct vmb_agent *a)
{
	pthread_mutex_lock(&a->lock);
	if (--a->users == 0) {
		a->busy = true;
		pthread_mutex_unlock(&a->lock);
		vmb_stream_close(a->stream);
		vmb_link_close(a->link);
		pthread_mutex_lock(&a->lock);
		a->stream = NULL;
		a->link = NULL;
		a->busy = false;
		pthread_cond_broadcast(&a->changed);
	}
	pthread_mutex_unlock(&a->lock);
}

int vmb_agent_session(struct vmb_agent *agent, const struct vmb_exec_request *request,
		      struct vmb_deadline until, struct vmb_session **ret)
{
	struct vmb_stream *stream;
	int r;

	r = vmb_agent_get(agent, until, &stream);
	if (r < 0)
		return r;
	r = vmb_session_open(stream, request, until, ret);
	if (r < 0)
		vmb_agent_put(agent);
	return r;
}

void vmb_agent_close(struct vmb_agent *agent, struct vmb_session *session)
{
	vmb_session_close(session);
	vmb_agent_put(agent);
}
