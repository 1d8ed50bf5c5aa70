/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "init.h"

/*
 * What systemd finds of ours: all of it below /run, so nothing is left of an earlier boot.
 *
 * The agent goes first and stays to the end: what is ordered after sysinit.target, which is every
 * unit that says nothing else, ends before it. Its programs are let live when it is restarted.
 */

#define UNITS "/run/systemd/system"

static const char agent_unit[] = //
	"# made by libvmboot's init at each boot\n"
	"[Unit]\n"
	"Description=vmboot guest agent\n"
	"DefaultDependencies=no\n"
	"Before=sysinit.target shutdown.target\n"
	"Conflicts=shutdown.target\n"
	"IgnoreOnIsolate=yes\n"
	"StartLimitIntervalSec=60\n"
	"StartLimitBurst=6\n"
	"\n"
	"[Service]\n"
	"Type=notify\n"
	"ExecStart=@" INIT_SELF " vmboot-agent unit\n"
	"Restart=on-failure\n"
	"RestartSec=100ms\n"
	"TimeoutStopSec=5\n"
	"KillMode=process\n"
	"SyslogIdentifier=vmboot-agent\n"
	"OOMScoreAdjust=-900\n"
	"TasksMax=infinity\n"
	"LimitNOFILE=4096:524288\n";

/* Not Wants=: a target waits for what it wants, and this waits for the target. */
static const char ready_unit[] = //
	"# made by libvmboot's init at each boot\n"
	"[Unit]\n"
	"Description=Tell the host that the default target is reached\n"
	"DefaultDependencies=no\n"
	"Requires=default.target\n"
	"After=default.target\n"
	"\n"
	"[Service]\n"
	"Type=oneshot\n"
	"ExecStart=@" INIT_SELF " vmboot-ready\n";

static const char emergency_unit[] = //
	"# made by libvmboot's init at each boot\n"
	"[Unit]\n"
	"Description=Tell the host of the emergency mode\n"
	"DefaultDependencies=no\n"
	"IgnoreOnIsolate=yes\n"
	"\n"
	"[Service]\n"
	"Type=oneshot\n"
	"ExecStart=@" INIT_SELF " vmboot-ready emergency\n";

/* Its port is our agent's. */
static const char qemu_agent_dropin[] = //
	"# made by libvmboot's init at each boot: the host's requests go to vmboot-agent.service\n"
	"[Unit]\n"
	"ConditionPathExists=!" UNITS "/vmboot-agent.service\n";

static const struct unit {
	const char *folder, *name, *text;
	const char *wanted_by; /* or NULL */
	bool agent;	       /* of the agent's */
} units[] = {
	{UNITS, "vmboot-agent.service", agent_unit, "sysinit.target.wants", true},
	{UNITS "/qemu-guest-agent.service.d", "50-vmboot.conf", qemu_agent_dropin, NULL, true},
	{UNITS, "vmboot-ready.service", ready_unit, "default.target.wants", false},
	{UNITS, "vmboot-emergency.service", emergency_unit, "emergency.target.wants", false},
};

static int want(const struct init *init, const struct unit *unit, struct init_report *report)
{
	char path[INIT_PATH_MAX], to[INIT_PATH_MAX];

	init_format(to, sizeof(to), "../%s", unit->name);
	mkdir(init_path(init, path, UNITS "/%s", unit->wanted_by), 0755);
	init_path(init, path, UNITS "/%s/%s", unit->wanted_by, unit->name);
	if (symlink(to, path) < 0 && errno != EEXIST)
		return init_failed(report, errno, "making %s", path);
	return 0;
}

int init_units(const struct init *init, struct init_report *report)
{
	char path[INIT_PATH_MAX];
	int r = 0;

	mkdir(init_path(init, path, "/run/systemd"), 0755);
	mkdir(init_path(init, path, UNITS), 0755);
	for (size_t i = 0; i < ARRAY_SIZE(units) && r == 0; i++) {
		const struct unit *unit = &units[i];

		if (unit->agent && !init->agent.wanted)
			continue;
		mkdir(init_path(init, path, "%s", unit->folder), 0755);
		init_path(init, path, "%s/%s", unit->folder, unit->name);
		r = init_write_file(path, 0644, unit->text, strlen(unit->text));
		if (r < 0)
			return init_failed(report, r, "writing %s", path);
		if (unit->wanted_by)
			r = want(init, unit, report);
	}
	return r;
}
