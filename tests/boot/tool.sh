#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The command with real guests: what run passes on and how it ends, signals, and the life of a VM.
. "$(dirname "$0")/../tools/lib.sh"

need jq umoci busybox python3 qemu-system-x86_64
ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel is installed here"
chmod 711 "$tmp"
export LIBVIRT_DEFAULT_URI=embed
LIMIT=400

vmboot() {
	timeout -k 10 $LIMIT "$builddir/tools/vmboot" "$@"
}

finish() {
	! mountpoint -q "$VMBOOT_STORE/vms" || umount -l "$VMBOOT_STORE/vms"
	remove_guests
}
trap finish EXIT

nothing_left() {
	[ -z "$(vmboot ps -aq)" ] || fail "$1: VMs are left: $(vmboot ps -aq)"
	[ -z "$(ls "$VMBOOT_STORE/vms" 2>/dev/null)" ] || fail "$1: $(ls "$VMBOOT_STORE/vms")"
	if grep -lsF "$VMBOOT_STORE/vms" /proc/[0-9]*/cmdline; then
		fail "$1: a process is left"
	fi
}

# started FILE WORDS: waits until the words are in the file
started() {
	for _ in $(seq 3000); do
		grep -qF "$2" "$1" && return
		sleep 0.1
	done
	fail "no \"$2\" in five minutes"
}

sh "$testsdir/boot/mkimage.sh" "$tmp" >"$tmp/log" 2>&1 || skip "no image: $(cat "$tmp/log")"
expect 0 vmboot import --name test "oci:$tmp/image:test"
set -- run --rm --memory-mib 256

echo "- output, exit code and ledger"
expect 7 vmboot "$@" --report -e GREETING=hello test -- /bin/sh -c \
	'echo "$GREETING" "$FROM_IMAGE"; echo oops >&2; exit 7'
[ "$(cat "$tmp/out")" = "hello yes" ] || fail "stdout: $(cat "$tmp/out")"
[ "$(head -n 1 "$tmp/err")" = oops ] || fail "stderr: $(cat "$tmp/err")"
has err settle-overlay vmboot-overlay program exit
nothing_left "run --rm"

echo "- below a parent that waits for no child but its own: QEMUs are waited for all the same"
cat >"$tmp/parent.py" <<'EOF'
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
status = subprocess.call(sys.argv[1:])
try:
    sys.exit("left: %d %d" % os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    sys.exit(status)
EOF
rm -rf "$VMBOOT_STORE/embed/cache" # libvirt asks QEMU anew what it can, by some that detach themselves
expect 3 timeout -k 10 $LIMIT python3 "$tmp/parent.py" "$builddir/tools/vmboot" "$@" test \
	/bin/sh -c 'exit 3'
nothing_left "such a parent"

echo "- a guest that floods while nobody listens, also one that was started again"
flood="dd if=/dev/zero bs=64k count=320 2>/dev/null; echo flooded >&2; sleep 1000"
# bounded: waits until the log, which is longer than that, takes at most 3 MiB
bounded() {
	started "$VMBOOT_STORE/vms/flood/stderr.log" flooded
	for _ in $(seq 600); do
		[ "$(du -k "$VMBOOT_STORE/vms/flood/stdout.log" | cut -f 1)" -gt 3072 ] || return
		sleep 0.1
	done
	fail "$1: the log takes $(du -k "$VMBOOT_STORE/vms/flood/stdout.log") KiB"
}
expect 0 vmboot run -d --name flood --memory-mib 256 --log-max-mib 1 test /bin/sh -c "$flood"
[ "$(pgrep -fc "vmboot-logs 1 $VMBOOT_STORE")" -eq 1 ] || fail "vmboot-logs does not run once"
bounded "a flood"
expect 0 vmboot stop -t 0 flood
for _ in $(seq 100); do
	pgrep -f "vmboot-logs 1 $VMBOOT_STORE" >/dev/null || break
	sleep 0.1
done
pgrep -f "vmboot-logs 1 $VMBOOT_STORE" >/dev/null && fail "vmboot-logs outlives its guest"
expect 0 vmboot start flood
bounded "the second flood"
expect 0 vmboot rm -f flood
nothing_left "floods"

echo "- a request; a program that is killed"
echo '{"image": "test", "ephemeral": true, "memory_mib": 256, "name": "asked",
	"cmd": ["/bin/sh", "-c", "hostname; kill -9 $$"]}' >"$tmp/request"
expect 137 vmboot run --request "$tmp/request"
[ "$(cat "$tmp/out")" = asked ] || fail "hostname: $(cat "$tmp/out")"
[ -s "$tmp/err" ] && fail "words about a program that was killed: $(cat "$tmp/err")"

echo "- commands that are not there or cannot be executed"
expect 127 vmboot "$@" test /bin/nosuch && has err /bin/nosuch "No such file"
expect 126 vmboot "$@" test /etc/greeting && has err /etc/greeting "Permission denied"
nothing_left "a boot that fails"

echo "- an init system that dies, or powers off"
expect 125 vmboot "$@" --init-mode systemd test /bin/sh -c \
	'mount -t sysfs sysfs /sys; until [ -d /sys/module/pvpanic_mmio ]; do sleep 0.1; done; exit 3'
has err "its kernel panicked" "Attempted to kill init"
expect 0 vmboot "$@" --init-mode systemd test /bin/sh -c 'poweroff -f'
nothing_left "an init system"

echo "- descriptors run out, sooner or later"
for limit in 10 12 14 16 18 20 21 24 27; do
	(
		# shellcheck disable=SC3045
		ulimit -n $limit
		vmboot "$@" --name few test true
	) >"$tmp/out" 2>"$tmp/err" && fail "with $limit descriptors it works: take fewer"
	has err "file descriptors: raise the limit"
	lacks err "removed just now"
	nothing_left "$limit descriptors"
done

echo "- SIGTERM, and a second one for a program that does not care"
"$builddir/tools/vmboot" "$@" test /bin/sh -c 'echo up; exec sleep 1000' \
	>"$tmp/out" 2>"$tmp/err" &
pid=$!
started "$tmp/out" up
vmboot ps 2>"$tmp/busy" && fail "two processes have one embedded libvirt"
grep -q "another process has qemu:///embed.*serves one at a time" "$tmp/busy" ||
	fail "no word of the other process: $(cat "$tmp/busy")"
kill -TERM $pid
status=0
wait $pid || status=$?
[ $status -eq 143 ] || fail "exit $status, not 143, after SIGTERM: $(cat "$tmp/err")"
nothing_left "SIGTERM"

rm "$tmp/out" # or its "up" is taken for that of the next
"$builddir/tools/vmboot" "$@" test /bin/sh -c 'trap "echo no" TERM; echo up; while :; do sleep 1; done' \
	>"$tmp/out" 2>"$tmp/err" &
pid=$!
started "$tmp/out" up
kill -HUP $pid
sleep 1
kill -TERM $pid
status=0
wait $pid || status=$?
[ $status -eq 129 ] || fail "exit $status, not 129, after SIGHUP: $(cat "$tmp/err")"
nothing_left "two signals"

echo "- output that nobody reads, or that has no room"
{
	status=0
	vmboot "$@" test yes 2>"$tmp/err" || status=$?
	echo $status >"$tmp/status"
} | head -n 1 >"$tmp/out"
[ "$(cat "$tmp/out")" = y ] || fail "stdout: $(cat "$tmp/out")"
[ "$(cat "$tmp/status")" = 141 ] || fail "exit $(cat "$tmp/status"), not 141, when nobody reads"
[ -s "$tmp/err" ] && fail "words when nobody reads: $(cat "$tmp/err")"
status=0
vmboot "$@" test echo hello >/dev/full 2>"$tmp/err" || status=$?
[ $status -eq 125 ] || fail "exit $status, not 125, when output has no room"
has err "No space left on device"
nothing_left "output that fails"

echo "- a store that is full while the guest writes"
mkdir -p "$VMBOOT_STORE/vms"
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=8m,mode=711 vms "$VMBOOT_STORE/vms" 2>/dev/null; then
	"$builddir/tools/vmboot" "$@" test dd if=/dev/urandom of=/big bs=1M count=20 conv=fsync \
		>"$tmp/out" 2>"$tmp/err" &
	pid=$!
	started "$tmp/err" "is paused; is the file system of $VMBOOT_STORE/vms/"
	kill -TERM $pid
	status=0
	wait $pid || status=$?
	[ $status -eq 143 ] || fail "exit $status, not 143, of a VM that is paused: $(cat "$tmp/err")"
	nothing_left "a store that is full"
	umount "$VMBOOT_STORE/vms"
else
	not_tried "a full store: there is no right to mount"
fi

set -- --memory-mib 256
echo "- a log that QEMU writes is limited as the VM asks, by whichever process listens"
expect 0 vmboot run -d --name flood --log-max-mib 2 --on-exit poweroff "$@" test /bin/sh -c \
	'head -c 12000000 /dev/zero | tr "\0" x; echo the end'
expect 0 vmboot wait flood
expect 0 vmboot logs flood
[ "$(tail -c 8 "$tmp/out")" = "the end" ] || fail "the newest output is gone"
kib=$(du -k "$VMBOOT_STORE/vms/flood/stdout.log" | cut -f 1)
[ "$kib" -ge 2000 ] && [ "$kib" -le 3200 ] || fail "$kib KiB of a log are kept, not 2 to 3 MiB"
expect 0 vmboot rm flood

echo "- the life of a VM that is kept"
expect 0 vmboot run -d --name web "$@" test /bin/sh -c \
	'echo boot >>/tmp/boots; cat /tmp/boots; echo err >&2; sleep 3; exit 3'
[ "$(cat "$tmp/out")" = web ] || fail "run -d prints $(cat "$tmp/out")"
expect 125 vmboot run --name web "$@" test && has err '"web"'
expect 0 vmboot wait --phase program -t 300 web && [ ! -s "$tmp/out" ] || fail "wait --phase prints"
expect 0 vmboot ps && has out NAME COMMAND STATUS web Up " ago" localhost/test
expect 0 vmboot ps --format "table {{.Name}}\t{{.State}}" && has out "NAME  STATE" "web   running"
expect 0 vmboot ps --filter image=test --format "{{ .Name }}/{{.Memory}}" && has out "web/256 MiB"
expect 0 vmboot ps --filter name=nothing -q && [ ! -s "$tmp/out" ] || fail "a filter lets all pass"
expect 0 vmboot ps --json
jq -e '.[0] | .name == "web" and .state == "running" and .memory_mib == 256 and .accel != ""' \
	"$tmp/out" >/dev/null || fail "ps --json: $(cat "$tmp/out")"
expect 0 vmboot start web && has out web # it runs already
expect 1 vmboot rm web && has err "web is running"
expect 0 vmboot wait web
[ "$(cat "$tmp/out")" = 3 ] || fail "wait prints $(cat "$tmp/out")"
expect 0 vmboot logs web
[ "$(cat "$tmp/out")" = boot ] || fail "logs: $(cat "$tmp/out")"
[ "$(cat "$tmp/err")" = err ] || fail "logs, on stderr: $(cat "$tmp/err")"
expect 0 vmboot ps -q && has out web # on_exit is keep
expect 1 vmboot rmi test && has err test
expect 0 vmboot wait --phase agent -t 60 web
expect 7 vmboot exec web -- sh -c 'exit 7'
expect 127 vmboot exec web -- /no/such && has err 'cannot run "/no/such": No such file'
expect 126 vmboot exec web -- /etc/greeting && has err "Permission denied"
expect 126 vmboot exec -u nobody-such web -- id && has err nobody-such
status=0
printf 'exit 3' | vmboot exec -it web -- sh >"$tmp/out" || status=$?
[ $status -eq 3 ] || fail "a terminal whose input is a pipe: exit $status, $(cat "$tmp/out")"
echo packed >"$tmp/packed"
tar -C "$tmp" -cz packed | vmboot cp - web:/tmp || fail "cp from standard input"
expect 0 vmboot cp web:/tmp/packed -
[ "$(tar -xOf "$tmp/out" packed)" = packed ] || fail "cp to standard output"
expect 1 vmboot cp web:/no/such - && has err /no/such
expect 1 vmboot cp - web:/tmp && has err "tar archive" # standard input is empty
expect 0 vmboot stop web web && has out web
expect 0 vmboot ps -q && [ ! -s "$tmp/out" ] || fail "stopped, and in ps"
expect 0 vmboot ps -a && has out web "Exited (" " ago"
expect 0 vmboot ps --filter status=exited -q && has out web
expect 0 vmboot ps --filter status=running -q && lacks out web
old=0.0.1-0123456789ab # the files of a kernel that was replaced
mkdir "$VMBOOT_STORE/kernels/$old"
echo old | tee "$VMBOOT_STORE/kernels/$old/vmlinux" "$VMBOOT_STORE/kernels/$old.squashfs" \
	>"$VMBOOT_STORE/initramfs/$old.cpio"
expect 0 vmboot gc -n --json
[ "$(jq length "$tmp/out")" = 3 ] || fail "gc -n finds: $(cat "$tmp/out")"
expect 0 vmboot gc && has out "kernels/$old.squashfs" "initramfs/$old.cpio"
[ -z "$(find "$VMBOOT_STORE" -name "$old*")" ] || fail "gc leaves $(ls "$VMBOOT_STORE"/*)"
ln -s "$VMBOOT_STORE" "$tmp/same"
expect 0 vmboot gc --store "$tmp/same" && [ ! -s "$tmp/out" ] || fail "gc by a link: $(cat "$tmp/out")"
expect 0 vmboot gc -v --uri test:///default && has err "web is left alone"
expect 0 vmboot start web
expect 0 vmboot wait --phase program -t 300 web
"$builddir/tools/vmboot" logs -f web >"$tmp/follow" 2>/dev/null &
pid=$!
started "$tmp/follow" "boot"
kill $pid
wait
expect 1 vmboot wait -t 0 --phase poweroff web && has err web
expect 0 vmboot stop -t 300 web
expect 0 vmboot logs web
[ "$(grep -c boot "$tmp/out")" = 2 ] || fail "its writes are lost: $(cat "$tmp/out")"
expect 0 vmboot logs --console web
cp "$tmp/out" "$tmp/console"
expect 0 vmboot logs --console -n 3 web
tail -n 3 "$tmp/console" | cmp -s - "$tmp/out" || fail "logs -n: $(cat "$tmp/out")"
expect 0 vmboot logs --tail=0 web
[ ! -s "$tmp/out" ] || fail "logs --tail=0: $(cat "$tmp/out")"
expect 2 vmboot logs -n x web && has err 'a number of lines'
expect 0 vmboot report web && has out vmboot-root program shutdown
expect 0 vmboot report --json web && jq -e . "$tmp/out" >/dev/null || fail "report --json"
expect 0 vmboot rm web && has out web
expect 1 vmboot logs web && has err web
expect 1 vmboot rm web && has err web
expect 0 vmboot rm -f web

echo "- a guest that powers off while nobody has its libvirt"
expect 0 vmboot run -d --name off --on-exit poweroff "$@" test true
started "$VMBOOT_STORE/vms/off/events" "the program ended"
expect 0 vmboot ps -a # which finds it so
expect 0 vmboot wait --phase stopped -t 300 off
expect 0 vmboot report off && has out "the program ended" shutdown && lacks out crashed
expect 0 vmboot rm off
nothing_left "a guest that powers off"

echo "- on_exit keep in the foreground: the VM stays, until it is removed by force"
expect 0 vmboot run --name stay --on-exit keep "$@" test true
expect 0 vmboot ps -q && has out stay
expect 0 vmboot ps && has out "program exited (0)"
expect 0 vmboot rm -f stay && has out stay
nothing_left "rm -f"

echo "- all VMs of this store, and only of this"
set -- --memory 256m --skip-kernel-headers --skip-guest-agent
expect 0 vmboot run --name Kept_1.a --hostname www.example.org "$@" test hostname &&
	has out www.example.org
expect 0 vmboot run --name Kept_2.a "$@" test hostname && has out Kept-2-a
expect 0 vmboot run -d --name stays "$@" test sleep 600
other="--uri qemu:///embed?root=$VMBOOT_STORE/embed --store $tmp/other"
# shellcheck disable=SC2086
expect 0 vmboot ps -a $other && lacks out Kept
# shellcheck disable=SC2086
expect 0 vmboot ps -a --all-stores $other && has out STORE Kept_1.a "$VMBOOT_STORE"
# shellcheck disable=SC2086
expect 1 vmboot rm -f $other Kept_1.a && has err "a VM of the store $VMBOOT_STORE" --all-stores
# shellcheck disable=SC2086
expect 0 vmboot rm -fa $other && [ ! -s "$tmp/out" ] || fail "rm -a removes what is of other stores"
expect 0 vmboot prune -f && has out Kept_1.a Kept_2.a && lacks out stays
expect 0 vmboot prune -f && [ ! -s "$tmp/out" ] || fail "prune finds: $(cat "$tmp/out")"
expect 0 vmboot stop -a -t 0 && has out stays
expect 0 vmboot rm -a && has out stays
nothing_left "prune, rm -a"

echo "- a VM whose files are gone"
expect 0 vmboot run --name bare "$@" test true
rm -rf "$VMBOOT_STORE/vms/bare"
expect 1 vmboot rm -f bare && has err "not on this host" "virsh destroy" "vmboot gc"
expect 0 vmboot gc
nothing_left "gc of a VM whose files are gone"
expect 0 vmboot gc --json
[ "$(jq length "$tmp/out")" = 0 ] || fail "gc finds: $(cat "$tmp/out")"

echo "- a store with a long name is reached by a short link, which goes with the store"
links=/run/vmboot
[ "$(id -u)" = 0 ] || links=${XDG_RUNTIME_DIR:-/tmp/vmboot-$(id -u)}
count_links() {
	find "$links" -maxdepth 1 -lname "$tmp/a-store-*" | wc -l
}
for store in "$tmp/a-store-with-a-long-name" "$tmp/a-store-with-a-longer-name"; do
	mkdir "$store"
	expect 0 vmboot ps -a --store "$store"
	[ "$(count_links)" = 1 ] || fail "$store: $(count_links) links in $links"
	rm -rf "$store"
done

echo "- a store with a name that is not for a URI, nor for what QEMU parses"
store="$tmp/a-store-ä ?&#%,\"<"
expect 0 vmboot import --name test "oci:$tmp/image:test" --store "$store"
expect 0 vmboot run --rm "$@" --store "$store" test echo odd && has out odd
[ -d "$store/embed/run" ] || fail "the embedded libvirt is elsewhere: $(ls "$tmp")"
rm -rf "$store"
find "$links" -maxdepth 1 -lname "$tmp/a-store-*" -delete

done_testing
