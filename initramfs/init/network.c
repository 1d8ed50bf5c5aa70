/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "init.h"

enum { DEVICE_MS = 2000, LOOK_MS = 10 };

static int bring_up(int fd, const char *name)
{
	struct ifreq req = {0};

	init_format(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return -errno;
	req.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

/* ---- addresses ---- */

static void set_ip(struct sockaddr *to, struct in_addr ip)
{
	const struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = ip};

	memcpy(to, &in, sizeof(in));
}

int init_parse_address(const char *text, struct in_addr *ret_ip, struct in_addr *ret_mask)
{
	char ip[INET_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : 0;
	int bits = 0;

	if (n == 0 || n >= sizeof(ip) || strspn(slash + 1, "0123456789") != strlen(slash + 1) ||
	    slash[1] == '\0' || strlen(slash + 1) > 2)
		return -EINVAL;
	for (const char *p = slash + 1; *p; p++)
		bits = bits * 10 + (*p - '0');
	memcpy(ip, text, n);
	ip[n] = '\0';
	if (bits < 1 || bits > 32 || inet_pton(AF_INET, ip, ret_ip) != 1)
		return -EINVAL;
	ret_mask->s_addr = htonl(~0U << (32 - bits));
	return 0;
}

static int set_address(int fd, const char *name, const char *address)
{
	struct ifreq req = {0};
	struct in_addr ip, mask;
	int r = init_parse_address(address, &ip, &mask);

	if (r < 0)
		return r;
	init_format(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	set_ip(&req.ifr_addr, ip);
	if (ioctl(fd, SIOCSIFADDR, &req) < 0)
		return -errno;
	set_ip(&req.ifr_netmask, mask);
	return ioctl(fd, SIOCSIFNETMASK, &req) < 0 ? -errno : 0;
}

static int set_gateway(int fd, const char *gateway)
{
	struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
	struct in_addr ip, any = {0};

	if (!gateway[0])
		return 0;
	if (inet_pton(AF_INET, gateway, &ip) != 1)
		return -EINVAL;
	set_ip(&route.rt_gateway, ip);
	set_ip(&route.rt_dst, any);
	set_ip(&route.rt_genmask, any);
	return ioctl(fd, SIOCADDRT, &route) < 0 ? -errno : 0;
}

/* ---- the device ---- */

/* The first that is one: lo and what the kernel makes up have no device below them. */
static bool find_device(const struct init *init, char name[IF_NAMESIZE])
{
	char path[INIT_PATH_MAX];
	DIR *d = opendir(init_path(init, path, "/sys/class/net"));
	struct dirent *e;

	name[0] = '\0';
	while (d && !name[0] && (e = readdir(d)))
		if (e->d_name[0] != '.' && strlen(e->d_name) < IF_NAMESIZE &&
		    access(init_path(init, path, "/sys/class/net/%s/device", e->d_name), F_OK) == 0)
			init_format(name, IF_NAMESIZE, "%s", e->d_name);
	if (d)
		closedir(d);
	return name[0] != '\0';
}

bool init_network_device(const struct init *init, struct vmb_deadline until, char name[IF_NAMESIZE])
{
	while (!find_device(init, name)) {
		if (vmb_deadline_passed(until))
			return false;
		init_uevent_wait(init->uevents, vmb_deadline_poll(until, LOOK_MS));
	}
	return true;
}

static int set_up_device(struct init *init, int fd, struct init_report *report)
{
	const struct vmb_guest_config *c = &init->config;
	char name[IF_NAMESIZE];
	int r;

	if (!init_network_device(init, vmb_deadline_in(DEVICE_MS), name))
		return init_failed(report, ENODEV, "no network device came within 2 s");
	init_format(report->device, sizeof(report->device), "%s", name);
	init_format(report->detail, sizeof(report->detail), "%s", c->address);
	r = set_address(fd, name, c->address);
	if (r < 0)
		return init_failed(report, r, "setting the address %s", c->address);
	r = bring_up(fd, name);
	if (r < 0)
		return init_failed(report, r, "bringing it up");
	r = set_gateway(fd, c->gateway);
	return r < 0 ? init_failed(report, r, "setting the gateway %s", c->gateway) : 0;
}

/*
 * As containers have them, for the machine is all the program's: one that is not root may bind port 80
 * and send pings. podman sets the second to root's group only, of its user namespace; Docker to all.
 */
static const struct {
	const char *name, *value;
} sysctls[] = {
	{"ip_unprivileged_port_start", "0"},
	{"ping_group_range", "0 2147483647"},
};

static void set_sysctls(const struct init *init)
{
	char path[INIT_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
		_cleanup_close_ int fd =
			open(init_path(init, path, "/proc/sys/net/ipv4/%s", sysctls[i].name),
			     O_WRONLY | O_CLOEXEC);
		ssize_t n = (ssize_t)strlen(sysctls[i].value);

		if (fd >= 0 && write(fd, sysctls[i].value, (size_t)n) != n)
			init_debug(init, "cannot set %s: %s", sysctls[i].name, strerror(errno));
	}
}

int init_network(struct init *init, struct init_report *report)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *name = init->config.hostname;
	int r;

	if (name[0] && sethostname(name, strlen(name)) < 0)
		return init_failed(report, errno, "setting the host name");
	r = fd < 0 ? -errno : bring_up(fd, "lo");
	if (r < 0)
		return init_failed(report, r, "bringing lo up");
	if (init->config.init_mode != VMBOOT_INIT_SYSTEMD)
		set_sysctls(init);
	return init->config.address[0] ? set_up_device(init, fd, report) : 0;
}
