#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ours, no peer: the command as a user types it, with all that a process has to do first, among it
# the start of libvirt's embedded driver.
. "$(dirname "$0")/common.sh"

title="libvmboot, the command \`vmboot run\`, process start and libvirt's too"
end="the program's line on the command's standard output"
stored=yes

prepare() {
	"$BENCH_BUILD/tools/vmboot" plan bench -- /mark >/dev/null
}

run() {
	begin
	exec "$BENCH_BUILD/tools/vmboot" run --rm --memory-mib "$memory_mib" \
		--accel "$BENCH_ACCEL" bench -- /mark
}

peer "$@"
