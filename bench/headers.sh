#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# [UNPACKS=3] headers.sh [ROUNDS]: what kernel headers cost a boot, as a Markdown table.
#
#  - The phase `headers` of the ledger: finding and mounting the kernel disk.
#  - The way of others: the same headers in kernel-headers.tar.gz, unpacked in the guest by GNU tar
#    and gzip, in the same boot.
#  - Whole boots with and without skip_kernel_headers, in pairs whose order is shuffled: guest time
#    from the kernel's first tick to the start of the program.
#  - The same boots as processor time of QEMU, from its start to the program's end. On a busy machine
#    it says more than a clock does.
#
# Needs vmboot in PATH (or VMBOOT, VMBOOT_GUEST_DIR), jq, busybox-static, and a kernel
# with its headers. All files are below one folder in /tmp, removed at the end.
set -euo pipefail

rounds=${1-11}
unpacks=${UNPACKS-3}
vmboot=${VMBOOT-vmboot}
dir=$(mktemp -d /tmp/vmboot-bench-XXXXXX)
chmod 711 "$dir"
common=(--store "$dir/store" --uri embed --memory-mib 512 --skip-guest-agent)

# Also the guest of a round that failed.
cleanup() {
	"$vmboot" rm "${common[@]:0:4}" -f bench >/dev/null 2>&1 || :
	rm -rf "$dir"
}

trap cleanup EXIT

die() {
	echo "headers.sh: $*" >&2
	exit 1
}

# The parts of the headers that a kernel disk would have, as the plan names them.
headers() {
	"$vmboot" plan "${common[@]}" --name bench "dir:$dir/root" -- sh | jq -r '.kernel.headers[]'
}

# A root with busybox, and GNU tar and gzip with what they need.
make_root() {
	local tool file

	mkdir -p "$dir/root/bin" "$dir/root/tmp"
	cp "$(command -v busybox)" "$dir/root/bin/busybox"
	ln -s busybox "$dir/root/bin/sh"
	for tool in tar gzip; do
		cp "$(command -v "$tool")" "$dir/root/bin/$tool"
		for file in $(ldd "$(command -v "$tool")" | grep -o '/[^ ]*'); do
			mkdir -p "$dir/root$(dirname "$file")"
			cp -Ln "$file" "$dir/root$file"
		done
	done
}

# boot FLAG…: boots once; standard output is the program's, $dir/report.json the ledger and $dir/cpu
# what QEMU took.
boot() {
	"$vmboot" run "${common[@]}" --name bench -d "$@" >/dev/null
	"$vmboot" wait "${common[@]:0:4}" --phase exit -t 300 bench >/dev/null
	awk '{ ns += $1 } END { print ns / 1e6 }' \
		/proc/"$(cat "$dir"/store/embed/run/qemu/bench.pid)"/task/*/schedstat >"$dir/cpu"
	"$vmboot" report "${common[@]:0:4}" --json bench >"$dir/report.json"
	"$vmboot" logs "${common[@]:0:4}" bench
	"$vmboot" rm "${common[@]:0:4}" -f bench >/dev/null
}

# note KIND: what is kept of a boot
note() {
	local phase

	guest_ms >>"$dir/guest-$1"
	cat "$dir/cpu" >>"$dir/cpu-$1"
	for phase in modules headers overlay; do
		phase_ms "$phase" >>"$dir/$phase-$1"
	done
}

# Both boots, in an order that chance decides.
pair() {
	local first=$((RANDOM % 2)) j

	for ((j = 0; j < 2; j++)); do
		if [ $(((first + j) % 2)) -eq 0 ]; then
			boot bench -- /bin/busybox true
			note with
			phase_ms kernel-disk >>"$dir/found"
		else
			boot --skip-kernel-headers bench -- /bin/busybox true
			note without
		fi
	done
}

# rows NAME FILE: with, without, and how they differ in each pair
rows() {
	row "$1, with headers" "$dir/$2-with"
	row "$1, skip_kernel_headers" "$dir/$2-without"
	paste "$dir/$2-with" "$dir/$2-without" | awk '{ print $1 - $2 }' >"$dir/$2-difference"
	row "$1, difference of the pairs" "$dir/$2-difference"
}

# Milliseconds of a phase, or from the kernel's first tick to the program.
phase_ms() {
	jq ".events[] | select(.phase == \"$1\") | (.end_us - .start_us) / 1000" "$dir/report.json"
}
guest_ms() {
	jq '[.events[] | select(.side == "guest")] |
		((.[] | select(.phase == "program") | .end_us) -
		 (.[] | select(.phase == "kernel") | .start_us)) / 1000' "$dir/report.json"
}

# median, least and most of the numbers on standard input
summary() {
	sort -n | awk '{ v[NR] = $1 } END {
		m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
		printf "%.1f %.1f %.1f\n", m, v[1], v[NR] }'
}

row() {
	local name=$1 file=$2 m a b

	read -r m a b < <(summary <"$file")
	printf '| %s | %s | %s | %s |\n' "$name" "$m" "$a" "$b"
}

median() {
	summary <"$1" | cut -d ' ' -f 1
}

# shellcheck disable=SC2016  # the guest's shell expands it
unpack='up() { read -r t _ </proc/uptime; echo "$t"; }
a=$(up); tar -xzf /kernel-headers.tar.gz -C /tmp || exit 1; b=$(up); echo "$a $b"'

make_root
mapfile -t parts < <(headers)
[ "${#parts[@]}" -gt 0 ] || die "no kernel headers are installed; vmboot doctor tells which"
tar -czf "$dir/root/kernel-headers.tar.gz" "${parts[@]}" 2>/dev/null
"$vmboot" import "${common[@]:0:4}" --name bench "dir:$dir/root" >/dev/null
boot bench -- /bin/busybox true # fills the store

for ((i = 0; i < unpacks; i++)); do
	boot bench -- /bin/busybox sh -c "$unpack" |
		awk 'NF == 2 { print ($2 - $1) * 1000 }' >>"$dir/unpack"
	phase_ms headers >>"$dir/mount"
done
for ((i = 0; i < rounds; i++)); do
	pair
done

echo "Headers: $(du -shc "${parts[@]}" | tail -n 1 | cut -f 1) in ${#parts[@]} folders," \
	"$(du -h "$dir/root/kernel-headers.tar.gz" | cut -f 1) as tar.gz. Load of the host at the" \
	"end: $(cut -d ' ' -f 1 /proc/loadavg)."
echo
echo "| ms, $unpacks boots | median | least | most |"
echo "| --- | ---: | ---: | ---: |"
row "the kernel disk: phase headers" "$dir/mount"
row "\`tar -xzf kernel-headers.tar.gz\` in the same guest" "$dir/unpack"
echo
awk -v a="$(median "$dir/unpack")" -v b="$(median "$dir/mount")" \
	'BEGIN { printf "Unpacking takes %.0f times as long as mounting.\n", a / b }'
echo
echo "| ms, $rounds pairs of boots | median | least | most |"
echo "| --- | ---: | ---: | ---: |"
rows "guest time, kernel to program" guest
rows "processor time of QEMU" cpu
rows "phase modules" modules
rows "phase headers" headers
rows "phase overlay" overlay
row "host's phase kernel-disk, which is made already" "$dir/found"
