# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
. /lib.sh

# /run is the image's
same "a folder in /run" "1777 70:71" "$(stat -c '%a %u:%g' /run/mysqld)"
same "a file behind /var/run" 1 "$(cat /var/run/mysqld/pid)"
echo boots >>/run/boots

# names
is "localhost" grep -q '^127.0.0.1 localhost # web$' /etc/hosts
is "a line of the image's" grep -q '^192.0.2.1 elsewhere$' /etc/hosts
is "the own name" ping -c 1 -w 5 web
same "hostname" web "$(cat /etc/hostname)"
same "resolv.conf" "nameserver 10.0.2.3" "$(cat /etc/resolv.conf)"
is "resolv.conf is a file" test ! -L /etc/resolv.conf
is "no mounts below /etc" sh -c '! grep " /etc" /proc/self/mountinfo'
is "nothing of ours in /etc" sh -c 'test "$(ls -A /etc | tr "\n" " ")" = "hostname hosts passwd resolv.conf "'
is "hosts edited in place" sed -i s/elsewhere/edited/ /etc/hosts
is "resolv.conf replaced" sh -c 'rm /etc/resolv.conf && echo "nameserver 192.0.2.53" >/etc/resolv.conf'

# mounts
is "a shared root" grep -q ' / / .*shared:' /proc/self/mountinfo

# limits of programs and of users
same "ping_group_range" "0 2147483647" "$(tr '\t' ' ' </proc/sys/net/ipv4/ping_group_range)"
same "ip_unprivileged_port_start" 0 "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)"
for pid in self "$(pidof sleep)"; do
	same "processes of $pid" unlimited "$(awk '/^Max processes/ { print $3 $4 }' "/proc/$pid/limits" | sed 's/unlimitedunlimited/unlimited/')"
	same "files of $pid" 1048576 "$(awk '/^Max open files/ { print $4 }' "/proc/$pid/limits")"
done
echo end
