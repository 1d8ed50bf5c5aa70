/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "opts/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"

/* What one text says. */
struct range {
	char ip[16];
	unsigned host, guest; /* the first of each; host 0: any */
	unsigned n;
	bool udp;
};

void vmb_ports_done(struct vmb_ports *ports)
{
	free(ports->list);
	*ports = (struct vmb_ports){0};
}

/* ---- from text ---- */

static bool parse_number(const char *text, unsigned *ret)
{
	uint64_t number;

	if (vmb_parse_u64(text, &number) < 0 || number > UINT16_MAX)
		return false;
	*ret = (unsigned)number;
	return true;
}

/* "80", or "8000-8010"; 0 only by itself. */
static bool parse_range(char *text, unsigned *ret_first, unsigned *ret_n)
{
	char *dash = strchr(text, '-');
	unsigned first, last;

	if (dash)
		*dash = '\0';
	if (!parse_number(text, &first))
		return false;
	last = first;
	if (dash && (!parse_number(dash + 1, &last) || first == 0 || last < first))
		return false;
	*ret_first = first;
	*ret_n = last - first + 1;
	return true;
}

static bool parse_protocol(char *text, bool *ret_udp)
{
	char *slash = strchr(text, '/');

	*ret_udp = slash && strcmp(slash, "/udp") == 0;
	if (!slash)
		return true;
	if (!*ret_udp && strcmp(slash, "/tcp") != 0)
		return false;
	*slash = '\0';
	return true;
}

/* In the kernel's form, so that two that are the same look the same. */
static bool parse_ip(const char *text, char ret[16])
{
	struct in_addr ip;

	return inet_pton(AF_INET, text, &ip) == 1 && inet_ntop(AF_INET, &ip, ret, 16);
}

/* Takes the part behind the last colon off text; NULL: there was no colon. */
static char *cut_last(char *text)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return NULL;
	*colon = '\0';
	return colon + 1;
}

static bool parse_host(char *text, struct range *ret)
{
	char *port = cut_last(text);
	unsigned n = ret->n;

	if (port && *text && !parse_ip(text, ret->ip))
		return false;
	if (!port)
		port = text;
	if (!*port)
		return true;
	return parse_range(port, &ret->host, &n) && (n == ret->n || ret->host == 0);
}

static bool parse(const char *text, struct range *ret)
{
	struct range range = {.ip = "0.0.0.0"};
	char copy[80], *guest;

	if (strlen(text) >= sizeof(copy))
		return false;
	vmb_strlcpy(copy, text, sizeof(copy));
	if (!parse_protocol(copy, &range.udp))
		return false;
	guest = cut_last(copy);
	if (!parse_range(guest ? guest : copy, &range.guest, &range.n) || range.guest == 0)
		return false;
	if (guest && !parse_host(copy, &range))
		return false;
	*ret = range;
	return true;
}

bool vmb_ports_valid(const char *text)
{
	struct range range;

	return parse(text, &range);
}

int vmb_ports_add(struct vmb_ports *ports, const char *text)
{
	struct vmb_port *list;
	struct range range;

	if (!parse(text, &range))
		return -EINVAL;
	list = reallocarray(ports->list, ports->n + range.n, sizeof(*list));
	if (!list)
		return vmb_oom();
	ports->list = list;
	for (unsigned i = 0; i < range.n; i++) {
		struct vmb_port *port = &list[ports->n++];

		*port = (struct vmb_port){.guest = (uint16_t)(range.guest + i), .udp = range.udp};
		port->host = range.host ? (uint16_t)(range.host + i) : 0;
		vmb_strlcpy(port->ip, range.ip, sizeof(port->ip));
	}
	return 0;
}

/* ---- of one request ---- */

static bool is_any_address(const char *ip)
{
	return strcmp(ip, "0.0.0.0") == 0;
}

static bool clash(const struct vmb_port *a, const struct vmb_port *b)
{
	if (a->host == 0 || a->host != b->host || a->udp != b->udp)
		return false;
	return strcmp(a->ip, b->ip) == 0 || is_any_address(a->ip) || is_any_address(b->ip);
}

static int refuse(const char *words)
{
	vmb_error(VMBOOT_EOPTS, "publish: %s", words);
	vmb_error_field("publish");
	return -VMBOOT_EOPTS;
}

static int refuse_too_many(void)
{
	return refuse("these are more than 1024 ports");
}

static int check_clashes(const struct vmb_ports *ports)
{
	char words[80];

	for (size_t i = 0; i < ports->n; i++)
		for (size_t j = 0; j < i; j++)
			if (clash(&ports->list[i], &ports->list[j])) {
				snprintf(words, sizeof(words),
					 "port %u/%s of the host is wanted twice",
					 ports->list[i].host, ports->list[i].udp ? "udp" : "tcp");
				return refuse(words);
			}
	return 0;
}

int vmb_ports_append(struct vmb_ports *ports, const struct vmb_ports *more)
{
	struct vmb_port *list;

	if (ports->n + more->n > VMB_PORTS_MAX)
		return refuse_too_many();
	list = reallocarray(ports->list, ports->n + more->n, sizeof(*list));
	if (!list)
		return vmb_oom();
	memcpy(list + ports->n, more->list, more->n * sizeof(*list));
	ports->list = list;
	ports->n += more->n;
	return check_clashes(ports);
}

static int remove_port(struct vmb_ports *ports, const struct vmb_port *port)
{
	char text[VMB_PORT_TEXT_MAX];
	size_t i = 0;

	while (i < ports->n &&
	       (ports->list[i].udp != port->udp || ports->list[i].host != port->host ||
		ports->list[i].guest != port->guest || strcmp(ports->list[i].ip, port->ip) != 0))
		i++;
	if (i == ports->n) {
		vmb_port_text(port, text);
		return vmb_error(ENOENT, "the port %s is not published", text);
	}
	ports->n--;
	memmove(&ports->list[i], &ports->list[i + 1], (ports->n - i) * sizeof(*port));
	return 0;
}

int vmb_ports_remove(struct vmb_ports *ports, const struct vmb_ports *which)
{
	int r = 0;

	for (size_t i = 0; i < which->n && r == 0; i++)
		r = remove_port(ports, &which->list[i]);
	return r;
}

int vmb_ports_read(const char *const *texts, struct vmb_ports *ret)
{
	_cleanup_ports_ struct vmb_ports ports = {0};
	int r = 0;

	for (; texts && *texts && r == 0; texts++) {
		r = vmb_ports_add(&ports, *texts);
		if (r == -EINVAL)
			return refuse("not a port"); /* the field's rule has refused it before */
		if (ports.n > VMB_PORTS_MAX)
			return refuse_too_many();
	}
	if (r == 0)
		r = check_clashes(&ports);
	if (r < 0)
		return r;
	*ret = ports;
	ports = (struct vmb_ports){0};
	return 0;
}

/* ---- to text ---- */

void vmb_port_text(const struct vmb_port *port, char out[VMB_PORT_TEXT_MAX])
{
	snprintf(out, VMB_PORT_TEXT_MAX, "%s:%u:%u/%s", port->ip, port->host, port->guest,
		 port->udp ? "udp" : "tcp");
}

int vmb_ports_text(const struct vmb_ports *ports, char **ret)
{
	_cleanup_buf_ struct vmb_buf b = {0};
	char text[VMB_PORT_TEXT_MAX];

	for (size_t i = 0; i < ports->n; i++) {
		vmb_port_text(&ports->list[i], text);
		vmb_buf_printf(&b, "%s%s", i ? " " : "", text);
	}
	return vmb_buf_take(&b, ret);
}

int vmb_ports_from_text(const char *text, struct vmb_ports *ret)
{
	_cleanup_ports_ struct vmb_ports ports = {0};
	_cleanup_free_ char *copy = NULL;
	char *rest = NULL;
	int r = vmb_strdup(text ? text : "", &copy);

	for (char *word = r < 0 ? NULL : strtok_r(copy, " ", &rest); word && r == 0;
	     word = strtok_r(NULL, " ", &rest)) {
		r = ports.n < VMB_PORTS_MAX ? vmb_ports_add(&ports, word) : -EINVAL;
		if (r == -EINVAL)
			r = vmb_error(VMBOOT_ELIBVIRT,
				      "the domain's metadata has invalid published ports");
	}
	if (r < 0)
		return r;
	*ret = ports;
	ports = (struct vmb_ports){0};
	return 0;
}
