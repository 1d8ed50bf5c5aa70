# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
. /lib.sh

is "an edited hosts stays" grep -q '^192.0.2.1 edited$' /etc/hosts
same "lines of hosts" 3 "$(wc -l </etc/hosts)"
same "an edited resolv.conf stays" "nameserver 192.0.2.53" "$(cat /etc/resolv.conf)"
same "/run stays, as in a container" 1 "$(cat /run/boots | wc -l)"
is "layers in podman's folder" test -e /var/lib/containers/b/kept
echo end
