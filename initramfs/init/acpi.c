/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "init.h"

/*
 * The kernel tells ACPI events by generic netlink, family "acpi_event", group "acpi_mc_group":
 *
 *   nlmsghdr genlmsghdr { command 1 } nlattr { type 1 } char device_class[20] char bus_id[15] …
 *
 * The module `button` is all it needs; evdev and an input device are not.
 */

#define FAMILY "acpi_event"
#define GROUP "acpi_mc_group"
#define POWER_CLASS "button/power"

enum {
	EVENT_COMMAND = 1,
	EVENT_ATTR = 1,
	CLASS_SIZE = 20,
	MESSAGE_MAX = 4096,
	REPLY_MS = 100,
	DRAIN_MAX = 64,
};

struct span {
	const uint8_t *p;
	size_t n;
};

/* Takes the first attribute off the span; false at its end or when it is damaged. */
static bool next_attr(struct span *s, unsigned *ret_type, struct span *ret)
{
	struct nlattr a;
	size_t step;

	if (s->n < NLA_HDRLEN)
		return false;
	memcpy(&a, s->p, sizeof(a));
	if (a.nla_len < NLA_HDRLEN || a.nla_len > s->n)
		return false;
	*ret_type = a.nla_type & NLA_TYPE_MASK;
	*ret = (struct span){s->p + NLA_HDRLEN, a.nla_len - NLA_HDRLEN};
	step = NLA_ALIGN((size_t)a.nla_len);
	if (step > s->n)
		step = s->n;
	s->p += step;
	s->n -= step;
	return true;
}

static bool find_attr(struct span s, unsigned wanted, struct span *ret)
{
	unsigned type;

	while (next_attr(&s, &type, ret))
		if (type == wanted)
			return true;
	return false;
}

/* The attributes of a message whose headers are right. */
static bool open_message(const void *message, size_t n, unsigned command, struct span *ret)
{
	struct genlmsghdr genl;
	struct nlmsghdr nl;

	if (n < NLMSG_HDRLEN + GENL_HDRLEN)
		return false;
	memcpy(&nl, message, sizeof(nl));
	memcpy(&genl, (const uint8_t *)message + NLMSG_HDRLEN, sizeof(genl));
	if (nl.nlmsg_len < NLMSG_HDRLEN + GENL_HDRLEN || nl.nlmsg_len > n ||
	    nl.nlmsg_type < NLMSG_MIN_TYPE || genl.cmd != command)
		return false;
	ret->p = (const uint8_t *)message + NLMSG_HDRLEN + GENL_HDRLEN;
	ret->n = nl.nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
	return true;
}

int init_acpi_group(const void *reply, size_t n)
{
	struct span all, groups, group, name, id;
	unsigned index;
	uint32_t v;

	if (!open_message(reply, n, CTRL_CMD_NEWFAMILY, &all) ||
	    !find_attr(all, CTRL_ATTR_MCAST_GROUPS, &groups))
		return -ENOENT;
	while (next_attr(&groups, &index, &group)) {
		if (!find_attr(group, CTRL_ATTR_MCAST_GRP_NAME, &name) ||
		    !find_attr(group, CTRL_ATTR_MCAST_GRP_ID, &id) || id.n != sizeof(v) ||
		    name.n != sizeof(GROUP) || memcmp(name.p, GROUP, sizeof(GROUP)) != 0)
			continue;
		memcpy(&v, id.p, sizeof(v));
		return v > 0 && v < 0x7fffffff ? (int)v : -EBADMSG;
	}
	return -ENOENT;
}

bool init_acpi_is_power(const void *message, size_t n)
{
	struct span all, event;

	return open_message(message, n, EVENT_COMMAND, &all) &&
	       find_attr(all, EVENT_ATTR, &event) && event.n >= CLASS_SIZE &&
	       strncmp((const char *)event.p, POWER_CLASS, sizeof(POWER_CLASS)) == 0;
}

static int ask_group(int fd)
{
	struct {
		struct nlmsghdr nl;
		struct genlmsghdr genl;
		struct nlattr attr;
		char name[NLA_ALIGN(sizeof(FAMILY))];
	} ask = {
		.nl = {.nlmsg_len = sizeof(ask),
		       .nlmsg_type = GENL_ID_CTRL,
		       .nlmsg_flags = NLM_F_REQUEST},
		.genl = {.cmd = CTRL_CMD_GETFAMILY, .version = 1},
		.attr = {.nla_len = NLA_HDRLEN + sizeof(FAMILY), .nla_type = CTRL_ATTR_FAMILY_NAME},
		.name = FAMILY,
	};
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	uint8_t reply[MESSAGE_MAX];
	ssize_t n;

	if (sendto(fd, &ask, sizeof(ask), 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	if (poll(&p, 1, REPLY_MS) <= 0)
		return -ETIMEDOUT;
	n = recv(fd, reply, sizeof(reply), 0);
	return n < 0 ? -errno : init_acpi_group(reply, (size_t)n);
}

int init_acpi_open(void)
{
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC);
	int group = fd < 0 ? -errno : ask_group(fd);

	if (group < 0)
		return group;
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

bool init_acpi_pressed(int fd)
{
	uint8_t message[MESSAGE_MAX];
	bool pressed = false;
	struct sockaddr_nl from = {0};
	socklen_t len;
	ssize_t n;

	for (int i = 0; i < DRAIN_MAX; i++) {
		len = sizeof(from);
		n = recvfrom(fd, message, sizeof(message), 0, (struct sockaddr *)&from, &len);
		if (n <= 0)
			break;
		if (from.nl_pid == 0 && init_acpi_is_power(message, (size_t)n))
			pressed = true;
	}
	return pressed;
}
