/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/settings.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "test.h"

static void sizes(void)
{
	static const char *const good[] = {"1", "64m", "2G", "18446744", "4096k"};
	static const char *const bad[] = {"",	  "0",	"m",  "1.5g", "64mb",
					  "64 m", "-1", "1%", "0x10", "99999999999999999999"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		CU_ASSERT(vmb_is_size(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_FALSE(vmb_is_size(bad[i]));
}

static void durations(void)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {
		{"0", 0},
		{"90", 90000},
		{"90s", 90000},
		{"500ms", 500},
		{"1h30m", 5400000},
		{"1.5s", 1500},
		{"0.0005s", 0},
		{"1m1s1ms", 61001},
		{"876000h", 876000ULL * 3600000},
		{"1.123456789s", 1123},
	};
	static const char *const bad[] = {"",
					  "s",
					  "1x",
					  "1 s",
					  "-1s",
					  "1.s",
					  ".5s",
					  "1.5",
					  "1h2",
					  "1d",
					  "s1",
					  "9999999h",
					  "18446744073709551615h"};
	uint64_t ms;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ms = 1;
		CU_ASSERT_EQUAL(vmb_duration_parse(rows[i].text, &ms), 0);
		CU_ASSERT_EQUAL(ms, rows[i].ms);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(vmb_duration_parse(bad[i], &ms), -EINVAL);
}

static void mounts_of_tmpfs(void)
{
	const unsigned long usual = MS_NOSUID | MS_NODEV;
	const struct {
		const char *text;
		size_t path;
		unsigned long flags;
		bool copy_up;
		const char *data;
	} rows[] = {
		{"/tmp", 4, usual, true, ""},
		{"/a b:size=64m,mode=1777", 4, usual, true, "size=64m,mode=1777"},
		{"/x:ro,noexec,suid,dev", 2, MS_RDONLY | MS_NOEXEC, true, ""},
		{"/x:noexec,exec,rw,noatime", 2, usual | MS_NOATIME, true, ""},
		{"/x:size=50%,uid=0,gid=7,nr_inodes=1k,notmpcopyup", 2, usual, false,
		 "size=50%,uid=0,gid=7,nr_inodes=1k"},
	};
	static const char *const bad[] = {"",
					  "x",
					  "/",
					  "/.",
					  "/..",
					  "/a/../b",
					  "//",
					  "/x:",
					  "/x:,",
					  "/x:size=",
					  "/x:size=0",
					  "/x:size=101%",
					  "/x:mode=8",
					  "/x:uid=a",
					  "/x:bind",
					  "/x:size=1,lowerdir=/",
					  "/x:mode=17777777"};
	struct vmb_tmpfs t;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(vmb_tmpfs_parse(rows[i].text, &t), 0);
		CU_ASSERT_EQUAL(t.path_length, rows[i].path);
		CU_ASSERT_EQUAL(t.flags, rows[i].flags);
		CU_ASSERT_EQUAL(t.copy_up, rows[i].copy_up);
		ASSERT_STR(t.data, rows[i].data);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(vmb_tmpfs_parse(bad[i], &t), -EINVAL);
	/* as much as there is room for, and a byte more */
	CU_ASSERT_EQUAL(vmb_tmpfs_parse(test_path("/x:%s%s%s",
						  "size=000000000000000000000000000001m,"
						  "size=000000000000000000000000000001m,",
						  "size=000000000000000000000000000001m,",
						  "mode=01777,uid=1,gid=1"),
					&t),
			-EINVAL);
}

static void kernel_parameters(void)
{
	static const char *const rows[][3] = {
		{"net.core.somaxconn=1024", "net/core/somaxconn", "1024"},
		{"net/core/somaxconn=1", "net/core/somaxconn", "1"},
		{"net.ipv4.conf.eth0/1.forwarding=1", "net/ipv4/conf/eth0.1/forwarding", "1"},
		{"net/ipv4/conf/eth0.1/forwarding=1", "net/ipv4/conf/eth0.1/forwarding", "1"},
		{"net.ipv4.tcp_rmem=4096 87380 6291456", "net/ipv4/tcp_rmem", "4096 87380 6291456"},
		{"kernel.core_pattern=|/x %p=y", "kernel/core_pattern", "|/x %p=y"},
	};
	static const char *const bad[] = {"",	    "=1",	"a",	  "a=",	   ".a=1", "/a=1",
					  "a..b=1", "a/../b=1", "a//b=1", "a b=1", "a.=1"};
	char path[VMB_SYSCTL_PATH_MAX];
	const char *value;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(vmb_sysctl_parse(rows[i][0], path, &value), 0);
		ASSERT_STR(path, rows[i][1]);
		ASSERT_STR(value, rows[i][2]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(vmb_sysctl_parse(bad[i], path, &value), -EINVAL);
	CU_ASSERT_EQUAL(vmb_sysctl_parse(test_path("a%0300d=1", 0), path, &value), -EINVAL);
}

static void restarts(void)
{
	static const struct {
		const char *text;
		unsigned when;
		uint64_t most;
	} rows[] = {
		{"no", VMB_RESTART_NO, 0},
		{"always", VMB_RESTART_ALWAYS, 0},
		{"on-failure", VMB_RESTART_ON_FAILURE, 0},
		{"on-failure:7", VMB_RESTART_ON_FAILURE, 7},
	};
	static const char *const bad[] = {
		"",	    "yes",	   "on-failure:",   "on-failure:0",
		"always:1", "on-failures", "on-failure:1x", "on-failure:-1"};
	struct vmb_restart r;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(vmb_restart_parse(rows[i].text, &r), 0);
		CU_ASSERT_EQUAL(r.when, rows[i].when);
		CU_ASSERT_EQUAL(r.most, rows[i].most);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(vmb_restart_parse(bad[i], &r), -EINVAL);
}

static void limits(void)
{
	static const struct {
		const char *text;
		int resource;
		uint64_t soft, hard;
	} rows[] = {
		{"nofile=1024:4096", RLIMIT_NOFILE, 1024, 4096},
		{"core=0", RLIMIT_CORE, 0, 0},
		{"memlock=unlimited", RLIMIT_MEMLOCK, VMB_ULIMIT_NONE, VMB_ULIMIT_NONE},
		{"nproc=-1:-1", RLIMIT_NPROC, VMB_ULIMIT_NONE, VMB_ULIMIT_NONE},
		{"stack=65536:unlimited", RLIMIT_STACK, 65536, VMB_ULIMIT_NONE},
	};
	static const char *const bad[] = {"",
					  "nofile",
					  "nofile=",
					  "files=1",
					  "nofile=a",
					  "nofile=2:1",
					  "nofile=1:",
					  "nofile=1:2:3",
					  "nofile=1 ",
					  "=1",
					  "nofile=unlimited:1",
					  "NOFILE=1"};
	struct vmb_ulimit l;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		CU_ASSERT_EQUAL(vmb_ulimit_parse(rows[i].text, &l), 0);
		CU_ASSERT_EQUAL(l.resource, rows[i].resource);
		CU_ASSERT(l.soft == rows[i].soft && l.hard == rows[i].hard);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(vmb_ulimit_parse(bad[i], &l), -EINVAL);
}

TEST_MAIN("wire/settings", {"sizes", sizes}, {"durations", durations},
	  {"mounts of tmpfs", mounts_of_tmpfs}, {"kernel parameters", kernel_parameters},
	  {"restarts", restarts}, {"limits", limits})
