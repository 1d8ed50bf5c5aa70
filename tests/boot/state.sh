#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# state.sh: what a guest has of ours, seen from inside: attached, running, mounted. The test table
# runs it as the program in exec mode, and as a unit of systemd's, with its output in the kernel's log,
# which goes to the console and is not hung up by a login.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

row() { printf '<2>TABLE: %-10s %s\n' "$1" "$2"; }

# one line for all of the lines of a command
list() { sort -u | tr '\n' ' ' | sed 's/ $//'; }

commands() { grep -aoh '^vmboot-[a-z]*' /proc/[0-9]*/cmdline 2>/dev/null | list; }

# the agent starts beside the program
if grep -q org.qemu.guest_agent.0 /sys/class/virtio-ports/*/name; then
	t=0
	while ! commands | grep -q agent && [ $t -lt 300 ]; do
		t=$((t + 1))
		sleep 0.1
	done
fi
row disks "$(for d in /sys/block/vd*; do cat "$d/serial"; echo; done | list)"
row ports "$(cat /sys/class/virtio-ports/*/name | list)"
row processes "$(commands)"
row units "$(cd /run/systemd/system 2>/dev/null && find . -name '*vmboot*' | list)"
row mounts "$(awk '($4 != "/" || $5 == "/") && $5 !~ "^/(dev|proc|sys)" { print $5 }' /proc/self/mountinfo | list)"
row modules "$(if [ -e "/lib/modules/$(uname -r)/modules.dep" ]; then echo there; else echo none; fi)"
row image "$(find /etc /usr -xdev -name '*vmboot*' | list)"
echo '<2>TABLE-END'
