#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What init carries out for a request beside starting its program. guest-world/request.sh runs inside, and
# says "bad: …" for each check that fails.
. "$(dirname "$0")/../tools/lib.sh"

need busybox tar qemu-system-x86_64
ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel is installed here"
chmod 711 "$tmp"
export LIBVIRT_DEFAULT_URI=embed
trap remove_guests EXIT

vmboot() {
	timeout -k 10 400 "$builddir/tools/vmboot" "$@"
}

mkdir -p "$tmp/root/bin" "$tmp/root/etc" "$tmp/root/cache" "$tmp/root/tmp"
cp "$(command -v busybox)" "$tmp/root/bin/busybox"
for applet in $(busybox --list); do
	[ "$applet" = busybox ] || ln -s busybox "$tmp/root/bin/$applet"
done
cp "$testsdir"/boot/guest-world/lib.sh "$testsdir"/boot/guest-world/request.sh "$tmp/root/"
echo image >"$tmp/root/cache/file"
chmod 1777 "$tmp/root/tmp"
printf 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n' >"$tmp/root/etc/passwd"
tar -C "$tmp/root" --owner 0 --group 0 -cf "$tmp/img.tar" .
expect 0 vmboot import --name img "tar:$tmp/img.tar"

echo "- settings, and what exec runs as"
expect 0 vmboot run -d --name one --memory-mib 256 -u app -w /srv/app --read-only \
	--tmpfs /cache:size=1m,noexec --sysctl kernel.domainname=example --sysctl net/core/somaxconn=77 \
	--ulimit nofile=100:200 --shm-size 8m --ttl 1h \
	--health-cmd 'test -e /dev/shm/well' --health-interval 200ms --health-retries 2 \
	img -- /bin/sh -c 'ulimit -Sn; ulimit -Hn; exec sleep 1000000'
expect 0 vmboot wait --phase agent one
expect 0 vmboot exec one -- /bin/sh -c 'id -u; pwd; ulimit -Sn; echo $HOME; touch /tmp/of-app'
[ "$(tr '\n' ' ' <"$tmp/out")" = "1000 /srv/app 100 /home/app " ] || fail "exec as: $(cat "$tmp/out")"
expect 0 vmboot exec -u root -w / one -- /bin/sh /request.sh
if grep '^bad' "$tmp/out" >"$tmp/bad"; then
	while read -r line; do fail "$line"; done <"$tmp/bad"
fi
has out end
expect 0 vmboot wait --phase unhealthy one
expect 0 vmboot ps
has out "(unhealthy)"
expect 0 vmboot exec one -- touch /dev/shm/well
expect 0 vmboot wait --phase healthy one
expect 0 vmboot ps
has out "(healthy)"
expect 0 vmboot exec one -- rm /dev/shm/well
expect 0 vmboot wait --phase unhealthy one
expect 1 vmboot wait -t 0 --phase healthy one
expect 0 vmboot cp "$tmp/img.tar" one:/tmp/
expect 0 vmboot exec -u 0 one -- stat -c '%U %a' /tmp/img.tar
has out root
expect 0 vmboot logs one
[ "$(tr '\n' ' ' <"$tmp/out")" = "100 200 " ] || fail "the program's limits: $(cat "$tmp/out")"
expect 0 vmboot report one
has out settings
expect 0 vmboot rm -f one

echo "- a sysctl that the kernel has not"
expect 125 vmboot run --rm --memory-mib 256 --sysctl kernel.nosuch=1 img -- true
has err "phase settings" "kernel.nosuch=1" "none of that name"

echo "- a guest whose time is over"
expect 143 vmboot run --name short --memory-mib 256 --ttl 500ms img -- sleep 1000000
expect 0 vmboot report short
has out "time to live is over"
expect 0 vmboot rm short

echo "- a program that the kernel kills for want of memory, and is started again once"
expect 137 vmboot run --name oom --memory-mib 256 --restart on-failure:1 img -- /bin/sh -c \
	'echo run; echo 1000 >/proc/self/oom_score_adj; echo f >/proc/sysrq-trigger; exec sleep 1000'
has err "out of memory: the kernel killed"
[ "$(tr '\n' ' ' <"$tmp/out")" = "run run " ] || fail "it ran: $(cat "$tmp/out")"
expect 0 vmboot report oom
has out "attempt 1 after 100 ms"
expect 0 vmboot report --json oom
grep -q '"exit_oom": *true' "$tmp/out" || fail "no exit_oom: $(cat "$tmp/out")"
expect 0 vmboot rm oom
expect 2 vmboot run --rm --init-mode pid1 --restart always img -- true
has err "restart" "init_mode exec"

done_testing
