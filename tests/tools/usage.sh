#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The command line: help, flags, requests, exit codes, and output that cannot be written.
. "$(dirname "$0")/lib.sh"

same() {
	cmp "$1" "$2" || fail "$1 and $2 differ"
}

expect 0 vmboot --version && has out "vmboot 0."
expect 0 vmboot --help && has out "Usage: vmboot" "  run "
expect 0 vmboot -h && has out "Usage: vmboot"
expect 0 vmboot help && has out "Usage: vmboot"
expect 2 vmboot && has err "which verb?"

# each verb has help, three ways, and takes the flags that all take
verbs=$(vmboot --help | sed -n 's/^  \([a-z]*\)  .*/\1/p')
for verb in $verbs; do
	[ "$verb" = help ] && continue
	expect 0 vmboot help "$verb" && has out "Usage: vmboot $verb" "--uri" "--store" "--verbose"
	cp "$tmp/out" "$tmp/help"
	expect 0 vmboot "$verb" --help && same "$tmp/help" "$tmp/out"
	expect 0 vmboot "$verb" -h && same "$tmp/help" "$tmp/out"
	expect 0 vmboot --help "$verb" && same "$tmp/help" "$tmp/out"
	expect 2 vmboot "$verb" --no-such-flag && has err "unknown flag --no-such-flag" "help $verb"
	expect 2 vmboot "$verb" -Z && has err "unknown flag -Z"
	awk -v verb="$verb" 'length > 100 { print verb ": " $0; bad = 1 } END { exit bad }' "$tmp/help" ||
		fail "lines over 100 columns"
done

# verbs and flags that were nearly right
expect 2 vmboot rn && has err 'unknown verb "rn"; did you mean "run"?'
expect 2 vmboot lgos && has err 'did you mean "logs"?'
expect 2 vmboot help imagse && has err 'did you mean "images"?'
expect 2 vmboot frobnicate && has err 'unknown verb "frobnicate"' && lacks err "did you mean"
expect 2 vmboot run --memroy-mib 64 x && has err "did you mean --memory-mib?"
expect 2 vmboot ps --memory-mib 64 && has err "unknown flag --memory-mib"
expect 2 vmboot "$(printf 'a\033[2Jb')" && has err 'a\x1b[2Jb'

# what hands that know container engines type
expect 2 vmboot run -v /srv:/srv x && has err "unknown flag -v: volumes are not supported"
expect 2 vmboot run -p web:80 x && has err 'publish: "web:80" is not acceptable'
expect 2 vmboot port --add 80 --remove 80:80 x && has err "either --add or --remove"
expect 2 vmboot ps -p && has err "unknown flag -p" && lacks err "ports"
for size in 512 1.0001g 1x g 1gg -1g ''; do
	expect 2 vmboot plan --memory "$size" x && has err "--memory: \"$size\" is not a whole number"
done
expect 2 vmboot plan --cpus 1.5 x && has err '--cpus: "1.5" is not a whole number'
expect 2 vmboot stop -a web && has err "give names or --all, not both"
expect 2 vmboot prune && has err "give --force"
expect 2 vmboot ps --filter colour=red && has err '--filter: "colour=red" is not name=TEXT'
expect 2 vmboot ps --filter status=old && has err '"status=old" is not'
expect 2 vmboot ps --format '{{.Nmae}}' && has err "there is no {{.Nmae}}; there are .Name"
expect 2 vmboot ps --format '{{.Name' && has err 'a "{{" without its "}}"'

# operands and values
expect 2 vmboot start && has err "start needs NAME..."
expect 2 vmboot exec web && has err "exec needs NAME CMD..."
expect 2 vmboot exec web -- && has err "exec needs NAME CMD..."
expect 2 vmboot cp a && has err "cp needs SRC DST"
expect 2 vmboot cp a b && has err "one of SRC and DST must be NAME:PATH"
expect 2 vmboot cp web:/a db:/b && has err "one of SRC and DST must be NAME:PATH"
expect 2 vmboot cp ./web:/a /x/y:z && has err "one of SRC and DST must be NAME:PATH"
expect 2 vmboot cp - - && has err "one of SRC and DST must be NAME:PATH"
expect 2 vmboot stat web && has err "stat needs NAME PATH"
expect 2 vmboot import && has err "import needs SOURCE"
expect 2 vmboot ps web && has err 'ps: "web" is too much'
expect 2 vmboot report a b && has err '"b" is too much'
expect 2 vmboot report --json --svg a && has err "one of --chart, --json and --svg"
expect 2 vmboot run && has err "which image?"
expect 2 vmboot plan && has err "which image?"
expect 2 vmboot plan --name && has err "--name needs a value"
expect 2 vmboot ps --json=yes && has err "--json takes no value"
expect 2 vmboot stop -t soon web && has err '--time: "soon" is not a number of seconds'
expect 2 vmboot stop -t -1 web && has err '--time: "-1"'
expect 2 vmboot stop -t 2147484 web && has err "a number of seconds from 0 to 2147483"
expect 2 vmboot stop -t 99999999999999999999 web && has err "--time"
expect 2 vmboot wait --phase nosuch web && has err '--phase: "nosuch" is no phase'

# a value that the table of fields refuses: field, value, rule; in run, as a usage error too
refused() {
	field=$1 value=$2 rule=$3
	shift 3
	for verb in run plan xml; do
		expect 2 vmboot "$verb" "$@" && has err "$field" "$value" "$rule"
	done
}
refused memory_mib '"5"' "a number of MiB from" --memory-mib 5 x
refused memory_mib '"5k"' "a number of MiB from" --memory-mib=5k x
refused name '"_Web"' "the first a letter or a digit" --name _Web x
refused name '"a.tmp-1"' 'without ".tmp-"' --name a.tmp-1 x
refused hostname '"a_b"' "letters, digits and inner dashes" --hostname a_b x
refused memory_mib '"1"' "a number of MiB from" --memory 1m x
refused vcpus '"0"' "a number from 1 to 255" --cpus 0 x
refused env '"novalue"' "KEY=VALUE" -e novalue x
refused env '"=x"' "KEY=VALUE" -e=x x
refused accel '"fast"' "auto, kvm or tcg" --accel fast x
refused workdir '"tmp"' "an absolute path" -wtmp x
refused skip_guest_agent '"maybe"' "true or false" --skip-guest-agent=maybe x
refused skip_module_signatures '"1"' "true or false" --skip-module-signatures=1 x

# requests
echo '{"image": "node:20", "skip_kernel_heders": true}' >"$tmp/request"
refused skip_kernel_heders "" "" --request "$tmp/request"
echo '{"image": "node:20", "vcpus": 0}' >"$tmp/request"
refused vcpus "0" "a number from 1" --request "$tmp/request"
echo '{"image": "node:20"' >"$tmp/request"
expect 2 vmboot plan --request "$tmp/request"
printf '{"image": "node:20"}\0' >"$tmp/request"
expect 2 vmboot plan --request "$tmp/request" && has err "0 byte"
head -c 17000000 /dev/zero | tr '\0' ' ' >"$tmp/request"
expect 2 vmboot plan --request "$tmp/request" && has err "over 16777216 bytes"
expect 2 vmboot plan --request "$tmp/nosuch" && has err "nosuch: No such file or directory"
expect 2 vmboot plan --request "$tmp" && has err "Is a directory"

# standard output that is full or closed is an error, one that nobody reads ends quietly
vmboot --help >/dev/full 2>"$tmp/err" && fail "help into a full disk is no error"
has err "cannot write to standard output: No space left on device"
vmboot --help >&- 2>"$tmp/err" && fail "help into a closed output is no error"
has err "cannot write to standard output: Bad file descriptor"
mkfifo "$tmp/pipe"
: <"$tmp/pipe" &
status=0
exec 3>"$tmp/pipe"
wait
vmboot --help >&3 2>"$tmp/err" || status=$?
exec 3>&-
[ "$status" -eq 141 ] || fail "exit $status, not 141, when nobody reads"
[ -s "$tmp/err" ] && fail "words when nobody reads: $(cat "$tmp/err")"

[ -e "$VMBOOT_STORE" ] && fail "a store was made by what needs none"

# libvirt's words are in our line, and nowhere else
expect 1 vmboot ps -c "qemu+unix:///system?socket=$tmp/nosuch" && has err "cannot connect"
[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "more than one line: $(cat "$tmp/err")"
done_testing
