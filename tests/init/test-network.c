/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
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

/* ---- names ---- */

static const char *etc(const struct init *init, const char *name)
{
	return test_read(test_path("%s/etc/%s", init->root, name));
}

static struct init *guest_with_names(void)
{
	struct init *init = guest_new();

	init->config.init_mode = VMBOOT_INIT_EXEC;
	init->config.hostname = "web";
	init->config.nameserver = "10.0.2.3";
	init->overlay = open(init->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return init;
}

static void free_guest_with_names(struct init *init)
{
	vmb_closep(&init->overlay);
	guest_free(init);
}

static void hosts_gets_what_is_missing(void)
{
	static const struct {
		const char *hosts, *more;
	} rows[] = {
		{"", "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 web\n"},
		{"127.0.0.1\tlocalhost\n", "127.0.1.1 web\n"},
		{"127.0.0.1 localhost", "\n127.0.1.1 web\n"},
		{"127.0.0.1 localhost\n10.0.0.1 webs web.org # web\n", "127.0.1.1 web\n"},
		{"127.0.0.1 localhost\n10.0.0.1 a\tweb\r\n", ""},
		{"127.0.0.1 localhost web", ""},
		{"web localhost\n", "127.0.1.1 web\n"}, /* the first word is an address */
		{"#127.0.0.1 localhost web\n",
		 "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 web\n"},
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(init_names_missing(rows[i].hosts, "web", text, sizeof(text)),
				strlen(rows[i].more));
		ASSERT_STR(text, rows[i].more);
	}
	CU_ASSERT_EQUAL(init_names_missing("127.0.0.1 localhost\n", "", text, sizeof(text)), 0);
}

static void an_image_without_etc_gets_names(void)
{
	struct init *init = guest_with_names();

	ASSERT_OK(rmdir(test_path("%s/etc", init->root)) < 0 ? -errno : 0);
	init_names(init);
	ASSERT_STR(etc(init, "hosts"), "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 web\n");
	ASSERT_STR(etc(init, "hostname"), "web\n");
	ASSERT_STR(etc(init, "resolv.conf"), "nameserver 10.0.2.3\n");
	CU_ASSERT(access(test_path("%s/etc/.vmboot-new", init->root), F_OK) < 0);
	free_guest_with_names(init);
}

static void a_users_names_stay(void)
{
	struct init *init = guest_with_names();

	guest_write(init, "baked\n", "etc/hostname");
	init_names(init);
	ASSERT_STR(etc(init, "hostname"), "web\n");
	/* the VM's network changes: the file is still ours */
	init->config.nameserver = "10.0.3.3";
	init_names(init);
	ASSERT_STR(etc(init, "resolv.conf"), "nameserver 10.0.3.3\n");
	guest_write(init, "nameserver 192.0.2.1\n", "etc/resolv.conf");
	guest_write(init, "mine\n", "etc/hostname");
	init->config.nameserver = "10.0.2.3";
	init_names(init);
	ASSERT_STR(etc(init, "resolv.conf"), "nameserver 192.0.2.1\n");
	ASSERT_STR(etc(init, "hostname"), "mine\n");
	ASSERT_OK(unlink(test_path("%s/etc/resolv.conf", init->root)));
	init_names(init);
	CU_ASSERT(access(test_path("%s/etc/resolv.conf", init->root), F_OK) < 0);
	free_guest_with_names(init);
}

/* For a program the file is plain; whatever an init system starts to resolve names finds its link. */
static void a_link_into_run_stays_for_an_init_system(void)
{
	struct init *init = guest_with_names();
	const char *file = test_path("%s/etc/resolv.conf", init->root);
	struct stat st;

	ASSERT_OK(symlink("../run/systemd/resolve/stub-resolv.conf", file));
	init->config.init_mode = VMBOOT_INIT_SYSTEMD;
	ASSERT_OK(mkdir(test_path("%s/run", init->root), 0755));
	init_names(init);
	CU_ASSERT(lstat(file, &st) == 0 && S_ISLNK(st.st_mode));
	ASSERT_STR(etc(init, "../run/systemd/resolve/stub-resolv.conf"), "nameserver 10.0.2.3\n");
	CU_ASSERT(access(test_path("%s/etc/hostname", init->root), F_OK) < 0);
	init->config.init_mode = VMBOOT_INIT_EXEC;
	init_names(init);
	CU_ASSERT(lstat(file, &st) == 0 && S_ISREG(st.st_mode));
	free_guest_with_names(init);
}

TEST_MAIN("init/network", {"addresses are checked", addresses_are_checked},
	  {"the device is no virtual one", the_device_is_no_virtual_one},
	  {"hosts gets what is missing", hosts_gets_what_is_missing},
	  {"an image without /etc gets names", an_image_without_etc_gets_names},
	  {"a user's names stay", a_users_names_stay},
	  {"a link into /run stays for an init system", a_link_into_run_stays_for_an_init_system})
