# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# is WHAT COMMAND...: says so if the command fails
is() {
	what=$1
	shift
	"$@" >/dev/shm/said 2>&1 || echo "bad: $what: $(cat /dev/shm/said)"
}

# same WHAT WANTED FOUND
same() {
	[ "$2" = "$3" ] || echo "bad: $1: \"$3\", not \"$2\""
}
