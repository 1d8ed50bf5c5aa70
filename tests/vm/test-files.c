/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/files.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "test.h"

/* ---- labels ---- */

static void labels(void)
{
	static const struct {
		const char *label;
		int r;
		uid_t uid;
		gid_t gid;
	} rows[] = {
		{"+64055:+108", 0, 64055, 108},
		{"64055:108", 0, 64055, 108},
		{"+0:+0", 0, 0, 0},
		{"+4294967294:+1", 0, 4294967294, 1},
		{"+4294967295:+1", -EINVAL, 0, 0}, /* chown's "leave it" */
		{"+1:+4294967295", -EINVAL, 0, 0},
		{"+4294967296:+1", -EINVAL, 0, 0},
		{"+18446744073709551616:+1", -EINVAL, 0, 0},
		{"", -EINVAL, 0, 0},
		{":", -EINVAL, 0, 0},
		{"+1", -EINVAL, 0, 0},
		{"+1:", -EINVAL, 0, 0},
		{":+1", -EINVAL, 0, 0},
		{"+:+", -EINVAL, 0, 0},
		{"+1:+2:", -EINVAL, 0, 0},
		{"+1:+2 ", -EINVAL, 0, 0},
		{" +1:+2", -EINVAL, 0, 0},
		{"+ 1:+2", -EINVAL, 0, 0},
		{"+1: 2", -EINVAL, 0, 0},
		{"++1:+2", -EINVAL, 0, 0},
		{"-1:+2", -EINVAL, 0, 0},
		{"+-1:+2", -EINVAL, 0, 0},
		{"-18446744073709551615:+2", -EINVAL, 0, 0},
		{"0x1:+2", -EINVAL, 0, 0},
		{"libvirt-qemu:kvm", -EINVAL, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uid_t uid = 0;
		gid_t gid = 0;
		int r = vmb_files_parse_label(rows[i].label, &uid, &gid);

		if (r != rows[i].r)
			fprintf(stderr, "\"%s\": %d\n", rows[i].label, r);
		CU_ASSERT_EQUAL(r, rows[i].r);
		CU_ASSERT(uid == rows[i].uid && gid == rows[i].gid);
	}
}

static void files_are_given_to_the_label(void)
{
	const char *path = test_path("%s/f", test_tmpdir());
	const char *own = test_path("+%u:+%u", (unsigned)geteuid(), (unsigned)getegid());
	struct stat st;

	ASSERT_OK(vmb_files_create(path, own));
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT(S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0600 && st.st_size == 0);
	ASSERT_ERROR(vmb_files_create(path, NULL), EEXIST, path);
	ASSERT_OK(vmb_files_give(path, NULL));
	ASSERT_ERROR(vmb_files_give(path, "me"), VMBOOT_ELIBVIRT, "\"me\" is no user and group");
	ASSERT_ERROR(vmb_files_give("/nowhere/f", own), ENOENT, "cannot give /nowhere/f to");
	if (geteuid() != 0) {
		test_not_tried("only root can give files away");
		return;
	}
	ASSERT_OK(vmb_files_give(path, "+12345:+54321"));
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT(st.st_uid == 12345 && st.st_gid == 54321);
}

static void a_link_is_given_away_not_what_it_points_to(void)
{
	const char *target = test_path("%s/target", test_tmpdir());
	const char *path = test_path("%s/link", test_tmpdir());
	struct stat st;

	test_write(target, "");
	CU_ASSERT_EQUAL(symlink(target, path), 0);
	ASSERT_ERROR(vmb_files_create(path, NULL), EEXIST, path);
	if (geteuid() != 0) {
		test_not_tried("only root can give files away");
		return;
	}
	ASSERT_OK(vmb_files_give(path, "+12345:+54321"));
	CU_ASSERT(stat(target, &st) == 0 && st.st_uid == 0);
}

/* ---- access ---- */

/* In memory of the test's. */
static void add_disks(struct vmb_plan *p)
{
	struct vmb_disk *copy;

	p->n_disks = 0;
	p->disks = NULL;
	p->disk_strings = NULL;
	ASSERT_OK(vmb_plan_add_disks(p));
	copy = test_alloc(p->n_disks * sizeof(*copy));
	memcpy(copy, p->disks, p->n_disks * sizeof(*copy));
	for (size_t i = 0; i < p->n_disks; i++)
		copy[i].file = test_path("%s", copy[i].file);
	free(p->disks);
	vmb_list_free(p->disk_strings);
	p->disks = copy;
	p->disk_strings = NULL;
}

/* A plan whose files are in the test's folder, for a user who is somebody else. */
static struct vmb_plan somebodys_plan(void)
{
	static char label[] = "+64055:+64055";
	const char *top = test_tmpdir();
	struct vmb_plan p = {0};

	p.facts.dac_label = label;
	p.facts.image.disk = (char *)test_path("%s/a/b/root", top);
	p.facts.kernel_copy = (char *)test_path("%s/a/vmlinux", top);
	p.facts.initramfs = (char *)test_path("%s/a/cpio", top);
	p.facts.kernel_disk = (char *)test_path("%s/a/squashfs", top);
	p.files.overlay = (char *)test_path("%s/a/overlay.img", top);
	ASSERT_OK(vmb_mkdir_p(test_path("%s/a/b", top), 0711));
	test_write(p.facts.image.disk, "");
	test_write(p.facts.kernel_copy, "");
	test_write(p.facts.initramfs, "");
	test_write(p.facts.kernel_disk, "");
	add_disks(&p);
	return p; /* its strings are the test's; the overlay is not made yet */
}

static void nobody_is_in_the_way(void)
{
	struct vmb_plan p = somebodys_plan();

	ASSERT_OK(vmb_files_check_access(&p));
	p.facts.kernel_disk = NULL; /* skipped */
	add_disks(&p);
	ASSERT_OK(vmb_files_check_access(&p));
}

static void the_folder_in_the_way_is_named(void)
{
	const struct vmb_plan p = somebodys_plan();
	const char *a = test_path("%s/a", test_tmpdir()), *b = test_path("%s/b", a);

	CU_ASSERT_EQUAL(chmod(b, 0700), 0);
	ASSERT_ERROR(vmb_files_check_access(&p), VMBOOT_EHOST,
		     test_path("libvirt's user (uid 64055) cannot reach %s/root: it may not pass "
			       "through %s; `chmod o+x %s`",
			       b, b, b));
	CU_ASSERT_EQUAL(chmod(a, 0744), 0);
	ASSERT_ERROR(vmb_files_check_access(&p), VMBOOT_EHOST,
		     test_path("it may not pass through %s;", a));
}

static void the_file_in_the_way_is_named(void)
{
	const struct vmb_plan p = somebodys_plan();
	const char *const paths[] = {p.facts.image.disk, p.facts.kernel_copy, p.facts.initramfs,
				     p.facts.kernel_disk, p.files.overlay};

	test_write(p.files.overlay, "");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		CU_ASSERT_EQUAL(chmod(paths[i], 0600), 0);
		ASSERT_ERROR(vmb_files_check_access(&p), VMBOOT_EHOST,
			     test_path("(uid 64055) cannot read %s", paths[i]));
		CU_ASSERT_EQUAL(chmod(paths[i], 0604), 0);
		ASSERT_OK(vmb_files_check_access(&p));
	}
}

/* The first class that a user is in decides, even where a later one would allow more. */
static void owner_group_and_others(void)
{
	static const struct {
		bool own_uid, own_gid;
		mode_t mode;
		int r;
	} rows[] = {
		{true, false, 0400, 0},	 {true, true, 0077, -VMBOOT_EHOST},
		{false, true, 0040, 0},	 {false, true, 0707, -VMBOOT_EHOST},
		{false, false, 0004, 0}, {false, false, 0770, -VMBOOT_EHOST},
	};
	struct vmb_plan p = somebodys_plan();
	struct stat st;

	CU_ASSERT_EQUAL(chmod(test_tmpdir(), 0777), 0);
	CU_ASSERT_EQUAL(chmod(test_path("%s/a", test_tmpdir()), 0777), 0);
	CU_ASSERT_EQUAL(chmod(test_path("%s/a/b", test_tmpdir()), 0777), 0);
	if (geteuid() == 0) /* root may do all: the files have to be another's */
		CU_ASSERT_EQUAL(chown(p.facts.initramfs, 12345, 54321), 0);
	CU_ASSERT_EQUAL(stat(p.facts.initramfs, &st), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		p.facts.dac_label =
			(char *)test_path("+%u:+%u", rows[i].own_uid ? (unsigned)st.st_uid : 64055,
					  rows[i].own_gid ? (unsigned)st.st_gid : 64055);
		CU_ASSERT_EQUAL(chmod(p.facts.initramfs, rows[i].mode), 0);
		CU_ASSERT_EQUAL(vmb_files_check_access(&p), rows[i].r);
	}
}

static void who_needs_no_check(void)
{
	struct vmb_plan p = somebodys_plan();

	CU_ASSERT_EQUAL(chmod(test_path("%s/a", test_tmpdir()), 0), 0);
	p.facts.dac_label = (char *)"+0:+0";
	ASSERT_OK(vmb_files_check_access(&p));
	p.facts.dac_label = NULL;
	ASSERT_OK(vmb_files_check_access(&p));
	CU_ASSERT_EQUAL(chmod(test_path("%s/a", test_tmpdir()), 0700), 0);
}

/* user::rwx user:64055:--x group::--- mask::--x other::---, as setfacl would make it */
static void an_acl_may_allow_more(void)
{
	static const unsigned char acl[] = {
		2,    0,    0,	  0, /* version */
		0x01, 0,    7,	  0,	0xff, 0xff, 0xff, 0xff, 0x02, 0,    1,	  0,
		0x37, 0xfa, 0,	  0, /* users */
		0x04, 0,    0,	  0,	0xff, 0xff, 0xff, 0xff, 0x10, 0,    1,	  0,
		0xff, 0xff, 0xff, 0xff, 0x20, 0,    0,	  0,	0xff, 0xff, 0xff, 0xff,
	};
	const struct vmb_plan p = somebodys_plan();
	const char *a = test_path("%s/a", test_tmpdir());

	CU_ASSERT_EQUAL(chmod(a, 0700), 0);
	ASSERT_ERROR(vmb_files_check_access(&p), VMBOOT_EHOST, a);
	if (setxattr(a, "system.posix_acl_access", acl, sizeof(acl), 0) < 0) {
		test_not_tried("no ACLs in %s: %s", test_tmpdir(), strerror(errno));
		return;
	}
	ASSERT_OK(vmb_files_check_access(&p));
}

/* ---- the folder ---- */

static struct vmb_plan plan_for(const char *name)
{
	struct vmb_plan p = {0};

	p.name = (char *)name;
	p.facts.store = (char *)test_tmpdir();
	ASSERT_OK(vmb_plan_files(test_tmpdir(), name, &p.files));
	return p;
}

static void a_name_is_claimed_once(void)
{
	_cleanup_close_ int fd = -1, again = -1;
	struct vmb_plan p = plan_for("a");
	struct stat st;

	ASSERT_OK(vmb_files_claim(&p, &fd));
	CU_ASSERT(stat(p.files.folder, &st) == 0 && (st.st_mode & 07777) == 0711);
	ASSERT_ERROR(vmb_files_claim(&p, &again), EEXIST, "the VM \"a\" has files in ");
	CU_ASSERT_EQUAL(again, -1);
	vmb_plan_files_done(&p.files);
}

/* Else gc could take it before its lock is held. */
static void a_claimed_folder_appears_with_its_lock(void)
{
	_Alignas(struct inotify_event) char buf[4096];
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), fd = -1;
	struct vmb_plan p = plan_for("a");
	const struct inotify_event *e = NULL;
	ssize_t n;

	ASSERT_OK(vmb_mkdir_p(test_path("%s/vms", test_tmpdir()), 0711));
	CU_ASSERT_FATAL(inotify_add_watch(watch, test_path("%s/vms", test_tmpdir()),
					  IN_CREATE | IN_MOVED_TO) >= 0);
	ASSERT_OK(vmb_files_claim(&p, &fd));
	n = read(watch, buf, sizeof(buf));
	for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*e) + e->len)) {
		e = (const struct inotify_event *)(const void *)(buf + at);
		CU_ASSERT_EQUAL(strcmp(e->name, "a") == 0, (e->mask & IN_MOVED_TO) != 0);
	}
	CU_ASSERT(e && strcmp(e->name, "a") == 0);
	vmb_plan_files_done(&p.files);
}

static void a_claim_keeps_others_out(void)
{
	struct vmb_plan p = plan_for("a");
	int fd = -1, other = -1, shared = -1;

	ASSERT_OK(vmb_files_claim(&p, &fd));
	ASSERT_ERROR(vmb_files_lock(p.files.folder, LOCK_SH, &other), EBUSY, p.files.folder);
	close(fd);
	ASSERT_OK(vmb_files_lock(p.files.folder, LOCK_SH, &shared));
	ASSERT_OK(vmb_files_lock(p.files.folder, LOCK_SH, &other));
	ASSERT_ERROR(vmb_files_lock(p.files.folder, LOCK_EX, &fd), EBUSY, "cannot lock");
	close(shared);
	close(other);
	ASSERT_OK(vmb_files_lock(p.files.folder, LOCK_EX, &fd));
	close(fd);
	vmb_plan_files_done(&p.files);
}

static void (*before_flock)(void);

/* For all of this program: somebody was faster. */
int flock(int fd, int operation)
{
	__typeof__(flock) *real;
	void (*fn)(void) = before_flock;

	*(void **)&real = dlsym(RTLD_NEXT, "flock");
	before_flock = NULL;
	if (fn)
		fn();
	return real(fd, operation);
}

static void replace_folder(void)
{
	const char *folder = test_path("%s/vms/a", test_tmpdir());

	ASSERT_OK(vmb_rename(folder, test_path("%s.old", folder)));
	ASSERT_OK(vmb_mkdir_p(folder, 0711));
	test_write(test_path("%s/lock", folder), "");
}

static void a_lock_is_of_the_folder_that_is_there(void)
{
	struct vmb_plan p = plan_for("a");
	int fd = -1;

	ASSERT_OK(vmb_mkdir_p(p.files.folder, 0711));
	test_write(test_path("%s/lock", p.files.folder), "");
	before_flock = replace_folder;
	ASSERT_ERROR(vmb_files_lock(p.files.folder, LOCK_EX, &fd), VMBOOT_ENOVM, "are gone from");
	CU_ASSERT_EQUAL(fd, -1);
	ASSERT_OK(vmb_files_lock(p.files.folder, LOCK_EX, &fd));
	close(fd);
	vmb_plan_files_done(&p.files);
}

static void a_folder_that_is_gone_has_no_lock(void)
{
	int fd = -1;

	ASSERT_ERROR(vmb_files_lock(test_path("%s/vms/a", test_tmpdir()), LOCK_SH, &fd),
		     VMBOOT_ENOVM, "the VM's files are gone from ");
	CU_ASSERT_EQUAL(fd, -1);
}

static void logs_begin_anew(void)
{
	struct vmb_plan p = plan_for("a");
	const char *const logs[] = {p.files.console, p.files.out, p.files.err, p.files.events};
	_cleanup_close_ int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	const char *rotated = test_path("%s.0", p.files.out);
	char buf[4096];
	struct stat st;

	ASSERT_OK(vmb_mkdir_p(p.files.folder, 0711));
	test_write(p.files.out, "old");
	test_write(rotated, "older");
	test_write(p.files.overlay, "data");
	ASSERT_OK(vmb_files_reset(&p.files, NULL));
	CU_ASSERT_FALSE(vmb_exists(rotated));
	/* whoever looks meanwhile finds the old one or the new one */
	CU_ASSERT_FATAL(inotify_add_watch(watch, p.files.folder, IN_DELETE) >= 0);
	test_write(p.files.out, "old");
	ASSERT_OK(vmb_files_reset(&p.files, NULL));
	CU_ASSERT(read(watch, buf, sizeof(buf)) < 0 && errno == EAGAIN);
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++)
		CU_ASSERT(stat(logs[i], &st) == 0 && st.st_size == 0 &&
			  (st.st_mode & 07777) == 0600);
	ASSERT_STR(test_read(p.files.overlay), "data");
	vmb_plan_files_done(&p.files);
}

TEST_MAIN("host/files", {"labels", labels},
	  {"files are given to the label", files_are_given_to_the_label},
	  {"a link is given away, not what it points to",
	   a_link_is_given_away_not_what_it_points_to},
	  {"nobody is in the way", nobody_is_in_the_way},
	  {"the folder in the way is named", the_folder_in_the_way_is_named},
	  {"the file in the way is named", the_file_in_the_way_is_named},
	  {"owner, group and others", owner_group_and_others},
	  {"who needs no check", who_needs_no_check},
	  {"an ACL may allow more", an_acl_may_allow_more},
	  {"a name is claimed once", a_name_is_claimed_once},
	  {"a claimed folder appears with its lock", a_claimed_folder_appears_with_its_lock},
	  {"a claim keeps others out", a_claim_keeps_others_out},
	  {"a lock is of the folder that is there", a_lock_is_of_the_folder_that_is_there},
	  {"a folder that is gone has no lock", a_folder_that_is_gone_has_no_lock},
	  {"logs begin anew", logs_begin_anew})
