# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# A program of the agent's, beside pid1.sh.
. /lib.sh

same "PID 1" init "$(cat /proc/1/comm)"
is "ps has this program" sh -c "ps | grep -q beside.sh"
is "/proc/self" test -e /proc/self/status
is "/proc/1/fd/1" sh -c 'echo "by way of PID 1" >/proc/1/fd/1'
is "/dev/fuse opens" sh -c 'exec 3<>/dev/fuse'
echo end
