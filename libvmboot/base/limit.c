/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/limit.h"

#include <stdatomic.h>
#include <sys/eventfd.h>

#include "base/error.h"

/* The flag is for those who look as they go, the descriptor for those who wait. */
struct vmboot_cancel {
	atomic_bool cancelled;
	int fd;
};

static _Thread_local struct vmb_limit *current;

int vmboot_cancel_new(struct vmboot_cancel **ret_cancel)
{
	_cleanup_free_ struct vmboot_cancel *c = calloc(1, sizeof(*c));

	if (!c)
		return vmb_oom();
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->fd < 0)
		return vmb_errno(errno, "cannot make an eventfd");
	*ret_cancel = TAKE_PTR(c);
	return 0;
}

void vmboot_cancel(struct vmboot_cancel *cancel)
{
	const uint64_t one = 1;
	int saved = errno;
	ssize_t n;

	if (!cancel)
		return;
	atomic_store(&cancel->cancelled, true);
	n = write(cancel->fd, &one, sizeof(one));
	(void)n; /* nobody reads it, so it stays readable whatever else is written */
	errno = saved;
}

void vmboot_cancel_free(struct vmboot_cancel *cancel)
{
	if (!cancel)
		return;
	close(cancel->fd);
	free(cancel);
}

void vmb_limit_enter(struct vmb_limit *limit, uint64_t timeout_ms,
		     const struct vmboot_cancel *cancel, const char *step)
{
	if (timeout_ms == 0)
		timeout_ms = VMB_LIMIT_DEFAULT_MS;
	*limit = (struct vmb_limit){
		.deadline = {vmb_monotonic_us() + (int64_t)timeout_ms * 1000},
		.timeout_ms = timeout_ms,
		.cancel = cancel,
		.step = step,
		.outer = current,
	};
	current = limit;
}

void vmb_limit_leave(struct vmb_limit *limit)
{
	current = limit->outer;
}

int vmb_limit_step(const char *step)
{
	if (!current)
		return 0;
	current->step = step;
	return vmb_limit_check();
}

int vmb_limit_check(void)
{
	const struct vmb_limit *l = current;

	if (!l)
		return 0;
	if (l->cancel && atomic_load(&l->cancel->cancelled))
		return vmb_error(ECANCELED, "cancelled while %s", l->step);
	if (vmb_deadline_passed(l->deadline))
		return vmb_error(ETIMEDOUT, "the %llu ms of timeout_ms have passed while %s",
				 (unsigned long long)l->timeout_ms, l->step);
	return 0;
}

static struct vmb_deadline earlier(struct vmb_deadline a, struct vmb_deadline b)
{
	return a.at_us < b.at_us ? a : b;
}

int vmb_limit_poll(struct pollfd *p, struct vmb_deadline deadline)
{
	struct vmb_deadline until = current ? earlier(deadline, current->deadline) : deadline;
	struct pollfd fds[] = {
		p ? *p : (struct pollfd){.fd = -1},
		{.fd = current && current->cancel ? current->cancel->fd : -1, .events = POLLIN},
	};
	int r, n;

	do {
		r = vmb_limit_check();
		if (r < 0)
			return r;
		n = poll(fds, ARRAY_SIZE(fds), vmb_deadline_poll(until, -1));
	} while ((n < 0 && errno == EINTR) || (n > 0 && !fds[0].revents) ||
		 (n == 0 && !vmb_deadline_passed(deadline)));
	if (n < 0)
		return vmb_errno(errno, "cannot wait");
	if (p)
		p->revents = fds[0].revents;
	return n > 0;
}
