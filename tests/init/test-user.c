/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "guest.h"
#include "test.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "\n"
			     "broken\n"
			     "negative:x:-1:0::/:/bin/sh\n"
			     "huge:x:99999999999:0::/:/bin/sh\n"
			     "1234:x:7:7:a name of digits:/seven:/bin/sh\n"
			     "app:x:1000:1001:App:/home/app:/bin/sh\n"
			     "twin:x:1000:55::/twin:/bin/sh\n"
			     "homeless:x:1002:1002:::\n"
			     "last:x:1003:1003::/last:/bin/sh"; /* no newline */
static const char group[] = "root:x:0:\n"
			    "wheel:x:10:root,app\n"
			    "::\n"
			    "apps:x:1001:app\n"
			    "apple:x:11:apple,xapp,appx\n"
			    "many:x:77:other,app,more\n"
			    "badid:x:x:app\n";

static const struct {
	const char *spec;
	uid_t uid;
	gid_t gid;
	const char *home;
	const char *groups; /* each followed by a space */
} good[] = {
	{"", 0, 0, "/root", "10 0 "},
	{"root", 0, 0, "/root", "10 0 "},
	{"0", 0, 0, "/root", "10 0 "},
	{"app", 1000, 1001, "/home/app", "10 1001 77 "},
	{"1000", 1000, 1001, "/home/app", "10 1001 77 "},
	{"app:", 1000, 1001, "/home/app", "10 1001 77 "},
	{"app:many", 1000, 77, "/home/app", "77 "},
	{"app:77", 1000, 77, "/home/app", "77 "},
	{"1000:4000", 1000, 4000, "/home/app", "4000 "},
	{":many", 0, 77, "/root", "77 "},
	{"1234", 1234, 0, "/", "0 "}, /* a number is an id, never a name */
	{"2147483648:2147483647", 2147483648, 2147483647, "/", "2147483647 "},
	{"4294967294:4294967294", 4294967294, 4294967294, "/", "4294967294 "},
	{"homeless", 1002, 1002, "/", "1002 "},
	{"last", 1003, 1003, "/last", "1003 "},
};

static const struct {
	const char *spec, *words;
} bad[] = {
	{"ghost", "no user \"ghost\""},
	{"app:ghosts", "no group \"ghosts\""},
	{"huge", "no user"},
	{"negative", "no user"},
	{"broken", "no user"},
	{"-1", "no user"},
	{"4294967295", "no user"},
	{"0x10", "no user"},
	{"app:-1", "no group"},
	{"app:badid", "no group"},
	{" app", "no user"},
};

static struct init *guest_with_files(void)
{
	struct init *init = guest_new();

	guest_write(init, passwd, "etc/passwd");
	guest_write(init, group, "etc/group");
	return init;
}

static const char *groups_text(const struct init_user *user)
{
	const char *text = "";

	for (size_t i = 0; i < user->n_groups; i++)
		text = test_path("%s%u ", text, user->groups[i]);
	return text;
}

static void finds_as_runtimes_do(void)
{
	struct init *init = guest_with_files();

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct init_report report = {0};
		struct init_user user = {0};

		CU_ASSERT_EQUAL(init_user_find(init, good[i].spec, &user, &report), 0);
		CU_ASSERT_EQUAL(user.uid, good[i].uid);
		CU_ASSERT_EQUAL(user.gid, good[i].gid);
		ASSERT_STR(user.home, good[i].home);
		ASSERT_STR(groups_text(&user), good[i].groups);
	}
	guest_free(init);
}

static void refuses_what_is_unknown(void)
{
	struct init *init = guest_with_files();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct init_report report = {0};
		struct init_user user = {.uid = 42};

		/* not ENOENT: that is a command that is missing */
		CU_ASSERT_EQUAL(init_user_find(init, bad[i].spec, &user, &report), -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(report.detail, bad[i].words));
		CU_ASSERT_EQUAL(user.uid, 42);
	}
	guest_free(init);
}

static void needs_no_files_for_numbers(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};
	struct init_user user = {0};

	CU_ASSERT_EQUAL(init_user_find(init, "", &user, &report), 0);
	CU_ASSERT(user.uid == 0 && user.gid == 0);
	ASSERT_STR(user.home, "/");
	CU_ASSERT_EQUAL(init_user_find(init, "5:6", &user, &report), 0);
	CU_ASSERT(user.uid == 5 && user.gid == 6);
	CU_ASSERT_EQUAL(init_user_find(init, "root", &user, &report), -EINVAL);
	guest_free(init);
}

static void hostile_files_are_refused(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};
	struct init_user user;
	const char *path = test_path("%s/etc/passwd", init->root);

	CU_ASSERT_EQUAL(mkfifo(path, 0644), 0); /* nobody writes: a read would hang */
	CU_ASSERT_EQUAL(init_user_find(init, "app", &user, &report), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(report.detail, "/etc/passwd in the image cannot be read"));
	unlink(path);
	test_write(path, "app:x:1:1:::\n");
	CU_ASSERT_EQUAL(truncate(path, 64 << 20), 0);
	CU_ASSERT_EQUAL(init_user_find(init, "app", &user, &report), -EFBIG);
	guest_free(init);
}

static void too_many_groups_are_refused(void)
{
	struct init *init = guest_new();
	struct init_report report = {0};
	struct init_user user;
	char text[INIT_GROUPS_MAX * 32], *p = text;

	for (int i = 0; i < INIT_GROUPS_MAX; i++)
		p += sprintf(p, "g%d:x:%d:app\n", i, 2000 + i);
	guest_write(init, "app:x:1:1:::\n", "etc/passwd");
	guest_write(init, text, "etc/group");
	CU_ASSERT_EQUAL(init_user_find(init, "app", &user, &report), -E2BIG);
	guest_free(init);
}

TEST_MAIN("init/user", {"finds as container runtimes do", finds_as_runtimes_do},
	  {"refuses what is unknown", refuses_what_is_unknown},
	  {"needs no files for numbers", needs_no_files_for_numbers},
	  {"hostile files are refused", hostile_files_are_refused},
	  {"too many groups are refused", too_many_groups_are_refused})
