#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a program finds in a guest: /run, names, devices, limits, mounts, and how PID 1 behaves. The
# images are made by hand, as those of the reports were; guest-world/*.sh runs inside of them, many
# checks a boot, and says "bad: …" for each that fails.
. "$(dirname "$0")/../tools/lib.sh"

need busybox tar qemu-system-x86_64
ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel is installed here"
chmod 711 "$tmp"
export LIBVIRT_DEFAULT_URI=embed
trap remove_guests EXIT

vmboot() {
	timeout -k 10 400 "$builddir/tools/vmboot" "$@"
}

# base DIR: busybox with all its names in /bin
base() {
	mkdir -p "$1/bin"
	cp "$(command -v busybox)" "$1/bin/busybox"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
	done
	cp "$testsdir"/boot/guest-world/*.sh "$1/"
}

# add NAME DIR [TAR-FLAG...]
add() {
	image=$1
	folder=$2
	shift 2
	tar -C "$folder" "$@" --numeric-owner -cf "$tmp/$image.tar" . &&
		expect 0 vmboot import --name "$image" "tar:$tmp/$image.tar"
}

# checks NAME SCRIPT: runs it in the guest; it fails for each "bad"
checks() {
	expect 0 vmboot wait --phase agent "$1" || return 1
	expect 0 vmboot exec "$1" -- /bin/sh "/$2.sh" || return 1
	if grep '^bad' "$tmp/out" >"$tmp/bad"; then
		while read -r line; do fail "$2: $line"; done <"$tmp/bad"
		sed 's/^/    /' "$tmp/out"
	fi
	grep -q '^end' "$tmp/out" || fail "$2 did not come to its end"
}

# an image with content in /run, a hosts file without the VM's name, and a resolver that dangles
base "$tmp/full"
mkdir -p "$tmp/full/etc" "$tmp/full/var" "$tmp/full/run/mysqld"
chmod 1777 "$tmp/full/run/mysqld"
chown 70:71 "$tmp/full/run/mysqld" 2>/dev/null || skip "only root can make files of other users"
echo 1 >"$tmp/full/run/mysqld/pid"
ln -s ../run "$tmp/full/var/run"
mkdir -p "$tmp/full/usr/bin" "$tmp/full/usr/sbin" "$tmp/full/var/lib/docker"
touch "$tmp/full/usr/bin/podman" "$tmp/full/usr/sbin/dockerd"
echo image >"$tmp/full/var/lib/docker/from"
printf '127.0.0.1 localhost # web\n192.0.2.1 elsewhere' >"$tmp/full/etc/hosts"
ln -s ../run/systemd/resolve/stub-resolv.conf "$tmp/full/etc/resolv.conf"
printf 'root:x:0:0:root:/root:/bin/sh\nbig:x:4294967294:3000000000::/:/bin/sh\n' \
	>"$tmp/full/etc/passwd"
add full "$tmp/full"

echo "- the first boot"
expect 0 vmboot run -d --name web --memory-mib 256 --network user -e FROM=request \
	full -- /bin/sh /program.sh
checks web first
for user in big 4294967294; do
	expect 0 vmboot exec --user $user web -- id -u
	[ "$(cat "$tmp/out")" = 4294967294 ] || fail "the user $user is $(cat "$tmp/out")"
done

expect 0 vmboot logs web
has out started "by way of PID 1"
has err "errors, too"

echo "- after a reboot by busybox"
boot=$(vmboot exec web -- cat /proc/sys/kernel/random/boot_id)
vmboot exec web -- reboot >/dev/null 2>&1 # which the agent may not live to answer
for _ in $(seq 600); do
	next=$(vmboot exec web -- cat /proc/sys/kernel/random/boot_id 2>/dev/null)
	[ -n "$next" ] && [ "$next" != "$boot" ] && break
	sleep 0.2
done
checks web second

echo "- a power-off by busybox"
vmboot exec web -- poweroff >/dev/null 2>&1
expect 0 vmboot wait --phase stopped web
expect 0 vmboot rm web

echo "- a program that is PID 1, ends, and leaves the VM"
base "$tmp/s6"
printf '#!/bin/sh\n. /pid1.sh\n' >"$tmp/s6/init"
chmod 755 "$tmp/s6/init"
add s6 "$tmp/s6"
expect 0 vmboot run -d --name one --memory-mib 256 --on-exit keep s6 -- /init
checks one beside
expect 0 vmboot exec one -- kill -USR1 1
expect 0 vmboot wait --phase exit one
expect 0 vmboot report --json one
grep -q '"exit_code": *3' "$tmp/out" || fail "not 3: $(grep exit_code "$tmp/out")"
expect 0 vmboot logs one
has out "PID 1 is init" "by way of PID 1" ends
has err "to stderr"
for _ in $(seq 100); do # the agent starts again, in init's namespace
	vmboot exec one -- ls -d /proc/self >"$tmp/out" 2>&1 && break
	sleep 0.2
done
has out /proc/self
expect 0 vmboot rm -f one

done_testing
