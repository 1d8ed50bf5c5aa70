# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# The /init of an image that has no init system, as s6-overlay's is: it insists on being PID 1.
[ $$ = 1 ] || exit 100
trap 'echo ends; exit 3' USR1
ls -d /dev/pts /dev/shm /dev/stdout >/dev/null || exit 101
echo "PID 1 is $(cat /proc/1/comm)"
echo "to stderr" >&2
while :; do sleep 0.1; done
