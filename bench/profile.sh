#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# profile.sh [--from LINE] [--to LINE] [--top N] [MORE]: which functions of the kernel execute most
# instructions between two landmarks of a boot. MORE: members of the request's JSON, without braces.
set -eu

usage() {
	echo "usage: profile.sh [--from LINE] [--to LINE] [--top N] [MORE] (in the build folder)"
	exit "$1"
}

from=kernel to=mark-128 top=30
while [ $# -gt 0 ]; do
	case $1 in
	--from) from=$2 && shift ;;
	--to) to=$2 && shift ;;
	--top) top=$2 && shift ;;
	--help) usage 0 ;;
	-*) usage 2 >&2 ;;
	*) break ;;
	esac
	shift
done
more=${1-'"skip_kernel_headers": true, "skip_guest_agent": true'}
. "$(dirname "$0")/lib.sh"
need busybox jq
built tools/vmboot bench/boot bench/count.so
begin
mkdir -p "$tmp/root/bin" "$tmp/out"
chmod 777 "$tmp/out" # QEMU may run as another user
cp bench/mark "$tmp/root/bin/"
cp "$(command -v busybox)" "$tmp/root/bin/busybox"
cp bench/count.so "$tmp/"

# The kernel's and its modules' symbols, as such a guest has them, by address.
jq -n "{name: \"symbols\", image: \"dir:$tmp/root\", store: \"$tmp/s\", uri: \"embed\",
	accel: \"tcg\", cmd: [\"/bin/busybox\", \"cat\", \"/proc/kallsyms\"]} + {$more} |
	.kernel_args = ((.kernel_args // \"\") + \" nokaslr\")" >"$tmp/request"
vmboot run --request "$tmp/request" >"$tmp/symbols" 2>"$tmp/errors" || {
	cat "$tmp/errors" >&2
	exit 2
}
sort "$tmp/symbols" | grep -i ' [tw] ' >"$tmp/sorted"

jq 'del(.uri) | .name = "profile" | .cmd = ["/bin/mark"]' "$tmp/request" >"$tmp/request2"
bench/boot "$tmp/count.so,profile=$tmp/out/profile,from=$from,to=$to" "$(cat "$tmp/request2")" \
	>/dev/null 2>"$tmp/errors" && [ -s "$tmp/out/profile" ] || {
	cat "$tmp/errors" >&2
	exit 2
}

echo "| millions of instructions, $from to $to | share | function |"
echo "| ---: | ---: | --- |"
awk '
	FNR == NR { address[++n] = $1; name[n] = $3 ($4 ? " " $4 : ""); next }
	{
		total += $2
		low = 1
		high = n
		while (low < high) {
			middle = int((low + high + 1) / 2)
			if (address[middle] "" <= $1 "")
				low = middle
			else
				high = middle - 1
		}
		sum[substr($1, 1, 4) == "ffff" ? name[low] : "(user space, or before the kernel)"] += $2
	}
	END {
		for (k in sum)
			printf "| %.2f | %.1f %% | %s |\n", sum[k] / 1e6, 100 * sum[k] / total, k
	}' "$tmp/sorted" "$tmp/out/profile" | sort -t '|' -k 2,2 -rn | head -n "$top"
