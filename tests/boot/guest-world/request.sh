# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# In a guest with what tests/boot/request.sh asks for, as root.
. /lib.sh

same "user" 0 "$(id -u)"
same "folder" / "$(pwd)"
is "the root cannot be written" sh -c '! touch /x && ! touch /etc/x'
is "/tmp can" touch /tmp/x
is "/run can" touch /run/x
is "/var/tmp can" touch /var/tmp/x
is "/dev/shm can" touch /dev/shm/x
same "a tmpfs has its size" 1024 "$(df -k /cache | awk 'NR == 2 { print $2 }')"
same "and what the image has there" image "$(cat /cache/file)"
is "and noexec" grep -q ' /cache .*noexec' /proc/mounts
same "/tmp has the image's mode" 1777 "$(stat -c %a /tmp)"
same "/dev/shm has its size" 8192 "$(df -k /dev/shm | awk 'NR == 2 { print $2 }')"
same "a sysctl" example "$(cat /proc/sys/kernel/domainname)"
same "another" 77 "$(cat /proc/sys/net/core/somaxconn)"
is "a limit" grep -q '^Max open files  *100  *200 ' /proc/self/limits
is "the program's limit" grep -q '^Max open files  *100  *200 ' "/proc/$(pidof sleep)/limits"
echo end
