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

# an engine keeps its images in layers of overlayfs, which cannot lie on overlayfs
is "layers in podman's folder" sh -c 'cd /var/lib/containers && mkdir a b c m && mount -t overlay -o lowerdir=a,upperdir=b,workdir=c layers m && touch m/kept && umount m'
is "none elsewhere" sh -c 'cd /var && mkdir a b c m && ! mount -t overlay -o lowerdir=a,upperdir=b,workdir=c layers m'
is "what an image has in such a folder" grep -q image /var/lib/docker/from

# devices, and modules that the kernel asks for: nothing in this image loads one
same "/dev/fuse" "666 0:0 a:e5" "$(stat -c '%a %u:%g %t:%T' /dev/fuse)"
same "/dev/net/tun" "666 0:0 a:c8" "$(stat -c '%a %u:%g %t:%T' /dev/net/tun)"
same "/dev/loop-control" "660 0:6 a:ed" "$(stat -c '%a %u:%g %t:%T' /dev/loop-control)"
same "/dev/uhid, by modules.devname" "600 a:ef" "$(stat -c '%a %t:%T' /dev/uhid)"
is "no modprobe in the image" sh -c '! test -e /sbin/modprobe'
is "/dev/fuse opens" sh -c 'exec 3<>/dev/fuse'
same "/dev/fuse stays everybody's" 666 "$(stat -c %a /dev/fuse)"
is "mount -t xfs asks for xfs" sh -c 'mkdir -p /x; mount -t xfs /dev/null /x; grep -q "xfs$" /proc/filesystems'
is "xfs needs libcrc32c" test -e /sys/module/libcrc32c
is "a link of wireguard's" ip link add wg0 type wireguard

# PID 1 is init, and shows what a container's PID 1 would
is "the program's environment" sh -c 'tr "\\0" "\\n" </proc/1/environ | grep -qx FROM=request'
is "the program's output" sh -c 'echo "by way of PID 1" >/proc/1/fd/1'
is "its standard error" sh -c 'echo "errors, too" >/proc/1/fd/2'

# limits of programs and of users
same "ping_group_range" "0 2147483647" "$(tr '\t' ' ' </proc/sys/net/ipv4/ping_group_range)"
same "ip_unprivileged_port_start" 0 "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)"
for pid in self "$(pidof sleep)"; do
	same "processes of $pid" unlimited "$(awk '/^Max processes/ { print $3 $4 }' "/proc/$pid/limits" | sed 's/unlimitedunlimited/unlimited/')"
	same "files of $pid" 1048576 "$(awk '/^Max open files/ { print $4 }' "/proc/$pid/limits")"
done
echo end
