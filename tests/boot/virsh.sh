#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# virsh.sh NAME: what virsh makes of the agent in the running VM NAME of qemu:///system. It ends by
# rebooting the VM. test-system runs it, which brings up the daemon and the VM.
set -u

vm=$1
failed=0
fail() { echo "$*" >&2; failed=1; }
v() { virsh -q -c qemu:///system "$@" 2>&1; }
agent() { v qemu-agent-command "$vm" "$1"; }

# has WORDS COMMAND...: the command succeeds and prints the words, an extended regular expression
has() {
	words=$1
	shift
	out=$("$@") || fail "$*: exit $?: $out"
	echo "$out" | tr '\n' ' ' | grep -Eq -- "$words" || fail "$*: no \"$words\" in: $out"
}
# refused WORDS COMMAND...: it fails, and says why
refused() {
	words=$1
	shift
	out=$("$@") && fail "$*: was not refused: $out"
	echo "$out" | grep -Eiq -- "$words" || fail "$*: no \"$words\" in: $out"
}
number() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }

# libvirt hears of the agent's port by a way of its own
for _ in $(seq 600); do
	agent '{"execute":"guest-ping"}' >/dev/null && break
	sleep 0.1
done

# ---- the agent's own commands
has '^\{"return":\{\}\} *$' agent '{"execute":"guest-ping"}'
has '"name":"guest-exec"' agent '{"execute":"guest-info"}'
has '"return":4711' agent '{"execute":"guest-sync","arguments":{"id":4711}}'
# guest-sync-delimited is not for libvirt: it takes the byte before the answer for a broken agent
refused 'no-such-command|not found' agent '{"execute":"no-such-command"}'

pid=$(agent '{"execute":"guest-exec","arguments":{"path":"/bin/sh",
	"arg":["-c","cat; echo err >&2; exit 3"],"input-data":"aW4K","capture-output":true}}' |
	number pid)
[ -n "$pid" ] || fail "guest-exec gives no pid"
for _ in $(seq 600); do
	status=$(agent '{"execute":"guest-exec-status","arguments":{"pid":'"$pid"'}}')
	echo "$status" | grep -q '"exited":true' && break
	sleep 0.1
done
for part in '"exited":true' '"exitcode":3' '"out-data":"aW4K"' '"err-data":"ZXJyCg=="'; do
	echo "$status" | grep -q "$part" || fail "guest-exec-status: no $part in $status"
done
refused 'pid' agent '{"execute":"guest-exec-status","arguments":{"pid":'"$pid"'}}' # told once

open='{"execute":"guest-file-open","arguments":{"path":"/tmp/by-virsh","mode":"w+"}}'
file=$(agent "$open" | number return)
handle='"handle":'$file
has '"count":6' agent '{"execute":"guest-file-write","arguments":{'"$handle"',"buf-b64":"aGVsbG8K"}}'
has '"position":1' agent '{"execute":"guest-file-seek","arguments":{'"$handle"',"offset":1,"whence":0}}'
has '"buf-b64":"ZWxsbwo="' agent '{"execute":"guest-file-read","arguments":{'"$handle"'}}'
has '"return":\{\}' agent '{"execute":"guest-file-close","arguments":{'"$handle"'}}'
refused 'handle' agent '{"execute":"guest-file-close","arguments":{'"$handle"'}}'

# ---- what virsh makes of them
has "$vm" v domhostname "$vm" --source agent
has 'lo +00:00:00:00:00:00 +ipv4 +127\.0\.0\.1/8' v domifaddr "$vm" --source agent
has ' / +.*overlay|/ +vdb|/ +overlay' v domfsinfo "$vm"
info=$(v guestinfo "$vm") || fail "guestinfo: $info"
for part in "hostname *: $vm" 'os.kernel-release *: [0-9]' 'os.machine *: x86_64' 'timezone.offset *: 0' \
	'user.count *: 0' 'fs.count *: [1-9]' 'fs.[0-9]*.mountpoint *: /$' 'if.[0-9]*.name *: lo' \
	'disk.count *: [1-9]'; do
	echo "$info" | grep -Eq "$part" || fail "guestinfo: no \"$part\" in: $info"
done
has 'vcpus *: 0 .*online *: 0' v guestvcpus "$vm"

has '' v domfsfreeze "$vm"
has '"return":"frozen"' agent '{"execute":"guest-fsfreeze-status"}'
has '' v domfsthaw "$vm"
has '"return":"thawed"' agent '{"execute":"guest-fsfreeze-status"}'

clock() { v domtime "$vm" | number_after_time; }
number_after_time() { sed -n 's/.*Time: \([0-9]*\).*/\1/p'; }
near() { # WHEN: the guest's clock is a minute from it, at most
	now=$(clock)
	[ -n "$now" ] && [ "$now" -ge $(($1 - 60)) ] && [ "$now" -le $(($1 + 60)) ] ||
		fail "the guest's clock is $now, not $1"
}
near "$(date +%s)"
has '' v domtime "$vm" --time 1000000000
near 1000000000
has '' v domtime "$vm" --sync # from its hardware clock, which has that time now, too
near 1000000000
has '' v domtime "$vm" --now
has '' v domtime "$vm" --sync
near "$(date +%s)"

refused 'set-user-password|not found|unsupported|not supported' v set-user-password "$vm" root secret
refused 'suspend|not found|unsupported|not supported' v dompmsuspend "$vm" mem
has '' v reboot "$vm" --mode agent
exit $failed
