#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# plan and xml: flags, requests and image come out as one plan, twice the same, and nothing is made.
. "$(dirname "$0")/lib.sh"

need jq
make_image "$tmp/web" 2
ref=oci:$tmp/web:2
# no libvirt is asked, and no KVM tried
set -- --accel tcg --uri embed

vmboot plan "$@" "$ref" >"$tmp/first" 2>"$tmp/err" </dev/null || {
	ls /boot/vmlinuz-* >/dev/null 2>&1 || skip "no kernel is installed here"
	fail "plan: $(cat "$tmp/err")"
	done_testing
}
jq -e . "$tmp/first" >/dev/null || fail "plan prints no JSON"
expect 0 vmboot plan "$@" "$ref" && { cmp "$tmp/first" "$tmp/out" || fail "two plans differ"; }
expect 0 vmboot xml "$@" "$ref" && has out "<domain" "<name>unnamed</name>" "vmboot-overlay"
if command -v xmllint >/dev/null; then
	xmllint --noout "$tmp/out" || fail "xml is none"
else
	not_tried "xmllint is not installed"
fi
[ -e "$VMBOOT_STORE/vms" ] && fail "plan makes a VM's folder"
[ -e "$VMBOOT_STORE/images" ] && fail "plan imports"

# flags before the image, the command behind it, and the same as a request
expect 0 vmboot plan "$@" --name web --memory-mib=256 -e A=1 -eB=2 --skip-kernel-headers \
	--skip-module-signatures "$ref" -- run --me -e
cp "$tmp/out" "$tmp/flags"
cat >"$tmp/request" <<-END
	{"name": "web", "image": "$ref", "memory_mib": 256, "env": ["A=1", "B=2"], "accel": "tcg",
	 "uri": "embed", "skip_kernel_headers": true, "skip_module_signatures": true, "on_exit": "poweroff",
	 "cmd": ["run", "--me", "-e"]}
END
jq -e '.kernel | .skip_module_signatures and
	(.command_line | split(" ") | contains(["vmboot.skip_module_signatures"]))' "$tmp/flags" \
	>/dev/null || fail "signatures are not skipped: $(jq -c .kernel "$tmp/flags")"
expect 0 vmboot plan --request "$tmp/request"
cmp "$tmp/flags" "$tmp/out" || fail "flags and request differ"
vmboot plan --request - <"$tmp/request" >"$tmp/out" 2>"$tmp/err" || fail "request from stdin"
cmp "$tmp/flags" "$tmp/out" || fail "request from a file and from standard input differ"

# same NAME WORDS…: the plan of the request with these words is that of the flags
same() {
	expect 0 vmboot plan --request "$tmp/request" "$@"
	cmp -s "$tmp/flags" "$tmp/out" || fail "not the same: $*"
}
jq '.env = ["A=1"] | .cmd = ["other"] | .memory_mib = 64 | .on_exit = "keep"' "$tmp/request" \
	>"$tmp/r" && mv "$tmp/r" "$tmp/request"
same -e B=2 --memory-mib 256 --on-exit poweroff -- run --me -e
same -e B=2 --memory-mib 256 --on-exit poweroff "$ref" run --me -e
same -e B=2 --memory-mib 256 --on-exit poweroff --cmd run --cmd --me --cmd -e
printf '# a comment\n\n  B=2\r\nNOT_SET_HERE\n' >"$tmp/variables"
same --env-file "$tmp/variables" --memory-mib 256 --on-exit poweroff -- run --me -e
B=2 same --env-file /dev/fd/3 --memory-mib 256 --on-exit poweroff -- run --me -e 3<<-END
	B
END
expect 2 vmboot plan --env-file "$tmp/none" "$ref" && has err "--env-file" "No such file"
expect 0 vmboot plan --request "$tmp/request" -e B=2 --memory-mib 256 -- run --me -e
cmp -s "$tmp/flags" "$tmp/out" && fail "on_exit of the request is lost"

# a kernel that was not looked into yet is to start in itself, and nothing is unpacked for a plan
expect 0 vmboot plan "$@" "$ref"
jq -e '.kernel | .start == "direct" and (.file | endswith("/vmlinux"))' "$tmp/out" >/dev/null ||
	fail "how the kernel starts: $(jq -c .kernel "$tmp/out")"
if [ -r /usr/share/qemu/qboot.rom ]; then
	jq -e '.kernel.firmware == "/usr/share/qemu/qboot.rom"' "$tmp/out" >/dev/null ||
		fail "qboot is here, and not used: $(jq -c .kernel "$tmp/out")"
fi
expect 0 vmboot plan "$@" --kernel-start bzimage "$ref"
jq -e '.kernel | .start == "bzimage" and .firmware == null and (.file | endswith("/vmlinuz"))' \
	"$tmp/out" >/dev/null || fail "how a bzImage starts: $(jq -c .kernel "$tmp/out")"
expect 0 vmboot xml "$@" --kernel-start bzimage "$ref" && lacks out "<loader"
[ -e "$VMBOOT_STORE/kernels" ] && fail "plan copies kernels"

# a kernel with all built in has no disk for modules and headers, and who names headers hears that
make_built_in "$tmp"
expect 0 vmboot plan "$@" --kernel "$built_in" "$ref" && lacks out vmboot-kernel
expect 1 vmboot plan "$@" --kernel "$built_in" --kernel-headers "$tmp" "$ref" &&
	has err "\`kernel_headers\` is $tmp" "has no modules"
expect 0 vmboot plan "$@" --kernel "$built_in" --kernel-headers "$tmp" \
	--skip-kernel-headers "$ref"

# only one "--" is ours
expect 0 vmboot plan "$@" "$ref" -- -- x && has out '"--"'
expect 0 vmboot plan "$@" -- "$ref" -- x && has out '"--"'
expect 0 vmboot plan "$@" -- "$ref" x && lacks out '"--"'

# a closed output does not become one of the files that libvirt opens
vmboot plan "$@" "$ref" >&- 2>"$tmp/err" && fail "a plan into a closed output is no error"
has err "cannot write to standard output: Bad file descriptor"

# an empty list is none: the image's entrypoint is not used
expect 0 vmboot plan "$@" "$ref" && has out /bin/serve
expect 0 vmboot plan "$@" --entrypoint '' "$ref" /bin/true && lacks out /bin/serve
done_testing
