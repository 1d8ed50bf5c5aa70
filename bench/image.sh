#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# bench/image.sh OCI:TAG [ROUNDS]: the import of a layout beside what others do with it, in turns:
# `umoci unpack` and mksquashfs with the same compression, and `skopeo copy` into containers-storage.
# Seconds of wall clock, then the ratios of the sums; root only, for owners.
set -eu
image=$1 rounds=${2:-3}
tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/vmboot-bench-XXXXXX")
trap 'rm -rf "$tmp"' EXIT

# milliseconds COMMAND...: how long it takes, in milliseconds, on standard output
milliseconds() {
	start=$(date +%s%N)
	"$@" >"$tmp/log" 2>&1 || {
		cat "$tmp/log" >&2
		exit 1
	}
	echo $((($(date +%s%N) - start) / 1000000))
}

storage="containers-storage:[overlay@$tmp/c+$tmp/run]localhost/bench:1"
ours=0 umoci=0 skopeo=0
for round in $(seq "$rounds"); do
	a=$(milliseconds vmboot import --store "$tmp/s" "oci:$image")
	b=$(milliseconds umoci unpack --image "$image" "$tmp/b")
	c=$(milliseconds mksquashfs "$tmp/b/rootfs" "$tmp/disk" -comp lz4 -no-progress -quiet)
	d=$(milliseconds skopeo --insecure-policy copy -q "oci:$image" "$storage")
	echo "round $round: import $a ms; umoci $b ms, mksquashfs $c ms; skopeo $d ms"
	ours=$((ours + a)) umoci=$((umoci + b + c)) skopeo=$((skopeo + d))
	rm -rf "$tmp/s" "$tmp/b" "$tmp/disk" "$tmp/c" "$tmp/run"
done
awk "BEGIN { printf \"beside umoci and mksquashfs: %.2f; beside skopeo: %.2f\n\", $ours / $umoci, $ours / $skopeo }"
