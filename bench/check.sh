#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# check.sh [--update] [--rounds N] [--only CONFIGURATION]... [--kernel FILE] [--kernel-args WORDS]
# [--base [COMMIT]] [--numbers FILE]: how many instructions each phase of a boot takes, compared with
# expected.txt or, where that has no numbers for this kernel and QEMU, with an earlier commit;
# README.md beside this file says more. Exits with 1 if a phase moved, with 77 if it cannot tell.
set -eu

usage() {
	echo "usage: check.sh [--update] [--rounds N] [--only CONFIGURATION]..."
	echo "                [--kernel FILE] [--kernel-args WORDS] [--base [COMMIT]]"
	echo "                [--numbers FILE] (in the build folder)"
	exit "$1"
}

# What is booted: a name, and what the request has besides.
configurations='
plain    "memory_mib": 256, "skip_kernel_headers": true, "skip_guest_agent": true
headers  "memory_mib": 256, "skip_guest_agent": true
agent    "memory_mib": 256, "skip_kernel_headers": true
large    "memory_mib": 2048, "skip_kernel_headers": true, "skip_guest_agent": true
fastest  "memory_mib": 256, "skip_kernel_headers": true, "skip_guest_agent": true, "skip_module_signatures": true, "kernel_args": "initcall_blacklist=trace_eval_init,tracer_init_tracefs,ftrace_check_for_weak_functions"
systemd  "memory_mib": 512, "init_mode": "systemd"
'

update=false rounds=3 only=
other_kernel='' other_args='' base='' against_base=false numbers=''
while [ $# -gt 0 ]; do
	case $1 in
	--update) update=true ;;
	--rounds) rounds=$2 && shift ;;
	--only) only="$only $2 " && shift ;;
	--kernel) other_kernel=$2 && shift ;;
	--kernel-args) other_args=$2 && shift ;;
	--numbers) numbers=$(realpath "$2") && shift ;;
	--base)
		against_base=true
		case ${2-} in
		'' | --*) ;;
		*) base=$2 && shift ;;
		esac
		;;
	--help) usage 0 ;;
	*) usage 2 >&2 ;;
	esac
	shift
done
# the numbers to compare with are those of the kernel that is found, and of our arguments alone
other=$other_kernel$other_args
[ -z "$other" ] || ! $update || usage 2 >&2
. "$(dirname "$0")/lib.sh"
expected=$srcdir/bench/expected.txt
need jq qemu-system-x86_64
built tools/vmboot bench/boot bench/count.so
begin
mkdir -p "$tmp/root/bin"
cp bench/mark "$tmp/root/bin/"
cp bench/count.so "$tmp/"

# The stock Debian of the boot tests; what it takes is that of its systemd, so its name has that.
debian=$builddir/tests/boot/debian.tar systemd=
wanted() {
	case $1:$only in
	:*) false ;;
	*: | *" $1 "*) ;;
	*) false ;;
	esac
}
if wanted systemd; then
	[ -e "$debian" ] || sh "$srcdir/tests/boot/mkdebian.sh" "$debian" >&2 ||
		echo "without the configuration systemd: there is no Debian" >&2
	if [ -e "$debian" ]; then
		tar -xOf "$debian" ./var/lib/dpkg/status >"$tmp/packages"
		systemd=systemd-$(awk '$1 == "Package:" { p = $2 } p == "systemd" && $1 == "Version:" {
			print $2 }' "$tmp/packages")
	fi
fi

# No random place for the kernel; and the frequency that the counter has under -icount shift=0, not
# that of the host's.
request() {
	jq -n --arg tmp "$tmp" --arg args "$other_args" --arg kernel "$other_kernel" \
		--arg image "$1" --arg cmd "$2" "{$3}"' +
		{name: "bench", image: $image, store: "\($tmp)/s", cmd: [$cmd]} |
		.kernel_args = "nokaslr tsc_early_khz=1000000 \($args) \(.kernel_args // "")" |
		if $kernel != "" then .kernel = $kernel else . end'
}

# boot NAME MORE: adds to $tmp/counts, a line "NAME PHASE INSTRUCTIONS" for each phase to the
# program, or to the default target
boot() {
	name=$1
	echo "$name" >&2
	case $name in
	systemd)
		[ -n "$systemd" ] || return 0
		name=$systemd
		set -- "tar:$debian" /sbin/init "$2"
		;;
	*) set -- "dir:$tmp/root" /bin/mark "$2" ;;
	esac
	bench/boot "$tmp/count.so" "$(request "$@")" >"$tmp/report" 2>"$tmp/errors" || {
		cat "$tmp/errors" >&2
		exit 2
	}
	jq -r --arg name "$name" '(.phases | map(.phase) | index("program")) as $last |
		(.phases[:$last + 1] + [.phases[$last + 1:][] | select(.phase == "ready")]) |
		(.[] | [.phase, .insns]),
		["total", ([.[] | select(.phase != "firmware") | .insns] | add)],
		["user", (map(.user) | add)] |
		[$name] + . | @tsv' "$tmp/report" >>"$tmp/counts"
}

for i in $(seq "$rounds"); do
	echo "round $i of $rounds" >&2
	printf '%s' "$configurations" | while read -r name more; do
		if wanted "$name"; then
			boot "$name" "$more"
		fi
	done
done
[ -s "$tmp/counts" ] || exit 77
kernel=$(vmboot plan --accel tcg --name bench ${other_kernel:+--kernel "$other_kernel"} \
	"dir:$tmp/root" -- /bin/mark | jq -r .kernel.release)
qemu=$(jq -r .qemu "$tmp/report")

# "KERNEL QEMU NAME PHASE MILLIONS", medians, in the order of the first boot
awk -v key="$kernel $qemu" '
	{ k = $1 " " $2 }
	!(k in n) { order[++phases] = k }
	{ v[k, ++n[k]] = $3 }
	END {
		for (p = 1; p <= phases; p++) {
			k = order[p]
			for (i = 2; i <= n[k]; i++)
				for (j = i; j > 1 && v[k, j] < v[k, j - 1]; j--) {
					t = v[k, j]; v[k, j] = v[k, j - 1]; v[k, j - 1] = t
				}
			printf "%s %s %.3f\n", key, k, v[k, int((n[k] + 1) / 2)] / 1e6
		}
	}' "$tmp/counts" >"$tmp/now"

echo "Millions of guest instructions, medians of $rounds; Linux $kernel, QEMU $qemu:"
echo
awk '{ if (!($3 in c)) { c[$3]; name[++names] = $3 }
       if (!($4 in p)) { p[$4]; phase[++phases] = $4 }
       v[$3, $4] = $5 }
	END {
		printf "| phase |"; for (i = 1; i <= names; i++) printf " %s |", name[i]
		printf "\n| --- |"; for (i = 1; i <= names; i++) printf " ---: |"
		printf "\n"
		for (j = 1; j <= phases; j++) {
			printf "| %s |", phase[j]
			for (i = 1; i <= names; i++)
				printf " %s |", v[name[i], phase[j]]
			printf "\n"
		}
	}' "$tmp/now"
echo

if $update; then
	# the numbers of other kernels, versions and configurations stay
	awk 'FNR == NR { now[$1, $2, $3]; next } /^#/ || !(($1, $2, $3) in now)' \
		"$tmp/now" "$expected" >"$tmp/expected"
	cat "$tmp/now" >>"$tmp/expected"
	cat "$tmp/expected" >"$expected"
	echo "$expected is up to date."
	exit 0
fi

if [ -n "$numbers" ]; then
	cp "$tmp/now" "$numbers"
	exit 0
fi
[ -z "$other" ] || exit 0

# The commit to compare with: BENCH_BASE, or the newest that is a day older than now, or the parent.
choose_base() {
	base=${base:-${BENCH_BASE-}}
	cd "$srcdir"
	[ -n "$base" ] || base=$(git rev-list -1 --before="24 hours ago" HEAD 2>/dev/null || :)
	base=$(git rev-parse -q --verify "${base:-HEAD~1}^{commit}") ||
		base=
	cd "$builddir"
}

# What the base takes, in the same configurations, by the script of today.
count_base() {
	folder=$builddir/bench/base-$base
	if [ ! -e "$folder/built" ]; then
		rm -rf "$builddir"/bench/base-*
		mkdir -p "$folder/source" "$folder/build"
		git -C "$srcdir" archive "$base" | tar -C "$folder/source" -x
		(cd "$folder/source" && ./autogen.sh && cd ../build && ../source/configure --quiet &&
			make -s -j"$(nproc)" && make -s bench-tools) >"$folder/log" 2>&1 || {
			tail -n 20 "$folder/log" >&2
			echo "The base $base does not build: its log is in $folder/log." >&2
			exit 2
		}
		: >"$folder/built"
	fi
	for name in $only; do
		set -- "$@" --only "$name"
	done
	(cd "$folder/build" && sh "$srcdir/bench/check.sh" --rounds "$rounds" \
		--numbers "$tmp/base" "$@") >/dev/null
}

# Lines of slack.txt that the base does not have, so that each counts once: "CONFIGURATION PHASE
# MILLIONS why".
new_slack() {
	git -C "$srcdir" show "$base:bench/slack.txt" >"$tmp/old-slack" 2>/dev/null || :
	grep -v '^#' "$srcdir/bench/slack.txt" | grep -vxF -f "$tmp/old-slack" || :
}

if ! $against_base && ! grep -q "^$kernel $qemu " "$expected"; then
	echo "There are no numbers for Linux $kernel and QEMU $qemu: run make bench-update."
	against_base=true
fi
: >"$tmp/slack"
if $against_base; then
	choose_base
	if [ -z "$base" ]; then
		echo "There is no earlier commit here to compare with: set BENCH_BASE."
		exit 77
	fi
	echo "Compared with $(git -C "$srcdir" log -1 --format='%h, %s' "$base"):"
	count_base
	new_slack >"$tmp/slack"
	sed 's/^/allowed: /' "$tmp/slack"
	expected=$tmp/base
fi

# A phase moved if it did so by more than 1 % and by more than waiting for a disk, in which the
# kernel finds other work now and then, makes of it. A systemd runs programs side by side, in another
# order each time; and other versions of it than that of the numbers say nothing.
awk -v key="$kernel $qemu" -v only="$only" -v slower_only="$against_base" -v more="$tmp/slack" '
	BEGIN {
		while ((getline line < more) > 0) {
			split(line, word)
			explained[word[1] " " word[2]] += word[3]
		}
	}
	BEGIN { slack["settle-root"] = 1.5; slack["program"] = slack["total"] = 6; slack["user"] = 0.01 }
	FNR == NR {
		if ($1 " " $2 == key) {
			was[$3 " " $4] = $5
			known[$3]
		}
		next
	}
	!($3 in known) && $3 ~ /^systemd-/ { next }
	{
		k = $3 " " $4
		seen[k]
		booted[$3]
		if (!(k in was)) {
			printf "%s: %s is new, %.3f\n", $3, $4, $5
			next
		}
		d = $5 - was[k]
		allowed = $4 in slack ? slack[$4] : 0.15
		share = $3 ~ /^systemd-/ && $4 ~ /^(ready|total|user)$/ ? 0.03 : 0.01
		if (allowed < was[k] * share)
			allowed = was[k] * share
		if (slower_only == "true") # chance is on both sides
			allowed *= 2
		if (d > allowed + explained[k] || (d < -allowed && slower_only != "true"))
			printf "%s: %s took %.3f, now %.3f (%+.1f %%)\n", $3, $4, was[k], $5,
				100 * d / (was[k] > 0 ? was[k] : 1)
	}
	END {
		for (k in was) {
			if (slower_only == "true")
				break
			name = substr(k, 1, index(k, " ") - 1)
			if (!(k in seen) && (name in booted ||
					     (only == "" && name !~ /^systemd-/)))
				printf "%s is gone\n", k
		}
	}' "$expected" "$tmp/now" >"$tmp/moved"
if [ -n "$systemd" ] && ! grep -q "^$kernel $qemu $systemd " "$expected"; then
	echo "There are no numbers for $systemd: run make bench-update."
fi
if [ -s "$tmp/moved" ]; then
	cat "$tmp/moved"
	if $against_base; then
		echo "If that is meant to be, add a line with the reason to bench/slack.txt."
	else
		echo "If that is meant to be, run make bench-update and commit bench/expected.txt."
	fi
	exit 1
fi
$against_base && echo "No phase takes more than it took." || echo "All phases take what they took."
