/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "guest.h"
#include "test.h"

static char mounts[4096];

static int note_mount(const char *source, const char *target, const char *type, unsigned long flags,
		      const char *data)
{
	const char *folder = strstr(target, "/guest");
	size_t n = strlen(mounts);

	(void)source;
	snprintf(mounts + n, sizeof(mounts) - n, "%s %s %s%s%s%s%s\n", type ? type : "-",
		 folder ? folder + 6 : target, flags & MS_RDONLY ? "ro," : "",
		 flags & MS_NOEXEC ? "noexec," : "", flags & MS_NODEV ? "nodev," : "",
		 flags & MS_REMOUNT ? "remount," : "", data ? data : "");
	return 0;
}

static struct init *guest_asked(const struct vmb_guest_config *config)
{
	static struct init_ops ops;
	struct init *init = guest_new();

	ops = guest_ops;
	ops.mount = note_mount;
	mounts[0] = '\0';
	init->ops = &ops;
	init->config = *config;
	return init;
}

static void nothing_asked_for_is_no_phase(void)
{
	struct init *init = guest_asked(&(struct vmb_guest_config){.init_mode = VMBOOT_INIT_EXEC});
	struct init_report report = {0};

	CU_ASSERT_EQUAL(init_settings(init, &report), INIT_LATER);
	CU_ASSERT_EQUAL(init_seal_root(init, &report), 0);
	ASSERT_STR(mounts, "");
	guest_free(init);
}

static void kernel_parameters_are_written(void)
{
	struct init *init = guest_asked(&(struct vmb_guest_config){
		.sysctl = TEST_LIST("kernel.domainname=a b", "net/core/somaxconn=7")});
	struct init_report report = {0};

	guest_write(init, "", "proc/sys/kernel/domainname");
	guest_write(init, "", "proc/sys/net/core/somaxconn");
	CU_ASSERT_EQUAL(init_settings(init, &report), 0);
	ASSERT_STR(test_read(test_path("%s/proc/sys/kernel/domainname", init->root)), "a b");
	ASSERT_STR(test_read(test_path("%s/proc/sys/net/core/somaxconn", init->root)), "7");
	init->config.sysctl = TEST_LIST("kernel.nosuch=1");
	CU_ASSERT_EQUAL(init_settings(init, &report), -ENOENT);
	ASSERT_STR(report.detail, "sysctl \"kernel.nosuch=1\": this kernel has none of that name");
	guest_free(init);
}

static void a_tmpfs_begins_with_the_images_folder(void)
{
	struct init *init = guest_asked(&(struct vmb_guest_config){
		.tmpfs = TEST_LIST("/srv/new:size=1m,noexec", "/old:ro")});
	struct init_report report = {0};

	guest_write(init, "x", "old/file");
	CU_ASSERT_EQUAL(init_settings(init, &report), -EEXIST); /* which is no mount here */
	ASSERT_STR(mounts, "tmpfs /srv/new noexec,nodev,size=1m\ntmpfs /old nodev,\n");
	init->config.tmpfs = TEST_LIST("/old:ro,notmpcopyup,mode=0700");
	mounts[0] = '\0';
	CU_ASSERT_EQUAL(init_settings(init, &report), 0);
	ASSERT_STR(mounts, "tmpfs /old nodev,mode=0700\n- /old ro,nodev,remount,\n");
	guest_write(init, "x", "file");
	init->config.tmpfs = TEST_LIST("/file/below");
	CU_ASSERT_EQUAL(init_settings(init, &report), -ENOTDIR);
	ASSERT_STR(report.detail, "tmpfs \"/file/below\": no folder to mount it at");
	guest_free(init);
}

static void a_read_only_root_has_folders_to_write(void)
{
	struct init *init = guest_asked(&(struct vmb_guest_config){
		.read_only = true, .workdir = "/srv/app", .tmpfs = TEST_LIST("/tmp:size=1m")});
	struct init_report report = {0};
	struct stat st;

	CU_ASSERT_EQUAL(init_settings(init, &report), 0);
	ASSERT_STR(mounts, "tmpfs /var/tmp nodev,\ntmpfs /run nodev,\ntmpfs /tmp nodev,size=1m\n");
	mounts[0] = '\0';
	CU_ASSERT_EQUAL(init_seal_root(init, &report), 0);
	ASSERT_STR(mounts, "- / ro,remount,\n");
	CU_ASSERT_EQUAL(stat(test_path("%s/srv/app", init->root), &st), 0);
	/* /run is there before an init system starts */
	init->config.init_mode = VMBOOT_INIT_SYSTEMD;
	mounts[0] = '\0';
	CU_ASSERT_EQUAL(init_settings(init, &report), 0);
	CU_ASSERT_PTR_NULL(strstr(mounts, "/run"));
	guest_free(init);
}

/* In a child, as each process has limits of its own. */
static int limits_in_child(const struct init *init)
{
	struct init_report report = {0};
	struct rlimit limit;
	pid_t pid = fork();

	if (pid == 0) {
		if (init_set_ulimits(init, &report) < 0)
			_exit(strstr(report.detail, "refuses the ulimit \"nofile=") ? 2 : 3);
		getrlimit(RLIMIT_CPU, &limit);
		_exit(limit.rlim_cur == 1017 && limit.rlim_max == 1018 ? 0 : 1);
	}
	return test_child_code(pid);
}

static void limits_are_set(void)
{
	struct init *init = guest_asked(
		&(struct vmb_guest_config){.ulimit = TEST_LIST("core=0", "cpu=1017:1018")});

	CU_ASSERT_EQUAL(limits_in_child(init), 0);
	init->config.ulimit = TEST_LIST("nofile=unlimited");
	CU_ASSERT_EQUAL(limits_in_child(init), 2);
	guest_free(init);
}

static void shm_has_its_size(void)
{
	struct init *init = guest_asked(&(struct vmb_guest_config){.shm_size = "64m"});
	struct init_report report = {0};

	CU_ASSERT_EQUAL(init_mounts_late(init, &report), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(mounts, "tmpfs /dev/shm nodev,mode=1777,size=64m\n"));
	init->config.init_mode = VMBOOT_INIT_SYSTEMD;
	mounts[0] = '\0';
	CU_ASSERT_EQUAL(init_mounts_late(init, &report), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(mounts, "/dev/shm nodev,mode=1777,size=64m\n"));
	guest_free(init);
}

TEST_MAIN("init/settings", {"nothing asked for is no phase", nothing_asked_for_is_no_phase},
	  {"kernel parameters are written", kernel_parameters_are_written},
	  {"a tmpfs begins with the image's folder", a_tmpfs_begins_with_the_images_folder},
	  {"a read-only root has folders to write", a_read_only_root_has_folders_to_write},
	  {"limits are set", limits_are_set}, {"shm has its size", shm_has_its_size})
