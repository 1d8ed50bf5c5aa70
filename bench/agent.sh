#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the agent does in a second, and what it costs a boot; see README.md beside this file.
set -eu

usage() {
	echo "usage: agent.sh [--mib N] [--rounds N] [--boots N] [--install] (in the build folder)"
	exit "$1"
}

mib=1024 rounds=3 boots=9 install=false
while [ $# -gt 0 ]; do
	case $1 in
	--mib) mib=$2 && shift ;;
	--rounds) rounds=$2 && shift ;;
	--boots) boots=$2 && shift ;;
	--install) install=true ;;
	--help) usage 0 ;;
	*) usage 2 >&2 ;;
	esac
	shift
done
. "$(dirname "$0")/lib.sh"
if $install; then
	apt-get install -y --no-install-recommends libguestfs-tools jq busybox umoci >&2
fi
need jq busybox umoci shuf
built tools/vmboot bench/agent-rate
begin

say() {
	echo "$*" >&2
}

# timed FILE COMMAND...: adds the seconds that it took to the file
timed() {
	file=$tmp/$1
	shift
	start=$(date +%s%N)
	"$@" >&2
	end=$(date +%s%N)
	awk -v ns=$((end - start)) 'BEGIN { printf "%.3f\n", ns / 1e9 }' >>"$file"
}

median() {
	sort -n "$tmp/$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# rate FILE: MiB a second, of the median
rate() {
	median "$1" | awk -v mib="$mib" '{ printf "%.1f", mib / $1 }'
}

sh "$srcdir/tests/boot/mkimage.sh" "$tmp" >&2
vmboot import --name bench "oci:$tmp/image:test" >&2
vmboot run -d --name bench --memory-mib 512 bench -- /bin/sh -c 'sleep 1000000' >&2
vmboot wait --phase agent -t 60 bench
accel=$(vmboot ps --json | jq -r '.[0].accel')

# ---- copies, beside libguestfs ----

peer=true
if ! command -v guestfish >/dev/null; then
	peer=false
	say "libguestfs-tools is not installed: copies are shown without it"
fi
if $peer; then
	truncate -s $((2 * mib + 512))M "$tmp/peer.img"
	mkfs.ext4 -q "$tmp/peer.img"
	export LIBGUESTFS_BACKEND=direct LIBGUESTFS_CACHEDIR="$tmp"
	[ "$accel" = kvm ] || export LIBGUESTFS_BACKEND_SETTINGS=force_tcg
fi

# Its own clock, without the start of its guest: ours runs already, too.
peer_copy() {
	guestfish -a "$tmp/peer.img" >"$tmp/peer" <<-END
		run
		mount /dev/sda /
		time copy-in $tmp/file /
		time copy-out /file $tmp/back
		rm /file
	END
	awk '/^elapsed time:/ { print $3 }' "$tmp/peer" >"$tmp/times"
	head -n 1 "$tmp/times" >>"$tmp/peer-up"
	tail -n 1 "$tmp/times" >>"$tmp/peer-down"
	cmp "$tmp/file" "$tmp/back/file"
	rm "$tmp/back/file"
}

our_copy() {
	timed our-up vmboot cp "$tmp/file" bench:/file
	timed our-down vmboot cp bench:/file "$tmp/back/"
	cmp "$tmp/file" "$tmp/back/file"
	rm "$tmp/back/file"
	vmboot exec bench -- rm /file
}

mkdir "$tmp/back"
head -c "${mib}M" /dev/urandom >"$tmp/file"
for i in $(seq "$rounds"); do
	say "copies, round $i of $rounds"
	if $peer; then
		peer_copy
	fi
	our_copy
done
rm "$tmp/file"

# ---- programs ----

for i in $(seq "$rounds"); do
	say "programs, round $i of $rounds"
	bench/agent-rate bench output 100 >>"$tmp/output"
	bench/agent-rate bench exec 100 >>"$tmp/exec"
	bench/agent-rate bench parallel 64 >>"$tmp/parallel"
done
vmboot rm -f bench >/dev/null

# ---- boots, with and without, in pairs whose order is by chance ----

# boot NAME FLAG...: adds to NAME-program and NAME-guest
boot() {
	name=$1
	shift
	vmboot run -d --name boot --memory-mib 256 "$@" bench -- /bin/sh -c 'sleep 1000000' >/dev/null
	vmboot wait --phase agent -t 60 boot
	vmboot report --json boot >"$tmp/ledger"
	vmboot rm -f boot >/dev/null
	jq '[.events[] | select(.side == "guest")] as $g | ($g[] | select(.phase == "program") | .end_us)
		- $g[0].start_us' "$tmp/ledger" >>"$tmp/$name-program"
	jq '[.events[] | select(.side == "guest" and .phase != "agent")
		| .end_us - .start_us] | add' "$tmp/ledger" >>"$tmp/$name-guest"
	jq '.events[] | select(.phase == "agent") | .end_us - .start_us' "$tmp/ledger" \
		>>"$tmp/$name-agent"
}

boot first # the first boot of all makes the initramfs
rm "$tmp"/first-*
for i in $(seq "$boots"); do
	say "boots, pair $i of $boots"
	for flag in $(shuf -e with without); do
		case $flag in
		with) boot with ;;
		*) boot without --skip-guest-agent ;;
		esac
	done
done

# ---- the tables ----

ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}

copy_row() {
	ours=$(rate "our-$1")
	if $peer; then
		theirs=$(rate "peer-$1")
		echo "| $2 | $ours | $theirs | $(ratio "$ours" "$theirs") |"
	else
		echo "| $2 | $ours | – | – |"
	fi
}

boot_row() {
	with=$(median "with-$1")
	without=$(median "without-$1")
	echo "| $2 | $with | $without | $(awk -v a="$with" -v b="$without" 'BEGIN { print a - b }') |"
}

echo "Guests run under $accel, on $(nproc) CPUs of the host; load $(cut -d ' ' -f 1-3 /proc/loadavg)."
echo
echo "| copy of $mib MiB, median of $rounds | vmboot cp, MiB/s | libguestfs, MiB/s | ratio |"
echo "| --- | --- | --- | --- |"
copy_row up "into the guest (virt-copy-in)"
copy_row down "out of the guest (virt-copy-out)"
echo
echo "| programs, median of $rounds | |"
echo "| --- | --- |"
echo "| 100 MiB through standard output | $(median output) MiB/s |"
echo "| \`true\`, one after the other | $(median exec) a second |"
echo "| \`true\`, 64 at once | $(median parallel) a second |"
echo
echo "| boot, µs, median of $boots | with agent | without | difference |"
echo "| --- | --- | --- | --- |"
boot_row program "kernel's start to program's start"
boot_row guest "all guest phases but the agent's, together"
echo "| the agent's own phase, beside the program | $(median with-agent) | | |"
