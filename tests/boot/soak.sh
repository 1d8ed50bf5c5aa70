#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# soak.sh: boot a stock Debian again and again, twenty times or $SOAK times, each time from the disk
# that the last boot left, and look whether all of it works. Before that, run 2000 programs or
# $SOAK_EXECS on one handle, by the embedded libvirt and the system's. `make check-soak`.
set -u

BOOT_EXECS=${SOAK_EXECS:-2000} TEST_ONLY="many on one handle" \
	"$TEST_BUILDDIR/tests/boot/test-agent" || exit 1
BOOT_EXECS=${SOAK_EXECS:-2000} "$TEST_BUILDDIR/tests/boot/test-system"
r=$?
[ $r -eq 0 ] || [ $r -eq 77 ] || exit 1

boots=${SOAK:-20}
timeout=${SOAK_TIMEOUT:-120}
dir=$(mktemp -d /tmp/vmbt-XXXXXX)
chmod 711 "$dir"
run() { timeout -s KILL $((timeout + 10)) vmboot --uri embed --store "$dir/s" "$@" </dev/null; }
end() {
	run rm -f soak >/dev/null 2>&1
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 1' HUP INT TERM

run import --name debian "tar:$TEST_BUILDDIR/tests/boot/debian.tar" >/dev/null || exit 1
good=0
for i in $(seq "$boots"); do
	if [ "$i" -eq 1 ]; then
		run run -d --name soak debian -- /sbin/init >/dev/null
	else
		run start soak >/dev/null
	fi
	run wait --phase ready -t "$timeout" soak
	state=$(run exec soak -- systemctl is-system-running --wait)
	failed=$(run exec soak -- systemctl --failed --no-legend --plain)
	ready=$(run report soak | awk '$2 == "ready" { print $3 + $4 }')
	run stop -t "$timeout" soak >/dev/null
	ended=$(run report soak | awk '$2 == "poweroff" { print $NF }')
	echo "boot $i: $state, ready after $ready ms, ended by ${ended:-force}${failed:+, failed: $failed}"
	[ "$state" = running ] && [ -z "$failed" ] && [ "$ended" = poweroff ] && good=$((good + 1))
done
echo "$good of $boots boots were good"
[ "$good" -eq "$boots" ]
