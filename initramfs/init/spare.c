/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init.h"

/*
 * What systemd is spared while it starts: programs that would do nothing in this guest, and devices
 * that no service waits for. All of it is below /run, and none of it must fail a boot.
 *
 * INIT_STARTING is there until the default target is reached, and what is only put off looks at it: as
 * soon as it is gone, every unit is as the image has it, with nothing to reload.
 */

enum { FILE_MAX = 65536 };

#define UNITS "/run/systemd/system"
#define GENERATORS "/run/systemd/system-generators"
#define MADE_BY "# made by libvmboot's init at each boot\n"

static bool is_there(const struct init *init, const char *folder, const char *name)
{
	char path[INIT_PATH_MAX];
	struct stat st;

	return lstat(init_path(init, path, "%s%s", folder, name), &st) == 0;
}

/* The image's text; an empty one for a file that is not there, NULL for one that is odd. */
static char *read_or_empty(const struct init *init, const char *name)
{
	char path[INIT_PATH_MAX], *text = NULL;
	int r = init_read_file(init_path(init, path, "%s", name), FILE_MAX, &text);

	return r == -ENOENT ? strdup("") : text;
}

static bool only_comments(const char *text)
{
	while (*(text += strspn(text, " \t\n")))
		if (*text != '#')
			return false;
		else
			text += strcspn(text, "\n");
	return true;
}

/*
 * Words by which systemd and its generators are told what the image does not say. Whoever uses one
 * gets all that there is.
 */
static bool is_told_more(const struct init *init)
{
	static const char *const begins[] = {"systemd.", "rd.", "luks", "resume",
					     "root",	 "usr", "mount"};
	char path[INIT_PATH_MAX], words[4096], *word, *rest;

	init_read_text(init_path(init, path, "/proc/cmdline"), words, sizeof(words));
	for (word = strtok_r(words, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest))
		for (size_t i = 0; i < ARRAY_SIZE(begins); i++)
			if (strncmp(word, begins[i], strlen(begins[i])) == 0)
				return true;
	return false;
}

/* Somebody has another unit of that name, or has added to it. */
static bool is_changed(const struct init *init, const char *unit)
{
	static const char *const folders[] = {"/etc/systemd/system.control/",
					      "/etc/systemd/system/", "/run/systemd/system/",
					      "/usr/local/lib/systemd/system/"};
	char more[64];

	init_format(more, sizeof(more), "%s.d", unit);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (is_there(init, folders[i], unit) || is_there(init, folders[i], more))
			return true;
	return false;
}

/* The folder of the distribution's unit, if that is what the image uses; else NULL. */
static const char *stock(const struct init *init, const char *unit)
{
	static const char *const folders[] = {"/usr/lib/systemd/system/", "/lib/systemd/system/"};
	char more[64];

	init_format(more, sizeof(more), "%s.d", unit);
	for (size_t i = 0; i < ARRAY_SIZE(folders) && !is_changed(init, unit); i++)
		if (is_there(init, folders[i], unit))
			return is_there(init, folders[i], more) ? NULL : folders[i];
	return NULL;
}

/* sysinit.target wants it, and it is the distribution's. */
static bool is_wanted(const struct init *init, const char *unit)
{
	const char *folder = stock(init, unit);
	char wanted[64];

	init_format(wanted, sizeof(wanted), "sysinit.target.wants/%s", unit);
	return folder && is_there(init, folder, wanted);
}

/* ---- file systems that systemd would start /bin/mount for, each ---- */

static const struct {
	const char *unit, *type, *target;
	unsigned long flags;
} mounts[] = {
	{"dev-hugepages.mount", "hugetlbfs", "/dev/hugepages", MS_NOSUID | MS_NODEV},
	{"dev-mqueue.mount", "mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC},
	{"sys-kernel-debug.mount", "debugfs", "/sys/kernel/debug",
	 MS_NOSUID | MS_NODEV | MS_NOEXEC},
	{"sys-kernel-tracing.mount", "tracefs", "/sys/kernel/tracing",
	 MS_NOSUID | MS_NODEV | MS_NOEXEC},
};

/* Its unit then finds it mounted. A line of fstab's may want it otherwise. */
static void mount_all(const struct init *init, const char *fstab)
{
	char path[INIT_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		if (!is_wanted(init, mounts[i].unit) || strstr(fstab, mounts[i].target))
			continue;
		mkdir(init_path(init, path, "%s", mounts[i].target), 0755);
		init->ops->mount(mounts[i].type, path, mounts[i].type, mounts[i].flags, NULL);
	}
}

/* ---- generators that have nothing to make units of ---- */

/*
 * What each reads besides the command line. The root is an overlay, which lies on no partition, and
 * only EFI tells of partitions otherwise, or of an image in the swap.
 */
static const struct {
	const char *name, *reads[3];
} generators[] = {
	{"systemd-cryptsetup-generator", {"/etc/crypttab"}},
	{"systemd-gpt-auto-generator", {"/sys/firmware/efi"}},
	{"systemd-hibernate-resume-generator", {"/sys/firmware/efi"}},
	{"systemd-integritysetup-generator", {"/etc/integritytab"}},
	{"systemd-rc-local-generator", {"/etc/rc.local", "/etc/rc.d/rc.local"}},
	{"systemd-run-generator", {NULL}},
	{"systemd-system-update-generator", {"/system-update", "/etc/system-update"}},
	{"systemd-veritysetup-generator", {"/etc/veritytab"}},
};

static bool has_work(const struct init *init, size_t i)
{
	static const char *const others[] = {"/etc/systemd/system-generators/",
					     "/usr/local/lib/systemd/system-generators/"};

	for (size_t k = 0; k < ARRAY_SIZE(others); k++)
		if (is_there(init, others[k], generators[i].name))
			return true;
	for (size_t k = 0; k < ARRAY_SIZE(generators[i].reads) && generators[i].reads[k]; k++)
		if (is_there(init, "", generators[i].reads[k]))
			return true;
	return false;
}

/* systemd lists them all, then runs them: ours takes the masks away, for later reloads. */
static void mask_generators(const struct init *init)
{
	char path[INIT_PATH_MAX];

	mkdir(init_path(init, path, GENERATORS), 0755);
	if (symlink(INIT_SELF, init_path(init, path, INIT_GENERATOR_NAME)) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(generators); i++)
		if (!has_work(init, i) &&
		    symlink("/dev/null",
			    init_path(init, path, GENERATORS "/%s", generators[i].name)) < 0)
			return;
}

int init_generator_main(struct init *init, int argc, char **argv)
{
	char path[INIT_PATH_MAX];

	(void)argc, (void)argv;
	for (size_t i = 0; i < ARRAY_SIZE(generators); i++)
		unlink(init_path(init, path, GENERATORS "/%s", generators[i].name));
	unlink(init_path(init, path, INIT_GENERATOR_NAME));
	return 0;
}

/* ---- coldplug in two parts ---- */

/*
 * No service waits for these: they have no names below /dev but what the kernel gives them, and no
 * units. The last three are no devices, but modules, drivers and buses; of fuse and configfs the
 * event would start the mounts that sysinit.target starts. A CPU's event loads the modules of its
 * features, ciphers and KVM, 1.6 MiB with signatures to check. Of the terminals the real ones go
 * first, for a login waits for them.
 */
static const char *const dull[] = {"acpi", "bdi",    "container", "memory", "pci_bus", "tty",
				   "vc",   "wakeup", "workqueue", "module", "drivers", "subsystem"};

/* Under KVM at once: a service may want /dev/kvm. */
static const char cpu[] = "cpu";

static const char later_unit[] = //
	MADE_BY "[Unit]\n"
		"Description=Coldplug the devices that no service waits for\n"
		"DefaultDependencies=no\n"
		"After=default.target vmboot-ready.service\n"
		"ConditionPathExists=" INIT_STARTING "\n"
		"\n"
		"[Service]\n"
		"RuntimeMaxSec=5min\n"
		"ExecStart=@" INIT_SELF " " INIT_LATER_NAME "\n";

#ifdef __x86_64__
#include <cpuid.h>

static bool is_emulated(void)
{
	unsigned a, id[3] = {0};

	__cpuid(0x40000000, a, id[0], id[1], id[2]);
	(void)a;
	return memcmp(id, "TCGTCGTCGTCG", sizeof(id)) == 0;
}
#else
static bool is_emulated(void)
{
	return false;
}
#endif

static bool add_to(const struct init *init, const char *unit, const char *text)
{
	char path[INIT_PATH_MAX];

	mkdir(init_path(init, path, UNITS "/%s.d", unit), 0755);
	init_path(init, path, UNITS "/%s.d/50-vmboot.conf", unit);
	return init_write_file(path, 0644, text, strlen(text)) == 0;
}

/* Rules of an administrator's may make units of any device. */
static bool has_own_rules(const struct init *init)
{
	static const char *const folders[] = {"/etc/udev/rules.d", "/usr/local/lib/udev/rules.d"};
	char path[INIT_PATH_MAX];
	struct dirent *e;
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		DIR *d = opendir(init_path(init, path, "%s", folders[i]));

		while (d && !any && (e = readdir(d)))
			any = e->d_name[0] != '.';
		if (d)
			closedir(d);
	}
	return any;
}

/* The image's own command, with words that INIT_STARTING has; false if it is none that we know. */
static bool add_words(const struct init *init, const char *unit)
{
	static const char begin[] = "ExecStart=-udevadm trigger --type=all ";
	const char *folder = stock(init, unit), *line;
	_cleanup_free_ char *text = NULL;
	char path[INIT_PATH_MAX], more[1024];
	size_t n;

	if (!folder || init_read_file(init_path(init, path, "%s%s", folder, unit), FILE_MAX, &text))
		return false;
	line = strstr(text, begin);
	if (!line || strstr(line + 1, "\nExec"))
		return false;
	n = strcspn(line, "\n");
	if (line[n - 1] == '\\')
		return false;
	n = init_format(more, sizeof(more),
			MADE_BY "[Service]\nEnvironmentFile=-" INIT_STARTING
				"\nExecStart=\nExecStart=-udevadm trigger --type=devices "
				"--action=add --subsystem-match=tty --sysname-match=[!t]* "
				"--sysname-match=tty[!0-9]*\n%.*s $VMBOOT_LATER\n",
			(int)n, line);
	return n < sizeof(more) && add_to(init, unit, more);
}

static bool split_coldplug(const struct init *init)
{
	static const char *const targets[] = {"default.target.wants", "rescue.target.wants"};
	static const char unit[] = INIT_LATER_NAME ".service";
	char path[INIT_PATH_MAX], text[1024];
	size_t n = init_format(text, sizeof(text), "VMBOOT_LATER=\"");

	for (size_t i = 0; i < ARRAY_SIZE(dull); i++)
		n += init_format(text + n, sizeof(text) - n, "--subsystem-nomatch=%s ", dull[i]);
	n += init_format(text + n, sizeof(text) - n, "%s%s\"\n",
			 is_emulated() ? "--subsystem-nomatch=" : "", is_emulated() ? cpu : "");
	if (has_own_rules(init) || !add_words(init, "systemd-udev-trigger.service"))
		return false;
	init_path(init, path, UNITS "/%s", unit);
	if (init_write_file(path, 0644, later_unit, sizeof(later_unit) - 1) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		mkdir(init_path(init, path, UNITS "/%s", targets[i]), 0755);
		init_path(init, path, UNITS "/%s/%s", targets[i], unit);
		if (symlink("../" INIT_LATER_NAME ".service", path) < 0)
			return false;
	}
	return init_write_file(init_path(init, path, INIT_STARTING), 0644, text, n) == 0;
}

/* ---- grace periods ---- */

/*
 * systemd's start waits for some ten of RCU's, of which each takes three ticks, and the guest idles.
 * The kernel hurries them until it starts init, by this very switch; so does ours a while longer.
 */
#define HURRY "/sys/kernel/rcu_expedited"
#define HURRIED INIT_RUN "/hurried"

static void hurry(const struct init *init)
{
	char path[INIT_PATH_MAX], now[8];

	init_read_text(init_path(init, path, HURRY), now, sizeof(now));
	if (strcmp(now, "0") == 0 &&
	    init_write_file(init_path(init, path, HURRIED), 0644, "", 0) == 0)
		init_write_file(init_path(init, path, HURRY), 0644, "1", 1);
}

static void hurry_no_more(const struct init *init)
{
	char path[INIT_PATH_MAX];

	if (unlink(init_path(init, path, HURRIED)) == 0)
		init_write_file(init_path(init, path, HURRY), 0644, "0", 1);
}

/* ---- when the default target is reached ---- */

static void run_and_wait(const char *const *args)
{
	pid_t pid = fork();

	if (pid == 0) {
		init_exec(args, environ);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void load_if_put_off(const struct init *init, const char *module)
{
	const char *const modprobe[] = {"modprobe", "-bq", module, NULL};
	char condition[64];

	init_format(condition, sizeof(condition), "/modprobe@%s.service.d", module);
	if (is_there(init, UNITS, condition))
		run_and_wait(modprobe);
}

/* From now on all units are the image's own. Nobody waits for this process. */
int init_later_main(struct init *init, int argc, char **argv)
{
	const char *trigger[6 + ARRAY_SIZE(dull)] = {"udevadm", "trigger", "--type=all",
						     "--action=add"};
	char path[INIT_PATH_MAX], matches[ARRAY_SIZE(dull) + 1][64];
	size_t n = 4;

	(void)argc, (void)argv;
	if (unlink(init_path(init, path, INIT_STARTING)) < 0)
		return errno != ENOENT;
	hurry_no_more(init);
	for (size_t i = 0; i <= ARRAY_SIZE(dull); i++) {
		init_format(matches[i], sizeof(matches[i]), "--subsystem-match=%s",
			    i < ARRAY_SIZE(dull) ? dull[i] : cpu);
		trigger[n++] = matches[i];
	}
	load_if_put_off(init, "fuse");
	load_if_put_off(init, "dm_mod");
	run_and_wait(trigger);
	return 0;
}

/* ---- units that have nothing to do, or whose work can wait ---- */

static const struct {
	const char *unit, *stock, *condition;
	bool later;	   /* only with INIT_STARTING */
	const char *empty; /* a file without a line that says anything */
	const char *mount; /* who wants it, together with sysinit.target */
} idle[] = {
	/* its own script's first question; then there is nothing to remove */
	{"e2scrub_reap.service", "e2scrub_reap.service", "PathExistsGlob=/dev/mapper/*.e2scrub*",
	 false, "/etc/e2scrub.conf", NULL},
	/* whoever opens /dev/mapper/control before has the kernel load it */
	{"modprobe@dm_mod.service", "modprobe@.service", "PathExists=!" INIT_STARTING, true, NULL,
	 NULL},
	{"modprobe@efi_pstore.service", "modprobe@.service", "PathExists=/sys/firmware/efi", false,
	 NULL, NULL},
	/* and so with /dev/fuse. The mount comes with the module's event */
	{"modprobe@fuse.service", "modprobe@.service", "PathExists=!" INIT_STARTING, true, NULL,
	 "sys-fs-fuse-connections.mount"},
	{"systemd-remount-fs.service", "systemd-remount-fs.service", "PathExists=!" INIT_STARTING,
	 true, "/etc/fstab", NULL},
	/* skip_kernel_headers; the last of its kind, for then it is changed */
	{"modprobe@.service", "modprobe@.service", "PathExists=/lib/modules/%v", false, NULL, NULL},
};

static bool says_nothing(const struct init *init, const char *name)
{
	_cleanup_free_ char *text = read_or_empty(init, name);

	return text && only_comments(text);
}

static void add_conditions(const struct init *init, bool later)
{
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(idle); i++) {
		if ((idle[i].later && !later) || is_changed(init, idle[i].unit) ||
		    !stock(init, idle[i].stock) ||
		    (idle[i].empty && !says_nothing(init, idle[i].empty)) ||
		    (idle[i].mount && !is_wanted(init, idle[i].mount)))
			continue;
		init_format(text, sizeof(text), MADE_BY "[Unit]\nCondition%s\n", idle[i].condition);
		add_to(init, idle[i].unit, text);
	}
}

/* ---- */

void init_spare(const struct init *init)
{
	_cleanup_free_ char *fstab = read_or_empty(init, "/etc/fstab");
	bool later;

	if (!fstab || is_told_more(init))
		return;
	mount_all(init, fstab);
	mask_generators(init);
	later = split_coldplug(init);
	add_conditions(init, later);
	if (later)
		hurry(init);
}
