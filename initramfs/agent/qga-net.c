/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/socket.h>

#include "qga.h"

static const char *const counters[] = {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
				       "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"};
/* their names in the reply */
static const char *const members[] = {"rx-bytes", "rx-packets", "rx-errs", "rx-dropped",
				      "tx-bytes", "tx-packets", "tx-errs", "tx-dropped"};

static bool bytes_of(const struct sockaddr *a, const uint8_t **ret, size_t *ret_n)
{
	if (a && a->sa_family == AF_INET) {
		*ret = (const uint8_t *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
		*ret_n = 4;
		return true;
	}
	if (a && a->sa_family == AF_INET6) {
		*ret = (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
		*ret_n = 16;
		return true;
	}
	return false;
}

static char *put_hex(char *to, unsigned v)
{
	static const char digits[] = "0123456789abcdef";
	int shift = 12;

	while (shift > 0 && v >> shift == 0)
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*to++ = digits[v >> shift & 15];
	return to;
}

static unsigned group(const uint8_t *bytes, int i)
{
	return (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
}

/* The longest run of zero groups, the first of them, if it has two at least: where, and its end. */
static int longest_zeros(const uint8_t *bytes, int *ret_end)
{
	int best = -1, length = 1;

	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && group(bytes, i + n) == 0)
			n++;
		if (n > length) {
			best = i;
			length = n;
		}
	}
	*ret_end = best + length;
	return best;
}

/* As RFC 5952 writes it; inet_ntop() would bring all of printf along. */
static void format6(const uint8_t *bytes, char *to)
{
	int end, zeros = longest_zeros(bytes, &end);

	for (int i = 0; i < 8; i++) {
		if (i == zeros) {
			*to++ = ':';
			if (end == 8)
				*to++ = ':';
			i = end - 1;
			continue;
		}
		if (i > 0)
			*to++ = ':';
		to = put_hex(to, group(bytes, i));
	}
	*to = '\0';
}

static void format4(const uint8_t *bytes, char *to, size_t size)
{
	init_format(to, size, "%d.%d.%d.%d", bytes[0], bytes[1], bytes[2], bytes[3]);
}

static int prefix(const struct sockaddr *mask)
{
	const uint8_t *bytes;
	size_t n = 0;
	int bits = 0;

	if (!bytes_of(mask, &bytes, &n))
		return 0;
	for (size_t i = 0; i < n; i++)
		bits += __builtin_popcount(bytes[i]);
	return bits;
}

static void put_addresses(struct ajson_out *out, const struct ifaddrs *all, const char *name)
{
	char text[INET6_ADDRSTRLEN];
	const uint8_t *bytes;
	size_t n;

	ajson_open(out, "ip-addresses", '[');
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (strcmp(a->ifa_name, name) != 0 || !bytes_of(a->ifa_addr, &bytes, &n))
			continue;
		if (n == 4)
			format4(bytes, text, sizeof(text));
		else
			format6(bytes, text);
		ajson_open(out, NULL, '{');
		ajson_string(out, "ip-address-type", n == 4 ? "ipv4" : "ipv6");
		ajson_string(out, "ip-address", text);
		ajson_int(out, "prefix", prefix(a->ifa_netmask));
		ajson_close(out, '}');
	}
	ajson_close(out, ']');
}

static void put_hardware(struct ajson_out *out, const struct sockaddr_ll *ll)
{
	static const char digits[] = "0123456789abcdef";
	char text[3 * 6], *p = text;

	if (ll->sll_halen != 6 || ll->sll_hatype == ARPHRD_VOID)
		return;
	for (int i = 0; i < 6; i++) {
		*p++ = digits[ll->sll_addr[i] >> 4];
		*p++ = digits[ll->sll_addr[i] & 15];
		*p++ = ':';
	}
	p[-1] = '\0';
	ajson_string(out, "hardware-address", text);
}

static void put_counters(struct agent_qga *q, struct ajson_out *out, const char *name)
{
	char path[INIT_PATH_MAX], text[32];

	ajson_open(out, "statistics", '{');
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		init_path(q->init, path, "/sys/class/net/%s/statistics/%s", name, counters[i]);
		init_read_text(path, text, sizeof(text));
		ajson_uint(out, members[i], strtoull(text, NULL, 10));
	}
	ajson_close(out, '}');
}

/* Each has one address of its link, and any number of others. */
QGA_COMMAND(get_interfaces)
{
	struct ifaddrs *all;

	(void)call;
	if (getifaddrs(&all) < 0)
		return qga_fail_errno(q, "listing interfaces", "");
	ajson_open(out, NULL, '[');
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_PACKET)
			continue;
		ajson_open(out, NULL, '{');
		ajson_string(out, "name", a->ifa_name);
		put_hardware(out, (const struct sockaddr_ll *)(const void *)a->ifa_addr);
		put_addresses(out, all, a->ifa_name);
		put_counters(q, out, a->ifa_name);
		ajson_close(out, '}');
	}
	freeifaddrs(all);
	ajson_close(out, ']');
	return 0;
}
