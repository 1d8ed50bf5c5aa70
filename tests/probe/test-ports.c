/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether ports of this host are free, and who has those that are not. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/str.h"
#include "probe/ports.h"
#include "test.h"

static int listen_on_loopback(int type, unsigned *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	CU_ASSERT_FATAL(fd >= 0 && bind(fd, (struct sockaddr *)&at, n) == 0);
	CU_ASSERT_FATAL(type == SOCK_DGRAM || listen(fd, 1) == 0);
	CU_ASSERT_FATAL(getsockname(fd, (struct sockaddr *)&at, &n) == 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static struct vmb_ports ports_of(const char *text)
{
	const char *const list[] = {text, NULL};
	struct vmb_ports ports = {0};

	ASSERT_OK(vmb_ports_read(list, &ports));
	return ports;
}

static void chooses_free_ones(void)
{
	_cleanup_ports_ struct vmb_ports ports = ports_of("127.0.0.1::80-82");

	ASSERT_OK(vmb_ports_resolve(&ports));
	for (size_t i = 0; i < ports.n; i++) {
		CU_ASSERT(ports.list[i].host != 0);
		for (size_t j = 0; j < i; j++)
			CU_ASSERT(ports.list[i].host != ports.list[j].host);
	}
	ASSERT_OK(vmb_ports_resolve(&ports)); /* and they are free again */
}

static void names_who_has_it(int type, const char *protocol)
{
	unsigned number;
	int fd = listen_on_loopback(type, &number);
	_cleanup_ports_ struct vmb_ports ports =
		ports_of(test_path("127.0.0.1:%u:80/%s", number, protocol));

	prctl(PR_SET_NAME, "port-owner");
	ASSERT_ERROR(vmb_ports_resolve(&ports), EADDRINUSE,
		     test_path("port %u/%s of 127.0.0.1 is in use by port-owner (PID %d)", number,
			       protocol, (int)getpid()));
	close(fd);
	ASSERT_OK(vmb_ports_resolve(&ports));
}

static void names_who_has_a_tcp_port(void)
{
	names_who_has_it(SOCK_STREAM, "tcp");
}

static void names_who_has_a_udp_port(void)
{
	names_who_has_it(SOCK_DGRAM, "udp");
}

/* TEST-NET-1, RFC 5737: no host has it. */
static void refuses_an_address_that_is_not_here(void)
{
	_cleanup_ports_ struct vmb_ports ports = ports_of("192.0.2.1:0:80");

	ASSERT_ERROR(vmb_ports_resolve(&ports), EADDRNOTAVAIL,
		     "does not have the address 192.0.2.1");
}

TEST_MAIN("probe/ports", {"chooses free ones", chooses_free_ones},
	  {"names who has a TCP port", names_who_has_a_tcp_port},
	  {"names who has a UDP port", names_who_has_a_udp_port},
	  {"refuses an address that is not here", refuses_an_address_that_is_not_here})
