/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "guest.h"
#include "test.h"

static void addresses_are_checked(void)
{
	static const char *const bad[] = {"",
					  "10.0.2.15",
					  "10.0.2.15/",
					  "/24",
					  "10.0.2.15/0",
					  "10.0.2.15/33",
					  "10.0.2.15/024",
					  "10.0.2/24",
					  "10.0.2.15/2a",
					  "10.0.2.256/24",
					  "1234567890123456/24"};
	struct in_addr ip, mask;

	CU_ASSERT_EQUAL(init_parse_address("10.0.2.15/24", &ip, &mask), 0);
	CU_ASSERT_EQUAL(ntohl(ip.s_addr), 0x0a00020f);
	CU_ASSERT_EQUAL(ntohl(mask.s_addr), 0xffffff00);
	CU_ASSERT_EQUAL(init_parse_address("1.2.3.4/32", &ip, &mask), 0);
	CU_ASSERT_EQUAL(mask.s_addr, 0xffffffff);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(init_parse_address(bad[i], &ip, &mask), -EINVAL);
}

static void the_device_is_no_virtual_one(void)
{
	struct init *init = guest_new();
	char name[16];

	guest_write(init, "0", "/sys/class/net/lo/mtu");
	CU_ASSERT_FALSE(init_network_device(init, vmb_deadline_in(20), name));
	guest_write(init, "0x1af4", "/sys/class/net/eth0/device/vendor");
	CU_ASSERT(init_network_device(init, vmb_deadline_in(0), name));
	ASSERT_STR(name, "eth0");
	guest_free(init);
}

static const char *bound[4];
static size_t n_bound;

static int note_bind(const char *source, const char *target, const char *type, unsigned long flags,
		     const char *data)
{
	(void)type, (void)data;
	CU_ASSERT_EQUAL(flags, MS_BIND);
	CU_ASSERT_PTR_NOT_NULL(strstr(source, "/run/vmboot/"));
	if (n_bound < ARRAY_SIZE(bound))
		bound[n_bound++] = test_path("%s", strrchr(target, '/') + 1);
	return 0;
}

static const char *ours(const struct init *init, const char *name)
{
	_cleanup_free_ char *text = NULL;

	ASSERT_OK(
		vmb_read_file(test_path("%s/run/vmboot/%s", init->root, name), 4096, &text, NULL));
	return test_path("%s", text);
}

/* What an image says itself is left alone; a name server is the network's to say. */
static void names_are_found(void)
{
	struct init *init = guest_new();
	struct init_ops ops = guest_ops;

	ops.mount = note_bind;
	init->ops = &ops;
	init->config.hostname = "web";
	init->config.nameserver = "";
	n_bound = 0;
	init_names(init);
	CU_ASSERT_EQUAL(n_bound, 0); /* no /etc */
	guest_write(init, "", "/etc/passwd");
	ASSERT_OK(mkdir(test_path("%s/run", init->root), 0755) < 0 && errno != EEXIST ? -errno : 0);
	init_names(init);
	CU_ASSERT_EQUAL_FATAL(n_bound, 1);
	ASSERT_STR(bound[0], "hosts");
	CU_ASSERT_PTR_NOT_NULL(strstr(ours(init, "hosts"), "127.0.1.1 web\n"));
	guest_write(init, "127.0.0.1 mine", "/etc/hosts");
	guest_write(init, "nameserver 192.0.2.1", "/etc/resolv.conf");
	init->config.nameserver = "10.0.2.3";
	init_names(init);
	CU_ASSERT_EQUAL_FATAL(n_bound, 2);
	ASSERT_STR(bound[1], "resolv.conf");
	ASSERT_STR(ours(init, "resolv.conf"), "nameserver 10.0.2.3\n");
	ASSERT_OK(unlink(test_path("%s/etc/resolv.conf", init->root)));
	ASSERT_OK(symlink("../run/x", test_path("%s/etc/resolv.conf", init->root)));
	init_names(init);
	CU_ASSERT_EQUAL(n_bound, 2); /* somebody manages it */
	guest_free(init);
}

TEST_MAIN("init/network", {"addresses are checked", addresses_are_checked},
	  {"the device is no virtual one", the_device_is_no_virtual_one},
	  {"names are found", names_are_found})
